/* SPDX-License-Identifier: Apache-2.0 */
/* Which route answers a request. */
#ifndef WORKER_HTTP_ROUTING_H
#define WORKER_HTTP_ROUTING_H

#include "worker/http/exchange.h"

/* Finds who will answer a request whose head has been read, and sets `upgrades`, or `found`, and `match`. */
void routing_find(hub_http *http);

/* The route that was found; NULL when no handler will answer. */
const http_route *routing_route(const hub_http *http);

enum { ROUTING_ALLOW_ROOM = 256 };

/*
 * Writes what may be done with the path as a field's line, "Allow: GET, OPTIONS"; `*` is the whole server
 * (RFC 9110, 10.2.1). Cut at whole names when there is no room for all.
 */
void routing_allow(hub_bytes path, char field[ROUTING_ALLOW_ROOM + 16]);

#endif
