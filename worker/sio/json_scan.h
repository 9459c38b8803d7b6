/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what is special in a JSON string: a quote, a backslash, a control character (RFC 8259, section 7). */
#ifndef WORKER_SIO_JSON_SCAN_H
#define WORKER_SIO_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>

enum { JSON_VECTOR = 16 };

/* A bit for each special one of the next 16 bytes. */
static inline unsigned json_specials(const unsigned char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, backslashes), controls));
}
#endif

static inline bool json_is_special(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/* True when one of the next 8 bytes is special: the high bit of a byte is set where a subtraction borrows. */
static inline bool json_word_has_special(const unsigned char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones * 0x80;
    uint64_t word;
    memcpy(&word, p, sizeof word);
    uint64_t quotes = word ^ ones * '"', backslashes = word ^ ones * '\\';
    return (((quotes - ones) & ~quotes) | ((backslashes - ones) & ~backslashes) |
            ((word - ones * 0x20) & ~word)) &
           highs;
}

/* The first special byte, or `end`. */
static inline const unsigned char *json_plain(const unsigned char *p, const unsigned char *end)
{
#ifdef __SSE2__
    for (; end - p >= JSON_VECTOR; p += JSON_VECTOR) {
        unsigned specials = json_specials(p);
        if (specials)
            return p + __builtin_ctz(specials);
    }
#endif
    while (end - p >= 8 && !json_word_has_special(p))
        p += 8;
    while (p < end && !json_is_special(*p))
        p++;
    return p;
}

#endif
