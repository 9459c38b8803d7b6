/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/websocket.h"

#include "common/clock.h"
#include "worker/http/server.h"
#include "worker/rooms/room.h"
#include "worker/ws/client.h"
#include "worker/ws/close.h"
#include "worker/ws/handshake.h"

#include <stdlib.h>

const ws_server *client_server;
const message_event *client_event;

/* ---- life ---- */

/* Gives back what `current` lies in. */
void client_release(hub_ws *ws)
{
    ws->lent = false;
    free(ws->current_memory);
    if (ws->current_chunk)
        chunk_drop(ws->current_chunk);
    input_drop(ws->current_block);
    ws->current_memory = NULL;
    ws->current_chunk = NULL;
    ws->current_block = NULL;
}

/* All is said: on_kick, later in this turn, when nobody up the stack holds the client any more. */
void client_end(hub_ws *ws)
{
    connection_finish(ws->connection);
    connection_kick(ws->connection);
    handler_end_receiving(ws);
}

bool client_take_large(hub_ws *ws, const message_event *event, chunk **out)
{
    *out = NULL;
    if (event->borrowed || event->bytes.length < CLIENT_LARGE)
        return true;
    *out = chunk_new_memory(message_take(&ws->parser), event->bytes.length);
    return *out != NULL;
}

/* Neither connection nor handler is left. */
void client_free(hub_ws *ws)
{
    deflate_context_free(ws->parser.deflate);
    free(ws->pong);
    if (!ws->route->user) {
        client_release(ws);
        inbox_drop(ws);
        free(ws->path);
        free(ws->close_reason);
    }
    free(ws);
}

/* ---- receiving ---- */

static void on_message(hub_ws *ws, const message_event *event)
{
    row_count(&connections_row()->messages_in, 1);
    if (ws->close_sent)
        return; /* the application has said that it is done (7.1.3) */
    if (ws->route->user) {
        client_event = event;
        ws->route->user->on_message(ws, event->type, event->bytes);
        return;
    }
    bool kept = handler_is_free(ws) && !ws->inbox ? handler_lend(ws, event) : inbox_push(ws, event);
    if (!kept)
        send_failure(ws, CLOSE_INTERNAL, hub_text("no memory"));
}

static void on_close_frame(hub_ws *ws, const message_event *event)
{
    ws->close_received = true;
    send_remember_close(ws, event->code, event->bytes);
    send_close(ws, event->code, hub_text(NULL)); /* echoes the code (5.5.1), unless ours went out before */
    client_end(ws);
}

/* One event of the parser. False: the connection takes no more. */
static bool on_event(hub_ws *ws, const message_event *event)
{
    switch (event->kind) {
    case MESSAGE_MORE:
        return false;
    case MESSAGE_DATA:
        on_message(ws, event);
        break;
    case MESSAGE_PING:
        if (!ws->close_sent)
            send_pong(ws, event->bytes);
        break;
    case MESSAGE_PONG:
        break; /* that it was heard from is noted with every read */
    case MESSAGE_CLOSE:
        on_close_frame(ws, event);
        break;
    case MESSAGE_ERROR:
        send_failure(ws, event->code, event->bytes);
        break;
    }
    return !ws->connection->closed && !ws->connection->finishing;
}

/*
 * What one client may have done in one turn: so many messages and control frames, and of fragments, which
 * make neither, as much as fits into a time that is looked at after each piece.
 */
enum { EVENTS_A_TURN = 64, FRAGMENTS_PIECE = 4096 };
static const uint64_t fragments_turn_ns = UINT64_C(30) * 1000;

/* A floor above wants no further message now; one with handlers keeps what is there already. */
static bool is_paused(const hub_ws *ws)
{
    return ws->route->user && ws->connection->paused_protocol;
}

static void on_bytes(connection *c, unsigned char *data, size_t length)
{
    hub_ws *ws = c->state;
    unsigned events = 0;
    uint64_t begun = 0;
    ws->pinged = false;
    size_t size;
    if (ws->parser.assembly && data == message_room(&ws->parser, &size)) {
        message_event event = message_filled(&ws->parser, length);
        on_event(ws, &event);
        message_next(&ws->parser, data, 0, &size); /* an idle client keeps nothing of what it sent */
        return;
    }
    for (size_t used = 0, consumed = 0;; used += consumed) {
        size_t piece = length - used;
        if (ws->parser.assembly && piece > FRAGMENTS_PIECE) { /* what is unfinished is copied in any case */
            begun = begun ? begun : clock_monotonic_ns();
            piece = FRAGMENTS_PIECE;
        }
        message_event event = message_next(&ws->parser, data + used, piece, &consumed);
        size_t left = length - used - consumed;
        bool goes_on = on_event(ws, &event);
        if (event.kind == MESSAGE_MORE && left) {
            if (clock_monotonic_ns() - begun < fragments_turn_ns)
                continue;
        } else if (!goes_on) {
            break;
        } else if (!left || (++events < EVENTS_A_TURN && !is_paused(ws))) {
            continue;
        }
        connection_defer(c, data + used + consumed, left);
        break;
    }
}

