/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/hostlog.h"

#include "bus/layout.h"

enum {
    WORD_CELLS_MAX = (1 << 20) - 1,
    RESERVE_TRIES = 64, /* reservations lost in a row, each to a reader that gave it up or to damage */
};

void (*hostlog_on_step)(hostlog_step step);

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void hostlog_open(hostlog *log, const region *shared, unsigned row_index)
{
    region_layout layout = region_layout_of(shared->log_size);
    char *base = (char *)shared->header;
    uint64_t ring = shared->log_size / REGION_CELL;
    *log = (hostlog){
        .region = shared,
        .head = &shared->header->head,
        .limit = &shared->header->limit,
        .words = (_Atomic uint64_t *)(base + layout.words),
        .buckets = (_Atomic uint64_t *)(base + layout.buckets),
        .cells = (unsigned char *)base + layout.cells,
        .ring = ring,
        .lap_shift = (unsigned)__builtin_ctzll(ring),
        .cells_max = (uint32_t)min_u64(ring / 4, WORD_CELLS_MAX),
        .self = &shared->rows[row_index],
        .self_index = row_index,
    };
}

/* The top bit, which a damaged head might have, would read as an evicted cursor. */
static uint64_t position_of_head(uint64_t head)
{
    return head & ~HOSTLOG_EVICTED;
}

uint64_t hostlog_end(const hostlog *log)
{
    return position_of_head(atomic_load(log->head));
}

static void *cells_at(const hostlog *log, uint64_t position)
{
    return log->cells + (position & (log->ring - 1)) * REGION_CELL;
}

const unsigned char *hostlog_cells(const hostlog *log, uint64_t position)
{
    return cells_at(log, position);
}

/* ---- words ---- */

static uint8_t word_check(uint64_t word)
{
    uint64_t x = word >> 8;
    x ^= x >> 32;
    x ^= x >> 16;
    x ^= x >> 8;
    return (uint8_t)(x ^ 0xa5);
}

static uint64_t word_make(const hostlog *log, uint64_t position, hostlog_state state, uint32_t cells)
{
    uint64_t lap = position >> log->lap_shift;
    uint64_t word = lap << 32 | (uint64_t)cells << 12 | (uint64_t)state << 8;
    return word | word_check(word);
}

static hostlog_mark word_read(const hostlog *log, uint64_t position, uint64_t word)
{
    hostlog_mark mark = {HOSTLOG_UNFILLED, 0, word};
    if (word == 0) /* nobody ever wrote it */
        return mark;
    uint32_t cells = (uint32_t)(word >> 12) & WORD_CELLS_MAX;
    unsigned state = (unsigned)(word >> 8) & 0xf;
    int32_t laps_ahead = (int32_t)((uint32_t)(word >> 32) - (uint32_t)(position >> log->lap_shift));
    if ((uint8_t)word != word_check(word) || state < HOSTLOG_RESERVED || state > HOSTLOG_LOST || cells == 0) {
        mark.state = HOSTLOG_DAMAGED;
    } else if (laps_ahead > 0) {
        mark.state = HOSTLOG_OVERRUN;
    } else if (laps_ahead == 0) {
        mark.state = (hostlog_state)state;
        mark.cells = cells;
    }
    return mark;
}

static _Atomic uint64_t *word_at(const hostlog *log, uint64_t position)
{
    return &log->words[position & (log->ring - 1)];
}

hostlog_mark hostlog_look(const hostlog *log, uint64_t position)
{
    return word_read(log, position, atomic_load(word_at(log, position)));
}

/* Gives the word its first value of this lap; false when it has one, or the log has come round. */
static bool word_claim(hostlog *log, uint64_t position, hostlog_state state, uint32_t cells)
{
    _Atomic uint64_t *word = word_at(log, position);
    uint64_t claimed = word_make(log, position, state, cells);
    uint64_t now = atomic_load(word);
    for (;;) {
        hostlog_state found = word_read(log, position, now).state;
        if (found != HOSTLOG_UNFILLED && found != HOSTLOG_DAMAGED)
            return false;
        if (atomic_compare_exchange_weak(word, &now, claimed))
            return true;
    }
}

/* ---- room in the ring ---- */

