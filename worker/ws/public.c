/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/client.h"

#include "worker/http/percent.h"
#include "worker/rooms/room.h"

hub_id hub_ws_id(const hub_ws *ws)
{
    return ws->session.id;
}

void *hub_ws_session(const hub_ws *ws)
{
    return client_server->session_size ? (void *)ws->data : NULL;
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
    if (!ws->path || router_find(client_server->router, ROUTE_WS, hub_text("GET"), hub_text(ws->path),
                                 &match) != ROUTER_FOUND)
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
