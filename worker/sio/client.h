/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Socket.IO client, as the files of this folder share it: one connection in one namespace. The floors above
 * know it as the public header's hub_client. See socketio.h for which file does what.
 */
#ifndef WORKER_SIO_CLIENT_H
#define WORKER_SIO_CLIENT_H

#include "common/buffer.h"
#include "worker/hub/greenlet.h"
#include "worker/rooms/fanout.h"
#include "worker/rooms/session.h"
#include "worker/sio/emission.h"
#include "worker/sio/packet.h"
#include "worker/sio/sid.h"
#include "worker/sio/socketio.h"

enum { KEPT_BYTES_MAX = 1 << 30 };

/* A packet in memory of its own: it waits for its handler, for its attachments, or for who asked for it. */
typedef struct kept_packet {
    struct kept_packet *next;
    packet_type type;
    uint64_t id;
    const event_handler *handler;
    hub_id client;      /* of a packet whose attachments are still to come */
    hub_value value;    /* its data; `binary` are the attachments, each in memory of its own */
    uint32_t bytes;     /* all of it, or KEPT_BYTES_MAX */
    unsigned announced; /* attachments */
    hub_bytes attachments[];
} kept_packet;

/* A copy of a packet with room for so many attachments. NULL without memory. */
kept_packet *packet_keep(packet_type type, uint64_t id, hub_bytes data, unsigned attachments);
bool packet_keep_attachment(kept_packet *kept, hub_bytes body); /* false without memory */
void packet_drop(kept_packet *kept);                            /* NULL is fine */

/* What belongs to an engine: engine_state. */
typedef struct sio_connection {
    engine *engine;
    hub_client *clients; /* of its namespaces, the newest first */
    kept_packet *assembly;
    wheel_timer timer;   /* until it has joined a namespace */
    uint32_t rate_since; /* tick */
    uint32_t rate_count;
    uint16_t client_count, full_inboxes;
} sio_connection;

/* While a client is not let in yet. */
typedef struct admission {
    kept_packet *auth;
    struct held_frames *first, *last; /* what is queued behind the CONNECT packet */
    size_t held_bytes;
    buffer refusal; /* the CONNECT_ERROR's data, as the handler worded it */
} admission;

/* The event that a client's handler has; in the frame of its greenlet, or of who starts it. */
typedef struct running_event {
    const event_handler *handler;
    hub_value args;
    hub_ack ack;
    bool answered;
    kept_packet *kept;            /* its memory; NULL: where the engine has it */
    engine_held held;             /* … for longer than the call that brought it */
    struct running_event *origin; /* in the frame of that call; NULL once the handler has parked */
    struct running_event *copy;   /* of an origin: the greenlet's; NULL once the event is done with */
    hub_client *client;           /* of an origin */
} running_event;

struct hub_client {
    session session; /* its first member: what rooms deliver to */
    engine *engine;  /* NULL: gone */
    hub_client *sibling;
    const name_space *registered;
    const char *name;     /* of its namespace */
    admission *admission; /* NULL: it was let in */
    greenlet *greenlet;   /* that runs its handlers; NULL: none */
    union {
        running_event *running;   /* the event with it */
        hub_client *next_waiting; /* `waiting`: for a greenlet */
    };
    kept_packet *inbox; /* the newest; its `next` is the oldest */
    uint32_t inbox_bytes;
    uint32_t next_ack;
    struct call *calls;  /* who waits for an acknowledgement */
    struct asked *asked; /* acknowledgements that other workers wait for */
    uint8_t reason;      /* sio_reason; of a client that is gone */
    bool let_in : 1;
    bool close_due : 1;  /* its disconnect handler is still to be called */
    bool inbox_full : 1; /* its connection is not read on */
    bool waiting : 1;
    char sid[SID_PUBLIC_LENGTH + 1];
    _Alignas(
        16) unsigned char data[]; /* the application's, then the namespace's name when it is a pattern's */
};

/* The worker's settings; set by sio_open. */
extern const sio_server *sio;

static inline sio_connection *sio_connection_of(const hub_client *c)
{
    return engine_state(c->engine);
}

/* ---- socketio.c ---- */

/* Answers CONNECT with an error: an object of JSON. */
void sio_refuse(engine *e, hub_bytes name, hub_bytes data);

/* ---- client.c ---- */

/* A client that asks to be let in. NULL without memory, or when the table of sessions is full. */
hub_client *sio_client_new(sio_connection *to, const name_space *registered, hub_bytes name);

/* The client of an id in this worker, let in or not; NULL when it is gone, or is something else. */
hub_client *sio_client_find(hub_id id);

/* Answers CONNECT, and sends what was held back meanwhile. Refuses it, with what the handler said. */
void sio_let_in(hub_client *c);
void sio_turn_away(hub_client *c);

/*
 * Sends a message's parts to one client, behind its CONNECT packet. A volatile one is dropped when it cannot
 * leave at once. Errors: those of engine_send.
 */
hub_status sio_send(hub_client *c, const engine_part *parts, size_t count, bool is_volatile);

/* The same, and parks while its queue is full, if its endpoint's policy is to block. HUB_ECANCELED too. */
hub_status sio_send_parking(hub_client *c, const engine_part *parts, size_t count, bool is_volatile);

/* The same as client_send with frames that others may share. */
hub_status sio_send_frames(hub_client *c, chunk *frames);

/* It is in this namespace no more, for whatever reason. What it sent before is still handled, its disconnect
 * handler comes last, then it is freed. Hub context or greenlet; runs no handler before it returns. */
void sio_gone(hub_client *c, sio_reason reason);

/* The server's wish: tells it so; with `close` all namespaces, and the connection. What it sent is not
 * handled any more. */
void sio_disconnect(hub_client *c, bool close);

void sio_client_free(hub_client *c); /* neither engine nor greenlet is left */

/* ---- runner.c ---- */

void runner_open(void);

/*
 * Hands an event to its handler, at once when it is free: it then has the event where it is; `kept` NULL: in
 * the engine's memory. Else the event waits. False without memory. Hub context. The client may be gone, and
 * freed, when it returns.
 */
bool runner_event(hub_client *c, const event_handler *handler, const packet *event, kept_packet *kept);

/* Sees to it that what waits for handlers is run, soon. Any context. */
void runner_wake(hub_client *c);

void runner_drop_inbox(hub_client *c);

/* ---- ack.c ---- */

/* An acknowledgement arrived; `kept` is taken over, when there is one. */
void ack_arrived(hub_client *c, const packet *answer, kept_packet *kept);
void ack_client_gone(hub_client *c);

/* A collector (gather.h) asked a client; it is told when the client has gone instead. */
void ack_asked(hub_client *c, uint64_t number, uint64_t collector);

/* Emits an event to a client of this worker and parks until it is acknowledged; *answer is then the
 * caller's. */
hub_status ack_call(hub_client *c, emission *event, double timeout, kept_packet **answer);

/* Sends an acknowledgement's array to a client of this worker. */
hub_status ack_answer(hub_client *c, uint64_t number, emission *values);

#endif
