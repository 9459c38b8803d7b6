/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/percent.h"

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* Reads one character of the encoded text at *at and steps over it; -1 for a malformed one. */
static int next_decoded(hub_bytes text, size_t *at, bool form)
{
    const unsigned char *p = text.data;
    unsigned char c = p[*at];
    if (c != '%') {
        ++*at;
        return form && c == '+' ? ' ' : c;
    }
    if (text.length - *at < 3)
        return -1;
    int high = hex_digit(p[*at + 1]), low = hex_digit(p[*at + 2]);
    if (high < 0 || low < 0)
        return -1;
    *at += 3;
    return high << 4 | low;
}

percent_result percent_check(hub_bytes text)
{
    percent_result result = PERCENT_OK;
    for (size_t at = 0; at < text.length;) {
        int c = next_decoded(text, &at, false);
        if (c < 0)
            return PERCENT_BAD;
        if (c == 0)
            result = PERCENT_NUL;
    }
    return result;
}

static percent_result decode(hub_bytes text, char *out, size_t *length, bool form)
{
    percent_result result = PERCENT_OK;
    size_t done = 0;
    for (size_t at = 0; at < text.length;) {
        int c = next_decoded(text, &at, form);
        if (c < 0) {
            *length = 0;
            return PERCENT_BAD;
        }
        if (c == 0)
            result = PERCENT_NUL;
        out[done++] = (char)c;
    }
    *length = done;
    return result;
}

percent_result percent_decode(hub_bytes text, char *out, size_t *length)
{
    return decode(text, out, length, false);
}

percent_result percent_decode_form(hub_bytes text, char *out, size_t *length)
{
    return decode(text, out, length, true);
}

static int compare(hub_bytes text, hub_bytes plain, bool form)
{
    const unsigned char *p = plain.data;
    size_t i = 0;
    for (size_t at = 0; at < text.length; i++) {
        int c = next_decoded(text, &at, form);
        if (i == plain.length)
            return 1;
        if (c != p[i])
            return c < p[i] ? -1 : 1;
    }
    return i < plain.length ? -1 : 0;
}

int percent_compare(hub_bytes text, hub_bytes plain)
{
    return compare(text, plain, false);
}

bool query_next(hub_bytes *rest, hub_bytes *name, hub_bytes *value)
{
    while (rest->length > 0) {
        const char *start = rest->data;
        const char *separator = memchr(start, '&', rest->length);
        size_t length = separator ? (size_t)(separator - start) : rest->length;
        size_t skipped = separator ? length + 1 : length;
        *rest = hub_bytes_of(start + skipped, rest->length - skipped);
        if (length == 0)
            continue;
        const char *equals = memchr(start, '=', length);
        size_t name_length = equals ? (size_t)(equals - start) : length;
        *name = hub_bytes_of(start, name_length);
        *value =
            equals ? hub_bytes_of(equals + 1, length - name_length - 1) : hub_bytes_of(start + length, 0);
        return true;
    }
    return false;
}

bool query_find(hub_bytes query, hub_bytes name, hub_bytes *value)
{
    hub_bytes found_name, found_value;
    while (query_next(&query, &found_name, &found_value)) {
        if (compare(found_name, name, true) == 0) {
            *value = found_value;
            return true;
        }
    }
    return false;
}
