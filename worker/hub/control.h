/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control block of a greenlet, and what the files of this folder share about it. It lies at the top of
 * its own stack, so that a parked greenlet touches one page in all.
 */
#ifndef WORKER_HUB_CONTROL_H
#define WORKER_HUB_CONTROL_H

#include "worker/hub/greenlet.h"
#include "worker/hub/switch.h"
#include "worker/hub/waiters.h"

/* ENDED is 0, so that the zeros of a page that was returned to the system read as an ended greenlet. */
typedef enum greenlet_state {
    GREENLET_ENDED,
    GREENLET_READY,
    GREENLET_RUNNING,
    GREENLET_PARKED
} greenlet_state;

enum { GREENLET_NAME_SIZE = 32 };

struct greenlet {
    /* What a switch touches comes first: one cache line. */
    _Alignas(64) switch_context context;
    greenlet *next;    /* in the ready queue, or in the pool */
    hub_status status; /* what park returns, once it is ready */
    uint8_t state;
    bool killed;    /* the next wait returns HUB_ECANCELED */
    bool has_guard; /* else its canary is looked at when it parks */
    uint16_t uses;  /* greenlets that this stack served, modulo 65,536 */
    char *low;      /* lowest usable byte of the stack */
    hub_greenlet id;
    const char *waits_for;

    double parked_at;
    int saved_errno;
    char name[GREENLET_NAME_SIZE];
    greenlet_main run;
    void *arg;
    waiters joiners;
    void **locals;
    uint32_t locals_count;
    uint32_t index;   /* of its stack */
    void *fake_stack; /* AddressSanitizer's */
};

/* The time of the last poll, for loop_now; here so that a park reads it without a call. */
extern double loop_time;

/* The greenlet on this stack, whatever its state. */
greenlet *greenlet_at(uint32_t index);

/* As greenlet_wake; false when it was not parked, so that a waker with one thing to give looks on. */
bool greenlet_wake_parked(greenlet *g, hub_status status);

/* True, once, when the running greenlet was killed since its last wait: the wait that asks is cancelled. */
bool greenlet_take_kill(void);

/* Puts the running greenlet behind all that are ready. Nothing in hub context. */
void greenlet_yield(void);

/* HUB_ENOENT when it has ended. */
hub_status greenlet_kill(hub_greenlet id);

/* Runs those that are ready now; what becomes ready meanwhile waits for the next call. Hub context. */
void greenlets_run_ready(void);

/* By the thread that the loop belongs to. */
void greenlets_open(void);

/* Forgets all greenlets and the pool; their stacks go with stacks_close. */
void greenlets_close(void);

/* Calls the destructors of a greenlet's local values and frees them. In that greenlet. */
void local_clear(greenlet *g);

/* The step or part of the turn in progress, in words. Async-signal-safe. */
const char *loop_doing(void);

#endif
