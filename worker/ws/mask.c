/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/mask.h"

#include <string.h>

enum { LONG = 256 }; /* from here on the widest unit pays for the call */

/* ---- portable ---- */

static void run_portable(unsigned char *data, size_t length, uint64_t word)
{
    for (; length >= sizeof word; data += sizeof word, length -= sizeof word) {
        uint64_t part;
        memcpy(&part, data, sizeof part);
        part ^= word;
        memcpy(data, &part, sizeof part);
    }
    unsigned char rest[sizeof word];
    memcpy(rest, &word, sizeof rest);
    for (size_t i = 0; i < length; i++)
        data[i] ^= rest[i];
}

/* ---- 16 bytes: SSE2, which every x86-64 has, and NEON, which every aarch64 has ---- */

#if defined(__x86_64__) || defined(__aarch64__)
#define HAS_16 1

typedef uint64_t bytes16 __attribute__((vector_size(16)));

static inline void mask_16(unsigned char *p, bytes16 key)
{
    bytes16 v;
    memcpy(&v, p, sizeof v);
    v ^= key;
    memcpy(p, &v, sizeof v);
}

static void run_16(unsigned char *data, size_t length, uint64_t word)
{
    const bytes16 key = {word, word};
    for (; length >= 64; data += 64, length -= 64) {
        mask_16(data, key);
        mask_16(data + 16, key);
        mask_16(data + 32, key);
        mask_16(data + 48, key);
    }
    for (; length >= 16; data += 16, length -= 16)
        mask_16(data, key);
    run_portable(data, length, word);
}
#endif

/* ---- 32 bytes: AVX2 ---- */

#if defined(__x86_64__)
#define WITH_AVX2 __attribute__((target("avx2")))

typedef uint64_t bytes32 __attribute__((vector_size(32)));

static inline WITH_AVX2 void mask_32(unsigned char *p, bytes32 key)
{
    bytes32 v;
    memcpy(&v, p, sizeof v);
    v ^= key;
    memcpy(p, &v, sizeof v);
}

static WITH_AVX2 void run_32(unsigned char *data, size_t length, uint64_t word)
{
    const bytes32 key = {word, word, word, word};
    for (; length >= 128; data += 128, length -= 128) {
        mask_32(data, key);
        mask_32(data + 32, key);
        mask_32(data + 64, key);
        mask_32(data + 96, key);
    }
    run_16(data, length, word);
}
#endif

/* ---- units ---- */

size_t mask_units(mask_unit out[MASK_UNITS_MAX])
{
    size_t count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2"))
        out[count++] = (mask_unit){"AVX2", run_32};
    out[count++] = (mask_unit){"SSE2", run_16};
#elif defined(__aarch64__)
    out[count++] = (mask_unit){"NEON", run_16};
#endif
    out[count++] = (mask_unit){"portable", run_portable};
    return count;
}

#if defined(HAS_16)
static const mask_run run_short = run_16;
#else
static const mask_run run_short = run_portable;
#endif

static mask_run run_long;

__attribute__((constructor)) static void pick_unit(void)
{
    mask_unit units[MASK_UNITS_MAX];
    mask_units(units);
    run_long = units[0].run;
}

void mask_apply(unsigned char *data, size_t length, const uint8_t mask[4], uint64_t offset)
{
    uint8_t turned[8];
    for (unsigned i = 0; i < sizeof turned; i++)
        turned[i] = mask[(offset + i) & 3];
    uint64_t word;
    memcpy(&word, turned, sizeof word);
    if (length < LONG)
        run_short(data, length, word);
    else
        run_long(data, length, word);
}
