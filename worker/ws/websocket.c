/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/websocket.h"

#include "common/log.h"
#include "worker/http/percent.h"
#include "worker/http/server.h"
#include "worker/hub/greenlet.h"
#include "worker/net/input.h"
#include "worker/rooms/fanout.h"
#include "worker/rooms/room.h"
#include "worker/ws/close.h"
#include "worker/ws/frame.h"
#include "worker/ws/handshake.h"
#include "worker/ws/message.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    RETRY_KIND = 1,        /* of wheel timers; connections have 0 */
    QUEUE_MIN = 64 * 1024, /* bytes of messages that may wait for a parked handler, at least */
    BATCH = 64,            /* messages taken from the queue before others get their turn */
};

/* A message that waits for its handler. */
typedef struct waiting {
    struct waiting *next;
    hub_type type;
    size_t length;
    unsigned char bytes[];
} waiting;

struct hub_ws {
    session session;        /* its first member: what rooms deliver to */
    connection *connection; /* NULL: gone */
    const ws_route *route;
    message_parser parser;
    greenlet *greenlet; /* that runs its handler; NULL: none */
    waiting *queue;     /* the newest; its `next` is the oldest */
    size_t queued;      /* bytes in the queue */

    /* The message lent to the handler. In memory of its own, or in a held read buffer, or where it was read
     * while the hub waits in the reading callback for the handler to park. */
    hub_message current;
    void *current_memory;
    input_block *current_block;

    char *path;                                  /* for parameters; NULL when the route has none */
    uint16_t close_code;                         /* 0: not closing; else what the close handler is told */
    uint16_t subprotocol_at, subprotocol_length; /* in the route's list */
    bool lent : 1;                               /* `current` is with the handler */
    bool receiving : 1;                          /* the loop is parked in hub_ws_recv */
    bool close_sent : 1, close_received : 1;
    bool pinged : 1; /* a ping is out since the client was last heard */
    bool draining : 1;
    bool opened : 1;    /* the open handler was called, so the close handler will be */
    bool close_due : 1; /* the close handler is still to be called */
    bool slow : 1;      /* the timer looks at how long its queue has been over the soft limit */
    char *close_reason;
    hub_ws *next_waiting;              /* for a greenlet for the close handler */
    _Alignas(16) unsigned char data[]; /* the application's */
};

static const ws_server *server;
static const protocol ws_protocol;
static const session_kind ws_session;

/* Clients that are gone and whose close handlers wait for a greenlet. */
static struct {
    hub_ws *first;
    wheel_timer retry;
} waiting_closes = {.retry.kind = RETRY_KIND};
static const double retry_seconds = 0.25;

