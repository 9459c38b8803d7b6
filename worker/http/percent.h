/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding (RFC 3986, section 2.1) and queries in form encoding (a=1&b=2, with + for a space). */
#ifndef WORKER_HTTP_PERCENT_H
#define WORKER_HTTP_PERCENT_H

#include <hubbub.h>

typedef enum percent_result {
    PERCENT_OK,
    PERCENT_BAD, /* a percent sign without two hexadecimal digits behind it: 400 */
    PERCENT_NUL  /* decoded in full, and a %00 (or a plain NUL) is among it */
} percent_result;

/* What decoding would say, without doing it. */
percent_result percent_check(hub_bytes text);

/*
 * Decodes into `out`, which has room for text.length bytes and may be where `text` begins; *length is how
 * many came out, 0 after PERCENT_BAD. percent_decode_form reads + as a space.
 */
percent_result percent_decode(hub_bytes text, char *out, size_t *length);
percent_result percent_decode_form(hub_bytes text, char *out, size_t *length);

/*
 * Compares the decoded text with plain bytes: below, equal to or above 0 as memcmp orders them, the shorter
 * first. The text must have passed percent_check.
 */
int percent_compare(hub_bytes text, hub_bytes plain);

/*
 * Takes the next name=value off *rest, both raw; without a "=" the value is empty. Empty parts ("&&") are
 * skipped. False at the end.
 */
bool query_next(hub_bytes *rest, hub_bytes *name, hub_bytes *value);

/*
 * Finds the first part whose decoded name is `name`, and gives its raw value (for percent_decode_form). False
 * when there is none; parts with a malformed name are passed over.
 */
bool query_find(hub_bytes query, hub_bytes name, hub_bytes *value);

#endif
