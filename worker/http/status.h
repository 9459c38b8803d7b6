/* SPDX-License-Identifier: Apache-2.0 */
/* Status codes of answers (RFC 9110, section 15, and the registry of IANA). */
#ifndef WORKER_HTTP_STATUS_H
#define WORKER_HTTP_STATUS_H

#include <stdbool.h>

/* "Not Found" for 404; for a number without a name that of its class ("Client Error"), "" outside 100-599. */
const char *status_reason(int status);

/* True when an answer of this status never has a body: 1xx, 204, 304 (RFC 9112, section 6.3). */
bool status_without_body(int status);

#endif
