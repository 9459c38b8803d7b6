/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259) as text that is looked at, never built into a tree: a message is checked once when it
 * comes, and values are spans of it. Also the placeholders by which Socket.IO refers to binary attachments.
 */
#ifndef WORKER_SIO_JSON_H
#define WORKER_SIO_JSON_H

#include <hubbub.h>

/* What a check found. */
typedef struct json_facts {
    size_t items;        /* of the outermost array, or members of the outermost object */
    size_t placeholders; /* {"_placeholder":true,"num":N} anywhere in it, keys in either order */
    size_t highest;      /* the highest N of them, when there are any */
} json_facts;

/*
 * Checks that the text is one JSON value, strictly, with blanks around it allowed: HUB_EPROTO when it is not,
 * and for a placeholder whose num is no number from 0 to 2^31-1; HUB_ETOOBIG when it nests deeper than
 * max_depth (the outermost array or object is 1). That the text is UTF-8 is the caller's part. *facts may be
 * NULL.
 */
hub_status json_check(hub_bytes text, unsigned max_depth, json_facts *facts);

/*
 * Walking text that was checked. json_skip gives the offset behind the value that begins at `at` (blanks
 * before it passed over). json_begin is the offset of the first byte that is no blank.
 */
size_t json_begin(hub_bytes text, size_t at);
size_t json_skip(hub_bytes text, size_t at);

/* Writing: bytes that json_write_text needs for a string with its quotes, and the string. Control characters,
 * quotes and backslashes are escaped, everything else is written as it is. Returns the end. */
size_t json_text_size(hub_bytes text);
char *json_write_text(char *out, hub_bytes text);

#endif
