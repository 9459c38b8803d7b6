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
    size_t attachment_count;
    hub_bytes attachments[PACK_ATTACHMENTS_MAX]; /* lent by the arguments */
} packing;

/* Forgets what was packed and keeps the memory; forgets both. */
void pack_clear(packing *to);
void pack_free(packing *to);

/*
 * Add values to a packing, which the caller zeroed or cleared. A value that is marked as checked is copied as
 * it is, any other is checked first; missing ones are null. Placeholders are numbered anew, and the same
 * memory is one attachment, however often and by whichever value it is referred to. In the steady state
 * nothing is allocated. Any context.
 *
 * Errors: HUB_EINVAL (a wrong format, text that is not UTF-8, a value that is not JSON, a placeholder without
 * its binary), HUB_EFULL (too many attachments), HUB_ENOMEM; the packing is then to be cleared.
 */
hub_status pack_values(packing *to, const char *format, va_list values);
hub_status pack_text(packing *to, hub_bytes text); /* one string */
hub_status pack_value(packing *to, hub_value value);
hub_status pack_items(packing *to, hub_value array); /* each of its items */

#endif
