/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The masters that a master follows, while their workers still finish: process descriptors, by which signals
 * for all workers reach them, and nobody else who might have their number by then.
 */
#ifndef MASTER_PREDECESSORS_H
#define MASTER_PREDECESSORS_H

#include <sys/types.h>

enum { PREDECESSORS_MAX = 16 }; /* of more, the oldest hears nothing */

typedef struct predecessors {
    int fds[PREDECESSORS_MAX]; /* from the oldest on; -1: none */
} predecessors;

void predecessors_open(predecessors *self); /* none */
void predecessors_close(predecessors *self);

/* One more, which must live, or not have been reaped yet. Without a descriptor for it, it hears nothing. */
void predecessors_add(predecessors *self, pid_t pid);

/* Sends a signal to each that lives. */
void predecessors_tell(const predecessors *self, int number);

#endif
