/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a worker asks to be replaced: after so many requests, at so much memory, at such an age. The limits
 * differ from worker to worker by a random part, so that those that began together do not end together.
 */
#ifndef WORKER_RETIREMENT_H
#define WORKER_RETIREMENT_H

#include "bus/row.h"

#include <stddef.h>

/* 0: without that limit. A jitter adds between nothing and itself. */
typedef struct retirement_limits {
    uint64_t requests, requests_jitter; /* HTTP requests, WebSocket messages and connections together */
    size_t memory, memory_jitter;       /* bytes that are this process's own */
    double lifetime, lifetime_jitter;   /* seconds */
} retirement_limits;

typedef struct retirement {
    uint64_t requests, memory, end_ns; /* 0: never */
    uint64_t looked_ns;                /* at the memory */
} retirement;

/* `chance`, from 0 to 1, is this worker's part of every jitter. */
void retirement_plan(retirement *self, const retirement_limits *limits, double chance, uint64_t now_ns);

/*
 * Whether it is time, by the worker's own counters. Cheap: the memory is looked at once a second, and only
 * when it is limited.
 */
row_wish retirement_due(retirement *self, const row *score, uint64_t now_ns);

/* Bytes of memory that only this process uses, from a text like /proc/self/statm; 0 when it says nothing. */
uint64_t retirement_memory_of(const char *statm);

#endif
