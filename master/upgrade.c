/* SPDX-License-Identifier: Apache-2.0 */
#include "master/upgrade.h"

#include "common/log.h"
#include "master/launch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* From the fork until the new program has said what it is, when boot-timeout sets no limit. */
#define GREETING_NS (30 * CLOCK_NS_PER_S)

/* ---- what masters say to each other ---- */

typedef enum message_kind {
    MESSAGE_HELLO = 1, /* new: I am a hubbub, and I have what I need */
    MESSAGE_REFUSED,   /* the child: execve failed; the value is errno */
    MESSAGE_TAKEN,     /* new: the slot is mine */
    MESSAGE_DONE,      /* new: all slots are mine */
    MESSAGE_GIVE_BACK, /* new: I end; take your slots */
    MESSAGE_RETURNED,  /* old: I have workers in all my slots again; end */
    MESSAGE_LEAVING,   /* old: I end; take what is left */
} message_kind;

typedef struct message {
    uint32_t kind;
    uint32_t value;
} message;

/* A failure means that the other one is gone, which the next read says too. */
static void say(int channel, message_kind kind, uint32_t value)
{
    message what = {kind, value};
    while (send(channel, &what, sizeof what, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR)
        continue;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Nothing is under way any more. */
static void settle(upgrade *self)
{
    if (self->channel >= 0)
        self->watch(self->arg, -1);
    close_fd(&self->channel);
    close_fd(&self->owners_fd);
    owners_close(self->owners);
    self->owners = NULL;
    self->deadline_ns = 0;
    self->taken = 0;
    self->phase = UPGRADE_NONE;
    crew_set_orphan_farewell(self->crew, FAREWELL_STOP);
}

/* ---- how this process was started ---- */

static handover *found;

hub_status upgrade_remember(char *const argv[], error *failure)
{
    int fd;
    hub_status status = launch_remember(argv, UPGRADE_VARIABLE, &fd, failure);
    if (fd == LAUNCH_NONE)
        return status;
    found = handover_new();
    if (!found) {
        status = error_set(failure, HUB_EPROTO, "no memory for what the last master left");
    } else if (handover_read(fd, found, failure) != HUB_OK) {
        error_prefix(failure, UPGRADE_VARIABLE ": ");
        status = HUB_EPROTO;
    } else if (!handover_set_cloexec(found, true)) {
        status = error_set(failure, HUB_EPROTO, UPGRADE_VARIABLE ": a descriptor is not open");
    }
    if (fd >= 0)
        close(fd);
    return status;
}

handover *upgrade_found(void)
{
    return found;
}

bool upgrade_is_probe(void)
{
    return found && found->mode == HANDOVER_PROBE;
}

hub_status upgrade_try(error *failure)
{
    region shared;
    hub_status status = region_attach(&shared, found->region, failure);
    if (status != HUB_OK)
        return status;
    region_close(&shared);
    say(found->channel, MESSAGE_HELLO, 0);
    return HUB_OK;
}

/* ---- the old master: beginning ---- */

static void list_listeners(const listener_set *set, handover *to)
{
    to->listener_count = (uint32_t)set->count;
    for (size_t i = 0; i < set->count; i++) {
        const listener *from = &set->items[i];
        handover_listener *item = &to->listeners[i];
        item->fd = from->fd;
        item->device = from->device;
        item->inode = from->inode;
        item->inherited = from->inherited;
        snprintf(item->bind, sizeof item->bind, "%s", from->bind);
        snprintf(item->name, sizeof item->name, "%s", from->name);
        snprintf(item->path, sizeof item->path, "%s", from->path);
    }
}

static void add_worker(const slot *place, bool leaving, handover *to)
{
    if (to->worker_count == REGION_ROWS)
        return;
    to->workers[to->worker_count++] = (handover_worker){
        .number = place->number,
        .state = place->state,
        .wanted = place->wanted,
        .degraded = place->degraded,
        .leaving = leaving,
        .pid = place->pid,
        .logs = place->logs,
        .row = place->row,
        .generation = place->generation,
        .failures = place->failures,
        .quick_ends = place->quick_ends,
        .word = place->word,
        .deadline_ns = place->deadline_ns,
        .forked_ns = place->forked_ns,
        .ready_ns = place->ready_ns,
        .look_ns = place->look_ns,
    };
}

static void list_workers(const crew *all, handover *to)
{
    for (unsigned i = 0; i < all->count; i++)
        add_worker(all->slots[i], false, to);
    for (const slot *place = all->leaving; place; place = place->next)
        if (slot_filled(place))
            add_worker(place, true, to);
}

/* What belongs to the server: channel and table are of one upgrade. */
static void write_down(const upgrade *self, const upgrade_facts *facts, handover_mode mode, handover *to)
{
    const crew *all = self->crew;
    to->mode = mode;
    to->master = getpid();
    to->releases = facts->releases;
    to->configured = facts->configured;
    to->count = all->count;
    to->region = all->region.memory_fd;
    memcpy(to->doorbells, all->region.doorbells, sizeof to->doorbells);
    memcpy(to->generations, all->generations, sizeof to->generations);
    list_listeners(self->listeners, to);
    if (mode == HANDOVER_BESIDE)
        return;
    to->master_doorbell = all->region.master_doorbell;
    to->parent_pipe[0] = all->parent_pipe[0];
    to->parent_pipe[1] = all->parent_pipe[1];
    to->module = facts->running->module;
    to->release = facts->running->number;
    to->paused = facts->paused;
    list_workers(all, to);
}

typedef struct birth {
    const handover *what;
    int fd;
} birth;

static int become_next(void *arg)
{
    const birth *mine = arg;
    prctl(PR_SET_PDEATHSIG, 0); /* it outlives its parent */
    launch_execute(mine->what, UPGRADE_VARIABLE, mine->fd);
    say(mine->what->channel, MESSAGE_REFUSED, (uint32_t)errno);
    return LAUNCH_EXIT_REFUSED;
}

static hub_status fork_next(upgrade *self, const handover *what, error *failure)
{
    int kept[HANDOVER_DESCRIPTORS_MAX + 1];
    birth mine = {what, -1};
    hub_status status = handover_write(what, &mine.fd, failure);
    if (status != HUB_OK)
        return status;
    size_t count = handover_descriptors(what, kept);
    kept[count++] = mine.fd;
    spawn_request request = {.run = become_next, .arg = &mine, .keep = kept, .keep_count = count};
    status = spawn_process(&request, &self->other, failure);
    close(mine.fd);
    return status;
}

/* The channel's other end is the child's alone as soon as it lives. */
static hub_status start_next(upgrade *self, const upgrade_facts *facts, handover_mode mode, error *failure)
{
    int ends[2] = {-1, -1};
    hub_status status = HUB_OK;
    handover *what = handover_new();
    if (!what)
        return error_set(failure, HUB_ENOMEM, "no memory for what the next master inherits");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        status = error_set(failure, HUB_ESYSTEM, "cannot make a channel: %s", strerror(errno));
        goto out;
    }
    if (mode == HANDOVER_BESIDE)
        status = owners_create(&self->owners, getpid(), &self->owners_fd, failure);
    if (status != HUB_OK)
        goto out;
    write_down(self, facts, mode, what);
    what->channel = ends[1];
    what->owners = self->owners_fd;
    status = fork_next(self, what, failure);

out:
    free(what);
    close_fd(&ends[1]);
    self->channel = ends[0];
    return status;
}

void upgrade_begin(upgrade *self, const upgrade_facts *facts)
{
    error failure = {.status = HUB_OK};
    handover_mode mode = getpid() == 1 ? HANDOVER_PROBE : HANDOVER_BESIDE;
    uint64_t limit_ns = facts->running->limits.boot_ns;
    if (self->phase != UPGRADE_NONE || self->other) {
        log_warning("an upgrade is under way (process %d): SIGUSR2 changes nothing", (int)self->other);
        return;
    }
    self->greeted = false;
    self->dismissed = false;
    self->refusal = 0;
    if (launch_check(&failure) != HUB_OK || start_next(self, facts, mode, &failure) != HUB_OK) {
        log_error("the upgrade is abandoned: %s", failure.text);
        close_fd(&self->channel);
        settle(self);
        return;
    }
    self->phase = mode == HANDOVER_PROBE ? UPGRADE_PROBING : UPGRADE_GIVING;
    self->deadline_ns = clock_monotonic_ns() + (limit_ns ? limit_ns : GREETING_NS);
    self->watch(self->arg, self->channel);
    if (mode == HANDOVER_BESIDE)
        crew_set_orphan_farewell(self->crew, FAREWELL_REPLACED);
    log_info("upgrading: %s is started as process %d%s", launch_program(), (int)self->other,
             mode == HANDOVER_PROBE ? ", to see whether it can take over" : "");
}

bool upgrade_is_giving(const upgrade *self)
{
    return self->phase == UPGRADE_PROBING || self->phase == UPGRADE_GIVING ||
           self->phase == UPGRADE_RESTORING;
}

/* ---- the old master: giving, and taking back ---- */

static void give(upgrade *self, unsigned number)
{
    if (self->phase != UPGRADE_GIVING || number >= CONFIG_WORKERS_MAX)
        return;
    self->taken++;
    if (number < self->crew->count)
        crew_empty_slot(self->crew, number);
}

/* The paths of unix sockets belong to the next master from now on. */
static void let_go_of_paths(listener_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        set->items[i].owner = 0;
}

static void own_paths(listener_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        set->items[i].owner = getpid();
}

static void finish_giving(upgrade *self)
{
    if (self->phase != UPGRADE_GIVING)
        return;
    self->phase = UPGRADE_GIVEN;
    self->deadline_ns = 0;
    let_go_of_paths(self->listeners);
    log_info("process %d has taken all slots over: this master ends when its workers have left",
             (int)self->other);
    self->given(self->arg);
}

/* Slots that were given away, or that nobody is wanted in for another reason, get workers again. */
static void restore(upgrade *self)
{
    self->phase = UPGRADE_RESTORING;
    self->deadline_ns = 0;
    for (unsigned i = 0; i < self->crew->count; i++) {
        slot *place = self->crew->slots[i];
        if (self->owners)
            owners_move(self->owners, i, self->other, getpid());
        if (slot_filled(place) && !place->wanted)
            crew_empty_slot(self->crew, i);
        crew_tell(self->crew, self->crew->slots[i], SLOT_WANTED);
    }
}

static bool all_ready(const crew *all)
{
    for (unsigned i = 0; i < all->count; i++)
        if (all->slots[i]->state != SLOT_READY)
            return false;
    return true;
}

static void finish_restoring(upgrade *self)
{
    if (!all_ready(self->crew))
        return;
    if (self->taken)
        log_info("all %u slots are served by this master again", self->crew->count);
    if (self->channel >= 0)
        say(self->channel, MESSAGE_RETURNED, 0);
    settle(self);
}

void upgrade_take_back(upgrade *self)
{
    if (self->phase != UPGRADE_GIVING)
        return;
    log_info("the slots are taken back from process %d, which ends then", (int)self->other);
    self->dismissed = true;
    restore(self);
}

void upgrade_leave(upgrade *self)
{
    if (self->phase == UPGRADE_PROBING)
        kill(self->other, SIGKILL);
    if (self->phase != UPGRADE_GIVING)
        return;
    log_info("process %d goes on alone", (int)self->other);
    let_go_of_paths(self->listeners);
    say(self->channel, MESSAGE_LEAVING, 0);
    self->dismissed = true;
    self->phase = UPGRADE_GIVEN;
    self->deadline_ns = 0;
}

/* ---- the old master: how the child ended ---- */

static void describe_end(const upgrade *self, int status, char *text, size_t size)
{
    if (self->refusal)
        snprintf(text, size, "cannot execute %s: %s", launch_program(), strerror(self->refusal));
    else if (WIFSIGNALED(status))
        snprintf(text, size, "process %d was killed by SIG%s", (int)self->other,
                 sigabbrev_np(WTERMSIG(status)));
    else if (!self->greeted)
        snprintf(text, size, "process %d ended with exit code %d before it could take over", (int)self->other,
                 WEXITSTATUS(status));
    else
        snprintf(text, size, "process %d ended with exit code %d", (int)self->other, WEXITSTATUS(status));
}

/* Executes the new program in this process; returns only when that failed, and then nothing has changed. */
static void execute_in_place(upgrade *self, const upgrade_facts *facts)
{
    error failure = {.status = HUB_OK};
    int fd = -1;
    handover *what = handover_new();
    if (!what)
        error_set(&failure, HUB_ENOMEM, "no memory for what the next master inherits");
    else
        write_down(self, facts, HANDOVER_IN_PLACE, what);
    if (what && handover_write(what, &fd, &failure) == HUB_OK) {
        log_info("upgrading: this process executes %s now", launch_program());
        launch_execute(what, UPGRADE_VARIABLE, fd);
        error_set(&failure, HUB_ESYSTEM, "cannot execute %s: %s", launch_program(), strerror(errno));
    }
    log_error("the upgrade is abandoned: %s", failure.text);
    if (fd >= 0)
        close(fd);
    free(what);
}

bool upgrade_reaped(upgrade *self, pid_t pid, int status, const upgrade_facts *facts)
{
    char why[256];
    if (pid != self->other || pid == 0)
        return false;
    if (self->channel >= 0)
        upgrade_hear(self); /* what it said before it ended */
    bool is_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    describe_end(self, status, why, sizeof why);
    self->other = 0;
    if (self->phase == UPGRADE_PROBING && is_well && self->greeted) {
        settle(self);
        execute_in_place(self, facts);
        return true;
    }
    if (self->dismissed)
        log_info("%s", why);
    else if (self->phase == UPGRADE_GIVEN)
        log_error("%s, and this master has given it everything: start the server again", why);
    else
        log_error("the upgrade is abandoned: %s; release %u goes on", why, facts->running->number);
    if (self->phase == UPGRADE_PROBING)
        settle(self);
    return true;
}

/* ---- the new master: beginning ---- */

static void adopt_listeners(upgrade *self, const config *settings)
{
    const handover *from = self->inherited;
    bool in_place = from->mode == HANDOVER_IN_PLACE;
    for (uint32_t i = 0; i < from->listener_count; i++) {
        const handover_listener *item = &from->listeners[i];
        listener one = {.fd = item->fd,
                        .inherited = item->inherited,
                        .device = (dev_t)item->device,
                        .inode = (ino_t)item->inode,
                        .owner = in_place ? getpid() : 0};
        snprintf(one.bind, sizeof one.bind, "%s", item->bind);
        snprintf(one.name, sizeof one.name, "%s", item->name);
        memcpy(one.path, item->path, sizeof one.path);
        bool is_wanted = in_place || listener_is_of(&one, self->crew->binds_of(settings));
        listener_set *to = is_wanted ? self->listeners : &self->unwanted;
        to->items[to->count++] = one;
    }
}

bool upgrade_has(const upgrade *self, const char *address)
{
    for (uint32_t i = 0; self->inherited && i < self->inherited->listener_count; i++)
        if (strcmp(self->inherited->listeners[i].bind, address) == 0)
            return true;
    return false;
}

static void drop_region(const handover *from)
{
    for (unsigned i = 0; i < REGION_ROWS; i++)
        close(from->doorbells[i]);
}

/* In place the workers that run need their region whatever the configuration says by now. */
static hub_status adopt_region(upgrade *self, const config *settings, region *shared, error *failure)
{
    const handover *from = self->inherited;
    bool in_place = from->mode == HANDOVER_IN_PLACE;
    hub_status status = region_inherit(shared, from->region, from->doorbells, from->master_doorbell, failure);
    if (status == HUB_OK && shared->log_size != settings->log_size && !in_place) {
        status = error_set(failure, HUB_EPROTO, "log: its size is %zu, and %zu is configured",
                           shared->log_size, settings->log_size);
        region_close(shared);
    } else if (status != HUB_OK) {
        drop_region(from);
    }
    close(from->region);
    if (status == HUB_OK || in_place)
        return status;
    log_warning("%s: broadcasts do not cross between old and new workers until the old ones are gone",
                failure->text);
    *shared = (region){.memory_fd = -1, .master_doorbell = -1};
    return HUB_OK;
}

hub_status upgrade_inherit(upgrade *self, handover *from, const config *settings, region *shared,
                           error *failure)
{
    self->inherited = from;
    self->other = from->mode == HANDOVER_BESIDE ? from->master : 0;
    self->channel = from->channel;
    self->owners_fd = from->owners;
    adopt_listeners(self, settings);
    memcpy(self->crew->generations, from->generations, sizeof from->generations);
    hub_status status = adopt_region(self, settings, shared, failure);
    if (status != HUB_OK || from->mode == HANDOVER_IN_PLACE) {
        listener_close_all(&self->unwanted);
        return status;
    }
    status = owners_attach(&self->owners, self->owners_fd, failure);
    if (status != HUB_OK)
        return status;
    self->verify_ns = (uint64_t)(settings->reload_verify * (double)CLOCK_NS_PER_S);
    self->phase = UPGRADE_TAKING;
    crew_set_orphan_farewell(self->crew, FAREWELL_REPLACED);
    say(self->channel, MESSAGE_HELLO, 0);
    return HUB_OK;
}

/* ---- the new master: taking ---- */

bool upgrade_is_taking(const upgrade *self)
{
    return self->phase == UPGRADE_TAKING || self->phase == UPGRADE_PROVING;
}

bool upgrade_is_second(const upgrade *self)
{
    return upgrade_is_taking(self) || self->phase == UPGRADE_RETURNING || self->phase == UPGRADE_TAKEN;
}

static slot *next_slot(const crew *all)
{
    for (unsigned i = 0; i < all->count; i++)
        if (!all->slots[i]->wanted)
            return all->slots[i];
    return NULL;
}

void upgrade_take(upgrade *self, slot *place)
{
    if (!upgrade_is_taking(self))
        return;
    if (owners_move(self->owners, place->number, self->other, getpid())) {
        self->taken++;
        say(self->channel, MESSAGE_TAKEN, place->number);
    }
    slot *next = next_slot(self->crew);
    if (next) {
        crew_tell(self->crew, next, SLOT_WANTED);
    } else if (all_ready(self->crew)) {
        self->phase = UPGRADE_PROVING;
        self->deadline_ns = clock_monotonic_ns() + self->verify_ns;
    }
}

/* From here on nothing goes back. */
static void take_all(upgrade *self)
{
    self->phase = UPGRADE_TAKEN;
    crew_set_orphan_farewell(self->crew, FAREWELL_STOP);
    self->deadline_ns = 0;
    own_paths(self->listeners);
    own_paths(&self->unwanted);
    listener_close_all(&self->unwanted);
}

static void finish_taking(upgrade *self)
{
    say(self->channel, MESSAGE_DONE, 0);
    take_all(self);
    log_info("this master has all %u slots; process %d ends when its workers have left", self->crew->count,
             (int)self->other);
}

/* The old master ends, without having given everything. */
static void take_rest(upgrade *self)
{
    log_info("process %d ends: this master takes what is left", (int)self->other);
    take_all(self);
    if (self->taken)
        crew_want_all(self->crew);
}

/* As it should, or by accident. */
static void go_on_alone(upgrade *self)
{
    if (self->phase != UPGRADE_TAKEN)
        take_rest(self);
    pid_t before = self->other;
    settle(self);
    self->other = 0;
    self->alone(self->arg, before);
}

bool upgrade_give_back(upgrade *self, const char *why)
{
    if (self->phase == UPGRADE_RETURNING)
        return true;
    if (!upgrade_is_taking(self) || self->taken == 0)
        return false;
    if (why)
        log_error("the upgrade is abandoned: %s; process %d goes on", why, (int)self->other);
    else
        log_info("the slots go back to process %d, and this master ends then", (int)self->other);
    self->phase = UPGRADE_RETURNING;
    self->deadline_ns = clock_monotonic_ns() + GREETING_NS;
    say(self->channel, MESSAGE_GIVE_BACK, 0);
    return true;
}

static void finish_returning(upgrade *self)
{
    settle(self);
    self->other = 0;
    self->returned(self->arg);
}

/* ---- in both ---- */

bool upgrade_owns(const upgrade *self, unsigned number)
{
    return upgrade_is_second(self) || !self->owners || owners_of(self->owners, number) == getpid();
}

bool upgrade_others_serve(const upgrade *self)
{
    return upgrade_is_taking(self) || self->phase == UPGRADE_RETURNING || self->phase == UPGRADE_GIVEN;
}

static void on_message(upgrade *self, const message *what)
{
    switch ((message_kind)what->kind) {
    case MESSAGE_HELLO:
        self->greeted = true;
        if (self->phase == UPGRADE_GIVING)
            self->deadline_ns = 0;
        break;
    case MESSAGE_REFUSED:
        self->refusal = (int)what->value;
        break;
    case MESSAGE_TAKEN:
        give(self, what->value);
        break;
    case MESSAGE_DONE:
        finish_giving(self);
        break;
    case MESSAGE_GIVE_BACK:
        if (self->phase != UPGRADE_GIVING)
            break;
        log_info("process %d gives its slots back", (int)self->other);
        self->dismissed = true;
        restore(self);
        break;
    case MESSAGE_RETURNED:
        if (upgrade_is_taking(self))
            log_info("process %d has taken its slots back", (int)self->other);
        if (upgrade_is_taking(self) || self->phase == UPGRADE_RETURNING)
            finish_returning(self);
        break;
    case MESSAGE_LEAVING:
        if (upgrade_is_taking(self))
            take_rest(self);
        break;
    }
}

static void on_other_gone(upgrade *self)
{
    self->watch(self->arg, -1);
    close_fd(&self->channel);
    switch (self->phase) {
    case UPGRADE_GIVING:
        restore(self);
        break;
    case UPGRADE_TAKING:
    case UPGRADE_PROVING:
    case UPGRADE_TAKEN:
        go_on_alone(self);
        break;
    case UPGRADE_RETURNING:
        finish_returning(self);
        break;
    default: /* its end is told when it is reaped */
        break;
    }
}

void upgrade_hear(upgrade *self)
{
    message what;
    while (self->channel >= 0) {
        ssize_t got = recv(self->channel, &what, sizeof what, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got == (ssize_t)sizeof what)
            on_message(self, &what);
        else
            on_other_gone(self);
    }
}

void upgrade_turn(upgrade *self)
{
    bool is_due = self->deadline_ns && clock_monotonic_ns() >= self->deadline_ns;
    switch (self->phase) {
    case UPGRADE_RESTORING:
        finish_restoring(self);
        break;
    case UPGRADE_PROVING:
        if (is_due && all_ready(self->crew))
            finish_taking(self);
        break;
    case UPGRADE_RETURNING:
        if (is_due)
            finish_returning(self);
        break;
    case UPGRADE_PROBING:
    case UPGRADE_GIVING:
        if (!is_due)
            break;
        log_error("process %d does not answer as a hubbub would: SIGKILL", (int)self->other);
        kill(self->other, SIGKILL);
        self->deadline_ns = 0;
        break;
    default:
        break;
    }
}

uint64_t upgrade_deadline_ns(const upgrade *self)
{
    return self->deadline_ns;
}

void upgrade_close(upgrade *self)
{
    if (self->inherited)
        listener_close_all(&self->unwanted);
    close_fd(&self->channel);
    close_fd(&self->owners_fd);
    owners_close(self->owners);
    self->owners = NULL;
    if (self->inherited == found)
        found = NULL;
    free(self->inherited);
    self->inherited = NULL;
}
