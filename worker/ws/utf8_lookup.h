/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 validation by table lookups in a vector unit: the algorithm of J. Keiser and D. Lemire, "Validating
 * UTF-8 in less than one instruction per byte" (2021). Written once; each vector unit's file includes it
 * after it has defined
 *
 *     bytes                        a vector of unsigned bytes, with the compiler's operators
 *     LOOKUP_TARGET                the function attribute that allows the unit's instructions
 *     lookup(table, index)         table[index] for each byte of `index`, which is below 16
 *     previous1/2/3(now, before)   for each byte of `now` the one that stands 1, 2 or 3 before it
 *     any(v)                       true when a bit is set anywhere
 *     any_high(v)                  true when a byte above 127 is among them
 *
 * Every pair of neighbouring bytes is looked up by the first byte's high and low half and the second byte's
 * high half. Each of the three tables says by bits which faults that half allows; a fault that all three
 * allow is there. What two bytes cannot tell is whether the third or fourth byte of a character is one, which
 * is looked for by distance from the character's first.
 */
#ifndef WORKER_WS_UTF8_LOOKUP_H
#define WORKER_WS_UTF8_LOOKUP_H

#include "worker/ws/utf8_scan.h"

#include <string.h>

enum {
    TOO_SHORT = 1 << 0,     /* a first byte, then no continuation */
    TOO_LONG = 1 << 1,      /* ASCII, then a continuation */
    OVERLONG_3 = 1 << 2,    /* E0, then below A0 */
    TOO_LARGE = 1 << 3,     /* F4, then above 8F; F5 and more, then above 8F */
    SURROGATE = 1 << 4,     /* ED, then above 9F */
    OVERLONG_2 = 1 << 5,    /* C0 or C1 */
    OVERLONG_4 = 1 << 6,    /* F0, then below 90 */
    TOO_LARGE_80 = 1 << 6,  /* F5 and more, then below 90: shares a bit, as no pair is both */
    CONTINUATIONS = 1 << 7, /* two continuations: a fault unless a longer character explains the second */
    ANY_LOW_HALF = TOO_SHORT | TOO_LONG | CONTINUATIONS, /* faults that do not depend on it */
};

/* By the high half of the first byte of a pair. */
static const uint8_t first_high[16] = {
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    CONTINUATIONS,
    CONTINUATIONS,
    CONTINUATIONS,
    CONTINUATIONS,
    TOO_SHORT | OVERLONG_2,
    TOO_SHORT,
    TOO_SHORT | OVERLONG_3 | SURROGATE,
    TOO_SHORT | TOO_LARGE | TOO_LARGE_80 | OVERLONG_4,
};

/* By its low half. */
static const uint8_t first_low[16] = {
    ANY_LOW_HALF | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
    ANY_LOW_HALF | OVERLONG_2,
    ANY_LOW_HALF,
    ANY_LOW_HALF,
    ANY_LOW_HALF | TOO_LARGE,
    ANY_LOW_HALF | TOO_LARGE | TOO_LARGE_80,
    ANY_LOW_HALF | TOO_LARGE | TOO_LARGE_80,
    ANY_LOW_HALF | TOO_LARGE | TOO_LARGE_80,
    ANY_LOW_HALF | TOO_LARGE | TOO_LARGE_80,
    ANY_LOW_HALF | TOO_LARGE | TOO_LARGE_80,
    ANY_LOW_HALF | TOO_LARGE | TOO_LARGE_80,
    ANY_LOW_HALF | TOO_LARGE | TOO_LARGE_80,
    ANY_LOW_HALF | TOO_LARGE | TOO_LARGE_80,
    ANY_LOW_HALF | TOO_LARGE | TOO_LARGE_80 | SURROGATE,
    ANY_LOW_HALF | TOO_LARGE | TOO_LARGE_80,
    ANY_LOW_HALF | TOO_LARGE | TOO_LARGE_80,
};

/* By the high half of the second byte. */
static const uint8_t second_high[16] = {
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_LONG | OVERLONG_2 | CONTINUATIONS | OVERLONG_3 | TOO_LARGE_80 | OVERLONG_4,
    TOO_LONG | OVERLONG_2 | CONTINUATIONS | OVERLONG_3 | TOO_LARGE,
    TOO_LONG | OVERLONG_2 | CONTINUATIONS | SURROGATE | TOO_LARGE,
    TOO_LONG | OVERLONG_2 | CONTINUATIONS | SURROGATE | TOO_LARGE,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
};

static inline LOOKUP_TARGET bytes load(const unsigned char *from)
{
    bytes v;
    memcpy(&v, from, sizeof v);
    return v;
}

/* The faults among the bytes of `now`, which `before` precedes; not 0: there is one. */
static inline LOOKUP_TARGET bytes faults(bytes now, bytes before)
{
    bytes first = previous1(now, before);
    bytes pairs =
        lookup(first_high, first >> 4) & lookup(first_low, first & 15) & lookup(second_high, now >> 4);
    bytes third_or_fourth = (bytes)(previous2(now, before) >= 0xE0) | (bytes)(previous3(now, before) >= 0xF0);
    return pairs ^ (third_or_fourth & CONTINUATIONS);
}

/* Where the last character before `end` begins if it is not whole, else `end`. What stands before it is
 * valid. */
static inline size_t last_boundary(const unsigned char *text, size_t end)
{
    for (size_t back = 1; back <= 3 && back <= end; back++) {
        unsigned char byte = text[end - back];
        if (byte < 0x80)
            return end;
        if (byte >= 0xC0) {
            size_t wanted = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
            return wanted > back ? end - back : end;
        }
    }
    return end;
}

/* The contract of utf8_scan. ASCII is looked at like any other text when what stands before it is not ASCII:
 * it may follow a character that is not whole. */
static inline LOOKUP_TARGET size_t scan_by_lookup(const unsigned char *text, size_t length)
{
    const size_t width = sizeof(bytes);
    size_t at = 0;
    bytes before = {0};
    for (; length - at >= 2 * width; at += 2 * width) {
        bytes left = load(text + at), right = load(text + at + width);
        if (any_high(left | right | before) && any(faults(left, before) | faults(right, left)))
            return last_boundary(text, at);
        before = right;
    }
    if (length - at >= width) {
        bytes now = load(text + at);
        if (!any_high(now | before) || !any(faults(now, before)))
            at += width;
    }
    return last_boundary(text, at);
}

#endif
