/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259) as text that is looked at, never built into a tree: a message is checked once when it
 * comes, and values are spans of it. Also the placeholders by which Socket.IO refers to binary attachments.
 *
 *     json.c         checking and walking
 *     json_text.c    strings: escaping and unescaping
 *
 * Nothing here allocates or recurses. Any thread. That the text is UTF-8 is the caller's part.
 */
#ifndef WORKER_SIO_JSON_H
#define WORKER_SIO_JSON_H

#include <hubbub.h>

/* No limit on nesting is above this one. */
enum { JSON_DEPTH_MAX = 1024 };

/* What a check found. */
typedef struct json_facts {
    size_t items;        /* of the outermost array, or members of the outermost object; 0 of a placeholder */
    size_t placeholders; /* anywhere in it */
    size_t highest;      /* the highest number of them, when there are any */
} json_facts;

/*
 * Checks that the text is one JSON value, strictly, with blanks around it allowed. *facts may be NULL.
 *
 * A placeholder is {"_placeholder":true,"num":N}, keys in either order, N an integer from 0 to 2^31-1. Any
 * other object with a key "_placeholder", however that is escaped, is refused: clients differ in what they
 * take for a placeholder, and one that refers to nothing makes them close their connection.
 *
 * Errors: HUB_EPROTO (not JSON, or such an object), HUB_ETOOBIG (it nests deeper than max_depth, or than
 * JSON_DEPTH_MAX; the outermost array or object is 1).
 */
hub_status json_check(hub_bytes text, unsigned max_depth, json_facts *facts);

/*
 * Walking text that was checked; of other text they give anything, but nothing behind its end. json_begin is
 * the offset of the first byte from `at` on that is no blank. json_skip gives the offset behind the value
 * that begins at `at` (blanks before it passed over).
 */
size_t json_begin(hub_bytes text, size_t at);
size_t json_skip(hub_bytes text, size_t at);

/* The offset behind the placeholder that begins at `at`, with its number; 0 when none begins there. */
size_t json_placeholder(hub_bytes text, size_t at, size_t *number);

/*
 * Writing: bytes that json_write_text needs for a string with its quotes, and the string. Control characters,
 * quotes and backslashes are escaped, everything else is written as it is. Returns the end.
 */
size_t json_text_size(hub_bytes text);
char *json_write_text(char *out, hub_bytes text);

/* The same in one pass, where there is room for the length and 2: NULL when the text needs escapes, or is not
 * all ASCII; what was written is then nothing. */
char *json_write_ascii(char *out, hub_bytes text);

/*
 * Reading: `inside` is what stands between the quotes of a string. json_unescape writes what it means, UTF-8,
 * in at most as many bytes, and returns how many; half of a surrogate pair alone becomes U+FFFD. json_equals
 * tells whether it means `text`. `out` may be where `inside` is.
 */
bool json_has_escapes(hub_bytes inside);
size_t json_unescape(char *out, hub_bytes inside);
bool json_equals(hub_bytes inside, hub_bytes text);

#endif
