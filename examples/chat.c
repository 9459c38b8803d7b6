/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chat whose rooms span all workers. A client sends "ROOM" to join, "ROOM TEXT" to speak in a room and
 * " TEXT" to speak to everybody. What arrives is "SLOT GENERATION WORKERS ID ROOM TEXT": the server itself
 * writes who speaks and from which worker. Names and presence are between the pages (public/chat).
 */
#include <hubbub.h>
#include <stdio.h>

static hub_status say(hub_ws *ws, hub_to to, hub_bytes text)
{
    char line[4200]; /* the numbers, and a message of the largest size that the route takes */
    hub_worker_info me = hub_worker();
    int length = snprintf(line, sizeof(line), "%u %u %u %llx %.*s", me.slot, me.generation, me.workers,
                          (unsigned long long)hub_ws_id(ws), (int)text.length, (const char *)text.data);
    return hub_send(to, HUB_TEXT, hub_bytes_of(line, (size_t)length));
}

static hub_status chat(hub_ws *ws, void *greeting)
{
    hub_message got;
    say(ws, hub_to_client(hub_ws_id(ws)), hub_text(greeting));
    while (hub_ws_recv(ws, &got, HUB_FOREVER) == HUB_OK && got.body.length > 0) {
        const char *text = got.body.data, *space = memchr(text, ' ', got.body.length);
        if (space) /* what stands before it is the room; nothing means everybody */
            say(ws, hub_to_room_bytes(hub_bytes_of(text, (size_t)(space - text))), got.body);
        else
            hub_join_bytes(ws, got.body);
    }
    return say(ws, hub_to_everyone(), hub_text(" gone"));
}

static hub_status setup(hub_app *app)
{
    hub_ws_route route = {.path = "/chat", .handler = chat, .arg = " hello", .max_message = 4096};
    hub_on_ws_route(app, &route);
    return hub_static(app, "/", "public/chat");
}

HUB_MODULE(.name = "chat", .setup = setup);
