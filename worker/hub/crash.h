/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker says when it is made to die, dies of itself, or is asked: which greenlet runs and its stack,
 * and what all the others do. Written by signal handlers on the signal stack (overflow.h), one write a line.
 */
#ifndef WORKER_HUB_CRASH_H
#define WORKER_HUB_CRASH_H

#include "worker/hub/greenlet.h"

enum {
    CRASH_STACKS_MAX = 100, /* different stacks that are written; greenlets beyond are counted */
};

/*
 * Handles, in the process of the calling thread, which must be the loop's:
 *   SIGABRT: writes who runs with its stack, then every other greenlet (equal ones once, with their number),
 *            then lets the signal do what it does by default;
 *   SIGBUS, SIGFPE, SIGILL: writes who runs with its stack, then the default; SIGSEGV does the same by way of
 *            overflow.h. Where a handler was installed before, a sanitizer's, it is left;
 *   SIGRTMIN: writes what SIGABRT does, and the process goes on.
 * A signal that another thread takes is handed to the loop's, unless it is that thread's own fault. Only once
 * the loop is open. Errors: HUB_ESYSTEM.
 */
hub_status crash_install(error *error);
void crash_remove(void);

/* Who runs, and its stack, which a signal interrupted: for a handler; `context` is its third argument. */
void crash_write_running(int number, const void *context);

/* Everybody, in the same form, as SIGRTMIN does it. Any context of the loop's thread. */
void crash_write_all(hub_level level);

#endif
