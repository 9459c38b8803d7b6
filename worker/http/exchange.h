/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer: what the public header calls hub_http. It is made by the server when a head is
 * whole, filled while the body comes, lives through the handler, and may outlive its client.
 */
#ifndef WORKER_HTTP_EXCHANGE_H
#define WORKER_HTTP_EXCHANGE_H

#include "common/buffer.h"
#include "worker/http/body.h"
#include "worker/http/compress.h"
#include "worker/http/parser.h"
#include "worker/http/router.h"
#include "worker/net/connection.h"
#include "worker/net/input.h"

/* A connection on its way to another worker. */
typedef struct http_handed {
    int fd;           /* non-blocking; whose it is from then on; -1: the client went before */
    hub_bytes bytes;  /* the request from its first byte on, and what has been read behind it; lent */
    const char *peer; /* as connection_set_peer said it; NULL: who the kernel says */
} http_handed;
typedef void (*http_give)(const http_handed *handed, void *arg);

/*
 * The value of a ROUTE_HTTP route. A request is given to `handler`, in a greenlet of its own, or, where that
 * is NULL, to `serve`, in hub context: it answers at once, or calls http_later and answers later. In both
 * cases the body is whole, but for a handler that streams it.
 */
typedef struct http_route {
    hub_http_handler handler;
    void (*serve)(hub_http *http, void *arg);
    /*
     * Called in hub context as soon as the head is whole, before anything of the body is read or a 100
     * (Continue) is sent: the place for http_hand_over, and for nothing that answers. True: it has been
     * called. May be NULL.
     */
    bool (*claim)(hub_http *http, void *arg);
    void *arg;
    const char *name; /* of its greenlets: "GET /users/:id" */
    hub_compress compress;
    bool stream_body;
    uint64_t max_body; /* 0: that of the server */
} http_route;

typedef struct lent lent; /* a decoded value, kept until the handler returns */
typedef struct upload upload;

/* An answer that is written in pieces (stream.c). */
typedef enum http_sending {
    HTTP_SENDS_LENGTH,
    HTTP_SENDS_CHUNKS,
    HTTP_SENDS_TO_END,
    HTTP_SENDS_NOTHING
} http_sending;
typedef struct http_stream {
    uint64_t left;          /* of the declared length, before it is compressed */
    uint64_t queued;        /* bytes of it given to the connection */
    uint64_t taken;         /* tells at the next look whether the client took something */
    uint32_t taken_at;      /* wheel tick of the last look at which it had */
    size_t at_once;         /* bytes written since other greenlets could run, where nothing else parks */
    compressor *compressor; /* NULL: what is written goes out as it is */
    uint8_t sending;        /* http_sending */
    bool started;
} http_stream;

struct hub_http {
    connection *connection; /* NULL: the client is gone */
    const http_route *route;
    http_head head;
    router_match match;
    uint8_t found; /* router_result */
    bool upgrades; /* to the WebSocket route of the match */
    http_body reader;
    upload *upload; /* the body comes in pieces to its handler; NULL: it comes whole, or there is none */
    http_stream stream;
    hub_bytes raw;      /* the head as it came */
    hub_bytes body;     /* as far as it came; in the read buffer, or in `collected` */
    buffer collected;   /* a body that came in pieces */
    char *memory;       /* head, when it had to be copied */
    input_block *block; /* or the read buffer, held while the handler is parked */
    buffer fields_out;  /* lines added by hub_http_set */
    lent *lent;
    compress_choice coded; /* of the answer */
    int status;            /* of the answer that was begun; 0: none was */
    uint64_t sent;         /* bytes of its body that were queued */
    uint64_t began_ns;     /* when the head was whole; for the access log alone, as these: */
    char *client;          /* address of a client that is gone */
    buffer answer_head;    /* while access_wants_answer */
    bool replied;
    bool close;       /* the connection ends with this answer */
    bool ended;       /* the client will send no more */
    bool dropping;    /* answered; the rest of its body is still to be read and dropped */
    size_t drop_room; /* bytes of it that may still come */
    bool parked;      /* it was not answered at once: the connection goes on by a kick */
    bool serving;     /* its `serve` is running */
    bool kept;        /* http_later was called */
    void (*gone)(hub_http *http, void *keeper);
    void *keeper;
    http_give give; /* its connection goes to another worker; NULL: it stays */
    void *give_arg;
    hub_http *next_free;
    http_field *own_fields; /* those of the head, once exchange_own_fields was called */
};

