/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/app/endpoint.h"

#include "worker/app/app_inside.h"
#include "worker/http/field.h"
#include "worker/sio/engine_app.h"
#include "worker/ws/websocket.h"

/* What all of an endpoint's routes lead to. */
typedef struct endpoint {
    engine_endpoint engine;
    http_route http;
    ws_route ws;
} endpoint;

static bool has_parameters(const char *path)
{
    return strstr(path, "/:") || strstr(path, "/*");
}

/* False for a name that is no transport. */
static bool read_transports(engine_endpoint *to, const char *text)
{
    hub_bytes list = hub_text(text), name;
    while (field_list_next(&list, &name)) {
        bool *which = hub_equal(name, hub_text("polling"))     ? &to->polling
                      : hub_equal(name, hub_text("websocket")) ? &to->websocket
                                                               : NULL;
        if (!which)
            return false;
        *which = true;
    }
    return to->polling || to->websocket;
}

static const char *or_text(const char *given, const char *configured)
{
    return given ? given : configured && *configured ? configured : NULL;
}

static double or_seconds(double given, double configured)
{
    return given > 0 ? given : configured;
}

static engine_endpoint resolve(const config *settings, const hub_socketio_endpoint *given,
                               const engine_user *user, void *arg)
{
    return (engine_endpoint){
        .user = user,
        .arg = arg,
        .upgrades = !given->no_upgrades,
        .origins = or_text(given->origins, settings->sio_origins),
        .credentials = given->credentials,
        .cookie = or_text(given->cookie, settings->sio_cookie),
        .keep_headers = given->keep_headers,
        .ping_interval = or_seconds(given->ping_interval, settings->sio_ping_interval),
        .ping_timeout = or_seconds(given->ping_timeout, settings->sio_ping_timeout),
        .upgrade_timeout = settings->sio_upgrade_timeout,
        .max_payload = given->max_payload ? given->max_payload : settings->sio_max_payload,
        .packets_a_poll = settings->sio_packets_a_poll,
        .compress_threshold = settings->sio_compress_threshold,
        .limits = {.soft = settings->queue_soft,
                   .hard = settings->queue_hard,
                   .time = settings->queue_time,
                   .policy = given->policy},
    };
}

static hub_status add_routes(hub_app *app, endpoint *to, const char *path)
{
    hub_status status = app_add_route(app, "*", path, ROUTE_HTTP, &to->http);
    return status == HUB_OK ? app_add_route(app, "GET", path, ROUTE_WS, &to->ws) : status;
}

hub_status endpoint_add(hub_app *app, const hub_socketio_endpoint *given, const engine_user *user, void *arg)
{
    const config *settings = app_config(app);
    if (!app_is_in_setup(app))
        return HUB_ESTATE;
    if (!given->path || given->path[0] != '/' || has_parameters(given->path) ||
        given->policy > HUB_POLICY_BLOCK)
        return HUB_EINVAL;
    endpoint *to = app_allocate(app, sizeof *to);
    if (!to)
        return HUB_ENOMEM;
    size_t length = strlen(given->path);
    if (length > 1 && given->path[length - 1] == '/')
        length--;
    char *path = app_text(app, "%.*s", (int)length, given->path);
    char *with_slash = app_text(app, "%.*s/", (int)length, given->path);
    char *name = app_text(app, "engine %.*s", (int)length, given->path);
    if (!path || !with_slash || !name)
        return HUB_ENOMEM;
    to->engine = resolve(settings, given, user, arg);
    to->engine.path = path;
    if (!read_transports(&to->engine, given->transports ? given->transports : settings->sio_transports))
        return HUB_EINVAL;
    to->http = (http_route){.serve = engine_serve,
                            .claim = engine_claim,
                            .arg = &to->engine,
                            .name = name,
                            .compress = HUB_COMPRESS_OFF,
                            .max_body = to->engine.max_payload};
    to->ws = (ws_route){.user = &engine_socket_user,
                        .arg = &to->engine,
                        .name = name,
                        .max_message = to->engine.max_payload,
                        .limits = to->engine.limits};
    hub_status status = add_routes(app, to, path);
    return status == HUB_OK && length > 1 ? add_routes(app, to, with_slash) : status;
}

/* ---- Engine.IO alone ---- */

static hub_status add_engine(hub_app *app, const hub_engine_route *given)
{
    const hub_socketio_endpoint *to = &given->endpoint;
    if (!to->path)
        return HUB_EINVAL;
    engine_app_route *made = app_allocate(app, sizeof *made);
    if (!made)
        return HUB_ENOMEM;
    *made = (engine_app_route){.handlers = *given,
                               .name = app_text(app, "engine %s", to->path),
                               .max_payload =
                                   to->max_payload ? to->max_payload : app_config(app)->sio_max_payload};
    return made->name ? endpoint_add(app, to, &engine_app_user, made) : HUB_ENOMEM;
}

hub_status hub_on_engine(hub_app *app, const hub_engine_route *given)
{
    return app_told(add_engine(app, given), "hub_on_engine", "GET", given->endpoint.path);
}
