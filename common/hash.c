/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash as its authors define it (Aumasson and Bernstein, 2012), with one round a word and three to end. */
#include "common/hash.h"
#include "common/clock.h"
#include "common/sipround.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <unistd.h>

static inline void sip_word(sip_state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

uint64_t hash_keyed(hash_key key, const void *data, size_t length)
{
    sip_state s = sip_begin(key);
    const uint8_t *bytes = data;
    size_t left = length;
    for (; left >= 8; left -= 8, bytes += 8)
        sip_word(&s, load_little(bytes));
    sip_word(&s, sip_last(bytes, left, length));

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
