/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/server.h"

#include "common/log.h"
#include "worker/http/field.h"
#include "worker/hub/greenlet.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Bytes that may come behind a request while its handler runs, before the client is not read on. */
enum { BEHIND_MAX = 64 * 1024 };

/* What HTTP keeps of a connection besides the request in progress. */
typedef struct http_state {
    hub_http *exchange; /* a request whose body comes, or whose handler runs */
    buffer input;       /* bytes of a head that is not whole, or behind the request in progress */
    size_t scanned;     /* of these, by http_head_end */
    size_t untaken;     /* of the answers that wait, at the last look */
    bool reading_body;  /* of the exchange */
    bool partial;       /* the time for a head is running */
    bool ended;         /* the peer will send no more */
    bool draining;      /* the worker stops: no request after this one */
} http_state;

static const http_server *server;
static const protocol http_protocol;

/* What became of a request, as far as it could be followed at once. */
typedef enum outcome { ANSWERED, PARKED, UPGRADED } outcome;

/* ---- ends of requests and connections ---- */

/* How much of the answers that wait is still to be taken; it changes with every byte that is. */
static size_t untaken(const connection *c)
{
    const chunk *file = output_front_file(&c->out);
    return c->out.bytes + (file ? file->length : 0);
}

/* Watches that the client takes what waits. */
static void await_taking(connection *c)
{
    http_state *h = c->state;
    h->untaken = untaken(c);
    connection_time(c, server->send_timeout);
}

/* The connection ends with what is queued. */
static void finish(connection *c)
{
    connection_finish(c);
    if (!c->closed && !c->lingering)
        await_taking(c);
}

/* Between requests: wait for the next one, or close. */
static void be_idle(connection *c)
{
    http_state *h = c->state;
    h->partial = false;
    if (h->ended || h->draining)
        finish(c);
    else
        connection_time(c, server->keep_alive);
}

/* The answer is queued: the request is done. In hub context, or in the handler's greenlet. */
static void end_exchange(hub_http *http)
{
    connection *c = http->connection;
    bool close = http->close, parked = http->parked;
    exchange_free(http);
    if (!c)
        return;
    http_state *h = c->state;
    h->exchange = NULL;
    h->reading_body = false;
    if (close)
        finish(c);
    else if (parked)
        connection_kick(c);
}

/* Answers what cannot be read as a request, and ends the connection: nothing after it is read as one (RFC
 * 9112, 2.2). */
static void refuse(connection *c, http_error problem)
{
    http_state *h = c->state;
    char line[160];
    int length = snprintf(line, sizeof line, "%s\n", http_error_text(problem));
    hub_bytes text = hub_bytes_of(line, (size_t)length);
    hub_bytes head = http_answer_head(http_error_status(problem), hub_bytes_of(NULL, 0),
                                      "text/plain; charset=utf-8", text.length, "close");
    connection_write(c, head);
    if (!h->exchange || !hub_equal(h->exchange->head.method, hub_text("HEAD")))
        connection_write(c, text);
    if (h->exchange) {
        exchange_free(h->exchange);
        h->exchange = NULL;
        h->reading_body = false;
    }
    finish(c);
}

static void answer_timeout(connection *c)
{
    static const char text[] = "the request did not come in time\n";
    connection_write(c, http_answer_head(408, hub_bytes_of(NULL, 0), "text/plain; charset=utf-8",
                                         sizeof text - 1, "close"));
    connection_write(c, hub_text(text));
    finish(c);
}

/* ---- one request ---- */

static void handle(void *arg)
{
    hub_http *http = arg;
    hub_status status = http->route->handler(http, http->route->arg);
    if (status != HUB_OK && status != HUB_ECLOSED)
        log_error("%s: handler failed: %s", http->route->name, hub_status_text(status));
    if (!http->replied) {
        if (status == HUB_OK)
            log_error("%s: the handler returned without an answer", http->route->name);
        buffer_clear(&http->fields_out); /* meant for another answer, one that may be cached, say */
        http_refuse(http, 500, "the server failed to answer", NULL);
    }
    end_exchange(http);
}

