/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that are written in pieces: behind hub_http_start and hub_http_write; and what happens to a
 * connection while a handler streams in either direction.
 */
#ifndef WORKER_HTTP_STREAM_H
#define WORKER_HTTP_STREAM_H

#include "worker/http/exchange.h"

/* hub_http_write in two steps. stream_wait parks while the client's queue is too long; stream_put queues a
 * piece, whatever the queue, and does not park. */
hub_status stream_wait(hub_http *http);
hub_status stream_put(hub_http *http, hub_bytes piece);

/* The handler has returned: ends the answer that it began, or, when that is not whole, has the connection
 * closed. */
void stream_end(hub_http *http, hub_status status);

/* Arms the connection's timer for what its handler or its client is waited for. */
void stream_arm(hub_http *http);

/* What happens to the connection while a handler runs: the client will send no more; it is gone; the time is
 * over. */
void stream_on_end(hub_http *http);
void stream_on_gone(hub_http *http);
void stream_on_timer(hub_http *http);

#endif
