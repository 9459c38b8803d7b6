/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket messages: the events of a stream must not depend on how its bytes are cut, nor on whether large
 * frames are received in place. The input's first two bytes choose the cuts and the limit on messages, the
 * rest is what a client sends.
 */
#include "worker/ws/message.h"

#include "common/buffer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct plan {
    size_t max_message;
    uint32_t seed; /* of the cuts; 0: one piece */
    bool in_place; /* receive where message_room says */
} plan;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void tell(buffer *events, const message_event *event)
{
    require(event->kind != MESSAGE_DATA || event->type == HUB_TEXT || event->type == HUB_BINARY);
    int type = event->kind == MESSAGE_DATA ? (int)event->type : 0;
    require(buffer_printf(events, "%d %d %u %zu ", (int)event->kind, type, event->code,
                          event->bytes.length) == HUB_OK);
    require(buffer_append(events, event->bytes.data, event->bytes.length) == HUB_OK);
}

static void feed(message_parser *parser, const uint8_t *data, size_t size, buffer *events)
{
    unsigned char *copy = malloc(size + 1);
    require(copy != NULL);
    memcpy(copy, data, size);
    for (size_t used = 0;;) {
        size_t consumed;
        message_event event = message_next(parser, copy + used, size - used, &consumed);
        used += consumed;
        require(used <= size);
        if (event.kind == MESSAGE_MORE) {
            require(used == size);
            break;
        }
        tell(events, &event);
        if (event.kind == MESSAGE_DATA && !event.borrowed && event.bytes.length % 2 == 0)
            free(message_take(parser));
    }
    free(copy);
}

/* Feeds the piece in place as far as the parser offers room; returns how much that was. */
static size_t feed_in_place(message_parser *parser, const uint8_t *data, size_t size, buffer *events)
{
    size_t room, taken = 0;
    for (void *place; taken < size && (place = message_room(parser, &room)) != NULL;) {
        size_t some = room < size - taken ? room : size - taken;
        memcpy(place, data + taken, some);
        taken += some;
        message_event event = message_filled(parser, some);
        if (event.kind != MESSAGE_MORE)
            tell(events, &event);
    }
    return taken;
}

static buffer events_of(const uint8_t *data, size_t size, plan plan)
{
    buffer events = {0};
    message_parser parser;
    message_open(&parser, plan.max_message);
    for (size_t at = 0; at < size;) {
        size_t piece = size - at;
        if (plan.seed != 0) {
            size_t wish = 1 + next_random(&plan.seed) % (next_random(&plan.seed) % 3 == 0 ? 2000 : 8);
            piece = wish < piece ? wish : piece;
        }
        size_t taken = plan.in_place ? feed_in_place(&parser, data + at, piece, &events) : 0;
        feed(&parser, data + at + taken, piece - taken, &events);
        at += piece;
        require(message_memory(&parser) <= 2 * at + 17000);
    }
    message_close(&parser);
    return events;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    static const size_t limits[] = {0, 10, 125, 1000, 65536, 1u << 20};
    plan whole = {.max_message = limits[data[0] % (sizeof limits / sizeof *limits)]};
    plan cut = {whole.max_message, (uint32_t)data[1] + 1, false};
    plan in_place = {whole.max_message, (uint32_t)data[1] + 300, true};

    buffer first = events_of(data + 2, size - 2, whole);
    buffer second = events_of(data + 2, size - 2, cut);
    buffer third = events_of(data + 2, size - 2, in_place);
    require(hub_equal(buffer_bytes(&first), buffer_bytes(&second)));
    require(hub_equal(buffer_bytes(&first), buffer_bytes(&third)));
    buffer_free(&first);
    buffer_free(&second);
    buffer_free(&third);
    return 0;
}
