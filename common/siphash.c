/* SPDX-License-Identifier: Apache-2.0 */
#include "common/siphash.h"

#include "common/sipround.h"

static inline void sip_word_twice(sip_state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static void sip_end(sip_state *s, unsigned char hash[8])
{
    for (int i = 0; i < 4; i++)
        sip_round(s);
    store_little(s->v0 ^ s->v1 ^ s->v2 ^ s->v3, hash);
}

void siphash_128(hash_key key, const void *data, size_t length, unsigned char hash[SIPHASH_LENGTH])
{
    sip_state s = sip_begin(key);
    const uint8_t *bytes = data;
    size_t left = length;
    s.v1 ^= 0xee; /* sets the two lengths of output apart */
    for (; left >= 8; left -= 8, bytes += 8)
        sip_word_twice(&s, load_little(bytes));
    sip_word_twice(&s, sip_last(bytes, left, length));
    s.v2 ^= 0xee;
    sip_end(&s, hash);
    s.v1 ^= 0xdd;
    sip_end(&s, hash + 8);
}
