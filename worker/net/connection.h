/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's socket: a transport below, a protocol above, an output queue and one timer. The protocol decides
 * what bytes mean and may be exchanged (HTTP becomes WebSocket); the connection reads, writes, bounds its
 * queue and closes.
 *
 * Writing is gathered: what is queued during a turn of the hub leaves in one system call at its end. Closing
 * is deferred: connection_close takes effect at once for everybody who asks, but the memory and the
 * protocol's state live until the turn ends, so that no caller up the stack is left with a dangling pointer.
 *
 * Pointers to a connection are for hub context and for the stretch between two parking calls; what is kept
 * longer keeps a session's id (worker/rooms/session.h).
 */
#ifndef WORKER_NET_CONNECTION_H
#define WORKER_NET_CONNECTION_H

#include "bus/row.h"
#include "common/error.h"
#include "worker/net/output.h"
#include "worker/net/transport.h"
#include "worker/net/wheel.h"

#include <ev.h>

typedef struct connection connection;

/* What a connection carries. All calls come in hub context. */
typedef struct protocol {
    const char *name;
    /* Bytes arrived, in the shared read buffer (input.h) or in what `room` gave; all of them must be used or
     * kept. */
    void (*on_bytes)(connection *c, unsigned char *data, size_t length);
    /* Memory of the protocol's own to read into instead; may be NULL, or answer NULL: the shared buffer. */
    void *(*room)(connection *c, size_t *room);
    void (*on_end)(connection *c);      /* the peer will send no more; as a rule connection_close */
    void (*on_timer)(connection *c);    /* the time armed by connection_time is over */
    void (*on_overflow)(connection *c); /* its queue is over the limits and the policy is to close */
    void (*on_kick)(connection *c); /* connection_kick was called, or its queue is short again; may be NULL */
    void (*on_drain)(connection *c); /* the worker stops: finish soon; may be called again */
    void (*on_gone)(connection *c);  /* the last call: free the state */
} protocol;

/* Bounds of the output queue; kept by the route, shared by its connections. */
typedef struct connection_limits {
    size_t soft, hard; /* bytes waiting */
    double time;       /* seconds over soft */
    hub_policy policy;
} connection_limits;

typedef struct connection_waiter connection_waiter;
typedef struct connection_backlog connection_backlog;

struct connection {
    ev_io io;
    const transport *transport;
    const protocol *protocol;
    void *state; /* the protocol's */
    const connection_limits *limits;
    output out;
    wheel_timer timer;
    connection *next_dirty;      /* in the list of those with output to flush */
    connection *next_kicked;     /* in the list of those to kick, later of those to bury */
    connection_waiter *waiters;  /* greenlets parked until the queue is short again */
    connection_backlog *backlog; /* bytes that were handed back; NULL: none */
    char *peer;                  /* as a proxy told it; NULL: who the kernel says */
    uint32_t index;              /* in the table of all connections */
    uint32_t last_seen;          /* wheel tick of the last bytes that arrived */
    uint32_t over_since;         /* wheel tick when the queue went over soft; 0: it is not */
    bool dirty : 1, kicked : 1, closed : 1, finishing : 1, lingering : 1;
    bool want_write : 1, paused_output : 1, paused_protocol : 1;
    bool kick_when_empty : 1;
    bool wrote : 1;   /* something was sent since the protocol was set */
    bool refused : 1; /* a sender was told HUB_EAGAIN: on_kick when the queue is short again */
};

/* Opens this floor in a worker whose counters stand in `counters`. connections_close frees all that is left.
 */
hub_status connections_open(row *counters, error *why);
void connections_close(void);
row *connections_row(void);

/*
 * Takes over an accepted, non-blocking socket and starts reading it. The socket is closed on failure, too.
 * Errors: HUB_ENOMEM.
 */
hub_status connection_new(connection **out, int fd, const transport *below, const protocol *above,
                          const connection_limits *limits, void *state);

/* The same for a socket that another worker had accepted, which is not counted as accepted once more. */
hub_status connection_adopt(connection **out, int fd, const transport *below, const protocol *above,
                            const connection_limits *limits, void *state);

/*
 * Takes the connection's descriptor away, which is the caller's from then on: neither closed nor shut down,
 * and no more known to the loop. For everybody else the connection is closed: who waits for it is told so,
 * on_gone comes before the turn ends. What is queued or was handed back is dropped. -1: it is closed.
 */
