/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rooms of this worker: names and their members here. A room exists while it has a member. Joining tells the
 * bus that this worker wants the room's records.
 *
 * Single thread; any context. Nothing here parks.
 */
#ifndef WORKER_ROOMS_ROOM_H
#define WORKER_ROOMS_ROOM_H

#include "bus/bus.h"
#include "worker/rooms/session.h"

struct room {
    room *next; /* of its hash chain */
    uint64_t hash;
    session **members; /* in no order */
    uint32_t count, capacity;
    uint16_t name_space_length, name_length;
    char names[]; /* name space, then name */
};

void rooms_open(bus *bus);
void rooms_close(void); /* all sessions have been closed */

/*
 * Joins: what is read from the log from now on reaches the session; who wants nothing that was published
 * before drains the log first (fanout_join). Joining twice changes nothing. Leaving a room one is not in
 * changes nothing. Errors: HUB_EINVAL (both names are empty), HUB_ETOOBIG (name above BUS_NAME_MAX),
 * HUB_EFULL (SESSION_ROOMS_MAX), HUB_ENOMEM; the session's rooms are then as they were.
 *
 * The empty name in a name space that has one is the room of everybody there: records of that name space
 * without a room go to it.
 */
hub_status room_join(session *s, hub_bytes name_space, hub_bytes name);
void room_leave(session *s, hub_bytes name_space, hub_bytes name);
void room_leave_all(session *s); /* before session_close */

bool room_has(const room *r, const session *s);

/* NULL when nobody of this worker is in it. The hash is bus_room_hash of the names. */
room *room_find(uint64_t hash, hub_bytes name_space, hub_bytes name);

/* Members in this worker. */
size_t room_size(hub_bytes name_space, hub_bytes name);

size_t rooms_count(void);

/* Name of a session's index-th membership, in no order but that the first it joined and has not left stays
 * first; data NULL behind the last. */
hub_bytes room_name_at(const session *s, size_t index);

/* Visits the rooms of a name space. The visit may not join or leave any. */
void rooms_each(hub_bytes name_space, void (*visit)(const room *r, void *arg), void *arg);

#endif
