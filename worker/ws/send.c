/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/client.h"

#include "common/buffer.h"
#include "worker/ws/close.h"

#include <stdlib.h>

void send_control_frame(hub_ws *ws, frame_opcode opcode, hub_bytes body)
{
    unsigned char frame[FRAME_HEADER_MAX + FRAME_CONTROL_MAX];
    size_t header = frame_header(frame, opcode, true, 0, body.length);
    if (body.length)
        memcpy(frame + header, body.data, body.length);
    connection_write(ws->connection, hub_bytes_of(frame, header + body.length));
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

/* The latest ping of a client that did not take its answers. */
void send_kept_pong(hub_ws *ws)
{
    unsigned char *kept = ws->pong;
    if (!kept)
        return;
    ws->pong = NULL;
    send_control_frame(ws, FRAME_PONG, hub_bytes_of(kept + 1, *kept));
    free(kept);
}

void send_pong(hub_ws *ws, hub_bytes body)
{
    if (!ws->connection->paused_output) {
        send_control_frame(ws, FRAME_PONG, body);
        time_queue(ws);
        return;
    }
    if (!ws->pong && !(ws->pong = malloc(1 + FRAME_CONTROL_MAX)))
        return; /* the next ping tries again */
    *ws->pong = (unsigned char)body.length;
    if (body.length)
        memcpy(ws->pong + 1, body.data, body.length);
}

/* The first close frame decides what the close handler is told. */
void send_remember_close(hub_ws *ws, uint16_t code, hub_bytes reason)
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
void send_close(hub_ws *ws, uint16_t code, hub_bytes reason)
{
    if (ws->close_sent || !ws->connection || ws->connection->closed)
        return;
    unsigned char body[FRAME_CONTROL_MAX];
    size_t length = 0;
    if (code != CLOSE_NO_STATUS) {
        body[0] = (unsigned char)(code >> 8);
        body[1] = (unsigned char)code;
        if (reason.length)
            memcpy(body + 2, reason.data, reason.length);
        length = 2 + reason.length;
    }
    send_kept_pong(ws);
    ws->close_sent = true;
    send_remember_close(ws, code, reason);
    send_control_frame(ws, FRAME_CLOSE, hub_bytes_of(body, length));
    connection_time(ws->connection, client_server->close_timeout);
}

void send_farewell(hub_ws *ws)
{
    if (client_server->restarting)
        send_close(ws, CLOSE_RESTART, hub_text("this worker is replaced: connect again"));
    else
        send_close(ws, CLOSE_GOING_AWAY, hub_text("the server is going away"));
}

/* Closes without waiting for the peer: it broke the protocol, or does not read (7.1.7). */
void send_failure(hub_ws *ws, uint16_t code, hub_bytes reason)
{
    send_close(ws, code, reason);
    client_end(ws);
}

/* The chunk that a body is, when it is the message lent to the client's handler, whole. */
static chunk *lent_chunk(const hub_ws *ws, hub_bytes body)
{
    chunk *whole = ws->route->user ? NULL : ws->current_chunk;
    return whole && body.data == chunk_data(whole) && body.length == whole->length ? whole : NULL;
}

/* Two runs as one, in a buffer of the worker. False without memory. */
static bool join(hub_bytes front, hub_bytes body, hub_bytes *out)
{
    enum { KEPT = 64 * 1024 };
    static buffer joined;
    if (front.length == 0) {
        *out = body;
        return true;
    }
    buffer_clear(&joined);
    if (joined.capacity > KEPT)
        buffer_free(&joined);
    if (buffer_reserve(&joined, front.length + body.length) != HUB_OK)
        return false;
    buffer_append(&joined, front.data, front.length);
    buffer_append(&joined, body.data, body.length);
    *out = buffer_bytes(&joined);
    return true;
}

static hub_status queue_deflated_message(hub_ws *ws, hub_type type, hub_bytes body)
{
    unsigned char header[FRAME_HEADER_MAX];
    size_t length = frame_header(header, (frame_opcode)type, true, FRAME_RSV1, body.length);
    hub_status status = connection_send(ws->connection, hub_bytes_of(header, length), body);
    if (status != HUB_OK)
        deflate_unsent(ws->parser.deflate);
    deflate_trim();
    return status;
}

/* Queues a message, deflated when that was agreed and makes it smaller. Errors: those of connection_send. */
static hub_status queue_message(hub_ws *ws, hub_type type, hub_bytes front, hub_bytes body)
{
    enum { FRONT_MAX = 16 };
    size_t whole_length = front.length + body.length;
    hub_bytes both, small;
    if (ws->deflate_bits && whole_length >= client_server->deflate_threshold && join(front, body, &both) &&
        deflate_message(ws->parser.deflate, ws->deflate_bits, both, &small))
        return queue_deflated_message(ws, type, small);
    unsigned char head[FRAME_HEADER_MAX + FRONT_MAX];
    size_t length = frame_header(head, (frame_opcode)type, true, 0, whole_length);
    if (front.length)
        memcpy(head + length, front.data, front.length);
    hub_bytes before = hub_bytes_of(head, length + front.length);
    chunk *whole = lent_chunk(ws, body);
    return whole ? connection_send_body(ws->connection, before, whole)
                 : connection_send(ws->connection, before, body);
}

/* After something was queued for a client. */
static hub_status sent(hub_ws *ws, hub_status status)
{
    if (status == HUB_OK) {
        row_count(&connections_row()->messages_out, 1);
        time_queue(ws);
    }
    return status;
}

hub_status send_message(hub_ws *ws, hub_type type, hub_bytes front, hub_bytes body)
{
    return sent(ws, queue_message(ws, type, front, body));
}

/*
 * A message that has to wait is deflated again when there is room: others may have been sent meanwhile, and a
 * window that is kept follows the order on the wire.
 */
hub_status hub_ws_send(hub_ws *ws, hub_type type, hub_bytes body)
{
    if (type != HUB_TEXT && type != HUB_BINARY)
        return HUB_EINVAL; /* any other number would be a control frame */
    for (;;) {
        connection *c = ws->connection;
        if (!c || ws->close_sent)
            return HUB_ECLOSED;
        hub_status status = send_message(ws, type, hub_text(NULL), body);
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
    handler_end_receiving(ws);
    return HUB_OK;
}

/*
 * The form of a broadcast for a client that takes deflated messages, with a reference for the caller. Clients
 * without takeover and with the largest window, nearly all, share one that is made once; the others need
 * their own.
 */
static chunk *form_for(const hub_ws *ws, chunk *frames, chunk **deflated)
{
    deflate_context *context = ws->parser.deflate;
    size_t threshold = client_server->deflate_threshold;
    bool shares =
        deflated && ws->deflate_bits == DEFLATE_BITS_MAX && !(context && context->terms.server_takeover);
    if (!shares)
        return deflate_frame(context, ws->deflate_bits, frames, threshold);
    if (!*deflated)
        *deflated = deflate_frame(NULL, DEFLATE_BITS_MAX, frames, threshold);
    return chunk_hold(*deflated);
}

static hub_status queue_frames(hub_ws *ws, chunk *frames, bool shared)
{
    return shared ? connection_send_shared(ws->connection, frames)
                  : connection_send_chunk(ws->connection, frames);
}

hub_status send_frames(hub_ws *ws, chunk *frames, chunk **deflated, bool shared)
{
    if (!ws->deflate_bits)
        return sent(ws, queue_frames(ws, frames, shared));
    chunk *form = form_for(ws, frames, deflated);
    hub_status status = queue_frames(ws, form, shared);
    if (status != HUB_OK)
        deflate_unsent(ws->parser.deflate);
    chunk_drop(form);
    return sent(ws, status);
}

/* Nothing waits for it that the socket has not taken. */
static bool takes_at_once(const connection *c)
{
    return !c->closed && !c->finishing && !c->want_write && !c->paused_output;
}

void send_delivery(session *s, const delivery *what)
{
    hub_ws *ws = (hub_ws *)((char *)s - offsetof(hub_ws, session));
    const bus_message *message = &what->record->message;
    if (message->kind != RECORD_WS_FRAME || ws->close_sent || !ws->connection)
        return;
    if ((message->flags & RECORD_VOLATILE) && !takes_at_once(ws->connection))
        row_count(&connections_row()->dropped, 1);
    else
        send_frames(ws, what->body, what->deflated, true);
}