int connection_detach(connection *c);

/* Exchanges the protocol; bytes that arrived behind the last of the old one are the caller's to hand on. */
void connection_become(connection *c, const protocol *above, const connection_limits *limits, void *state);

/*
 * Queue a message's bytes, copied. Errors: HUB_ECLOSED; HUB_ENOMEM (the connection is then closed: a hole
 * must not be sent); HUB_EFULL (over the limits: dropped, or the close has been started, by policy);
 * HUB_EAGAIN (policy block: wait, try again). An empty queue takes any message.
 */
hub_status connection_send(connection *c, hub_bytes head, hub_bytes body);

/* The same for a chunk that others may share; takes a reference of its own. Under policy block answers as for
 * close. */
hub_status connection_send_shared(connection *c, chunk *piece);

/* The same for a chunk that is for this connection alone: policy block answers HUB_EAGAIN. */
hub_status connection_send_chunk(connection *c, chunk *piece);

/* The same for a message whose body is a chunk of constant bytes, which is not copied; takes a reference of
 * its own. Policy block answers HUB_EAGAIN. */
hub_status connection_send_body(connection *c, hub_bytes head, chunk *body);

/*
 * Queue what has no limit here: control frames, and answers to requests. What bounds them is that a client
 * whose queue is over its soft limit is not read on. The chunk's reference is taken over. HUB_ECLOSED,
 * HUB_ENOMEM (closed).
 */
hub_status connection_write(connection *c, hub_bytes bytes);
hub_status connection_write_chunk(connection *c, chunk *piece);

/* Parks the running greenlet until the queue gets shorter and is at most half its soft limit. HUB_ECLOSED,
 * HUB_ETIMEDOUT, HUB_ECANCELED; HUB_ESTATE in hub context. */
hub_status connection_wait_writable(connection *c, double timeout);

/* Stops, or goes on, reading on behalf of the protocol. */
void connection_pause(connection *c, bool paused);

/*
 * Hands back the last of the bytes that on_bytes got, copied: they are handed to it again, some at a time, in
 * turns to come, after the other connections had theirs; until then the socket is not read. For a protocol
 * that has done enough for one connection in one turn: who sends thousands of tiny messages at once must not
 * keep the others waiting. Bytes that are older than what was handed back before may be handed back, too, and
 * go in front of it.
 */
void connection_defer(connection *c, const void *data, size_t length);

/* What was handed back and has not been handed on again; lent until the turn goes on. */
hub_bytes connection_deferred(const connection *c);

/* For this folder: what keeps a connection from being read and its backlog from being served; and watching it
 * for what it waits for now, after that, its backlog or its queue has changed. */
static inline bool connection_is_paused(const connection *c)
{
    return c->paused_output || c->paused_protocol;
}
void connection_watch(connection *c);

/* Whether bytes have arrived that the protocol has not seen yet. Asks the kernel. */
bool connection_has_unread(const connection *c);

/* Calls on_kick in hub context before this turn ends. */
void connection_kick(connection *c);

/* The same once all that is queued has been given to the kernel; at once where nothing is. */
void connection_kick_when_empty(connection *c);

/* (Re-)arms the connection's one timer; a negative time cancels it. */
void connection_time(connection *c, double seconds);

/*
 * finish: closes once the queue is empty, so that the peer reads what was queued (ends writing, reads and
 * drops what still comes for at most 2 s, then closes); nothing more can be queued, and who waits to do so
 * gets HUB_ECLOSED; to leave out what waits, output_cut it before. close: at once. reset: at once, so that
 * the peer sees an error and not an end.
 */
void connection_finish(connection *c);
void connection_close(connection *c);
void connection_reset(connection *c);

/*
 * "192.0.2.7:51000", "[2001:db8::1]:51000", "unix:": what connection_set_peer said, else asks the kernel; "?"
 * when it is gone. Returns the text. connection_peer_of: the same of an accepted socket.
 */
const char *connection_peer(const connection *c, char text[64]);
const char *connection_peer_of(int fd, char text[64]);

/* Who the client is, as a proxy that is believed told it; copied. Errors: HUB_ENOMEM. */
hub_status connection_set_peer(connection *c, const char *peer);

size_t connections_count(void);
void connections_drain(void); /* calls on_drain of each */
void connections_abort(void); /* closes each at once */

#endif
