/* SPDX-License-Identifier: Apache-2.0 */
#include "master/slot.h"

/* A look at a heartbeat that is itself late by so much means that the master was stopped, and perhaps its
 * workers with it: they get this time to turn. */
#define LATE_LOOK_NS (1 * CLOCK_NS_PER_S)

static const slot_result nothing = {SLOT_NOTHING, SLOT_NO_NOTE};

static slot_result act(slot_action action, slot_note note)
{
    slot_result result = {action, note};
    return result;
}

static uint64_t after(uint64_t now_ns, uint64_t limit_ns)
{
    return limit_ns ? now_ns + limit_ns : 0;
}

static void move(slot *self, slot_state state, uint64_t deadline_ns)
{
    self->state = state;
    self->deadline_ns = deadline_ns;
}

/* A ready slot is looked at for two reasons: the heartbeat, and the end of the quiet minute if there is
 * anything to forget. */
static void arm_ready(slot *self)
{
    bool has_past = self->failures || self->degraded;
    self->deadline_ns = clock_earlier(self->look_ns, has_past ? self->ready_ns + SLOT_QUIET_NS : 0);
}

static slot_result refill(slot *self, uint64_t now_ns)
{
    uint64_t delay = slot_backoff_ns(self->failures);
    self->failures++;
    move(self, SLOT_BACKOFF, now_ns + delay);
    return delay ? nothing : act(SLOT_FORK, SLOT_NO_NOTE);
}

/* A worker is gone, or could not be made. */
static slot_result emptied(slot *self, uint64_t now_ns)
{
    if (!self->wanted) {
        move(self, SLOT_EMPTY, 0);
        return nothing;
    }
    slot_result result = refill(self, now_ns);
    if (self->failures >= SLOT_DEGRADED_ENDS && !self->degraded) {
        self->degraded = true;
        result.note = SLOT_DEGRADED;
    }
    return result;
}

static slot_result wanted(slot *self, uint64_t now_ns)
{
    self->wanted = true;
    if (self->state != SLOT_EMPTY)
        return nothing;
    move(self, SLOT_BACKOFF, now_ns);
    return act(SLOT_FORK, SLOT_NO_NOTE);
}

static slot_result forked(slot *self, const slot_limits *limits, uint64_t now_ns)
{
    self->forked_ns = now_ns;
    self->ready_ns = 0;
    self->look_ns = 0;
    move(self, SLOT_BOOTING, after(now_ns, limits->boot_ns));
    return nothing;
}

static slot_result unforked(slot *self, uint64_t now_ns)
{
    self->ready_ns = 0;
    slot_result result = emptied(self, now_ns);
    /* A fork that just failed is never tried again at once: what it lacked is still lacking. */
    if (result.action == SLOT_FORK) {
        self->deadline_ns = now_ns + SLOT_BACKOFF_NS;
        result.action = SLOT_NOTHING;
    }
    return result;
}

static slot_result said_ready(slot *self, const slot_limits *limits, uint64_t now_ns)
{
    self->ready_ns = now_ns;
    if (self->state == SLOT_BOOTING) {
        self->state = SLOT_READY;
        self->look_ns = after(now_ns, limits->timeout_ns);
        arm_ready(self);
    }
    return nothing;
}

/* Nobody is wanted here any more. Who is here is told so, unless it was told the same or worse before: on the
 * way out the states come one after another. */
static slot_result dismiss(slot *self, slot_state next, uint64_t deadline_ns, slot_action action)
{
    self->wanted = false;
    if (self->state == SLOT_BACKOFF)
        move(self, SLOT_EMPTY, 0);
    if (!slot_filled(self) || self->state >= next)
        return nothing;
    move(self, next, deadline_ns);
    return act(action, SLOT_NO_NOTE);
}

