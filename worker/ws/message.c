/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/message.h"
#include "worker/ws/close.h"
#include "worker/ws/deflate.h"
#include "worker/ws/frame.h"
#include "worker/ws/utf8.h"

#include <stdlib.h>

enum {
    TAIL_MAX = 6 + FRAME_CONTROL_MAX, /* a whole control frame: the longest that is waited for in one piece */
    CAPACITY_MIN = 256,
    ROOM_MIN = 4096, /* below this the copy is cheaper than a system call that fetches nothing else */
    ROOM_STEP = 16384,
    ROOM_MAX = 256 * 1024 /* what was read is unmasked and checked while it is in the processor's cache */
};

/* What an unfinished frame or message needs. */
struct message_assembly {
    frame_parser frame;
    unsigned char *data; /* payload of the message so far */
    size_t length, capacity;
    hub_type type;
    utf8_state utf8;
    bool compressed;     /* `data` is to be inflated when the message ends */
    bool delivered;      /* `data` is the message of the last event: the next call frees it */
    uint8_t tail_length; /* begun header or control frame */
    unsigned char tail[TAIL_MAX];
};

void message_open(message_parser *parser, size_t max_message)
{
    *parser = (message_parser){.max_message = max_message};
}

void message_deflate(message_parser *parser, deflate_context *context)
{
    parser->compressed = true;
    parser->deflate = context;
}

void message_close(message_parser *parser)
{
    if (parser->assembly) {
        free(parser->assembly->data);
        free(parser->assembly);
        parser->assembly = NULL;
    }
}

size_t message_memory(const message_parser *parser)
{
    return parser->assembly ? sizeof *parser->assembly + parser->assembly->capacity : 0;
}

/* ---- events ---- */

static message_event more(void)
{
    return (message_event){.kind = MESSAGE_MORE};
}

static message_event fail(message_parser *parser, uint16_t code, const char *reason)
{
    message_close(parser);
    parser->ended = true;
    return (message_event){.kind = MESSAGE_ERROR, .code = code, .bytes = hub_text(reason)};
}

static message_event no_memory(message_parser *parser)
{
    return fail(parser, CLOSE_INTERNAL, "out of memory");
}

/* ---- memory ---- */

static bool assembly_needed(message_parser *parser, const frame_parser *state)
{
    if (!parser->assembly) {
        parser->assembly = calloc(1, sizeof *parser->assembly);
        if (parser->assembly)
            parser->assembly->frame = *state;
    }
    return parser->assembly != NULL;
}

/* The last event has been dealt with: its memory goes. */
static void drop_delivered(message_assembly *assembly)
{
    if (!assembly->delivered)
        return;
    free(assembly->data);
    assembly->data = NULL;
    assembly->length = assembly->capacity = 0;
    assembly->delivered = false;
}

static void drop_when_idle(message_parser *parser)
{
    const message_assembly *assembly = parser->assembly;
    if (assembly && assembly->tail_length == 0 && assembly->frame.remaining == 0 &&
        !assembly->frame.fragmented)
        message_close(parser);
}

/*
 * Makes room for `extra` more bytes; doubles, so that many small fragments cost linear time. `end` is where
 * the message will end if that is known, else SIZE_MAX: there is no use for more.
 */
static bool reserve(message_assembly *assembly, size_t extra, size_t end)
{
    size_t wanted = assembly->length + extra;
    if (wanted <= assembly->capacity)
        return true;
    size_t capacity = assembly->capacity * 2;
    if (capacity < CAPACITY_MIN)
        capacity = CAPACITY_MIN;
    if (capacity > end)
        capacity = end;
    if (capacity < wanted)
        capacity = wanted;
    unsigned char *data = realloc(assembly->data, capacity);
    if (!data)
        return false;
    assembly->data = data;
    assembly->capacity = capacity;
    return true;
}

/* ---- frames into events ---- */

static message_event closed(message_parser *parser, const frame_part *part)
{
    uint16_t code = CLOSE_NO_STATUS;
    hub_bytes reason = {0};
    if (part->length == 1)
        return fail(parser, CLOSE_PROTOCOL, "close frame with half a code");
    if (part->length >= 2) {
        code = (uint16_t)(part->payload[0] << 8 | part->payload[1]);
        reason = hub_bytes_of(part->payload + 2, part->length - 2);
        if (!close_code_valid(code))
            return fail(parser, CLOSE_PROTOCOL, "close code not allowed");
        if (!utf8_valid(reason.data, reason.length))
            return fail(parser, CLOSE_INVALID_TEXT, "close reason is not UTF-8");
    }
    parser->ended = true;
    return (message_event){.kind = MESSAGE_CLOSE, .code = code, .bytes = reason};
}

