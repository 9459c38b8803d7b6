/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/client.h"

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
        memcpy(body + 2, reason.data ? reason.data : "", reason.length);
        length = 2 + reason.length;
    }
    ws->close_sent = true;
    send_remember_close(ws, code, reason);
    send_control_frame(ws, FRAME_CLOSE, hub_bytes_of(body, length));
    connection_time(ws->connection, client_server->close_timeout);
}

/* Closes without waiting for the peer: it broke the protocol, or does not read (7.1.7). */
void send_failure(hub_ws *ws, uint16_t code, hub_bytes reason)
{
    send_close(ws, code, reason);
    connection_finish(ws->connection);
    handler_end_receiving(ws);
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
            client_count(&connections_row()->messages_out);
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
    handler_end_receiving(ws);
    return HUB_OK;
}

void send_delivery(session *s, const delivery *what)
{
    hub_ws *ws = (hub_ws *)s;
    if (what->record->message.kind != RECORD_WS_FRAME || ws->close_sent || !ws->connection)
        return;
    if (connection_send_shared(ws->connection, what->body) != HUB_OK)
        return;
    client_count(&connections_row()->messages_out);
    time_queue(ws);
}
