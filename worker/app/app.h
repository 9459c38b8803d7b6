/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application in a worker: the shared object, what its setup registered, and its hooks. Behind the public
 * header's hub_app.
 */
#ifndef WORKER_APP_APP_H
#define WORKER_APP_APP_H

#include "common/error.h"
#include "config/config.h"
#include "worker/http/router.h"
#include "worker/sio/namespace.h"

/*
 * Loads the shared object `path` and checks its declaration. `config` must outlive the application; relative
 * folders are meant from the folder of config->app, and errors name the application by it. Errors, each with
 * one line: HUB_ENOENT (no such file),
 * HUB_EINVAL (it cannot be loaded, a missing symbol among the reasons; it declares no HUB_MODULE, or one of
 * another ABI), HUB_ENOMEM.
 */
hub_status app_load(hub_app **app, const char *path, const config *config, error *error);

/*
 * Calls the module's setup, which registers routes and hooks; nothing can be registered after it. Any
 * context. Errors: what setup returned; what a registration lacked has been logged by it.
 */
hub_status app_setup(hub_app *app, error *error);

/* Runs the start or the stop hooks, in order. In a greenlet. Start stops at the first that fails. */
hub_status app_start(hub_app *app, error *error);
void app_stop(hub_app *app);

/* Frees what was registered. The shared object stays loaded: destructors of its threads' data may still point
 * into it. */
void app_free(hub_app *app);

const router *app_router(const hub_app *app);
const char *app_name(const hub_app *app);
size_t app_session_size(const hub_app *app);
const name_spaces *app_name_spaces(const hub_app *app); /* of Socket.IO */

#endif
