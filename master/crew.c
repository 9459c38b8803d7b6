/* SPDX-License-Identifier: Apache-2.0 */
#include "master/crew.h"

#include "common/log.h"
#include "master/birth.h"
#include "master/note.h"
#include "master/obituary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GATEWAY_ROWS = 4 }; /* of the region's rows, not for workers */

row *crew_row(const crew *self, const slot *place)
{
    return &self->region.rows[place->row];
}

/* ---- all who are here ---- */

typedef void (*visitor)(crew *self, slot *place, const void *what);

static void visit_all(crew *self, visitor visit, const void *what)
{
    for (unsigned i = 0; i < self->count; i++)
        visit(self, self->slots[i], what);
    if (self->successor)
        visit(self, self->successor, what);
    for (slot *place = self->leaving, *next; place; place = next) {
        next = place->next;
        visit(self, place, what);
    }
}

static slot *slot_new(crew *self, unsigned number, release *what)
{
    slot *place = calloc(1, sizeof *place);
    if (!place)
        return NULL;
    slot_init(place, number);
    place->generation = self->generations[number];
    place->release = release_hold(what);
    return place;
}

void crew_close_logs(slot *place)
{
    if (place->logs >= 0)
        close(place->logs);
    place->logs = -1;
}

static void slot_free(slot *place)
{
    crew_close_logs(place);
    release_drop(place->release);
    free(place);
}

/* Who leaves and is gone is nobody any more. Not while the list is walked: only when time passes. */
static void sweep_leaving(crew *self)
{
    for (slot **at = &self->leaving; *at;) {
        slot *place = *at;
        if (slot_filled(place)) {
            at = &place->next;
            continue;
        }
        *at = place->next;
        slot_free(place);
    }
}

static void let_leave(crew *self, slot *place)
{
    place->next = self->leaving;
    self->leaving = place;
}

/* ---- performing what a slot's rules ask for ---- */

static void step(crew *self, slot *place, slot_event event, uint64_t now_ns);

static void fork_worker(crew *self, slot *place, uint64_t now_ns)
{
    error failure = {.status = HUB_OK};
    if (self->may_fill && !self->may_fill(self->arg, place->number)) {
        step(self, place, SLOT_TERMINATE, now_ns);
        return;
    }
    if (birth_fork(self, place, &failure) == HUB_OK) {
        log_debug("worker %u (pid %d) boots release %u", place->number, (int)place->pid,
                  place->release->number);
        step(self, place, SLOT_FORKED, now_ns);
        return;
    }
    log_error("worker %u: %s", place->number, failure.text);
    step(self, place, SLOT_UNFORKED, now_ns);
    self->on_unforked(self->arg);
}

static void send_signal(const slot *place, int number)
{
    /* It cannot have been reaped, so the pid is still its own. */
    if (place->pid > 0 && kill(place->pid, number) < 0)
        log_error("worker %u (pid %d): cannot send SIG%s: %s", place->number, (int)place->pid,
                  sigabbrev_np(number), strerror(errno));
}

static void step(crew *self, slot *place, slot_event event, uint64_t now_ns)
{
    const row *score = crew_row(self, place);
    const slot_limits *limits = &place->release->limits;
    uint64_t heartbeat_ns = atomic_load_explicit(&score->heartbeat_ns, memory_order_relaxed);
    slot_result result = slot_step(place, limits, event, now_ns, heartbeat_ns);

    note_say(result.note, place, limits, score);
    switch (result.action) {
    case SLOT_NOTHING:
        break;
    case SLOT_FORK:
        fork_worker(self, place, now_ns);
        break;
    case SLOT_SEND_TERM:
        send_signal(place, SIGTERM);
        break;
    case SLOT_SEND_QUIT:
        send_signal(place, SIGQUIT);
        break;
    case SLOT_SEND_ABRT:
        send_signal(place, SIGABRT);
        break;
    case SLOT_SEND_KILL:
        send_signal(place, SIGKILL);
        break;
    }
}

void crew_tell(crew *self, slot *place, slot_event event)
{
    step(self, place, event, clock_monotonic_ns());
}

typedef struct telling {
    slot_event event;
    row_farewell farewell;
    uint64_t now_ns;
} telling;

static void tell(crew *self, slot *place, const void *what)
{
    const telling *said = what;
    if (said->event == SLOT_TERMINATE && slot_filled(place))
        atomic_store(&crew_row(self, place)->farewell, said->farewell);
    step(self, place, said->event, said->now_ns);
}

void crew_want_all(crew *self)
{
    for (unsigned i = 0; i < self->count; i++)
        crew_tell(self, self->slots[i], SLOT_WANTED);
}

void crew_tell_all(crew *self, slot_event event, row_farewell farewell)
{
    visit_all(self, tell, &(telling){event, farewell, clock_monotonic_ns()});
}

static void set_farewell(crew *self, slot *place, const void *what)
{
    (void)what;
    if (slot_filled(place) && place->wanted)
        atomic_store(&crew_row(self, place)->farewell, self->orphan_farewell);
}

