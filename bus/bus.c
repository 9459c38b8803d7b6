/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/bus.h"

#include "bus/doorbell.h"
#include "bus/hostlog.h"
#include "bus/interest.h"
#include "bus/reader.h"
#include "bus/record.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { PUBLISH_TRIES = 64 }; /* records that readers gave up in a row, for want of one uninterrupted try */

struct bus {
    const region *region;
    hostlog log;
    interest interest;
    uint32_t incarnation;
    hash_key key;
    reader reader;
    record_draft draft;
};

/* ---- joining and leaving ---- */

static hub_status check_row(const region *shared, unsigned index, error *why)
{
    if (index >= REGION_ROWS)
        return error_set(why, HUB_EINVAL, "bus: there is no row %u; the last one is %d", index,
                         REGION_ROWS - 1);
    row_state state = row_state_of(atomic_load(&shared->rows[index].word));
    if (state != ROW_BOOTING && state != ROW_READY)
        return error_set(why, HUB_ESTATE, "bus: row %u is in state %d, it must be booting or ready", index,
                         (int)state);
    if (atomic_load(&shared->rows[index].cursor) != 0)
        return error_set(why, HUB_ESTATE, "bus: row %u reads the log already", index);
    return HUB_OK;
}

hub_status bus_open(bus **opened, const region *shared, unsigned index, error *why)
{
    hub_status status = check_row(shared, index, why);
    if (status != HUB_OK)
        return status;
    bus *self = calloc(1, sizeof *self);
    if (!self || interest_open(&self->interest, shared, index) != HUB_OK) {
        free(self);
        return error_set(why, HUB_ENOMEM, "bus: no memory for a reader of the log");
    }
    self->region = shared;
    self->incarnation = row_incarnation(atomic_load(&shared->rows[index].word));
    self->key = region_hash_key(shared);
    hostlog_open(&self->log, shared, index);
    reader_open(&self->reader, &self->log);
    bus_hush(self); /* rung for the row's last owner */
    *opened = self;
    return HUB_OK;
}

static bool is_ours(const bus *self)
{
    row_word word = atomic_load_explicit(&self->log.self->word, memory_order_acquire);
    return row_incarnation(word) == self->incarnation && row_is_live(word);
}

void bus_close(bus *self)
{
    if (!self)
        return;
    if (is_ours(self)) {
        atomic_store(&self->log.self->asleep, ROW_AWAKE);
        atomic_store(&self->log.self->cursor, 0);
        interest_close(&self->interest);
    } else { /* swept: the bits, if there are any, are a successor's */
        interest_forget(&self->interest);
    }
    free(self);
}

/* ---- publishing ---- */

/* What a body is before it is in the log. */
typedef struct body_sum {
    size_t length;
    uint32_t checksum;
} body_sum;

static body_sum sum_body(const struct iovec *parts, int count)
{
    body_sum sum = {0, 0};
    for (int i = 0; i < count; i++) {
        sum.length += parts[i].iov_len;
        sum.checksum = hash_crc32c(sum.checksum, parts[i].iov_base, parts[i].iov_len);
    }
    return sum;
}

/* The hashes under which a record is found and its readers are rung. */
static size_t hash_rooms(const bus *self, const bus_message *message, uint64_t *hashes)
{
    if (message->room_count == 0 && message->target == 0) {
        hashes[0] = bus_room_hash(self, message->name_space, hub_bytes_of(NULL, 0));
        return 1;
    }
    for (size_t i = 0; i < message->room_count; i++)
        hashes[i] = bus_room_hash(self, message->name_space, message->rooms[i]);
    return message->room_count;
}

static hub_status draft(bus *self, const bus_message *message, const struct iovec *body, int parts,
                        uint32_t *cells)
{
    if (message->room_count > BUS_ROOMS_MAX)
        return HUB_EINVAL;
    uint64_t hashes[BUS_ROOMS_MAX];
    size_t links = hash_rooms(self, message, hashes);
    body_sum sum = sum_body(body, parts);
    hub_status status = record_draft_message(&self->draft, message, hashes, links, sum.length, sum.checksum);
    if (status != HUB_OK)
        return status;
    self->draft.header->epoch = self->reader.epoch;
    self->draft.header->origin = self->incarnation;
    *cells = (self->draft.header->length + REGION_CELL - 1) / REGION_CELL;
    return *cells <= self->log.cells_max ? HUB_OK : HUB_ETOOBIG;
}

