/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket.IO, protocol 5, on top of Engine.IO (engine.h): what an endpoint's messages mean, who is in which
 * namespace, and what applications do with them.
 *
 *     namespace.c  what the application registered
 *     socketio.c   one connection: its packets, its namespaces, its limits
 *     client.c     a client in a namespace: let in, delivered to, gone
 *     runner.c     its handlers, and the greenlets that they run in
 *     emission.c   values on their way out: packets, frames
 *     emit.c       events to one and to many
 *     ack.c        acknowledgements, both ways
 *     remote.c     what one worker asks others, or tells them to do, through the log
 *     gather.c     the answers to that
 *     public.c     what applications ask about a client
 */
#ifndef WORKER_SIO_SOCKETIO_H
#define WORKER_SIO_SOCKETIO_H

#include "bus/bus.h"
#include "worker/sio/engine.h"
#include "worker/sio/namespace.h"

/* What is the same for all connections of the worker. */
typedef struct sio_server {
    const name_spaces *name_spaces;
    size_t session_size;    /* bytes of the application's data for each client */
    double connect_timeout; /* seconds until a connection has joined a namespace */
    unsigned max_attachments, max_depth, max_namespaces;
    unsigned packet_rate; /* packets a second of one connection; 0: any number */
    size_t inbox;         /* bytes of packets that wait for a client's handler before it is not read on */
} sio_server;

enum { SIO_INBOX_MIN = 64 * 1024 };

/* One server a worker, after fanout_open; the structure must outlive it. */
void sio_open(const sio_server *server, bus *bus);
void sio_close(void);

/* The user of an endpoint's engines; its `arg` is not used. */
extern const engine_user sio_user;

#endif
