/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a client behind proxies is, by X-Forwarded-For, X-Forwarded-Proto and Forwarded (RFC 7239). Anybody can
 * send these, so they are read from trusted peers only, and from the right: each proxy adds the address that
 * it saw, so the last that is not a trusted proxy's is the client's, and what stands left of it is the
 * client's own word. Forwarded counts where no X-Forwarded-For came: a proxy that sets the one and passes the
 * other on must not let its clients choose.
 */
#ifndef WORKER_HTTP_FORWARDED_H
#define WORKER_HTTP_FORWARDED_H

#include "common/network.h"
#include "worker/http/parser.h"

/* Who is trusted; must outlive the worker. NULL: nobody. */
void forwarded_open(const networks *trusted);

/*
 * `peer` is that of the connection, as connection_peer writes it. Writes the client's address in the same
 * form, without a port where the proxy tells none, and returns `text`, or returns `peer` when nothing else is
 * to be believed.
 */
const char *forwarded_client(const http_head *head, const char *peer, char text[64]);

/* "http" or "https": how the client speaks to the outermost server, as far as it is told. */
const char *forwarded_scheme(const http_head *head, const char *peer);

#endif
