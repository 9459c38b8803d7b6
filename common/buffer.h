/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable run of bytes. Zero-initialise it; it owns its memory until buffer_free. Growth at least doubles,
 * so that appending n bytes one by one costs O(n).
 */
#ifndef COMMON_BUFFER_H
#define COMMON_BUFFER_H

#include <hubbub.h>

typedef struct buffer {
    char *data;
    size_t length;
    size_t capacity;
} buffer;

/* Makes room for `more` bytes behind the length. Errors: HUB_ENOMEM; the buffer is then as it was. */
hub_status buffer_reserve(buffer *buffer, size_t more);

/* Append. Errors: HUB_ENOMEM; the buffer is then as it was. */
hub_status buffer_append(buffer *buffer, const void *data, size_t length);
hub_status buffer_append_text(buffer *buffer, const char *text);
hub_status buffer_printf(buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops `length` bytes at the front (all, when it holds fewer) by moving the rest. */
void buffer_consume(buffer *buffer, size_t length);

/* Forgets the bytes and keeps the memory; forgets both. Both leave an empty buffer that can be used again. */
void buffer_clear(buffer *buffer);
void buffer_free(buffer *buffer);

hub_bytes buffer_bytes(const buffer *buffer);

#endif
