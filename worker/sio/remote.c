/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/remote.h"

#include "bus/record.h"
#include "common/log.h"
#include "worker/rooms/room.h"
#include "worker/sio/gather.h"
#include "worker/sio/json.h"
#include "worker/sio/parcel.h"
#include "worker/ws/utf8.h"

#include <stdlib.h>

typedef struct request_head {
    uint64_t collector, number;
    uint32_t action;
    uint32_t about_length; /* of the head of the record that says whom it is about */
} request_head;

enum { ITEMS_MAX = 32 * 1024 }; /* bytes of a list that are told at once */

/* The request that is acted on. Nothing here parks, so there is one at a time. */
static struct {
    record_view view;   /* whom it is about */
    record_draft draft; /* the same, on its way out */
    hub_id *ids;        /* clients of this worker whom it reaches */
    size_t count, capacity;
} acting;

typedef struct request {
    request_head head;
    hub_bytes body;
} request;

void remote_collect(hub_client *c, const delivery *what)
{
    const bus_message *about = &what->record->message;
    /* A single client's name holds in its own name space alone. */
    if (about->target && about->name_space.length && !hub_equal(about->name_space, hub_text(c->name)))
        return;
    if (acting.count == acting.capacity) {
        size_t capacity = acting.capacity ? acting.capacity * 2 : 64;
        hub_id *ids = realloc(acting.ids, capacity * sizeof *ids);
        if (!ids) {
            log_error("socket.io: no memory for a request to many clients");
            return;
        }
        acting.ids = ids;
        acting.capacity = capacity;
    }
    acting.ids[acting.count++] = c->session.id;
}

/* The next client that is still there. */
static hub_client *next_client(size_t *at)
{
    while (*at < acting.count) {
        hub_client *c = sio_client_find(acting.ids[(*at)++]);
        if (c)
            return c;
    }
    return NULL;
}

/* ---- actions ---- */

/* Gives the emission back when it is done with. NULL: no memory, or no parcel. */
static emission *unpack(hub_bytes body)
{
    parcel event;
    if (!parcel_read(body, &event))
        return NULL;
    emission *m = emission_take();
    if (m && emission_array(m, event.text, event.attachments, event.count) == HUB_OK)
        return m;
    emission_give(m);
    return NULL;
}

static void emit(const request *r)
{
    size_t at = 0;
    hub_client *c = next_client(&at);
    emission *m = c ? unpack(r->body) : NULL;
    if (m) {
        emission_address(m, PACKET_EVENT, c->name, PACKET_NO_ID);
        sio_send(c, m->parts, m->part_count, acting.view.header.flags & RECORD_VOLATILE);
    }
    emission_give(m);
}

static void answer(const request *r)
{
    size_t at = 0;
    hub_client *c = next_client(&at);
    emission *m = c ? unpack(r->body) : NULL;
    if (m)
        ack_answer(c, r->head.number, m);
    emission_give(m);
}

/* All whom one question is for are in one namespace, so they share its frames. */
static void call(const request *r)
{
    size_t at = 0;
    hub_client *c = next_client(&at);
    emission *m = c ? unpack(r->body) : NULL;
    chunk *frames = NULL;
    if (m) {
        emission_address(m, PACKET_EVENT, c->name, gather_number(r->head.collector));
        size_t size = engine_frames_size(m->parts, m->part_count);
        frames = chunk_new(CHUNK_SHARED, size);
        if (frames) {
            engine_frames(m->parts, m->part_count, frames->bytes);
            frames->length = size;
        }
    }
    uint32_t asked = 0;
    for (; c && frames; c = next_client(&at)) {
        if (sio_send_frames(c, frames) != HUB_OK)
            continue;
        ack_asked(c, gather_number(r->head.collector), r->head.collector);
        asked++;
    }
    gather_heard(r->head.collector, asked);
    if (frames)
        chunk_drop(frames);
    emission_give(m);
}

