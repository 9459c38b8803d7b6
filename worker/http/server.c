/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/server.h"

#include "worker/http/access.h"
#include "worker/http/contents.h"
#include "worker/http/dispatch.h"
#include "worker/http/forwarded.h"
#include "worker/http/handover.h"
#include "worker/http/logged.h"
#include "worker/http/proxied.h"
#include "worker/http/requests.h"
#include "worker/http/sse.h"
#include "worker/http/state.h"
#include "worker/http/stream.h"
#include "worker/http/upload.h"

#include <stdlib.h>
#include <unistd.h>

/* For the first request of a connection of a worker that stops. */
static const double first_request_seconds = 1.0;

/* ---- the protocol ---- */

static void on_bytes(connection *c, unsigned char *data, size_t length)
{
    http_state *h = c->state;
    if (h->exchange && !h->reading_body) {
        if (h->exchange->upload)
            upload_take(h->exchange, data, length);
        else
            requests_keep(c, data, length);
        return;
    }
    if (h->input.length == 0) {
        requests_read(c, data, length, NULL);
        return;
    }
    /* The rest of a head: it must lie in one piece. */
    if (buffer_append(&h->input, data, length) != HUB_OK) {
        connection_close(c);
        return;
    }
    buffer owned = h->input;
    h->input = (buffer){0};
    requests_read(c, (unsigned char *)owned.data, owned.length, &owned);
}

/* Bodies that are streamed are read to where they wait. */
static void *room(connection *c, size_t *room_there)
{
    http_state *h = c->state;
    return h->exchange && h->exchange->upload ? upload_room(h->exchange, room_there) : NULL;
}

/* A handler that had parked is done, or a queue of answers is short again. */
static void on_kick(connection *c)
{
    http_state *h = c->state;
    if (h->exchange && h->exchange->give) {
        handover_go_on(c);
        return;
    }
    if (h->exchange && !h->exchange->dropping)
        return;
    static unsigned char nothing; /* an empty buffer points nowhere */
    buffer owned = h->input;
    h->input = (buffer){0};
    connection_pause(c, false);
    requests_read(c, owned.data ? (unsigned char *)owned.data : &nothing, owned.length, &owned);
}

static void on_end(connection *c)
{
    http_state *h = c->state;
    h->ended = true;
    if (h->exchange && h->exchange->kept) {
        dispatch_end_kept(c);
        return;
    }
    if (h->exchange)
        stream_on_end(h->exchange);
    if ((h->exchange && !h->reading_body) || c->kicked)
        connection_pause(c, true); /* its answer still goes out, and requests that wait are answered */
    else if (c->out.first)
        state_finish(c);
    else
        connection_close(c);
}

static void on_timer(connection *c)
{
    http_state *h = c->state;
    if (h->exchange && !h->reading_body && !h->exchange->give && !c->finishing)
        stream_on_timer(h->exchange);
    else if (h->exchange && h->exchange->dropping && !c->finishing)
        state_finish(c);
    else if ((h->reading_body || h->partial) && !c->finishing)
        requests_refuse(c, HTTP_ERROR_TIMEOUT);
    else if (c->out.first && h->untaken != output_untaken(&c->out))
        state_await_taking(c); /* slow, but it takes something */
    else
        connection_close(c);
}

static void on_drain(connection *c)
{
    http_state *h = c->state;
    bool before = h->draining;
    h->draining = true;
    if (h->exchange && !h->exchange->dropping) {
        h->exchange->close = true;
    } else if (http_opened->patient) {
        /* it is served once more */
    } else if (h->asked && !h->partial && !connection_has_unread(c)) {
        state_finish(c);
    } else if (!before && !h->asked && !h->partial) {
        connection_time(c,
                        first_request_seconds); /* accepted at the last moment: what it asks is on its way */
    }
}

static void on_gone(connection *c)
{
    http_state *h = c->state;
    if (h->exchange) {
        if (h->reading_body) {
            exchange_free(h->exchange);
        } else if (h->exchange->give) {
            handover_lose(h->exchange);
        } else if (h->exchange->kept) {
            dispatch_lose(h->exchange);
        } else { /* its handler still runs */
            h->exchange->client = h->client;
            h->client = NULL;
            stream_on_gone(h->exchange);
        }
    }
    buffer_free(&h->input);
    free(h->client);
    free(h);
}

const protocol http_protocol = {
    .name = "http",
    .on_bytes = on_bytes,
    .room = room,
    .on_end = on_end,
    .on_timer = on_timer,
    .on_overflow = connection_close,
    .on_kick = on_kick,
    .on_drain = on_drain,
    .on_gone = on_gone,
};

/* ---- opening ---- */

void http_open(const http_server *opened)
{
    http_opened = opened;
    compress_open(opened->compress);
    forwarded_open(opened->forwarders);
}

void http_close(void)
{
    exchanges_trim();
    compress_close();
    sse_trim();
    contents_trim();
}

static connection *start(int fd, const transport *below, bool adopted)
{
    http_state *h = calloc(1, sizeof *h);
    connection *c;
    if (!h) {
        close(fd);
        return NULL;
    }
    hub_status status = adopted ? connection_adopt(&c, fd, below, &http_protocol, &http_opened->output, h)
                                : connection_new(&c, fd, below, &http_protocol, &http_opened->output, h);
    if (status != HUB_OK) {
        free(h);
        return NULL;
    }
    connection_time(c, http_opened->keep_alive);
    return c;
}

connection *http_start(int fd, const transport *below)
{
    return start(fd, below, false);
}

connection *http_adopt(int fd, const char *peer, hub_bytes bytes)
{
    connection *c = start(fd, &transport_plain, true);
    if (!c)
        return NULL;
    if (peer && connection_set_peer(c, peer) != HUB_OK)
        connection_close(c);
    connection_defer(c, bytes.data, bytes.length);
    return c->closed ? NULL : c;
}

/* Makes HTTP of a connection whose proxy has said who the client is. */
static hub_status become_http(connection *c)
{
    http_state *h = calloc(1, sizeof *h);
    if (!h)
        return HUB_ENOMEM;
    connection_become(c, &http_protocol, &http_opened->output, h);
    connection_time(c, http_opened->keep_alive);
    return HUB_OK;
}

void http_accepted(int fd, void *arg)
{
    (void)arg;
    if (http_opened->proxies && proxied_expected(fd, http_opened->proxies))
        proxied_start(fd, &transport_plain, http_opened->header_timeout, become_http);
    else
        http_start(fd, &transport_plain);
}

connection *http_upgraded(hub_http *http, hub_bytes head, const protocol *next,
                          const connection_limits *limits, void *state)
{
    connection *c = http->connection;
    if (access_on)
        logged_request(http, 101, 0, head);
    exchange_free(http);
    if (!c)
        return NULL;
    http_state *h = c->state;
    buffer_free(&h->input);
    free(h->client);
    free(h);
    connection_become(c, next, limits, state);
    connection_time(c, -1);
    connection_write(c, head);
    return c;
}
