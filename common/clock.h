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

#endif
