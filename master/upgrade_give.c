/* SPDX-License-Identifier: Apache-2.0 */
#include "master/upgrade_steps.h"

#include "common/log.h"
#include "master/inventory.h"
#include "master/launch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- beginning ---- */

typedef struct birth {
    const handover *what;
    int fd;
} birth;

static int become_next(void *arg)
{
    const birth *mine = arg;
    prctl(PR_SET_PDEATHSIG, 0); /* it outlives its parent */
    launch_execute(mine->what, UPGRADE_VARIABLE, mine->fd);
    upgrade_say(mine->what->channel, MESSAGE_REFUSED, (uint32_t)errno);
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
    spawn_request request = {
        .run = become_next, .arg = &mine, .keep = kept, .keep_count = count, .keeps_user = true};
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
    inventory_write(what, mode, self->crew, self->listeners, facts);
    what->before = self->before;
    what->channel = ends[1];
    what->owners = self->owners_fd;
    status = fork_next(self, what, failure);

out:
    free(what);
    upgrade_close_fd(&ends[1]);
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
        upgrade_close_fd(&self->channel);
        upgrade_settle(self);
        return;
    }
    self->phase = mode == HANDOVER_PROBE ? UPGRADE_PROBING : UPGRADE_GIVING;
    self->deadline_ns = clock_monotonic_ns() + (limit_ns ? limit_ns : UPGRADE_GREETING_NS);
    self->watch(self->arg, self->channel);
    if (mode == HANDOVER_BESIDE)
        crew_set_orphan_farewell(self->crew, FAREWELL_REPLACED);
    log_info("upgrading: %s is started as process %d%s", launch_program(), (int)self->other,
             mode == HANDOVER_PROBE ? ", to see whether it can take over" : "");
}

/* ---- giving, and taking back ---- */

void upgrade_give_slot(upgrade *self, unsigned number)
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

/* In this order: a manager that listens to the main process alone must hear first who that is. */
static void say_leaving(upgrade *self)
{
    self->named(self->arg, self->other);
    upgrade_say(self->channel, MESSAGE_LEAVING, 0);
}

void upgrade_finish_giving(upgrade *self)
{
    if (self->phase != UPGRADE_GIVING)
        return;
    self->phase = UPGRADE_GIVEN;
    self->deadline_ns = 0;
    let_go_of_paths(self->listeners);
    log_info("process %d has taken all slots over: this master ends when its workers have left",
             (int)self->other);
    say_leaving(self);
    self->given(self->arg);
}

void upgrade_restore(upgrade *self)
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

void upgrade_finish_restoring(upgrade *self)
{
    if (!crew_all_ready(self->crew))
        return;
    if (self->taken)
        log_info("all %u slots are served by this master again", self->crew->count);
    if (self->channel >= 0)
        upgrade_say(self->channel, MESSAGE_RETURNED, 0);
    upgrade_settle(self);
}

void upgrade_take_back(upgrade *self)
{
    if (self->phase != UPGRADE_GIVING)
        return;
    log_info("the slots are taken back from process %d, which ends then", (int)self->other);
    self->dismissed = true;
    upgrade_restore(self);
}

void upgrade_leave(upgrade *self)
{
    if (self->phase == UPGRADE_PROBING)
        kill(self->other, SIGKILL);
    if (self->phase != UPGRADE_GIVING)
        return;
    log_info("process %d goes on alone", (int)self->other);
    let_go_of_paths(self->listeners);
    say_leaving(self);
    self->dismissed = true;
    self->phase = UPGRADE_GIVEN;
    self->deadline_ns = 0;
}

/* ---- how the child ended ---- */

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
        inventory_write(what, HANDOVER_IN_PLACE, self->crew, self->listeners, facts);
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
        upgrade_settle(self);
        execute_in_place(self, facts);
        return true;
    }
    if (self->dismissed)
        log_info("%s", why);
    else if (self->phase == UPGRADE_GIVEN && is_well) /* the next upgrade was quicker than our workers */
        log_debug("%s", why);
    else if (self->phase == UPGRADE_GIVEN)
        log_error("%s, and this master has given it everything: start the server again", why);
    else
        log_error("the upgrade is abandoned: %s; release %u goes on", why, facts->running->number);
    if (self->phase == UPGRADE_PROBING)
        upgrade_settle(self);
    return true;
}
