/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/reader.h"

#include "bus/doorbell.h"
#include "common/clock.h"

void reader_open(reader *self, hostlog *log)
{
    self->log = log;
    self->epoch = region_epoch(log->region);
    self->cursor = hostlog_join(log);
    self->end_seen = self->cursor;
}

/* ---- gaps ---- */

static void count_gap(reader *self, uint64_t cells)
{
    row *r = self->log->self;
    atomic_fetch_add_explicit(&r->gaps, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->gap_cells, cells, memory_order_relaxed);
}

void reader_rejoin(reader *self)
{
    uint64_t from = self->cursor;
    self->cursor = hostlog_join(self->log);
    self->end_seen = self->cursor;
    count_gap(self, self->cursor > from ? self->cursor - from : 0);
    self->gap_due = true;
}

static void move_to(reader *self, uint64_t to)
{
    if (hostlog_move(self->log, self->cursor, to))
        self->cursor = to;
    else
        reader_rejoin(self);
}

static void lose_until(reader *self, uint64_t to)
{
    count_gap(self, to - self->cursor);
    self->gap_due = true;
    move_to(self, to);
}

/* ---- one record ---- */

/* Copies and decodes the head of the record at the cursor, which may have up to `cells` cells. */
static bool read_head(reader *self, uint64_t cells)
{
    const unsigned char *memory = hostlog_cells(self->log, self->cursor);
    memcpy(self->head, memory, REGION_CELL);
    size_t length = record_head_length(self->head, cells * REGION_CELL);
    if (length == 0)
        return false;
    if (length > REGION_CELL)
        memcpy(self->head + REGION_CELL, memory + REGION_CELL, length - REGION_CELL);
    return record_decode(&self->view, self->head, length) && self->view.header.position == self->cursor &&
           self->view.header.epoch == self->epoch;
}

static uint64_t cells_until(const reader *self, uint64_t end)
{
    uint64_t cells = end - self->cursor;
    return cells < self->log->cells_max ? cells : self->log->cells_max;
}

/* Where to go on when the word at the cursor tells nothing. */
static uint64_t way_around(reader *self, uint64_t end)
{
    if (read_head(self, cells_until(self, end)))
        return self->cursor + (self->view.header.length + REGION_CELL - 1) / REGION_CELL;
    return hostlog_next_sound(self->log, self->cursor, end);
}

/* ---- unfinished records ---- */

static uint64_t stuck_for(const reader *self)
{
    return clock_monotonic_ns() - self->stuck_since;
}

/* Whether the record at the cursor may still be finished, and this reader still waits for that. */
static bool must_wait(reader *self)
{
    if (self->stuck_at != self->cursor) {
        self->stuck_at = self->cursor;
        self->stuck_since = clock_monotonic_ns();
    }
    return hostlog_has_writer(self->log, self->cursor) && stuck_for(self) < HOSTLOG_PATIENCE_NS;
}

/*
 * A complete record whose word was never set cannot be: its word was damaged. Then the record is lost, not
 * unfinished, and those who come after are to count it as well.
 */
static void give_up(reader *self, hostlog_mark mark, uint64_t end)
{
    bool was_record = mark.state == HOSTLOG_UNFILLED && read_head(self, cells_until(self, end));
    hostlog_give_up(self->log, self->cursor, mark, was_record);
    doorbell_ring_stuck(self->log);
}

double reader_retry_after(const reader *self)
{
    if (self->stuck_at != self->cursor)
        return -1;
    uint64_t waited = stuck_for(self);
    return waited >= HOSTLOG_PATIENCE_NS ? 0
                                         : (double)(HOSTLOG_PATIENCE_NS - waited) / (double)CLOCK_NS_PER_S;
}

/* ---- reading ---- */

static bool was_evicted(const reader *self)
{
    return atomic_load_explicit(&self->log->self->cursor, memory_order_acquire) != self->cursor;
}

