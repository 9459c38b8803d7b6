/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/server.h"

#include "common/clock.h"
#include "common/log.h"
#include "worker/http/access.h"
#include "worker/http/contents.h"
#include "worker/http/field.h"
#include "worker/http/forwarded.h"
#include "worker/http/proxied.h"
#include "worker/http/sse.h"
#include "worker/http/stream.h"
#include "worker/http/upload.h"
#include "worker/hub/greenlet.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BEHIND_MAX = 64 * 1024, /* bytes that may come behind a request while its handler runs, before the client
                               is not read on */
    DROP_MAX =
        64 * 1024, /* that may still come of a body that its handler left, before the connection ends */
};

/* Requests of one client that are answered in one turn. */
enum { REQUESTS_A_TURN = 16 };

/* For the first request of a connection of a worker that stops. */
static const double first_request_seconds = 1.0;

/* What HTTP keeps of a connection besides the request in progress. */
typedef struct http_state {
    hub_http *exchange; /* a request whose body comes, or whose handler runs */
    buffer input;       /* bytes of a head that is not whole, or behind the request in progress */
    size_t scanned;     /* of these, by http_head_end */
    char *client;       /* its address, once the access log has asked for it */
    size_t untaken;     /* of the answers that wait, at the last look */
    bool reading_body;  /* of the exchange */
    bool partial;       /* the time for a head is running */
    bool ended;         /* the peer will send no more */
    bool draining;      /* the worker stops: no request after this one */
    bool asked;         /* its first request has come */
} http_state;

static const http_server *server;
static const protocol http_protocol;

/*
 * What became of a request, as far as it could be followed at once. PARKED: somebody will answer it. HANDED:
 * another worker is to have it.
 */
typedef enum outcome { ANSWERED, PARKED, UPGRADED, HANDED } outcome;

/* ---- ends of requests and connections ---- */

/* Watches that the client takes what waits. */
static void await_taking(connection *c)
{
    http_state *h = c->state;
    h->untaken = output_untaken(&c->out);
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
    if (h->ended || (h->draining && !server->patient))
        finish(c);
    else
        connection_time(c, server->keep_alive);
}

/*
 * After a handler that read its body itself: what came behind the body waits to be read as requests, what is
 * left of the body to be dropped. False: too much is left, or it cannot be told where it ends.
 */
static bool keep_rest(connection *c, hub_http *http)
{
    http_state *h = c->state;
    bool whole = upload_is_whole(http);
    if (upload_rest(http, &h->input) != HUB_OK)
        return false;
    http->dropping = !whole;
    http->drop_room = h->input.length + DROP_MAX;
    return whole || http_body_least(&http->reader) <= http->drop_room;
}

/* ---- the access log ---- */

enum { STATUS_CLIENT_GONE = 499 }; /* of requests that nobody could be answered; never sent */

/* The client's address without its port; asked for once a connection. */
static const char *client_of(connection *c)
{
    http_state *h = c->state;
    if (!h->client) {
        char text[64], *at = text;
        connection_peer(c, text);
        char *port = strrchr(text, ':');
        if (port)
            *port = '\0';
        if (*at == '[') {
            at++;
            at[strcspn(at, "]")] = '\0';
        }
        h->client = strdup(at);
    }
    return h->client;
}

static void log_request(hub_http *http, int status, uint64_t bytes, hub_bytes answer)
{
    access_add(&(access_record){.head = &http->head,
                                .answer = answer,
                                .client = http->connection ? client_of(http->connection) : http->client,
                                .began_ns = http->began_ns,
                                .bytes = bytes,
                                .status = status});
}

/* A request that was refused, perhaps before anything of it could be read. */
static void log_refused(connection *c, int status, uint64_t bytes, hub_bytes answer)
{
    static const http_head unknown = {0};
    hub_http *http = ((http_state *)c->state)->exchange;
    if (http)
        log_request(http, status, bytes, answer);
    else
        access_add(&(access_record){
            .head = &unknown, .answer = answer, .client = client_of(c), .bytes = bytes, .status = status});
}

