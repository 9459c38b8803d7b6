/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/client.h"

#include "worker/rooms/room.h"
#include "worker/sio/remote.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- packets that are kept ---- */

static uint32_t counted(uint32_t bytes, size_t more)
{
    return more < KEPT_BYTES_MAX - bytes ? bytes + (uint32_t)more : KEPT_BYTES_MAX;
}

kept_packet *packet_keep(packet_type type, uint64_t id, hub_bytes data, unsigned attachments)
{
    kept_packet *kept = malloc(sizeof *kept + attachments * sizeof *kept->attachments + data.length);
    if (!kept)
        return NULL;
    char *text = (char *)&kept->attachments[attachments];
    if (data.length)
        memcpy(text, data.data, data.length);
    *kept = (kept_packet){
        .type = type,
        .id = id,
        .announced = attachments,
        .value = {.json = hub_bytes_of(text, data.length), .binary = kept->attachments, .checked = true},
        .bytes = counted(0, sizeof *kept + data.length)};
    return kept;
}

bool packet_keep_attachment(kept_packet *kept, hub_bytes body)
{
    void *copy = malloc(body.length ? body.length : 1);
    if (!copy)
        return false;
    if (body.length)
        memcpy(copy, body.data, body.length);
    kept->attachments[kept->value.binary_count++] = hub_bytes_of(copy, body.length);
    kept->bytes = counted(kept->bytes, body.length);
    return true;
}

void packet_drop(kept_packet *kept)
{
    if (!kept)
        return;
    for (size_t i = 0; i < kept->value.binary_count; i++)
        free((void *)(uintptr_t)kept->attachments[i].data);
    free(kept);
}

/* ---- what waits for the CONNECT packet ---- */

typedef struct held_frames {
    struct held_frames *next;
    chunk *frames;
} held_frames;

enum { HELD_MAX = 1 << 20 }; /* bytes */

static hub_status hold_frames(admission *a, chunk *frames)
{
    if (a->held_bytes + frames->length > HELD_MAX)
        return HUB_EFULL;
    held_frames *held = malloc(sizeof *held);
    if (!held)
        return HUB_ENOMEM;
    *held = (held_frames){NULL, chunk_hold(frames)};
    if (a->last)
        a->last->next = held;
    else
        a->first = held;
    a->last = held;
    a->held_bytes += frames->length;
    return HUB_OK;
}

static hub_status hold_parts(admission *a, const engine_part *parts, size_t count)
{
    size_t size = engine_frames_size(parts, count);
    chunk *frames = chunk_new(CHUNK_SHARED, size);
    if (!frames)
        return HUB_ENOMEM;
    engine_frames(parts, count, frames->bytes);
    frames->length = size;
    hub_status status = hold_frames(a, frames);
    chunk_drop(frames);
    return status;
}

static void admission_free(admission *a)
{
    if (!a)
        return;
    while (a->first) {
        held_frames *held = a->first;
        a->first = held->next;
        chunk_drop(held->frames);
        free(held);
    }
    packet_drop(a->auth);
    buffer_free(&a->refusal);
    free(a);
}

/* ---- sending ---- */

/* What is volatile is dropped for a client that cannot take it at once. */
static bool is_skipped(const hub_client *c, bool is_volatile)
{
    if (!is_volatile || engine_is_writable(c->engine))
        return false;
    row_count(&connections_row()->dropped, 1);
    return true;
}

hub_status sio_send(hub_client *c, const engine_part *parts, size_t count, bool is_volatile)
{
    if (!c->engine)
        return HUB_ECLOSED;
    if (c->admission)
        return hold_parts(c->admission, parts, count);
    return is_skipped(c, is_volatile) ? HUB_OK : engine_send(c->engine, parts, count);
}

hub_status sio_send_parking(hub_client *c, const engine_part *parts, size_t count, bool is_volatile)
{
    hub_id id = c->session.id;
    for (;;) {
        hub_status status = sio_send(c, parts, count, is_volatile);
        if (status != HUB_EAGAIN)
            return status;
        status = engine_wait(c->engine, HUB_FOREVER);
        if (status == HUB_ESTATE)
            return HUB_EFULL; /* nothing can be parked here */
        if (status != HUB_OK)
            return status;
        if (!(c = sio_client_find(id)))
            return HUB_ECLOSED;
    }
}

hub_status sio_send_frames(hub_client *c, chunk *frames)
{
    return c->admission ? hold_frames(c->admission, frames) : engine_send_frames(c->engine, frames, NULL);
}

static void deliver(session *s, const delivery *what)
{
    hub_client *c = (hub_client *)s;
    const bus_message *message = &what->record->message;
    if (message->kind != RECORD_SIO)
        remote_collect(c, what);
    else if (c->admission)
        hold_frames(c->admission, what->body);
    else if (!is_skipped(c, message->flags & RECORD_VOLATILE))
        engine_send_frames(c->engine, what->body, what->deflated);
}

