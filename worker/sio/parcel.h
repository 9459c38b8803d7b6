/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An array of values with its attachments as bytes that one worker of the host writes and another reads:
 * {length of the text, number of attachments, their lengths}, the text, the attachments.
 */
#ifndef WORKER_SIO_PARCEL_H
#define WORKER_SIO_PARCEL_H

#include "worker/sio/emission.h"

#include <sys/uio.h>

enum { PARCEL_PARTS_MAX = PACK_ATTACHMENTS_MAX + 2 };

typedef struct parcel {
    hub_bytes text;
    size_t count;
    hub_bytes attachments[PACK_ATTACHMENTS_MAX];
} parcel;

/* The lengths, which the parts refer to. */
typedef struct parcel_head {
    uint32_t words[2 + PACK_ATTACHMENTS_MAX];
} parcel_head;

/* Describes a parcel as parts, which refer to all that is given; how many. */
int parcel_parts(hub_bytes text, const hub_bytes *attachments, size_t count, parcel_head *head,
                 struct iovec parts[PARCEL_PARTS_MAX]);

/* Reads one, lent by the bytes. False: they are no parcel. */
bool parcel_read(hub_bytes bytes, parcel *out);

#endif
