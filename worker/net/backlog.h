/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that protocols have handed back: behind connection_defer. The connections that wait for theirs stand
 * in a ring; each gets a piece of them, one after the other, in what time a turn has left for all. A
 * connection that is paused keeps its bytes outside the ring.
 *
 * Hub context. A connection without a backlog owns no memory for one.
 */
#ifndef WORKER_NET_BACKLOG_H
#define WORKER_NET_BACKLOG_H

#include "worker/net/connection.h"

/* An empty ring; what stood in an earlier one must have been dropped. */
void backlogs_open(void);

/* Puts the connection's bytes behind those of the others, unless they stand in the ring or there are none. */
void backlog_enter(connection *c);

/* Frees them. */
void backlog_drop(connection *c);

/* Each connection of the ring, once, while there is time: hands a piece to its protocol. True when some still
 * wait. */
bool backlogs_serve(void);

#endif
