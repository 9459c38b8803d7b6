/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engine.IO alone: applications' handlers on engines, what the public header calls hub_engine. A client's
 * events run one after the other in a pooled greenlet, in the order in which they came; what comes while a
 * handler is parked waits in a queue, and when that is full, the client is not read.
 */
#ifndef WORKER_SIO_ENGINE_APP_H
#define WORKER_SIO_ENGINE_APP_H

#include "worker/sio/engine.h"

/* The `arg` of an endpoint of this user; immutable; lives as long as the worker. */
typedef struct engine_app_route {
    hub_engine_route handlers;
    const char *name; /* of the greenlets: "engine /engine.io" */
    size_t max_payload;
} engine_app_route;

extern const engine_user engine_app_user;

/* Once a worker, before its first client. */
void engine_app_open(void);

#endif
