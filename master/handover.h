/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a master leaves to the next one at an upgrade: the numbers of the descriptors that it inherits, and
 * what has to be known about them. It travels in a sealed memfd, with a magic, a version and a checksum, and
 * only within one boot of one machine, so it is written as it lies in memory.
 */
#ifndef MASTER_HANDOVER_H
#define MASTER_HANDOVER_H

#include "bus/region.h"
#include "config/config.h"
#include "master/inherit.h"
#include "master/listener.h"
#include "master/predecessors.h"

enum {
    HANDOVER_VERSION = 5, /* raised whenever a structure below changes */
    HANDOVER_DESCRIPTORS_MAX = LISTENERS_MAX + 4 * REGION_ROWS + INHERIT_MAX + PREDECESSORS_MAX + 9,
};

typedef enum handover_mode {
    HANDOVER_BESIDE,   /* two masters: the next one takes slot by slot */
    HANDOVER_PROBE,    /* the next one only says whether it could take over */
    HANDOVER_IN_PLACE, /* the same process: the workers stay its children */
} handover_mode;

typedef struct handover_listener {
    int32_t fd;
    uint32_t inherited;
    char bind[384], name[320];                /* both as in listener.h */
    char path[sizeof(((listener *)0)->path)]; /* of a unix socket, else "" */
    uint64_t device, inode;                   /* of the path */
} handover_listener;

/* A slot and its worker: the fields of slot.h. */
typedef struct handover_worker {
    uint32_t number, state, wanted, degraded, leaving;
    int32_t pid, logs;
    uint32_t row, generation, failures;
    uint64_t word, deadline_ns, forked_ns, ready_ns, look_ns;
} handover_worker;

typedef struct handover {
    uint32_t mode;
    int32_t master;          /* who wrote it */
    int32_t channel, owners; /* to the other master, and the table of slots (owners.h); -1: none */
    uint32_t releases;       /* numbers given so far */
    uint32_t count;          /* slots */
    uint32_t configured;     /* the number of workers that the configuration said */
    int32_t region;          /* memory */
    int32_t master_doorbell; /* -1: the next master has one of its own */
    int32_t doorbells[REGION_ROWS];
    mailbox_ends mailboxes[REGION_ROWS];
    uint32_t generations[CONFIG_WORKERS_MAX];
    uint32_t activated; /* sockets of a service manager, from descriptor INHERIT_FIRST on */
    int32_t console;    /* standard error as it was before a file stood in for it; -1: it is there */
    predecessors before;
    uint32_t listener_count;
    handover_listener listeners[LISTENERS_MAX];

    /* in place */
    int32_t parent_pipe[2];
    int32_t module;   /* the sealed application of the release that runs */
    uint32_t release; /* its number */
    uint32_t paused;  /* no worker is wanted until the next reload */
    uint32_t worker_count;
    handover_worker workers[REGION_ROWS];
} handover;

/* A new, empty one: no descriptor in it. NULL without memory. Freed with free(). */
handover *handover_new(void);

/* Writes it into a new sealed memfd, close-on-exec. Errors: HUB_ESYSTEM. */
hub_status handover_write(const handover *handover, int *fd, error *error);

/*
 * Reads and checks what the descriptor holds; takes no descriptor over. Errors: HUB_EPROTO, with a line that
 * says what is wrong: nothing of this kind, another version, damaged, or values out of their bounds;
 * HUB_ESYSTEM.
 */
hub_status handover_read(int fd, handover *handover, error *error);

/* The descriptors that it names; how many. */
size_t handover_descriptors(const handover *handover, int descriptors[HANDOVER_DESCRIPTORS_MAX]);

/* Sets or clears close-on-exec for all of them. False when one is not open. */
bool handover_set_cloexec(const handover *handover, bool on);

#endif
