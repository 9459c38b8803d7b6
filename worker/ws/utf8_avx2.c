/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 validation with AVX2: 32 bytes at a time. */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define LOOKUP_TARGET __attribute__((target("avx2")))

typedef uint8_t bytes __attribute__((vector_size(32)));

static inline LOOKUP_TARGET bytes lookup(const uint8_t table[16], bytes index)
{
    __m128i half = _mm_loadu_si128((const __m128i *)table);
    return (bytes)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(half), (__m256i)index);
}

/* The high half of `before` and the low half of `now`. */
static inline LOOKUP_TARGET __m256i between(bytes now, bytes before)
{
    return _mm256_permute2x128_si256((__m256i)before, (__m256i)now, 0x21);
}

static inline LOOKUP_TARGET bytes previous1(bytes now, bytes before)
{
    return (bytes)_mm256_alignr_epi8((__m256i)now, between(now, before), 15);
}

static inline LOOKUP_TARGET bytes previous2(bytes now, bytes before)
{
    return (bytes)_mm256_alignr_epi8((__m256i)now, between(now, before), 14);
}

static inline LOOKUP_TARGET bytes previous3(bytes now, bytes before)
{
    return (bytes)_mm256_alignr_epi8((__m256i)now, between(now, before), 13);
}

static inline LOOKUP_TARGET bool any(bytes v)
{
    return !_mm256_testz_si256((__m256i)v, (__m256i)v);
}

static inline LOOKUP_TARGET bool any_high(bytes v)
{
    return _mm256_movemask_epi8((__m256i)v) != 0;
}

#include "worker/ws/utf8_lookup.h"

LOOKUP_TARGET size_t utf8_scan_avx2(const unsigned char *text, size_t length)
{
    return scan_by_lookup(text, length);
}

#endif
