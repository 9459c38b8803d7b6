/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmark measures of Socket.IO, the same as its peers do: a client joins the rooms that its
 * request names, `rooms=a,b`; "message" comes back to it, "tell" goes to the room "bench".
 */
#include "bench/socketio.h"

#include <string.h>

static hub_status enter(hub_client *client, hub_value auth, void *arg)
{
    hub_bytes rooms = hub_client_query(client, "rooms");
    const char *name = rooms.data;
    size_t left = rooms.length;

    (void)auth;
    (void)arg;
    while (left > 0) {
        const char *comma = memchr(name, ',', left);
        size_t length = comma ? (size_t)(comma - name) : left;
        hub_status status = length > 0 ? hub_client_join(client, hub_bytes_of(name, length)) : HUB_OK;
        if (status != HUB_OK)
            return status;
        left -= length + (comma ? 1 : 0);
        name += length + (comma ? 1 : 0);
    }
    return HUB_OK;
}

static hub_status echo(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)ack;
    (void)arg;
    return hub_reply(client, "message", "V", args);
}

static hub_status tell(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)client;
    (void)ack;
    (void)arg;
    return hub_emit(hub_to_room("bench"), "message", "V", args);
}

hub_status socketio_setup(hub_app *app)
{
    hub_status status = hub_on_connect(app, "/", enter, NULL);

    if (status == HUB_OK)
        status = hub_on(app, "/", "message", echo, NULL);
    return status == HUB_OK ? hub_on(app, "/", "tell", tell, NULL) : status;
}