/* What the rows leave free in front of a head. */
typedef struct room {
    uint64_t cursors;   /* no live reader needs the cells before this position */
    uint64_t pin;       /* the next position whose cells a living process may still fill */
    uint32_t pin_cells; /* and how many they are */
} room;

static bool row_counts(const row *r)
{
    return row_is_live(atomic_load(&r->word));
}

static void heed_cursor(const hostlog *log, uint64_t head, uint64_t cursor, room *found)
{
    if (cursor == 0 || (cursor & HOSTLOG_EVICTED) || cursor > head)
        return;
    found->cursors = min_u64(found->cursors, cursor + log->ring);
}

static void heed_writing(const hostlog *log, uint64_t head, const row *r, room *found)
{
    uint64_t writing = atomic_load(&r->writing);
    if (writing == 0 || writing >= head)
        return;
    uint64_t next = head + ((writing - head) & (log->ring - 1));
    if (next >= found->pin)
        return;
    uint32_t cells = atomic_load(&r->writing_cells);
    found->pin = next;
    found->pin_cells = cells > log->cells_max ? log->cells_max : cells > 0 ? cells : 1;
}

/* The cursor is read before `writing`: a reader whose cursor is found evicted has its writing seen. */
static room look_for_room(const hostlog *log, uint64_t head)
{
    room found = {.cursors = head + log->ring, .pin = UINT64_MAX};
    unsigned used = region_rows_used(log->region);
    for (unsigned i = 0; i < used; i++) {
        row *r = &log->region->rows[i];
        if (!row_counts(r))
            continue;
        heed_cursor(log, head, atomic_load(&r->cursor), &found);
        if (r != log->self)
            heed_writing(log, head, r, &found);
    }
    atomic_store(log->limit, min_u64(found.cursors, found.pin));
    return found;
}

/* Covers the cells up to a pin, or the pinned ones, with an aborted record; false when a reader is in the
 * way. */
static bool step_over_pin(hostlog *log, uint64_t head, const room *found)
{
    uint64_t position = position_of_head(head);
    uint64_t cells = found->pin > position ? found->pin - position : found->pin_cells;
    cells = min_u64(cells, WORD_CELLS_MAX);
    if (position + cells > found->cursors)
        return false;
    if (atomic_compare_exchange_strong(log->head, &head, position + cells)) {
        hostlog_at(HOSTLOG_STEP_FILLER);
        word_claim(log, position, HOSTLOG_ABORTED, (uint32_t)cells);
    }
    return true;
}

/* Moves the head over `cells` cells. HUB_EAGAIN when a reader is in the way. */
static hub_status move_head(hostlog *log, uint32_t cells, uint64_t *position)
{
    atomic_store_explicit(&log->self->writing_cells, cells, memory_order_relaxed);
    for (;;) {
        uint64_t limit = atomic_load(log->limit); /* before the head: else it could be ahead of it by right */
        uint64_t head = atomic_load(log->head);
        *position = position_of_head(head);
        if (*position + cells > limit || limit > *position + log->ring) {
            room found = look_for_room(log, *position);
            if (*position + cells > found.cursors)
                return HUB_EAGAIN;
            if (*position + cells > found.pin) {
                if (!step_over_pin(log, head, &found))
                    return HUB_EAGAIN;
                continue;
            }
        }
        atomic_store(&log->self->writing, *position);
        hostlog_at(HOSTLOG_STEP_INTENT);
        if (atomic_compare_exchange_strong(log->head, &head, *position + cells))
            return HUB_OK;
    }
}

/* ---- writing ---- */

hub_status hostlog_reserve(hostlog *log, uint32_t cells, hostlog_place *place)
{
    hub_status status = HUB_OK;
    for (int tries = 0; status == HUB_OK && tries < RESERVE_TRIES; tries++) {
        uint64_t position = 0;
        status = move_head(log, cells, &position);
        if (status != HUB_OK)
            break;
        hostlog_at(HOSTLOG_STEP_HEAD);
        if (atomic_load(&log->self->cursor) & HOSTLOG_EVICTED) {
            word_claim(log, position, HOSTLOG_ABORTED, cells);
            status = HUB_ECLOSED;
        } else if (word_claim(log, position, HOSTLOG_RESERVED, cells)) {
            hostlog_at(HOSTLOG_STEP_RESERVED);
            *place = (hostlog_place){position, cells, cells_at(log, position)};
            return HUB_OK;
        }
    }
    atomic_store(&log->self->writing, 0);
    return status == HUB_OK ? HUB_EAGAIN : status;
}