static message_event control(message_parser *parser, const frame_part *part)
{
    if (part->opcode == FRAME_CLOSE)
        return closed(parser, part);
    return (message_event){.kind = part->opcode == FRAME_PING ? MESSAGE_PING : MESSAGE_PONG,
                           .bytes = hub_bytes_of(part->payload, part->length)};
}

static message_event delivered(message_assembly *assembly)
{
    assembly->delivered = true;
    return (message_event){.kind = MESSAGE_DATA,
                           .type = assembly->type,
                           .bytes = hub_bytes_of(assembly->data, assembly->length)};
}

/* A compressed message has ended; `payload` may be the assembly's own, which the message's bytes replace. */
static message_event inflated(message_parser *parser, hub_bytes payload)
{
    message_assembly *assembly = parser->assembly;
    unsigned char *data;
    size_t length;
    switch (deflate_inflate(parser->deflate, payload, parser->max_message, &data, &length)) {
    case HUB_OK:
        break;
    case HUB_ETOOBIG:
        return fail(parser, CLOSE_TOO_BIG, "message too big");
    case HUB_ENOMEM:
        return no_memory(parser);
    default:
        return fail(parser, CLOSE_INVALID_TEXT, "message cannot be inflated");
    }
    free(assembly->data);
    assembly->data = data;
    assembly->length = assembly->capacity = length;
    if (assembly->type == HUB_TEXT && length > 0 && !utf8_valid(data, length))
        return fail(parser, CLOSE_INVALID_TEXT, "text is not UTF-8");
    return delivered(assembly);
}

static message_event whole_compressed(message_parser *parser, const frame_parser *state,
                                      const frame_part *part)
{
    if (!assembly_needed(parser, state))
        return no_memory(parser);
    parser->assembly->type = (hub_type)part->opcode;
    return inflated(parser, hub_bytes_of(part->payload, part->length));
}

/* A message of one frame that lies whole in the caller's bytes. */
static message_event whole(message_parser *parser, const frame_part *part)
{
    if (part->opcode == FRAME_TEXT && !utf8_valid(part->payload, part->length))
        return fail(parser, CLOSE_INVALID_TEXT, "text is not UTF-8");
    return (message_event){.kind = MESSAGE_DATA,
                           .type = (hub_type)part->opcode,
                           .borrowed = true,
                           .bytes = hub_bytes_of(part->payload, part->length)};
}

/* Adds a piece, or a whole fragment, to the message; MESSAGE_MORE until the message ends with it. */
static message_event assemble(message_parser *parser, const frame_part *part)
{
    message_assembly *assembly = parser->assembly;
    if (part->opcode != FRAME_CONTINUATION && part->offset == 0) {
        assembly->type = (hub_type)part->opcode;
        assembly->utf8 = (utf8_state){0};
        assembly->compressed = part->rsv1;
    }

    bool ends = part->fin && part->last;
    if (assembly->type == HUB_TEXT && !assembly->compressed &&
        (!utf8_feed(&assembly->utf8, part->payload, part->length) ||
         (ends && !utf8_complete(assembly->utf8))))
        return fail(parser, CLOSE_INVALID_TEXT, "text is not UTF-8");

    if (part->length > 0) {
        size_t end = SIZE_MAX; /* the limit on messages keeps the sum far below */
        if (part->fin)
            end = assembly->length + (size_t)(part->total - part->offset);
        if (!reserve(assembly, part->length, end))
            return no_memory(parser);
        unsigned char *place = assembly->data + assembly->length;
        if (place != part->payload) /* else message_room led it here */
            memcpy(place, part->payload, part->length);
        assembly->length += part->length;
    }
    if (!ends)
        return more();
    if (assembly->compressed)
        return inflated(parser, hub_bytes_of(assembly->data, assembly->length));
    return delivered(assembly);
}

static message_event deliver(message_parser *parser, frame_result result, const frame_parser *state,
                             const frame_part *part)
{
    if (result == FRAME_ERROR)
        return fail(parser, part->code, part->reason);
    if (part->opcode & 0x08)
        return control(parser, part);
    if (result == FRAME_WHOLE && part->fin && part->opcode != FRAME_CONTINUATION)
        return part->rsv1 ? whole_compressed(parser, state, part) : whole(parser, part);
    if (!assembly_needed(parser, state))
        return no_memory(parser);
    return assemble(parser, part);
}

