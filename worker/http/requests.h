/* SPDX-License-Identifier: Apache-2.0 */
/* The stream of requests: bytes of a connection in, requests that are whole out to dispatch.h. Hub context.
 */
#ifndef WORKER_HTTP_REQUESTS_H
#define WORKER_HTTP_REQUESTS_H

#include "worker/http/exchange.h"

/*
 * Reads requests out of bytes that lie in the read buffer (`owned` NULL, and then they are the newest read)
 * or in `owned`, which is this function's to free. Handlers that do not park are done when it returns.
 */
void requests_read(connection *c, unsigned char *data, size_t length, buffer *owned);

/* Keeps bytes for later; what is kept is bounded by not reading on. */
void requests_keep(connection *c, const unsigned char *data, size_t length);

/* Answers what cannot be read as a request, and ends the connection: nothing after it is read as one (RFC
 * 9112, 2.2). */
void requests_refuse(connection *c, http_error problem);

#endif
