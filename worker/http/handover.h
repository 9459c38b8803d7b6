/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that go to another worker with their connection: behind http_hand_over. Hub context. */
#ifndef WORKER_HTTP_HANDOVER_H
#define WORKER_HTTP_HANDOVER_H

#include "worker/http/exchange.h"

/* Asks the route of a request whose head has been read. What stays is counted as this worker's; an upgrade,
 * when that is known of it. */
bool handover_is_claimed(hub_http *http);

/*
 * After http_hand_over was called. `read`: the body has been read, and `behind` is what came after it; else
 * the body stands there too. The request and its connection may be gone when it returns.
 */
void handover_begin(connection *c, hub_http *http, bool read, hub_bytes behind);

/* Gives the connection away if its earlier answers have left; else waits for that, to be called again when
 * the connection is kicked. */
void handover_go_on(connection *c);

/* The connection is gone before it could be given away: says so, and frees the request. */
void handover_lose(hub_http *http);

#endif
