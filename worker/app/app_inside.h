/* SPDX-License-Identifier: Apache-2.0 */
/* For the files of this folder that register what app.c does not know of. */
#ifndef WORKER_APP_APP_INSIDE_H
#define WORKER_APP_APP_INSIDE_H

#include "worker/app/app.h"

bool app_is_in_setup(const hub_app *app);
const config *app_config(const hub_app *app);

/* Memory that lives as long as the application, zeroed; NULL without any. And text as printf makes it. */
void *app_allocate(hub_app *app, size_t size);
char *app_text(hub_app *app, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As router_add. */
hub_status app_add_route(hub_app *app, const char *method, const char *pattern, route_kind kind, void *value);

/* What was registered for Socket.IO. */
typedef struct app_socketio_part {
    name_spaces name_spaces;
    bool has_endpoint;
} app_socketio_part;
app_socketio_part *app_socketio(hub_app *app);

/* At the end of setup: an application that registered something for Socket.IO, but no endpoint, gets the
 * usual one. Errors: those of hub_on_socketio. */
hub_status socketio_complete(hub_app *app);

/* Logs a registration's failure, since setup may return it on without a word, and returns it. */
hub_status app_told(hub_status status, const char *call, const char *method, const char *pattern);

#endif