/*
 * Makes the record the newest of its buckets. When this is another try, the bucket may still name the record
 * of the try before, which nobody will read: then what that one followed is what this one follows.
 */
static void link_record(bus *self, uint64_t position, uint64_t position_before)
{
    record_link *links = self->draft.links;
    for (size_t i = 0; i < self->draft.header->link_count; i++) {
        unsigned bucket = interest_bucket(links[i].hash);
        uint64_t previous = atomic_exchange(&self->log.buckets[bucket], position);
        if (previous == position) { /* a link before is of the same bucket */
            size_t first = 0;
            while (interest_bucket(links[first].hash) != bucket)
                first++;
            previous = links[first].previous;
        } else if (previous == position_before) {
            previous = links[i].previous;
        }
        links[i].previous = previous;
    }
}

static void fill(bus *self, const hostlog_place *place, const struct iovec *body, int parts,
                 uint64_t position_before)
{
    unsigned char *to = (unsigned char *)place->memory + self->draft.header->head_length;
    for (int i = 0; i < parts; i++) {
        if (body[i].iov_len > 0)
            memcpy(to, body[i].iov_base, body[i].iov_len);
        to += body[i].iov_len;
    }
    hostlog_at(HOSTLOG_STEP_BODY);
    link_record(self, place->position, position_before);
    hostlog_at(HOSTLOG_STEP_LINKED);
    record_finish(&self->draft, place->position, hostlog_end(&self->log));
    memcpy(place->memory, self->draft.bytes, self->draft.header->head_length);
    hostlog_at(HOSTLOG_STEP_HEADER);
}

static hub_status append(bus *self, uint32_t cells, const struct iovec *body, int parts, hostlog_place *place)
{
    uint64_t position_before = 0;
    for (int tries = 0; tries < PUBLISH_TRIES; tries++) {
        hub_status status = hostlog_reserve(&self->log, cells, place);
        if (status == HUB_ECLOSED) {
            reader_rejoin(&self->reader);
            continue;
        }
        if (status != HUB_OK)
            return status;
        fill(self, place, body, parts, position_before);
        if (hostlog_commit(&self->log, place))
            return HUB_OK;
        position_before = place->position;
    }
    return HUB_EAGAIN;
}

/* The masks are read here, after the append: who joined a room before is rung, who joins later drains. */
static void ring_readers(const bus *self, const hostlog_place *place)
{
    const record_draft *sent = &self->draft;
    if (sent->header->link_count == 0) {
        doorbell_ring(&self->log, NULL);
    } else {
        interest_mask mask = {{0}};
        for (size_t i = 0; i < sent->header->link_count; i++)
            interest_collect(&self->interest, sent->links[i].hash, &mask);
        doorbell_ring(&self->log, &mask);
    }
    uint64_t behind = place->position + place->cells;
    if (hostlog_end(&self->log) != behind) /* somebody may have met this record unfinished */
        doorbell_ring_stuck(&self->log);
    uint64_t eighth = self->log.ring / 8;
    if (place->position / eighth != behind / eighth)
        doorbell_ring_laggards(&self->log);
}

hub_status bus_publish(bus *self, const bus_message *message, const struct iovec *body, int parts,
                       uint64_t *position)
{
    if (!is_ours(self))
        return HUB_ECLOSED;
    uint32_t cells = 0;
    hostlog_place place;
    hub_status status = draft(self, message, body, parts, &cells);
    if (status == HUB_OK)
        status = append(self, cells, body, parts, &place);
    if (status != HUB_OK)
        return status;
    hostlog_at(HOSTLOG_STEP_PUBLISHED);
    ring_readers(self, &place);
    if (position)
        *position = place.position;
    return HUB_OK;
}

int bus_laggard(const bus *self)
{
    return hostlog_laggard(&self->log);
}

