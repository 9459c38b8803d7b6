/* SPDX-License-Identifier: Apache-2.0 */
#include "common/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The rows of the table in RFC 3629, section 4: what the second byte may be depends on the first. */
typedef struct utf8_row {
    uint8_t first_low, first_high, second_low, second_high;
    uint8_t length;
} utf8_row;

static const utf8_row utf8_rows[] = {
    {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t escape_utf8_length(const char *text, size_t length)
{
    const uint8_t *bytes = (const uint8_t *)text;
    if (length == 0)
        return 0;
    for (size_t i = 0; i < sizeof utf8_rows / sizeof utf8_rows[0]; i++) {
        const utf8_row *row = &utf8_rows[i];
        if (bytes[0] < row->first_low || bytes[0] > row->first_high)
            continue;
        if (length < row->length)
            return 0;
        if (row->length > 1 && (bytes[1] < row->second_low || bytes[1] > row->second_high))
            return 0;
        for (size_t k = 2; k < row->length; k++)
            if ((bytes[k] & 0xc0) != 0x80)
                return 0;
        return row->length;
    }
    return 0;
}

/* C1 controls are U+0080 to U+009F: two bytes, the first of them C2. Some terminals obey them. */
static bool is_control(const char *text, size_t length)
{
    const uint8_t *bytes = (const uint8_t *)text;
    if (length == 1)
        return bytes[0] < 0x20 || bytes[0] == 0x7f;
    return length == 2 && bytes[0] == 0xc2 && bytes[1] <= 0x9f;
}

static size_t escape_byte(char *to, char byte)
{
    static const char digits[] = "0123456789abcdef";
    to[0] = '\\';
    to[1] = 'x';
    to[2] = digits[(uint8_t)byte >> 4];
    to[3] = digits[(uint8_t)byte & 15];
    return 4;
}

size_t escape_text(char *to, size_t capacity, const char *text, size_t length)
{
    size_t written = 0;
    for (size_t i = 0; i < length;) {
        char piece[8]; /* the longest: two escaped bytes */
        size_t piece_length = 0;
        size_t character = escape_utf8_length(text + i, length - i);
        if (character != 0 && !is_control(text + i, character)) {
            memcpy(piece, text + i, character);
            piece_length = character;
        } else {
            character = character != 0 ? character : 1;
            for (size_t k = 0; k < character; k++)
                piece_length += escape_byte(piece + piece_length, text[i + k]);
        }
        if (written + piece_length >= capacity)
            break;
        memcpy(to + written, piece, piece_length);
        written += piece_length;
        i += character;
    }
    to[written] = '\0';
    return written;
}

/* One character of JSON text, or a byte that is none, into `to`. */
static size_t escape_json_character(char to[16], const char *text, size_t character)
{
    static const char digits[] = "0123456789abcdef";
    if (character == 0) {
        memcpy(to, "\xef\xbf\xbd", 3);
        return 3;
    }
    if (is_control(text, character)) {
        uint8_t code = (uint8_t)text[character - 1];
        memcpy(to, "\\u00", 4);
        to[4] = digits[code >> 4];
        to[5] = digits[code & 15];
        return 6;
    }
    size_t length = 0;
    if (*text == '"' || *text == '\\')
        to[length++] = '\\';
    memcpy(to + length, text, character);
    return length + character;
}

size_t escape_json(char *to, size_t capacity, const char *text, size_t length)
{
    size_t written = 0;
    for (size_t i = 0; i < length;) {
        if (text[i] >= ' ' && text[i] < 0x7f && text[i] != '"' && text[i] != '\\' && written + 1 < capacity) {
            to[written++] = text[i++]; /* most are these */
            continue;
        }
        char piece[16];
        size_t character = escape_utf8_length(text + i, length - i);
        size_t piece_length = escape_json_character(piece, text + i, character);
        if (written + piece_length >= capacity)
            break;
        memcpy(to + written, piece, piece_length);
        written += piece_length;
        i += character ? character : 1;
    }
    to[written] = '\0';
    return written;
}
