/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of a session that come to another worker than the one that has it: they are handed to that worker
 * with their connection, which stays there. So clients need not be stuck to a worker by what stands in front
 * of the server.
 *
 * A request goes at most to the incarnation that its session's id names, and that one answers it, whether it
 * knows the session or not: nothing goes round in circles. When that incarnation ends on the way, whoever
 * gets its letters, or the sender, takes the connection and reads the request as if it came there first; the
 * incarnation is not alive any more then, so the session is unknown.
 *
 * Hub context.
 */
#ifndef WORKER_SIO_RELAY_H
#define WORKER_SIO_RELAY_H

#include "common/error.h"
#include "worker/http/exchange.h"

/* Begins to take in what others hand over; the post and HTTP are open. Errors: those of post_register. */
hub_status relay_open(error *error);

/*
 * In a route's `claim`, or in the server's hook for upgrades: hands the request to the live incarnation with
 * these lowest 16 bits (session_id_incarnation). After true the request must not be used. False when that is
 * this worker, or none that lives: the request is answered here, as one of a session that is unknown if it
 * is. When the other worker has no room for it, the client is answered 503 with Retry-After.
 */
bool relay_to_owner(hub_http *http, uint32_t incarnation_low);

typedef struct relay_counts {
    uint64_t handed;   /* to other workers */
    uint64_t taken;    /* from other workers */
    uint64_t returned; /* taken back because the other worker had ended */
    uint64_t refused;  /* answered 503 */
    uint64_t left;     /* the client went before its request did */
} relay_counts;

relay_counts relay_count(void);

#endif
