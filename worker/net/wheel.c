/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/wheel.h"

#include "worker/hub/loop.h"

#include <ev.h>
#include <math.h>

enum { BUCKETS = 512 }; /* 64 s: longer times pass their bucket and stay in it for another round */

static struct {
    bool open;
    double origin; /* loop time of tick 0 */
    uint32_t done; /* all buckets up to this tick have been fired */
    size_t armed;
    ev_timer tick;
    wheel_timer buckets[BUCKETS]; /* heads of rings */
    wheel_callback callbacks[WHEEL_KINDS];
} wheel;

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events);

hub_status wheel_open(void)
{
    if (wheel.open || !loop_ev())
        return HUB_ESTATE;
    wheel.open = true;
    wheel.origin = loop_now();
    wheel.done = 0;
    wheel.armed = 0;
    for (int i = 0; i < BUCKETS; i++)
        wheel.buckets[i].next = wheel.buckets[i].previous = &wheel.buckets[i];
    ev_timer_init(&wheel.tick, on_tick, 0., 1. / WHEEL_TICKS_PER_SECOND);
    return HUB_OK;
}

void wheel_close(void)
{
    if (wheel.open && loop_ev())
        ev_timer_stop(loop_ev(), &wheel.tick);
    wheel.open = false;
}

void wheel_handle(uint32_t kind, wheel_callback callback)
{
    wheel.callbacks[kind] = callback;
}

uint32_t wheel_now(void)
{
    return (uint32_t)((loop_now() - wheel.origin) * WHEEL_TICKS_PER_SECOND);
}

static void link_to(wheel_timer *head, wheel_timer *timer)
{
    timer->next = head;
    timer->previous = head->previous;
    head->previous->next = timer;
    head->previous = timer;
}

static void unlink_from_ring(wheel_timer *timer)
{
    timer->previous->next = timer->next;
    timer->next->previous = timer->previous;
    timer->next = timer->previous = NULL;
}

void wheel_arm(wheel_timer *timer, double seconds)
{
    if (!wheel.open)
        return;
    wheel_cancel(timer);
    uint32_t now = wheel_now();
    if (wheel.armed++ == 0) {
        wheel.done = now;
        ev_timer_again(loop_ev(), &wheel.tick);
    }
    double ticks = seconds > 0 ? ceil(fmin(seconds, 1e8) * WHEEL_TICKS_PER_SECOND) : 0;
    uint32_t due = now + 1 + (uint32_t)ticks; /* the running tick is partly over already */
    timer->due = due;
    link_to(&wheel.buckets[due % BUCKETS], timer);
}

void wheel_cancel(wheel_timer *timer)
{
    if (!timer->next)
        return;
    unlink_from_ring(timer);
    if (--wheel.armed == 0)
        ev_timer_stop(loop_ev(), &wheel.tick);
}

/* Fires what is due in one bucket. Timers may be cancelled and armed meanwhile, so each is taken to a list of
 * its own first. */
static void fire_bucket(uint32_t tick)
{
    wheel_timer *head = &wheel.buckets[tick % BUCKETS];
    wheel_timer due = {.next = &due, .previous = &due};
    for (wheel_timer *t = head->next, *next; t != head; t = next) {
        next = t->next;
        if ((int32_t)(t->due - tick) <= 0) {
            unlink_from_ring(t);
            link_to(&due, t);
        }
    }
    while (due.next != &due) {
        wheel_timer *t = due.next;
        wheel_cancel(t);
        wheel.callbacks[t->kind](t);
    }
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    uint32_t now = wheel_now();
    /* After a long pause each bucket needs to be looked at once only: it holds the timers of all rounds. */
    if (now - wheel.done > BUCKETS)
        wheel.done = now - BUCKETS;
    while (wheel.done != now && wheel.armed)
        fire_bucket(++wheel.done);
    wheel.done = now;
}
