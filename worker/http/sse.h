/* SPDX-License-Identifier: Apache-2.0 */
/* Server-Sent Events: the text/event-stream format (WHATWG HTML, section 9.2.5). */
#ifndef WORKER_HTTP_SSE_H
#define WORKER_HTTP_SSE_H

#include "common/buffer.h"

/*
 * Appends an event with the blank line that ends it. Each line of the data becomes a data field, so that the
 * client reads the data as it was, its line ends as LF. Errors: HUB_EINVAL (CR, LF or NUL in the event's name
 * or id), HUB_ENOMEM; what is in the buffer behind its old length then means nothing.
 */
hub_status sse_append(buffer *out, const hub_sse_event *event);

/* The same for a comment. Errors: HUB_EINVAL (CR or LF in it), HUB_ENOMEM. */
hub_status sse_append_comment(buffer *out, hub_bytes text);

/* Frees what is kept for reuse; at the end of a worker. */
void sse_trim(void);

#endif