static void *room_to_read(connection *c, size_t *size)
{
    hub_ws *ws = c->state;
    return ws->parser.assembly ? message_room(&ws->parser, size) : NULL;
}

static void on_end(connection *c)
{
    connection_close(c); /* without a close frame: 1006 */
}

static void on_overflow(connection *c)
{
    hub_ws *ws = c->state;
    if (c->wrote)            /* else the answer to its handshake waits among it */
        output_cut(&c->out); /* what it does not read would only delay the close frame */
    send_failure(ws, CLOSE_TRY_LATER, hub_text("the client reads too slowly"));
}

/* ---- time ---- */

/* The queue's limit of time. */
static void on_slow(hub_ws *ws)
{
    connection *c = ws->connection;
    double over = wheel_since(c->over_since), limit = ws->route->limits.time;
    if (over <= limit) {
        connection_time(c, limit - over);
        return;
    }
    row_count(&connections_row()->closed_slow, 1);
    on_overflow(c);
}

static void on_silence(hub_ws *ws)
{
    connection *c = ws->connection;
    double silent = wheel_since(c->last_seen), interval = client_server->ping_interval;
    if (interval <= 0 || ws->route->user)
        return;
    if (c->paused_output || c->paused_protocol) {
        connection_time(c, interval); /* it is not read, so its silence says nothing */
    } else if (silent < interval) {
        connection_time(c, interval - silent);
    } else if (ws->pinged) {
        connection_close(c);
    } else {
        ws->pinged = true;
        send_control_frame(ws, FRAME_PING, hub_text(NULL));
        connection_time(c, client_server->ping_timeout);
    }
}

static void on_timer(connection *c)
{
    hub_ws *ws = c->state;
    ws->slow = c->over_since && ws->route->limits.policy != HUB_POLICY_SKIP;
    if (ws->close_sent) {
        connection_close(c); /* the peer did not answer our close frame */
    } else if (ws->draining) {
        send_farewell(ws);
        handler_end_receiving(ws);
    } else if (ws->slow) {
        on_slow(ws);
    } else {
        on_silence(ws);
    }
}

static void on_drain(connection *c)
{
    hub_ws *ws = c->state;
    bool at_once = client_server->drain_time <= 0;
    if (ws->route->user || ws->close_sent || (ws->draining && !at_once))
        return;
    ws->draining = true;
    if (at_once)
        on_timer(c);
    else
        connection_time(c, client_server->drain_time * ((double)random() / (double)RAND_MAX));
}

/* ---- the end ---- */

static void on_gone(connection *c)
{
    hub_ws *ws = c->state;
    ws->connection = NULL;
    message_close(&ws->parser);
    deflate_context_free(ws->parser.deflate); /* at once: its handler may take its time */
    ws->parser.deflate = NULL;
    if (ws->route->user) {
        ws->route->user->on_gone(ws, ws->close_code ? ws->close_code : CLOSE_ABNORMAL);
        client_free(ws);
        return;
    }
    room_leave_all(&ws->session);
    session_close(&ws->session);
    handler_end_receiving(ws);
    ws->close_due = ws->opened && ws->route->on_close;
    if (ws->greenlet)
        return; /* its handler frees it */
    if (ws->close_due || ws->inbox)
        handler_finish(ws);
    else
        client_free(ws);
}

static void end_in_time(connection *c)
{
    connection_close(c); /* its client does not take what is queued */
}

static void ignore(connection *c)
{
    (void)c;
}

/* A connection without a client. It is finishing, so that bytes and their end are not handed on. */
static const protocol ending_protocol = {
    .name = "websocket, ending",
    .on_timer = end_in_time,
    .on_drain = ignore,
    .on_gone = ignore,
};

/*
 * A client that was told all and heard out is gone, though it may keep its connection: who shares a room with
 * it must not wait for that. The time for the close frame goes on.
 */
static void on_kick(connection *c)
{
    if (c->finishing) {
        on_gone(c);
        connection_become(c, &ending_protocol, c->limits, NULL);
    } else if (!c->paused_output) { /* its queue is short again */
        hub_ws *ws = c->state;
        send_kept_pong(ws);
        if (ws->route->user && ws->route->user->on_writable)
            ws->route->user->on_writable(ws);
    }
}

static const protocol ws_protocol = {
    .name = "websocket",
    .on_bytes = on_bytes,
    .room = room_to_read,
    .on_end = on_end,
    .on_timer = on_timer,
    .on_overflow = on_overflow,
    .on_kick = on_kick,
    .on_drain = on_drain,
    .on_gone = on_gone,
};

static const session_kind ws_session = {.name = "websocket", .deliver = send_delivery, .plain = true};

/* ---- opening ---- */

void ws_open(const ws_server *opened)
{
    client_server = opened;
    handler_open();
}

/* What was agreed with a client. */
typedef struct opening {
    hub_bytes key, subprotocol;
    deflate_terms deflate;
    char extensions[EXTENSION_ANSWER_MAX];
} opening;

