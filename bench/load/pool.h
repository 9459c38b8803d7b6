/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client side: many WebSocket connections on one epoll set and one thread. Connections live in one array
 * and keep their index for life. What comes in is handed to the scenario by two callbacks; what goes out to
 * one connection in one turn leaves in one send.
 *
 * With pool_options.socketio each is a client of Socket.IO: it is open when the server has let it into the
 * main namespace, the scenario gets events as messages, and heartbeats are answered here.
 */
#ifndef BENCH_LOAD_POOL_H
#define BENCH_LOAD_POOL_H

#include <netinet/in.h>

#include "bench/load/frame.h"
#include "bench/load/histogram.h"

typedef enum connection_state {
    CONNECTION_CLOSED,
    CONNECTION_CONNECTING, /* connect(2) is in progress */
    CONNECTION_SHAKING,    /* the request is out, the answer is not complete */
    CONNECTION_JOINING,    /* of Socket.IO: WebSocket is open, the CONNECT packet is not answered */
    CONNECTION_OPEN,
} connection_state;

typedef struct load_bytes { /* bytes that had to be kept; owned, empty most of the time */
    unsigned char *data;
    size_t length, capacity;
} load_bytes;

typedef struct load_connection {
    int fd;
    uint32_t index;
    connection_state state;
    uint32_t sent;     /* messages posted: the scenario's to count */
    uint32_t received; /* messages taken: the scenario's to count */
    uint64_t opening;  /* when connect(2) was called */
    load_bytes input;  /* the beginning of a frame, or of the handshake's answer */
    load_bytes output; /* what the socket did not take */
} load_connection;

typedef struct load_pool load_pool;

typedef struct pool_events { /* each may be NULL */
    /* A data frame came. The payload is lent until the callback returns; it may post. */
    void (*message)(void *arg, load_connection *connection, const unsigned char *payload, size_t length);
    /* The same for one that is compressed (RFC 7692); only with pool_options.deflate. */
    void (*compressed)(void *arg, load_connection *connection, const unsigned char *payload, size_t length);
    /* An open connection was closed by the server, or broke the protocol; `why` is one line. */
    void (*closed)(void *arg, load_connection *connection, const char *why);
    /* Instead of frames: whatever came behind the handshake's answer, and room to send after pool_want_room.
     */
    void (*bytes)(void *arg, load_connection *connection, const unsigned char *data, size_t length);
    void (*room)(void *arg, load_connection *connection);
    void *arg;
} pool_events;

typedef struct pool_options {
    struct sockaddr_in address;
    const char *path;
    uint32_t connections;
    uint32_t pace; /* handshakes under way at one time, at most */
    bool deflate;  /* agree on permessage-deflate, without takeover, or fail */
    bool socketio; /* speak Socket.IO; the path then asks for EIO=4&transport=websocket */
} pool_options;

struct load_pool {
    pool_options options;
    pool_events events;
    load_connection *connections;
    const load_message *message;
    uint64_t now;    /* when the current turn's events were taken; ns of the monotonic clock */
    uint32_t open;   /* connections in CONNECTION_OPEN */
    uint64_t reads;  /* recv calls that brought something */
    uint64_t writes; /* send calls */
    load_histogram opening;
    /* private */
    int epoll;
    uint32_t under_way;
    uint32_t failures;
    char failure[256];
    char request[1024];
    size_t request_length;
    unsigned char *input;
    size_t input_capacity, read_size;
    unsigned char *gathered; /* frames for `gathering`, sent when its turn ends */
    size_t gathered_length, gathered_capacity;
    load_connection *gathering;
};

uint64_t pool_clock(void);

/* Allocates; opens nothing. `message` must outlive the pool. False with errno set. */
bool pool_make(load_pool *pool, const pool_options *options, const pool_events *events,
               const load_message *message);
void pool_free(load_pool *pool); /* closes what is open */

/*
 * Opens every connection that is closed, `pace` at a time, and serves the open ones meanwhile. Handshakes
 * that fail are tried again, 100 times in all. False when that was not enough or `seconds` are over;
 * pool->failure then holds the last cause in one line.
 */
bool pool_open(load_pool *pool, double seconds);

/* Queues one message; it leaves at the end of the connection's turn, or at once when it is not its turn. */
void pool_post(load_pool *pool, load_connection *connection, uint32_t sequence);

/* Sends what pool_post has gathered outside a turn. */
void pool_flush(load_pool *pool);

/* For a scenario that sends by itself: whether the connection's `room` is to be called when the socket has
 * some. */
void pool_want_room(const load_pool *pool, const load_connection *connection, bool wanted);

/* Ends a connection that broke the protocol; `closed` is told why. */
void pool_drop(load_pool *pool, load_connection *connection, const char *why);

/* Waits for at most so long, then handles what came. */
void pool_turn(load_pool *pool, uint64_t timeout_ns);

#endif
