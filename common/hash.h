/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes: one for tables whose keys a client may choose, one for finding damage. */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct hash_key {
    uint64_t k0, k1;
} hash_key;

/* A key that nobody can guess, from getrandom(2). Workers of one host must share theirs: the master makes it.
 */
hash_key hash_key_random(void);

/* SipHash-1-3 under a key: chosen keys cannot be made to collide by somebody who does not know it. */
uint64_t hash_keyed(hash_key key, const void *data, size_t length);

/* CRC-32C (Castagnoli), by the processor's instruction where there is one. `crc` is 0, or the value so far.
 */
uint32_t hash_crc32c(uint32_t crc, const void *data, size_t length);

#endif
