/* SPDX-License-Identifier: Apache-2.0 */
/* What the log says of the notes that a slot's rules give. */
#ifndef MASTER_NOTE_H
#define MASTER_NOTE_H

#include "master/slot.h"

/*
 * Logs one line for a note about a slot, and none for SLOT_NO_NOTE. `limits` are those by which the slot was
 * judged; `score` is the row of the worker that is in it, of which SLOT_STALE tells what runs.
 */
void note_say(slot_note note, const slot *slot, const slot_limits *limits, const row *score);

#endif
