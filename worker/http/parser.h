/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a request: request line and header fields, HTTP/1.1 (RFC 9112, sections 2 to 6; RFC 9110). No
 * input or output, no allocation; a head of 250 bytes takes a fifth of a microsecond.
 *
 * In use: search the received bytes with http_head_end until the head is whole; then one http_parse_head over
 * it; then the body, if any, through body.h.
 *
 * Every error leaves the connection unusable for further requests: answer with its status and close.
 */
#ifndef WORKER_HTTP_PARSER_H
#define WORKER_HTTP_PARSER_H

#include <hubbub.h>

/* X(name, status, text) */
#define HTTP_ERROR_MAP(X)                                                                                    \
    X(NONE, 0, "no error")                                                                                   \
    X(REQUEST_LINE, 400, "the request line is not METHOD TARGET HTTP/1.1")                                   \
    X(METHOD, 501, "the method is not known here")                                                           \
    X(TARGET, 400, "the request target is not valid")                                                        \
    X(LINE_TOO_LONG, 414, "the request line is too long")                                                    \
    X(VERSION, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here")                                            \
    X(LINE_END, 400, "a line of the head does not end with CR LF")                                           \
    X(FIELD, 400, "a header field has characters that are not allowed")                                      \
    X(FOLDED, 400, "a header field is folded over several lines")                                            \
    X(TOO_MANY_FIELDS, 431, "there are too many header fields")                                              \
    X(FIELD_TOO_LARGE, 431, "a header field is too large")                                                   \
    X(HEAD_TOO_LARGE, 431, "the header fields are too large")                                                \
    X(HOST, 400, "the Host field is missing, repeated or not valid")                                         \
    X(CONTENT_LENGTH, 400, "Content-Length is not one decimal number")                                       \
    X(TRANSFER_ENCODING, 400, "Transfer-Encoding does not end with chunked, or must not be here")            \
    X(CODING, 501, "no transfer coding but chunked is known here")                                           \
    X(LENGTH_REQUIRED, 411, "a body in HTTP/1.0 needs a Content-Length")                                     \
    X(EXPECTATION, 417, "no expectation but 100-continue is known here")                                     \
    X(BODY_TOO_LARGE, 413, "the body is too large")                                                          \
    X(CHUNK, 400, "a chunk of the body is malformed")                                                        \
    X(TRAILER, 400, "a trailer field is malformed")                                                          \
    X(TRAILERS_TOO_LARGE, 431, "the trailer fields are too large")                                           \
    X(TIMEOUT, 408, "the request did not come in time")

typedef enum http_error {
#define HTTP_ERROR_ENUM(name, status, text) HTTP_ERROR_##name,
    HTTP_ERROR_MAP(HTTP_ERROR_ENUM)
#undef HTTP_ERROR_ENUM
} http_error;

/* The status to answer with (0 for HTTP_ERROR_NONE), and one line for the answer's body and the log. */
int http_error_status(http_error error);
const char *http_error_text(http_error error);

typedef struct http_limits {
    size_t request_line; /* bytes without the line's end; above: 414 */
    size_t fields;       /* number; above: 431 */
    size_t field;        /* bytes of one field's line without its end; above: 431; 0: as many as the head */
    size_t head;         /* bytes of the whole head, its blank line too; above: 431 */
    uint64_t body;       /* bytes; above: 413 */
} http_limits;

typedef struct http_field {
    hub_bytes name;  /* as sent */
    hub_bytes value; /* without white space at its ends */
} http_field;

typedef enum http_framing {
    HTTP_BODY_NONE,
    HTTP_BODY_LENGTH, /* content_length bytes, perhaps 0 */
    HTTP_BODY_CHUNKED
} http_framing;

/*
 * All spans point into the head that was parsed, but for `path` of a target without one, which is a literal;
 * `fields` is the caller's array.
 */
typedef struct http_head {
    hub_bytes method;
    hub_bytes target; /* as sent */
    hub_bytes path;   /* raw, begins with "/"; "*" for the asterisk form (OPTIONS) */
    hub_bytes query;  /* raw, without the "?"; data is NULL when there is no "?" */
    hub_bytes host;   /* "example.com:8000": of the target in absolute form, else of Host; data may be NULL */
    const http_field *fields;
    size_t field_count;
    uint64_t content_length;
    http_framing framing;
    unsigned minor;       /* of HTTP/1.x: 0, or 1 for 1.1 and above */
    bool keep_alive;      /* the client lets the connection be used again */
    bool upgrade;         /* in 1.1, Connection: upgrade and an Upgrade field; ask http_head_has for which */
    bool expect_continue; /* Expect: 100-continue: the client waits for a 100 before it sends the body */
} http_head;

/*
 * Searches for the blank line that ends a head. Returns the head's length with that line, or 0 while it is
 * not there. `data` begins at the request's first byte and only grows between calls; *scanned, 0 at first,
 * remembers how far it was searched, so that every byte is looked at once. Up to HTTP_EMPTY_LINES empty lines
 * in front of the request line belong to the head (RFC 9112, section 2.2). A blank line of bare LF ends a
 * head too: http_parse_head then refuses it.
 */
enum { HTTP_EMPTY_LINES = 4 };
size_t http_head_end(const char *data, size_t length, size_t *scanned);

/*
 * Looks at a head that is not complete yet and says whether waiting for the rest is in vain: LINE_TOO_LONG,
 * HEAD_TOO_LARGE, or REQUEST_LINE when the first byte cannot begin a request (a TLS greeting, say).
 */
http_error http_head_check(const char *data, size_t length, const http_limits *limits);

/*
 * Parses a whole head, as http_head_end found it. `fields` has room for limits->fields entries, and must live
 * as long as `head` is used. On an error *head holds what was read before it: at least zeros.
 *
 * Refused besides what is no HTTP/1.x at all: bare CR and LF, NUL and other control characters, white space
 * before a colon, folded lines; targets that are not of origin, absolute (http, https) or, with OPTIONS,
 * asterisk form, or hold a "#" or bytes outside visible ASCII; CONNECT (501); in 1.1 a missing Host, always a
 * repeated, empty or malformed one; several Content-Length, or one that is not all digits or above 2^63; it
 * together with Transfer-Encoding; Transfer-Encoding in 1.0; in 1.0 a
 * POST, PUT or PATCH without Content-Length (411); codings that do not end with one chunked (400),
 * or have others before it (501); an expectation that is not 100-continue. A Content-Length above
 * limits->body is BODY_TOO_LARGE before any of the body is read.
 */
http_error http_parse_head(hub_bytes bytes, const http_limits *limits, http_field *fields, http_head *head);

/* The value of the first field of that name, without case; data NULL when there is none. */
hub_bytes http_head_get(const http_head *head, const char *name);

/* How many fields have that name. */
size_t http_head_count(const http_head *head, const char *name);

/* True when a field of that name lists the token, without case: http_head_has(head, "connection", "close").
 */
bool http_head_has(const http_head *head, const char *name, const char *token);

#endif
