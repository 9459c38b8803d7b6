/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The releases that a server can go back to: the last three that ran in all slots, the running one among
 * them. Going back to one is a reload of it: roll_to(roll, shelf_find(shelf, number)), with its own
 * configuration and the application as it was, whatever became of the files.
 */
#ifndef MASTER_SHELF_H
#define MASTER_SHELF_H

#include "master/release.h"

enum { SHELF_RELEASES = 3 };

typedef struct shelf {
    release *kept[SHELF_RELEASES]; /* held; the one that was put here last comes first; NULL: nothing more */
} shelf;

/* Puts a release in front, and drops the one that is one too many. One that is here already only moves. */
void shelf_keep(shelf *self, release *what);

/* The caller does not hold it. NULL: it is not here, or not any more. */
release *shelf_find(const shelf *self, unsigned number);

void shelf_clear(shelf *self);

#endif
