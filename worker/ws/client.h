/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One WebSocket client, as the files of this folder share it: its state, and what they do for each other. The
 * floors above know it as the public header's hub_ws.
 *
 *     websocket.c   the protocol: bytes that arrive, time, the connection's end, opening
 *     handler.c     the application's handlers and the greenlets that they run in
 *     inbox.c       messages that wait for a parked handler
 *     send.c        messages, close frames, broadcasts
 *     public.c      what applications ask about a client
 *     user.c        what the floors above do with a client (user.h)
 */
#ifndef WORKER_WS_CLIENT_H
#define WORKER_WS_CLIENT_H

#include "worker/hub/greenlet.h"
#include "worker/net/input.h"
#include "worker/rooms/fanout.h"
#include "worker/ws/deflate.h"
#include "worker/ws/frame.h"
#include "worker/ws/message.h"
#include "worker/ws/websocket.h"

/* From this length on a message's memory is handed on rather than copied, in bytes. */
enum { CLIENT_LARGE = 64 * 1024 };

/* A message that waits for its handler. */
typedef struct inbox_message {
    struct inbox_message *next;
    hub_type type;
    size_t length;
    chunk *large; /* NULL: it lies in `bytes` */
    unsigned char bytes[];
} inbox_message;

struct hub_ws {
    connection *connection; /* NULL: gone, or it ends by itself */
    const ws_route *route;
    message_parser parser;
    union {
        char *path;   /* for parameters; NULL when the route has none */
        void *keeper; /* of a client that a floor above uses: that floor's */
    };
    unsigned char *pong;                         /* kept while the queue is too long: length and body */
    uint16_t close_code;                         /* 0: not closing; else what the close handler is told */
    uint16_t subprotocol_at, subprotocol_length; /* in the route's list */
    bool lent : 1;                               /* `current` is with the handler */
    bool receiving : 1;                          /* the loop is parked in hub_ws_recv */
    bool close_sent : 1, close_received : 1;
    bool pinged : 1; /* a ping is out since the client was last heard */
    bool draining : 1;
    bool opened : 1;           /* the open handler was called, so the close handler will be */
    bool close_due : 1;        /* the close handler is still to be called */
    bool slow : 1;             /* the timer looks at how long its queue has been over the soft limit */
    unsigned deflate_bits : 4; /* of the window that messages to it may be deflated with; 0: they may not */

    /* From here on what handlers need: a client that a floor above uses has no memory for it (CLIENT_BARE).
     */
    session session;      /* what rooms deliver to */
    greenlet *greenlet;   /* that runs its handler; NULL: none */
    inbox_message *inbox; /* the newest; its `next` is the oldest */
    size_t inbox_bytes;

    /* The message lent to the handler. In memory of its own, or in a held read buffer, or where it was read
     * while the hub waits in the reading callback for the handler to park. A large one is a chunk from the
     * start, so that it can be sent back, or on, without a copy. */
    hub_message current;
    void *current_memory;
    chunk *current_chunk;
    input_block *current_block;

    char *close_reason;
    hub_ws *next_waiting;              /* for a greenlet for the close handler */
    _Alignas(16) unsigned char data[]; /* the application's */
};

enum { CLIENT_BARE = offsetof(hub_ws, session) };

/* The message that a floor above is being given: ws_user_hold. */
extern const message_event *client_event;

/* The worker's settings; set by ws_open. */
extern const ws_server *client_server;

/* Gives back the memory in which the message lent to the handler lies. */
void client_release(hub_ws *ws);

/*
 * All that the two sides will say is said, or queued: ends the connection once the queue is empty, the server
 * first (RFC 6455, 7.1.1). The connection may take its time; the client is gone for rooms and application
 * before this turn of the hub ends. Any context.
 */
void client_end(hub_ws *ws);

/* Takes the message just parsed over as a chunk if it is a large one in the parser's memory; else, and
 * without memory, *out is NULL. False: without memory, and the message is lost. */
bool client_take_large(hub_ws *ws, const message_event *event, chunk **out);

/* Frees a client of which neither connection nor handler is left. */
void client_free(hub_ws *ws);

/* ---- send.c ---- */

void send_control_frame(hub_ws *ws, frame_opcode opcode, hub_bytes body);

/*
 * Answers a ping. While the client does not take its answers only the latest ping is kept, and answered when
 * it does, or before a close frame (RFC 6455, 5.5.3).
 */
void send_pong(hub_ws *ws, hub_bytes body);
void send_kept_pong(hub_ws *ws);

/* The first close frame, of either side, decides what the close handler is told. */
void send_remember_close(hub_ws *ws, uint16_t code, hub_bytes reason);

/* Sends a close frame, once, and waits for the peer's (RFC 6455, 5.5.1). CLOSE_NO_STATUS sends one without a
 * code. */
void send_close(hub_ws *ws, uint16_t code, hub_bytes reason);

/* The same with the code of a worker that stops. */
void send_farewell(hub_ws *ws);

/* Closes without waiting for the peer: it broke the protocol, or does not read (7.1.7). */
void send_failure(hub_ws *ws, uint16_t code, hub_bytes reason);

/*
 * Queue a message, whose body are two runs of bytes, and a chunk of whole frames, which is shared or for this
 * client alone; deflated when that was agreed. `deflated`: as in delivery. Errors: those of connection_send.
 */
hub_status send_message(hub_ws *ws, hub_type type, hub_bytes front, hub_bytes body);
hub_status send_frames(hub_ws *ws, chunk *frames, chunk **deflated, bool shared);

/* Delivers a record of the log; session_kind.deliver. */
void send_delivery(session *s, const delivery *what);

/* ---- inbox.c ---- */

/* Keeps a message: a copy, or the parser's memory. A full inbox stops the reading of the client. False
 * without memory. */
bool inbox_push(hub_ws *ws, const message_event *event);

/* The oldest message becomes `current`, lent to the handler. The inbox is not empty. */
void inbox_lend(hub_ws *ws);

/* Nobody will want what waits; the client is read on, up to its close frame. */
void inbox_drop(hub_ws *ws);

/* ---- handler.c ---- */

/* Once a worker, before its first client. */
void handler_open(void);

/* Starts the greenlet of a client that is there; it runs at once. Without one the client is sent away. Hub
 * context. */
void handler_start(hub_ws *ws);

/* Runs what is left for a client that is gone, its close handler last, however long it takes to get a
 * greenlet. Hub context. */
void handler_finish(hub_ws *ws);

/* Gives the handler a message that lies where it was read, or in the parser's memory. False without memory.
 * Hub context. */
bool handler_lend(hub_ws *ws, const message_event *event);

/* True when a message can be lent at once: no other is with the handler. */
bool handler_is_free(const hub_ws *ws);

/* Wakes a receive loop that waits for messages which will not come. */
void handler_end_receiving(hub_ws *ws);

#endif
