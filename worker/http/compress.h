/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers compressed with gzip (RFC 1952) as Content-Encoding (RFC 9110, section 8.4): which ones, and how.
 * The length of a compressed answer tells about what it holds: who can put text into it and see its length,
 * many times, can find out a secret that stands in it too (BREACH). So it is off unless an option or a route
 * says otherwise.
 *
 * One deflate state of 170 KB, made when first used, serves all whole replies of a worker; an answer
 * allocates nothing. A stream owns a state of 31 KB while it lasts.
 *
 * Single thread; any context. Nothing here parks.
 */
#ifndef WORKER_HTTP_COMPRESS_H
#define WORKER_HTTP_COMPRESS_H

#include "worker/http/parser.h"

enum {
    /* A larger reply is sent as it is: of so much JSON zlib makes gzip in 2.7 ms, of hexadecimal digits in 7,
     * and nothing else of the worker runs meanwhile. A stream has no such bound, because it parks. */
    COMPRESS_WHOLE_MAX = 512 * 1024,
    /* Streams that are compressed at once in a worker, 31 MB of memory; further ones are sent as they are. */
    COMPRESS_STREAMS_MAX = 1000
};

typedef struct compress_settings {
    bool on;          /* for routes that do not say */
    size_t threshold; /* bytes of a whole reply that is compressed, at least */
} compress_settings;

void compress_open(compress_settings settings);

/* Frees what the worker keeps; no compressor may be open. */
void compress_close(void);

/* Whether answers of a route may be compressed. */
bool compress_wanted(hub_compress of_route);

typedef enum compress_choice {
    COMPRESS_NEVER, /* as it is, whatever the client accepts */
    COMPRESS_PLAIN, /* as it is; for another client it would be compressed */
    COMPRESS_GZIP,
    COMPRESS_HELD /* no body (304), and the client holds the compressed form */
} compress_choice;

/*
 * What becomes of an answer whose route wants compression; `content_type` may be NULL, `fields` are the lines
 * that the handler set, each with its CR LF. NEVER for: a status without a body; 206; a type that is not
 * known to get smaller, or text/event-stream, of which many stay open with a state each; an answer with
 * Content-Encoding, Content-Range, a digest of its bytes (RFC 9530), or Cache-Control: no-transform (RFC
 * 9111, section 5.2.2.6). GZIP when the client accepts it and does not like identity better (RFC 9110,
 * section 12.5.3).
 *
 * A 304 has what the 200 would have had (15.4.5). Its type and length are not known, so it is PLAIN, which
 * adds Vary: one too many does less harm than one that is missing. HELD when the client asked with the weak
 * form of the entity tag that the handler set, which it can have from a compressed answer alone.
 *
 * Pure: settings do not count.
 */
compress_choice compress_choose(const http_head *head, int status, const char *content_type,
                                hub_bytes fields);

/*
 * The same for a whole reply. One that is shorter than the threshold or longer than COMPRESS_WHOLE_MAX is
 * NEVER: Accept-Encoding had no influence on it, so Vary need not name it (12.5.5). With GZIP *body is the
 * compressed form, lent until the next call; one that would not get smaller, or for which there is no memory,
 * is PLAIN.
 */
compress_choice compress_whole(const http_head *head, int status, const char *content_type, hub_bytes fields,
                               hub_bytes *body);

/* The same with a threshold of the caller's. */
compress_choice compress_whole_from(const http_head *head, int status, const char *content_type,
                                    hub_bytes fields, hub_bytes *body, size_t threshold);

/* The same for an answer that is written in pieces, `length` bytes in all or -1; there is no upper bound. */
compress_choice compress_streamed(const http_head *head, int status, const char *content_type,
                                  hub_bytes fields, int64_t length);

/*
 * The answer's lines with what the choice adds, in *fields, lent until the next call: Vary has
 * Accept-Encoding (12.5.5), put into the handler's own Vary when there is one; with GZIP, Content-Encoding,
 * and a strong entity tag becomes weak, because the bytes are other ones (8.8.1). NEVER leaves all as it is.
 * Errors: HUB_ENOMEM.
 */
hub_status compress_fields(compress_choice choice, hub_bytes *fields);

/* ---- streams ---- */

typedef struct compressor compressor;

/* NULL without memory, or when COMPRESS_STREAMS_MAX are open: the stream is then sent as it is. */
compressor *compressor_open(void);
void compressor_close(compressor *c); /* also before its end; NULL: nothing */

/*
 * Compresses a part of what is written, at most 64 KB of *rest, which it shortens; what comes out, perhaps
 * nothing, is lent in *out until the next call for any stream. True: call again with *rest as it is now.
 * After false everything written so far can be read by the client; with `last` the stream has ended.
 */
bool compressor_next(compressor *c, hub_bytes *rest, bool last, hub_bytes *out);

#endif