static void join(const request *r)
{
    size_t at = 0;
    for (hub_client *c; (c = next_client(&at));) {
        hub_status status = room_join(&c->session, hub_text(c->name), r->body);
        if (status != HUB_OK)
            log_warning("%s: a client cannot join a room: %s", c->registered->label, hub_status_text(status));
    }
}

static void leave(const request *r)
{
    size_t at = 0;
    for (hub_client *c; (c = next_client(&at));)
        room_leave(&c->session, hub_text(c->name), r->body);
}

static void disconnect(const request *r)
{
    size_t at = 0;
    bool close = r->body.length && *(const char *)r->body.data;
    for (hub_client *c; (c = next_client(&at));)
        sio_disconnect(c, close);
}

/* ---- lists ---- */

static void add_text(buffer *to, hub_bytes text)
{
    if (buffer_reserve(to, json_text_size(text)) != HUB_OK)
        return;
    char *begin = to->data + to->length;
    to->length += (size_t)(json_write_text(begin, text) - begin);
}

static void describe(buffer *to, const hub_client *c)
{
    buffer_printf(to, "%s{\"id\":\"%s\",\"rooms\":[", to->length ? "," : "", c->sid);
    bool first = true;
    for (size_t i = 0; i < c->session.rooms; i++) {
        hub_bytes name = room_name_at(&c->session, i);
        if (!name.length || !utf8_valid(name.data, name.length))
            continue;
        if (!first)
            buffer_append(to, ",", 1);
        add_text(to, name);
        first = false;
    }
    buffer_printf(to, "],\"handle\":\"%llu\",\"slot\":%u}", (unsigned long long)c->session.id,
                  (unsigned)row_slot(atomic_load(&connections_row()->word)));
}

static void list_clients(const request *r)
{
    buffer items = {0};
    size_t at = 0;
    for (hub_client *c; (c = next_client(&at));) {
        if (!c->let_in)
            continue;
        describe(&items, c);
        if (items.length >= ITEMS_MAX) {
            gather_items(r->head.collector, buffer_bytes(&items));
            buffer_clear(&items);
        }
    }
    if (items.length)
        gather_items(r->head.collector, buffer_bytes(&items));
    buffer_free(&items);
    gather_heard(r->head.collector, 0);
}

static void tell_room(const room *one, void *arg)
{
    const request *r = arg;
    hub_bytes name = hub_bytes_of(one->names + one->name_space_length, one->name_length);
    if (name.length && utf8_valid(name.data, name.length))
        gather_room(r->head.collector, name, one->count);
}

static void list_rooms(const request *r)
{
    rooms_each(acting.view.name_space, tell_room, (void *)(uintptr_t)r);
    gather_heard(r->head.collector, 0);
}

static void (*const actions[REMOTE_ACTIONS])(const request *r) = {
    [REMOTE_EMIT] = emit,
    [REMOTE_ANSWER] = answer,
    [REMOTE_CALL] = call,
    [REMOTE_JOIN] = join,
    [REMOTE_LEAVE] = leave,
    [REMOTE_DISCONNECT] = disconnect,
    [REMOTE_CLIENTS] = list_clients,
    [REMOTE_ROOMS] = list_rooms,
};

/* ---- reading ---- */

static bool read_request(hub_bytes bytes, request *out)
{
    if (bytes.length < sizeof out->head)
        return false;
    memcpy(&out->head, bytes.data, sizeof out->head);
    const char *about = (const char *)bytes.data + sizeof out->head;
    size_t left = bytes.length - sizeof out->head, length = out->head.about_length;
    if (length > left || out->head.action >= REMOTE_ACTIONS || !record_decode(&acting.view, about, length))
        return false;
    out->body = hub_bytes_of(about + length, left - length);
    return true;
}

