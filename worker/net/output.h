/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The output of one connection: a queue of references to chunks. Empty, it owns no memory; one waiting chunk
 * needs none either; further ones stand in nodes that are kept for reuse.
 */
#ifndef WORKER_NET_OUTPUT_H
#define WORKER_NET_OUTPUT_H

#include "worker/net/chunk.h"

#include <sys/uio.h>

typedef struct output_node output_node;

typedef struct output {
    chunk *first;       /* NULL: empty */
    output_node *nodes; /* what follows the first */
    output_node *last;
    size_t sent;  /* bytes of the first chunk that are gone already */
    size_t bytes; /* waiting; a file counts as 64 KB */
} output;

/* Puts a reference behind; takes over the caller's. Errors: HUB_ENOMEM, the reference is then dropped. */
hub_status output_push(output *out, chunk *c);

/*
 * Copies two runs of bytes behind, together: into the last chunk when it is private and has room, else into a
 * new one. Errors: HUB_ENOMEM; nothing of it is then queued.
 */
hub_status output_append(output *out, hub_bytes head, hub_bytes body);

/* The front as an iovec for one write; how many entries. Stops at a file; 0 when a file or nothing stands in
 * front. */
int output_gather(const output *out, struct iovec *iov, int limit);

/* The file's part in front, or NULL. After sending some of it: output_advance. */
chunk *output_front_file(const output *out);

/* What is still to be taken; it changes with every byte that is. */
static inline size_t output_untaken(const output *out)
{
    return out->bytes + (out->first && out->first->kind == CHUNK_FILE ? out->first->length : 0);
}

/* `length` bytes of the front have been sent: drops what is done. */
void output_advance(output *out, size_t length);

void output_clear(output *out);

/* Drops everything but a chunk that is half sent: what follows on the wire stays well-formed. */
void output_cut(output *out);

/* Frees the nodes that are kept for later; at the end of a worker. */
void output_trim(void);

#endif
