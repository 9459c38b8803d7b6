/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Greenlets that wait for the same thing, in the order in which they came. An entry lives in the frame of the
 * function that waits, so waiting allocates nothing.
 */
#ifndef WORKER_HUB_WAITERS_H
#define WORKER_HUB_WAITERS_H

#include "worker/hub/greenlet.h"

typedef struct waiter {
    struct waiter *next, *previous;
    greenlet *greenlet;
    void *item; /* what a queue hands over */
    bool queued;
} waiter;

/* All zero is the empty list. */
typedef struct waiters {
    waiter *first, *last;
} waiters;

/*
 * Parks the running greenlet at the end of the list and takes it out again; returns what greenlet_park does,
 * but HUB_ETIMEDOUT at once when the timeout is 0. `item` is handed to the waker, and what the waker left in
 * its place is stored back; NULL when nothing is handed over. HUB_ESTATE in hub context, if it would park.
 */
hub_status waiters_wait(waiters *list, const char *waits_for, double timeout, void **item);

/* Takes out the first that still waits and makes it ready; gives NULL when there is none. The entry stays
 * valid until its greenlet runs. */
waiter *waiters_wake_first(waiters *list, hub_status status);

/* Empties the list; what it is part of may be freed at once. */
void waiters_wake_all(waiters *list, hub_status status);

#endif
