/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers from all workers of the host to a question of one of its greenlets: acknowledgements of clients, or
 * lists. A worker that dies is waited for no longer; one that hangs, until the time given is over.
 *
 * What is to be told to a collector of another worker is put into letters, which a greenlet publishes: so
 * telling never parks and may be done while the log is read, and what one turn has to tell makes few records.
 */
#ifndef WORKER_SIO_GATHER_H
#define WORKER_SIO_GATHER_H

#include "worker/rooms/fanout.h"
#include "worker/sio/packet.h"

/*
 * A collector is {incarnation 16 | serial 48}. The acknowledgements that it asks for have the number
 * GATHER_FIRST + {incarnation 16 | the serial's lower 24}, the same for all whom it asks.
 */
#define GATHER_FIRST (UINT64_C(1) << 40)

static inline uint64_t gather_number(uint64_t collector)
{
    return GATHER_FIRST | (collector >> 48) << 24 | (collector & 0xffffff);
}

void gather_open(bus *bus);
void gather_close(void);

/* ---- telling ---- */

/* A request was read; so many clients were asked for an acknowledgement. Once a request. */
void gather_heard(uint64_t collector, uint32_t asked);

/* One of them has answered: the array of its acknowledgement; or it will not answer any more. */
void gather_answered(uint64_t collector, hub_bytes array, const hub_bytes *attachments, size_t count);
void gather_gone(uint64_t collector);

/* Items of a list, as text with commas between them; a room and its size in this worker. */
void gather_items(uint64_t collector, hub_bytes items);
void gather_room(uint64_t collector, hub_bytes name, uint32_t size);

/* ---- collecting ---- */

typedef struct gathering gathering;

/*
 * Whom to wait for: every worker that serves now; or one of them, by the lower 16 bits of its incarnation.
 * NULL without memory. HUB_ECLOSED in *status when that one is gone.
 */
enum { GATHER_ALL = -1, GATHER_HERE = -2 };
gathering *gather_begin(int32_t incarnation, hub_status *status);
uint64_t gather_collector(const gathering *g);

/* Each of the workers will hear so many requests; to be said before the first of them is published. */
void gather_requests(gathering *g, unsigned count);

/* Parks until all is told: HUB_OK, HUB_ETIMEDOUT, HUB_ECANCELED, HUB_ESTATE. */
hub_status gather_wait(gathering *g, double timeout);

size_t gather_count(const gathering *g); /* of items and answers */

/* The items, or the first value of each acknowledgement, or all values of the first one, as an array lent to
 * the running greenlet. Errors: HUB_ENOMEM. */
hub_status gather_result(gathering *g, hub_value *out);
hub_status gather_first(gathering *g, hub_value *out);
void gather_end(gathering *g);

/* A copy lent to the running greenlet. Errors: HUB_ENOMEM. */
hub_status value_lend(hub_bytes json, const hub_bytes *binary, size_t count, hub_value *out);

#endif
