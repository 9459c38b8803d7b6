/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/proxied.h"

#include "common/buffer.h"
#include "common/log.h"
#include "worker/net/proxy.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct proxied {
    buffer input; /* a header that is not whole */
    hub_status (*next)(connection *c);
} proxied;

static void refuse(connection *c, const char *why)
{
    char peer[64];
    log_debug("%s: %s: the connection is closed", connection_peer(c, peer), why);
    connection_close(c);
}

static void on_bytes(connection *c, unsigned char *data, size_t length)
{
    proxied *p = c->state;
    proxy_header header;
    buffer kept = p->input;
    hub_bytes all = hub_bytes_of(data, length);
    if (kept.length) {
        if (buffer_append(&p->input, data, length) != HUB_OK) {
            connection_close(c);
            return;
        }
        kept = p->input;
        all = buffer_bytes(&kept);
    }
    switch (proxy_parse(all, &header)) {
    case PROXY_MORE:
        if (!kept.length && buffer_append(&p->input, data, length) != HUB_OK)
            connection_close(c);
        return;
    case PROXY_WRONG:
        refuse(c, "no valid PROXY header");
        return;
    case PROXY_DONE:
        break;
    }
    if ((header.known && connection_set_peer(c, header.client) != HUB_OK) || p->next(c) != HUB_OK) {
        connection_close(c);
        return;
    }
    /* The state is this function's now. */
    size_t rest = all.length - header.length;
    if (rest && !kept.length)
        c->protocol->on_bytes(c, data + header.length, rest);
    else
        connection_defer(c, (const char *)all.data + header.length, rest);
    buffer_free(&kept);
    free(p);
}

static void on_timer(connection *c)
{
    refuse(c, "no PROXY header in time");
}

/* What it asks is on its way: its time for the header is short as it is. */
static void on_drain(connection *c)
{
    (void)c;
}

static void on_gone(connection *c)
{
    proxied *p = c->state;
    buffer_free(&p->input);
    free(p);
}

static const protocol proxied_protocol = {
    .name = "proxied",
    .on_bytes = on_bytes,
    .on_end = connection_close,
    .on_timer = on_timer,
    .on_overflow = connection_close,
    .on_drain = on_drain,
    .on_gone = on_gone,
};

bool proxied_expected(int fd, const networks *from)
{
    char peer[64];
    return networks_have_peer(from, connection_peer_of(fd, peer));
}

void proxied_start(int fd, const transport *below, double seconds, hub_status (*next)(connection *c))
{
    proxied *p = calloc(1, sizeof *p);
    connection *c;
    if (!p) {
        close(fd);
        return;
    }
    p->next = next;
    if (connection_new(&c, fd, below, &proxied_protocol, NULL, p) != HUB_OK) {
        free(p);
        return;
    }
    connection_time(c, seconds);
}
