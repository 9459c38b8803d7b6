/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/record.h"

#include "common/hash.h"

/* ---- encoding ---- */

static hub_status check_names(const hub_bytes *names, size_t count, size_t most)
{
    if (count > most)
        return HUB_EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (names[i].length == 0)
            return HUB_EINVAL;
        if (names[i].length > BUS_NAME_MAX)
            return HUB_ETOOBIG;
    }
    return HUB_OK;
}

static hub_status check_message(const bus_message *message)
{
    if (message->name_space.length > BUS_NAME_MAX)
        return HUB_ETOOBIG;
    hub_status status = check_names(message->rooms, message->room_count, BUS_ROOMS_MAX);
    if (status == HUB_OK)
        status = check_names(message->except, message->except_count, BUS_EXCEPT_MAX);
    return status;
}

static unsigned char *put_bytes(unsigned char *to, hub_bytes bytes)
{
    if (bytes.length > 0)
        memcpy(to, bytes.data, bytes.length);
    return to + bytes.length;
}

static unsigned char *put_names(unsigned char *to, const hub_bytes *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *to++ = (unsigned char)names[i].length;
        to = put_bytes(to, names[i]);
    }
    return to;
}

static size_t round_up_8(size_t length)
{
    return (length + 7) & ~(size_t)7;
}

hub_status record_draft_message(record_draft *draft, const bus_message *message, const uint64_t *hashes,
                                size_t link_count, size_t body_length, uint32_t body_checksum)
{
    hub_status status = link_count <= RECORD_LINKS_MAX ? check_message(message) : HUB_EINVAL;
    if (status != HUB_OK)
        return status;
    if (body_length > UINT32_MAX - RECORD_HEAD_MAX)
        return HUB_ETOOBIG;

    draft->header = (record_header *)draft->bytes;
    draft->links = (record_link *)(draft->bytes + sizeof(record_header));
    for (size_t i = 0; i < link_count; i++)
        draft->links[i] = (record_link){.hash = hashes[i]};
    unsigned char *end = draft->bytes + sizeof(record_header) + link_count * sizeof(record_link);
    end = put_bytes(end, message->name_space);
    end = put_names(end, message->rooms, message->room_count);
    end = put_names(end, message->except, message->except_count);
    size_t used = (size_t)(end - draft->bytes);
    size_t head_length = round_up_8(used);
    memset(end, 0, head_length - used);

    *draft->header = (record_header){
        .length = (uint32_t)(head_length + body_length),
        .head_length = (uint32_t)head_length,
        .body_checksum = body_checksum,
        .sender = message->sender,
        .target = message->target,
        .collector = message->collector,
        .kind = message->kind,
        .flags = message->flags,
        .hole = message->hole,
        .name_space_length = (uint8_t)message->name_space.length,
        .room_count = (uint8_t)message->room_count,
        .except_count = (uint8_t)message->except_count,
        .link_count = (uint8_t)link_count,
    };
    return HUB_OK;
}

static uint32_t head_checksum(const unsigned char *head, size_t head_length)
{
    size_t skip = sizeof(uint32_t);
    return hash_crc32c(0, head + skip, head_length - skip);
}

void record_finish(record_draft *draft, uint64_t position, uint64_t horizon)
{
    draft->header->position = position;
    draft->header->horizon = horizon;
    draft->header->checksum = head_checksum(draft->bytes, draft->header->head_length);
}

/* ---- decoding ---- */

size_t record_head_length(const void *bytes, size_t record_most)
{
    record_header header;
    memcpy(&header, bytes, sizeof header);
    bool plausible = header.length <= record_most && header.head_length <= header.length &&
                     header.head_length <= RECORD_HEAD_MAX && header.head_length % 8 == 0 &&
                     header.head_length >= sizeof header + header.link_count * sizeof(record_link);
    return plausible ? header.head_length : 0;
}

/* Cuts `length` bytes off the front of *rest; false when it has fewer. */
static bool cut(hub_bytes *rest, size_t length, hub_bytes *part)
{
    if (rest->length < length)
        return false;
    *part = hub_bytes_of(rest->data, length);
    *rest = hub_bytes_of((const unsigned char *)rest->data + length, rest->length - length);
    return true;
}

static bool cut_names(hub_bytes *rest, hub_bytes *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hub_bytes prefix;
        if (!cut(rest, 1, &prefix))
            return false;
        size_t length = *(const unsigned char *)prefix.data;
        if (length == 0 || !cut(rest, length, &names[i]))
            return false;
    }
    return true;
}

bool record_decode(record_view *view, const void *head, size_t head_length)
{
    record_header *header = &view->header;
    if (head_length < sizeof *header)
        return false;
    memcpy(header, head, sizeof *header);
    if (header->head_length != head_length || header->length < head_length ||
        header->checksum != head_checksum(head, head_length))
        return false;
    if (header->link_count > RECORD_LINKS_MAX || header->room_count > BUS_ROOMS_MAX ||
        header->except_count > BUS_EXCEPT_MAX)
        return false;

    hub_bytes links;
    hub_bytes rest = hub_bytes_of((const unsigned char *)head + sizeof *header, head_length - sizeof *header);
    if (!cut(&rest, header->link_count * sizeof(record_link), &links))
        return false;
    memcpy(view->links, links.data, links.length);
    view->link_count = header->link_count;
    return cut(&rest, header->name_space_length, &view->name_space) &&
           cut_names(&rest, view->rooms, header->room_count) &&
           cut_names(&rest, view->except, header->except_count) && rest.length < 8;
}
