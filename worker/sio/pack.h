/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formats of the public header ("s{s:i}") become the text of a list of JSON values, and the list of binary
 * attachments that the text refers to.
 */
#ifndef WORKER_SIO_PACK_H
#define WORKER_SIO_PACK_H

#include "common/buffer.h"

enum { PACK_ATTACHMENTS_MAX = 63, PACK_DEPTH_MAX = 64 };

typedef struct packing {
    buffer text;  /* as it grows: values with commas between them, no brackets around */
    size_t items; /* values so far */
    hub_bytes attachments[PACK_ATTACHMENTS_MAX]; /* lent by the arguments */
    size_t attachment_count;
} packing;

/*
 * Adds values to a packing, which the caller zeroed, or reuses (buffer_clear of its text, counts zeroed).
 * Values of hub_value arguments that were not lent by a handler are checked. Placeholders are numbered anew.
 * Errors: HUB_EINVAL (a wrong format, text that is not UTF-8, a value that is not JSON, an attachment that is
 * not there), HUB_EFULL (too many attachments), HUB_ENOMEM; the packing is then to be dropped.
 */
hub_status pack_values(packing *to, const char *format, va_list values);
hub_status pack_text(packing *to, hub_bytes text); /* one string */
hub_status pack_value(packing *to, hub_value value);
hub_status pack_items(packing *to, hub_value array); /* each of its items */

#endif
