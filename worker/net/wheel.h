/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One timer wheel for the time-outs of all connections of a worker: arming, moving and cancelling cost the
 * same however many there are, and a turn of the hub costs nothing for those that are not due. Resolution is
 * a tick of 1/8 s; a timer fires within two ticks after its time, counted from this turn's poll, never
 * before.
 *
 * Hub context or greenlets; single thread.
 */
#ifndef WORKER_NET_WHEEL_H
#define WORKER_NET_WHEEL_H

#include <hubbub.h>

typedef struct wheel_timer wheel_timer;
struct wheel_timer {
    wheel_timer *next, *previous; /* NULL: not armed */
    uint32_t due;                 /* tick */
    uint32_t kind;                /* index of its callback: see wheel_open */
};

/* Called in hub context, the timer not armed any more. May arm it again, and any other. */
typedef void (*wheel_callback)(wheel_timer *timer);

/* Kinds: 0 connections, 1 WebSocket handlers, 2 and 3 Engine.IO, 4 and 5 Socket.IO, 6 handlers of Engine.IO
 * alone.
 */
enum { WHEEL_TICKS_PER_SECOND = 8, WHEEL_KINDS = 8 };

/* Starts the wheel of the process on loop_ev(). It ticks only while a timer is armed. Errors: HUB_ESTATE
 * (open, or no loop). */
hub_status wheel_open(void);
void wheel_close(void); /* armed timers are forgotten, not fired */

/* Names the callback of a kind of timers, 0 … WHEEL_KINDS-1; once, before the first is armed. */
void wheel_handle(uint32_t kind, wheel_callback callback);

/* Arms, or moves, a timer to fire in `seconds` (0 or less: at the next tick). */
void wheel_arm(wheel_timer *timer, double seconds);
void wheel_cancel(wheel_timer *timer); /* nothing when not armed */

static inline bool wheel_is_armed(const wheel_timer *timer)
{
    return timer->next != NULL;
}

/* The tick of now, as of this turn's poll: for stamps such as "last seen". Wraps after 17 years. */
uint32_t wheel_now(void);

/* Seconds from a stamp until now. */
static inline double wheel_since(uint32_t stamp)
{
    return (double)(wheel_now() - stamp) / WHEEL_TICKS_PER_SECOND;
}

#endif