/* The answer is queued: the request is done. In hub context, or in the handler's greenlet. */
static void end_exchange(hub_http *http)
{
    connection *c = http->connection;
    bool close = http->close, kick = http->parked || http->upload;
    if (access_on)
        log_request(http, http->status ? http->status : STATUS_CLIENT_GONE, http->sent,
                    buffer_bytes(&http->answer_head));
    if (c && !close && http->upload)
        close = !keep_rest(c, http);
    if (c && !close && http->dropping) {
        ((http_state *)c->state)->reading_body = true;
        connection_kick(c);
        return;
    }
    exchange_free(http);
    if (!c)
        return;
    http_state *h = c->state;
    h->exchange = NULL;
    h->reading_body = false;
    if (close)
        finish(c);
    else if (kick)
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
    bool has_body = !h->exchange || !hub_equal(h->exchange->head.method, hub_text("HEAD"));
    if (access_on && (!h->exchange || !h->exchange->dropping))
        log_refused(c, http_error_status(problem), has_body ? text.length : 0, head);
    connection_write(c, head);
    if (has_body)
        connection_write(c, text);
    if (h->exchange) {
        exchange_free(h->exchange);
        h->exchange = NULL;
        h->reading_body = false;
    }
    finish(c);
}

/* ---- one request ---- */

/* The handler gave no answer. */
static void answer_instead(hub_http *http, hub_status status)
{
    http_error problem = upload_problem(http);
    if (upload_is_cut_short(http)) {
        http->close = true; /* the client ended in the middle of its request */
        return;
    }
    if (status == HUB_OK && problem == HTTP_ERROR_NONE)
        log_error("%s: the handler gave no answer", http->route->name);
    buffer_clear(&http->fields_out); /* meant for another answer, one that may be cached, say */
    if (problem != HTTP_ERROR_NONE)
        http_refuse(http, http_error_status(problem), http_error_text(problem), NULL);
    else
        http_refuse(http, 500, "the server failed to answer", NULL);
}

/* Whoever had to answer is done. */
static void conclude(hub_http *http, hub_status status)
{
    if (http->stream.started)
        stream_end(http, status);
    else if (!http->replied)
        answer_instead(http, status);
    end_exchange(http);
}

static void handle(void *arg)
{
    hub_http *http = arg;
    hub_status status = http->route->handler(http, http->route->arg);
    if (status != HUB_OK && status != HUB_ECLOSED && upload_problem(http) == HTTP_ERROR_NONE)
        log_error("%s: handler failed: %s", http->route->name, hub_status_text(status));
    conclude(http, status);
}

