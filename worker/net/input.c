/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/input.h"

#include <stdlib.h>

struct input_block {
    unsigned references; /* holders, and one more while it is the current block */
    size_t used;         /* bytes that holders pinned */
    unsigned char bytes[INPUT_BLOCK];
};

static input_block *current;

void *input_room(size_t *room)
{
    if (current && INPUT_BLOCK - current->used < INPUT_READ_MIN) {
        if (current->references == 1) {
            current->used = 0; /* all holders are gone */
        } else {
            input_drop(current);
            current = NULL;
        }
    }
    if (!current) {
        current = malloc(sizeof *current); /* not zeroed: pages are touched as they are read into */
        if (!current)
            return NULL;
        current->references = 1;
        current->used = 0;
    } else if (current->references == 1) {
        current->used = 0;
    }
    *room = INPUT_READ_MIN;
    return current->bytes + current->used;
}

input_block *input_hold(const void *end)
{
    /* The next read begins on a cache line of its own. */
    size_t used = (size_t)((const unsigned char *)end - current->bytes);
    used = (used + 63) & ~(size_t)63;
    if (used > current->used) /* another holder of the same read may hold more */
        current->used = used < INPUT_BLOCK ? used : INPUT_BLOCK;
    current->references++;
    return current;
}

void input_drop(input_block *block)
{
    if (block && --block->references == 0)
        free(block);
}

void input_trim(void)
{
    input_drop(current);
    current = NULL;
}
