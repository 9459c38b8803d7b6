/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/dispatch.h"

#include "common/log.h"
#include "worker/http/access.h"
#include "worker/http/logged.h"
#include "worker/http/routing.h"
#include "worker/http/state.h"
#include "worker/http/stream.h"
#include "worker/http/upload.h"
#include "worker/hub/greenlet.h"

/* Bytes that may still come of a body that its handler left, before the connection ends. */
enum { DROP_MAX = 64 * 1024 };

/* ---- the end of a request ---- */

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

/* The answer is queued: the request is done. In hub context, or in the handler's greenlet. */
static void end_exchange(hub_http *http)
{
    connection *c = http->connection;
    bool close = http->close, kick = http->parked || http->upload;
    if (access_on)
        logged_request(http, http->status ? http->status : STATUS_CLIENT_GONE, http->sent,
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
        state_finish(c);
    else if (kick)
        connection_kick(c);
}

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

/* ---- in hub context ---- */

void dispatch_lose(hub_http *http)
{
    http_state *h = http->connection->state;
    http->client = h->client;
    h->client = NULL;
    h->exchange = NULL;
    http->connection = NULL;
    http->gone(http, http->keeper);
    end_exchange(http);
}

void dispatch_end_kept(connection *c)
{
    dispatch_lose(((http_state *)c->state)->exchange);
    if (c->out.first)
        state_finish(c); /* with the answers before it */
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
        dispatch_end_kept(http->connection);
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

/* ---- who answers ---- */

static outcome answer_at_once(hub_http *http, int status, const char *text, const char *extra)
{
    http_refuse(http, status, text, extra);
    end_exchange(http);
    return ANSWERED;
}

static outcome refuse_method(hub_http *http)
{
    char field[ROUTING_ALLOW_ROOM + 16];
    routing_allow(http->head.path, field);
    return answer_at_once(http, 405, "the resource does not take this method", field);
}

/* OPTIONS where no route takes it (RFC 9110, 9.3.7). */
static outcome answer_options(hub_http *http)
{
    char field[ROUTING_ALLOW_ROOM + 16];
    routing_allow(http->head.path, field);
    if (buffer_append_text(&http->fields_out, field) != HUB_OK)
        return answer_at_once(http, 503, "the server is busy", "Retry-After: 1\r\n");
    hub_http_reply(http, 204, NULL, hub_bytes_of(NULL, 0));
    end_exchange(http);
    return ANSWERED;
}

static outcome try_upgrade(hub_http *http, connection *c)
{
    bool counted = !http->upgrades;
    http_opened->upgrade(http);
    bool upgraded = c->protocol != &http_protocol;
    if (!upgraded && http->give)
        return HANDED;
    if (!counted)
        row_count(&connections_row()->requests, 1);
    if (upgraded)
        return UPGRADED;
    end_exchange(http);
    return ANSWERED;
}

outcome dispatch_request(connection *c, hub_http *http)
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
        if (router_find(http_opened->router, ROUTE_WS, hub_text("GET"), head->path, &http->match) !=
            ROUTER_FOUND)
            return answer_at_once(http, 404, "there is nothing here", NULL);
        if (!is_get)
            return is_options ? answer_options(http) : refuse_method(http);
        return try_upgrade(http, c); /* which says what is missing */
    }
    http->route = http->match.value;
    return http->route->handler ? run_handler(http, http->route) : serve(http, http->route);
}
