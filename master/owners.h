/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which master owns a slot while two of them run. A page of shared memory with a word for each slot, apart
 * from the region, because two masters whose regions differ need it as well. Only the owner of a slot starts
 * workers that stay in it; a slot changes hands by a compare-and-swap, so both never own it.
 */
#ifndef MASTER_OWNERS_H
#define MASTER_OWNERS_H

#include "common/error.h"

#include <sys/types.h>

typedef struct owners owners;

/* Makes the table; every slot belongs to `first`. *fd is the memory, close-on-exec, for the caller to close.
 * Errors: HUB_ESYSTEM. */
hub_status owners_create(owners **out, pid_t first, int *fd, error *error);

/* Maps the table of another master. HUB_EPROTO when there is none behind the descriptor, or one of another
 * layout; HUB_ESYSTEM. */
hub_status owners_attach(owners **out, int fd, error *error);

void owners_close(owners *owners); /* NULL is fine */

/* Whose it is. */
pid_t owners_of(const owners *owners, unsigned slot);

/* The slot goes from one master to another. False, and nothing is changed, when it is not `from`'s. */
bool owners_move(owners *owners, unsigned slot, pid_t from, pid_t to);

#endif
