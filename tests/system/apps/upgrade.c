/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that boot when the test lets them: files in the folder UPGRADE_FOLDER hold them up, or make them
 * fail. */
#include <hubbub.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int exists(const char *what)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%u", getenv("UPGRADE_FOLDER"), what, hub_worker().slot);
    return access(path, F_OK) == 0;
}

static hub_status start(void *arg)
{
    (void)arg;
    while (exists("hold"))
        hub_sleep(0.01);
    return exists("fail") ? HUB_EFAIL : HUB_OK;
}

static hub_status whoami(hub_http *http, void *arg)
{
    (void)arg;
    return hub_http_replyf(http, 200, "application/json", "{\"pid\": %ld, \"slot\": %u}", (long)getpid(),
                           hub_worker().slot);
}

static hub_status echo(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)arg;
    return hub_ws_send(ws, message->type, message->body);
}

static hub_status setup(hub_app *app)
{
    static const hub_ws_route route = {.path = "/echo", .on_message = echo};
    hub_status status = hub_on_ws_route(app, &route);
    if (status == HUB_OK)
        status = hub_on_http(app, "GET", "/whoami", whoami, NULL);
    return status == HUB_OK ? hub_on_start(app, start, NULL) : status;
}

HUB_MODULE(.name = "upgrade", .setup = setup);
