/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared memory of a host: one memfd that the master makes before its first fork and every worker
 * inherits.
 *
 *     header   magic, layout version, epoch, hash key, sizes
 *     rows     one for each incarnation that may live at once (row.h)
 *     interest which incarnations have members in rooms of a hash (interest.h)
 *     buckets  position of the newest record for each room hash: where recovery starts to walk back
 *     states   one word for each cell of the log
 *     cells    the log itself (hostlog.h)
 *
 * Made with it are a doorbell (an eventfd) and a mailbox (mailbox.h) for each row, and one eventfd that wakes
 * the master.
 */
#ifndef BUS_REGION_H
#define BUS_REGION_H

#include "bus/row.h"
#include "common/error.h"
#include "common/hash.h"

enum {
    REGION_ROWS = 2 * 64 + 4, /* a reload runs two incarnations of a slot; and the gateways */
    REGION_MASK_WORDS = (REGION_ROWS + 63) / 64,
    REGION_HASH_BUCKETS = 65536,
    REGION_CELL = 128, /* bytes; records start at multiples of it */
};

typedef struct region_header region_header;

/* The two ends of a row's mailbox. */
typedef struct mailbox_ends {
    int reader; /* in the master, and in the process whose row it is; a number without meaning in others */
    int writer;
} mailbox_ends;

typedef struct region {
    region_header *header;
    row *rows; /* REGION_ROWS of them */
    int memory_fd;
    size_t size;                /* bytes mapped */
    size_t log_size;            /* bytes of the log */
    int doorbells[REGION_ROWS]; /* eventfds, non-blocking; an incarnation watches the one of its row */
    mailbox_ends mailboxes[REGION_ROWS];
    int master_doorbell;
} region;

/*
 * Makes and maps a region whose log holds `log_size` bytes (a power of two, at least 1 MiB). In the master,
 * before the first fork. Its pages are touched only as they are used. Errors: HUB_EINVAL (size), HUB_ESYSTEM
 * (memfd, mmap, eventfd, socketpair: the line says which limit), HUB_ENOMEM.
 */
hub_status region_create(region *region, size_t log_size, error *error);

/* Maps a region again from its descriptor and checks magic, layout version and sizes. HUB_EPROTO when they do
 * not match. */
hub_status region_attach(region *region, int memory_fd, error *error);

/*
 * For a master that goes on with the region of another one: maps it and takes doorbells and mailboxes over,
 * by their numbers, when all is well. With a master_doorbell of -1 a new one is made: workers ring the master
 * that forked them. Errors: as region_attach; HUB_ESYSTEM (eventfd). Nothing was taken over then; in any case
 * memory_fd stays the caller's.
 */
hub_status region_inherit(region *region, int memory_fd, const int doorbells[REGION_ROWS],
                          const mailbox_ends mailboxes[REGION_ROWS], int master_doorbell, error *error);

/* Unmaps it and closes its descriptors. */
void region_close(region *region);

/* The key under which all processes of the host hash room names. */
hash_key region_hash_key(const region *region);

/* A key that never shows in anything that leaves the host but through a cryptographic hash: for what clients
 * hand back and any worker of the host must be able to check. */
hash_key region_secret_key(const region *region);

uint64_t
region_epoch(const region *region); /* changes whenever positions of an older region mean nothing any more */

/*
 * For the master, before a fork: takes a free row for a new incarnation of the slot, zeroes its counters and
 * makes it BOOTING under the next incarnation number. A row in whose mailbox letters lie goes first: the new
 * incarnation reads them. The row's word then names it; the pid is for the master
 * to fill in. Errors: HUB_EFULL (no row is free).
 */
hub_status region_claim_row(const region *region, uint16_t slot, uint32_t generation, unsigned *row);

/*
 * For the master, once the row's process is reaped and so can write nothing more: ENDED, then its interest,
 * cursor and unfinished writing are taken back and its letters go to another worker, then FREE, with
 * incarnation and slot left in the word for reading. Readers that waited for something it left unfinished are
 * rung. Its counters stay until the row is claimed again. Does nothing for a row that is free. A running
 * process must never be swept.
 */
void region_sweep_row(const region *region, unsigned row);

/*
 * The live row whose incarnation has these lowest 16 bits, as ids of clients hold them; -1: there is none.
 * Any process; one load when it was asked for the same one before.
 */
int region_row_of(const region *region, uint32_t incarnation_low);

/* Rings an incarnation; rings the master. Any process. A full eventfd counts as rung. */
void region_ring(const region *region, unsigned row);
void region_ring_master(const region *region);

#endif