static slot_result look_at_heartbeat(slot *self, const slot_limits *limits, uint64_t now_ns,
                                     uint64_t heartbeat_ns)
{
    uint64_t last = heartbeat_ns > self->ready_ns ? heartbeat_ns : self->ready_ns;
    if (last > now_ns)
        last = now_ns;
    if (now_ns - last < limits->timeout_ns) {
        self->look_ns = last + limits->timeout_ns;
    } else if (now_ns - self->look_ns > LATE_LOOK_NS) {
        self->look_ns = now_ns + LATE_LOOK_NS;
    } else {
        move(self, SLOT_ENDING, now_ns + SLOT_QUIT_NS);
        return act(SLOT_SEND_ABRT, SLOT_STALE);
    }
    return nothing;
}

static slot_result time_in_ready(slot *self, const slot_limits *limits, uint64_t now_ns,
                                 uint64_t heartbeat_ns)
{
    slot_result result = nothing;
    if (self->look_ns && now_ns >= self->look_ns)
        result = look_at_heartbeat(self, limits, now_ns, heartbeat_ns);
    if (self->state != SLOT_READY)
        return result;
    if (now_ns - self->ready_ns >= SLOT_QUIET_NS) {
        if (self->degraded)
            result.note = SLOT_RECOVERED;
        self->degraded = false;
        self->failures = 0;
    }
    arm_ready(self);
    return result;
}

static slot_result time_passed(slot *self, const slot_limits *limits, uint64_t now_ns, uint64_t heartbeat_ns)
{
    if (self->deadline_ns == 0 || now_ns < self->deadline_ns)
        return nothing;
    switch (self->state) {
    case SLOT_BACKOFF:
        return act(SLOT_FORK, SLOT_NO_NOTE);
    case SLOT_BOOTING:
        move(self, SLOT_ENDING, now_ns + SLOT_QUIT_NS);
        return act(SLOT_SEND_ABRT, SLOT_BOOT_TOO_LONG);
    case SLOT_READY:
        return time_in_ready(self, limits, now_ns, heartbeat_ns);
    case SLOT_DRAINING:
        move(self, SLOT_KILLED, 0);
        return act(SLOT_SEND_KILL, SLOT_GRACE_OVER);
    case SLOT_ENDING:
        move(self, SLOT_KILLED, 0);
        return act(SLOT_SEND_KILL, SLOT_IGNORED_QUIT);
    default:
        return nothing;
    }
}

slot_result slot_step(slot *self, const slot_limits *limits, slot_event event, uint64_t now_ns,
                      uint64_t heartbeat_ns)
{
    switch (event) {
    case SLOT_WANTED:
        return wanted(self, now_ns);
    case SLOT_FORKED:
        return forked(self, limits, now_ns);
    case SLOT_UNFORKED:
        return unforked(self, now_ns);
    case SLOT_SAID_READY:
        return said_ready(self, limits, now_ns);
    case SLOT_REAPED:
        return emptied(self, now_ns);
    case SLOT_TERMINATE:
        return dismiss(self, SLOT_DRAINING, now_ns + limits->graceful_ns, SLOT_SEND_TERM);
    case SLOT_QUIT:
        return dismiss(self, SLOT_ENDING, now_ns + SLOT_QUIT_NS, SLOT_SEND_QUIT);
    case SLOT_TIME:
        return time_passed(self, limits, now_ns, heartbeat_ns);
    }
    return nothing;
}

void slot_init(slot *self, unsigned number)
{
    *self = (slot){.number = number, .state = SLOT_EMPTY, .logs = -1};
}

bool slot_filled(const slot *self)
{
    return self->state != SLOT_EMPTY && self->state != SLOT_BACKOFF;
}

uint64_t slot_backoff_ns(unsigned failures)
{
    uint64_t delay = SLOT_BACKOFF_NS;
    if (failures == 0)
        return 0;
    while (--failures && delay < SLOT_BACKOFF_MAX_NS)
        delay *= 2;
    return delay < SLOT_BACKOFF_MAX_NS ? delay : SLOT_BACKOFF_MAX_NS;
}