void crew_set_orphan_farewell(crew *self, row_farewell farewell)
{
    self->orphan_farewell = farewell;
    visit_all(self, set_farewell, NULL);
}

void crew_pass_time(crew *self)
{
    visit_all(self, tell, &(telling){.event = SLOT_TIME, .now_ns = clock_monotonic_ns()});
    sweep_leaving(self);
}

static void find_deadline(crew *self, slot *place, const void *what)
{
    (void)self;
    uint64_t *next_ns = *(uint64_t *const *)what;
    *next_ns = clock_earlier(*next_ns, place->deadline_ns);
}

uint64_t crew_deadline_ns(const crew *self)
{
    uint64_t next_ns = 0, *to = &next_ns;
    visit_all((crew *)self, find_deadline, &to);
    return next_ns;
}

static void hand_logs(crew *self, slot *place, const void *what)
{
    (void)self;
    if (place->pid > 0 && place->logs >= 0 && !logfile_pass(place->logs, what))
        log_warning("worker %u (pid %d): cannot hand it the new log files: %s", place->number,
                    (int)place->pid, strerror(errno));
}

void crew_hand_logs(crew *self, const logfile_set *set)
{
    visit_all(self, hand_logs, set);
}

/* ---- what should run where ---- */

void crew_assign(slot *place, release *what)
{
    release *before = place->release;
    place->release = release_hold(what);
    release_drop(before);
}

/* It may be replaced by others: they take its clients. */
static void send_away(crew *self, slot *place)
{
    tell(self, place, &(telling){SLOT_TERMINATE, FAREWELL_REPLACED, clock_monotonic_ns()});
    let_leave(self, place);
}

hub_status crew_resize(crew *self, unsigned count, release *what)
{
    if (count < 1 || count > CONFIG_WORKERS_MAX)
        return HUB_EINVAL;
    while (self->count < count) {
        slot *place = slot_new(self, self->count, what);
        if (!place)
            return HUB_ENOMEM;
        self->slots[self->count++] = place;
    }
    while (self->count > count) {
        slot *place = self->slots[--self->count];
        if (self->successor && self->successor->number == place->number)
            crew_dismiss_successor(self);
        send_away(self, place);
    }
    return HUB_OK;
}

void crew_vacate(crew *self, release *what)
{
    for (unsigned i = 0; i < self->count; i++) {
        slot *before = self->slots[i];
        slot *empty = slot_filled(before) ? slot_new(self, i, what) : NULL;
        if (empty) {
            self->slots[i] = empty;
            send_away(self, before);
        } else { /* nobody is here; or without memory, it is filled again when its worker is gone */
            tell(self, before, &(telling){SLOT_TERMINATE, FAREWELL_REPLACED, clock_monotonic_ns()});
        }
    }
}

bool crew_is_crowded(const crew *self)
{
    unsigned leaving = 0;
    for (const slot *place = self->leaving; place; place = place->next)
        leaving += slot_filled(place);
    return leaving + self->count + 1 > REGION_ROWS - GATEWAY_ROWS;
}

hub_status crew_empty_slot(crew *self, unsigned number)
{
    slot *before = self->slots[number];
    slot *empty = slot_new(self, number, before->release);
    if (!empty) {
        tell(self, before, &(telling){SLOT_TERMINATE, FAREWELL_REPLACED, clock_monotonic_ns()});
        return HUB_ENOMEM;
    }
    self->slots[number] = empty;
    send_away(self, before);
    return HUB_OK;
}

hub_status crew_adopt(crew *self, const slot *facts, bool leaving, release *what)
{
    if (!leaving && facts->number != self->count)
        return HUB_EINVAL;
    slot *place = slot_new(self, facts->number, what);
    if (!place)
        return HUB_ENOMEM;
    release *held = place->release;
    *place = *facts;
    place->release = held;
    place->next = NULL;
    if (leaving)
        let_leave(self, place);
    else
        self->slots[self->count++] = place;
    return HUB_OK;
}

hub_status crew_start_successor(crew *self, unsigned number, release *what)
{
    if (self->successor)
        return HUB_ESTATE;
    self->successor = slot_new(self, number, what);
    if (!self->successor)
        return HUB_ENOMEM;
    crew_tell(self, self->successor, SLOT_WANTED);
    return HUB_OK;
}

void crew_seat_successor(crew *self)
{
    slot *before = self->slots[self->successor->number];
    self->slots[self->successor->number] = self->successor;
    self->successor = NULL;
    send_away(self, before);
}

void crew_dismiss_successor(crew *self)
{
    if (!self->successor)
        return;
    slot *place = self->successor;
    self->successor = NULL;
    send_away(self, place);
}

/* ---- what became of them ---- */

/* Fair shares of connections count the workers that serve: when their number changes all look again. */
static void ring(crew *self, slot *place, const void *what)
{
    (void)what;
    if (place->state == SLOT_READY)
        region_ring(&self->region, place->row);
}

