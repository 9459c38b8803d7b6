/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGUSR2: another program file takes the server over, while it serves.
 *
 * The running master forks, and the child executes the program that the command named when the server was
 * started, with the same arguments, folder and environment. It inherits the listening sockets and the shared
 * memory. It boots its workers slot by slot; when one of them serves, the slot is its own (owners.h) and the
 * old master tells its own worker of that slot to go. When it has all slots and its last worker has lived for
 * --reload-verify seconds, the old master goes when its workers have. Until then all can be undone: whenever
 * the new master ends, or gives up, the old one fills its slots again.
 *
 *     old   NONE --USR2--> GIVING --all given--> GIVEN (it drains)
 *             ^               | the new one ends, or gives back
 *             +---------- RESTORING
 *     new   TAKING --all taken--> PROVING --time--> TAKEN --the old one leaves--> NONE
 *             |                      |
 *             +---- RETURNING -------+   it fails, or is told to end: until the old one has its workers
 *
 * As process 1 there is nobody who would take care of the container when the old master goes. There a child
 * tries whether the new program could take over (PROBING), and then this process executes it: the workers
 * stay its children, and are replaced as at a reload.
 */
#ifndef MASTER_UPGRADE_H
#define MASTER_UPGRADE_H

#include "master/crew.h"
#include "master/handover.h"
#include "master/owners.h"
#include "master/predecessors.h"

/* The environment variable that names the descriptor. */
#define UPGRADE_VARIABLE "HUBBUB_UPGRADE"

typedef enum upgrade_phase {
    UPGRADE_NONE,
    UPGRADE_PROBING,
    UPGRADE_GIVING,
    UPGRADE_RESTORING,
    UPGRADE_GIVEN,
    UPGRADE_TAKING,
    UPGRADE_PROVING,
    UPGRADE_RETURNING,
    UPGRADE_TAKEN,
} upgrade_phase;

typedef struct upgrade {
    /* set by the owner */
    crew *crew;
    listener_set *listeners;
    void (*watch)(void *arg, int channel);  /* call upgrade_hear when it can be read; -1: no more */
    void (*given)(void *arg);               /* the new master has all slots: drain */
    void (*returned)(void *arg);            /* the old master has its slots again: drain */
    void (*alone)(void *arg, pid_t before); /* the old master leaves or is gone: this is the server */
    void (*named)(void *arg,
                  pid_t pid); /* who is the server's main process from now on: the other, or this */
    void *arg;

    /* its own */
    upgrade_phase phase;
    pid_t other;
    predecessors before; /* whose workers still finish */
    int channel, owners_fd;
    owners *owners;
    unsigned taken;     /* slots that changed hands so far */
    uint64_t verify_ns; /* of the new master */
    uint64_t deadline_ns;
    bool greeted;          /* the new program has said that it is one */
    int refusal;           /* errno of its execve */
    bool dismissed;        /* its end is no news */
    listener_set unwanted; /* inherited, and not in the configuration */
    handover *inherited;   /* NULL: this master was not started by another one */
} upgrade;

/*
 * First in main: remembers how this process was started, and takes the variable out of the environment.
 * Errors: HUB_ESYSTEM, HUB_ENOMEM: then upgrade_begin says that it cannot. HUB_EPROTO: the variable names
 * nothing that a master has left; the process should end.
 */
hub_status upgrade_remember(char *const argv[], error *error);

/* What the variable named, for upgrade_inherit; NULL: nothing, or it was taken. Descriptors in it are
 * close-on-exec again. */
handover *upgrade_found(void);

/* True when the master that left it lives beside this process. */
bool upgrade_is_beside(void);

/* True when this process was only started to try: it should check its configuration and call upgrade_try. */
bool upgrade_is_probe(void);

/* The probe's answer, on which it ends: whether the descriptors can be used. Errors: as region_attach. */
hub_status upgrade_try(error *error);

/* ---- in the master that goes ---- */

/* What upgrade_begin cannot see for itself. */
typedef struct upgrade_facts {
    const release *running;
    unsigned releases, configured;
    bool paused;
} upgrade_facts;

/* Nobody may be booting as a successor. Each failure is logged in one line, and nothing has changed then. */
void upgrade_begin(upgrade *self, const upgrade_facts *facts);

/* True while another master has, or is to get, slots of this one: no reload and no other number meanwhile. */
bool upgrade_is_giving(const upgrade *self);

/* The new master is to end, and its slots are filled again. */
void upgrade_take_back(upgrade *self);

/* This master ends by itself: the new one goes on without it. */
void upgrade_leave(upgrade *self);

/* A process was reaped; true when it was the new master, or the one that tried. The facts are for the case
 * that this process now executes the new program: then it does not return. */
bool upgrade_reaped(upgrade *self, pid_t pid, int status, const upgrade_facts *facts);

/* ---- in the master that comes ---- */

/*
 * Takes over `found`, which upgrade_found gave: the listening sockets that `settings` want go to the set (the
 * others are kept until the old master is gone), the region goes to *shared when `settings` want one of its
 * size, else *shared->header is NULL and the log says what that means. Errors: HUB_ESYSTEM, HUB_EPROTO.
 */
hub_status upgrade_inherit(upgrade *self, handover *found, const config *settings, region *shared,
                           error *error);

/* True when the address is served by inherited sockets. */
bool upgrade_has(const upgrade *self, const char *address);

/* True while the old master could still go on, and slots are being taken. */
bool upgrade_is_taking(const upgrade *self);

/* True from the start until the old master is gone, or was never there. */
bool upgrade_is_second(const upgrade *self);

/* A worker of this master is ready: its slot is taken, and the next one boots. */
void upgrade_take(upgrade *self, slot *place);

/* Gives all back; false when there is nobody to give it to, or nothing to give: then this master just ends.
 */
bool upgrade_give_back(upgrade *self, const char *why);

/* ---- in both ---- */

/* A signal that is for all workers of the server: the new master gets it while slots are given to it, and
 * those before while their workers still finish. */
void upgrade_forward(const upgrade *self, int number);

/* Whether this master may fill a slot. */
bool upgrade_owns(const upgrade *self, unsigned number);

/* True while the new master, which has all slots, has not taken over the names of this one yet: pid file and
 * control socket are not to be removed meanwhile. */
bool upgrade_is_waited_for(const upgrade *self);

/* True when another master serves at the same addresses: clients that are told to go may come back. */
bool upgrade_others_serve(const upgrade *self);

void upgrade_hear(upgrade *self);                  /* the channel can be read */
void upgrade_turn(upgrade *self);                  /* in every turn */
uint64_t upgrade_deadline_ns(const upgrade *self); /* 0: none */
void upgrade_close(upgrade *self);                 /* last of all: from then on the other master is alone */

#endif