static void count(_Atomic uint64_t *word)
{
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* ---- life ---- */

/* Gives back what `current` lies in. */
static void release_current(hub_ws *ws)
{
    ws->lent = false;
    free(ws->current_memory);
    input_drop(ws->current_block);
    ws->current_memory = NULL;
    ws->current_block = NULL;
}

/* Neither connection nor handler is left. */
static void ws_free(hub_ws *ws)
{
    release_current(ws);
    while (ws->queue) {
        waiting *oldest = ws->queue->next;
        if (oldest == ws->queue)
            ws->queue = NULL;
        else
            ws->queue->next = oldest->next;
        free(oldest);
    }
    free(ws->path);
    free(ws->close_reason);
    free(ws);
}

/* ---- sending ---- */

static void send_control_frame(hub_ws *ws, frame_opcode opcode, hub_bytes body)
{
    unsigned char frame[FRAME_HEADER_MAX + FRAME_CONTROL_MAX];
    size_t header = frame_header(frame, opcode, true, 0, body.length);
    if (body.length)
        memcpy(frame + header, body.data, body.length);
    connection_write(ws->connection, hub_bytes_of(frame, header + body.length));
}

/* The first close frame decides what the close handler is told. */
static void remember_close(hub_ws *ws, uint16_t code, hub_bytes reason)
{
    if (ws->close_code)
        return;
    ws->close_code = code;
    if (reason.length && ws->route->on_close && (ws->close_reason = malloc(reason.length + 1))) {
        memcpy(ws->close_reason, reason.data, reason.length);
        ws->close_reason[reason.length] = '\0';
    }
}

/* RFC 6455, 5.5.1. 1005 stands for a frame without a code, 1006 for no frame at all. */
static void send_close(hub_ws *ws, uint16_t code, hub_bytes reason)
{
    if (ws->close_sent || !ws->connection || ws->connection->closed)
        return;
    unsigned char body[FRAME_CONTROL_MAX];
    size_t length = 0;
    if (code != CLOSE_NO_STATUS) {
        body[0] = (unsigned char)(code >> 8);
        body[1] = (unsigned char)code;
        memcpy(body + 2, reason.data ? reason.data : "", reason.length);
        length = 2 + reason.length;
    }
    ws->close_sent = true;
    remember_close(ws, code, reason);
    send_control_frame(ws, FRAME_CLOSE, hub_bytes_of(body, length));
    connection_time(ws->connection, server->close_timeout);
}

/* Wakes a loop that waits for messages which will not come. */
static void end_receiving(hub_ws *ws)
{
    if (ws->receiving)
        greenlet_wake(ws->greenlet, HUB_ECLOSED);
}

/* Closes without waiting for the peer: it broke the protocol, or does not read (7.1.7). */
static void fail(hub_ws *ws, uint16_t code, hub_bytes reason)
{
    send_close(ws, code, reason);
    connection_finish(ws->connection);
    end_receiving(ws);
}

/* How long the queue may stay over its soft limit must not wait for the time of a ping. Under policy skip
 * there is nothing to do then. */
static void time_queue(hub_ws *ws)
{
    connection *c = ws->connection;
    if (!c->over_since || ws->slow || ws->close_sent || ws->draining ||
        ws->route->limits.policy == HUB_POLICY_SKIP)
        return;
    ws->slow = true;
    connection_time(c, ws->route->limits.time);
}

hub_status hub_ws_send(hub_ws *ws, hub_type type, hub_bytes body)
{
    unsigned char header[FRAME_HEADER_MAX];
    size_t length = frame_header(header, (frame_opcode)type, true, 0, body.length);
    for (;;) {
        connection *c = ws->connection;
        if (!c || ws->close_sent)
            return HUB_ECLOSED;
        hub_status status = connection_send(c, hub_bytes_of(header, length), body);
        if (status == HUB_OK) {
            count(&connections_row()->messages_out);
            time_queue(ws);
        }
        if (status != HUB_EAGAIN)
            return status;
        status = connection_wait_writable(c, HUB_FOREVER);
        if (status == HUB_ESTATE)
            return HUB_EFULL; /* nothing can be parked here */
        if (status != HUB_OK)
            return status;
    }
}

hub_status hub_ws_close(hub_ws *ws, uint16_t code, const char *reason)
{
    hub_bytes text = hub_text(reason);
    if (!close_code_valid(code) || text.length > CLOSE_REASON_MAX)
        return HUB_EINVAL;
    if (!ws->connection || ws->connection->closed || ws->close_sent)
        return HUB_ECLOSED;
    send_close(ws, code, text);
    end_receiving(ws);
    return HUB_OK;
}

static void deliver(session *s, const delivery *what)
{
    hub_ws *ws = (hub_ws *)s;
    if (what->record->message.kind != RECORD_WS_FRAME || ws->close_sent || !ws->connection)
        return;
    if (connection_send_shared(ws->connection, what->body) != HUB_OK)
        return;
    count(&connections_row()->messages_out);
    time_queue(ws);
}

/* ---- the queue of messages for a parked handler ---- */

static size_t queue_limit(const hub_ws *ws)
{
    return ws->route->max_message > QUEUE_MIN ? ws->route->max_message : QUEUE_MIN;
}

static bool queue_push(hub_ws *ws, hub_type type, hub_bytes body)
{
    waiting *message = malloc(sizeof *message + body.length);
    if (!message)
        return false;
    message->type = type;
    message->length = body.length;
    if (body.length)
        memcpy(message->bytes, body.data, body.length);
    if (ws->queue) {
        message->next = ws->queue->next;
        ws->queue->next = message;
    } else {
        message->next = message;
    }
    ws->queue = message;
    ws->queued += sizeof *message + body.length;
    if (ws->queued > queue_limit(ws))
        connection_pause(ws->connection, true);
    return true;
}

/* Takes out the oldest. */
static waiting *queue_take(hub_ws *ws)
{
    waiting *oldest = ws->queue->next;
    if (oldest == ws->queue)
        ws->queue = NULL;
    else
        ws->queue->next = oldest->next;
    ws->queued -= sizeof *oldest + oldest->length;
    if (ws->connection && ws->queued <= queue_limit(ws) / 2)
        connection_pause(ws->connection, false);
    return oldest;
}

/* Nobody will want what waits; the client is read on, up to its close frame. */
static void queue_drop(hub_ws *ws)
{
    while (ws->queue)
        free(queue_take(ws));
}

/* The oldest becomes `current`. */
static void queue_pop(hub_ws *ws)
{
    waiting *oldest = queue_take(ws);
    ws->current = (hub_message){oldest->type, hub_bytes_of(oldest->bytes, oldest->length)};
    ws->current_memory = oldest;
    ws->lent = true;
}

/* ---- handlers ---- */

/* A handler has ended. */
static void handler_done(hub_ws *ws)
{
    ws->greenlet = NULL;
    if (!ws->connection)
        ws_free(ws);
}

/* The handler wants no more of this client. */
static void close_after(hub_ws *ws, hub_status status)
{
    queue_drop(ws);
    if (status != HUB_OK && status != HUB_ECLOSED)
        log_error("%s: handler failed: %s", ws->route->name, hub_status_text(status));
    bool failed = status != HUB_OK && status != HUB_ECLOSED;
    send_close(ws, failed ? CLOSE_INTERNAL : CLOSE_NORMAL, hub_text(NULL));
}

static void loop_main(void *arg)
{
    hub_ws *ws = arg;
    ws->greenlet = greenlet_current();
    hub_status status = ws->route->handler(ws, ws->route->arg);
    release_current(ws);
    close_after(ws, status);
    handler_done(ws);
}

/* The next event of a client, in order. False: none waits. */
static bool run_event(hub_ws *ws)
{
    const ws_route *to = ws->route;
    if (!ws->opened) {
        ws->opened = true;
        hub_status status = to->on_open ? to->on_open(ws, to->arg) : HUB_OK;
        if (status != HUB_OK)
            close_after(ws, status);
        return true;
    }
    if (ws->lent || ws->queue) {
        if (!ws->lent)
            queue_pop(ws);
        hub_status status = to->on_message ? to->on_message(ws, &ws->current, to->arg) : HUB_OK;
        release_current(ws);
        if (status != HUB_OK)
            close_after(ws, status);
        return true;
    }
    if (ws->close_due) {
        ws->close_due = false;
        uint16_t code = ws->close_code ? ws->close_code : CLOSE_ABNORMAL;
        if (to->on_close)
            to->on_close(ws, code, hub_text(ws->close_reason), to->arg);
        return true;
    }
    return false;
}

static void events_main(void *arg)
{
    hub_ws *ws = arg;
    ws->greenlet = greenlet_current();
    for (unsigned batch = 1; run_event(ws); batch++)
        if (batch % BATCH == 0)
            hub_yield();
    handler_done(ws);
}

/* Starts the greenlet of a client's handlers; it runs at once, in hub context. */
static hub_status try_handler(hub_ws *ws)
{
    hub_status status;
    greenlet_start(NULL, ws->route->name, ws->route->handler ? loop_main : events_main, ws, &status);
    return status;
}

/* The same for a client that is there: it is sent away when there is no greenlet. */
static void start_handler(hub_ws *ws)
{
    hub_status status = try_handler(ws);
    if (status == HUB_OK)
        return;
    log_warning("%s: no greenlet for a client: %s; see --max-greenlets", ws->route->name,
                hub_status_text(status));
    fail(ws, CLOSE_TRY_LATER, hub_text("the server is busy"));
}

/* The last handlers of a client that is gone; they must run, however long it takes to get a greenlet. */
static void start_last_handlers(hub_ws *ws)
{
    if (try_handler(ws) == HUB_OK)
        return;
    ws->next_waiting = waiting_closes.first;
    waiting_closes.first = ws;
    wheel_arm(&waiting_closes.retry, retry_seconds);
}

static void on_retry(wheel_timer *timer)
{
    (void)timer;
    hub_ws *list = waiting_closes.first;
    waiting_closes.first = NULL;
    while (list) {
        hub_ws *ws = list;
        list = ws->next_waiting;
        start_last_handlers(ws);
    }
}

/*
 * The message lies in `current` and is lent for as long as the handler does not park. When it did, and still
 * has it, the bytes stay where they are: the read buffer is held, or the parser's memory taken over.
 */
static void lend(hub_ws *ws, const message_event *event)
{
    ws->current = (hub_message){event->type, event->bytes};
    ws->lent = true;
    if (ws->route->handler) {
        ws->receiving = false;
        greenlet_resume(ws->greenlet, HUB_OK);
    } else {
        start_handler(ws);
    }
    if (!ws->lent || ws->current_memory)
        return; /* given back; or it has gone on to a message of the queue */
    if (!ws->greenlet)
        release_current(ws); /* the handler could not be started */
    else if (event->borrowed)
        ws->current_block = input_hold((const unsigned char *)event->bytes.data + event->bytes.length);
    else
        ws->current_memory = message_take(&ws->parser);
}

hub_status hub_ws_recv(hub_ws *ws, hub_message *message, double timeout)
{
    if (!ws->route->handler || ws->greenlet != greenlet_current())
        return HUB_ESTATE;
    release_current(ws);
    if (!ws->queue) {
        if (!ws->connection || ws->close_sent || ws->close_received || ws->connection->closed)
            return HUB_ECLOSED;
        ws->receiving = true;
        hub_status status = greenlet_park("a message", timeout);
        ws->receiving = false;
        if (status != HUB_OK)
            return status;
    } else {
        static unsigned taken;
        if (++taken % BATCH == 0)
            hub_yield(); /* a client that always has a next message must not keep the others waiting */
        queue_pop(ws);
    }
    *message = ws->current;
    return HUB_OK;
}

/* ---- receiving ---- */

static void on_message(hub_ws *ws, const message_event *event)
{
    count(&connections_row()->messages_in);
    if (ws->close_sent)
        return; /* the application has said that it is done (7.1.3) */
    /* A loop whose wait has just timed out is not parked any more, though it has not run yet. */
    bool free_to_run = ws->route->handler ? ws->receiving && greenlet_is_parked(ws->greenlet) : !ws->greenlet;
    if (free_to_run && !ws->queue)
        lend(ws, event);
    else if (!queue_push(ws, event->type, event->bytes))
        fail(ws, CLOSE_INTERNAL, hub_text("no memory"));
}

static void on_close_frame(hub_ws *ws, const message_event *event)
{
    ws->close_received = true;
    remember_close(ws, event->code, event->bytes);
    send_close(ws, event->code, hub_text(NULL)); /* echoes the code (5.5.1), unless ours went out before */
    connection_finish(ws->connection);           /* the server ends the TCP connection first (7.1.1) */
    end_receiving(ws);
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
            send_control_frame(ws, FRAME_PONG, event->bytes);
        break;
    case MESSAGE_PONG:
        break; /* that it was heard from is noted with every read */
    case MESSAGE_CLOSE:
        on_close_frame(ws, event);
        break;
    case MESSAGE_ERROR:
        fail(ws, event->code, event->bytes);
        break;
    }
    return !ws->connection->closed && !ws->connection->finishing;
}