/* True when the log goes on behind the cursor by at least `cells`, and by no more than a ring. */
static bool reaches(reader *self, uint64_t cells)
{
    if (self->end_seen - self->cursor < cells || self->end_seen - self->cursor > self->log->ring)
        self->end_seen = hostlog_end(self->log);
    uint64_t ahead = self->end_seen - self->cursor;
    return ahead >= cells && ahead <= self->log->ring;
}

/* Deals with a word that is of no record to read. False: there is nothing to do but wait. */
static bool step_on(reader *self, hostlog_mark mark)
{
    uint64_t end = self->end_seen = hostlog_end(self->log);
    if (end == self->cursor)
        return false;
    if (!reaches(self, 1)) {
        reader_rejoin(self);
        return true;
    }
    switch (mark.state) {
    case HOSTLOG_UNFILLED:
    case HOSTLOG_RESERVED:
        if (must_wait(self))
            return false;
        give_up(self, mark, end);
        return true;
    case HOSTLOG_ABORTED:
        if (reaches(self, mark.cells))
            move_to(self, self->cursor + mark.cells);
        else
            lose_until(self, way_around(self, end));
        return true;
    case HOSTLOG_LOST:
        lose_until(self, self->cursor + 1);
        return true;
    case HOSTLOG_OVERRUN:
        reader_rejoin(self);
        return true;
    case HOSTLOG_COMMITTED: /* with more cells than there are */
    case HOSTLOG_DAMAGED:
        lose_until(self, way_around(self, end));
        return true;
    }
    return false;
}

bus_outcome reader_peek(reader *self)
{
    self->peeked_cells = 0;
    for (;;) {
        if (!self->gap_due && was_evicted(self))
            reader_rejoin(self);
        if (self->gap_due) {
            self->gap_due = false;
            return BUS_GAP;
        }
        hostlog_mark mark = hostlog_look(self->log, self->cursor);
        if (mark.state == HOSTLOG_COMMITTED && reaches(self, mark.cells)) {
            self->stuck_at = 0;
            if (read_head(self, mark.cells)) {
                self->peeked_cells = mark.cells;
                hostlog_at(HOSTLOG_STEP_PEEKED);
                return BUS_RECORD;
            }
            lose_until(self, self->cursor + mark.cells);
        } else if (!step_on(self, mark)) {
            return BUS_NOTHING;
        }
    }
}

hub_status reader_take(reader *self, void *to)
{
    if (self->peeked_cells == 0)
        return HUB_ESTATE;
    const record_header *header = &self->view.header;
    size_t length = header->length - header->head_length;
    if (length > 0)
        memcpy(to, hostlog_cells(self->log, self->cursor) + header->head_length, length);
    bool sound = hash_crc32c(0, to, length) == header->body_checksum;
    hostlog_at(HOSTLOG_STEP_TAKEN);
    uint64_t behind = self->cursor + self->peeked_cells;
    bool moved = hostlog_move(self->log, self->cursor, behind);
    if (!moved)
        reader_rejoin(self);
    else
        self->cursor = behind;
    if (moved && !sound)
        count_gap(self, self->peeked_cells);
    self->gap_due = false; /* the status reports it */
    self->peeked_cells = 0;
    return moved && sound ? HUB_OK : HUB_EPROTO;
}

void reader_skip(reader *self)
{
    if (self->peeked_cells == 0)
        return;
    move_to(self, self->cursor + self->peeked_cells);
    self->peeked_cells = 0;
}

reader_sight reader_look(reader *self)
{
    if (self->gap_due || was_evicted(self))
        return READER_READY;
    if (hostlog_end(self->log) == self->cursor)
        return READER_EMPTY;
    hostlog_state state = hostlog_look(self->log, self->cursor).state;
    bool unfinished = state == HOSTLOG_UNFILLED || state == HOSTLOG_RESERVED;
    return unfinished && must_wait(self) ? READER_STUCK : READER_READY;
}
