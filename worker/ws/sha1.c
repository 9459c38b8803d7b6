/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/sha1.h"

#include <stdint.h>
#include <string.h>

enum { BLOCK = 64 };

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static uint32_t load_big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* FIPS 180-4, section 6.1.2: one block into the hash value. */
static void add_block(uint32_t hash[5], const unsigned char block[BLOCK])
{
    uint32_t w[80];
    for (unsigned t = 0; t < 16; t++)
        w[t] = load_big_endian(block + (size_t)t * 4);
    for (unsigned t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);

    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
    for (unsigned t = 0; t < 80; t++) {
        uint32_t f, k;
        if (t < 20) {
            f = (b & c) | (~b & d);
            k = 0x5A827999;
        } else if (t < 40) {
            f = b ^ c ^ d;
            k = 0x6ED9EBA1;
        } else if (t < 60) {
            f = (b & c) | (b & d) | (c & d);
            k = 0x8F1BBCDC;
        } else {
            f = b ^ c ^ d;
            k = 0xCA62C1D6;
        }
        uint32_t next = rotate(a, 5) + f + e + k + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
}

void sha1_digest(const void *data, size_t length, unsigned char out[SHA1_SIZE])
{
    uint32_t hash[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    const unsigned char *p = data;
    size_t left = length;

    for (; left >= BLOCK; p += BLOCK, left -= BLOCK)
        add_block(hash, p);

    /* The rest, a 1 bit, zeros, and the length in bits at the end of the last block. */
    unsigned char tail[2 * BLOCK] = {0};
    if (left > 0)
        memcpy(tail, p, left);
    tail[left] = 0x80;
    size_t tail_length = left + 1 + 8 <= BLOCK ? BLOCK : 2 * BLOCK;
    uint64_t bits = (uint64_t)length * 8;
    for (unsigned i = 0; i < 8; i++)
        tail[tail_length - 1 - i] = (unsigned char)(bits >> (8 * i));
    for (size_t at = 0; at < tail_length; at += BLOCK)
        add_block(hash, tail + at);

    for (unsigned i = 0; i < 5; i++)
        for (unsigned byte = 0; byte < 4; byte++)
            out[i * 4 + byte] = (unsigned char)(hash[i] >> (24 - 8 * byte));
}