bool hostlog_commit(hostlog *log, const hostlog_place *place)
{
    uint64_t reserved = word_make(log, place->position, HOSTLOG_RESERVED, place->cells);
    uint64_t committed = word_make(log, place->position, HOSTLOG_COMMITTED, place->cells);
    bool done = atomic_compare_exchange_strong(word_at(log, place->position), &reserved, committed);
    hostlog_at(HOSTLOG_STEP_COMMIT);
    atomic_store_explicit(&log->self->writing, 0, memory_order_release);
    return done;
}

static bool is_laggard(const hostlog *log, uint64_t cursor)
{
    return cursor != 0 && !(cursor & HOSTLOG_EVICTED) && hostlog_end(log) - cursor > log->ring / 4 * 3;
}

int hostlog_laggard(const hostlog *log)
{
    int found = -1;
    uint64_t lowest = UINT64_MAX;
    unsigned used = region_rows_used(log->region);
    for (unsigned i = 0; i < used; i++) {
        row *r = &log->region->rows[i];
        uint64_t cursor = atomic_load(&r->cursor);
        if (row_counts(r) && cursor < lowest && is_laggard(log, cursor)) {
            lowest = cursor;
            found = (int)i;
        }
    }
    return found;
}

unsigned hostlog_evict(hostlog *log)
{
    unsigned evicted = 0;
    unsigned used = region_rows_used(log->region);
    for (unsigned i = 0; i < used; i++) {
        row *r = &log->region->rows[i];
        if (r == log->self || !row_counts(r))
            continue;
        uint64_t cursor = atomic_load(&r->cursor);
        while (is_laggard(log, cursor)) {
            hostlog_at(HOSTLOG_STEP_EVICT);
            if (!atomic_compare_exchange_strong(&r->cursor, &cursor, cursor | HOSTLOG_EVICTED))
                continue;
            hostlog_at(HOSTLOG_STEP_EVICTED);
            evicted++;
            break;
        }
    }
    return evicted;
}

/* ---- reading ---- */

uint64_t hostlog_join(hostlog *log)
{
    uint64_t old = atomic_load(&log->self->cursor);
    for (;;) {
        uint64_t first = hostlog_end(log);
        if (!atomic_compare_exchange_strong(&log->self->cursor, &old, first))
            continue;
        hostlog_at(HOSTLOG_STEP_JOIN);
        uint64_t second = hostlog_end(log);
        old = first;
        if (atomic_compare_exchange_strong(&log->self->cursor, &old, second))
            return second;
    }
}

bool hostlog_move(hostlog *log, uint64_t from, uint64_t to)
{
    bool moved = atomic_compare_exchange_strong(&log->self->cursor, &from, to);
    hostlog_at(HOSTLOG_STEP_MOVED);
    return moved;
}

bool hostlog_has_writer(const hostlog *log, uint64_t position)
{
    unsigned used = region_rows_used(log->region);
    for (unsigned i = 0; i < used; i++) {
        row *r = &log->region->rows[i];
        if (atomic_load(&r->writing) == position && row_counts(r))
            return true;
    }
    return false;
}

void hostlog_give_up(hostlog *log, uint64_t position, hostlog_mark mark, bool was_record)
{
    uint32_t cells = mark.state == HOSTLOG_RESERVED ? mark.cells : 1;
    uint64_t final = word_make(log, position, was_record ? HOSTLOG_LOST : HOSTLOG_ABORTED, cells);
    hostlog_at(HOSTLOG_STEP_GIVE_UP);
    atomic_compare_exchange_strong(word_at(log, position), &mark.word, final);
    hostlog_at(HOSTLOG_STEP_GAVE_UP);
}

uint64_t hostlog_next_sound(const hostlog *log, uint64_t position, uint64_t end)
{
    while (++position < end) {
        hostlog_state state = hostlog_look(log, position).state;
        if (state >= HOSTLOG_RESERVED && state <= HOSTLOG_LOST)
            return position;
    }
    return end;
}
