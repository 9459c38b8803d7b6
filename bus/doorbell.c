/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/doorbell.h"

#include "bus/layout.h"

static void ring_if(const hostlog *log, unsigned index, uint32_t at_least)
{
    _Atomic uint32_t *asleep = &log->region->rows[index].asleep;
    if (index != log->self_index && atomic_load(asleep) >= at_least &&
        atomic_exchange(asleep, ROW_AWAKE) != ROW_AWAKE)
        region_ring(log->region, index);
}

void doorbell_ring(const hostlog *log, const interest_mask *mask)
{
    unsigned used = region_rows_used(log->region);
    if (!mask) {
        for (unsigned i = 0; i < used; i++)
            ring_if(log, i, ROW_ASLEEP);
        return;
    }
    for (unsigned word = 0; word * 64 < used; word++) {
        for (uint64_t bits = mask->words[word]; bits != 0; bits &= bits - 1) {
            unsigned i = word * 64 + (unsigned)__builtin_ctzll(bits);
            if (i < used)
                ring_if(log, i, ROW_ASLEEP);
        }
    }
}

void doorbell_ring_stuck(const hostlog *log)
{
    unsigned used = region_rows_used(log->region);
    for (unsigned i = 0; i < used; i++)
        ring_if(log, i, ROW_ASLEEP_STUCK);
}

void doorbell_ring_laggards(const hostlog *log)
{
    unsigned used = region_rows_used(log->region);
    for (unsigned i = 0; i < used; i++) {
        uint64_t cursor = atomic_load(&log->region->rows[i].cursor) & ~HOSTLOG_EVICTED;
        if (cursor != 0 && hostlog_end(log) - cursor >= log->ring / 8)
            ring_if(log, i, ROW_ASLEEP);
    }
}
