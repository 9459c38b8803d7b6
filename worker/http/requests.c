/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/requests.h"

#include "common/clock.h"
#include "worker/http/access.h"
#include "worker/http/dispatch.h"
#include "worker/http/handover.h"
#include "worker/http/logged.h"
#include "worker/http/routing.h"
#include "worker/http/state.h"
#include "worker/http/upload.h"

#include <stdio.h>
#include <stdlib.h>

/* Bytes that may come behind a request while its handler runs, before the client is not read on. */
enum { BEHIND_MAX = 64 * 1024 };

/* Requests of one client that are answered in one turn. */
enum { REQUESTS_A_TURN = 16 };

void requests_refuse(connection *c, http_error problem)
{
    http_state *h = c->state;
    char line[160];
    int length = snprintf(line, sizeof line, "%s\n", http_error_text(problem));
    hub_bytes text = hub_bytes_of(line, (size_t)length);
    hub_bytes head = http_answer_head(http_error_status(problem), hub_bytes_of(NULL, 0),
                                      "text/plain; charset=utf-8", text.length, "close");
    bool has_body = !h->exchange || !hub_equal(h->exchange->head.method, hub_text("HEAD"));
    if (access_on && (!h->exchange || !h->exchange->dropping))
        logged_refusal(c, http_error_status(problem), has_body ? text.length : 0, head);
    connection_write(c, head);
    if (has_body)
        connection_write(c, text);
    if (h->exchange) {
        exchange_free(h->exchange);
        h->exchange = NULL;
        h->reading_body = false;
    }
    state_finish(c);
}

/* ---- heads ---- */

/* How long a body may be, its route says: a head is read without regard to it. */
static http_error read_head(hub_http *http, hub_bytes bytes)
{
    http_limits limits = http_opened->limits;
    limits.body = UINT64_MAX;
    http->raw = bytes;
    http_error problem = http_parse_head(bytes, &limits, exchange_fields(), &http->head);
    if (problem == HTTP_ERROR_NONE)
        routing_find(http);
    return problem;
}

static http_error open_body(hub_http *http)
{
    const http_route *to = routing_route(http);
    http_limits limits = http_opened->limits;
    if (to && to->max_body)
        limits.body = to->max_body;
    http_body_open(&http->reader, &http->head, &limits);
    return http->head.content_length > limits.body ? HTTP_ERROR_BODY_TOO_LARGE : HTTP_ERROR_NONE;
}

/* A head that lies whole in `bytes`. False: it was refused. */
static bool begin_request(connection *c, hub_bytes bytes)
{
    http_state *h = c->state;
    hub_http *http = exchange_new(http_opened->limits.fields);
    if (!http) {
        connection_close(c);
        return false;
    }
    http->connection = c;
    http->ended = h->ended;
    h->exchange = http;
    h->asked = true;
    if (access_on) {
        http->began_ns = clock_monotonic_ns();
        logged_client(c); /* while it is there */
    }
    http_error problem = read_head(http, bytes);
    if (problem == HTTP_ERROR_NONE)
        problem = open_body(http);
    if (problem != HTTP_ERROR_NONE) {
        row_count(&connections_row()->requests, 1);
        requests_refuse(c, problem);
        return false;
    }
    http->close = !http->head.keep_alive || h->draining;
    h->reading_body = true;
    return true;
}

/* ---- bodies ---- */

/* The bytes around a head will go: it moves to memory of its own and is read again there. */
static hub_status own_head(hub_http *http, hub_bytes head)
{
    http->memory = malloc(head.length + 1);
    if (!http->memory)
        return HUB_ENOMEM;
    memcpy(http->memory, head.data, head.length);
    read_head(http, hub_bytes_of(http->memory, head.length));
    return exchange_own_fields(http);
}

/* The body is still to come. */
static bool own_request(connection *c, hub_http *http, hub_bytes head)
{
    bool first = !http->memory;
    if (exchange_own_body(http) != HUB_OK || (first && own_head(http, head) != HUB_OK)) {
        connection_close(c);
        return false;
    }
    if (first && http->head.expect_continue)
        connection_write(c, hub_text("HTTP/1.1 100 Continue\r\n\r\n"));
    return true;
}

/* True when its handler is to read the body itself. */
static bool streams_body(const hub_http *http)
{
    const http_route *to = routing_route(http);
    return to && to->stream_body && to->handler && http_body_least(&http->reader) > 0;
}

/* Starts a handler that reads the body itself, the first of which may have come behind the head. */
static outcome start_streaming(connection *c, hub_http *http, hub_bytes head, hub_bytes behind)
{
    http_state *h = c->state;
    if (own_head(http, head) != HUB_OK || upload_open(http, behind) != HUB_OK) {
        connection_close(c);
        return ANSWERED;
    }
    h->reading_body = false;
    connection_time(c, -1);
    return dispatch_request(c, http);
}

typedef enum body_state { BODY_WHOLE, BODY_TO_COME, BODY_REFUSED } body_state;

