/* SPDX-License-Identifier: Apache-2.0 */
/* The fork of a worker or of a helper, and what a child must shed before it is one. */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H

#include "common/error.h"
#include "worker/worker.h"

#include <signal.h>

typedef struct spawn_request {
    const char *label; /* of its log lines: "worker 3"; NULL: none */
    int (*run)(void *arg);
    void *arg;
    const int *keep; /* descriptors that the child keeps besides 0, 1 and 2, in any order */
    size_t keep_count;
    bool keeps_user; /* it stays who its parent is: a master that follows */
} spawn_request;

/*
 * Forks a process and sets *pid. All signals are blocked around the fork, so none that is meant for the
 * master is ever taken by a child that still looks like it. In the child:
 *   - it is sent SIGTERM when its parent dies. The parent pipe tells a worker the same once its loop turns;
 *     the signal ends it also while it boots and watches nothing yet. If the parent is gone already it exits;
 *   - every handler that was set and every signal that was ignored gets its default again, except SIGHUP,
 *     SIGUSR1 and SIGUSR2, which workers ignore so that a hang-up or a `pkill` meant for the master harms
 *     nobody;
 *   - every descriptor outside `keep` is closed, whether it is close-on-exec or not;
 *   - its log lines are labelled;
 *   - but for keeps_user, it becomes the user and group that were found (privileges.h), if any, and
 *     asks again for the signal at its parent's death, which the kernel forgets with the user;
 *   - no signal is blocked;
 *   - then `run` is called, standard streams are flushed, and the process exits with its result without
 *     running the master's exit handlers.
 * Errors: HUB_ESYSTEM (fork: the line says which limit), HUB_ENOMEM. Nothing was forked then.
 */
hub_status spawn_process(const spawn_request *request, pid_t *pid, error *error);

/* The child's steps, each on its own so that it can be tested. */
void spawn_reset_signals(void);
hub_status spawn_close_others(const int *keep, size_t count);

#endif
