/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is lent to a handler: taken in pieces while it runs, and given back at once when it has
 * returned. Blocks are kept for the next handler, so that a steady flow of events allocates nothing.
 */
#ifndef WORKER_SIO_LENT_H
#define WORKER_SIO_LENT_H

#include <stddef.h>

/*
 * Memory of the running greenlet, aligned for everything; size may be 0. NULL without memory, and outside a
 * greenlet. It stays until lent_release_all, or the greenlet's end.
 */
void *lent_take(size_t size);

/* Gives back all that the running greenlet took. Nothing outside one. */
void lent_release_all(void);

#endif
