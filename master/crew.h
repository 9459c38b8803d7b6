/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers of a server: one in each slot, the successor of one that is being replaced, and those that
 * leave. This performs what a slot's rules ask for (fork, signal, bury) and says what happened; what should
 * run where is decided elsewhere (roll.h).
 *
 * Replacing is adding before taking away: a successor boots beside the worker in the slot, and only when it
 * serves is the old one told to go, so that every slot has somebody who accepts. It leaves in its own time;
 * any number may be leaving.
 */
#ifndef MASTER_CREW_H
#define MASTER_CREW_H

#include "bus/region.h"
#include "common/logfile.h"
#include "master/listener.h"
#include "master/release.h"
#include "master/slot.h"
#include "master/spawn.h"
#include "worker/worker.h"

/* How a worker ended. */
typedef struct crew_end {
    slot *place;        /* not filled again yet: crew_assign says by what */
    bool was_successor; /* it was to replace the worker of its slot */
    bool told;          /* it had been told to go */
    uint64_t served_ns; /* since READY; 0: never ready */
    int status;         /* as waitpid gave it */
} crew_end;

typedef struct crew {
    /* set by the owner */
    worker_entry worker;
    const listener_set *listeners;
    char *const *(*binds_of)(const config *settings); /* the addresses that workers of a release serve */
    void (*on_ready)(void *arg, slot *place);
    void (*on_end)(void *arg, const crew_end *end);
    void (*on_unforked)(void *arg); /* a fork failed; the line is logged */
    bool (*may_fill)(void *arg,
                     unsigned number); /* false: nobody is wanted in this slot any more; NULL: yes */
    void *arg;

    /* its own */
    region region;
    row_farewell orphan_farewell; /* in the rows of workers that were told nothing else */
    int parent_pipe[2];           /* the write end is here alone: its end is the master's end */
    slot *slots[CONFIG_WORKERS_MAX];
    unsigned count;
    slot *successor;                          /* NULL: nobody is being replaced */
    slot *leaving;                            /* a list */
    unsigned generations[CONFIG_WORKERS_MAX]; /* how many filled each slot */
    unsigned restarts[CONFIG_WORKERS_MAX];    /* how often the worker of a slot ended untold */
} crew;

/* Makes the shared memory. Errors: as region_create; HUB_ESYSTEM. crew_close also after an error. */
hub_status crew_open(crew *self, size_t log_size, error *failure);

/*
 * The same on a region that is there, which is taken over; parent_pipe may be NULL, or a pair that is taken
 * over too. Errors: HUB_ESYSTEM; the crew owns the region nevertheless.
 */
hub_status crew_open_on(crew *self, const region *ready, const int parent_pipe[2], error *failure);

/* All workers must have been reaped. */
void crew_close(crew *self);

/*
 * Makes the crew larger by empty slots for a release, or smaller: the last workers are told to go.
 * HUB_ENOMEM; HUB_EINVAL above CONFIG_WORKERS_MAX or below 1.
 */
hub_status crew_resize(crew *self, unsigned count, release *what);

/* Every slot should have a worker from now on. */
void crew_want_all(crew *self);

/* Everybody is told to go (SLOT_TERMINATE) or to end at once (SLOT_QUIT), those that leave already too. */
void crew_tell_all(crew *self, slot_event event, row_farewell farewell);

/*
 * Who is in a slot is told to go, and the slots are empty: when somebody is wanted there again nobody has to
 * be waited for. They would boot this release.
 */
void crew_vacate(crew *self, release *what);

/* What workers tell their clients when this master is killed: that they may come back, as long as there is
 * another master. FAREWELL_STOP at first. */
void crew_set_orphan_farewell(crew *self, row_farewell farewell);

/* Gives one slot an event: SLOT_WANTED. */
void crew_tell(crew *self, slot *place, slot_event event);

/* Gives every process of the crew, also those that leave, the log files that were opened anew. */
void crew_hand_logs(crew *self, const logfile_set *set);

/* Lets time pass: every deadline that has come is acted on. In every turn. */
void crew_pass_time(crew *self);

/* The next deadline; 0: none. */
uint64_t crew_deadline_ns(const crew *self);

/* What the slot boots from now on, when its worker ends; a worker that runs there is not touched. */
void crew_assign(slot *place, release *what);

/* True while so many workers leave that another successor could take the place of a slot's own worker. */
bool crew_is_crowded(const crew *self);

/*
 * The worker of a slot is told to go (FAREWELL_REPLACED), and the slot is empty at once: nobody is wanted
 * there. HUB_ENOMEM: the same, but the slot is empty only when the worker has left.
 */
hub_status crew_empty_slot(crew *self, unsigned number);

/*
 * Takes in a process that is a child already, as a slot describes it; it runs a release and stands in its
 * slot, which must be the next one, or leaves. HUB_ENOMEM, HUB_EINVAL.
 */
hub_status crew_adopt(crew *self, const slot *facts, bool leaving, release *what);

/* Boots a successor for a slot; one at a time. HUB_ENOMEM, HUB_ESTATE (there is one). */
hub_status crew_start_successor(crew *self, unsigned number, release *what);

/* The successor takes the slot, and who was there is told to go. It must be ready. */
void crew_seat_successor(crew *self);

/* The successor is told to go, or is not waited for any more; the slot's worker stays. */
void crew_dismiss_successor(crew *self);

/* Reads the rows: says which workers have become READY. When the master's doorbell rang. */
void crew_hear(crew *self);

/* A process has been reaped. False when it was no worker of the crew. */
bool crew_bury(crew *self, pid_t pid, int status);

/* True while any process of the crew lives. */
bool crew_is_manned(const crew *self);

/* True while every slot has its worker and none of them still boots. */
bool crew_all_ready(const crew *self);

/* Ends the channel through which the worker of a slot is handed log files. Does nothing without one. */
void crew_close_logs(slot *place);

/* The row of the worker in a slot. */
row *crew_row(const crew *self, const slot *place);

#endif