static const session_kind client_kind = {.name = "socket.io", .deliver = deliver};

hub_client *sio_client_find(hub_id id)
{
    session *s = session_find(id);
    return s && s->kind == &client_kind ? (hub_client *)s : NULL;
}

static void send_text(hub_client *c, packet_type type, hub_bytes data)
{
    char text[PACKET_HEAD_MAX + 64];
    size_t length = packet_write_head(text, type, 0, hub_text(c->name), PACKET_NO_ID);
    if (data.length)
        memcpy(text + length, data.data, data.length);
    engine_send(c->engine, &(engine_part){HUB_TEXT, hub_bytes_of(text, length + data.length)}, 1);
}

/* ---- coming ---- */

hub_client *sio_client_new(sio_connection *to, const name_space *registered, hub_bytes name)
{
    size_t own_name = registered->is_pattern ? name.length + 1 : 0;
    hub_client *c = calloc(1, sizeof *c + sio->session_size + own_name);
    if (!c || !(c->admission = calloc(1, sizeof *c->admission)) ||
        session_open(&c->session, &client_kind) != HUB_OK) {
        if (c)
            free(c->admission);
        free(c);
        return NULL;
    }
    c->engine = to->engine;
    c->registered = registered;
    c->name = registered->name;
    if (own_name) {
        char *copy = (char *)c->data + sio->session_size;
        memcpy(copy, name.data, name.length);
        c->name = copy;
    }
    sid_make_public(c->session.id, c->sid);
    c->sibling = to->clients;
    to->clients = c;
    to->client_count++;
    if (fanout_join(&c->session, hub_text(c->name), hub_bytes_of(NULL, 0)) != HUB_OK) {
        sio_gone(c, SIO_FORCED_SERVER_CLOSE);
        return NULL;
    }
    return c;
}

void sio_let_in(hub_client *c)
{
    char data[64];
    int length = snprintf(data, sizeof data, "{\"sid\":\"%s\"}", c->sid);
    sio_connection *wire = sio_connection_of(c);
    admission *a = c->admission;
    send_text(c, PACKET_CONNECT, hub_bytes_of(data, (size_t)length));
    wheel_cancel(&wire->timer);
    c->admission = NULL;
    c->let_in = true;
    for (held_frames *held = a->first; held; held = held->next)
        engine_send_frames(c->engine, held->frames, NULL);
    admission_free(a);
}

void sio_turn_away(hub_client *c)
{
    hub_bytes words = c->admission->refusal.length ? buffer_bytes(&c->admission->refusal)
                                                   : hub_text("{\"message\":\"refused\"}");
    sio_refuse(c->engine, hub_text(c->name), words);
    sio_gone(c, SIO_FORCED_SERVER_CLOSE);
}

/* ---- going ---- */

void sio_client_free(hub_client *c)
{
    runner_drop_inbox(c);
    admission_free(c->admission);
    free(c);
}

static void leave_connection(hub_client *c)
{
    sio_connection *wire = sio_connection_of(c);
    hub_client **at = &wire->clients;
    while (*at != c)
        at = &(*at)->sibling;
    *at = c->sibling;
    wire->client_count--;
    if (c->inbox_full && --wire->full_inboxes == 0)
        engine_pause(c->engine, false);
    c->inbox_full = false;
    c->engine = NULL;
}

void sio_gone(hub_client *c, sio_reason reason)
{
    if (!c->engine)
        return;
    leave_connection(c);
    c->reason = (uint8_t)reason;
    ack_client_gone(c);
    room_leave_all(&c->session);
    session_close(&c->session);
    c->close_due = c->let_in && c->registered->on_disconnect;
    if (!c->let_in)
        runner_drop_inbox(c); /* nobody would handle it */
    if (c->greenlet || c->waiting)
        return; /* who runs its handlers frees it */
    if (c->close_due || c->inbox)
        runner_wake(c);
    else
        sio_client_free(c);
}

/* Tells one client of a connection. */
static void disconnect_one(hub_client *c)
{
    if (c->let_in)
        send_text(c, PACKET_DISCONNECT, hub_bytes_of(NULL, 0));
    runner_drop_inbox(c);
    sio_gone(c, SIO_SERVER_DISCONNECT);
}

void sio_disconnect(hub_client *c, bool close)
{
    if (!c->engine)
        return;
    engine *e = c->engine;
    if (!close) {
        disconnect_one(c);
        return;
    }
    sio_connection *wire = sio_connection_of(c);
    while (wire->clients)
        disconnect_one(wire->clients);
    engine_close(e, SIO_FORCED_SERVER_CLOSE);
}