static body_state read_body(connection *c, hub_http *http, hub_bytes bytes, size_t *used)
{
    for (;;) {
        size_t consumed = 0;
        hub_bytes piece = {0};
        http_error problem = HTTP_ERROR_NONE;
        http_body_result result = http_body_next(&http->reader, (const char *)bytes.data + *used,
                                                 bytes.length - *used, &consumed, &piece, &problem);
        *used += consumed;
        if (http->dropping) {
            if (result == HTTP_BODY_ERROR || consumed > http->drop_room) {
                state_finish(c);
                return BODY_REFUSED;
            }
            http->drop_room -= consumed;
        }
        switch (result) {
        case HTTP_BODY_DONE:
            return BODY_WHOLE;
        case HTTP_BODY_MORE:
            return BODY_TO_COME;
        case HTTP_BODY_ERROR:
            requests_refuse(c, problem);
            return BODY_REFUSED;
        case HTTP_BODY_PIECE:
            if (!http->dropping && exchange_add_body(http, piece) != HUB_OK) {
                connection_close(c);
                return BODY_REFUSED;
            }
        }
    }
}

/* ---- the stream ---- */

void requests_keep(connection *c, const unsigned char *data, size_t length)
{
    http_state *h = c->state;
    if (length == 0)
        return;
    if (buffer_append(&h->input, data, length) != HUB_OK)
        connection_close(c);
    else if (h->exchange && h->input.length > BEHIND_MAX)
        connection_pause(c, true);
}

/* A head that is not whole yet. */
static void await_head(connection *c, const unsigned char *data, size_t length)
{
    http_state *h = c->state;
    http_error problem = http_head_check((const char *)data, length, &http_opened->limits);
    if (problem != HTTP_ERROR_NONE) {
        requests_refuse(c, problem);
        return;
    }
    requests_keep(c, data, length);
    if (!h->partial) {
        h->partial = true;
        connection_time(c, http_opened->header_timeout);
    }
}

/* Bytes behind an upgrade. What the next protocol is handed lies in the read buffer, always. */
static void hand_on(connection *c, unsigned char *data, size_t length, bool in_read_buffer)
{
    if (in_read_buffer)
        c->protocol->on_bytes(c, data, length);
    else
        connection_defer(c, data, length);
}

void requests_read(connection *c, unsigned char *data, size_t length, buffer *owned)
{
    size_t used = 0, head_at = 0, head_length = 0;
    unsigned answered = 0;
    outcome last = ANSWERED;
    while (!c->closed && !c->finishing && last == ANSWERED) {
        http_state *h = c->state;
        hub_http *http = h->exchange;
        if (!http) {
            if (used == length) {
                state_be_idle(c);
                break;
            }
            if (c->paused_output) { /* it does not take its answers: on_kick goes on when it has */
                requests_keep(c, data + used, length - used);
                state_await_taking(c);
                break;
            }
            if (answered++ == REQUESTS_A_TURN) {
                connection_defer(c, data + used, length - used);
                break;
            }
            head_length = http_head_end((char *)data + used, length - used, &h->scanned);
            if (head_length == 0) {
                await_head(c, data + used, length - used);
                used = length;
                break;
            }
            h->scanned = 0;
            h->partial = false;
            head_at = used;
            if (!begin_request(c, hub_bytes_of(data + used, head_length)))
                break;
            http = h->exchange;
            used += head_length;
            if (handover_is_claimed(http)) {
                handover_begin(c, http, false, hub_bytes_of(data + used, length - used));
                break;
            }
            if (streams_body(http)) {
                last = start_streaming(c, http, hub_bytes_of(data + head_at, head_length),
                                       hub_bytes_of(data + used, length - used));
                used = length;
                break;
            }
        }
        body_state state = read_body(c, http, hub_bytes_of(data, length), &used);
        if (state == BODY_REFUSED)
            break;
        if (state == BODY_TO_COME) {
            if (own_request(c, http, hub_bytes_of(data + head_at, head_length)))
                connection_time(c, http_opened->body_timeout);
            break;
        }
        h->reading_body = false;
        connection_time(c, -1);
        if (http->dropping) {
            exchange_free(http);
            h->exchange = NULL;
            continue;
        }
        last = dispatch_request(c, http);
        if (last == PARKED && exchange_own_fields(http) != HUB_OK)
            connection_close(c);
        if (last == HANDED) {
            handover_begin(c, http, true, hub_bytes_of(data + used, length - used));
        } else if (last == PARKED && !owned) {
            http->block = input_hold(data + length);
        } else if (last == PARKED) {
            requests_keep(c, data + used, length - used);
            used = length;
            if (!http->memory) {
                http->memory = owned->data; /* head and body lie in it */
                owned = NULL;
            }
        }
    }
    if (last == PARKED)
        requests_keep(c, data + used, length - used);
    else if (last == UPGRADED && !c->closed && used < length)
        hand_on(c, data + used, length - used, !owned);
    if (owned)
        buffer_free(owned);
}
