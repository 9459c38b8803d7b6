/* SPDX-License-Identifier: Apache-2.0 */
/* Socket.IO of an application: namespaces, their handlers, and the endpoints that lead there. */
#include "worker/sio/socketio.h"
#include "worker/app/app_inside.h"
#include "worker/app/endpoint.h"

static const char default_path[] = "/socket.io/";

static hub_status told(hub_status status, const char *call, const char *name, const char *event)
{
    return app_told(status, call, event, name);
}

hub_status hub_on(hub_app *app, const char *name, const char *event, hub_event_handler run, void *arg)
{
    hub_status status = app_is_in_setup(app)
                            ? name_spaces_on(&app_socketio(app)->name_spaces, name, event, run, arg)
                            : HUB_ESTATE;
    return told(status, "hub_on", name, event ? event : "(null)");
}

hub_status hub_on_connect(hub_app *app, const char *name, hub_connect_handler run, void *arg)
{
    hub_status status = app_is_in_setup(app)
                            ? name_spaces_on_connect(&app_socketio(app)->name_spaces, name, run, arg)
                            : HUB_ESTATE;
    return told(status, "hub_on_connect", name, "connect");
}

hub_status hub_on_disconnect(hub_app *app, const char *name, hub_disconnect_handler run, void *arg)
{
    hub_status status = app_is_in_setup(app)
                            ? name_spaces_on_disconnect(&app_socketio(app)->name_spaces, name, run, arg)
                            : HUB_ESTATE;
    return told(status, "hub_on_disconnect", name, "disconnect");
}

static hub_status add_endpoint(hub_app *app, const hub_socketio_endpoint *given)
{
    hub_socketio_endpoint to = *given;
    if (!to.path)
        to.path = default_path;
    hub_status status = endpoint_add(app, &to, &sio_user, NULL);
    if (status == HUB_OK)
        app_socketio(app)->has_endpoint = true;
    return status;
}

hub_status hub_on_socketio(hub_app *app, const hub_socketio_endpoint *given)
{
    return app_told(add_endpoint(app, given), "hub_on_socketio", "GET",
                    given->path ? given->path : default_path);
}

hub_status socketio_complete(hub_app *app)
{
    const app_socketio_part *part = app_socketio(app);
    if (!part->name_spaces.first || part->has_endpoint)
        return HUB_OK;
    return hub_on_socketio(app, &(hub_socketio_endpoint){.path = NULL});
}
