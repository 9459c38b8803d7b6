/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4 with 128 bits of output, as its authors define it: a pseudo-random function for short inputs.
 * Who does not know the key can neither foretell a hash nor make a valid one, so it authenticates what is
 * handed out and comes back. For tables the faster one of hash.h does.
 */
#ifndef COMMON_SIPHASH_H
#define COMMON_SIPHASH_H

#include "common/hash.h"

enum { SIPHASH_LENGTH = 16 };

void siphash_128(hash_key key, const void *data, size_t length, unsigned char hash[SIPHASH_LENGTH]);

#endif
