/* SPDX-License-Identifier: Apache-2.0 */
#include <hubbub.h>
static hub_status echo(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)arg;
    return hub_ws_send(ws, message->type, message->body);
}
static hub_status setup(hub_app *app)
{
    return hub_on_ws_route(app, &(hub_ws_route){.path = "/echo", .on_message = echo});
}
HUB_MODULE(.name = "echo", .setup = setup);
