/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any key will do; one of zeros would let a server skip the work. */
static const unsigned char MASK[4] = {0x5a, 0xc3, 0x17, 0x9e};

static uint64_t read_big_endian(const unsigned char *data, size_t length)
{
    uint64_t value = 0;

    for (size_t i = 0; i < length; i++)
        value = value << 8 | data[i];
    return value;
}

frame_result frame_parse(unsigned char *data, size_t length, load_frame *frame, size_t *taken)
{
    if (length < 2)
        return FRAME_PARTIAL;
    if (data[0] & 0x30)
        return FRAME_BROKEN;

    size_t header = 2;
    uint64_t payload = data[1] & 0x7f;
    bool masked = (data[1] & 0x80) != 0;
    size_t extended = payload == 126 ? 2 : payload == 127 ? 8 : 0;

    header += extended + (masked ? 4 : 0);
    if (length < header)
        return FRAME_PARTIAL;
    if (extended > 0)
        payload = read_big_endian(data + 2, extended);
    if (payload > INT64_MAX)
        return FRAME_BROKEN;
    if (length - header < payload)
        return FRAME_PARTIAL;

    frame->payload = data + header;
    frame->length = (size_t)payload;
    frame->opcode = data[0] & 0x0f;
    frame->final = (data[0] & 0x80) != 0;
    frame->compressed = (data[0] & 0x40) != 0;
    frame->masked = masked;
    if (masked) {
        const unsigned char *mask = data + header - 4;
        for (size_t i = 0; i < frame->length; i++)
            frame->payload[i] ^= mask[i & 3];
    }
    *taken = header + frame->length;
    return FRAME_WHOLE;
}

size_t frame_write(unsigned char *to, uint8_t opcode, const unsigned char *mask, const void *payload,
                   size_t length)
{
    const unsigned char *from = payload;
    unsigned char masked = mask ? 0x80 : 0;
    size_t header = 2;

    to[0] = 0x80 | opcode;
    if (length < 126) {
        to[1] = (unsigned char)(masked | length);
    } else {
        size_t extended = length <= UINT16_MAX ? 2 : 8;
        to[1] = masked | (extended == 2 ? 126 : 127);
        for (size_t i = 0; i < extended; i++)
            to[2 + i] = (unsigned char)((uint64_t)length >> 8 * (extended - 1 - i));
        header += extended;
    }
    if (mask) {
        memcpy(to + header, mask, 4);
        header += 4;
        for (size_t i = 0; i < length; i++)
            to[header + i] = from[i] ^ mask[i & 3];
    } else if (length > 0) {
        memcpy(to + header, from, length);
    }
    return header + length;
}

static void fill_letters(unsigned char *payload, size_t length)
{
    for (size_t i = MESSAGE_DIGITS; i < length; i++)
        payload[i] = (unsigned char)('a' + i % 26);
}

/* Records with values in no order; cut where the message ends. */
static void fill_json(unsigned char *payload, size_t length)
{
    uint32_t number = 1;
    size_t at = MESSAGE_DIGITS;

    while (at < length) {
        char record[160];
        number = number * 1664525 + 1013904223;
        int size = snprintf(record, sizeof record,
                            "{\"id\":%u,\"user\":\"user-%u\",\"price\":%u.%02u,\"side\":\"%s\",\"open\":%s},",
                            number >> 8, (number >> 20) % 1000, (number >> 12) % 5000, (number >> 24) % 100,
                            number & 1 << 30 ? "buy" : "sell", number & 1 << 29 ? "true" : "false");
        size_t part = (size_t)size < length - at ? (size_t)size : length - at;
        memcpy(payload + at, record, part);
        at += part;
    }
}

bool message_make(load_message *message, size_t length, bool json)
{
    message->length = length;
    message->number = message->sent_number = 0;
    message->payload = malloc(length);
    message->frame = malloc(FRAME_HEADER_MAX + length);
    if (!message->payload || !message->frame) {
        message_free(message);
        return false;
    }
    message_number_write(message->payload, 0);
    if (json)
        fill_json(message->payload, length);
    else
        fill_letters(message->payload, length);
    message->frame_length = frame_write(message->frame, FRAME_TEXT, MASK, message->payload, length);
    message->sent_length = length;
    return true;
}

/* `42["name","` string `"]`; its length, the place of the string in *number. NULL without memory. */
static unsigned char *event_write(const char *name, size_t string_length, size_t *length, size_t *number)
{
    size_t capacity = strlen(name) + string_length + sizeof "42[\"\",\"\"]";
    char *text = malloc(capacity);

    if (!text)
        return NULL;
    *number = (size_t)snprintf(text, capacity, "42[\"%s\",\"", name);
    message_number_write((unsigned char *)text + *number, 0);
    fill_letters((unsigned char *)text + *number, string_length);
    *length = *number + string_length + 2;
    memcpy(text + *length - 2, "\"]", 2);
    return (unsigned char *)text;
}

bool message_make_event(load_message *message, const char *event, size_t length)
{
    size_t sent_length = 0;
    unsigned char *sent = event_write(event, length, &sent_length, &message->sent_number);

    message->payload = event_write("message", length, &message->length, &message->number);
    message->frame = sent ? malloc(FRAME_HEADER_MAX + sent_length) : NULL;
    if (!message->payload || !message->frame) {
        free(sent);
        message_free(message);
        return false;
    }
    message->frame_length = frame_write(message->frame, FRAME_TEXT, MASK, sent, sent_length);
    message->sent_length = sent_length;
    free(sent);
    return true;
}

void message_free(load_message *message)
{
    free(message->payload);
    free(message->frame);
    message->payload = NULL;
    message->frame = NULL;
}

void message_write(const load_message *message, unsigned char *to, uint32_t sequence)
{
    unsigned char *digits = to + message->frame_length - message->sent_length + message->sent_number;

    memcpy(to, message->frame, message->frame_length);
    message_number_write(digits, sequence);
    for (size_t i = 0; i < MESSAGE_DIGITS; i++)
        digits[i] ^= MASK[(message->sent_number + i) & 3];
}

bool message_read(const load_message *message, const unsigned char *payload, size_t length,
                  uint32_t *sequence)
{
    size_t number = message->number, behind = number + MESSAGE_DIGITS;

    return length == message->length && message_number_read(payload + number, sequence) &&
           memcmp(payload, message->payload, number) == 0 &&
           memcmp(payload + behind, message->payload + behind, length - behind) == 0;
}

bool message_number_read(const unsigned char *digits, uint32_t *number)
{
    uint32_t value = 0;

    for (size_t i = 0; i < MESSAGE_DIGITS; i++) {
        unsigned char digit = digits[i];
        if (digit >= '0' && digit <= '9')
            value = value << 4 | (uint32_t)(digit - '0');
        else if (digit >= 'a' && digit <= 'f')
            value = value << 4 | (uint32_t)(digit - 'a' + 10);
        else
            return false;
    }
    *number = value;
    return true;
}

void message_number_write(unsigned char *digits, uint32_t number)
{
    for (size_t i = 0; i < MESSAGE_DIGITS; i++)
        digits[i] = (unsigned char)"0123456789abcdef"[number >> 4 * (MESSAGE_DIGITS - 1 - i) & 15];
}
