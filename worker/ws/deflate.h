/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages deflated and inflated: RFC 7692, section 7.2. The agreement is extension.h's subject.
 *
 * Without context takeover every message stands alone, so one deflater for each size of window and one
 * inflater serve all clients of a worker: a client that is idle owns no memory of zlib's. With it a client
 * owns a pair, made when first used: about 170 KB to deflate, 40 KB to inflate, with windows of 32 KB.
 *
 * Single thread; any context. Nothing here parks.
 */
#ifndef WORKER_WS_DEFLATE_H
#define WORKER_WS_DEFLATE_H

#include "worker/net/chunk.h"
#include "worker/ws/extension.h"

typedef struct deflater deflater;
typedef struct inflater inflater;

/* What a client with context takeover in some direction owns. */
typedef struct deflate_context {
    deflate_terms terms;
    deflater *deflater; /* NULL: not used yet */
    inflater *inflater;
} deflate_context;

/* Without memory NULL. Nothing of zlib's is allocated yet. */
deflate_context *deflate_context_new(deflate_terms terms);
void deflate_context_free(deflate_context *context); /* NULL: nothing */

/*
 * Deflates a message's payload (7.2.1) with a window of 2^bits bytes; `context` is the client's, or NULL
 * without takeover. The result is lent until the next call. False: the message is to go out as it is, because
 * it would not get smaller or there is no memory; a window that the client keeps is then begun anew, which
 * its inflater need not know.
 */
bool deflate_message(deflate_context *context, unsigned bits, hub_bytes body, hub_bytes *out);

/*
 * A message that was deflated was not sent: what follows must not refer to it. Nothing without takeover.
 */
void deflate_unsent(deflate_context *context);

/* Gives back what an unusually large message needed; after its bytes were used. */
void deflate_trim(void);

/*
 * A shared chunk with the deflated form of a whole frame from the server. `body` itself, with one more
 * reference, when deflate_message answers false, when its payload is shorter than `threshold`, or when it is
 * several frames.
 */
chunk *deflate_frame(deflate_context *context, unsigned bits, chunk *body, size_t threshold);

/*
 * Inflates a message's payload (7.2.2) into memory that the caller owns and frees with free(3); *data is NULL
 * when it is empty. A payload without any byte is taken for an empty message. Errors, with nothing to free:
 *   HUB_ETOOBIG  it inflates to more than `limit` bytes. Memory until this is known is at most 16 KB and 16
 *                times what was sent, whatever it inflates to.
 *   HUB_EINVAL   it is no deflate data, or ends within a block
 *   HUB_ENOMEM
 * After an error the context is of no further use.
 */
hub_status deflate_inflate(deflate_context *context, hub_bytes body, size_t limit, unsigned char **data,
                           size_t *length);

/* Frees what the worker keeps for all clients. */
void deflate_close(void);

#endif
