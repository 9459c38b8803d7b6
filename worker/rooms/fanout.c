/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rooms/fanout.h"

#include "common/clock.h"
#include "common/log.h"
#include "worker/hub/greenlet.h"
#include "worker/hub/loop.h"
#include "worker/net/connection.h"
#include "worker/rooms/room.h"
#include "worker/rooms/session.h"

#include <ev.h>
#include <sched.h>
#include <stdio.h>

enum { DRAIN_BATCH = 256 }; /* records in one step: a busy log must not keep the sockets waiting */
enum { SPINS = 20 };
static const double full_wait = 0.001, full_limit = 0.1, unfinished_wait = 0.0005;

static struct {
    bool open;
    bus *bus;
    ev_io doorbell;
    ev_timer retry;
    uint32_t stamp;                                  /* of the fan-out in progress */
    uint64_t own_hash, workers_hash, everybody_hash; /* interests for the life of the worker */
    fanout_handler handlers[RECORD_KINDS];
    uint64_t seen; /* position of the last record read */
    uint64_t lost; /* cells, as last reported */
} fan;

/* Records for single clients travel in a room of their owner's incarnation, so that only that worker is rung.
 */
hub_bytes fanout_workers_space(void)
{
    return hub_text("\x01workers");
}

hub_bytes fanout_worker_name(uint32_t incarnation, char text[16])
{
    int length = snprintf(text, 16, "%u", (unsigned)incarnation & 0xffff);
    return hub_bytes_of(text, (size_t)length);
}

/* ---- whom a record is for ---- */

/* Who of a record's audience is left out; looked up once a record. */
typedef struct exceptions {
    hub_id sender;
    size_t count, client_count;
    const room *rooms[BUS_EXCEPT_MAX];
    hub_id clients[BUS_EXCEPT_MAX];
} exceptions;

static const room *room_of(const bus_message *message, hub_bytes name)
{
    return room_find(bus_room_hash(fan.bus, message->name_space, name), message->name_space, name);
}

static void find_exceptions(const bus_message *message, exceptions *found)
{
    found->sender = message->sender;
    found->count = found->client_count = 0;
    size_t clients = message->flags >> RECORD_EXCEPT_SHIFT;
    for (size_t i = 0; i < message->except_count; i++) {
        if (i < clients && message->except[i].length == sizeof(hub_id)) {
            memcpy(&found->clients[found->client_count++], message->except[i].data, sizeof(hub_id));
            continue;
        }
        const room *r = room_of(message, message->except[i]);
        if (r)
            found->rooms[found->count++] = r;
    }
}

static bool is_excepted(const session *s, const exceptions *left_out)
{
    if (s->id == left_out->sender)
        return true;
    for (size_t i = 0; i < left_out->client_count; i++)
        if (s->id == left_out->clients[i])
            return true;
    for (size_t i = 0; i < left_out->count; i++)
        if (room_has(left_out->rooms[i], s))
            return true;
    return false;
}

static void deliver(session *s, const delivery *what)
{
    s->kind->deliver(s, what);
}

/* The usual record: one room, nobody but perhaps the sender left out. The next member is fetched while one is
 * served. */
static void deliver_to_room(const room *r, const delivery *what)
{
    hub_id sender = what->record->message.sender;
    for (uint32_t i = 0; i < r->count; i++) {
        if (i + 2 < r->count)
            __builtin_prefetch(r->members[i + 2]);
        if (r->members[i]->id != sender)
            deliver(r->members[i], what);
    }
}

static void deliver_to_union(const delivery *what)
{
    const bus_message *message = &what->record->message;
    exceptions left_out;
    find_exceptions(message, &left_out);
    if (++fan.stamp == 0)
        fan.stamp = 1;
    size_t count = message->room_count ? message->room_count : 1; /* none: everybody of the name space */
    for (size_t n = 0; n < count; n++) {
        const room *r = room_of(message, message->room_count ? message->rooms[n] : hub_bytes_of(NULL, 0));
        for (uint32_t i = 0; r && i < r->count; i++) {
            session *s = r->members[i];
            if (s->stamp == fan.stamp)
                continue;
            s->stamp = fan.stamp;
            if (!is_excepted(s, &left_out))
                deliver(s, what);
        }
    }
}

typedef struct everybody {
    const delivery *what;
    exceptions left_out;
} everybody;

static void deliver_unless_excepted(session *s, void *arg)
{
    const everybody *all = arg;
    if (s->kind->plain && !is_excepted(s, &all->left_out))
        deliver(s, all->what);
}

static void deliver_to_everybody(const delivery *what)
{
    everybody all;
    all.what = what;
    find_exceptions(&what->record->message, &all.left_out);
    sessions_each(deliver_unless_excepted, &all);
}

