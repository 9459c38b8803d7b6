/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times in nanoseconds, counted in buckets of which each is at most 1/64 wider than its value: a quantile is
 * right to 1.6 %, and adding a value costs one increment.
 */
#ifndef BENCH_LOAD_HISTOGRAM_H
#define BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_FINE    64 /* buckets in each power of two */
#define HISTOGRAM_BUCKETS (HISTOGRAM_FINE * 59)

typedef struct load_histogram { /* zero-initialised: empty */
    uint64_t count;
    uint64_t maximum;
    uint64_t buckets[HISTOGRAM_BUCKETS];
} load_histogram;

void histogram_clear(load_histogram *histogram);
void histogram_add(load_histogram *histogram, uint64_t value);

/* The value that a share of all (0.5: the median) do not exceed; 0 when there are none. */
uint64_t histogram_quantile(const load_histogram *histogram, double share);

#endif
