/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared read buffer of a worker. Every socket is read into the same block, and what was read is used in
 * place. When something must outlive the reading callback (a handler parked while it borrows its message), it
 * holds the block: the bytes read stay where they are, and the next read goes behind them, or into a new
 * block when this one is nearly full. So a holder pins the bytes that arrived for it, not a whole buffer.
 *
 * Hub context; single thread.
 */
#ifndef WORKER_NET_INPUT_H
#define WORKER_NET_INPUT_H

#include <hubbub.h>

typedef struct input_block input_block;

enum { INPUT_BLOCK = 256 * 1024, INPUT_READ_MIN = 64 * 1024 };

/* Where to read to: at least INPUT_READ_MIN bytes of room. NULL without memory. */
void *input_room(size_t *room);

/*
 * Holds the bytes that were read last, from input_room's address up to `end`: they stay until input_drop.
 * Several holders of one read may each hold it.
 */
input_block *input_hold(const void *end);
void input_drop(input_block *block); /* NULL is fine */

/* Frees the current block; at the end of a worker. */
void input_trim(void);

#endif
