/* SPDX-License-Identifier: Apache-2.0 */
/* Header fields: what their names and values may hold, and the list form of values (RFC 9110, section 5). */
#ifndef WORKER_HTTP_FIELD_H
#define WORKER_HTTP_FIELD_H

#include <hubbub.h>

extern const bool field_tchars[256]; /* for field_is_tchar alone */

/* True for a character of a token (RFC 9110, section 5.6.2). */
static inline bool field_is_tchar(unsigned char c)
{
    return field_tchars[c];
}

/* A field name, or a method: a token, at least one tchar (5.1). */
bool field_name_valid(hub_bytes name);

/* A field value (5.5): no control characters but tabs; bytes from 128 on are allowed. May be empty. */
bool field_value_valid(hub_bytes value);

/* Two names, without case (ASCII). */
bool field_name_equal(hub_bytes a, hub_bytes b);

/* Without the spaces and tabs at both ends. */
hub_bytes field_trim(hub_bytes value);

/*
 * Takes the next element of a comma-separated list (5.6.1) off *rest, trimmed; empty elements are skipped.
 * False at the end of the list. For lists of tokens: quoted strings are not understood.
 */
bool field_list_next(hub_bytes *rest, hub_bytes *element);

/* True when the list has the token as an element, without case. */
bool field_list_has(hub_bytes list, hub_bytes token);

#endif
