/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/handover.h"

#include "worker/http/routing.h"
#include "worker/http/state.h"

#include <stdio.h>

void http_hand_over(hub_http *http, http_give give, void *arg)
{
    http->give = give;
    http->give_arg = arg;
}

bool handover_is_claimed(hub_http *http)
{
    const http_route *to = routing_route(http);
    if (to && to->claim && to->claim(http, to->arg))
        return true;
    if (!http->upgrades)
        row_count(&connections_row()->requests, 1);
    return false;
}

/* A body that was read already. */
static hub_status append_body(buffer *to, const hub_http *http)
{
    if (http->head.framing != HTTP_BODY_CHUNKED)
        return buffer_append(to, http->body.data, http->body.length);
    char size[24];
    int length = http->body.length ? snprintf(size, sizeof size, "%zx\r\n", http->body.length) : 0;
    hub_status status = buffer_append(to, size, (size_t)length);
    if (status == HUB_OK)
        status = buffer_append(to, http->body.data, http->body.length);
    return status == HUB_OK ? buffer_append_text(to, length ? "\r\n0\r\n\r\n" : "0\r\n\r\n") : status;
}

void handover_go_on(connection *c)
{
    http_state *h = c->state;
    hub_http *http = h->exchange;
    if (c->out.first) {
        connection_pause(c, true);
        state_await_taking(c);
        connection_kick_when_empty(c);
        return;
    }
    hub_bytes deferred = connection_deferred(c);
    if (buffer_append(&h->input, deferred.data, deferred.length) != HUB_OK) {
        connection_close(c);
        return;
    }
    http_handed handed = {.bytes = buffer_bytes(&h->input), .peer = c->peer, .fd = connection_detach(c)};
    h->exchange = NULL;
    http->give(&handed, http->give_arg);
    exchange_free(http);
}

void handover_begin(connection *c, hub_http *http, bool read, hub_bytes behind)
{
    http_state *h = c->state;
    h->reading_body = false;
    hub_status status = buffer_append(&h->input, http->raw.data, http->raw.length);
    if (status == HUB_OK && read)
        status = append_body(&h->input, http);
    if (status == HUB_OK)
        status = buffer_append(&h->input, behind.data, behind.length);
    if (status != HUB_OK)
        connection_close(c);
    else
        handover_go_on(c);
}

void handover_lose(hub_http *http)
{
    http->give(&(http_handed){.fd = -1}, http->give_arg);
    exchange_free(http);
}
