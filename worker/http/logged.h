/* SPDX-License-Identifier: Apache-2.0 */
/* What the access log is told of requests. All but logged_client are for when access_on is set. */
#ifndef WORKER_HTTP_LOGGED_H
#define WORKER_HTTP_LOGGED_H

#include "worker/http/exchange.h"

enum { STATUS_CLIENT_GONE = 499 }; /* of requests that nobody could be answered; never sent */

/* The client's address without its port; asked for once a connection. NULL without memory. */
const char *logged_client(connection *c);

/* A request, with the status and the body's bytes of its answer, and the answer's head if the log wants it.
 */
void logged_request(hub_http *http, int status, uint64_t bytes, hub_bytes answer);

/* A request that was refused, perhaps before anything of it could be read. */
void logged_refusal(connection *c, int status, uint64_t bytes, hub_bytes answer);

#endif
