/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/payload.h"

#include "worker/ws/frame.h"
#include "worker/ws/utf8.h"

static const unsigned char separator = 0x1e;
static const char binary_prefix = 'b';

/* ---- packets ---- */

static bool is_type(unsigned char c)
{
    return c >= EIO_OPEN && c <= EIO_NOOP;
}

bool engine_packet_read(hub_type type, hub_bytes message, engine_packet *out)
{
    if (type == HUB_BINARY) {
        *out = (engine_packet){EIO_MESSAGE, HUB_BINARY, message};
        return true;
    }
    const unsigned char *text = message.data;
    if (message.length == 0 || !is_type(text[0]))
        return false;
    *out = (engine_packet){(eio_type)text[0], HUB_TEXT, hub_bytes_of(text + 1, message.length - 1)};
    return true;
}

/* ---- base64 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes where the text stands: what comes out is shorter. False: no base64. */
static bool decode(hub_bytes text, size_t *length)
{
    unsigned char *in = (unsigned char *)text.data, *out = in;
    size_t characters = text.length;
    if (characters % 4 == 0) /* else its padding is missing, and none of it may be there */
        for (int i = 0; i < 2 && characters && in[characters - 1] == '='; i++)
            characters--;
    if (characters % 4 == 1)
        return false;
    uint32_t bits = 0;
    size_t made = 0;
    for (size_t i = 0; i < characters; i++) {
        int value = value_of(in[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 == 1)
            out[made++] = (unsigned char)(bits >> 4);
        else if (i % 4 == 2)
            out[made++] = (unsigned char)(bits >> 2);
        else if (i % 4 == 3)
            out[made++] = (unsigned char)bits;
    }
    *length = made;
    return true;
}

static void encode(hub_bytes bytes, char *out)
{
    const unsigned char *in = bytes.data;
    size_t at = 0, left = bytes.length;
    for (; left >= 3; at += 3, left -= 3) {
        uint32_t three = (uint32_t)in[at] << 16 | (uint32_t)in[at + 1] << 8 | in[at + 2];
        *out++ = alphabet[three >> 18];
        *out++ = alphabet[three >> 12 & 63];
        *out++ = alphabet[three >> 6 & 63];
        *out++ = alphabet[three & 63];
    }
    if (left == 0)
        return;
    uint32_t rest = (uint32_t)in[at] << 16 | (left == 2 ? (uint32_t)in[at + 1] << 8 : 0);
    *out++ = alphabet[rest >> 18];
    *out++ = alphabet[rest >> 12 & 63];
    *out++ = left == 2 ? alphabet[rest >> 6 & 63] : '=';
    *out++ = '=';
}

/* ---- payloads ---- */

/* The bytes up to the next separator, or the last ones: *rest is then without data. */
static hub_bytes next_part(hub_bytes *rest)
{
    const char *start = rest->data;
    const char *end = rest->length ? memchr(start, separator, rest->length) : NULL;
    hub_bytes part = hub_bytes_of(start, end ? (size_t)(end - start) : rest->length);
    *rest = end ? hub_bytes_of(end + 1, rest->length - part.length - 1) : hub_bytes_of(NULL, 0);
    return part;
}

payload_result payload_next(hub_bytes *rest, engine_packet *out)
{
    if (!rest->data)
        return PAYLOAD_END;
    hub_bytes part = next_part(rest);
    const char *text = part.data;
    if (part.length && text[0] == binary_prefix) {
        hub_bytes body = hub_bytes_of(text + 1, part.length - 1);
        *out = (engine_packet){EIO_MESSAGE, HUB_BINARY, body};
        return decode(body, &out->body.length) ? PAYLOAD_PACKET : PAYLOAD_MALFORMED;
    }
    if (!engine_packet_read(HUB_TEXT, part, out) || !utf8_valid(out->body.data, out->body.length))
        return PAYLOAD_MALFORMED;
    return PAYLOAD_PACKET;
}

hub_status payload_append(buffer *payload, hub_type type, hub_bytes message)
{
    size_t length = type == HUB_BINARY ? 1 + (message.length + 2) / 3 * 4 : message.length;
    hub_status status = buffer_reserve(payload, length + 1);
    if (status != HUB_OK)
        return status;
    if (payload->length)
        buffer_append(payload, &separator, 1);
    if (type != HUB_BINARY)
        return buffer_append(payload, message.data, message.length);
    buffer_append(payload, &binary_prefix, 1);
    encode(message, payload->data + payload->length);
    payload->length += length - 1;
    return HUB_OK;
}

/* ---- frames from the server ---- */

/* The size of a frame's header, and how long its payload is; 0 when it is not whole. */
static size_t header_of(hub_bytes frame, uint64_t *length)
{
    const unsigned char *bytes = frame.data;
    if (frame.length < 2)
        return 0;
    size_t extended = bytes[1] < 126 ? 0 : bytes[1] == 126 ? 2 : 8;
    if (bytes[1] > 127 || frame.length < 2 + extended)
        return 0;
    *length = extended ? 0 : bytes[1];
    for (size_t i = 0; i < extended; i++)
        *length = *length << 8 | bytes[2 + i];
    return 2 + extended;
}

bool frames_next(hub_bytes *frames, hub_type *type, hub_bytes *message)
{
    enum { FIN = 0x80 };
    uint64_t length = 0;
    size_t header = header_of(*frames, &length);
    if (header == 0 || length > frames->length - header)
        return false;
    const unsigned char *bytes = frames->data;
    if (bytes[0] != (FIN | FRAME_TEXT) && bytes[0] != (FIN | FRAME_BINARY))
        return false;
    *type = bytes[0] == (FIN | FRAME_TEXT) ? HUB_TEXT : HUB_BINARY;
    *message = hub_bytes_of(bytes + header, (size_t)length);
    *frames = hub_bytes_of(bytes + header + length, frames->length - header - (size_t)length);
    return true;
}
