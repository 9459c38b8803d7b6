/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request that is whole: who answers it, and what becomes of it when he has. Also behind http_later and
 * http_done. Hub context.
 */
#ifndef WORKER_HTTP_DISPATCH_H
#define WORKER_HTTP_DISPATCH_H

#include "worker/http/exchange.h"

/*
 * What became of a request, as far as it could be followed at once. PARKED: somebody will answer it. HANDED:
 * another worker is to have it.
 */
typedef enum outcome { ANSWERED, PARKED, UPGRADED, HANDED } outcome;

/*
 * Has a request answered whose body is whole, or is to be read by its handler. ANSWERED and UPGRADED: the
 * request is no more. UPGRADED: the connection carries another protocol.
 */
outcome dispatch_request(connection *c, hub_http *http);

/* The client of a kept request is gone, or will be: tells who keeps it, and frees the request. */
void dispatch_lose(hub_http *http);

/* The same when the client has ended its side: then the connection ends with the answers before this one. */
void dispatch_end_kept(connection *c);

#endif