/* ---- bytes into frames ---- */

static size_t size_left(const message_parser *parser)
{
    return parser->max_message - (parser->assembly ? parser->assembly->length : 0);
}

/*
 * Moves just as many fresh bytes to the tail as complete the header or control frame that began there, and
 * tries again. The frame may point into the tail, which stays as it is until the next call.
 */
static frame_result next_from_tail(message_parser *parser, const unsigned char *data, size_t length,
                                   size_t *consumed, frame_part *part)
{
    message_assembly *assembly = parser->assembly;
    for (;;) {
        size_t used;
        frame_result result = frame_next(&assembly->frame, assembly->tail, assembly->tail_length,
                                         size_left(parser), &used, part);
        if (result != FRAME_PARTIAL) {
            assembly->tail_length = 0;
            return result;
        }
        size_t fetch = part->needed - assembly->tail_length;
        if (fetch > length - *consumed)
            fetch = length - *consumed;
        if (fetch == 0)
            return FRAME_PARTIAL;
        memcpy(assembly->tail + assembly->tail_length, data + *consumed, fetch);
        assembly->tail_length = (uint8_t)(assembly->tail_length + fetch);
        *consumed += fetch;
    }
}

/* Everything there is, is used up by what is left in the tail, or goes into it. */
static message_event keep_tail(message_parser *parser, const frame_parser *state, const unsigned char *data,
                               size_t length)
{
    if (length > 0) {
        if (!assembly_needed(parser, state))
            return no_memory(parser);
        memcpy(parser->assembly->tail, data, length);
        parser->assembly->tail_length = (uint8_t)length;
    }
    return more();
}

message_event message_next(message_parser *parser, unsigned char *data, size_t length, size_t *consumed)
{
    *consumed = 0;
    if (parser->ended) {
        message_close(parser);
        *consumed = length;
        return more();
    }
    if (parser->assembly)
        drop_delivered(parser->assembly);

    while (*consumed < length) {
        frame_part part;
        frame_result result;
        /* Nothing is known between messages, so nothing is kept. */
        frame_parser between = {.rsv1_allowed = parser->compressed};
        frame_parser *state = parser->assembly ? &parser->assembly->frame : &between;
        message_event event;

        if (parser->assembly && parser->assembly->tail_length > 0) {
            result = next_from_tail(parser, data, length, consumed, &part);
            if (result == FRAME_PARTIAL)
                return more();
        } else {
            size_t used;
            result = frame_next(state, data + *consumed, length - *consumed, size_left(parser), &used, &part);
            *consumed += used;
            if (result == FRAME_PARTIAL) {
                event = keep_tail(parser, state, data + *consumed, length - *consumed);
                *consumed = length;
                return event;
            }
        }
        event = deliver(parser, result, state, &part);
        if (event.kind != MESSAGE_MORE)
            return event;
    }
    drop_when_idle(parser);
    return more();
}

/* ---- receiving in place ---- */

void *message_room(message_parser *parser, size_t *room)
{
    message_assembly *assembly = parser->assembly;
    *room = 0;
    if (parser->ended || !assembly || assembly->frame.remaining < ROOM_MIN)
        return NULL;

    size_t remaining = (size_t)assembly->frame.remaining;
    size_t left = assembly->capacity - assembly->length;
    if (left < ROOM_MIN && left < remaining) {
        size_t end = assembly->frame.fin ? assembly->length + remaining : SIZE_MAX;
        if (!reserve(assembly, remaining < ROOM_STEP ? remaining : ROOM_STEP, end))
            return NULL;
    }
    *room = assembly->capacity - assembly->length;
    if (*room > remaining)
        *room = remaining;
    if (*room > ROOM_MAX)
        *room = ROOM_MAX;
    return assembly->data + assembly->length;
}

message_event message_filled(message_parser *parser, size_t length)
{
    message_assembly *assembly = parser->assembly;
    if (parser->ended || !assembly || length == 0)
        return more();
    frame_part part;
    size_t used;
    frame_result result = frame_next(&assembly->frame, assembly->data + assembly->length, length,
                                     size_left(parser), &used, &part);
    return deliver(parser, result, &assembly->frame, &part);
}

void *message_take(message_parser *parser)
{
    message_assembly *assembly = parser->assembly;
    if (!assembly || !assembly->delivered)
        return NULL;
    void *data = assembly->data;
    assembly->data = NULL;
    assembly->length = assembly->capacity = 0;
    assembly->delivered = false;
    return data;
}
