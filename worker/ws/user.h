/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSockets for the floors above: a route whose clients are not an application's but a protocol's that
 * stands on WebSocket messages. It is called in hub context; its clients have no greenlets, no session, no
 * pings and no drain of their own: all of that is the user's part.
 */
#ifndef WORKER_WS_USER_H
#define WORKER_WS_USER_H

#include "worker/net/chunk.h"
#include "worker/net/input.h"

/* All calls come in hub context; none may park. */
typedef struct ws_user {
    /*
     * A request whose handshake is in order; Origin was not looked at. True: the client is let in, its
     * connection follows with on_open or, when it cannot be, on_gone. False: the request was answered
     * (http_refuse …) or taken away, and `ws` must not be used again. hub_http_set adds to the answer.
     */
    bool (*on_request)(hub_http *http, hub_ws *ws, void *arg);
    void (*on_open)(hub_ws *ws); /* messages can be sent */
    /* A message, lent for the call; it may be written to. After ws_user_pause the next ones wait. */
    void (*on_message)(hub_ws *ws, hub_type type, hub_bytes body);
    void (*on_writable)(hub_ws *ws); /* the queue is short again; may be NULL */
    /*
     * The last call, once for each client that was let in, never from within a call that the user makes.
     * `code`: of the first close frame, of either side; 1006 when there was none. The connection may take its
     * time to end.
     */
    void (*on_gone)(hub_ws *ws, uint16_t code);
} ws_user;

/* The user's pointer: set in on_request, as a rule. */
void ws_user_set_keeper(hub_ws *ws, void *keeper);
void *ws_user_keeper(const hub_ws *ws);

/*
 * Queue a message whose body is `front`, a few bytes, and `body`; and whole frames of messages, none of them
 * compressed, which are for this client alone or shared by many; takes a reference of its own. `deflated`: as
 * in delivery; used for chunks of one frame. Errors: those of connection_send; HUB_ECLOSED also while it
 * closes. Policy block answers HUB_EAGAIN, but for shared frames; on_writable follows.
 */
hub_status ws_user_send(hub_ws *ws, hub_type type, hub_bytes front, hub_bytes body);
hub_status ws_user_send_frames(hub_ws *ws, chunk *frames);
hub_status ws_user_send_shared(hub_ws *ws, chunk *frames, chunk **deflated);

/*
 * Queues whole frames of the user's protocol itself, copied, without any limit: what it sends of its own
 * accord must not be much. Errors: HUB_ECLOSED, HUB_ENOMEM (the connection is then closed).
 */
hub_status ws_user_write(hub_ws *ws, hub_bytes frames);

/* Parks until the queue is short. Errors: those of connection_wait_writable. */
hub_status ws_user_wait(hub_ws *ws, double timeout);

/* True while nothing waits that the socket has not taken yet, but for what was queued in this turn. */
bool ws_user_is_writable(const hub_ws *ws);

/*
 * In on_message: the body stays where it is for as long as its memory is held: *block is to be given back by
 * input_drop, *memory by free; the other one is NULL. Once a message.
 */
void ws_user_hold(hub_ws *ws, input_block **block, void **memory);

/* False while the client is not read, because of ws_user_pause or because it does not take its answers: its
 * silence then says nothing. */
bool ws_user_is_read(const hub_ws *ws);

/* Stops, or goes on, reading the client, pings and close frames included. */
void ws_user_pause(hub_ws *ws, bool paused);

/* "192.0.2.7:51000", as connection_peer. */
const char *ws_user_peer(const hub_ws *ws, char text[64]);

/* Starts the closing handshake behind what is queued; nothing when it was started. Reads the client again. */
void ws_user_close(hub_ws *ws, uint16_t code, const char *reason);

/* The same with the code of a worker that stops: 1001, or 1012 when another takes its place. */
void ws_user_close_draining(hub_ws *ws);

/* Ends the connection at once, without a close frame. */
void ws_user_drop(hub_ws *ws);

#endif
