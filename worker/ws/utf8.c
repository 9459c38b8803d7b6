/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/utf8.h"

#include <string.h>

/* Skips ASCII from `p` on and returns where it ends: at a byte above 127, or at the end. */
static const unsigned char *skip_ascii(const unsigned char *p, const unsigned char *end)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    while (end - p >= 32) {
        uint64_t words[4];
        memcpy(words, p, sizeof words);
        if ((words[0] | words[1] | words[2] | words[3]) & high_bits)
            break;
        p += 32;
    }
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        if (word & high_bits)
            break;
        p += 8;
    }
    while (p < end && *p < 0x80)
        p++;
    return p;
}

/*
 * Begins a character with its first byte, which is above 127 (RFC 3629, section 4). The ranges of the second
 * byte keep out overlong forms (E0, F0), surrogates (ED) and what is above U+10FFFF (F4).
 */
static bool begin(utf8_state *state, unsigned char lead)
{
    state->low = 0x80;
    state->high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
        state->missing = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        state->missing = 2;
        if (lead == 0xE0)
            state->low = 0xA0;
        else if (lead == 0xED)
            state->high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        state->missing = 3;
        if (lead == 0xF0)
            state->low = 0x90;
        else if (lead == 0xF4)
            state->high = 0x8F;
    } else {
        return false;
    }
    return true;
}

bool utf8_feed(utf8_state *state, const void *data, size_t length)
{
    const unsigned char *p = data, *end = p + length;
    utf8_state now = *state;

    while (p < end) {
        if (now.missing == 0) {
            if (*p < 0x80) {
                p = skip_ascii(p, end);
                continue;
            }
            if (!begin(&now, *p++))
                return false;
            continue;
        }
        if (*p < now.low || *p > now.high)
            return false;
        now.low = 0x80;
        now.high = 0xBF;
        now.missing--;
        p++;
    }
    *state = now;
    return true;
}

bool utf8_valid(const void *data, size_t length)
{
    utf8_state state = {0};
    return utf8_feed(&state, data, length) && utf8_complete(state);
}