static void on_bytes(connection *c, unsigned char *data, size_t length)
{
    hub_ws *ws = c->state;
    ws->pinged = false;
    size_t size;
    if (ws->parser.assembly && data == message_room(&ws->parser, &size)) {
        message_event event = message_filled(&ws->parser, length);
        on_event(ws, &event);
        return;
    }
    for (size_t used = 0, consumed = 0;; used += consumed) {
        message_event event = message_next(&ws->parser, data + used, length - used, &consumed);
        if (!on_event(ws, &event))
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
    fail(ws, CLOSE_TRY_LATER, hub_text("the client reads too slowly"));
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
    count(&connections_row()->closed_slow);
    on_overflow(c);
}

static void on_silence(hub_ws *ws)
{
    connection *c = ws->connection;
    double silent = wheel_since(c->last_seen), interval = server->ping_interval;
    if (interval <= 0)
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
        connection_time(c, server->ping_timeout);
    }
}

static void on_timer(connection *c)
{
    hub_ws *ws = c->state;
    ws->slow = c->over_since && ws->route->limits.policy != HUB_POLICY_SKIP;
    if (ws->close_sent) {
        connection_close(c); /* the peer did not answer our close frame */
    } else if (ws->draining) {
        send_close(ws, CLOSE_GOING_AWAY, hub_text("the server is restarting"));
        end_receiving(ws);
    } else if (ws->slow) {
        on_slow(ws);
    } else {
        on_silence(ws);
    }
}

