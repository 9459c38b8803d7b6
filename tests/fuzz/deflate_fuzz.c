/* SPDX-License-Identifier: Apache-2.0 */
/*
 * permessage-deflate. The input's first byte chooses what the rest is:
 *   an offer        the field is negotiated, and what is answered must be agreed when it is offered again
 *   a message       deflated and inflated, it must be what it was, with and without kept windows
 *   deflated bytes  the verdict must not depend on the limit but for its being too low, nor on a kept window
 *                   that is empty
 *   frames          the events must not depend on how the bytes are cut
 */
#include "worker/ws/deflate.h"
#include "worker/ws/message.h"

#include "common/buffer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const deflate_terms takeover = {15, 15, true, true};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static extension_result negotiate(hub_bytes value, deflate_mode mode, deflate_terms *terms, char *answer)
{
    const http_field field = {hub_text("Sec-WebSocket-Extensions"), value};
    const http_head head = {.fields = &field, .field_count = 1};
    return extension_negotiate(&head, mode, terms, answer);
}

static void try_offer(hub_bytes value)
{
    deflate_terms terms, again;
    char answer[EXTENSION_ANSWER_MAX], repeated[EXTENSION_ANSWER_MAX];
    for (deflate_mode mode = DEFLATE_OFF; mode <= DEFLATE_TAKEOVER; mode++) {
        extension_result result = negotiate(value, mode, &terms, answer);
        if (result != EXTENSION_AGREED)
            continue;
        require(mode != DEFLATE_OFF && terms.server_bits >= DEFLATE_BITS_MIN);
        require(terms.server_bits <= DEFLATE_BITS_MAX && terms.client_bits <= DEFLATE_BITS_MAX);
        require(negotiate(hub_text(answer), mode, &again, repeated) == EXTENSION_AGREED);
        require(strcmp(answer, repeated) == 0 && memcmp(&terms, &again, sizeof terms) == 0);
    }
}

static void try_message(hub_bytes body)
{
    deflate_context *server = deflate_context_new(takeover), *client = deflate_context_new(takeover);
    require(server && client);
    for (int round = 0; round < 4; round++) {
        bool keeps = round % 2;
        unsigned char *data;
        size_t length;
        hub_bytes small;
        if (!deflate_message(keeps ? server : NULL, keeps ? 15 : 9, body, &small))
            continue;
        require(small.length < body.length);
        require(deflate_inflate(keeps ? client : NULL, small, body.length, &data, &length) == HUB_OK);
        require(hub_equal(hub_bytes_of(data, length), body));
        free(data);
    }
    deflate_context_free(server);
    deflate_context_free(client);
}

static void try_deflated(hub_bytes body)
{
    unsigned char *whole, *other;
    size_t length, other_length;
    deflate_context *client = deflate_context_new(takeover);
    require(client);
    hub_status status = deflate_inflate(NULL, body, 1 << 20, &whole, &length);
    require(deflate_inflate(client, body, 1 << 20, &other, &other_length) == status);
    if (status == HUB_OK) {
        require(hub_equal(hub_bytes_of(whole, length), hub_bytes_of(other, other_length)));
        free(other);
        require(deflate_inflate(NULL, body, length, &other, &other_length) == HUB_OK);
        require(hub_equal(hub_bytes_of(whole, length), hub_bytes_of(other, other_length)));
        free(other);
        require(length == 0 || deflate_inflate(NULL, body, length - 1, &other, &other_length) == HUB_ETOOBIG);
        free(whole);
    }
    deflate_context_free(client);
}

static void tell(buffer *events, const message_event *event)
{
    int type = event->kind == MESSAGE_DATA ? (int)event->type : 0;
    require(buffer_printf(events, "%d %d %u %zu ", (int)event->kind, type, event->code,
                          event->bytes.length) == HUB_OK);
    require(buffer_append(events, event->bytes.data, event->bytes.length) == HUB_OK);
}

/* The events of frames in pieces of `step` bytes. */
static buffer events_of(hub_bytes stream, size_t step, bool keeps)
{
    buffer events = {0};
    message_parser parser;
    deflate_context *client = keeps ? deflate_context_new(takeover) : NULL;
    require(client || !keeps);
    message_open(&parser, 70000);
    message_deflate(&parser, client);
    for (size_t at = 0; at < stream.length; at += step) {
        size_t piece = step < stream.length - at ? step : stream.length - at;
        unsigned char *copy = malloc(piece);
        require(copy != NULL);
        memcpy(copy, (const char *)stream.data + at, piece);
        for (size_t used = 0;;) {
            size_t consumed;
            message_event event = message_next(&parser, copy + used, piece - used, &consumed);
            used += consumed;
            if (event.kind == MESSAGE_MORE)
                break;
            tell(&events, &event);
        }
        free(copy);
    }
    message_close(&parser);
    deflate_context_free(client);
    return events;
}

static void try_frames(hub_bytes stream, unsigned seed)
{
    bool keeps = seed & 1;
    buffer whole = events_of(stream, stream.length ? stream.length : 1, keeps);
    buffer cut = events_of(stream, 1 + seed / 2 % 31, keeps);
    require(hub_equal(buffer_bytes(&whole), buffer_bytes(&cut)));
    buffer_free(&whole);
    buffer_free(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    hub_bytes rest = hub_bytes_of(data + 2, size - 2);
    switch (data[0] % 4) {
    case 0:
        try_offer(rest);
        break;
    case 1:
        try_message(rest);
        break;
    case 2:
        try_deflated(rest);
        break;
    default:
        try_frames(rest, data[1]);
    }
    return 0;
}
