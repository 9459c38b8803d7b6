/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/frame.h"
#include "worker/ws/close.h"
#include "worker/ws/mask.h"

#include <string.h>

enum { FIN_BIT = 0x80, RSV_BITS = 0x70, OPCODE_BITS = 0x0F, MASK_BIT = 0x80, LENGTH_BITS = 0x7F };

size_t frame_header(unsigned char out[FRAME_HEADER_MAX], frame_opcode opcode, bool fin, unsigned rsv,
                    uint64_t length)
{
    out[0] = (unsigned char)((fin ? FIN_BIT : 0) | (rsv & RSV_BITS) | ((unsigned)opcode & OPCODE_BITS));
    if (length <= FRAME_CONTROL_MAX) {
        out[1] = (unsigned char)length;
        return 2;
    }
    if (length <= UINT16_MAX) {
        out[1] = 126;
        out[2] = (unsigned char)(length >> 8);
        out[3] = (unsigned char)length;
        return 4;
    }
    out[1] = 127;
    for (unsigned i = 0; i < 8; i++)
        out[2 + i] = (unsigned char)(length >> (56 - 8 * i));
    return 10;
}

/* ---- frames of a client ---- */

static frame_result refuse(frame_part *out, uint16_t code, const char *reason)
{
    out->code = code;
    out->reason = reason;
    return FRAME_ERROR;
}

static frame_result want(frame_part *out, size_t needed)
{
    out->needed = needed;
    return FRAME_PARTIAL;
}

/* The rules that the first byte can break; NULL when it breaks none. */
static const char *first_byte_fault(const frame_parser *parser, unsigned char byte)
{
    bool fin = byte & FIN_BIT;
    switch (byte & OPCODE_BITS) {
    case FRAME_TEXT:
    case FRAME_BINARY:
        if (byte & RSV_BITS & ~(parser->rsv1_allowed ? FRAME_RSV1 : 0))
            return "reserved bit set";
        return parser->fragmented ? "new message within a fragmented one" : NULL;
    case FRAME_CONTINUATION:
        if (byte & RSV_BITS)
            return "reserved bit set";
        return parser->fragmented ? NULL : "continuation without a message";
    case FRAME_CLOSE:
    case FRAME_PING:
    case FRAME_PONG:
        if (byte & RSV_BITS)
            return "reserved bit set";
        return fin ? NULL : "fragmented control frame";
    default:
        return "unknown opcode";
    }
}

static uint64_t load_big_endian(const unsigned char *p, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value = value << 8 | p[i];
    return value;
}

/*
 * Reads and checks the header at `data`. FRAME_WHOLE: it is all there, *size is its size, out->total the
 * payload's. Each byte is judged as soon as it is there, so that a verdict does not depend on how the bytes
 * were cut.
 */
static frame_result read_header(const frame_parser *parser, const unsigned char *data, size_t length,
                                uint64_t limit, frame_part *out, size_t *size)
{
    if (length < 1)
        return want(out, 2);
    const char *fault = first_byte_fault(parser, data[0]);
    if (fault)
        return refuse(out, CLOSE_PROTOCOL, fault);
    if (length < 2)
        return want(out, 2);

    bool control = data[0] & 0x08;
    unsigned short_length = data[1] & LENGTH_BITS;
    if (!(data[1] & MASK_BIT))
        return refuse(out, CLOSE_PROTOCOL, "frame without a mask");
    if (control && short_length > FRAME_CONTROL_MAX)
        return refuse(out, CLOSE_PROTOCOL, "control frame too long");

    unsigned extended = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
    *size = 2 + extended + 4;
    out->total = short_length;
    if (extended != 0) {
        if (length < 2 + extended)
            return want(out, *size);
        out->total = load_big_endian(data + 2, extended);
        if (out->total >> 63)
            return refuse(out, CLOSE_PROTOCOL, "length with its top bit set");
        if (out->total <= (extended == 2 ? FRAME_CONTROL_MAX : UINT16_MAX))
            return refuse(out, CLOSE_PROTOCOL, "length not in its shortest form");
    }
    if (!control && out->total > limit)
        return refuse(out, CLOSE_TOO_BIG, "message too big");
    if (length < *size)
        return want(out, *size);

    out->opcode = (frame_opcode)(data[0] & OPCODE_BITS);
    out->fin = data[0] & FIN_BIT;
    out->rsv1 = data[0] & FRAME_RSV1;
    return FRAME_WHOLE;
}

static frame_result next_piece(frame_parser *parser, unsigned char *data, size_t length, size_t *consumed,
                               frame_part *out)
{
    size_t take = length < parser->remaining ? length : (size_t)parser->remaining;
    mask_apply(data, take, parser->mask, parser->offset);
    out->payload = data;
    out->length = take;
    out->offset = parser->offset;
    out->total = parser->offset + parser->remaining;
    out->opcode = (frame_opcode)parser->opcode;
    out->fin = parser->fin;
    out->rsv1 = parser->rsv1;
    parser->offset += take;
    parser->remaining -= take;
    out->last = parser->remaining == 0;
    *consumed += take;
    return FRAME_PIECE;
}

frame_result frame_next(frame_parser *parser, unsigned char *data, size_t length, uint64_t limit,
                        size_t *consumed, frame_part *out)
{
    *consumed = 0;
    *out = (frame_part){0};
    if (parser->remaining != 0)
        return next_piece(parser, data, length, consumed, out);

    size_t size = 0;
    frame_result result = read_header(parser, data, length, limit, out, &size);
    if (result != FRAME_WHOLE)
        return result;

    const unsigned char *mask = data + size - 4;
    bool control = out->opcode & 0x08;
    if (out->total <= length - size) {
        out->payload = data + size;
        out->length = (size_t)out->total;
        out->last = true;
        mask_apply(out->payload, out->length, mask, 0);
        *consumed = size + out->length;
    } else if (control) {
        return want(out, size + (size_t)out->total);
    } else {
        memcpy(parser->mask, mask, sizeof parser->mask);
        parser->opcode = (uint8_t)out->opcode;
        parser->fin = out->fin;
        parser->rsv1 = out->rsv1;
        parser->remaining = out->total;
        parser->offset = 0;
        *consumed = size;
        result = next_piece(parser, data + size, length - size, consumed, out);
    }
    if (!control)
        parser->fragmented = !out->fin;
    return result;
}
