/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks: equal pieces of address space, numbered from 0, carved one after the other from arenas that are
 * mapped when the first of their stacks is needed. Untouched pages cost nothing. Whoever takes a stack gives
 * it back by number; this file knows nothing of what lives in it.
 */
#ifndef WORKER_HUB_STACK_H
#define WORKER_HUB_STACK_H

#include "common/error.h"
#include "worker/hub/loop.h"

/* Stacks are numbered below this: 16,777,216. */
enum { STACK_INDEX_BITS = 24 };

/*
 * Prepares for stacks of `size` bytes, guard included, rounded up to pages and at least 16 KB; `limit` is
 * their greatest number, 0 for 2^24. Maps nothing yet. STACK_GUARD_BEST chooses what the system has. Errors:
 * HUB_ESTATE (open already), HUB_EINVAL (a guard that this system does not have, a size above 1 GB).
 */
hub_status stacks_open(size_t size, unsigned limit, stack_guard guard, error *error);
void stacks_close(void);

/*
 * Gives the number of a stack whose pages are all untouched. Errors: HUB_EFULL (the limit), HUB_ENOMEM (a
 * mapping was refused).
 */
hub_status stack_take(uint32_t *index);

/* Takes a stack back; its pages return to the system at once. */
void stack_give(uint32_t index);

/* Returns the pages below `from` to the system; the caller knows that nothing lives there. */
void stack_trim(uint32_t index, const char *from);

/* Lowest usable byte, and one past the highest. */
char *stack_low(uint32_t index);
char *stack_top(uint32_t index);

/* False when only a canary protects it, which its user must look at now and then: see stack_canary_is_dead.
 */
bool stack_has_guard(uint32_t index);

/*
 * True when something was written to the lowest words of a stack without a guard. They hold zeros and not a
 * pattern, because a pattern would cost each such stack a page of memory.
 */
bool stack_canary_is_dead(const char *low);

size_t stack_size(void);  /* as rounded */
size_t stack_count(void); /* stacks ever carved, in use or given back */

/* The number of the stack whose guard holds this address. Async-signal-safe. */
bool stack_of_guard(const void *address, uint32_t *index);

#endif
