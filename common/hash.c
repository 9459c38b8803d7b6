/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash as its authors define it (Aumasson and Bernstein, 2012), with one round a word and three to end. */
#include "common/hash.h"
#include "common/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <unistd.h>

typedef struct sip_state {
    uint64_t v0, v1, v2, v3;
} sip_state;

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
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

static inline void sip_word(sip_state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t load_little(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

uint64_t hash_keyed(hash_key key, const void *data, size_t length)
{
    sip_state s = {
        key.k0 ^ UINT64_C(0x736f6d6570736575),
        key.k1 ^ UINT64_C(0x646f72616e646f6d),
        key.k0 ^ UINT64_C(0x6c7967656e657261),
        key.k1 ^ UINT64_C(0x7465646279746573),
    };
    const uint8_t *bytes = data;
    size_t left = length;
    for (; left >= 8; left -= 8, bytes += 8)
        sip_word(&s, load_little(bytes));

    uint64_t last = (uint64_t)length << 56; /* the length modulo 256 in the last byte */
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)bytes[i] << (8 * i);
    sip_word(&s, last);

    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/*
 * Only where getrandom(2) does not exist or is forbidden: the 16 random bytes that the kernel gives each new
 * program, hashed with the time and the process so that two keys of one program differ.
 */
static hash_key key_without_getrandom(void)
{
    hash_key seed = {0, 0};
    uintptr_t random = getauxval(AT_RANDOM);
    if (random)
        memcpy(&seed, (const void *)random, sizeof seed);
    uint64_t salt[3] = {clock_monotonic_ns(), clock_wall_ns(), (uint64_t)getpid()};
    hash_key key;
    key.k0 = hash_keyed(seed, salt, sizeof salt);
    salt[0]++;
    key.k1 = hash_keyed(seed, salt, sizeof salt);
    return key;
}

hash_key hash_key_random(void)
{
    hash_key key;
    ssize_t got;
    do
        got = getrandom(&key, sizeof key, 0);
    while (got < 0 && errno == EINTR);
    /* Up to 256 bytes come whole once the pool is ready. */
    return got == (ssize_t)sizeof key ? key : key_without_getrandom();
}
