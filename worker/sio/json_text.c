/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/json.h"

#include "worker/sio/json_scan.h"

/* ---- writing ---- */

/* The letter behind the backslash where RFC 8259, section 7, has a short form; 0 where it has none. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static char *write_escape(char *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    char letter = short_escape(c);
    *out++ = '\\';
    if (letter) {
        *out++ = letter;
        return out;
    }
    memcpy(out, "u00", 3);
    out[3] = digits[c >> 4];
    out[4] = digits[c & 15];
    return out + 5;
}

size_t json_text_size(hub_bytes text)
{
    size_t size = text.length + 2;
    if (text.length == 0)
        return size;
    const unsigned char *p = text.data, *end = p + text.length;
    while ((p = json_plain(p, end)) < end)
        size += short_escape(*p++) ? 1 : 5;
    return size;
}

char *json_write_text(char *out, hub_bytes text)
{
    *out++ = '"';
    if (text.length > 0) {
        const unsigned char *p = text.data, *end = p + text.length;
        for (;;) {
            const unsigned char *special = json_plain(p, end);
            size_t run = (size_t)(special - p);
            memcpy(out, p, run);
            out += run;
            if (special == end)
                break;
            out = write_escape(out, *special);
            p = special + 1;
        }
    }
    *out++ = '"';
    return out;
}

/* A few bytes, one after the other. */
static bool write_few(char *out, const unsigned char *p, const unsigned char *end)
{
    while (p < end) {
        unsigned char c = *p++;
        if (json_is_special(c) || c >= 0x80)
            return false;
        *out++ = (char)c;
    }
    return true;
}

char *json_write_ascii(char *out, hub_bytes text)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    const unsigned char *p = text.data;
    size_t rest = text.length;
    *out++ = '"';
#ifdef __SSE2__
    for (; rest >= JSON_VECTOR; p += JSON_VECTOR, out += JSON_VECTOR, rest -= JSON_VECTOR) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        if (json_specials(p) | (unsigned)_mm_movemask_epi8(bytes))
            return NULL;
        _mm_storeu_si128((__m128i *)(void *)out, bytes);
    }
#endif
    for (; rest >= 8; p += 8, out += 8, rest -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        if (json_word_has_special(p) || (word & high_bits))
            return NULL;
        memcpy(out, &word, 8);
    }
    if (rest > 0 && !write_few(out, p, p + rest))
        return NULL;
    out += rest;
    *out++ = '"';
    return out;
}

/* ---- reading ---- */

enum { REPLACEMENT = 0xFFFD };

static uint32_t hexadecimal(unsigned char c)
{
    return c <= '9' ? (uint32_t)c - '0' : (uint32_t)(c | 0x20) - 'a' + 10;
}

/* The code unit of "\uXXXX" at p; REPLACEMENT, which is no half of a pair, when there is none. */
static uint32_t code_unit(const unsigned char *p, const unsigned char *end)
{
    uint32_t unit = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return REPLACEMENT;
    for (int i = 2; i < 6; i++)
        unit = unit << 4 | (hexadecimal(p[i]) & 15);
    return unit;
}

static char *write_utf8(char *out, uint32_t point)
{
    if (point < 0x80) {
        *out++ = (char)point;
    } else if (point < 0x800) {
        *out++ = (char)(0xC0 | point >> 6);
        *out++ = (char)(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
        *out++ = (char)(0xE0 | point >> 12);
        *out++ = (char)(0x80 | (point >> 6 & 0x3F));
        *out++ = (char)(0x80 | (point & 0x3F));
    } else {
        *out++ = (char)(0xF0 | point >> 18);
        *out++ = (char)(0x80 | (point >> 12 & 0x3F));
        *out++ = (char)(0x80 | (point >> 6 & 0x3F));
        *out++ = (char)(0x80 | (point & 0x3F));
    }
    return out;
}

/* Six bytes become three at most, twelve become four. */
static const unsigned char *read_unicode(const unsigned char *p, const unsigned char *end, uint32_t *point)
{
    uint32_t unit = code_unit(p, end);
    p += 6;
    if (unit >= 0xD800 && unit < 0xDC00) {
        uint32_t low = code_unit(p, end);
        if (low >= 0xDC00 && low < 0xE000) {
            *point = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
            return p + 6;
        }
    }
    *point = unit >= 0xD800 && unit < 0xE000 ? REPLACEMENT : unit;
    return p;
}

/* The escape at p; returns the position behind it. */
static const unsigned char *read_escape(const unsigned char *p, const unsigned char *end, uint32_t *point)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    if (end - p < 2) { /* cut off: of text that was never checked */
        *point = '\\';
        return end;
    }
    if (p[1] == 'u' && end - p >= 6)
        return read_unicode(p, end, point);
    const char *letter = memchr(letters, p[1], sizeof letters - 1);
    *point = letter ? (unsigned char)meanings[letter - letters] : p[1] & 0x7Fu;
    return p + 2;
}

/* The run without escapes at p. */
static const unsigned char *run_end(const unsigned char *p, const unsigned char *end)
{
    const unsigned char *escape = memchr(p, '\\', (size_t)(end - p));
    return escape ? escape : end;
}

bool json_has_escapes(hub_bytes inside)
{
    return inside.length > 0 && memchr(inside.data, '\\', inside.length) != NULL;
}

size_t json_unescape(char *out, hub_bytes inside)
{
    char *start = out;
    if (inside.length == 0)
        return 0;
    const unsigned char *p = inside.data, *end = p + inside.length;
    while (p < end) {
        const unsigned char *run = run_end(p, end);
        memmove(out, p, (size_t)(run - p));
        out += run - p;
        p = run;
        if (p < end) {
            uint32_t point;
            p = read_escape(p, end, &point);
            out = write_utf8(out, point);
        }
    }
    return (size_t)(out - start);
}

/* True when the next bytes of *text are these; they are then taken off it. */
static bool take(hub_bytes *text, const void *bytes, size_t length)
{
    if (length == 0)
        return true;
    if (text->length < length || memcmp(text->data, bytes, length) != 0)
        return false;
    *text = hub_bytes_of((const char *)text->data + length, text->length - length);
    return true;
}

bool json_equals(hub_bytes inside, hub_bytes text)
{
    if (inside.length < text.length) /* what is escaped is longer than what it means */
        return false;
    if (inside.length == 0)
        return true;
    const unsigned char *p = inside.data, *end = p + inside.length;
    while (p < end) {
        const unsigned char *run = run_end(p, end);
        if (!take(&text, p, (size_t)(run - p)))
            return false;
        p = run;
        if (p < end) {
            uint32_t point;
            char bytes[4];
            p = read_escape(p, end, &point);
            if (!take(&text, bytes, (size_t)(write_utf8(bytes, point) - bytes)))
                return false;
        }
    }
    return text.length == 0;
}