static outcome run_handler(hub_http *http, const http_route *to)
{
    hub_status status;
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

/* The client of a kept request is gone, or will be gone: who keeps it is told. */
static void lose(hub_http *http)
{
    http_state *h = http->connection->state;
    http->client = h->client;
    h->client = NULL;
    h->exchange = NULL;
    http->connection = NULL;
    http->gone(http, http->keeper);
    end_exchange(http);
}

/* The client has ended its side while its request is kept. */
static void end_kept(connection *c)
{
    lose(((http_state *)c->state)->exchange);
    if (c->out.first)
        finish(c); /* with the answers before it */
    else
        connection_close(c);
}

static outcome serve(hub_http *http, const http_route *to)
{
    http->serving = true;
    to->serve(http, to->arg);
    http->serving = false;
    if (!http->kept) {
        conclude(http, HUB_OK);
        return ANSWERED;
    }
    if (http->ended) {
        end_kept(http->connection);
        return ANSWERED;
    }
    http->parked = true;
    return PARKED;
}

void http_later(hub_http *http, void (*gone)(hub_http *http, void *keeper), void *keeper)
{
    http->kept = true;
    http->gone = gone;
    http->keeper = keeper;
}

void http_done(hub_http *http)
{
    http->kept = false;
    if (!http->serving)
        conclude(http, HUB_OK);
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

/* Adds one to a counter of the scoreboard, whose only writer this process is. */
static void count(_Atomic uint64_t *word)
{
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + 1, memory_order_relaxed);
}

static outcome try_upgrade(hub_http *http, connection *c)
{
    bool counted = !http->upgrades;
    server->upgrade(http);
    bool upgraded = c->protocol != &http_protocol;
    if (!upgraded && http->give)
        return HANDED;
    if (!counted)
        count(&connections_row()->requests);
    if (upgraded)
        return UPGRADED;
    end_exchange(http);
    return ANSWERED;
}

/* Finds who will answer. */
static void find_route(hub_http *http)
{
    const http_head *head = &http->head;
    http->upgrades =
        head->upgrade && hub_equal(head->method, hub_text("GET")) &&
        http_head_has(head, "upgrade", "websocket") &&
        router_find(server->router, ROUTE_WS, head->method, head->path, &http->match) == ROUTER_FOUND;
    if (!http->upgrades)
        http->found =
            (uint8_t)router_find(server->router, ROUTE_HTTP, head->method, head->path, &http->match);
}

/* NULL when no handler will answer. */
static const http_route *route_of(const hub_http *http)
{
    return !http->upgrades && http->found == ROUTER_FOUND ? http->match.value : NULL;
}

/* The request is whole, or its handler reads its body. */
static outcome dispatch(connection *c, hub_http *http)
{
    const http_head *head = &http->head;
    if (http->upgrades)
        return try_upgrade(http, c);
    bool is_get = hub_equal(head->method, hub_text("GET"));
    bool is_options = hub_equal(head->method, hub_text("OPTIONS"));
    if (is_options && hub_equal(head->path, hub_text("*")))
        return answer_options(http);
    switch ((router_result)http->found) {
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
    http->route = http->match.value;
    return http->route->handler ? run_handler(http, http->route) : serve(http, http->route);
}

/* How long a body may be, its route says: a head is read without regard to it. */
static http_error read_head(hub_http *http, hub_bytes bytes)
{
    http_limits limits = server->limits;
    limits.body = UINT64_MAX;
    http->raw = bytes;
    http_error problem = http_parse_head(bytes, &limits, http->fields, &http->head);
    if (problem == HTTP_ERROR_NONE)
        find_route(http);
    return problem;
}

static http_error open_body(hub_http *http)
{
    const http_route *to = route_of(http);
    http_limits limits = server->limits;
    if (to && to->max_body)
        limits.body = to->max_body;
    http_body_open(&http->reader, &http->head, &limits);
    return http->head.content_length > limits.body ? HTTP_ERROR_BODY_TOO_LARGE : HTTP_ERROR_NONE;
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
    http->ended = h->ended;
    h->exchange = http;
    h->asked = true;
    if (access_on) {
        http->began_ns = clock_monotonic_ns();
        client_of(c); /* while it is there */
    }
    http_error problem = read_head(http, bytes);
    if (problem == HTTP_ERROR_NONE)
        problem = open_body(http);
    if (problem != HTTP_ERROR_NONE) {
        count(&connections_row()->requests);
        refuse(c, problem);
        return false;
    }
    http->close = !http->head.keep_alive || h->draining;
    h->reading_body = true;
    return true;
}

/* ---- handing over ---- */

void http_hand_over(hub_http *http, http_give give, void *arg)
{
    http->give = give;
    http->give_arg = arg;
}

/* Asks the request's route. What stays is counted as this worker's; an upgrade, when that is known of it. */
static bool is_claimed(hub_http *http)
{
    const http_route *to = route_of(http);
    if (to && to->claim && to->claim(http, to->arg))
        return true;
    if (!http->upgrades)
        count(&connections_row()->requests);
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

/* Gives the connection away as soon as its earlier answers have left. */
static void hand_over(connection *c)
{
    http_state *h = c->state;
    hub_http *http = h->exchange;
    if (c->out.first) {
        connection_pause(c, true);
        await_taking(c);
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

/* Begins to. `read`: the request's body has been read, and `behind` is what came after it; else it stands
 * there too. */
static void begin_handing(connection *c, hub_http *http, bool read, hub_bytes behind)
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
        hand_over(c);
}

/* The client was faster. */
static void give_nothing(hub_http *http)
{
    http->give(&(http_handed){.fd = -1}, http->give_arg);
    exchange_free(http);
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
    return HUB_OK;
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
    const http_route *to = route_of(http);
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
    return dispatch(c, http);
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
                finish(c);
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
            refuse(c, problem);
            return BODY_REFUSED;
        case HTTP_BODY_PIECE:
            if (!http->dropping && exchange_add_body(http, piece) != HUB_OK) {
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
    if (in_read_buffer)
        c->protocol->on_bytes(c, data, length);
    else
        connection_defer(c, data, length);
}

/*
 * Reads requests out of bytes that lie in the read buffer (`owned` NULL, and then they are the newest read)
 * or in `owned`, which is this function's to free. Handlers that do not park are done when it returns.
 */
static void read_requests(connection *c, unsigned char *data, size_t length, buffer *owned)
{
    size_t used = 0, head_at = 0, head_length = 0;
    unsigned answered = 0;
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
            if (is_claimed(http)) {
                begin_handing(c, http, false, hub_bytes_of(data + used, length - used));
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
                connection_time(c, server->body_timeout);
            break;
        }
        h->reading_body = false;
        connection_time(c, -1);
        if (http->dropping) {
            exchange_free(http);
            h->exchange = NULL;
            continue;
        }
        last = dispatch(c, http);
        if (last == HANDED) {
            begin_handing(c, http, true, hub_bytes_of(data + used, length - used));
        } else if (last == PARKED && !owned) {
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
        if (h->exchange->upload)
            upload_take(h->exchange, data, length);
        else
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
        hand_over(c);
        return;
    }
    if (h->exchange && !h->exchange->dropping)
        return;
    static unsigned char nothing; /* an empty buffer points nowhere */
    buffer owned = h->input;
    h->input = (buffer){0};
    connection_pause(c, false);
    read_requests(c, owned.data ? (unsigned char *)owned.data : &nothing, owned.length, &owned);
}

static void on_end(connection *c)
{
    http_state *h = c->state;
    h->ended = true;
    if (h->exchange && h->exchange->kept) {
        end_kept(c);
        return;
    }
    if (h->exchange)
        stream_on_end(h->exchange);
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
    if (h->exchange && !h->reading_body && !h->exchange->give && !c->finishing)
        stream_on_timer(h->exchange);
    else if (h->exchange && h->exchange->dropping && !c->finishing)
        finish(c);
    else if ((h->reading_body || h->partial) && !c->finishing)
        refuse(c, HTTP_ERROR_TIMEOUT);
    else if (c->out.first && h->untaken != output_untaken(&c->out))
        await_taking(c); /* slow, but it takes something */
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
    } else if (server->patient) {
        /* it is served once more */
    } else if (h->asked) {
        finish(c);
    } else if (!before && !h->partial) {
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
            give_nothing(h->exchange);
        } else if (h->exchange->kept) {
            lose(h->exchange);
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

static const protocol http_protocol = {
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
    server = opened;
    compress_open(opened->compress);
    stream_open(opened);
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
    hub_status status = adopted ? connection_adopt(&c, fd, below, &http_protocol, &server->output, h)
                                : connection_new(&c, fd, below, &http_protocol, &server->output, h);
    if (status != HUB_OK) {
        free(h);
        return NULL;
    }
    connection_time(c, server->keep_alive);
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
    connection_become(c, &http_protocol, &server->output, h);
    connection_time(c, server->keep_alive);
    return HUB_OK;
}

void http_accepted(int fd, void *arg)
{
    (void)arg;
    if (server->proxies && proxied_expected(fd, server->proxies))
        proxied_start(fd, &transport_plain, server->header_timeout, become_http);
    else
        http_start(fd, &transport_plain);
}

connection *http_upgraded(hub_http *http, hub_bytes head, const protocol *next,
                          const connection_limits *limits, void *state)
{
    connection *c = http->connection;
    if (access_on)
        log_request(http, 101, 0, head);
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
