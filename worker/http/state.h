/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the HTTP server share. */
#ifndef WORKER_HTTP_STATE_H
#define WORKER_HTTP_STATE_H

#include "worker/http/server.h"

extern const http_server *http_opened; /* as http_open got it */
extern const protocol http_protocol;

/* What HTTP keeps of a connection besides the request in progress. */
typedef struct http_state {
    hub_http *exchange; /* a request whose body comes, or whose handler runs */
    buffer input;       /* bytes of a head that is not whole, or behind the request in progress */
    size_t scanned;     /* of these, by http_head_end */
    char *client;       /* its address, once the access log has asked for it */
    size_t untaken;     /* of the answers that wait, at the last look */
    bool reading_body;  /* of the exchange */
    bool partial;       /* the time for a head is running */
    bool ended;         /* the peer will send no more */
    bool draining;      /* the worker stops: no request after this one */
    bool asked;         /* its first request has come */
} http_state;

/* Watches that the client takes what waits. */
void state_await_taking(connection *c);

/* The connection ends with what is queued. */
void state_finish(connection *c);

/* Between requests: waits for the next one, or closes. */
void state_be_idle(connection *c);

#endif
