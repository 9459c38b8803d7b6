/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/chunk.h"

#include <stdlib.h>
#include <unistd.h>

/* Kept memory: a few classes, each a list of free chunks linked through their bytes. */
enum { CLASSES = 3 };
static const size_t class_capacity[CLASSES] = {CHUNK_SMALL, 4096, CHUNK_LARGE};
static const unsigned class_limit[CLASSES] = {512, 64, 16}; /* 768 KB at the most */

static struct {
    chunk *free;
    unsigned count;
} kept[CLASSES];

static int class_for(size_t capacity)
{
    for (int i = 0; i < CLASSES; i++)
        if (capacity <= class_capacity[i])
            return i;
    return -1;
}

static chunk *next_free(const chunk *c)
{
    chunk *next;
    memcpy(&next, c->bytes, sizeof next);
    return next;
}

chunk *chunk_new(chunk_kind kind, size_t capacity)
{
    int class = class_for(capacity);
    if (class >= 0)
        capacity = class_capacity[class];
    chunk *c;
    if (class >= 0 && kept[class].free) {
        c = kept[class].free;
        kept[class].free = next_free(c);
        kept[class].count--;
    } else {
        if (capacity > SIZE_MAX - sizeof *c)
            return NULL;
        c = malloc(sizeof *c + capacity);
        if (!c)
            return NULL;
    }
    c->references = 1;
    c->kind = kind;
    c->length = 0;
    c->capacity = capacity;
    c->fd = -1;
    c->offset = 0;
    return c;
}

chunk *chunk_new_file(int fd, off_t offset, size_t length)
{
    chunk *c = malloc(sizeof *c);
    if (!c) {
        close(fd);
        return NULL;
    }
    *c = (chunk){.references = 1, .kind = CHUNK_FILE, .length = length, .fd = fd, .offset = offset};
    return c;
}

chunk *chunk_new_memory(void *memory, size_t length)
{
    chunk *c = malloc(sizeof *c);
    if (!c) {
        free(memory);
        return NULL;
    }
    *c = (chunk){.references = 1, .kind = CHUNK_MEMORY, .length = length, .fd = -1, .memory = memory};
    return c;
}

chunk *chunk_new_pair(hub_bytes front, chunk *rest)
{
    chunk *c = chunk_new(CHUNK_PAIR, front.length);
    if (!c)
        return NULL;
    memcpy(c->bytes, front.data, front.length);
    c->length = front.length + rest->length;
    c->rest = chunk_hold(rest);
    return c;
}

void chunk_free(chunk *c)
{
    if (c->kind == CHUNK_MEMORY) {
        free(c->memory);
        free(c);
        return;
    }
    if (c->kind == CHUNK_PAIR)
        chunk_drop(c->rest);
    if (c->kind == CHUNK_FILE) {
        close(c->fd);
        free(c);
        return;
    }
    int class = class_for(c->capacity);
    if (class >= 0 && c->capacity == class_capacity[class] && kept[class].count < class_limit[class]) {
        chunk *next = kept[class].free;
        memcpy(c->bytes, &next, sizeof next);
        kept[class].free = c;
        kept[class].count++;
        return;
    }
    free(c);
}

void chunk_trim(void)
{
    for (int i = 0; i < CLASSES; i++) {
        while (kept[i].free) {
            chunk *c = kept[i].free;
            kept[i].free = next_free(c);
            free(c);
        }
        kept[i].count = 0;
    }
}
