/* SPDX-License-Identifier: Apache-2.0 */
#include "master/roll.h"

#include "common/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const uint64_t room_look_ns = CLOCK_NS_PER_S / 4;

static uint64_t verify_ns(const roll *self)
{
    return clock_in_ns(self->target->settings.reload_verify);
}

static bool on_probation(const roll *self)
{
    return self->target != self->proven;
}

static void set_release(release **at, release *to)
{
    release *before = *at;
    *at = to ? release_hold(to) : NULL;
    release_drop(before);
}

/* ---- targets ---- */

void roll_to(roll *self, release *target)
{
    crew_dismiss_successor(self->crew);
    set_release(&self->target, target);
    self->phase = ROLL_RESTING;
    self->canary_lived = false;
    self->promised = false;
    self->replaced = 0;
    self->failures = 0;
    self->not_before_ns = 0;
    self->begun_ns = clock_monotonic_ns();
}

void roll_adopt(roll *self, release *running)
{
    roll_to(self, running);
    set_release(&self->proven, running);
}

void roll_promise(roll *self)
{
    self->promised = true;
}

static void reach(roll *self)
{
    self->phase = ROLL_RESTING;
    self->promised = false;
    set_release(&self->proven, self->target);
    log_info("release %u runs in all %u workers, %u replaced in %.1f s", self->target->number,
             self->crew->count, self->replaced, clock_in_seconds(clock_monotonic_ns() - self->begun_ns));
    self->done(self->arg, NULL);
}

/* Back to what proved itself; `place` is the slot whose worker just ended, or NULL. */
static void abandon(roll *self, slot *place, const char *why)
{
    log_error("release %u is abandoned: %s; going back to release %u", self->target->number, why,
              self->proven->number);
    roll_to(self, self->proven);
    if (place)
        crew_assign(place, self->target);
    self->done(self->arg, why);
}

void roll_abandon(roll *self, const char *why)
{
    abandon(self, NULL, why);
}

/* ---- what the crew tells ---- */

static void describe(const crew_end *end, char *text, size_t size)
{
    unsigned number = end->place->number;
    if (end->served_ns == 0)
        snprintf(text, size, "worker %u could not boot", number);
    else if (WIFSIGNALED(end->status))
        snprintf(text, size, "worker %u died of SIG%s %.1f s after it was ready", number,
                 sigabbrev_np(WTERMSIG(end->status)), clock_in_seconds(end->served_ns));
    else
        snprintf(text, size, "worker %u ended with exit code %d %.1f s after it was ready", number,
                 WEXITSTATUS(end->status), clock_in_seconds(end->served_ns));
}

void roll_ready(roll *self, slot *place)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (!self->proven)
        set_release(&self->proven, place->release);
    if (place->release != self->target)
        return;
    self->proven_ns = now_ns + verify_ns(self);
    if (place != self->crew->successor)
        return;
    self->phase = ROLL_WATCHING;
    self->watched_ns = on_probation(self) && !self->canary_lived ? self->proven_ns : now_ns;
}

void roll_ended(roll *self, const crew_end *end)
{
    char why[128];
    bool soon = end->served_ns == 0 || end->served_ns < verify_ns(self);
    if (!self->proven || end->told || end->place->release != self->target)
        return;
    describe(end, why, sizeof why);
    if (on_probation(self) && soon) {
        abandon(self, end->was_successor ? NULL : end->place, why);
    } else if (end->was_successor) {
        self->phase = ROLL_RESTING;
        self->not_before_ns = clock_monotonic_ns() + slot_backoff_ns(++self->failures);
        log_warning("the successor of worker %u failed: it is tried again later", end->place->number);
    }
}

void roll_unforked(roll *self)
{
    if (!self->crew->successor)
        return;
    crew_dismiss_successor(self->crew);
    self->phase = ROLL_RESTING;
    if (on_probation(self))
        abandon(self, NULL, "a worker could not be forked");
    else
        self->not_before_ns = clock_monotonic_ns() + slot_backoff_ns(++self->failures);
}