static void on_drain(connection *c)
{
    hub_ws *ws = c->state;
    if (ws->draining || ws->close_sent)
        return;
    ws->draining = true;
    connection_time(c, server->drain_time * ((double)random() / (double)RAND_MAX));
}

static void on_gone(connection *c)
{
    hub_ws *ws = c->state;
    ws->connection = NULL;
    message_close(&ws->parser);
    room_leave_all(&ws->session);
    session_close(&ws->session);
    end_receiving(ws);
    ws->close_due = ws->opened && ws->route->on_close;
    if (ws->greenlet)
        return; /* its handler frees it */
    if (ws->close_due || ws->queue)
        start_last_handlers(ws);
    else
        ws_free(ws);
}

static const protocol ws_protocol = {
    .name = "websocket",
    .on_bytes = on_bytes,
    .room = room_to_read,
    .on_end = on_end,
    .on_timer = on_timer,
    .on_overflow = on_overflow,
    .on_drain = on_drain,
    .on_gone = on_gone,
};

static const session_kind ws_session = {.name = "websocket", .deliver = deliver};

/* ---- opening ---- */

void ws_open(const ws_server *opened)
{
    server = opened;
    wheel_handle(RETRY_KIND, on_retry);
}

static hub_ws *ws_new(const hub_http *http, const ws_route *to, hub_bytes subprotocol)
{
    hub_ws *ws = calloc(1, sizeof *ws + server->session_size);
    if (!ws)
        return NULL;
    ws->route = to;
    message_open(&ws->parser, to->max_message);
    if (subprotocol.length) {
        ws->subprotocol_at = (uint16_t)((const char *)subprotocol.data - to->subprotocols);
        ws->subprotocol_length = (uint16_t)subprotocol.length;
    }
    hub_bytes path = http->head.path;
    if (to->has_parameters && !(ws->path = strndup(path.data, path.length))) {
        free(ws);
        return NULL;
    }
    return ws;
}

