/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scoreboard: a row of shared memory for each incarnation, that is each process that ever fills a slot. A
 * worker knows its supervisor only through its row, and the master a worker.
 *
 * A row is owned by the incarnation that its state word names. Every change of the state word is a
 * compare-and-swap on the whole word, so that a late or stopped process can never write into the life of its
 * successor. Other words have one writer, named in their comment; any process may read them at any time.
 */
#ifndef BUS_ROW_H
#define BUS_ROW_H

#include <hubbub.h>

#include <stdatomic.h>

typedef enum row_state {
    ROW_FREE,     /* nobody */
    ROW_BOOTING,  /* set by the master before the fork */
    ROW_READY,    /* set by the worker when it serves */
    ROW_DRAINING, /* set by the worker when it stops accepting */
    ROW_ENDED,    /* set by the master when it reaped the process; swept, then free */
} row_state;

/* {incarnation 32 | slot 16 | state 16}. Incarnations count from 1 over the life of the region. */
typedef uint64_t row_word;

static inline row_word row_word_of(uint32_t incarnation, uint16_t slot, row_state state)
{
    return (uint64_t)incarnation << 32 | (uint64_t)slot << 16 | (uint64_t)state;
}
static inline uint32_t row_incarnation(row_word word)
{
    return (uint32_t)(word >> 32);
}
static inline uint16_t row_slot(row_word word)
{
    return (uint16_t)(word >> 16);
}
static inline row_state row_state_of(row_word word)
{
    return (row_state)(word & 0xffff);
}

typedef struct row {
    /* written by the master, and by the worker as the states say */
    _Alignas(64) _Atomic row_word word;
    _Atomic int32_t pid;
    _Atomic uint32_t generation; /* how many filled this slot, this one included */
    _Atomic uint64_t booted_ns;  /* monotonic, at the fork */

    /* written by the worker's hub every turn */
    _Alignas(64) _Atomic uint64_t turns;
    _Atomic uint64_t heartbeat_ns; /* monotonic; at least every 250 ms while the hub turns */
    _Atomic uint32_t running_now;  /* 1 while a greenlet runs, 0 in the hub */
    char running[32]; /* the name of the greenlet that ran last; may be torn, always ends with NUL */

    /* counters, written by the worker */
    _Alignas(64) _Atomic uint32_t connections; /* open client sockets */
    _Atomic uint32_t accepting;                /* 1: its accept watchers are armed */
    _Atomic uint64_t accepted;
    _Atomic uint64_t messages_in, messages_out;
    _Atomic uint64_t bytes_in, bytes_out;
    _Atomic uint64_t dropped;     /* messages not given to a client whose queue was full */
    _Atomic uint64_t closed_slow; /* clients closed for the same reason */
    _Atomic uint64_t gaps;        /* times that this reader lost records: evicted, or damaged records */
    _Atomic uint64_t gap_records; /* log cells lost in them, as far as known */

    /* the log reader: the cursor is moved by the worker; an evicting publisher replaces it by
     * compare-and-swap */
    _Alignas(64) _Atomic uint64_t cursor; /* position of the next record to read; the top bit says evicted */
    _Atomic uint32_t asleep;              /* 1: ring the doorbell after publishing */
} row;

#endif
