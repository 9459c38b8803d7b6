/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection from a proxy, before it is HTTP: it begins with a header of the PROXY protocol (net/proxy.h),
 * which says who the client is. Without one, with a wrong one, or when it does not come in time, the
 * connection ends: a request would be taken for the proxy's own.
 */
#ifndef WORKER_HTTP_PROXIED_H
#define WORKER_HTTP_PROXIED_H

#include "common/network.h"
#include "worker/net/connection.h"

/* Whether the peer of an accepted socket is one that must send a header. */
bool proxied_expected(int fd, const networks *from);

/*
 * Takes over an accepted, non-blocking socket. When the header has come `next` is called, which gives the
 * connection its protocol; HUB_ENOMEM of it closes. `seconds`: the time for the header.
 */
void proxied_start(int fd, const transport *below, double seconds, hub_status (*next)(connection *c));

#endif
