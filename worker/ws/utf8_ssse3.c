/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 validation with SSSE3, for x86-64 without AVX2: 16 bytes at a time. */
#if defined(__x86_64__)

#include <stdbool.h>
#include <stdint.h>
#include <tmmintrin.h>

#define LOOKUP_TARGET __attribute__((target("ssse3")))

typedef uint8_t bytes __attribute__((vector_size(16)));

static inline LOOKUP_TARGET bytes lookup(const uint8_t table[16], bytes index)
{
    return (bytes)_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)table), (__m128i)index);
}

static inline LOOKUP_TARGET bytes previous1(bytes now, bytes before)
{
    return (bytes)_mm_alignr_epi8((__m128i)now, (__m128i)before, 15);
}

static inline LOOKUP_TARGET bytes previous2(bytes now, bytes before)
{
    return (bytes)_mm_alignr_epi8((__m128i)now, (__m128i)before, 14);
}

static inline LOOKUP_TARGET bytes previous3(bytes now, bytes before)
{
    return (bytes)_mm_alignr_epi8((__m128i)now, (__m128i)before, 13);
}

static inline LOOKUP_TARGET bool any(bytes v)
{
    return _mm_movemask_epi8(_mm_cmpeq_epi8((__m128i)v, _mm_setzero_si128())) != 0xFFFF;
}

static inline LOOKUP_TARGET bool any_high(bytes v)
{
    return _mm_movemask_epi8((__m128i)v) != 0;
}

#include "worker/ws/utf8_lookup.h"

LOOKUP_TARGET size_t utf8_scan_ssse3(const unsigned char *text, size_t length)
{
    return scan_by_lookup(text, length);
}

#endif