/* ---- steps ---- */

static const char *wish_text(row_wish wish)
{
    switch (wish) {
    case WISH_REQUESTS:
        return "max-requests";
    case WISH_MEMORY:
        return "max-worker-memory";
    case WISH_LIFETIME:
        return "max-worker-lifetime";
    default:
        return NULL;
    }
}

static row_wish wish_of(const roll *self, const slot *place)
{
    if (place->state != SLOT_READY)
        return WISH_NONE;
    return (row_wish)atomic_load_explicit(&crew_row(self->crew, place)->wish, memory_order_relaxed);
}

/* A slot whose worker is to be replaced; those that have none only get what they boot next. */
static slot *find_due(roll *self)
{
    for (unsigned i = 0; i < self->crew->count; i++) {
        slot *place = self->crew->slots[i];
        bool outdated = place->release != self->target;
        if (outdated && !slot_filled(place))
            crew_assign(place, self->target);
        else if (outdated || wish_of(self, place))
            return place;
    }
    return NULL;
}

static void replace(roll *self, slot *place)
{
    const char *wish = wish_text(wish_of(self, place));
    if (wish)
        log_info("worker %u (pid %d) is replaced: %s", place->number, (int)place->pid, wish);
    self->waits_for_room = false;
    self->phase = ROLL_BOOTING;
    if (crew_start_successor(self->crew, place->number, self->target) != HUB_OK) {
        log_error("worker %u: no memory for its successor; it is tried again later", place->number);
        self->phase = ROLL_RESTING;
        self->not_before_ns = clock_monotonic_ns() + slot_backoff_ns(++self->failures);
    }
}

/* Those that leave keep their clients until the graceful time is over; the slots' workers serve on. */
static void wait_for_room(roll *self, uint64_t now_ns)
{
    if (!self->waits_for_room)
        log_warning("too many replaced workers have not finished yet: the next one is replaced when some of "
                    "them have (graceful-timeout)");
    self->waits_for_room = true;
    self->not_before_ns = now_ns + room_look_ns;
}

static void rest(roll *self, uint64_t now_ns)
{
    if (now_ns < self->not_before_ns)
        return;
    slot *place = find_due(self);
    if (place && crew_is_crowded(self->crew))
        wait_for_room(self, now_ns);
    else if (place)
        replace(self, place);
    else if (on_probation(self) || self->promised)
        self->phase = ROLL_PROVING;
}

static void seat(roll *self)
{
    self->canary_lived = true;
    self->replaced++;
    self->failures = 0;
    self->not_before_ns = 0;
    self->phase = ROLL_RESTING;
    crew_seat_successor(self->crew);
}

void roll_turn(roll *self)
{
    uint64_t now_ns = clock_monotonic_ns();
    bool has_successor = self->phase == ROLL_BOOTING || self->phase == ROLL_WATCHING;
    if (!self->proven)
        return;
    if (has_successor && !self->crew->successor) /* its slot was taken away: one worker fewer */
        self->phase = ROLL_RESTING;
    if (self->phase == ROLL_WATCHING && now_ns >= self->watched_ns)
        seat(self);
    if (self->phase == ROLL_RESTING)
        rest(self, now_ns);
    if (self->phase == ROLL_PROVING && now_ns >= self->proven_ns && crew_all_ready(self->crew))
        reach(self);
}

bool roll_is_busy(const roll *self)
{
    return self->phase != ROLL_RESTING || on_probation(self) || self->promised;
}

uint64_t roll_deadline_ns(const roll *self)
{
    switch (self->phase) {
    case ROLL_WATCHING:
        return self->watched_ns;
    case ROLL_PROVING:
        return self->proven_ns;
    case ROLL_RESTING:
        return self->not_before_ns > clock_monotonic_ns() ? self->not_before_ns : 0;
    default:
        return 0;
    }
}

void roll_close(roll *self)
{
    set_release(&self->target, NULL);
    set_release(&self->proven, NULL);
}
