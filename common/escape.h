/* SPDX-License-Identifier: Apache-2.0 */
/* Text from anywhere, made fit for one line of a log or an error. */
#ifndef COMMON_ESCAPE_H
#define COMMON_ESCAPE_H

#include <stddef.h>

/*
 * Copies a text: control characters (C0, DEL and C1) and bytes that are not UTF-8 come out as \xNN, the rest
 * as it is. Writes at most `capacity` bytes with the final NUL and cuts between characters when there is
 * more; the number written without the NUL. `capacity` is at least 1; the two may not overlap.
 */
size_t escape_text(char *to, size_t capacity, const char *text, size_t length);

/*
 * The same for the inside of a string of JSON (RFC 8259, section 7): quotes, backslashes and control
 * characters are escaped, and each byte that is not UTF-8 becomes U+FFFD.
 */
size_t escape_json(char *to, size_t capacity, const char *text, size_t length);

/* Bytes of the UTF-8 character (RFC 3629) at the start of a text; 0 when there is none. */
size_t escape_utf8_length(const char *text, size_t length);

#endif
