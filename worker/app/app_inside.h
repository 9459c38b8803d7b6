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

/* Logs a registration's failure, since setup may return it on without a word, and returns it. */
hub_status app_told(hub_status status, const char *call, const char *method, const char *pattern);

#endif
