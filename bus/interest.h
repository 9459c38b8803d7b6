/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which incarnations want to be woken for which rooms: a table in the region, one mask of rows for each
 * bucket of room hashes, and in each process the counts behind its own bits.
 *
 * The table decides only who is rung, never who may read: every reader sees every record. A bit too many
 * costs a wake-up; a bit is never missing, because it is set, with a fence, before the reader drains the log
 * once more, and publishers read the masks only after their record is committed.
 */
#ifndef BUS_INTEREST_H
#define BUS_INTEREST_H

#include "bus/region.h"

typedef struct interest {
    _Atomic uint64_t *masks; /* in the region: REGION_HASH_BUCKETS times REGION_MASK_WORDS */
    uint32_t *counts;        /* of this process, a bucket each; untouched pages cost nothing */
    unsigned row;
} interest;

/* A set of rows. */
typedef struct interest_mask {
    uint64_t words[REGION_MASK_WORDS];
} interest_mask;

/* Errors: HUB_ENOMEM. interest_close takes all bits of this process back, interest_forget leaves them. */
hub_status interest_open(interest *interest, const region *region, unsigned row);
void interest_close(interest *interest);
void interest_forget(interest *interest);

/* Calls nest; hashes of one bucket share its count. A drop without an add is ignored. */
void interest_add(interest *interest, uint64_t room_hash);
void interest_drop(interest *interest, uint64_t room_hash);

static inline unsigned interest_bucket(uint64_t room_hash)
{
    return (unsigned)(room_hash % REGION_HASH_BUCKETS);
}

/* Whether this process declared interest in a hash of this bucket. */
static inline bool interest_has(const interest *self, uint64_t room_hash)
{
    return self->counts[interest_bucket(room_hash)] != 0;
}

/* Adds to *mask the rows that are interested in the hash. */
void interest_collect(const interest *interest, uint64_t room_hash, interest_mask *mask);

/* Takes all bits of a row back whose process is gone. */
void interest_clear_row(const region *region, unsigned row);

#endif
