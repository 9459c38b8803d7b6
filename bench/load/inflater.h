/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed messages without context takeover (RFC 7692, section 7.2.2). A broadcast comes many times in the
 * same bytes: each different one is inflated, the same again is compared only.
 */
#ifndef BENCH_LOAD_INFLATER_H
#define BENCH_LOAD_INFLATER_H

#include <stdbool.h>
#include <stddef.h>
#include <zlib.h>

typedef struct load_inflater { /* private, but for kept_length */
    z_stream stream;
    unsigned char *kept; /* compressed bytes of the last message */
    size_t kept_length;  /* 0: there was none */
    unsigned char *message;
    size_t message_length, capacity;
    bool open;
} load_inflater;

/* For messages of at most so many bytes. Zeroed before. False without memory. */
bool inflater_make(load_inflater *inflater, size_t capacity);
void inflater_free(load_inflater *inflater);

/* The message, lent until the next call; NULL when the bytes are not one. */
const unsigned char *inflater_read(load_inflater *inflater, const unsigned char *data, size_t length,
                                   size_t *inflated);

#endif
