/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets that this process was started with: those of a service manager (sd_listen_fds(3):
 * LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES) and others that are named by their number. They stay their giver's:
 * none is ever closed on its account, and no path is removed.
 */
#ifndef MASTER_INHERIT_H
#define MASTER_INHERIT_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    INHERIT_FIRST = 3, /* sd_listen_fds(3): the first descriptor of a service manager */
    INHERIT_MAX = 64,
};

/*
 * Reads what a service manager says in the environment, remembers it, and takes it out of the environment so
 * that no child thinks it is meant. Before the process forks: LISTEN_PID names it alone; what is meant for
 * another process, or says no number, counts as nothing. Each descriptor becomes close-on-exec. Once a
 * process.
 */
void inherit_read_environment(void);

/* How many descriptors a service manager gave; 0: none. */
size_t inherit_count(void);

/*
 * The descriptor at an index below inherit_count; -1 when its name is another one. An empty name fits any.
 */
int inherit_find(size_t index, const char *name);

/*
 * Checks that a descriptor is a listening stream socket of IPv4, IPv6 or unix kind and makes it non-blocking
 * and close-on-exec. Errors: HUB_EINVAL with a line that begins with `text`, the address as it was given.
 */
hub_status inherit_check(int fd, const char *text, error *failure);

#endif
