/* SPDX-License-Identifier: Apache-2.0 */
/* Content codings that a client accepts (RFC 9110, sections 8.4.1 and 12.5.3). */
#ifndef WORKER_HTTP_CODING_H
#define WORKER_HTTP_CODING_H

#include "worker/http/parser.h"

/* In the order in which they are chosen among equals. */
typedef enum coding { CODING_BROTLI, CODING_GZIP, CODING_IDENTITY, CODINGS } coding;

/* "br", "gzip", "identity". */
const char *coding_name(coding which);

/*
 * Orders the codings that the request accepts by its weights, the best first; *count is how many: 0 when even
 * identity is refused ("identity;q=0", or "*;q=0" without identity). Without Accept-Encoding, or with an
 * empty one, identity alone; where identity is not named, it is accepted as the last. All fields of the name
 * are one list, in which the first mention of a coding counts; an element with a malformed weight is passed
 * over.
 */
void coding_order(const http_head *head, coding order[CODINGS], size_t *count);

#endif
