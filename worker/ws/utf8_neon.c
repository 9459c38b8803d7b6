/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 validation with NEON, which every aarch64 has: 16 bytes at a time. */
#if defined(__aarch64__) && defined(__ARM_NEON)

#include <arm_neon.h>
#include <stdbool.h>
#include <stdint.h>

#define LOOKUP_TARGET /* part of the architecture */

typedef uint8_t bytes __attribute__((vector_size(16)));

static inline bytes lookup(const uint8_t table[16], bytes index)
{
    return (bytes)vqtbl1q_u8(vld1q_u8(table), (uint8x16_t)index);
}

static inline bytes previous1(bytes now, bytes before)
{
    return (bytes)vextq_u8((uint8x16_t)before, (uint8x16_t)now, 15);
}

static inline bytes previous2(bytes now, bytes before)
{
    return (bytes)vextq_u8((uint8x16_t)before, (uint8x16_t)now, 14);
}

static inline bytes previous3(bytes now, bytes before)
{
    return (bytes)vextq_u8((uint8x16_t)before, (uint8x16_t)now, 13);
}

static inline bool any(bytes v)
{
    return vmaxvq_u8((uint8x16_t)v) != 0;
}

static inline bool any_high(bytes v)
{
    return vmaxvq_u8((uint8x16_t)v) >= 0x80;
}

#include "worker/ws/utf8_lookup.h"

size_t utf8_scan_neon(const unsigned char *text, size_t length)
{
    return scan_by_lookup(text, length);
}

#endif