/* A single client, unless it has been reached by another record for one of the excepted rooms. */
static void deliver_to_target(const delivery *what)
{
    const bus_message *message = &what->record->message;
    session *s = session_find(message->target);
    if (!s)
        return;
    if (message->except_count) {
        exceptions left_out;
        find_exceptions(message, &left_out);
        if (is_excepted(s, &left_out))
            return;
    }
    deliver(s, what);
}

static bool is_nameless(const bus_message *message)
{
    return message->name_space.length == 0;
}

static bool anybody_wants(const bus_message *message)
{
    if (message->kind < RECORD_KINDS && fan.handlers[message->kind])
        return true;
    if (message->target)
        return session_find(message->target) != NULL;
    if (message->room_count == 0)
        return is_nameless(message) ? sessions_count() > 0 : room_of(message, hub_bytes_of(NULL, 0)) != NULL;
    for (size_t i = 0; i < message->room_count; i++) {
        if (room_of(message, message->rooms[i]))
            return true;
    }
    return false;
}

void fanout_route(const delivery *what)
{
    const bus_message *message = &what->record->message;
    static const hub_bytes nobody_in_particular;
    if (message->target) {
        deliver_to_target(what);
    } else if (message->room_count == 0 && is_nameless(message)) {
        deliver_to_everybody(what);
    } else if (message->room_count <= 1 && message->except_count == 0) {
        const room *r = room_of(message, message->room_count ? message->rooms[0] : nobody_in_particular);
        if (r)
            deliver_to_room(r, what);
    } else {
        deliver_to_union(what);
    }
}

/* What this worker's clients missed: it was cut off because it did not keep up, or bytes of the log were
 * damaged. */
static void report_gap(void)
{
    const row *self = connections_row();
    uint64_t cells = atomic_load_explicit(&self->gap_cells, memory_order_relaxed);
    log_warning(
        "gap %llu in the host log: it went on without this worker for %llu cells, whose messages its clients "
        "missed; when this repeats, find what stops the worker, or raise --log-size",
        (unsigned long long)atomic_load_explicit(&self->gaps, memory_order_relaxed),
        (unsigned long long)(cells - fan.lost));
    fan.lost = cells;
}

/* To the sessions, or to who handles the kind. */
static void hand_on(const bus_record *record, chunk *body)
{
    chunk *deflated = NULL;
    const delivery what = {.record = record, .body = body, .deflated = &deflated};
    uint16_t kind = record->message.kind;
    if (kind < RECORD_KINDS && fan.handlers[kind])
        fan.handlers[kind](&what);
    else
        fanout_route(&what);
    if (deflated)
        chunk_drop(deflated);
}

static void deliver_record(const bus_record *record)
{
    fan.seen = record->position;
    if (!record->wanted || !anybody_wants(&record->message)) {
        bus_skip(fan.bus);
        return;
    }
    chunk *body = chunk_new(CHUNK_SHARED, record->body_length);
    if (!body) {
        log_error("fan-out: no memory for a message of %zu bytes; the clients of this worker miss it",
                  record->body_length);
        bus_skip(fan.bus);
        return;
    }
    if (bus_take(fan.bus, body->bytes) == HUB_OK) {
        body->length = record->body_length;
        hand_on(record, body);
    } else {
        report_gap(); /* damaged, or overwritten while it was copied */
    }
    chunk_drop(body);
}

/* ---- reading the log ---- */

/* Delivers at most `limit` records, and none behind the first at `last`; true when it came to the end of the
 * log. */
static bool drain(unsigned limit, uint64_t last)
{
    bus_record record;
    for (unsigned i = 0; i < limit; i++) {
        switch (bus_peek(fan.bus, &record)) {
        case BUS_NOTHING:
            return true;
        case BUS_RECORD:
            deliver_record(&record);
            if (fan.seen >= last)
                return false;
            break;
        case BUS_GAP:
            report_gap();
            break;
        }
    }
    return false;
}

void fanout_drain(void)
{
    if (bus_pending(fan.bus))
        drain(UINT32_MAX, bus_end(fan.bus)); /* others may publish faster than this could go on for ever */
}

static bool drain_step(void *arg)
{
    (void)arg;
    bus_wake(fan.bus);
    return bus_pending(fan.bus) && !drain(DRAIN_BATCH, UINT64_MAX);
}

static bool doze_step(void *arg)
{
    (void)arg;
    if (bus_doze(fan.bus))
        return true;
    /* A publisher may have been stopped in the middle of a record: nobody rings when it is time to give it
     * up. */
    double after = bus_retry_after(fan.bus);
    if (after >= 0 && !ev_is_active(&fan.retry)) {
        ev_timer_set(&fan.retry, after, 0.);
        ev_timer_start(loop_ev(), &fan.retry);
    }
    return false;
}

static void on_doorbell(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)io, (void)events;
    bus_hush(fan.bus);
    drain(DRAIN_BATCH, UINT64_MAX); /* before the sockets of this turn: what others said came first */
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events; /* the poll has returned: drain_step looks again */
}

/* ---- publishing ---- */

