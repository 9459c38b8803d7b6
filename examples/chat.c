/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chat whose rooms span all workers. A page emits "join" ROOM, and "say" ROOM WHAT, where no room means
 * everybody. It hears "hello" FROM, "said" FROM ROOM WHAT and "gone" FROM: the server itself tells who speaks
 * and from which worker. Names and presence are between the pages (public/chat).
 */
#include <hubbub.h>

static hub_status tell(hub_client *client, hub_to to, const char *event, hub_value what)
{
    hub_worker_info me = hub_worker();
    return hub_emit(to, event, "{s:t, s:i, s:i, s:i}, V", "id", hub_client_sid(client), "slot", me.slot,
                    "generation", me.generation, "workers", me.workers, what);
}

static hub_status enter(hub_client *client, hub_value auth, void *arg)
{
    return tell(client, hub_to_client(hub_client_id(client)), "hello", hub_value_of(hub_text("[]")));
}

static hub_status join(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    return hub_client_join(client, hub_value_text(hub_value_at(args, 0)));
}

static hub_status say(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    return tell(client, hub_to_room_bytes(hub_value_text(hub_value_at(args, 0))), "said", args);
}

static void leave(hub_client *client, const char *reason, void *arg)
{
    tell(client, hub_to_everyone(), "gone", hub_value_of(hub_text("[]")));
}

static hub_status setup(hub_app *app)
{
    hub_on_connect(app, "/", enter, NULL);
    hub_on_disconnect(app, "/", leave, NULL);
    hub_on(app, "/", "join", join, NULL);
    hub_on(app, "/", "say", say, NULL);
    return hub_static(app, "/", "public/chat");
}

HUB_MODULE(.name = "chat", .setup = setup);
