/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding log records from any bytes. The input is taken as cells of the log: first as it is, then with its
 * checksum made right, so that what lies behind the checksum is reached too.
 */
#include "bus/record.h"

#include "common/hash.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t read_sum; /* so that every name is read */

static void read_bytes(hub_bytes bytes)
{
    for (size_t i = 0; i < bytes.length; i++)
        read_sum += ((const unsigned char *)bytes.data)[i];
}

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void use(const record_view *view, size_t head_length)
{
    require(view->header.head_length == head_length);
    require(view->link_count <= RECORD_LINKS_MAX);
    require(view->header.room_count <= BUS_ROOMS_MAX && view->header.except_count <= BUS_EXCEPT_MAX);
    read_bytes(view->name_space);
    for (size_t i = 0; i < view->header.room_count; i++) {
        require(view->rooms[i].length > 0 && view->rooms[i].length <= BUS_NAME_MAX);
        read_bytes(view->rooms[i]);
    }
    for (size_t i = 0; i < view->header.except_count; i++)
        read_bytes(view->except[i]);
}

/* What decodes must encode to the same bytes again, but for links and positions, which the log fills in. */
static void encode_again(const record_view *view, const unsigned char *head, size_t head_length)
{
    static record_draft draft;
    uint64_t hashes[RECORD_LINKS_MAX];
    for (size_t i = 0; i < view->link_count; i++)
        hashes[i] = view->links[i].hash;
    bus_message message = {.kind = view->header.kind,
                           .flags = view->header.flags,
                           .hole = view->header.hole,
                           .name_space = view->name_space,
                           .rooms = view->rooms,
                           .room_count = view->header.room_count,
                           .except = view->except,
                           .except_count = view->header.except_count,
                           .sender = view->header.sender,
                           .target = view->header.target,
                           .collector = view->header.collector};
    size_t body_length = view->header.length - head_length;
    hub_status status = record_draft_message(&draft, &message, hashes, view->link_count, body_length,
                                             view->header.body_checksum);
    if (status == HUB_ETOOBIG) /* a body above what the log writes */
        return;
    require(status == HUB_OK);
    require(draft.header->head_length == head_length);
    size_t names = sizeof(record_header) + view->link_count * sizeof(record_link);
    size_t used = names + view->name_space.length;
    for (size_t i = 0; i < message.room_count; i++)
        used += 1 + message.rooms[i].length;
    for (size_t i = 0; i < message.except_count; i++)
        used += 1 + message.except[i].length;
    require(memcmp(draft.bytes + names, head + names, used - names) == 0);
}

static void decode(const unsigned char *head, size_t head_length)
{
    static record_view view;
    if (!record_decode(&view, head, head_length))
        return;
    use(&view, head_length);
    encode_again(&view, head, head_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < sizeof(record_header))
        return 0;
    size_t head_length = record_head_length(data, 1u << 24);
    if (head_length == 0 || head_length > size)
        return 0;
    unsigned char *head = malloc(head_length); /* of exactly its length, so that nothing behind it is read */
    if (!head)
        return 0;
    memcpy(head, data, head_length);
    decode(head, head_length);
    uint32_t checksum = hash_crc32c(0, head + sizeof checksum, head_length - sizeof checksum);
    memcpy(head, &checksum, sizeof checksum);
    decode(head, head_length);
    free(head);
    return 0;
}
