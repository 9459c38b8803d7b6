/* SPDX-License-Identifier: Apache-2.0 */
/* Time as the server counts it. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_S  UINT64_C(1000000000)
#define CLOCK_NS_PER_MS UINT64_C(1000000)

/* Nanoseconds of the monotonic clock; the same in all processes of a host since its boot. */
uint64_t clock_monotonic_ns(void);

/* Nanoseconds since 1970 of the wall clock, for people to read. */
uint64_t clock_wall_ns(void);

/* For people and for libev; for options, where what is not above 0 means none. */
static inline double clock_in_seconds(uint64_t ns)
{
    return (double)ns / (double)CLOCK_NS_PER_S;
}

static inline uint64_t clock_in_ns(double seconds)
{
    return seconds > 0 ? (uint64_t)(seconds * (double)CLOCK_NS_PER_S) : 0;
}

/* The earlier of two times of which 0 is never. */
static inline uint64_t clock_earlier(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a ? a : b;
    return a < b ? a : b;
}

#endif
