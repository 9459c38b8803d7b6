/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker sees of the bus: publish, read in order, sleep and be rung. The host's workers reach each
 * other through the shared-memory log (hostlog.h); links to other hosts will read and write the same log.
 *
 * One bus a process; not for threads. Nothing here parks: what must wait answers HUB_EAGAIN, and the caller,
 * who knows greenlets, waits.
 *
 * Promise: once bus_publish returns HUB_OK, every incarnation that lives and keeps up throughout reads the
 * record exactly once, and all read one order. An incarnation that does not keep up is evicted and reads a
 * gap, never a silent hole.
 */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include "bus/region.h"

#include <sys/uio.h>

typedef struct bus bus;

enum {
    BUS_ROOMS_MAX = 64,   /* room names in one record */
    BUS_EXCEPT_MAX = 128, /* excepted rooms in one record */
    BUS_NAME_MAX = 255,   /* bytes of a room's name */
};

/* A record as its publisher gives it and as readers get it. The bus does not interpret kind, flags, ids or
 * body. */
typedef struct bus_message {
    uint16_t kind; /* of the body; the worker's floors number them */
    uint16_t flags;
    uint16_t hole; /* offset in the body of a fixed-width field for the record's position; 0: none. Only
                      carried: whoever takes the body fills it in */
    hub_bytes name_space;
    const hub_bytes *rooms; /* none: everybody of the name space, or `target` */
    size_t room_count;
    const hub_bytes *except; /* clients in one of these rooms are left out */
    size_t except_count;
    hub_id sender;      /* a client that is left out; 0: none */
    hub_id target;      /* a single client; 0: none */
    uint64_t collector; /* who gathers acknowledgements; 0: nobody */
} bus_message;

typedef struct bus_record {
    uint64_t position;   /* of this record: greater than that of every record before it */
    uint32_t origin;     /* incarnation that published it */
    bus_message message; /* lent until the next bus_peek; the body is not in it */
    size_t body_length;
    bool wanted; /* false: it is for rooms (or a name space) in which this process declared no interest; skip
                  */
} bus_record;

typedef enum bus_outcome {
    BUS_NOTHING, /* all read */
    BUS_RECORD,  /* *record is filled in; bus_take or bus_skip must follow */
    BUS_GAP,     /* records were lost: counted in the row; reading goes on behind the gap, peek again */
} bus_outcome;

/*
 * Joins the log as the incarnation whose row word is BOOTING or READY; its cursor starts at the log's end, so
 * it reads all that is published from now on. The region must outlive the bus. Errors: HUB_ESTATE (row not in
 * these states, or it reads already), HUB_EINVAL (no such row), HUB_ENOMEM.
 */
hub_status bus_open(bus **bus, const region *region, unsigned row, error *error);
void bus_close(bus *bus); /* the log waits for this reader no longer */

/*
 * Appends a record with the body made of the given parts. *position may be NULL. Rings those readers that
 * sleep and are interested: in one of the record's rooms, in bus_room_hash(name space, no room) when it has
 * none, all of them when it has no room but a target; the others are still rung each quarter of the log.
 * Makes no system call when nobody sleeps. The publisher reads its own record like any other: it must drain
 * (bus_peek ...) before it goes on, to keep one order. Errors: HUB_EAGAIN (the log is full: bus_laggard tells
 * who holds it up; drain, wait a little, try again), HUB_ETOOBIG (above a quarter of the log, or a name too
 * long), HUB_EINVAL (too many rooms, empty room name), HUB_ECLOSED (this incarnation was swept).
 */
hub_status bus_publish(bus *bus, const bus_message *message, const struct iovec *body, int parts,
                       uint64_t *position);

/*
 * The row of the reader that is furthest behind, when it is so far behind that it may keep the log full: more
 * than three quarters of it. It may be the caller's own. -1 when nobody is.
 */
int bus_laggard(const bus *bus);

/*
 * Cuts off the other readers that keep the log full (see bus_laggard), by compare-and-swap of their cursors;
 * they will read a gap. After it any record fits, unless the caller itself is behind. How many.
 */
unsigned bus_evict_laggards(bus *bus);

/*
 * The next record in order. After BUS_RECORD either bus_take copies the body to `to` (record.body_length
 * bytes) and moves on, or bus_skip moves on without it. bus_take: HUB_OK; HUB_EPROTO when the bytes do not
 * match their checksum, or were overwritten because this reader was evicted meanwhile: nothing of `to` may be
 * used, and it was counted as a gap.
 */
bus_outcome bus_peek(bus *bus, bus_record *record);
hub_status bus_take(bus *bus, void *to);
void bus_skip(bus *bus);

/*
 * True when there is something to read, or something that is still being written; one load when there is not.
 * So bus_peek may say BUS_NOTHING while this stays true: whether to block is for bus_doze to say.
 */
bool bus_pending(const bus *bus);

/*
 * Before a blocking poll: marks this reader asleep, fences, looks again; true says that there is something to
 * read after all and it is not asleep. After false the poll may block for bus_retry_after seconds at most,
 * when that is not negative. bus_wake after the poll. bus_doorbell is the eventfd that rings; bus_hush
 * empties it.
 */
bool bus_doze(bus *bus);
void bus_wake(bus *bus);
int bus_doorbell(const bus *bus);
void bus_hush(bus *bus);

/*
 * The next record in order may belong to a publisher that was stopped before it finished it, and nobody would
 * ring for it. Seconds until this reader may give it up and go on, by calling bus_peek; negative: it waits
 * for nobody.
 */
double bus_retry_after(const bus *bus);

/*
 * Interest: a worker with a member in a room, or with clients of a name space that are reached without a
 * room, says so, and says when the last one left. Calls nest by hash. bus_interest_add fences; the caller
 * drains before it answers its client.
 */
uint64_t bus_room_hash(const bus *bus, hub_bytes name_space, hub_bytes room);
void bus_interest_add(bus *bus, uint64_t room_hash);
void bus_interest_drop(bus *bus, uint64_t room_hash);

/* Incarnations that serve and read the log now: how many there are, and the first `most` of them. */
size_t bus_readers(const bus *bus, uint32_t *incarnations, size_t most);

/* Where the log ends now: what is published from now on has a position of at least this. */
uint64_t bus_end(const bus *bus);

#endif