static hub_status answer_head(buffer *head, hub_bytes key, hub_bytes fields, hub_bytes subprotocol)
{
    char accept[HANDSHAKE_ACCEPT_LENGTH + 1];
    handshake_accept_key(key, accept);
    hub_status status = buffer_printf(head,
                                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                      "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
                                      accept);
    if (status == HUB_OK && subprotocol.length)
        status = buffer_printf(head, "Sec-WebSocket-Protocol: %.*s\r\n", (int)subprotocol.length,
                               (const char *)subprotocol.data);
    if (status == HUB_OK)
        status = buffer_append(head, fields.data, fields.length);
    return status == HUB_OK ? buffer_append(head, "\r\n", 2) : status;
}

static void open_client(hub_http *http, const ws_route *to, hub_bytes key)
{
    buffer head = {0};
    hub_bytes subprotocol = {0};
    if (to->subprotocols)
        subprotocol = handshake_subprotocol(&http->head, hub_text(to->subprotocols));
    hub_ws *ws = ws_new(http, to, subprotocol);
    if (!ws || session_open(&ws->session, &ws_session) != HUB_OK) {
        http_refuse(http, 503, "the server is full", "Retry-After: 1\r\n");
        goto failed;
    }
    if (answer_head(&head, key, buffer_bytes(&http->fields_out), subprotocol) != HUB_OK) {
        http_refuse(http, 503, "the server has no memory", NULL);
        goto failed;
    }
    ws->connection = http_upgraded(http, buffer_bytes(&head), &ws_protocol, &to->limits, ws);
    buffer_free(&head);
    if (!ws->connection)
        goto failed;
    if (server->ping_interval > 0)
        connection_time(ws->connection, server->ping_interval);
    if (to->handler || to->on_open)
        start_handler(ws);
    else
        ws->opened = true;
    return;
failed:
    buffer_free(&head);
    if (ws) {
        session_close(&ws->session);
        ws_free(ws);
    }
}

