/* SPDX-License-Identifier: Apache-2.0 */
#include <hubbub.h>
static hub_status connected(hub_client *client, hub_value auth, void *arg)
{
    return hub_log(HUB_INFO, "Client connected"), HUB_OK;
}
static hub_status message(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    return hub_reply(client, "response", "{s:s}", "data", "Message received");
}
static hub_status setup(hub_app *app)
{
    hub_on_connect(app, "/", connected, NULL);
    return hub_on(app, "/", "message", message, NULL);
}
HUB_MODULE(.name = "message", .setup = setup);
