/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a request, by length or chunked (RFC 9112, sections 6 and 7), out of the bytes that follow its
 * head. No input or output, no allocation, no copy: the pieces are parts of what was received.
 */
#ifndef WORKER_HTTP_BODY_H
#define WORKER_HTTP_BODY_H

#include "worker/http/parser.h"

enum { HTTP_CHUNK_EXTRA_MAX = 4096 }; /* bytes of chunk extensions and leading zeros in one body */

/* Where in the body the reader is. Set up by http_body_open; its fields are private. */
typedef struct http_body {
    uint64_t remaining; /* bytes of the body, or of the chunk, still to come */
    uint64_t received;  /* bytes of the body handed out or announced by chunk sizes */
    uint64_t limit;
    uint32_t trailer_room; /* bytes that trailer fields may still take */
    uint16_t trailer_fields;
    uint16_t extra_room; /* bytes that extensions may still take */
    uint8_t state, digits;
} http_body;

typedef enum http_body_result {
    HTTP_BODY_MORE,  /* all bytes are consumed and the body goes on */
    HTTP_BODY_PIECE, /* `piece` is the next part of the body; call again with what is left */
    HTTP_BODY_DONE,  /* the body has ended; what is left belongs to the next request */
    HTTP_BODY_ERROR  /* `error` */
} http_body_result;

/* Begins the body that a head announces. Of the limits, body, head (for trailers) and fields are used. */
void http_body_open(http_body *body, const http_head *head, const http_limits *limits);

/* How many bytes must at least still come until the body has ended: 0 when it has. */
uint64_t http_body_least(const http_body *body);

/*
 * Takes the next step in `length` received bytes; they may be cut anywhere. *consumed says how many are done
 * with. A body of no bytes is HTTP_BODY_DONE at once, with length 0 too; asking again after the end gives
 * HTTP_BODY_DONE.
 *
 * Errors, in *error: CHUNK (a size that is no hexadecimal number or overflows, a missing CR LF, an
 * extension that breaks its grammar, more than HTTP_CHUNK_EXTRA_MAX bytes of extensions), BODY_TOO_LARGE (as
 * soon as a chunk's size says so), TRAILER, TRAILERS_TOO_LARGE. Extensions and trailer fields are checked and
 * dropped (RFC 9112, sections 7.1.1, 7.1.2).
 */
http_body_result http_body_next(http_body *body, const char *data, size_t length, size_t *consumed,
                                hub_bytes *piece, http_error *error);

#endif
