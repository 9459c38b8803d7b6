/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The turning of a worker: one libev loop, and around its poll a table of named steps.
 *
 * One turn:  steps after the poll  ->  ready greenlets  ->  steps before the poll  ->  poll (libev; watchers
 * run)
 *
 * Code that runs in a step, in a watcher's callback or in a timer is in *hub context*: it must not park. Code
 * that runs in a greenlet may. A process has one loop; it belongs to the thread that made it.
 */
#ifndef WORKER_HUB_LOOP_H
#define WORKER_HUB_LOOP_H

#include "common/error.h"

#include <ev.h>

/*
 * What stops a greenlet that outgrows its stack. BEST is the first of the others that this system has. A
 * guard turns the first write below the stack into a reported SIGSEGV; a canary is looked at when the
 * greenlet parks or ends, so its death is noticed late. MPROTECT guards as many stacks as the process may
 * have mappings for and gives the others a canary.
 */
typedef enum stack_guard {
    STACK_GUARD_BEST,
    STACK_GUARD_MADVISE,
    STACK_GUARD_MPROTECT,
    STACK_GUARD_CANARY
} stack_guard;

typedef struct loop_options {
    size_t stack_size;      /* bytes of address space a greenlet; rounded up to pages, at least 16 KB */
    unsigned max_greenlets; /* 0: no limit but 2^24 */
    stack_guard guard;      /* leave it 0 */
} loop_options;

/* When a step runs. After the poll: what arrived by other roads than watchers. Before it: what gathers a
 * turn's work. */
typedef enum loop_phase { LOOP_AFTER_POLL, LOOP_BEFORE_POLL } loop_phase;

/* A step; true says that more waits to be done, so that the poll must not block. */
typedef bool (*loop_step)(void *arg);

/*
 * Makes the loop and the greenlet pool of this process. Errors: HUB_ESTATE (there is one), HUB_ENOMEM,
 * HUB_ESYSTEM. loop_close frees everything; no greenlet may be alive but those that are pooled.
 */
hub_status loop_open(const loop_options *options, error *error);
void loop_close(void);

/* How stacks are guarded, in words for a start-up line: "guard pages (madvise)". "none" while there is no
 * loop. */
const char *stack_guard_name(void);

/* libev's loop, for watchers. NULL while there is none. */
struct ev_loop *loop_ev(void);

/*
 * Takes a descriptor whose watchers are stopped, and that will stay open elsewhere, out of the loop's epoll
 * set. libev leaves it there: once this process has closed it, its next event would make libev build the
 * whole set anew. Nothing happens when it is not in the set. To watch it again, call ev_io_init or ev_io_set
 * first: else libev believes that it is still there.
 */
void loop_forget(int fd);

/* Adds a step behind those of its phase. Errors: HUB_EFULL (8 a phase). `name` appears in dumps. */
hub_status loop_add_step(loop_phase phase, const char *name, loop_step step, void *arg);

/* Turns until loop_stop. Errors: HUB_ESTATE (called from a greenlet or from within itself, or no loop). */
hub_status loop_run(void);

/*
 * Ends loop_run just before its next poll: whatever was done until then has gone through the steps before it.
 * Without a run in progress, the next one ends there. Hub context or greenlet.
 */
void loop_stop(void);

/* Turns so far. Another thread or process may read it through the word that loop_publish_turns names. */
uint64_t loop_turns(void);
void loop_publish_turns(_Atomic uint64_t *word); /* stored each turn; NULL stops it */

/* The time at which this turn's poll returned, in seconds of the monotonic clock (the one of
 * clock_monotonic_ns); no system call. */
double loop_now(void);

#endif
