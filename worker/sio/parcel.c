/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/parcel.h"

int parcel_parts(hub_bytes text, const hub_bytes *attachments, size_t count, parcel_head *head,
                 struct iovec parts[PARCEL_PARTS_MAX])
{
    head->words[0] = (uint32_t)text.length;
    head->words[1] = (uint32_t)count;
    parts[0] = (struct iovec){head->words, (2 + count) * sizeof *head->words};
    parts[1] = (struct iovec){(void *)(uintptr_t)text.data, text.length};
    for (size_t i = 0; i < count; i++) {
        head->words[2 + i] = (uint32_t)attachments[i].length;
        parts[2 + i] = (struct iovec){(void *)(uintptr_t)attachments[i].data, attachments[i].length};
    }
    return (int)count + 2;
}

static bool cut(hub_bytes *rest, size_t length, hub_bytes *part)
{
    if (rest->length < length)
        return false;
    *part = hub_bytes_of(rest->data, length);
    *rest = hub_bytes_of((const char *)rest->data + length, rest->length - length);
    return true;
}

bool parcel_read(hub_bytes bytes, parcel *out)
{
    parcel_head head;
    hub_bytes part;
    if (!cut(&bytes, 2 * sizeof *head.words, &part))
        return false;
    memcpy(head.words, part.data, part.length);
    out->count = head.words[1];
    if (out->count > PACK_ATTACHMENTS_MAX || !cut(&bytes, out->count * sizeof *head.words, &part))
        return false;
    if (part.length)
        memcpy(head.words + 2, part.data, part.length);
    if (!cut(&bytes, head.words[0], &out->text))
        return false;
    for (size_t i = 0; i < out->count; i++)
        if (!cut(&bytes, head.words[2 + i], &out->attachments[i]))
            return false;
    return bytes.length == 0;
}
