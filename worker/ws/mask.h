/* SPDX-License-Identifier: Apache-2.0 */
/* The mask of frames from a client (RFC 6455, section 5.3), by the processor's vector unit. */
#ifndef WORKER_WS_MASK_H
#define WORKER_WS_MASK_H

#include <stddef.h>
#include <stdint.h>

/*
 * Applies a mask to bytes that begin `offset` bytes into a payload; masks and unmasks alike. Any alignment,
 * any length. Any thread.
 */
void mask_apply(unsigned char *data, size_t length, const uint8_t mask[4], uint64_t offset);

/*
 * For tests and measurements: the ways to do it that this processor has, the best first, the portable one
 * last. `word` is the mask twice, turned so that its first byte in memory is the one for data[0].
 */
typedef void (*mask_run)(unsigned char *data, size_t length, uint64_t word);

typedef struct mask_unit {
    const char *name;
    mask_run run;
} mask_unit;

enum { MASK_UNITS_MAX = 3 };
size_t mask_units(mask_unit out[MASK_UNITS_MAX]);

#endif
