/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the parts of a region lie. Only the bus looks in here.
 *
 * Every offset follows from the log's size, so a process that mapped the region trusts nothing that is
 * written in it to find its way. The cells are mapped twice, one behind the other: a record that reaches over
 * the end of the ring is one run of bytes all the same.
 */
#ifndef BUS_LAYOUT_H
#define BUS_LAYOUT_H

#include "bus/region.h"

enum {
    REGION_LAYOUT = 2,         /* raised whenever any structure in the region changes */
    REGION_HEADER_SIZE = 4096, /* bytes kept for the header */
};

struct region_header {
    /* written once by region_create */
    char magic[8];
    uint32_t layout;
    uint32_t rows;
    uint64_t log_size;
    uint64_t epoch;
    hash_key key, secret;
    uint32_t checksum; /* crc32c of what stands above */

    /* written by the master */
    _Alignas(128) _Atomic uint32_t incarnations; /* given out so far */
    _Atomic uint32_t rows_used;                  /* no row from here on was ever claimed */

    /* written by publishers */
    _Alignas(128) _Atomic uint64_t head;  /* position behind the last reservation */
    _Alignas(128) _Atomic uint64_t limit; /* publishers may reserve up to here without asking the rows */
};

/* Offsets in bytes from the beginning of the region. */
typedef struct region_layout {
    size_t rows, interest, buckets, words, cells;
    size_t size; /* of the descriptor; the mapping has `log_size` bytes more */
} region_layout;

region_layout region_layout_of(size_t log_size);

/* How many rows were ever used, whatever the header says at most REGION_ROWS. */
unsigned region_rows_used(const region *region);

#endif