unsigned bus_evict_laggards(bus *self)
{
    unsigned evicted = hostlog_evict(&self->log);
    if (evicted > 0) /* one that sleeps is to say so soon */
        doorbell_ring_laggards(&self->log);
    return evicted;
}

/* ---- reading ---- */

static bool is_wanted(const bus *self, const record_view *view)
{
    for (size_t i = 0; i < view->link_count; i++) {
        if (interest_has(&self->interest, view->links[i].hash))
            return true;
    }
    return view->link_count == 0;
}

bus_outcome bus_peek(bus *self, bus_record *record)
{
    bus_outcome outcome = reader_peek(&self->reader);
    if (outcome != BUS_RECORD)
        return outcome;
    const record_view *view = &self->reader.view;
    const record_header *header = &view->header;
    *record = (bus_record){
        .position = header->position,
        .origin = header->origin,
        .message = {.kind = header->kind,
                    .flags = header->flags,
                    .hole = header->hole,
                    .name_space = view->name_space,
                    .rooms = view->rooms,
                    .room_count = header->room_count,
                    .except = view->except,
                    .except_count = header->except_count,
                    .sender = header->sender,
                    .target = header->target,
                    .collector = header->collector},
        .body_length = header->length - header->head_length,
        .wanted = is_wanted(self, view),
    };
    return BUS_RECORD;
}

hub_status bus_take(bus *self, void *to)
{
    return reader_take(&self->reader, to);
}

void bus_skip(bus *self)
{
    reader_skip(&self->reader);
}

bool bus_pending(const bus *self)
{
    return hostlog_end(&self->log) != self->reader.cursor || self->reader.gap_due;
}

size_t bus_readers(const bus *self, uint32_t *incarnations, size_t most)
{
    size_t count = 0;
    for (unsigned i = 0; i < REGION_ROWS; i++) {
        const row *r = &self->region->rows[i];
        row_word word = atomic_load(&r->word);
        if (!row_is_live(word) || row_state_of(word) == ROW_BOOTING || atomic_load(&r->cursor) == 0)
            continue;
        if (count < most)
            incarnations[count] = row_incarnation(word);
        count++;
    }
    return count;
}

uint64_t bus_end(const bus *self)
{
    return hostlog_end(&self->log);
}

/* ---- sleeping ---- */

/* Both stores are fences: what is committed before somebody sees the mark is seen by the look after it. */
bool bus_doze(bus *self)
{
    _Atomic uint32_t *asleep = &self->log.self->asleep;
    atomic_store(asleep, ROW_ASLEEP);
    hostlog_at(HOSTLOG_STEP_ASLEEP);
    reader_sight sight = reader_look(&self->reader);
    if (sight == READER_STUCK) {
        atomic_store(asleep, ROW_ASLEEP_STUCK);
        sight = reader_look(&self->reader);
    }
    if (sight == READER_READY) {
        atomic_store(asleep, ROW_AWAKE);
        return true;
    }
    hostlog_at(HOSTLOG_STEP_DOZED);
    return false;
}

void bus_wake(bus *self)
{
    _Atomic uint32_t *asleep = &self->log.self->asleep;
    if (atomic_load_explicit(asleep, memory_order_relaxed) != ROW_AWAKE)
        atomic_store(asleep, ROW_AWAKE);
}

int bus_doorbell(const bus *self)
{
    return self->region->doorbells[self->log.self_index];
}

void bus_hush(bus *self)
{
    uint64_t rings;
    while (read(bus_doorbell(self), &rings, sizeof rings) < 0 && errno == EINTR)
        ;
}

double bus_retry_after(const bus *self)
{
    return reader_retry_after(&self->reader);
}

/* ---- interest ---- */

/* The name space's hash is part of the room's key: no pair of names can be read as another pair. */
uint64_t bus_room_hash(const bus *self, hub_bytes name_space, hub_bytes room)
{
    hash_key key = self->key;
    key.k0 ^= hash_keyed(key, name_space.data, name_space.length);
    return hash_keyed(key, room.data, room.length);
}

void bus_interest_add(bus *self, uint64_t room_hash)
{
    interest_add(&self->interest, room_hash);
}

void bus_interest_drop(bus *self, uint64_t room_hash)
{
    interest_drop(&self->interest, room_hash);
}
