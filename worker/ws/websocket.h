/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket clients, RFC 6455: the protocol of a connection, the session that rooms know, and what the public
 * header calls hub_ws.
 *
 * Frames are read in the hub, out of the shared read buffer. A receive loop keeps a greenlet for its client;
 * event handlers get one for as long as they run, and events of one client follow each other in it. What
 * arrives while a handler is parked is copied to a queue; when that is full, the client is not read.
 */
#ifndef WORKER_WS_WEBSOCKET_H
#define WORKER_WS_WEBSOCKET_H

#include "worker/http/exchange.h"
#include "worker/net/connection.h"
#include "worker/rooms/session.h"
#include "worker/ws/extension.h"
#include "worker/ws/user.h"

/* The value of a ROUTE_WS route, with every option resolved; immutable. */
typedef struct ws_route {
    hub_ws_handler handler; /* a receive loop, or events: */
    hub_ws_open_handler on_open;
    hub_ws_message_handler on_message;
    hub_ws_close_handler on_close;
    const ws_user *user; /* in place of all of these: a floor above */
    void *arg;
    const char *name;         /* of its greenlets: "ws /echo" */
    const char *subprotocols; /* NULL: none */
    const char *origins;
    size_t max_message;
    connection_limits limits;
    bool has_parameters; /* in its pattern: clients keep their path */
} ws_route;

/* What is the same for all clients of the worker. */
typedef struct ws_server {
    const router *router; /* for parameters */
    size_t session_size;  /* bytes of the application's data for each client */
    double ping_interval, ping_timeout, close_timeout;
    bool restarting;   /* a draining worker's clients may come back at once: 1012 instead of 1001 */
    double drain_time; /* closes of a draining worker are spread over so many seconds; 0: all at once */
    deflate_mode deflate;
    size_t deflate_threshold; /* bytes: shorter messages are sent as they are */
} ws_server;

/* One server a worker; the structure must outlive it. */
void ws_open(const ws_server *server);

/* Answers an upgrade to a ROUTE_WS route: http_server.upgrade. Refuses by RFC 6455, 4.2 and 9.1, and by the
 * route's origins; negotiates permessage-deflate (RFC 7692). */
void ws_upgrade(hub_http *http);

#endif
