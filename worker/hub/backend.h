/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The epoll descriptor of the loop, which libev does not tell. The executable's own epoll_create1 stands in
 * front of the library's and sees libev make it: when the loop opens, and when libev rebuilds its set.
 */
#ifndef WORKER_HUB_BACKEND_H
#define WORKER_HUB_BACKEND_H

/* Around ev_loop_new: the next epoll descriptor that this thread makes is the loop's. */
void backend_expect(void);

/* -1: not known. */
int backend_descriptor(void);

/* The loop is gone. */
void backend_close(void);

/* How often libev has built its set anew since the loop was opened. */
unsigned backend_rebuilds(void);

#endif
