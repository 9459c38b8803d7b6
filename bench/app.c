/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application that the benchmark measures: an echo by event handlers and one by a receive loop, rooms,
 * and a room in which one message makes the server publish several within a turn; by HTTP a greeting, and the
 * files of the directory that BENCH_FILES names; and Socket.IO.
 */
#include <hubbub.h>

#include <stdlib.h>

#include "bench/load/frame.h"
#include "bench/socketio.h"

#define BURST_MAX 65536
#define LARGE_MAX (64 << 20) /* bytes */

static hub_status echo(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)arg;
    return hub_ws_send(ws, message->type, message->body);
}

static hub_status echo_loop(hub_ws *ws, void *arg)
{
    hub_message message;
    hub_status status;

    (void)arg;
    while ((status = hub_ws_recv(ws, &message, HUB_FOREVER)) == HUB_OK)
        if ((status = hub_ws_send(ws, message.type, message.body)) != HUB_OK)
            break;
    return status;
}

static hub_status enter(hub_ws *ws, void *arg)
{
    (void)arg;
    return hub_join_bytes(ws, hub_ws_param(ws, "name"));
}

static hub_status tell_room(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)arg;
    return hub_send(hub_to_room_bytes(hub_ws_param(ws, "name")), message->type, message->body);
}

/* How many messages the route's parameter asks for; 0 when it is no number of them. */
static uint32_t burst_of(const hub_ws *ws)
{
    hub_bytes text = hub_ws_param(ws, "n");
    const char *digits = text.data;
    uint32_t count = 0;

    for (size_t i = 0; i < text.length; i++) {
        if (digits[i] < '0' || digits[i] > '9' || count > BURST_MAX)
            return 0;
        count = count * 10 + (uint32_t)(digits[i] - '0');
    }
    return count <= BURST_MAX ? count : 0;
}

/* The message carries the number of the first of the burst; the others count on from it. */
static hub_status tell_room_often(hub_ws *ws, const hub_message *message, void *arg)
{
    unsigned char body[1024];
    size_t length = message->body.length;
    uint32_t number, count = burst_of(ws);
    hub_type type = message->type;

    (void)arg;
    if (length < MESSAGE_DIGITS || length > sizeof body || count == 0 ||
        !message_number_read(message->body.data, &number))
        return HUB_EINVAL;
    memcpy(body, message->body.data, length);
    for (uint32_t i = 0; i < count; i++) {
        message_number_write(body, number + i);
        hub_status status =
            hub_send(hub_to_room_bytes(hub_ws_param(ws, "name")), type, hub_bytes_of(body, length));
        if (status != HUB_OK)
            return status;
    }
    return HUB_OK;
}

static hub_status hello(hub_http *http, void *arg)
{
    (void)arg;
    return hub_http_reply(http, 200, "text/plain", hub_text("hello\n"));
}

static hub_status setup(hub_app *app)
{
    const char *files = getenv("BENCH_FILES");
    const hub_ws_route routes[] = {
        {.path = "/echo", .on_message = echo},
        {.path = "/large", .on_message = echo, .max_message = LARGE_MAX},
        {.path = "/loop", .handler = echo_loop},
        {.path = "/room/:name", .on_open = enter, .on_message = tell_room},
        {.path = "/burst/:name/:n", .on_open = enter, .on_message = tell_room_often},
    };

    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        hub_status status = hub_on_ws_route(app, &routes[i]);
        if (status != HUB_OK)
            return status;
    }
    hub_status status = hub_on_http(app, "GET", "/hello", hello, NULL);
    if (status == HUB_OK)
        status = socketio_setup(app);
    return status == HUB_OK && files ? hub_static(app, "/static", files) : status;
}

HUB_MODULE(.name = "bench", .setup = setup);
