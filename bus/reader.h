/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the host log at this process's cursor. What it finds there may have been damaged, or be overwritten
 * at any moment once the cursor is evicted: every record's head is copied before it is checked and used, and
 * a body counts only once its checksum was right and the cursor could still be moved.
 *
 * What cannot be read is a gap: counted in the row, and gone around by the best sign there is. These are, in
 * order, the word's number of cells; the record's own length, when its head is sound; the next sound word of
 * this lap; the end of the log.
 */
#ifndef BUS_READER_H
#define BUS_READER_H

#include "bus/hostlog.h"
#include "bus/record.h"

typedef struct reader {
    hostlog *log;
    uint64_t epoch;
    uint64_t cursor;       /* what the row's cursor should hold */
    uint64_t end_seen;     /* the log ended here or behind it */
    uint32_t peeked_cells; /* of the record that was peeked; 0: none was */
    bool gap_due;          /* a gap was counted and is still to be reported */
    uint64_t stuck_at;     /* the unfinished record that was met last; 0: none */
    uint64_t stuck_since;  /* when, in nanoseconds */
    record_view view;
    _Alignas(8) unsigned char head[RECORD_HEAD_MAX];
} reader;

/* What a reader that wants to block finds. */
typedef enum reader_sight { READER_EMPTY, READER_STUCK, READER_READY } reader_sight;

/* Joins at the log's end. */
void reader_open(reader *reader, hostlog *log);

/* As bus_peek, bus_take and bus_skip (bus.h); after BUS_RECORD reader->view is the record. */
bus_outcome reader_peek(reader *reader);
hub_status reader_take(reader *reader, void *to);
void reader_skip(reader *reader);

/* The row's cursor is not ours any more: counts a gap and joins again. The next peek reports it. */
void reader_rejoin(reader *reader);

/* Looks without reading; notes since when an unfinished record is in the way. */
reader_sight reader_look(reader *reader);

/* As bus_retry_after. */
double reader_retry_after(const reader *reader);

#endif
