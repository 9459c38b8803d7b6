/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client as rooms and applications know it: an id that may be kept, the rooms it is in, and a way to
 * deliver to it. What it is made of (one WebSocket, or transports that come and go) is the business of the
 * floor that embeds it: a session outlives any pointer to a connection.
 *
 * Single thread; any context. Nothing here parks.
 */
#ifndef WORKER_ROOMS_SESSION_H
#define WORKER_ROOMS_SESSION_H

#include "common/error.h"

typedef struct session session;
typedef struct delivery delivery;
typedef struct room room;

typedef struct session_kind {
    const char *name;
    /* Queues a record for the client. Must not park, nor run application code, nor close the session before
     * it returns. */
    void (*deliver)(session *s, const delivery *what);
    bool plain; /* reached by what is for everybody of the nameless name space */
} session_kind;

/* One membership: the room, and the place in its list of members. */
typedef struct membership {
    room *room;
    uint32_t place;
} membership;

enum { SESSION_ROOMS_INLINE = 1, SESSION_ROOMS_MAX = 65535 };

/* Embedded in the structure that owns it; its fields are this floor's. */
struct session {
    hub_id id;
    const session_kind *kind; /* NULL: not open */
    membership first;         /* most clients are in one room at the most … */
    membership *more;         /* … the others pay for a list */
    uint16_t rooms;           /* memberships, `first` included */
    uint16_t capacity;        /* of `more` */
    uint32_t stamp;           /* the last fan-out that reached it: a union of rooms delivers once */
};

/*
 * {incarnation 16 | index 18 | serial 30}: the serial never repeats in one incarnation, so an id of a client
 * that went names nobody for ever.
 */
enum { SESSIONS_MAX = (1 << 18) - 1 };

static inline bool session_is_open(const session *s)
{
    return s->kind != NULL;
}

static inline uint32_t session_id_incarnation(hub_id id)
{
    return (uint32_t)(id >> 48);
}

/* True for an id that this worker gave, whether its client is still there or not. */
bool session_is_local(hub_id id);

/* Opens the table for the incarnation of this worker; closes it and frees it. */
void sessions_open(uint32_t incarnation);
void sessions_close(void);

/* Gives the session an id. Errors: HUB_EFULL (SESSIONS_MAX of them), HUB_ENOMEM. */
hub_status session_open(session *s, const session_kind *kind);

/* Gives up the id, which then names nobody; the session goes on to know it. It is in no room any more
 * (room_leave_all). Nothing when it is not open. */
void session_close(session *s);

/* The session of an id in this worker; NULL when it is gone, or another worker's. */
session *session_find(hub_id id);

/* Calls `visit` for every open session. It may not open or close any. */
void sessions_each(void (*visit)(session *s, void *arg), void *arg);
size_t sessions_count(void);

#endif
