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
/* True while a process may be running for this row: only then do its cursor and its writing count. */
static inline bool row_is_live(row_word word)
{
    return row_state_of(word) >= ROW_BOOTING && row_state_of(word) <= ROW_DRAINING;
}

typedef struct row {
    /* written by the master, and by the worker as the states say */
    _Alignas(64) _Atomic row_word word;
    _Atomic int32_t pid;
    _Atomic uint32_t generation; /* how many filled this slot, this one included */
    _Atomic uint64_t booted_ns;  /* monotonic, at the fork */
    _Atomic uint32_t release;    /* number of what it runs */
    _Atomic uint32_t farewell;   /* row_farewell: why it is told to go; set before SIGTERM is sent */

    /* written by the worker's hub every turn */
    _Alignas(64) _Atomic uint64_t turns;
    _Atomic uint64_t heartbeat_ns; /* monotonic; at least every 250 ms while the hub turns */
    _Atomic uint32_t running_now;  /* 1 while a greenlet runs, 0 in the hub */
    _Atomic uint32_t greenlets;    /* alive when it ran */
    char running[32]; /* the name of the greenlet that ran last; may be torn, always ends with NUL */

    /* counters, written by the worker */
    _Alignas(64) _Atomic uint32_t connections; /* open client sockets */
    _Atomic uint32_t accepting;                /* 1: its accept watchers are armed */
    _Atomic uint64_t accepted;
    _Atomic uint64_t requests; /* of HTTP */
    _Atomic uint64_t messages_in, messages_out;
    _Atomic uint64_t bytes_in, bytes_out;
    _Atomic uint64_t dropped;     /* messages not given to a client whose queue was full */
    _Atomic uint64_t closed_slow; /* clients closed for the same reason */
    _Atomic uint64_t gaps;        /* times that this reader lost records: evicted, or damaged records */
    _Atomic uint64_t gap_cells;   /* log cells lost in them, as far as known */
    _Atomic uint32_t wish;        /* row_wish: it asks to be replaced; set once, then the master is rung */

    /* the log reader: the cursor is moved by the worker; an evicting publisher replaces it by
     * compare-and-swap */
    _Alignas(64) _Atomic uint64_t cursor; /* position of the next record to read; the top bit says evicted;
                                             0: reads nothing */
    /* the log writer: which cells this process may be filling. Nobody else fills them while it lives. */
    _Atomic uint64_t writing;       /* position; 0: none */
    _Atomic uint32_t writing_cells; /* set before `writing` */

    /* apart from the cursor, because every publisher reads it */
    _Alignas(64) _Atomic uint32_t asleep; /* row_sleep */
} row;

/* Adds to a counter, as its one writer: a plain addition, seen whole by others. */
static inline void row_count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* Why a worker goes; it tells its clients different things. */
typedef enum row_farewell {
    FAREWELL_STOP,     /* the server ends: nobody will serve them here */
    FAREWELL_REPLACED, /* others serve on, they may come back at once */
} row_farewell;

/* Why a worker asks to be replaced. */
typedef enum row_wish {
    WISH_NONE,
    WISH_REQUESTS, /* --max-requests */
    WISH_MEMORY,   /* --max-worker-memory */
    WISH_LIFETIME, /* --max-worker-lifetime */
} row_wish;

/* How a reader sleeps: its doorbell is rung by whoever takes it from the word. */
typedef enum row_sleep {
    ROW_AWAKE,
    ROW_ASLEEP,       /* ring after publishing what it is interested in */
    ROW_ASLEEP_STUCK, /* it waits for a reservation to be filled: ring after any commit or abort */
} row_sleep;

/*
 * Changes the state of a row for the incarnation and slot that `from` names, by compare-and-swap of the whole
 * word. False when the word is not `from` any more: then the row belongs to somebody else or was ended, and
 * nothing was changed. Any process; rows are made and freed only by region_claim_row and region_sweep_row.
 */
bool row_change(row *row, row_word from, row_state to);

#endif
