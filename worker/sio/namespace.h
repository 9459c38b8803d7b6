/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an application registered for Socket.IO: namespaces, exact or by pattern, and the handlers of each.
 * Filled during setup, constant afterwards.
 */
#ifndef WORKER_SIO_NAMESPACE_H
#define WORKER_SIO_NAMESPACE_H

#include <hubbub.h>

typedef struct event_handler {
    char *name;
    uint32_t hash;
    hub_event_handler run;
    void *arg;
} event_handler;

typedef struct name_space {
    struct name_space *next; /* in the order of registration */
    char *name;              /* or a pattern */
    char *label;             /* of its greenlets: "sio /chat" */
    bool is_pattern;
    event_handler *events; /* a table of a power of two; empty places have no name */
    uint32_t event_places, event_count;
    event_handler others; /* for events that have no handler; it has no name; run NULL: none */
    hub_connect_handler on_connect;
    void *connect_arg;
    hub_disconnect_handler on_disconnect;
    void *disconnect_arg;
} name_space;

typedef struct name_spaces {
    name_space *first, *last;
} name_spaces;

/*
 * Registrations; `list` was zeroed. Errors: HUB_EINVAL (a name without a leading slash or above 255 bytes, a
 * reserved event name, an empty one, no handler), HUB_EEXIST, HUB_ENOMEM.
 */
hub_status name_spaces_on(name_spaces *list, const char *name, const char *event, hub_event_handler run,
                          void *arg);
hub_status name_spaces_on_connect(name_spaces *list, const char *name, hub_connect_handler run, void *arg);
hub_status name_spaces_on_disconnect(name_spaces *list, const char *name, hub_disconnect_handler run,
                                     void *arg);
void name_spaces_free(name_spaces *list);

/* The namespace of a name that a client gave: the exact one, else the first pattern that fits; NULL: none. */
const name_space *name_spaces_find(const name_spaces *list, hub_bytes name);

/* Who takes an event: its own handler, else the one for all others, else NULL. */
const event_handler *name_space_event(const name_space *in, hub_bytes event);

#endif
