/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 validation, RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. Text may come in
 * pieces that are cut anywhere; a byte that cannot be part of valid text is refused in the piece it comes in.
 */
#ifndef WORKER_WS_UTF8_H
#define WORKER_WS_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialised: at the start of a text. */
typedef struct utf8_state {
    uint8_t missing;   /* bytes that the begun character still lacks */
    uint8_t low, high; /* allowed range of its next byte; meaningful while `missing` is not 0 */
} utf8_state;

/*
 * Checks the next piece. False: the text is not valid, whatever follows; the state is then of no further use.
 * Any thread, no allocation.
 */
bool utf8_feed(utf8_state *state, const void *data, size_t length);

/* True when the text may end here: no character is half there. */
static inline bool utf8_complete(utf8_state state)
{
    return state.missing == 0;
}

/* A whole text at once. */
bool utf8_valid(const void *data, size_t length);

#endif