/* False without memory. */
static bool open_deflate(hub_ws *ws, const deflate_terms *terms)
{
    if (!terms->server_bits)
        return true;
    deflate_context *context = NULL;
    if ((terms->server_takeover || terms->client_takeover) && !(context = deflate_context_new(*terms)))
        return false;
    ws->deflate_bits = terms->server_bits & 0x0FU;
    message_deflate(&ws->parser, context);
    return true;
}

static hub_ws *ws_new(const hub_http *http, const ws_route *to, const opening *agreed)
{
    hub_bytes subprotocol = agreed->subprotocol;
    hub_ws *ws = calloc(1, to->user ? CLIENT_BARE : sizeof *ws + client_server->session_size);
    if (!ws)
        return NULL;
    ws->route = to;
    message_open(&ws->parser, to->max_message);
    if (subprotocol.length) {
        ws->subprotocol_at = (uint16_t)((const char *)subprotocol.data - to->subprotocols);
        ws->subprotocol_length = (uint16_t)subprotocol.length;
    }
    hub_bytes path = http->head.path;
    if ((to->has_parameters && !(ws->path = strndup(path.data, path.length))) ||
        !open_deflate(ws, &agreed->deflate)) {
        client_free(ws);
        return NULL;
    }
    return ws;
}

static hub_status answer_head(buffer *head, const opening *agreed, hub_bytes fields)
{
    char accept[HANDSHAKE_ACCEPT_LENGTH + 1];
    hub_bytes subprotocol = agreed->subprotocol;
    handshake_accept_key(agreed->key, accept);
    hub_status status = buffer_printf(head,
                                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                      "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
                                      accept);
    if (status == HUB_OK && subprotocol.length)
        status = buffer_printf(head, "Sec-WebSocket-Protocol: %.*s\r\n", (int)subprotocol.length,
                               (const char *)subprotocol.data);
    if (status == HUB_OK && agreed->deflate.server_bits)
        status = buffer_printf(head, "Sec-WebSocket-Extensions: %s\r\n", agreed->extensions);
    if (status == HUB_OK)
        status = buffer_append(head, fields.data, fields.length);
    return status == HUB_OK ? buffer_append(head, "\r\n", 2) : status;
}

/* The 101 answer and the exchange of protocols. False: the client was refused, or is gone. */
static bool become_client(hub_http *http, hub_ws *ws, const opening *agreed)
{
    buffer head = {0};
    if (answer_head(&head, agreed, buffer_bytes(&http->fields_out)) != HUB_OK)
        http_refuse(http, 503, "the server has no memory", NULL);
    else
        ws->connection = http_upgraded(http, buffer_bytes(&head), &ws_protocol, &ws->route->limits, ws);
    buffer_free(&head);
    return ws->connection != NULL;
}

static void open_for_user(hub_http *http, hub_ws *ws, const opening *agreed)
{
    const ws_user *user = ws->route->user;
    if (user->on_request(http, ws, ws->route->arg)) {
        if (become_client(http, ws, agreed)) {
            user->on_open(ws);
            return;
        }
        user->on_gone(ws, CLOSE_ABNORMAL);
    }
    client_free(ws);
}

static void open_client(hub_http *http, const ws_route *to, const opening *agreed)
{
    hub_ws *ws = ws_new(http, to, agreed);
    if (ws && to->user) {
        open_for_user(http, ws, agreed);
        return;
    }
    if (!ws || session_open(&ws->session, &ws_session) != HUB_OK) {
        http_refuse(http, 503, "the server is full", "Retry-After: 1\r\n");
        goto failed;
    }
    if (!become_client(http, ws, agreed))
        goto failed;
    if (client_server->ping_interval > 0)
        connection_time(ws->connection, client_server->ping_interval);
    if (to->handler || to->on_open)
        handler_start(ws);
    else
        ws->opened = true;
    return;
failed:
    if (ws) {
        session_close(&ws->session);
        client_free(ws);
    }
}

void ws_upgrade(hub_http *http)
{
    const ws_route *to = http->match.value;
    const http_head *head = &http->head;
    handshake_verdict verdict = handshake_check(head);
    opening agreed = {.key = verdict.key};
    if (verdict.status) {
        const char *extra = verdict.status == 426
                                ? "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            : verdict.status == 405 ? "Allow: GET\r\n"
                                                    : NULL;
        http_refuse(http, verdict.status, verdict.reason, extra);
    } else if (!to->user && !handshake_origin_allowed(head, hub_text(to->origins))) {
        http_refuse(http, 403, "this origin may not connect; see --ws-origins", NULL);
    } else if (extension_negotiate(head, client_server->deflate, &agreed.deflate, agreed.extensions) ==
               EXTENSION_MALFORMED) {
        http_refuse(http, 400, "Sec-WebSocket-Extensions is malformed", NULL);
    } else {
        if (to->subprotocols)
            agreed.subprotocol = handshake_subprotocol(head, hub_text(to->subprotocols));
        open_client(http, to, &agreed);
    }
}
