/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host log: a ring in shared memory that any process of the host appends to and all read in one order.
 * This file knows positions, cells, words and cursors; what a record says is record.h's, who is rung bus.c's.
 *
 * The ring has cells of REGION_CELL bytes. A position is the number of a cell and only grows; cell i holds
 * the positions of all laps that are i modulo the ring. A record takes one run of cells. Beside the cells
 * stands an array of 64-bit *words*, and the word of a record's first cell says what became of it:
 *
 *     {lap 32 | cells 20 | state 4 | check 8}
 *
 * A word of an older lap says that the cell is not filled yet. The check is the exclusive or of the other
 * bytes, so that no damaged byte goes unnoticed. Words of cells inside a record keep what they held.
 *
 * Publish:  writing = p;  head p -> p+k;  word -> RESERVED;  fill the cells;  RESERVED -> COMMITTED;
 *           writing = 0.
 * Read:     at its cursor a reader takes what is COMMITTED and steps over what is ABORTED. Before anything
 *           else it waits, or gives up for the owner: RESERVED -> ABORTED, or, where the word was never set,
 *           -> ABORTED over one cell, and so on step by step to the next word of this lap or the head. The
 *           owner's next compare-and-swap fails, and it publishes again. Once set for a lap a word changes
 *           only from RESERVED to one of the final states, so all readers walk the same records.
 *
 * Why it holds:
 *
 * - A reader gives up at once when no living row is `writing` this position (its owner died: the row was
 * swept, or belongs to another incarnation that writes elsewhere), else after HOSTLOG_PATIENCE_NS of seeing
 * it. That is half of the time that a publisher waits before it evicts: with equal times one publisher that
 * is stopped in the middle of a record would cost all readers, who wait for it, their place.
 *
 * - A publisher that was stopped while it filled its cells goes on filling them when it continues, though its
 *   record was aborted long ago and the ring may have come round. Looking at the word before the copy makes
 *   that rare, not impossible. So its cells are *pinned* while it lives: `writing` is set before the head
 *   moves, and who reserves never hands out cells that a living row is writing; it covers them with an
 * aborted filler, which touches no cell, and goes on behind. A stopped process costs these few cells a lap; a
 * dead one writes nothing and is swept.
 *
 * - Cells in front of a live cursor are never handed out: head <= cursor + ring for all of them. The limit
 * that follows from this is cached, and stays true: cursors only grow; who joins takes the head as its
 * cursor, publishes it and takes the head again, so a scan of the rows that began at some head either saw the
 * cursor or ended with a limit that the second head covers; a new `writing` is never below its own row's live
 *   cursor, and a publisher whose cursor was evicted gives its reservation back before it fills a cell.
 *
 * - Eviction takes all readers that are behind by more than three quarters. No record has more than a
 * quarter, so after it any record fits: nobody has to be evicted twice for one record, and who is within the
 * three quarters is never lost for another one's sake.
 *
 * Word, cursor and head have no lock that a stopped process could hold. Every loop here is bounded by the
 * number of rows or cells or by others' progress.
 */
#ifndef BUS_HOSTLOG_H
#define BUS_HOSTLOG_H

#include "bus/region.h"

#define HOSTLOG_PATIENCE_NS (UINT64_C(50) * 1000 * 1000)

/* Set in a cursor by who evicts its reader. */
#define HOSTLOG_EVICTED (UINT64_C(1) << 63)

typedef struct hostlog {
    const region *region;
    _Atomic uint64_t *head;
    _Atomic uint64_t *limit;
    _Atomic uint64_t *words;
    _Atomic uint64_t *buckets;
    unsigned char *cells;
    uint64_t ring;      /* number of cells */
    unsigned lap_shift; /* a position shifted right by it is its lap */
    uint32_t cells_max; /* of one record */
    row *self;
    unsigned self_index;
} hostlog;

typedef enum hostlog_state {
    HOSTLOG_UNFILLED, /* not of this lap yet */
    HOSTLOG_RESERVED,
    HOSTLOG_COMMITTED,
    HOSTLOG_ABORTED,
    HOSTLOG_LOST,    /* aborted, but there had been a record: its readers count a gap */
    HOSTLOG_OVERRUN, /* of a later lap: the log has come round */
    HOSTLOG_DAMAGED,
} hostlog_state;

