/* SPDX-License-Identifier: Apache-2.0 */
/* How a worker is born: its row of the shared memory, its channel for log files, what it inherits, the fork.
 */
#ifndef MASTER_BIRTH_H
#define MASTER_BIRTH_H

#include "master/crew.h"

/*
 * Forks a worker of the slot's release into the slot, which must be empty: its pid, row, word, generation and
 * channel are set, but the slot's rules are told nothing. Errors: HUB_EFULL (no row is free), and those of
 * logfile_channel and spawn_process; nobody is in the slot then.
 */
hub_status birth_fork(crew *self, slot *place, error *failure);

#endif
