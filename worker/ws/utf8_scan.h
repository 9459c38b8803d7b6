/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of UTF-8 validation that vector units do, for utf8.c, which picks one when the program starts,
 * and for tests and measurements, which look at each.
 */
#ifndef WORKER_WS_UTF8_SCAN_H
#define WORKER_WS_UTF8_SCAN_H

#include "worker/ws/utf8.h"

/*
 * Scans text that begins with a character, and returns how many bytes at its front are certainly whole and
 * valid characters. They may be fewer than are: the scan ends before a block with a fault, and before the
 * last bytes that fill no vector. Never reads beyond `length` bytes. Any thread.
 */
typedef size_t (*utf8_scan)(const unsigned char *text, size_t length);

typedef struct utf8_unit {
    const char *name;
    utf8_scan scan; /* NULL: the portable validation alone */
} utf8_unit;

enum { UTF8_UNITS_MAX = 3 };

/* The vector units of this processor, the best first, the portable one last; how many. */
size_t utf8_units(utf8_unit out[UTF8_UNITS_MAX]);

/* utf8_feed with a certain unit. */
bool utf8_feed_by(utf8_scan scan, utf8_state *state, const void *data, size_t length);

#if defined(__x86_64__)
size_t utf8_scan_avx2(const unsigned char *text, size_t length);
size_t utf8_scan_ssse3(const unsigned char *text, size_t length);
#elif defined(__aarch64__) && defined(__ARM_NEON)
size_t utf8_scan_neon(const unsigned char *text, size_t length);
#endif

#endif
