/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of Socket.IO from any bytes. What is taken must keep what the header promises, refer to nothing
 * outside the text, and be the same packet when it is written and read again. The first three bytes are the
 * limits.
 */
#include "worker/sio/json.h"
#include "worker/sio/packet.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool is_event(const packet *p)
{
    return p->type == PACKET_EVENT || p->type == PACKET_BINARY_EVENT;
}

static bool lies_in(hub_bytes part, hub_bytes whole)
{
    const char *begin = whole.data, *p = part.data;
    return p >= begin && p + part.length <= begin + whole.length;
}

static void check_name(const packet *p, hub_bytes text)
{
    require(p->items >= 1 && lies_in(p->name, text));
    char *name = malloc(p->name.length + 1);
    require(name != NULL);
    hub_bytes meaning = {name, json_unescape(name, p->name)};
    require(!packet_name_is_reserved(meaning));
    require(p->name_has_escapes || hub_equal(meaning, p->name));
    free(name);
}

static void check_fields(const packet *p, hub_bytes text, const packet_limits *limits)
{
    bool binary = p->type == PACKET_BINARY_EVENT || p->type == PACKET_BINARY_ACK;
    require(p->type <= PACKET_BINARY_ACK && p->type != PACKET_CONNECT_ERROR);
    require(binary == (p->attachments > 0) && p->attachments <= limits->attachments);
    require(p->name_space.length >= 1 && *(const char *)p->name_space.data == '/');
    require(p->name_space.length == 1 ||
            (lies_in(p->name_space, text) && p->name_space.length <= limits->name_space));
    require(!memchr(p->name_space.data, ',', p->name_space.length));
    require(p->id == PACKET_NO_ID || p->id < UINT64_C(1) << 53);
    json_facts facts = {0};
    if (p->data.length > 0)
        require(json_check(p->data, limits->depth, &facts) == HUB_OK);
    require(facts.placeholders == 0 || facts.highest < p->attachments);
    require(facts.items == p->items);
    if (is_event(p))
        check_name(p, text);
    else
        require(p->name.length == 0);
}

static void write_and_read(const packet *p, const packet_limits *limits)
{
    char head[PACKET_HEAD_MAX];
    if (p->name_space.length > 255)
        return;
    /* The type without attachments: writing makes it binary. */
    packet_type type = p->type == PACKET_BINARY_EVENT ? PACKET_EVENT
                       : p->type == PACKET_BINARY_ACK ? PACKET_ACK
                                                      : p->type;
    size_t length = packet_write_head(head, type, p->attachments, p->name_space, p->id);
    require(length <= sizeof head);
    char *text = malloc(length + p->data.length);
    require(text != NULL);
    memcpy(text, head, length);
    memcpy(text + length, p->data.data, p->data.length);
    packet again;
    require(packet_read(&again, hub_bytes_of(text, length + p->data.length), limits) == HUB_OK);
    require(again.type == p->type && again.attachments == p->attachments && again.id == p->id);
    require(hub_equal(again.name_space, p->name_space) && hub_equal(again.data, p->data));
    require(hub_equal(again.name, p->name) && again.items == p->items);
    if (is_event(p)) {
        hub_bytes arguments = packet_arguments(text + length, p->data.length);
        json_facts facts;
        require(json_check(arguments, JSON_DEPTH_MAX, &facts) == HUB_OK);
        require(facts.items == p->items - 1);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    packet_limits limits = {
        .attachments = data[0], .depth = 1 + data[1], .name_space = 1 + (size_t)data[2] * 2};
    size_t length = size - 3;
    char *copy = malloc(length ? length : 1); /* of exactly its length, so that nothing behind it is read */
    require(copy != NULL);
    memcpy(copy, data + 3, length);
    packet p;
    hub_status status = packet_read(&p, hub_bytes_of(copy, length), &limits);
    require(status == HUB_OK || status == HUB_EPROTO || status == HUB_ETOOBIG);
    if (status == HUB_OK) {
        check_fields(&p, hub_bytes_of(copy, length), &limits);
        write_and_read(&p, &limits);
    }
    free(copy);
    return 0;
}
