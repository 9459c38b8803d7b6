/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints of Engine.IO: what an application gives, with the configuration's values for what it leaves out,
 * and the routes that lead there. */
#ifndef WORKER_APP_ENDPOINT_H
#define WORKER_APP_ENDPOINT_H

#include "worker/sio/engine.h"

/*
 * Adds an endpoint, with and without the last slash of its path, for requests and for WebSockets. `arg` is
 * what the protocol above gets by engine_arg. Texts are kept as they are given, but for the path. Errors:
 * HUB_ESTATE outside setup, HUB_EINVAL (no path, one without a leading slash, or one with parameters; another
 * transport than polling and websocket), HUB_EEXIST, HUB_ENOMEM.
 */
hub_status endpoint_add(hub_app *app, const hub_socketio_endpoint *given, const engine_user *user, void *arg);

#endif
