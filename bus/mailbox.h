/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Letters from one worker of the host to another: bytes, and a descriptor (a client's socket) if need be.
 * What everybody should read goes through the log; a letter has one reader.
 *
 * Each row of the region has a mailbox: a pair of sockets that keeps messages whole. Its writing end is in
 * every process, its reading end in the master and in the row's incarnation, which alone reads: two readers
 * of one socket split its letters. The master holds both, so a letter outlives the worker that it was written
 * to. When that worker's row is swept, another worker gets what it left, and who claims a row reads what
 * still lies there: such letters are `stale`. They are delivered, because a client's socket may be in them,
 * whose request can be answered.
 *
 * Order: letters of one sender to one incarnation arrive in the order in which they were sent.
 *
 * Nothing here parks or blocks. One process may have one mailbox open for reading; any may send.
 *
 * Cost: two descriptors for each row in the master and about one in a worker, made before the first fork,
 * because a worker could not be given those of rows that are claimed after it was forked.
 */
#ifndef BUS_MAILBOX_H
#define BUS_MAILBOX_H

#include "bus/region.h"

#include <sys/uio.h>

enum {
    MAILBOX_INLINE = 16 * 1024, /* bytes of a letter that fit a message; a longer one travels in a memfd */
    MAILBOX_LETTER_MAX = 64 * 1024 * 1024,
    MAILBOX_PARTS_MAX = 8,
};

/* Whom a letter is for. */
typedef struct mailbox_address {
    unsigned row;
    uint32_t incarnation; /* that the row's word names */
} mailbox_address;

/*
 * Sends a letter made of the parts. `from` is the sender's incarnation; kinds are numbered by the floors
 * above. `fd` is -1, or a descriptor of which the receiver gets a copy: the sender's stays the sender's, who
 * closes it after success. HUB_OK says that it lies in the mailbox, not that it was read.
 *
 * Errors: HUB_EAGAIN (the mailbox is full, or too many descriptors are under way, RLIMIT_NOFILE of the
 * sender), HUB_ECLOSED (the row is not that live incarnation's), HUB_ETOOBIG (above MAILBOX_LETTER_MAX),
 * HUB_EINVAL (no such row, too many parts, a bad descriptor), HUB_ENOMEM, HUB_ESYSTEM (no memfd for a long
 * letter).
 */
hub_status mailbox_send(const region *region, mailbox_address to, uint32_t from, uint16_t kind,
                        const struct iovec *parts, int count, int fd);

/* A letter that was received. It owns its descriptor until letter_take, and its bytes until letter_close. */
typedef struct letter {
    uint16_t kind;
    bool stale; /* written to an incarnation that is gone */
    uint32_t from, to;
    hub_bytes bytes; /* of a short letter: lent until the next mailbox_receive */
    int fd;          /* close-on-exec; -1: none */
    void *mapped;    /* where a long letter lies; else NULL */
} letter;

/* The letter's descriptor, which is the caller's from now on; -1 when there is none. */
int letter_take(letter *letter);

/* Closes the descriptor, unless it was taken, and frees the bytes. */
void letter_close(letter *letter);

typedef struct mailbox mailbox;

/*
 * Opens the mailbox of a row for the incarnation that its word names now. The region must outlive it. Errors:
 * HUB_ESTATE (the row is not live), HUB_EINVAL (no such row, or its mailbox is not this process's),
 * HUB_ENOMEM.
 */
hub_status mailbox_open(mailbox **mailbox, const region *region, unsigned row, error *error);

/* Frees it; the socket is the region's, and letters stay in it. NULL is fine. */
void mailbox_close(mailbox *mailbox);

/* Readable while letters wait. */
int mailbox_fd(const mailbox *mailbox);

/*
 * The next letter, which the caller must close. Errors: HUB_EAGAIN (none waits); HUB_EPROTO (one was refused
 * and its descriptors closed: damaged, of another region, not what its head announces, or this process had no
 * descriptor free for it; it is counted, and the next one may be asked for at once); HUB_ENOMEM (a long one
 * could not be mapped: lost and counted in the same way); HUB_ESYSTEM (the socket failed).
 */
hub_status mailbox_receive(mailbox *mailbox, letter *letter);

/* Letters that were refused so far. */
uint64_t mailbox_refused(const mailbox *mailbox);

/* ---- for the region, in the master ---- */

/* Makes and closes a pair. Errors: HUB_ESYSTEM. */
hub_status mailbox_ends_make(mailbox_ends *ends, error *error);
void mailbox_ends_close(mailbox_ends *ends);

/*
 * Moves what lies in the mailbox of a row that nobody reads any more to another worker: one that is ready,
 * before one that boots, and of the same slot before others. What nobody has room for stays. How many.
 */
unsigned mailbox_forward(const region *region, unsigned row);

/* True when letters lie there. */
bool mailbox_has_letters(const region *region, unsigned row);

#endif
