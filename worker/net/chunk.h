/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counted pieces of output. A broadcast is one chunk that the queues of many connections refer to; a direct
 * answer is a chunk of one queue, into which further answers are appended while it has room. Freed memory of
 * small chunks is kept, up to a bound, so that a steady flow of messages allocates nothing.
 *
 * Single thread; any context.
 */
#ifndef WORKER_NET_CHUNK_H
#define WORKER_NET_CHUNK_H

#include <hubbub.h>

#include <sys/types.h>

typedef enum chunk_kind {
    CHUNK_PRIVATE, /* bytes of one queue: may be appended to */
    CHUNK_SHARED,  /* bytes that several queues may refer to: constant */
    CHUNK_MEMORY,  /* constant bytes in memory that malloc gave */
    CHUNK_PAIR,    /* a few bytes of its own, then those of another chunk */
    CHUNK_FILE,    /* a part of an open file, sent by sendfile(2) */
} chunk_kind;

typedef struct chunk {
    uint32_t references;
    chunk_kind kind;
    size_t length;   /* of the bytes, or of the part of the file that is still to be sent */
    size_t capacity; /* of bytes */
    int fd;          /* CHUNK_FILE: owned */
    union {
        off_t offset;       /* CHUNK_FILE: where the part starts */
        void *memory;       /* CHUNK_MEMORY: owned */
        struct chunk *rest; /* CHUNK_PAIR: a reference */
    };
    unsigned char bytes[]; /* of CHUNK_PAIR the front; none of CHUNK_MEMORY and CHUNK_FILE */
} chunk;

enum { CHUNK_SMALL = 512, CHUNK_LARGE = 16384 };

/*
 * A chunk with one reference, which the caller owns, and no bytes yet. The capacity is at least what is asked
 * for. NULL without memory.
 */
chunk *chunk_new(chunk_kind kind, size_t capacity);

/* A file's part; owns the descriptor from then on, also when it answers NULL without memory (it is closed
 * then). */
chunk *chunk_new_file(int fd, off_t offset, size_t length);

/* Constant bytes in memory that malloc gave: owns it from then on. NULL without memory, it is then freed. */
chunk *chunk_new_memory(void *memory, size_t length);

/* A message whose body is not copied: it is sent, or given up, together. Takes a reference of its own to
 * `rest`, which is shared or memory. NULL without memory. */
chunk *chunk_new_pair(hub_bytes front, chunk *rest);

/* Where the bytes are that one run holds: not of a file or a pair. */
static inline unsigned char *chunk_data(chunk *c)
{
    return c->kind == CHUNK_MEMORY ? c->memory : c->bytes;
}

static inline chunk *chunk_hold(chunk *c)
{
    c->references++;
    return c;
}

void chunk_free(chunk *c); /* for chunk_drop alone */

/* Gives a reference back; the last one frees it. */
static inline void chunk_drop(chunk *c)
{
    if (--c->references == 0)
        chunk_free(c);
}

/* Frees the memory that is kept for later; at the end of a worker. */
void chunk_trim(void);

#endif
