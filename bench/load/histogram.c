/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load/histogram.h"

#include <string.h>

void histogram_clear(load_histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

/* Values below 64 have a bucket each; above, the leading bit chooses a row and the next six bits the bucket.
 */
static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_FINE)
        return (unsigned)value;

    unsigned shift = 57 - (unsigned)__builtin_clzll(value);
    return shift * HISTOGRAM_FINE + (unsigned)(value >> shift);
}

/* The largest value of a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < 2 * HISTOGRAM_FINE)
        return bucket;

    unsigned shift = bucket / HISTOGRAM_FINE - 1;
    uint64_t first = (uint64_t)(bucket - shift * HISTOGRAM_FINE) << shift;
    return first + ((UINT64_C(1) << shift) - 1);
}

void histogram_add(load_histogram *histogram, uint64_t value)
{
    histogram->buckets[bucket_of(value)]++;
    histogram->count++;
    if (value > histogram->maximum)
        histogram->maximum = value;
}

uint64_t histogram_quantile(const load_histogram *histogram, double share)
{
    if (histogram->count == 0)
        return 0;

    double wanted = share * (double)histogram->count;
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t end = bucket_end(i);
            return end < histogram->maximum ? end : histogram->maximum;
        }
    }
    return histogram->maximum;
}
