/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How this process was started, and how to start the same again: the program's path, arguments, folder and
 * environment, as they were. A path is kept as it was given, not what it led to, so that a file, or a link,
 * that was put in its place is what is started next.
 */
#ifndef MASTER_LAUNCH_H
#define MASTER_LAUNCH_H

#include "master/handover.h"

enum {
    LAUNCH_NONE = -2,          /* no such variable */
    LAUNCH_EXIT_REFUSED = 127, /* of a child whose execve failed */
};

/*
 * Once, first in main. *fd becomes the number that the environment variable held, -1 when that was no number,
 * LAUNCH_NONE without it; the variable is removed. Errors: HUB_ENOMEM, HUB_ESYSTEM (no such folder any more):
 * launch_check then fails as well.
 */
hub_status launch_remember(char *const argv[], const char *variable, int *fd, error *error);

/* The absolute path of the program; "" when it is not known. */
const char *launch_program(void);

/* Whether it can be started, as far as a look at its file tells. Errors: HUB_ENOENT, HUB_ESYSTEM. */
hub_status launch_check(error *error);

/*
 * Executes the program in this process, in the folder and environment of the start, but for the variable,
 * which names `fd`, and for LISTEN_PID, which names this process when sockets of a service manager are passed
 * on. Of the descriptors only those of `what` and `fd` are inherited. Returns, with errno, only when that
 * failed; the folder and the descriptors' flags are then what they were.
 */
void launch_execute(const handover *what, const char *variable, int fd);

#endif
