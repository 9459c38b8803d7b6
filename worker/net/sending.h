/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leaves a connection: its queue, who fills it and who waits for room in it, and the one flush of a
 * turn. Behind connection_send and its kin.
 */
#ifndef WORKER_NET_SENDING_H
#define WORKER_NET_SENDING_H

#include "worker/net/connection.h"

/* Gives the kernel what it takes of the queue; watches for more room when it takes less, closes on an error.
 */
void sending_flush(connection *c);

/* The step of the loop that flushes each connection with new output; whether any waits for it. */
bool sending_step(void *arg);
bool sending_waits(void);
void sending_close(void); /* none does */

/* The queue is empty: who finishes ends his side. */
void sending_ended(connection *c);

/* Wakes who waits for room. sending_abandon: for ever; nobody waits any more. */
void sending_wake(connection *c, hub_status status);
void sending_abandon(connection *c);

#endif
