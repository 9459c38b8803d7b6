/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is rung after a change of the log. A reader marks itself asleep, fences and looks at the log again
 * before it blocks; whoever changes the log looks at the marks afterwards. So one of the two sees the other.
 * A ringer takes the mark from the row and writes the eventfd only if it was there: one write for each sleep.
 */
#ifndef BUS_DOORBELL_H
#define BUS_DOORBELL_H

#include "bus/hostlog.h"
#include "bus/interest.h"

/* Rings the sleepers among the rows of the mask; NULL: all sleepers. Never this process itself. */
void doorbell_ring(const hostlog *log, const interest_mask *mask);

/* Rings those that wait for an unfinished record: after any commit or abort that others could wait for. */
void doorbell_ring_stuck(const hostlog *log);

/* Rings sleepers that are behind by an eighth of the ring, interested or not, so that they make room. */
void doorbell_ring_laggards(const hostlog *log);

#endif