static void hear(crew *self, slot *place, const void *what)
{
    (void)what;
    /* Not the caller's: to hear one worker may have meant to fork others. */
    uint64_t now_ns = clock_monotonic_ns();
    if (place->state != SLOT_BOOTING)
        return;
    row_word word = atomic_load(&crew_row(self, place)->word);
    if (row_incarnation(word) != row_incarnation(place->word) ||
        (row_state_of(word) != ROW_READY && row_state_of(word) != ROW_DRAINING))
        return;

    step(self, place, SLOT_SAID_READY, now_ns);
    log_info("worker %u (pid %d) ready in %.0f ms, release %u", place->number, (int)place->pid,
             clock_in_seconds(now_ns - place->forked_ns) * 1000, place->release->number);
    visit_all(self, ring, NULL);
    self->on_ready(self->arg, place);
}

void crew_hear(crew *self)
{
    uint64_t ignored;
    while (read(self->region.master_doorbell, &ignored, sizeof ignored) < 0 && errno == EINTR)
        continue;
    visit_all(self, hear, NULL);
}

static void bury(crew *self, slot *place, int status)
{
    /* It may have been ready for a moment that nobody saw. */
    hear(self, place, NULL);
    uint64_t now_ns = clock_monotonic_ns();

    char line[512];
    obituary facts = {
        .slot = place->number,
        .pid = place->pid,
        .status = status,
        .uptime_ns = now_ns - place->forked_ns,
        .told = !place->wanted,
        .was_ready = place->ready_ns != 0,
    };
    obituary_read_row(&facts, crew_row(self, place));
    if (obituary_write(&facts, line, sizeof line) == HUB_INFO)
        log_info("%s", line);
    else
        log_error("%s", line);

    crew_end end = {
        .place = place,
        .was_successor = place == self->successor,
        .told = facts.told,
        .served_ns = place->ready_ns ? now_ns - place->ready_ns : 0,
        .status = status,
    };
    region_sweep_row(&self->region, place->row);
    place->pid = 0;
    crew_close_logs(place);
    if (!facts.told && !end.was_successor)
        self->restarts[place->number]++;
    if (end.was_successor) /* whether another one is tried is for who asked for it */
        place->wanted = false;
    self->on_end(self->arg, &end);
    step(self, place, SLOT_REAPED, now_ns);
    if (place == self->successor && !slot_filled(place) && !place->wanted) {
        self->successor = NULL;
        slot_free(place);
    } else if (place->state == SLOT_BACKOFF) {
        log_info("worker %u is started again in %g s", place->number,
                 clock_in_seconds(place->deadline_ns > now_ns ? place->deadline_ns - now_ns : 0));
    }
    visit_all(self, ring, NULL);
}

typedef struct search {
    pid_t pid;
    slot **found;
} search;

static void match(crew *self, slot *place, const void *what)
{
    (void)self;
    const search *wanted = what;
    if (place->pid == wanted->pid)
        *wanted->found = place;
}

bool crew_bury(crew *self, pid_t pid, int status)
{
    slot *place = NULL;
    visit_all(self, match, &(search){pid, &place});
    if (place)
        bury(self, place, status);
    return place != NULL;
}

static void count_filled(crew *self, slot *place, const void *what)
{
    (void)self;
    **(bool *const *)what |= slot_filled(place);
}

bool crew_is_manned(const crew *self)
{
    bool manned = false, *to = &manned;
    visit_all((crew *)self, count_filled, &to);
    return manned;
}

bool crew_all_ready(const crew *self)
{
    for (unsigned i = 0; i < self->count; i++)
        if (self->slots[i]->state != SLOT_READY)
            return false;
    return true;
}

/* ---- open and close ---- */

hub_status crew_open_on(crew *self, const region *ready, const int parent_pipe[2], error *failure)
{
    self->region = *ready;
    self->parent_pipe[0] = self->parent_pipe[1] = -1;
    if (parent_pipe)
        memcpy(self->parent_pipe, parent_pipe, sizeof self->parent_pipe);
    else if (pipe2(self->parent_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return error_set(failure, HUB_ESYSTEM, "cannot make a pipe: %s", strerror(errno));
    return HUB_OK;
}

hub_status crew_open(crew *self, size_t log_size, error *failure)
{
    region made;
    self->parent_pipe[0] = self->parent_pipe[1] = -1;
    self->region.memory_fd = -1;
    hub_status status = region_create(&made, log_size, failure);
    return status == HUB_OK ? crew_open_on(self, &made, NULL, failure) : status;
}

void crew_close(crew *self)
{
    for (unsigned i = 0; i < self->count; i++)
        slot_free(self->slots[i]);
    self->count = 0;
    if (self->successor)
        slot_free(self->successor);
    while (self->leaving) {
        slot *place = self->leaving;
        self->leaving = place->next;
        slot_free(place);
    }
    if (self->region.header)
        region_close(&self->region);
    for (int i = 0; i < 2; i++)
        if (self->parent_pipe[i] >= 0)
            close(self->parent_pipe[i]);
}
