/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Engine.IO session, as the files that engine.h lists share it.
 *
 * A session begins with the transport of its opening request. While it polls, what is to be sent waits in a
 * queue of WebSocket frames; an upgrade hands the queue to the WebSocket, and what belongs to polling goes.
 *
 * Closing takes effect at once for everybody who asks, but the protocol above is told, and the memory goes,
 * in a step at the end of the hub's turn, in which polls are answered, too. A polling client that is told of
 * the end by a last packet has not asked for it yet, as a rule: its session lingers until it does.
 */
#ifndef WORKER_SIO_ENGINE_INSIDE_H
#define WORKER_SIO_ENGINE_INSIDE_H

#include "worker/net/output.h"
#include "worker/sio/engine.h"
#include "worker/sio/payload.h"
#include "worker/ws/websocket.h"

typedef struct engine_waiter engine_waiter;

typedef struct polling {
    engine *engine;
    output out;             /* frames that wait for a poll */
    engine_waiter *waiters; /* greenlets parked until the queue is short */
    hub_http *poll;         /* a GET without its answer */
    hub_http *post;         /* a POST of which a part waits, because the session is paused … */
    hub_bytes rest;         /* … this one … */
    chunk *payload;         /* … in here */
    hub_ws *probe;          /* a WebSocket that may take over */
    wheel_timer timer;      /* its time for that */
    uint32_t over_since;    /* wheel tick when the queue went over its soft limit; 0: it is not */
    bool probed;            /* it has been asked whether it works, and has answered */
    bool refused;           /* a sender was told HUB_EAGAIN */
    bool ping_waits;        /* a ping is in the queue */
} polling;

struct engine {
    session session; /* its first member: for the id */
    const engine_endpoint *endpoint;
    hub_ws *ws;        /* what carries it; NULL: polling, or it is gone */
    polling *polling;  /* NULL: it does not poll, or no more */
    wheel_timer timer; /* for the next ping, its pong, a drain, or lingering */
    double due;        /* seconds of the hub's clock: the next ping, or, pinged, the pong */
    char *peer;        /* NULL: the WebSocket's */
    char *query;       /* what the application put into the opening request's; NULL: nothing */
    char *headers;     /* the kept ones: name, value, … each with a NUL, and an empty name; NULL: none */
    engine *next;      /* in the list of those with something to do at the end of the turn */
    uint8_t reason;    /* sio_reason, once it is closed */
    bool listed : 1;
    bool opened : 1; /* the protocol above knows it */
    bool pinged : 1; /* a pong is awaited */
    bool paused : 1; /* the protocol above wants no messages now */
    bool closed : 1;
    bool told : 1;     /* on_close was called */
    bool lingers : 1;  /* closed; what is queued is still to be polled */
    bool draining : 1; /* it will be closed when its timer fires */
    _Alignas(16) unsigned char state[];
};

/* ---- engine.c ---- */

/* A session of an opening request, not open yet. NULL: there is no room or no memory. */
engine *engine_new(const engine_endpoint *endpoint, const hub_http *http);

/* Its first transport is there: the open packet goes out, the protocol above is told. */
void engine_open(engine *e, bool upgrades);

/* One that was never open. */
void engine_free(engine *e);

/* The session of a sid, lingering ones too. NULL: none of this worker. */
engine *engine_of_sid(hub_bytes sid);

/* A packet of the client arrived, whatever carried it. */
void engine_packet_in(engine *e, const engine_packet *packet);

/* Has something to do at the end of this turn. */
void engine_mark(engine *e);

/* Its client has not answered a ping in time: it is closed, though the wheel may not have noticed. */
bool engine_is_overdue(const engine *e);

/* The ping that waited has been given to the client: its time begins. */
void engine_ping_left(engine *e);

/* Parts as frames, one behind the other, in memory of their own. NULL without memory. */
chunk *engine_new_frames(const engine_part *parts, size_t count);

/* In on_message: which chunk the body lies in; NULL: in what the WebSocket read. */
void engine_lend(engine *e, chunk *payload);

/* ---- engine_about.c ---- */

/* Keeps what will be asked for of the opening request. False without memory. */
bool engine_remember(engine *e, const hub_http *http);

/* ---- request.c ---- */

/* The codes that the protocol's clients know, in JSON: {"code":1,"message":"Session ID unknown"}. */
typedef enum request_error {
    REQUEST_UNKNOWN_TRANSPORT,
    REQUEST_UNKNOWN_SID,
    REQUEST_BAD_METHOD,
    REQUEST_BAD,
    REQUEST_FORBIDDEN,
    REQUEST_UNSUPPORTED_VERSION,
    REQUEST_FINE
} request_error;

/* What a request asks. *e is the session it names; NULL: it opens one. */
request_error request_read(const engine_endpoint *endpoint, const hub_http *http, bool upgrade, engine **e);

/* Answers with an error: 400, or 403 when it is forbidden. */
void request_refuse(const engine_endpoint *endpoint, hub_http *http, request_error problem);

/* Adds the fields that let pages of other origins read the answer. */
void request_allow(const engine_endpoint *endpoint, hub_http *http);

/* Answers OPTIONS, which browsers ask before they send what a form could not (Fetch, 4.8). */
void request_preflight(const engine_endpoint *endpoint, hub_http *http);

/* Adds the cookie with the session's id, where the endpoint has one. */
void request_set_cookie(const engine *e, hub_http *http);

/* ---- polling.c ---- */

/* Makes a session poll. Errors: HUB_ENOMEM. */
hub_status polling_open(engine *e);
void polling_free(engine *e);

/* Queues frames: two runs of bytes, copied, or a chunk, referred to. Errors: as engine_send. */
hub_status polling_send(engine *e, hub_bytes head, hub_bytes body);
hub_status polling_send_chunk(engine *e, chunk *frames, bool may_block);

/* Queues a packet of the protocol itself, without any limit. */
void polling_write(engine *e, hub_bytes frame);

hub_status polling_wait(engine *e, double timeout);
bool polling_is_writable(const engine *e);

/* At the end of a turn: goes on with a POST that waited, answers the poll when there is something to say. */
void polling_step(engine *e);

/* Answers what is pending; before polling_free. */
void polling_end(engine *e);

/* Ends the connection of the pending poll without an answer. */
void polling_drop(engine *e);

/* The client has closed, by a packet. */
void polling_closed_by_client(engine *e);

/* ---- socket.c ---- */

/* Ends the WebSocket of a session that is closed, in the way of the reason. */
void socket_end(hub_ws *ws, sio_reason reason);

/* Ends a WebSocket that has not taken over. */
void socket_end_probe(polling *p);

/* The wheel's callback for polling.timer. */
void socket_on_time(wheel_timer *timer);

#endif
