/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/utf8_scan.h"

#include <string.h>

enum { SCAN_MIN = 16 }; /* shorter text is done before a vector unit has begun */

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

/* The portable validation: byte by byte, but for runs of ASCII. */
static bool feed_bytes(utf8_state *state, const unsigned char *p, const unsigned char *end)
{
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

/*
 * The unit takes what it can of the middle. Before it the character that the last piece began is ended;
 * behind it stand the few bytes that fill no vector, or those that hold a fault: the bytes in their order say
 * which.
 */
bool utf8_feed_by(utf8_scan scan, utf8_state *state, const void *data, size_t length)
{
    if (length == 0)
        return true;
    const unsigned char *p = data, *end = p + length;
    if (scan && length >= SCAN_MIN) {
        const unsigned char *rest = p + state->missing;
        if (!feed_bytes(state, p, rest))
            return false;
        p = rest + scan(rest, (size_t)(end - rest));
    }
    return feed_bytes(state, p, end);
}

/* ---- units ---- */

size_t utf8_units(utf8_unit out[UTF8_UNITS_MAX])
{
    size_t count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2"))
        out[count++] = (utf8_unit){"AVX2", utf8_scan_avx2};
    if (__builtin_cpu_supports("ssse3"))
        out[count++] = (utf8_unit){"SSSE3", utf8_scan_ssse3};
#elif defined(__aarch64__) && defined(__ARM_NEON)
    out[count++] = (utf8_unit){"NEON", utf8_scan_neon};
#endif
    out[count++] = (utf8_unit){"portable", NULL};
    return count;
}

static utf8_scan best;

__attribute__((constructor)) static void pick_unit(void)
{
    utf8_unit units[UTF8_UNITS_MAX];
    utf8_units(units);
    best = units[0].scan;
}

bool utf8_feed(utf8_state *state, const void *data, size_t length)
{
    return utf8_feed_by(best, state, data, length);
}

bool utf8_valid(const void *data, size_t length)
{
    utf8_state state = {0};
    return utf8_feed(&state, data, length) && utf8_complete(state);
}