static outcome run_handler(hub_http *http, const http_route *to)
{
    hub_status status;
    http->route = to;
    if (greenlet_start(NULL, to->name, handle, http, &status)) {
        http->parked = true;
        return PARKED;
    }
    if (status == HUB_OK)
        return ANSWERED;
    http_refuse(http, 503, "the server is busy", "Retry-After: 1\r\n");
    end_exchange(http);
    return ANSWERED;
}

static outcome answer_at_once(hub_http *http, int status, const char *text, const char *extra)
{
    http_refuse(http, status, text, extra);
    end_exchange(http);
    return ANSWERED;
}

enum { ALLOW_ROOM = 256 };

static void add_method(char *list, const char *method)
{
    size_t length = strlen(list);
    if (!field_list_has(hub_text(list), hub_text(method)))
        snprintf(list + length, ALLOW_ROOM - length, "%s%s", length ? ", " : "", method);
}

/* Writes what may be done with the path as "Allow: GET, OPTIONS"; `*` is the whole server (RFC 9110, 10.2.1).
 */
static void allow_field(hub_bytes path, char field[ALLOW_ROOM + 16])
{
    char list[ALLOW_ROOM];
    router_match match;
    router_allow(server->router, ROUTE_HTTP, path, list, sizeof list - 24);
    if (router_find(server->router, ROUTE_WS, hub_text("GET"), path, &match) == ROUTER_FOUND)
        add_method(list, "GET");
    add_method(list, "OPTIONS");
    snprintf(field, ALLOW_ROOM + 16, "Allow: %s\r\n", list);
}

static outcome refuse_method(hub_http *http)
{
    char field[ALLOW_ROOM + 16];
    allow_field(http->head.path, field);
    return answer_at_once(http, 405, "the resource does not take this method", field);
}

/* OPTIONS where no route takes it (RFC 9110, 9.3.7). */
static outcome answer_options(hub_http *http)
{
    char field[ALLOW_ROOM + 16];
    allow_field(http->head.path, field);
    if (buffer_append_text(&http->fields_out, field) != HUB_OK)
        return answer_at_once(http, 503, "the server is busy", "Retry-After: 1\r\n");
    hub_http_reply(http, 204, NULL, hub_bytes_of(NULL, 0));
    end_exchange(http);
    return ANSWERED;
}

static outcome try_upgrade(hub_http *http, connection *c)
{
    server->upgrade(http);
    if (c->protocol != &http_protocol)
        return UPGRADED;
    end_exchange(http);
    return ANSWERED;
}

/* The request is whole: finds who answers it. */
static outcome dispatch(connection *c, hub_http *http)
{
    const http_head *head = &http->head;
    bool is_get = hub_equal(head->method, hub_text("GET"));
    if (is_get && head->upgrade && http_head_has(head, "upgrade", "websocket") &&
        router_find(server->router, ROUTE_WS, head->method, head->path, &http->match) == ROUTER_FOUND)
        return try_upgrade(http, c);
    bool is_options = hub_equal(head->method, hub_text("OPTIONS"));
    if (is_options && hub_equal(head->path, hub_text("*")))
        return answer_options(http);
    switch (router_find(server->router, ROUTE_HTTP, head->method, head->path, &http->match)) {
    case ROUTER_FOUND:
        break;
    case ROUTER_BAD_PATH:
        return answer_at_once(http, 400, "the path is not valid", NULL);
    case ROUTER_METHOD:
        return is_options ? answer_options(http) : refuse_method(http);
    case ROUTER_NOT_FOUND:
        if (router_find(server->router, ROUTE_WS, hub_text("GET"), head->path, &http->match) != ROUTER_FOUND)
            return answer_at_once(http, 404, "there is nothing here", NULL);
        if (!is_get)
            return is_options ? answer_options(http) : refuse_method(http);
        return try_upgrade(http, c); /* which says what is missing */
    }
    return run_handler(http, http->match.value);
}

