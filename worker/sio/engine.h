/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engine.IO, protocol 4: a session with one client, whatever carries it: long polling, a WebSocket, or first
 * the one and then the other. The protocol above (Socket.IO, or an application's own) sees messages that
 * arrive and messages to send.
 *
 *     engine.c      the session: its life, heartbeats, which transport carries it
 *     engine_about.c  what is known of a session: names, fields of its opening request
 *     request.c     what a request to an endpoint asks, and the errors that the protocol has for it; CORS
 *     polling.c     GET and POST
 *     socket.c      the WebSocket, from the start or after an upgrade
 *     payload.c     packets and payloads as bytes; nothing else
 *
 * Everything here is called in hub context or in a greenlet, and nothing parks but where it says so.
 */
#ifndef WORKER_SIO_ENGINE_H
#define WORKER_SIO_ENGINE_H

#include "common/error.h"
#include "worker/net/chunk.h"
#include "worker/net/connection.h"
#include "worker/net/input.h"
#include "worker/rooms/session.h"
#include "worker/sio/reason.h"
#include "worker/ws/user.h"

typedef struct engine engine;

/* A message as bytes of the wire, made once for all its receivers: whole WebSocket frames from the server,
 * one behind the other: each text frame holds an Engine.IO packet ("4…"), each binary frame a binary message.
 * What polling clients get is made from them when they ask. */
enum { ENGINE_PARTS_MAX = 64 };

/* One Engine.IO message to send: its type and body. A Socket.IO event with attachments is several, which stay
 * together. */
typedef struct engine_part {
    hub_type type;
    hub_bytes body; /* without Engine.IO's own prefix */
} engine_part;

/* The protocol above. All calls come in hub context; none may park. */
typedef struct engine_user {
    const char *name;
    size_t state_size; /* bytes of memory behind each engine for this protocol, zeroed: engine_state */
    /* The session is open, its open packet is queued. Not HUB_OK: it is closed with "forced close", and
     * on_close is called. */
    hub_status (*on_open)(engine *e);
    /*
     * A message. The body is lent for the call, and may be written to; engine_hold lends it for longer. When
     * engine_pause is called within, the rest of what came with it waits until the engine goes on.
     */
    void (*on_message)(engine *e, hub_type type, hub_bytes body);
    /* The transport took something: who was told HUB_EAGAIN may try again. May be NULL. */
    void (*on_writable)(engine *e);
    /* The worker stops: the session will be closed ("server shutting down") soon. May be NULL. */
    void (*on_drain)(engine *e);
    /* The last call: the session is over; its memory goes when the call returns. */
    void (*on_close)(engine *e, sio_reason reason);
} engine_user;

/* An endpoint with every option resolved; immutable; lives as long as the worker. */
typedef struct engine_endpoint {
    const engine_user *user;
    void *arg;        /* the user's: engine_arg */
    const char *path; /* without its last slash */
    bool polling, websocket, upgrades;
    const char *origins; /* as of hub_socketio_endpoint; NULL: no CORS fields */
    bool credentials;
    const char *cookie;       /* NULL: none */
    const char *keep_headers; /* "cookie, authorization"; NULL: none */
    double ping_interval, ping_timeout, upgrade_timeout;
    size_t max_payload;
    unsigned packets_a_poll;   /* 0: no limit */
    size_t compress_threshold; /* bytes of a polling answer from which it is compressed; 0: never */
    connection_limits limits;  /* of the queue, whichever transport carries it */
} engine_endpoint;

/*
 * Opens this part in a worker, after sessions, connections and the key of session ids (sid_open).
 * engines_drain closes all sessions, spread over so many seconds; sessions that are there when it is called
 * again with 0 are closed at once. engines_close ends what is left without a word. Errors: HUB_EFULL (steps).
 */
hub_status engines_open(void);
void engines_drain(double spread);
void engines_close(void);
size_t engines_count(void);

/*
 * What a route leads to: http_route.serve and .claim, whose `arg` is the endpoint, and ws_route.user,
 * likewise. A request of a session that another worker of the host has is handed to that worker (relay.h).
 */
void engine_serve(hub_http *http, void *arg);
bool engine_claim(hub_http *http, void *arg);
extern const ws_user engine_socket_user;

/* The session with a sid of this worker; NULL when it is gone. */
engine *engine_find(hub_bytes sid);

void *engine_state(engine *e);
void *engine_arg(const engine *e);
hub_id engine_id(const engine *e);
const char *engine_sid(const engine *e, char text[static 25]); /* returns text */
const char *engine_transport(const engine *e);                 /* "polling" or "websocket" */
hub_bytes engine_header(const engine *e,
                        const char *name); /* kept from the opening request; else data NULL */
/* A parameter of the opening request's query, but for those of the protocol; decoded; lent until the next
 * call. */
hub_bytes engine_query(const engine *e, const char *name);
hub_bytes engine_peer(const engine *e); /* as hub_http_peer; lent until the next call */

/*
 * Within on_message: the body stays where it is until engine_unhold, also when the call has returned and the
 * engine is gone. At most once a message. Which of the fields is used is the engine's business; it cannot
 * fail.
 */
typedef struct engine_held {
    input_block *block; /* it lies in the shared read buffer */
    chunk *chunk;       /* it is, or is a part of, memory that others may hold too */
    void *memory;       /* it is memory from malloc */
} engine_held;
void engine_hold(engine *e, engine_held *held);
void engine_unhold(engine_held *held); /* nothing when nothing is held; clears it */

/*
 * Queues messages that stay together. Errors: HUB_ECLOSED, HUB_ENOMEM (the session is closed), HUB_EFULL
 * (over the limits: dropped or closed, by policy), HUB_EAGAIN (policy block). engine_wait parks until the
 * queue is short again: HUB_ECLOSED, HUB_ETIMEDOUT, HUB_ECANCELED.
 */
hub_status engine_send(engine *e, const engine_part *parts, size_t count);
hub_status engine_wait(engine *e, double timeout);

/*
 * The same with the frames of a message, made by engine_frames or come out of the log, which many may share;
 * takes a reference of its own. `deflated`: as in delivery. Policy block is as close.
 */
hub_status engine_send_frames(engine *e, chunk *frames, chunk **deflated);

/* How many bytes the frames of these parts take, and the frames themselves, into memory of that size. */
size_t engine_frames_size(const engine_part *parts, size_t count);
void engine_frames(const engine_part *parts, size_t count, unsigned char *out);

/* True when a message could leave at once: nothing waits, and the transport is there to take it. For volatile
 * messages. */
bool engine_is_writable(const engine *e);

/* Stops, or goes on, reading this client's messages; heartbeats go on. */
void engine_pause(engine *e, bool paused);

/*
 * Closes the session. FORCED_CLOSE and its like tell the client by a close packet or frame; what was queued
 * before still goes out. on_close is called before the turn ends, not within this call. Nothing when it is
 * closed already. engine_drop ends the transport without a word, as if the network had failed.
 */
void engine_close(engine *e, sio_reason reason);
void engine_drop(engine *e);

#endif
