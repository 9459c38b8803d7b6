/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts connections for one worker, and no more than its fair share of the host's.
 *
 * All workers watch the same listening sockets. A worker at or below the mean of those that accept keeps
 * watching; one that is above it looks away and looks again on a short timer. When somebody who should accept
 * does not (connections wait from one look to the next while that worker's hub does not turn), he no longer
 * counts: a stopped worker delays nobody for longer than two looks.
 *
 * Hub context.
 */
#ifndef WORKER_NET_ACCEPTOR_H
#define WORKER_NET_ACCEPTOR_H

#include "bus/region.h"
#include "common/error.h"

typedef struct acceptor_listener {
    int fd;
    const char *name;
} acceptor_listener;

typedef struct acceptor_options {
    const region *region;
    unsigned row;                        /* this incarnation's */
    unsigned connections;                /* stop accepting at so many */
    void (*accepted)(int fd, void *arg); /* takes over the non-blocking socket */
    void *arg;
} acceptor_options;

enum { ACCEPTOR_LISTENERS_MAX = 64 };

/* Errors: HUB_ESTATE (open already, no loop), HUB_EFULL (too many listeners). */
hub_status acceptor_open(const acceptor_options *options, const acceptor_listener *listeners, size_t count,
                         error *why);

/*
 * Accepts what waits in a queue now, without regard to shares, up to the limit of connections: nobody else
 * will serve it. Connections that come while it runs count, too, as long as they are no more than `most`.
 */
void acceptor_empty(int fd, unsigned most);

/* Stops accepting for good; the listening sockets stay open, they are the master's. */
void acceptor_close(void);

/*
 * The share rule, on its own for tests: may a worker that holds `own` connections accept, when `members`
 * workers accept and hold `total` together, its own included?
 */
bool acceptor_may(uint32_t own, uint64_t total, uint32_t members);

#endif
