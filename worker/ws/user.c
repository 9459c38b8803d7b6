/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/user.h"

#include "worker/ws/client.h"

void ws_user_set_keeper(hub_ws *ws, void *keeper)
{
    ws->keeper = keeper;
}

void *ws_user_keeper(const hub_ws *ws)
{
    return ws->keeper;
}

static bool may_send(const hub_ws *ws)
{
    return ws->connection && !ws->close_sent;
}

hub_status ws_user_send(hub_ws *ws, hub_type type, hub_bytes front, hub_bytes body)
{
    return may_send(ws) ? send_message(ws, type, front, body) : HUB_ECLOSED;
}

hub_status ws_user_send_frames(hub_ws *ws, chunk *frames)
{
    return may_send(ws) ? send_frames(ws, frames, NULL, false) : HUB_ECLOSED;
}

hub_status ws_user_send_shared(hub_ws *ws, chunk *frames, chunk **deflated)
{
    return may_send(ws) ? send_frames(ws, frames, deflated, true) : HUB_ECLOSED;
}

hub_status ws_user_write(hub_ws *ws, hub_bytes frames)
{
    return may_send(ws) ? connection_write(ws->connection, frames) : HUB_ECLOSED;
}

hub_status ws_user_wait(hub_ws *ws, double timeout)
{
    return may_send(ws) ? connection_wait_writable(ws->connection, timeout) : HUB_ECLOSED;
}

bool ws_user_is_writable(const hub_ws *ws)
{
    const connection *c = ws->connection;
    return may_send(ws) && !c->closed && !c->finishing && !c->want_write && !c->paused_output;
}

void ws_user_hold(hub_ws *ws, input_block **block, void **memory)
{
    const message_event *event = client_event;
    *block = NULL;
    *memory = NULL;
    if (event->borrowed)
        *block = input_hold((const unsigned char *)event->bytes.data + event->bytes.length);
    else
        *memory = message_take(&ws->parser);
}

bool ws_user_is_read(const hub_ws *ws)
{
    return ws->connection && !connection_is_paused(ws->connection);
}

void ws_user_pause(hub_ws *ws, bool paused)
{
    if (ws->connection && !(paused && ws->close_sent))
        connection_pause(ws->connection, paused);
}

const char *ws_user_peer(const hub_ws *ws, char text[64])
{
    return ws->connection ? connection_peer(ws->connection, text) : strcpy(text, "?");
}

void ws_user_close(hub_ws *ws, uint16_t code, const char *reason)
{
    if (!ws->connection)
        return;
    send_close(ws, code, hub_text(reason));
    connection_pause(ws->connection, false);
}

void ws_user_close_draining(hub_ws *ws)
{
    if (!ws->connection)
        return;
    send_farewell(ws);
    connection_pause(ws->connection, false);
}

void ws_user_drop(hub_ws *ws)
{
    if (ws->connection)
        connection_close(ws->connection);
}