/* For a head of so many fields. NULL without memory. Freed exchanges are kept, up to a few, for the next. */
hub_http *exchange_new(size_t fields);
void exchange_free(hub_http *http);
void exchanges_trim(void);

/*
 * Where the fields of a head are read to: an array of the worker's, for as many as the last exchange_new
 * said. The next head is read there too, so a request that is not answered at once takes its own with
 * exchange_own_fields. Errors: HUB_ENOMEM; the head has then no fields.
 */
http_field *exchange_fields(void);
hub_status exchange_own_fields(hub_http *http);

/* Adds a piece of the body. Errors: HUB_ENOMEM. */
hub_status exchange_add_body(hub_http *http, hub_bytes piece);

/* Copies what still lies in the read buffer, a body in place, because more is to come. Errors: HUB_ENOMEM. */
hub_status exchange_own_body(hub_http *http);

/*
 * In `serve`: the request stays open, without a greenlet, and its head and body stay readable. Whoever
 * answers it later does so in hub context or in any greenlet, as a handler would (hub_http_reply, http_refuse
 * …), and then calls http_done, after which the request must not be used. A request that is done without an
 * answer is answered 500. http_done may be called from any depth of the stack, in `serve` too. Requests that
 * the client has sent behind this one are read when it is done.
 *
 * When the client goes first, `gone` is called instead, in hub context and never from within a call that was
 * made for this request; neither in it nor after it may the request be used, or http_done be called. A client
 * goes when it closes its connection, or its sending side alone, or when the connection breaks or is closed
 * here; it is not noticed while more than 64 KB of its requests wait behind this one. Between that and
 * `gone`, answering gives HUB_ECLOSED, and http_done is then the end of it.
 */
void http_later(hub_http *http, void (*gone)(hub_http *http, void *keeper), void *keeper);
void http_done(hub_http *http);

/*
 * In `claim`, or in the server's hook for upgrades: the request and its connection are another worker's
 * business. Nothing of it is answered, counted or logged here; the request must not be used after the claim,
 * or the hook, has returned. `give` is called once, in hub context: with the descriptor, when all earlier
 * answers of this connection have been given to the kernel, as a rule just after the claim; or without one,
 * when the client went before that or there was no memory. The other worker goes on with http_adopt. A body
 * that was read already, as before an upgrade, comes as it was sent, chunks apart: it is one chunk then.
 */
void http_hand_over(hub_http *http, http_give give, void *arg);

/* Whether an answer of this status to this request has a body. */
bool http_wants_body(const hub_http *http, int status);

/* Whether the route of the request lets its answer be compressed. */
bool http_may_compress(const hub_http *http);

/* As hub_http_reply, compressed from `threshold` bytes on, whatever the route says of it; 0: never. */
hub_status http_reply_from(hub_http *http, int status, const char *content_type, hub_bytes body,
                           size_t threshold);

/* Answers with a status and one line of text. `extra`: NULL, or whole field lines. As hub_http_reply. */
hub_status http_refuse(hub_http *http, int status, const char *text, const char *extra);

/* A piece of an answer's body: bytes, then a part of a file. */
typedef struct http_piece {
    hub_bytes text;
    int fd; /* -1: none */
    off_t offset;
    size_t length; /* of the part of the file */
} http_piece;

/*
 * Answers with pieces, one after the other; each has a descriptor of its own, which is taken over in any
 * case. The texts are copied. As hub_http_reply; a HEAD request gets the same head without them.
 */
hub_status http_reply_pieces(hub_http *http, int status, const char *content_type, const http_piece *pieces,
                             size_t count);

/* The same with `length` bytes of one file. */
hub_status http_reply_file(hub_http *http, int status, const char *content_type, int fd, off_t offset,
                           size_t length);

/* The same with a chunk, whose reference is taken over in any case, as the whole body. */
hub_status http_reply_chunk(hub_http *http, int status, const char *content_type, chunk *body);

/* Checks and sends the head of an answer. `length`: as http_answer_head. Errors: as hub_http_reply. */
hub_status http_begin_answer(hub_http *http, int status, const char *content_type, uint64_t length);

/* Lengths that are none: the body is chunked, or ends with the connection. */
#define HTTP_LENGTH_CHUNKED UINT64_MAX
#define HTTP_LENGTH_TO_END  (UINT64_MAX - 1)

/* Writes the head of an answer into a scratch buffer of the worker, valid until the next call. */
hub_bytes http_answer_head(int status, hub_bytes fields, const char *content_type, uint64_t length,
                           const char *connection_field);

#endif