hub_status fanout_join(session *s, hub_bytes name_space, hub_bytes name)
{
    fanout_drain();
    return room_join(s, name_space, name);
}

/*
 * Reads until the own record has been delivered. As a rule it is the next one; when another publisher has
 * reserved a place before it and not finished (he was preempted, or stopped), it takes as long as he does, or
 * until the log gives him up. When it was lost (damaged, or this worker was cut off meanwhile), it is passed
 * like any other gap.
 */
static hub_status drain_through(uint64_t position)
{
    for (unsigned tries = 0;; tries++) {
        if (bus_pending(fan.bus))
            drain(UINT32_MAX, position);
        if (fan.seen >= position || !bus_pending(fan.bus))
            return HUB_OK;
        hub_status status = HUB_ESTATE;
        if (tries >= SPINS)
            status = greenlet_park("the log's order", unfinished_wait);
        if (status == HUB_ECANCELED)
            return status;
        if (status == HUB_ESTATE)
            sched_yield(); /* the first tries, and where nothing can park */
    }
}

hub_status fanout_publish(const bus_message *message, const struct iovec *body, int parts)
{
    uint64_t position = 0;
    uint64_t full_since = 0;
    bool evicted = false;
    for (;;) {
        hub_status status = bus_publish(fan.bus, message, body, parts, &position);
        if (status == HUB_OK)
            return drain_through(position);
        if (status != HUB_EAGAIN)
            return status;
        fanout_drain();
        uint64_t now = clock_monotonic_ns();
        if (full_since == 0)
            full_since = now;
        if ((double)(now - full_since) / (double)CLOCK_NS_PER_S >= full_limit) {
            if (evicted)
                return HUB_EFULL;
            unsigned count = bus_evict_laggards(fan.bus);
            log_warning("the host log was full for %.1f s: %u worker(s) that did not read it were cut off",
                        full_limit, count);
            evicted = true;
            continue;
        }
        status = greenlet_park("room in the host log", full_wait);
        if (status == HUB_ESTATE)
            return HUB_EFULL;
        if (status == HUB_ECANCELED)
            return status;
    }
}

hub_status fanout_publish_here(const bus_message *message, chunk *body)
{
    fanout_drain();
    hand_on(&(bus_record){.message = *message, .body_length = body->length}, body);
    return HUB_OK;
}

hub_status fanout_publish_to(hub_id client, uint16_t kind, const struct iovec *body, int parts)
{
    char text[16];
    hub_bytes owner = fanout_worker_name(session_id_incarnation(client), text);
    return fanout_publish(&(bus_message){.kind = kind,
                                         .name_space = fanout_workers_space(),
                                         .rooms = &owner,
                                         .room_count = 1,
                                         .target = client},
                          body, parts);
}

/* ---- the floor ---- */

hub_status fanout_open(bus *opened, uint32_t incarnation, error *why)
{
    if (fan.open || !loop_ev())
        return error_set(why, HUB_ESTATE, "fan-out: open already, or no loop");
    memset(&fan, 0, sizeof fan);
    fan.bus = opened;
    fan.open = true;
    if (loop_add_step(LOOP_AFTER_POLL, "drain", drain_step, NULL) != HUB_OK ||
        loop_add_step(LOOP_BEFORE_POLL, "doze", doze_step, NULL) != HUB_OK)
        return error_set(why, HUB_EFULL, "the hub's table of steps is full");
    char text[16];
    fan.own_hash = bus_room_hash(opened, fanout_workers_space(), fanout_worker_name(incarnation, text));
    bus_interest_add(opened, fan.own_hash);
    fan.workers_hash = bus_room_hash(opened, fanout_workers_space(), hub_text("*"));
    bus_interest_add(opened, fan.workers_hash);
    fan.everybody_hash = bus_room_hash(opened, hub_text(""), hub_text(""));
    bus_interest_add(opened, fan.everybody_hash);
    sessions_open(incarnation);
    rooms_open(opened);
    ev_io_init(&fan.doorbell, on_doorbell, bus_doorbell(opened), EV_READ);
    ev_set_priority(&fan.doorbell, EV_MAXPRI);
    ev_io_start(loop_ev(), &fan.doorbell);
    ev_timer_init(&fan.retry, on_retry, 0., 0.);
    return HUB_OK;
}

void fanout_handle(uint16_t kind, fanout_handler handler)
{
    if (kind < RECORD_KINDS)
        fan.handlers[kind] = handler;
}

void fanout_close(void)
{
    if (!fan.open)
        return;
    ev_io_stop(loop_ev(), &fan.doorbell);
    ev_timer_stop(loop_ev(), &fan.retry);
    bus_interest_drop(fan.bus, fan.own_hash);
    bus_interest_drop(fan.bus, fan.workers_hash);
    bus_interest_drop(fan.bus, fan.everybody_hash);
    rooms_close();
    sessions_close();
    memset(&fan, 0, sizeof fan);
}
