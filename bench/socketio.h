/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the benchmark's application that speaks Socket.IO. */
#ifndef BENCH_SOCKETIO_H
#define BENCH_SOCKETIO_H

#include <hubbub.h>

/* Registers it; the errors are those of hub_on. */
hub_status socketio_setup(hub_app *app);

#endif
