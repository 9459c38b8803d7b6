/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 on a connection: requests one after the other, each answered by a handler in a greenlet of its
 * own, answers in the order of the requests (RFC 9112, section 9.3.2). An idle connection owns no buffer.
 */
#ifndef WORKER_HTTP_SERVER_H
#define WORKER_HTTP_SERVER_H

#include "common/network.h"
#include "worker/http/compress.h"
#include "worker/http/exchange.h"

typedef struct http_server {
    const router *router;
    http_limits limits;
    connection_limits output;                        /* soft: a client that does not read is not read */
    double keep_alive, header_timeout, body_timeout; /* seconds */
    /*
     * What becomes of idle connections of a draining worker. True: each is served until it has made its next
     * request, whose answer closes it, so that none is closed just when a client asks. False: closed at once,
     * except those that have not asked anything yet, which may do so once within a second.
     */
    bool patient;
    const networks *proxies;    /* whose connections begin with a PROXY header (proxied.h); NULL: none */
    const networks *forwarders; /* whose word about their clients is believed (forwarded.h); NULL: nobody's */
    double send_timeout;        /* seconds in which a client must take something of an answer that waits */
    compress_settings compress;
    /*
     * Called in hub context for a request to a ROUTE_WS route that asks for an upgrade. It either refuses
     * (http_refuse), takes the connection over (http_upgraded) or gives it away (http_hand_over).
     */
    void (*upgrade)(hub_http *http);
} http_server;

/* One server a worker; the structure must outlive it. http_close frees what is kept for reuse. */
void http_open(const http_server *server);
void http_close(void);

/* Starts HTTP on an accepted, non-blocking socket, which it owns from then on. NULL without memory; the
 * socket is then closed. */
connection *http_start(int fd, const transport *below);
void http_accepted(int fd,
                   void *arg); /* the same on a plain socket, with its PROXY header: for the acceptor */

/*
 * Starts HTTP on a socket that another worker has handed over (http_hand_over); the socket is this one's in
 * any case. `bytes` are copied and read before what the socket has, in this turn or the next. No PROXY header
 * is expected: `peer` says what it said, NULL that there was none. NULL without memory.
 */
connection *http_adopt(int fd, const char *peer, hub_bytes bytes);

/*
 * Takes the connection of a request away from HTTP: queues the given head of a 101 answer (whole, with its
 * blank line), ends the request (`http` must not be used again), and exchanges the protocol. Bytes that came
 * behind the request are handed to the new protocol as its first. NULL when the client is gone; the state is
 * then the caller's.
 */
connection *http_upgraded(hub_http *http, hub_bytes head, const protocol *next,
                          const connection_limits *limits, void *state);

#endif
