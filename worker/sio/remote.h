/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one worker asks others, or tells them to do, about clients that any of them may have: a record for all
 * workers, or for the owner of one client. In it lies another record's head, which says whom it is about.
 */
#ifndef WORKER_SIO_REMOTE_H
#define WORKER_SIO_REMOTE_H

#include "worker/rooms/fanout.h"
#include "worker/sio/client.h"

typedef enum remote_action {
    REMOTE_EMIT,       /* an event, as a parcel; to a single client */
    REMOTE_ANSWER,     /* an acknowledgement, as a parcel; `number` is its */
    REMOTE_CALL,       /* an event, as a parcel, that the collector gets acknowledgements for */
    REMOTE_JOIN,       /* a room's name */
    REMOTE_LEAVE,      /* a room's name */
    REMOTE_DISCONNECT, /* one byte: whether the connections are closed */
    REMOTE_CLIENTS,    /* nothing */
    REMOTE_ROOMS,      /* nothing: rooms of the name space */
    REMOTE_ACTIONS
} remote_action;

typedef struct remote_request {
    remote_action action;
    uint64_t collector; /* 0: nobody */
    uint64_t number;
    const struct iovec *parts; /* what the action says; at most PARCEL_PARTS_MAX */
    int part_count;
} remote_request;

void remote_open(bus *bus);
void remote_close(void);

/*
 * Publishes a request about the clients that `about` names: to the owner of its target when `owner_only`,
 * else to all workers. With `local` only this worker acts. It has acted when this returns. Errors: those of
 * fanout_publish.
 */
hub_status remote_publish(const remote_request *request, const bus_message *about, bool owner_only,
                          bool local);

/* An acknowledgement to a client of another worker. */
hub_status remote_answer(hub_ack ack, const emission *values);

/* For clients: a record that is not an event is routed to them only to be noted. */
void remote_collect(hub_client *c, const delivery *what);

#endif
