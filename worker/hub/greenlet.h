/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Greenlets: functions with a stack of their own that one thread runs in turn. This is what the worker's
 * inside uses; the public header's greenlet functions are implemented in this folder on top of it.
 *
 * States: ready -> running -> parked -> ready … -> ended. Ended greenlets keep their stack in the pool.
 *
 * A wait is written in three steps: put yourself where the waker will look; greenlet_park; take yourself out
 * again (on every outcome). The first of wake, time-out and kill decides what park returns; later ones are
 * ignored.
 */
#ifndef WORKER_HUB_GREENLET_H
#define WORKER_HUB_GREENLET_H

#include "common/error.h"

typedef struct greenlet greenlet;
typedef void (*greenlet_main)(void *arg);

/* The greenlet that runs, or NULL in hub context. */
greenlet *greenlet_current(void);

/*
 * greenlet_spawn makes it ready; it runs when its turn comes. greenlet_start is for hub context only: it runs
 * the greenlet at once and returns when it parked or ended; true says that it parked (and is still alive),
 * and *out (may be NULL) is it. `name` is copied, 31 bytes at most; NULL is the empty name. Both give
 * NULL/false with *status (may be NULL) HUB_ENOMEM or HUB_EFULL; on success *status is HUB_OK. In a greenlet,
 * greenlet_start does what greenlet_spawn does and answers true.
 */
greenlet *greenlet_spawn(const char *name, greenlet_main run, void *arg, hub_status *status);
bool greenlet_start(greenlet **out, const char *name, greenlet_main run, void *arg, hub_status *status);

/*
 * Parks the running greenlet until greenlet_wake or greenlet_resume (their status), its time-out
 * (HUB_ETIMEDOUT) or hub_kill (HUB_ECANCELED, at once when it was killed before). `timeout` in seconds;
 * HUB_FOREVER: none; 0 yields once to the poll and times out. What arrives in the same poll as the time-out
 * wins over it. errno is kept over the wait. `waits_for` is a literal for dumps ("message",
 * "fd 7"). HUB_ESTATE in hub context. Steady state: no allocation; no timer is touched without a timeout.
 */
hub_status greenlet_park(const char *waits_for, double timeout);

/* Makes a parked greenlet ready with the status that its park returns. Nothing when it is not parked. Any
 * context. */
void greenlet_wake(greenlet *g, hub_status status);

/*
 * The fast way, for hub context: switches to a parked greenlet at once and returns when it parked again or
 * ended; true while it is alive. When it is not parked (already woken, say), or in greenlet context, acts as
 * greenlet_wake, and answers true.
 */
bool greenlet_resume(greenlet *g, hub_status status);

bool greenlet_is_parked(const greenlet *g);

/* Names for keeping: 0 is none. greenlet_find gives NULL once it has ended. */
hub_greenlet greenlet_id(const greenlet *g);
greenlet *greenlet_find(hub_greenlet id);

const char *greenlet_name(const greenlet *g);
void greenlet_rename(greenlet *g, const char *name); /* copied, 31 bytes at most */

/* Numbers for the scoreboard, tests and dumps. */
typedef struct greenlet_counts {
    size_t alive, ready, parked, pooled;
    size_t stacks_mapped; /* stacks that exist, in use or pooled */
    uint64_t switches;
} greenlet_counts;
greenlet_counts greenlet_count(void);

/*
 * From now on every switch to a greenlet stores its name in row->running, the number of greenlets in
 * row->greenlets and 1 in row->running_now, and every return to the hub 0 in the latter, so that the master
 * can tell what a worker that died was running. NULL: nothing is stored any more, as at first. The row stays
 * the caller's and must outlive the loop.
 */
struct row;
void greenlet_publish_running(struct row *row);

/* True while a greenlet is ready to run. */
bool greenlet_any_ready(void);

#endif
