/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's letters (bus/mailbox.h): reads its mailbox in the loop, after the log and before the sockets of
 * a turn, a bounded number each time, and hands each letter to who registered for its kind. What it sends to
 * a mailbox that is full waits here, within bounds, and is tried again; letters to one worker keep their
 * order.
 *
 * Single thread; what is received, and what comes back, is handed over in hub context.
 */
#ifndef WORKER_NET_POST_H
#define WORKER_NET_POST_H

#include "bus/mailbox.h"

/* Kinds of letters; each floor that has some numbers them here. */
typedef enum post_kind {
    POST_NONE,
    POST_REQUEST, /* an HTTP request on its connection, for the worker that has its session */
    POST_KINDS,
} post_kind;

/* What a floor does with its letters. It may take the descriptor (letter_take); what it leaves is closed. */
typedef struct post_user {
    void (*receive)(letter *letter, void *arg);
    /* A letter of this worker's own that post_send had accepted and that could not be delivered after all,
     * because its receiver has gone. NULL: it is dropped. */
    void (*returned)(letter *letter, void *arg);
    void *arg;
} post_user;

enum {
    POST_WAITING_BYTES = 1024 * 1024, /* that wait for one worker; a single letter may be longer */
    POST_WAITING_LETTERS = 256,       /* the same; each may hold a descriptor */
};

/* Opens the mailbox of this worker's row. Errors: those of mailbox_open; HUB_ESTATE (open already, no loop).
 */
hub_status post_open(const region *region, unsigned row, error *error);

/* Begins to read: once the worker serves. What came before waits until then. */
void post_start(void);

/* Stops. Letters that wait to be sent are dropped; those in the mailbox stay, the master finds them a reader.
 */
void post_close(void);

/* Registers for a kind. Errors: HUB_EINVAL (no such kind), HUB_EEXIST. */
hub_status post_register(post_kind kind, const post_user *user);

/*
 * Sends a letter to the live incarnation with these lowest 16 bits, as a session's id holds them; it may be
 * this one. On HUB_OK the descriptor (-1: none) is taken over, and the letter was sent, or waits to be. On
 * any error the descriptor stays the caller's: HUB_ECLOSED (no such incarnation lives), HUB_EFULL (too much
 * waits for it already), HUB_ETOOBIG, HUB_EINVAL, HUB_ENOMEM, HUB_ESYSTEM as mailbox_send.
 */
hub_status post_send(uint32_t incarnation_low, post_kind kind, const struct iovec *parts, int count, int fd);

/* Whether an incarnation with these lowest 16 bits lives and is not this one. */
bool post_knows(uint32_t incarnation_low);

typedef struct post_counts {
    uint64_t sent, received; /* letters */
    uint64_t delayed;        /* sent later, because the mailbox was full */
    uint64_t returned;       /* the receiver had gone meanwhile */
    uint64_t refused;        /* damaged, or of a kind that nobody registered */
    unsigned waiting;        /* now */
} post_counts;

post_counts post_count(void);

#endif
