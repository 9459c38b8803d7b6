/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/input.h"

#include <stdlib.h>

struct input_block {
    unsigned references; /* holders, and one more while it is the current block */
    size_t used;         /* bytes that holders pinned */
    unsigned char bytes[INPUT_BLOCK];
};

static input_block *current;
static size_t read_at; /* offset in the current block of the newest read */

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
    read_at = current->used;
    return current->bytes + read_at;
}

input_block *input_hold(size_t length)
{
    /* Counted from where the read went, so that a second holder of the same read pins no more than the first.
     */
    size_t end = read_at + ((length + 63) & ~(size_t)63);
    if (end > current->used)
        current->used = end < INPUT_BLOCK ? end : INPUT_BLOCK;
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
