/* SPDX-License-Identifier: Apache-2.0 */
/* What a master has, as it stands in a handover, and back: listening sockets, shared memory, workers. */
#ifndef MASTER_INVENTORY_H
#define MASTER_INVENTORY_H

#include "master/crew.h"
#include "master/handover.h"
#include "master/upgrade.h"

/*
 * Writes down what belongs to the server; workers and what they need only when they are to be adopted (in
 * place). The channel and the table of slots are of one upgrade and not looked at.
 */
void inventory_write(handover *to, handover_mode mode, const crew *all, const listener_set *listeners,
                     const upgrade_facts *facts);

/* Back again. Whose the path of a unix socket is, is for the caller to say: nobody's. */
listener inventory_listener(const handover_listener *from);
slot inventory_slot(const handover_worker *from);

#endif