/* Notes the clients that it reaches, then acts on each: acting may change the rooms. */
static void on_request(const delivery *what)
{
    request r;
    if (!read_request(hub_bytes_of(chunk_data(what->body), what->body->length), &r))
        return;
    const record_view *view = &acting.view;
    const bus_record about = {.message = {.kind = RECORD_SIO_REQUEST,
                                          .flags = view->header.flags,
                                          .name_space = view->name_space,
                                          .rooms = view->rooms,
                                          .room_count = view->header.room_count,
                                          .except = view->except,
                                          .except_count = view->header.except_count,
                                          .sender = view->header.sender,
                                          .target = view->header.target}};
    acting.count = 0;
    if (r.head.action != REMOTE_ROOMS)
        fanout_route(&(delivery){.record = &about, .body = what->body});
    actions[r.head.action](&r);
}

/* ---- publishing ---- */

enum { PARTS_MAX = 2 + PARCEL_PARTS_MAX };

static chunk *joined(const struct iovec *parts, int count)
{
    size_t length = 0;
    for (int i = 0; i < count; i++)
        length += parts[i].iov_len;
    chunk *body = chunk_new(CHUNK_SHARED, length);
    for (int i = 0; body && i < count; i++) {
        if (parts[i].iov_len)
            memcpy(body->bytes + body->length, parts[i].iov_base, parts[i].iov_len);
        body->length += parts[i].iov_len;
    }
    return body;
}

static hub_status act_here(const bus_message *message, const struct iovec *parts, int count)
{
    chunk *body = joined(parts, count);
    if (!body)
        return HUB_ENOMEM;
    hub_status status = fanout_publish_here(message, body);
    chunk_drop(body);
    return status;
}

/* Publishing may park, and others publish meanwhile; so the draft is copied. */
static hub_status publish_copy(const remote_request *asked, hub_bytes about, bus_message *message, bool local)
{
    request_head head = {asked->collector, asked->number, asked->action, (uint32_t)about.length};
    struct iovec parts[PARTS_MAX] = {{&head, sizeof head}, {(void *)(uintptr_t)about.data, about.length}};
    for (int i = 0; i < asked->part_count; i++)
        parts[2 + i] = asked->parts[i];
    int count = 2 + asked->part_count;
    return local ? act_here(message, parts, count) : fanout_publish(message, parts, count);
}

hub_status remote_publish(const remote_request *asked, const bus_message *about, bool owner_only, bool local)
{
    record_draft *draft = &acting.draft;
    hub_status status = record_draft_message(draft, about, NULL, 0, 0, 0);
    if (status != HUB_OK)
        return status;
    record_finish(draft, 0, 0);
    size_t length = draft->header->head_length;
    void *copy = malloc(length);
    if (!copy)
        return HUB_ENOMEM;
    memcpy(copy, draft->bytes, length);
    char text[16];
    hub_bytes to =
        owner_only ? fanout_worker_name(session_id_incarnation(about->target), text) : hub_text("*");
    bus_message message = {
        .kind = RECORD_SIO_REQUEST, .name_space = fanout_workers_space(), .rooms = &to, .room_count = 1};
    status = publish_copy(asked, hub_bytes_of(copy, length), &message, local);
    free(copy);
    return status;
}

hub_status remote_answer(hub_ack ack, const emission *values)
{
    parcel_head head;
    struct iovec parts[PARCEL_PARTS_MAX];
    int count = parcel_parts(emission_text(values), values->values.attachments,
                             values->values.attachment_count, &head, parts);
    return remote_publish(
        &(remote_request){.action = REMOTE_ANSWER, .number = ack.number, .parts = parts, .part_count = count},
        &(bus_message){.target = ack.client}, true, false);
}

/* ---- the worker ---- */

void remote_open(bus *log)
{
    acting.ids = NULL;
    acting.count = acting.capacity = 0;
    gather_open(log);
    fanout_handle(RECORD_SIO_REQUEST, on_request);
}

void remote_close(void)
{
    gather_close();
    free(acting.ids);
    acting.ids = NULL;
}
