/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/lent.h"

#include <hubbub.h>

#include <stdlib.h>

typedef struct block {
    struct block *next;
    size_t used, capacity;
    _Alignas(max_align_t) unsigned char bytes[];
} block;

enum {
    BLOCK = 4096 - sizeof(block), /* most handlers need one, if any */
    KEPT_MAX = 64,                /* blocks for the next handlers */
    ALIGNMENT = _Alignof(max_align_t),
};

static block *kept;
static unsigned kept_count;
static hub_local key; /* of the running greenlet's blocks, that with room first */

static block *block_new(size_t capacity)
{
    block *b = kept;
    if (capacity <= BLOCK && b) {
        kept = b->next;
        kept_count--;
    } else {
        if (capacity < BLOCK)
            capacity = BLOCK;
        b = malloc(sizeof(*b) + capacity);
        if (!b)
            return NULL;
        b->capacity = capacity;
    }
    b->next = NULL;
    b->used = 0;
    return b;
}

static void release(void *first)
{
    block *next;
    for (block *b = first; b; b = next) {
        next = b->next;
        if (b->capacity == BLOCK && kept_count < KEPT_MAX) {
            b->next = kept;
            kept = b;
            kept_count++;
        } else {
            free(b);
        }
    }
}

static bool key_is_there(void)
{
    return key != 0 || hub_local_new(&key, release) == HUB_OK;
}

void *lent_take(size_t size)
{
    if (size > SIZE_MAX / 2 || hub_current() == 0 || !key_is_there())
        return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    block *first = hub_local_get(key);
    if (first && first->capacity - first->used >= size) {
        void *taken = first->bytes + first->used;
        first->used += size;
        return taken;
    }
    block *b = block_new(size);
    if (!b)
        return NULL;
    b->used = size;
    if (first && size > BLOCK) { /* the first has room still */
        b->next = first->next;
        first->next = b;
        return b->bytes;
    }
    if (hub_local_set(key, b) != HUB_OK) {
        release(b);
        return NULL;
    }
    b->next = first;
    return b->bytes;
}

void lent_release_all(void)
{
    if (key == 0)
        return;
    release(hub_local_get(key));
    hub_local_set(key, NULL);
}
