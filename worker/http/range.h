/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of bytes that a request asks for (RFC 9110, section 14). */
#ifndef WORKER_HTTP_RANGE_H
#define WORKER_HTTP_RANGE_H

#include <hubbub.h>

enum { RANGES_MAX = 16 }; /* that are looked at in one request */

typedef struct byte_range {
    uint64_t first, length; /* length is above 0 */
} byte_range;

typedef enum range_result {
    RANGE_WHOLE,        /* the field does not count: 200 with everything */
    RANGE_PARTS,        /* 206 */
    RANGE_UNSATISFIABLE /* 416 */
} range_result;

/*
 * Reads a Range field's value for a representation of `length` bytes: "0-9", "5-", "-5", and lists of these.
 * After RANGE_PARTS, parts[0 … *count) lie in the representation and neither overlap nor touch: ranges that
 * do are put together, in the place of the one that was named first (15.3.7.2), so that the answer is never
 * longer than the whole but for the heads of its parts.
 *
 * RANGE_WHOLE: another unit than bytes, anything malformed, a last position below the first, or more than
 * RANGES_MAX ranges (all allowed by 14.2); the suffix of an empty representation, which no Content-Range can
 * name. Positions beyond 2^64 are beyond the end.
 */
range_result range_parse(hub_bytes field, uint64_t length, byte_range parts[RANGES_MAX], size_t *count);

#endif
