/* SPDX-License-Identifier: Apache-2.0 */
/* Says which greenlet outgrew its stack before the process dies of it. */
#ifndef WORKER_HUB_OVERFLOW_H
#define WORKER_HUB_OVERFLOW_H

#include "worker/hub/greenlet.h"

/*
 * Handles SIGSEGV on a signal stack of its own, in the calling thread: a hit in a greenlet's guard writes one
 * line to standard error that names it. Then, and after every other SIGSEGV, the action that was in force
 * before gets the same fault again, its address intact. Where that is the default and crash.h is installed,
 * who runs is written first, with its stack. Errors: HUB_ESYSTEM.
 */
hub_status overflow_install(error *error);
void overflow_remove(void);

/* The same line for a greenlet whose canary is dead; then SIGSEGV. Does not return. */
void overflow_die(const greenlet *g) __attribute__((noreturn, cold));

#endif
