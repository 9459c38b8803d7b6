/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to compute hash_crc32c: it chooses, tests compare. */
#ifndef COMMON_CRC32C_H
#define COMMON_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when this processor has the instruction and this build uses it. */
bool crc32c_has_instruction(void);

/* Both take and give what hash_crc32c does. The second only where crc32c_has_instruction() is true. */
uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t length);
uint32_t crc32c_by_instruction(uint32_t crc, const void *data, size_t length);

#endif
