/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all members of the SipHash family share (Aumasson and Bernstein, 2012): the state, its start, and a
 * round. For hash.c and siphash.c.
 */
#ifndef COMMON_SIPROUND_H
#define COMMON_SIPROUND_H

#include "common/hash.h"

#include <string.h>

typedef struct sip_state {
    uint64_t v0, v1, v2, v3;
} sip_state;

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline sip_state sip_begin(hash_key key)
{
    return (sip_state){
        key.k0 ^ UINT64_C(0x736f6d6570736575),
        key.k1 ^ UINT64_C(0x646f72616e646f6d),
        key.k0 ^ UINT64_C(0x6c7967656e657261),
        key.k1 ^ UINT64_C(0x7465646279746573),
    };
}

static inline void sip_round(sip_state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 = rotate_left(s->v2, 32);
}

static inline uint64_t sip_swap(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(word);
#else
    return word;
#endif
}

static inline uint64_t load_little(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return sip_swap(word);
}

static inline void store_little(uint64_t word, uint8_t *bytes)
{
    word = sip_swap(word);
    memcpy(bytes, &word, sizeof word);
}

/* The last word: the bytes that are left, at most seven, and the length modulo 256 above them. */
static inline uint64_t sip_last(const uint8_t *bytes, size_t left, size_t length)
{
    uint64_t last = (uint64_t)length << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)bytes[i] << (8 * i);
    return last;
}

#endif
