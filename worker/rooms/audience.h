/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the public header's hub_to to records of the log. A list of rooms may name single clients, where a
 * protocol lets clients' names stand for rooms: each of them gets a record of its own, which leaves out who
 * is in one of the other rooms, so that everybody is reached once.
 */
#ifndef WORKER_ROOMS_AUDIENCE_H
#define WORKER_ROOMS_AUDIENCE_H

#include "bus/bus.h"

/* Whether the name of a room is that of a client; then *id is its. */
typedef bool (*audience_named)(hub_bytes name, hub_id *id);

/* Called for each record: rooms (none: everybody of the name space) or a target, who is left out, and flags
 * as fanout.h says; kind and body are for the callee. All of it is lent. */
typedef hub_status (*audience_record)(const bus_message *message, void *arg);

/*
 * Calls `record` until one fails, and returns what it did. `named` NULL: rooms are rooms. Errors of its own:
 * HUB_EINVAL (more than 64 rooms or excepted rooms, an empty name in a list), HUB_ETOOBIG (a name above
 * BUS_NAME_MAX), HUB_ENOMEM.
 */
hub_status audience_each(const hub_to *to, hub_bytes name_space, audience_named named, audience_record record,
                         void *arg);

#endif
