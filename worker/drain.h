/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a draining worker divides its graceful time, at whose end the master kills it: first clients are told
 * to go, each at a time of its own; then those that were not told yet are told at once; a moment later who is
 * still there is cut off; and what is left belongs to the application's stop hooks.
 */
#ifndef WORKER_DRAIN_H
#define WORKER_DRAIN_H

/* Seconds from the begin of the drain; none is greater than the next. */
typedef struct drain_plan {
    double spread;    /* clients are told at random times up to here */
    double last_call; /* everybody has been told */
    double abort;     /* connections that are left are closed; stop hooks run */
    double leave;     /* stop hooks that still run are left */
} drain_plan;

drain_plan drain_plan_of(double graceful);

#endif