void ws_upgrade(hub_http *http)
{
    const ws_route *to = http->match.value;
    const http_head *head = &http->head;
    handshake_verdict verdict = handshake_check(head);
    if (verdict.status) {
        const char *extra = verdict.status == 426
                                ? "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            : verdict.status == 405 ? "Allow: GET\r\n"
                                                    : NULL;
        http_refuse(http, verdict.status, verdict.reason, extra);
    } else if (!handshake_origin_allowed(head, hub_text(to->origins))) {
        http_refuse(http, 403, "this origin may not connect; see --ws-origins", NULL);
    } else {
        open_client(http, to, verdict.key);
    }
}

/* ---- what applications ask ---- */

hub_id hub_ws_id(const hub_ws *ws)
{
    return ws->session.id;
}

void *hub_ws_session(const hub_ws *ws)
{
    return server->session_size ? (void *)ws->data : NULL;
}

hub_bytes hub_ws_subprotocol(const hub_ws *ws)
{
    if (!ws->subprotocol_length)
        return hub_bytes_of(NULL, 0);
    return hub_bytes_of(ws->route->subprotocols + ws->subprotocol_at, ws->subprotocol_length);
}

hub_bytes hub_ws_param(const hub_ws *ws, const char *name)
{
    static char
        decoded[8192]; /* lent until the handler parks: one at a time is enough, and it is nobody's state */
    router_match match;
    size_t length;
    if (!ws->path ||
        router_find(server->router, ROUTE_WS, hub_text("GET"), hub_text(ws->path), &match) != ROUTER_FOUND)
        return hub_bytes_of(NULL, 0);
    hub_bytes raw = router_parameter(&match, name);
    if (!raw.data || raw.length > sizeof decoded || percent_decode(raw, decoded, &length) == PERCENT_BAD)
        return hub_bytes_of(NULL, 0);
    return hub_bytes_of(decoded, length);
}

hub_status hub_join_bytes(hub_ws *ws, hub_bytes name)
{
    return session_is_open(&ws->session) ? fanout_join(&ws->session, hub_text(""), name) : HUB_ECLOSED;
}

hub_status hub_leave_bytes(hub_ws *ws, hub_bytes name)
{
    if (!session_is_open(&ws->session))
        return HUB_ECLOSED;
    if (name.length == 0)
        return HUB_EINVAL;
    room_leave(&ws->session, hub_text(""), name);
    return HUB_OK;
}

hub_status hub_join(hub_ws *ws, const char *name)
{
    return hub_join_bytes(ws, hub_text(name));
}

hub_status hub_leave(hub_ws *ws, const char *name)
{
    return hub_leave_bytes(ws, hub_text(name));
}
