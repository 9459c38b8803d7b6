/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/interest.h"

#include "bus/layout.h"

#include <stdlib.h>

static _Atomic uint64_t *masks_of(const region *shared)
{
    region_layout layout = region_layout_of(shared->log_size);
    return (_Atomic uint64_t *)((char *)shared->header + layout.interest);
}

static _Atomic uint64_t *word_of(_Atomic uint64_t *masks, unsigned bucket, unsigned row_index)
{
    return &masks[bucket * REGION_MASK_WORDS + row_index / 64];
}

static uint64_t bit_of(unsigned row_index)
{
    return UINT64_C(1) << row_index % 64;
}

hub_status interest_open(interest *self, const region *shared, unsigned row_index)
{
    self->counts = calloc(REGION_HASH_BUCKETS, sizeof *self->counts);
    if (!self->counts)
        return HUB_ENOMEM;
    self->masks = masks_of(shared);
    self->row = row_index;
    return HUB_OK;
}

void interest_close(interest *self)
{
    if (!self->counts)
        return;
    for (unsigned bucket = 0; bucket < REGION_HASH_BUCKETS; bucket++) {
        if (self->counts[bucket] != 0)
            atomic_fetch_and(word_of(self->masks, bucket, self->row), ~bit_of(self->row));
    }
    interest_forget(self);
}

void interest_forget(interest *self)
{
    free(self->counts);
    self->counts = NULL;
}

void interest_add(interest *self, uint64_t room_hash)
{
    unsigned bucket = interest_bucket(room_hash);
    if (self->counts[bucket]++ == 0)
        atomic_fetch_or(word_of(self->masks, bucket, self->row), bit_of(self->row));
    atomic_thread_fence(memory_order_seq_cst);
}

void interest_drop(interest *self, uint64_t room_hash)
{
    unsigned bucket = interest_bucket(room_hash);
    if (self->counts[bucket] != 0 && --self->counts[bucket] == 0)
        atomic_fetch_and(word_of(self->masks, bucket, self->row), ~bit_of(self->row));
}

void interest_collect(const interest *self, uint64_t room_hash, interest_mask *mask)
{
    _Atomic uint64_t *words = word_of(self->masks, interest_bucket(room_hash), 0);
    for (unsigned i = 0; i < REGION_MASK_WORDS; i++)
        mask->words[i] |= atomic_load(&words[i]);
}

void interest_clear_row(const region *shared, unsigned row_index)
{
    _Atomic uint64_t *masks = masks_of(shared);
    for (unsigned bucket = 0; bucket < REGION_HASH_BUCKETS; bucket++) {
        _Atomic uint64_t *word = word_of(masks, bucket, row_index);
        if (atomic_load_explicit(word, memory_order_relaxed) & bit_of(row_index))
            atomic_fetch_and(word, ~bit_of(row_index));
    }
}