/* A head that lies whole in `bytes`. False: it was refused. */
static bool begin_request(connection *c, hub_bytes bytes)
{
    http_state *h = c->state;
    hub_http *http = exchange_new(server->limits.fields);
    if (!http) {
        connection_close(c);
        return false;
    }
    http->connection = c;
    h->exchange = http;
    http_error problem = http_parse_head(bytes, &server->limits, http->fields, &http->head);
    if (problem != HTTP_ERROR_NONE) {
        refuse(c, problem);
        return false;
    }
    http->close = !http->head.keep_alive || h->draining;
    http_body_open(&http->reader, &http->head, &server->limits);
    h->reading_body = true;
    return true;
}

/* The body is still to come, and the bytes around will go: the head moves to memory of its own and is read
 * again there. */
static bool own_request(connection *c, hub_http *http, hub_bytes head)
{
    if (exchange_own_body(http) != HUB_OK)
        goto no_memory;
    if (!http->memory) {
        http->memory = malloc(head.length + 1);
        if (!http->memory)
            goto no_memory;
        memcpy(http->memory, head.data, head.length);
        http_parse_head(hub_bytes_of(http->memory, head.length), &server->limits, http->fields, &http->head);
        if (http->head.expect_continue)
            connection_write(c, hub_text("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    return true;
no_memory:
    connection_close(c);
    return false;
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
        switch (result) {
        case HTTP_BODY_DONE:
            return BODY_WHOLE;
        case HTTP_BODY_MORE:
            return BODY_TO_COME;
        case HTTP_BODY_ERROR:
            refuse(c, problem);
            return BODY_REFUSED;
        case HTTP_BODY_PIECE:
            if (exchange_add_body(http, piece) != HUB_OK) {
                connection_close(c);
                return BODY_REFUSED;
            }
        }
    }
}

/* ---- the stream of requests ---- */

/* Keeps bytes for later; what is kept is bounded by not reading on. */
static void keep(connection *c, const unsigned char *data, size_t length)
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
    http_error problem = http_head_check((const char *)data, length, &server->limits);
    if (problem != HTTP_ERROR_NONE) {
        refuse(c, problem);
        return;
    }
    keep(c, data, length);
    if (!h->partial) {
        h->partial = true;
        connection_time(c, server->header_timeout);
    }
}

/* Bytes behind an upgrade. What the next protocol is handed lies in the read buffer, always. */
static void hand_on(connection *c, unsigned char *data, size_t length, bool in_read_buffer)
{
    if (in_read_buffer) {
        c->protocol->on_bytes(c, data, length);
        return;
    }
    while (length && !c->closed) {
        size_t room, part;
        unsigned char *to = input_room(&room);
        if (!to) {
            connection_close(c);
            return;
        }
        part = length < room ? length : room;
        memcpy(to, data, part);
        c->protocol->on_bytes(c, to, part);
        data += part;
        length -= part;
    }
}

/*
 * Reads requests out of bytes that lie in the read buffer (`owned` NULL, and then they are the newest read)
 * or in `owned`, which is this function's to free. Handlers that do not park are done when it returns.
 */
static void read_requests(connection *c, unsigned char *data, size_t length, buffer *owned)
{
    size_t used = 0, head_at = 0, head_length = 0;
    outcome last = ANSWERED;
    while (!c->closed && !c->finishing && last == ANSWERED) {
        http_state *h = c->state;
        hub_http *http = h->exchange;
        if (!http) {
            if (used == length) {
                be_idle(c);
                break;
            }
            if (c->paused_output) { /* it does not take its answers: on_kick goes on when it has */
                keep(c, data + used, length - used);
                await_taking(c);
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
        }
        body_state state = read_body(c, http, hub_bytes_of(data, length), &used);
        if (state == BODY_REFUSED)
            break;
        if (state == BODY_TO_COME) {
            if (own_request(c, http, hub_bytes_of(data + head_at, head_length)))
                connection_time(c, server->body_timeout);
            break;
        }
        h->reading_body = false;
        connection_time(c, -1);
        last = dispatch(c, http);
        if (last == PARKED && !owned) {
            http->block = input_hold(data + length);
        } else if (last == PARKED) {
            keep(c, data + used, length - used);
            used = length;
            if (!http->memory) {
                http->memory = owned->data; /* head and body lie in it */
                owned = NULL;
            }
        }
    }
    if (last == PARKED)
        keep(c, data + used, length - used);
    else if (last == UPGRADED && !c->closed && used < length)
        hand_on(c, data + used, length - used, !owned);
    if (owned)
        buffer_free(owned);
}

static void on_bytes(connection *c, unsigned char *data, size_t length)
{
    http_state *h = c->state;
    if (h->exchange && !h->reading_body) {
        keep(c, data, length);
        return;
    }
    if (h->input.length == 0) {
        read_requests(c, data, length, NULL);
        return;
    }
    /* The rest of a head: it must lie in one piece. */
    if (buffer_append(&h->input, data, length) != HUB_OK) {
        connection_close(c);
        return;
    }
    buffer owned = h->input;
    h->input = (buffer){0};
    read_requests(c, (unsigned char *)owned.data, owned.length, &owned);
}

/* A handler that had parked is done, or a queue of answers is short again. */
static void on_kick(connection *c)
{
    http_state *h = c->state;
    if (h->exchange)
        return;
    buffer owned = h->input;
    h->input = (buffer){0};
    connection_pause(c, false);
    read_requests(c, (unsigned char *)owned.data, owned.length, &owned);
}

static void on_end(connection *c)
{
    http_state *h = c->state;
    h->ended = true;
    if ((h->exchange && !h->reading_body) || c->kicked)
        connection_pause(c, true); /* its answer still goes out, and requests that wait are answered */
    else if (c->out.first)
        finish(c);
    else
        connection_close(c);
}

static void on_timer(connection *c)
{
    http_state *h = c->state;
    if (h->exchange && !h->reading_body && !c->finishing)
        return;
    if ((h->reading_body || h->partial) && !c->finishing)
        answer_timeout(c);
    else if (c->out.first && h->untaken != untaken(c))
        await_taking(c); /* slow, but it takes something */
    else
        connection_close(c);
}

static void on_drain(connection *c)
{
    http_state *h = c->state;
    h->draining = true;
    if (h->exchange)
        h->exchange->close = true;
    else
        finish(c);
}

static void on_gone(connection *c)
{
    http_state *h = c->state;
    if (h->exchange) {
        if (h->reading_body)
            exchange_free(h->exchange);
        else
            h->exchange->connection = NULL; /* its handler still runs */
    }
    buffer_free(&h->input);
    free(h);
}

static const protocol http_protocol = {
    .name = "http",
    .on_bytes = on_bytes,
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
    server = opened;
}

void http_close(void)
{
    exchanges_trim();
}

void http_accepted(int fd, void *arg)
{
    (void)arg;
    http_state *h = calloc(1, sizeof *h);
    connection *c;
    if (!h) {
        close(fd);
        return;
    }
    if (connection_new(&c, fd, &transport_plain, &http_protocol, &server->output, h) != HUB_OK) {
        free(h);
        return;
    }
    connection_time(c, server->keep_alive);
}

connection *http_upgraded(hub_http *http, hub_bytes head, const protocol *next,
                          const connection_limits *limits, void *state)
{
    connection *c = http->connection;
    exchange_free(http);
    if (!c)
        return NULL;
    http_state *h = c->state;
    buffer_free(&h->input);
    free(h);
    connection_become(c, next, limits, state);
    connection_time(c, -1);
    connection_write(c, head);
    return c;
}