/* What a word says about a position. */
typedef struct hostlog_mark {
    hostlog_state state;
    uint32_t cells; /* of the record; 0 when the state does not tell */
    uint64_t word;  /* as it was read */
} hostlog_mark;

/* Cells that this process may fill. */
typedef struct hostlog_place {
    uint64_t position;
    uint32_t cells;
    void *memory; /* cells * REGION_CELL bytes in one run */
} hostlog_place;

void hostlog_open(hostlog *log, const region *region, unsigned row);

/* The position behind the last reservation. */
uint64_t hostlog_end(const hostlog *log);

/* ---- writing ---- */

/*
 * Reserves at most log->cells_max cells. On HUB_OK the caller fills them and calls hostlog_commit. Errors:
 * HUB_EAGAIN (a reader, perhaps this process itself, is too far behind), HUB_ECLOSED (this process's own
 * cursor was evicted: join, then try again).
 */
hub_status hostlog_reserve(hostlog *log, uint32_t cells, hostlog_place *place);

/* False when a reader has given the record up: nobody will read it, reserve again. */
bool hostlog_commit(hostlog *log, const hostlog_place *place);

/* The reader furthest behind, when by more than three quarters of the ring: its row; else -1. */
int hostlog_laggard(const hostlog *log);

/* Evicts all such readers but this process. How many. */
unsigned hostlog_evict(hostlog *log);

/* ---- reading ---- */

/* Sets this row's cursor to the end of the log, whatever it held, and returns it. */
uint64_t hostlog_join(hostlog *log);

/* Moves the cursor. False when it is not `from`: evicted, or damaged. */
bool hostlog_move(hostlog *log, uint64_t from, uint64_t to);

hostlog_mark hostlog_look(const hostlog *log, uint64_t position);

/* The cells from a position on; up to a whole ring of them may be read in one run. */
const unsigned char *hostlog_cells(const hostlog *log, uint64_t position);

/* Whether a living process may be about to finish the record at this position. */
bool hostlog_has_writer(const hostlog *log, uint64_t position);

/*
 * Ends an unfinished record for its owner: `mark`, which is UNFILLED or RESERVED, becomes ABORTED, or LOST
 * when `was_record`. Whether it did or somebody else was first: look again.
 */
void hostlog_give_up(hostlog *log, uint64_t position, hostlog_mark mark, bool was_record);

/* The first position behind this one, up to `end`, whose word is sound and of its lap; `end` when none is. */
uint64_t hostlog_next_sound(const hostlog *log, uint64_t position, uint64_t end);

/* ---- faults ---- */

/* Where a process can be stopped or killed, in order. Tests do. */
typedef enum hostlog_step {
    HOSTLOG_STEP_INTENT,    /* writing is set */
    HOSTLOG_STEP_HEAD,      /* head was moved */
    HOSTLOG_STEP_RESERVED,  /* word is set */
    HOSTLOG_STEP_BODY,      /* the body is copied */
    HOSTLOG_STEP_LINKED,    /* the buckets are exchanged */
    HOSTLOG_STEP_HEADER,    /* the record is complete */
    HOSTLOG_STEP_COMMIT,    /* committed, still `writing` */
    HOSTLOG_STEP_PUBLISHED, /* nobody is rung yet */
    HOSTLOG_STEP_FILLER,    /* head was moved over pinned cells */
    HOSTLOG_STEP_PEEKED,    /* a head was read */
    HOSTLOG_STEP_TAKEN,     /* a body was read, the cursor not moved */
    HOSTLOG_STEP_MOVED,     /* the cursor was moved */
    HOSTLOG_STEP_GIVE_UP,   /* about to abort for somebody else */
    HOSTLOG_STEP_GAVE_UP,
    HOSTLOG_STEP_EVICT, /* about to evict */
    HOSTLOG_STEP_EVICTED,
    HOSTLOG_STEP_JOIN,   /* the cursor is set, not yet set again */
    HOSTLOG_STEP_ASLEEP, /* marked asleep, has not looked again */
    HOSTLOG_STEP_DOZED,  /* looked again and will block */
    HOSTLOG_STEPS,
} hostlog_step;

/* NULL but in tests. */
extern void (*hostlog_on_step)(hostlog_step step);

static inline void hostlog_at(hostlog_step step)
{
    if (__builtin_expect(hostlog_on_step != NULL, 0))
        hostlog_on_step(step);
}

#endif
