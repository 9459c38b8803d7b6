/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot: a place for one worker, and the rules by which it is filled, watched and emptied. Pure: events and
 * the time go in, one action comes out, and the master performs it. No process, clock or log line is touched
 * here.
 *
 *     EMPTY ----wanted----> BACKOFF --time--> (fork) --> BOOTING --said ready--> READY
 *       ^                      ^                            |                      |
 *       |                      +---- reaped, wanted --------+----------------------+
 *       |                                                   |                      |
 *       +---- reaped, not wanted ---- DRAINING <------------+------ terminate -----+
 *       |                                |  time, quit
 *       +---- reaped ---- KILLED <----- ENDING <---- quit, boot timeout, heartbeat too old
 *                               time
 */
#ifndef MASTER_SLOT_H
#define MASTER_SLOT_H

#include "bus/row.h"
#include "common/clock.h"

#include <sys/types.h>

#define SLOT_QUIT_NS        (2 * CLOCK_NS_PER_S)    /* from "end now" to SIGKILL */
#define SLOT_QUIET_NS       (60 * CLOCK_NS_PER_S)   /* ready for so long: earlier ends are forgotten */
#define SLOT_BACKOFF_NS     (100 * CLOCK_NS_PER_MS) /* the first delay that is not 0; it doubles */
#define SLOT_BACKOFF_MAX_NS (10 * CLOCK_NS_PER_S)
enum { SLOT_DEGRADED_ENDS = 5 }; /* so many ends with no quiet minute in between make a slot degraded */

typedef enum slot_state {
    SLOT_EMPTY,    /* nobody, and nobody is wanted */
    SLOT_BACKOFF,  /* nobody; one is forked at the deadline */
    SLOT_BOOTING,  /* forked, has not said READY */
    SLOT_READY,    /* serves */
    SLOT_DRAINING, /* was told to finish; killed at the deadline */
    SLOT_ENDING,   /* was told to end at once; killed at the deadline */
    SLOT_KILLED,   /* only to be reaped */
} slot_state;

typedef enum slot_event {
    SLOT_WANTED,     /* a worker should run here from now on */
    SLOT_FORKED,     /* the fork that was asked for is done */
    SLOT_UNFORKED,   /* it failed */
    SLOT_SAID_READY, /* the row says so */
    SLOT_REAPED,     /* the process is gone */
    SLOT_TERMINATE,  /* no worker should run here any more: finish */
    SLOT_QUIT,       /* the same, at once */
    SLOT_TIME,       /* time passed; nothing happens before the deadline */
} slot_event;

typedef enum slot_action {
    SLOT_NOTHING,
    SLOT_FORK,      /* then give SLOT_FORKED or SLOT_UNFORKED */
    SLOT_SEND_TERM, /* SIGTERM: drain */
    SLOT_SEND_QUIT, /* SIGQUIT: end now */
    SLOT_SEND_ABRT, /* SIGABRT: it does not turn, so say where */
    SLOT_SEND_KILL,
} slot_action;

/* Why: for the log. */
typedef enum slot_note {
    SLOT_NO_NOTE,
    SLOT_BOOT_TOO_LONG, /* not READY within the boot timeout */
    SLOT_STALE,         /* the hub has not turned for the timeout */
    SLOT_GRACE_OVER,    /* told to drain, and did not end in time */
    SLOT_IGNORED_QUIT,  /* told to end at once, and did not */
    SLOT_DEGRADED,      /* ends again and again; said once */
    SLOT_RECOVERED,     /* a degraded slot has been ready for a quiet minute */
} slot_note;

typedef struct slot_result {
    slot_action action;
    slot_note note;
} slot_result;

/* In nanoseconds; 0: without a limit, but for graceful_ns. */
typedef struct slot_limits {
    uint64_t boot_ns;     /* from fork to READY */
    uint64_t timeout_ns;  /* oldest heartbeat of a ready worker */
    uint64_t graceful_ns; /* from SIGTERM to SIGKILL */
} slot_limits;

typedef struct slot {
    unsigned number;
    slot_state state;
    bool wanted;          /* fill it again when its worker ends */
    bool degraded;        /* was reported so */
    uint64_t deadline_ns; /* when to give SLOT_TIME next; 0: never */

    uint64_t forked_ns; /* of the worker that is here now, or was last */
    uint64_t ready_ns;  /* 0: it never said READY */
    uint64_t look_ns;   /* when its heartbeat is looked at next; 0: never */
    unsigned failures;  /* ends since the last quiet minute: the step of the backoff */

    /* who is here: kept by the master, not looked at here */
    pid_t pid; /* 0: nobody */
    unsigned row;
    row_word word;           /* the row's word at the fork */
    unsigned generation;     /* how many filled this slot */
    struct release *release; /* what is booted here next, and what runs here now; held */
    int logs;                /* socket over which it gets log files; -1: none */
    struct slot *next;       /* among those that leave */
} slot;

/* An empty slot that nobody is wanted in. */
void slot_init(slot *slot, unsigned number);

/*
 * Takes one event. `heartbeat_ns` is the worker's, read for SLOT_TIME and ignored otherwise. Events that mean
 * nothing in a state change nothing. Afterwards slot->deadline_ns is up to date.
 */
slot_result slot_step(slot *slot, const slot_limits *limits, slot_event event, uint64_t now_ns,
                      uint64_t heartbeat_ns);

/* True while a process is here. */
bool slot_filled(const slot *slot);

/* The delay before the fork that follows `failures` earlier ends: 0, 0.1 s, 0.2 s … 10 s. */
uint64_t slot_backoff_ns(unsigned failures);

#endif
