/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the log to the clients of this worker. A record is copied out of the log once, into a chunk that the
 * queues of all its receivers share.
 *
 * One order for each client: who publishes drains the log through his own record before he goes on, so that
 * what he sends directly afterwards comes after it.
 */
#ifndef WORKER_ROOMS_FANOUT_H
#define WORKER_ROOMS_FANOUT_H

#include "bus/bus.h"
#include "common/error.h"
#include "worker/net/chunk.h"
#include "worker/rooms/session.h"

/* Kinds of bodies in the log. */
enum {
    RECORD_WS_FRAME = 1, /* a whole WebSocket frame from the server, as its clients get it */
    RECORD_SIO,          /* the frames of one Socket.IO event, as engine.h makes them */
    RECORD_SIO_REQUEST,  /* one worker asks others, or tells them what to do */
    RECORD_SIO_ANSWER,
    RECORD_KINDS
};

/*
 * Flags of a record. Its first excepted "rooms" may be clients: the upper half of the flags counts them, and
 * each such name is the eight bytes of an id.
 */
enum { RECORD_VOLATILE = 1, RECORD_EXCEPT_SHIFT = 8 };

/* A kind that is not for sessions as it is: called in place of delivering it, for every record of that kind
 * that this worker reads. `what->body` may be held. Must not publish, nor run application code. Once a kind,
 * after fanout_open. */
typedef void (*fanout_handler)(const delivery *what);
void fanout_handle(uint16_t kind, fanout_handler handler);

/* Hands a record to all of its audience in this worker: what the floor does with those of other kinds. The
 * record need not be out of the log. */
void fanout_route(const delivery *what);

/* The name space of records that are for a worker, or with the room "*" for all of them. */
hub_bytes fanout_workers_space(void);
hub_bytes fanout_worker_name(uint32_t incarnation, char text[16]);

struct delivery {
    const bus_record *record;
    chunk *body; /* shared: whoever queues it takes a reference */
    /*
     * The same message in another form, that one session makes and others share: the floor that delivers says
     * which. *deflated is NULL until it is made; its reference is given back when all have been served. NULL:
     * there is one receiver, who makes what it needs for itself.
     */
    chunk **deflated;
};

/*
 * Starts reading the log: adds the steps that drain after each poll and doze before it, and watches the
 * doorbell. The net floor is open. Errors: HUB_EFULL, HUB_ESTATE.
 */
hub_status fanout_open(bus *bus, uint32_t incarnation, error *error);
void fanout_close(void);

/* Delivers all records that are in the log now. Any context. */
void fanout_drain(void);

/* Drains, then joins the room: all that is published from now on reaches the session, and nothing older. As
 * room_join. */
hub_status fanout_join(session *s, hub_bytes name_space, hub_bytes name);

/*
 * Publishes and drains through the own record. While the log is full it drains and parks, 0.1 s at most; then
 * the workers that held it up are evicted. Errors: those of bus_publish but HUB_EAGAIN; HUB_EFULL (full, and
 * not in a greenlet, or even after eviction), HUB_ECANCELED.
 */
hub_status fanout_publish(const bus_message *message, const struct iovec *body, int parts);

/* Drains, then hands a message to this worker's clients alone, without the log. The body is shared by its
 * receivers. */
hub_status fanout_publish_here(const bus_message *message, chunk *body);

/* Publishes for one client, wherever on the host it is. The same errors. */
hub_status fanout_publish_to(hub_id client, uint16_t kind, const struct iovec *body, int parts);

#endif
