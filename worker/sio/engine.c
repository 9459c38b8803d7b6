/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/engine.h"

#include "worker/hub/loop.h"
#include "worker/rooms/fanout.h"
#include "worker/sio/engine_inside.h"
#include "worker/sio/sid.h"
#include "worker/ws/frame.h"

#include <stdio.h>
#include <stdlib.h>

enum { TIMER_KIND = 2 };

/* How long a session that was closed is kept for the poll that will hear of it. */
static const double linger_seconds = 10.0;

/*
 * The wheel fires up to so much late. A ping goes out early rather than late: the client, too, counts the
 * time until it comes.
 */
static const double wheel_lateness = 2.0 / WHEEL_TICKS_PER_SECOND;

/* A client's clock may be so much ahead of its time. */
static const double clock_slack = 0.002;

static struct {
    engine *listed; /* with something to do before the turn ends */
    size_t count;
    hub_ws *lending_ws;   /* on_message: where the body came from … */
    chunk *lending_chunk; /* … or what it lies in */
} engines;

static void deliver(session *s, const delivery *what);
static const session_kind engine_session = {.name = "engine", .deliver = deliver};

/* ---- heartbeats ---- */

static double before_ping(const engine *e)
{
    double interval = e->endpoint->ping_interval;
    return interval > 2 * wheel_lateness ? interval - wheel_lateness : interval / 2;
}

/* The client was heard: the next ping is due after the interval. */
static void await_ping(engine *e)
{
    e->pinged = false;
    e->due = loop_now() + e->endpoint->ping_interval;
    if (!e->draining)
        wheel_arm(&e->timer, before_ping(e));
}

static void await_pong(engine *e, double due)
{
    e->due = due;
    if (!e->draining)
        wheel_arm(&e->timer, due - loop_now());
}

/* Whether the client's silence says something. */
static bool is_read(const engine *e)
{
    return e->ws ? ws_user_is_read(e->ws) : !e->paused;
}

static void ping(engine *e)
{
    static const unsigned char frame[] = {0x80 | FRAME_TEXT, 1, EIO_PING};
    hub_bytes bytes = hub_bytes_of(frame, sizeof frame);
    double due = (e->due > loop_now() ? e->due : loop_now()) + e->endpoint->ping_timeout;
    e->pinged = true;
    if (e->ws) {
        ws_user_write(e->ws, bytes);
    } else {
        if (!e->polling->poll) /* it is not there to take it: its time runs all the same */
            due = e->due + e->endpoint->ping_timeout;
        e->polling->ping_waits = true;
        polling_write(e, bytes);
    }
    await_pong(e, due);
}

void engine_ping_left(engine *e)
{
    double due = loop_now() + e->endpoint->ping_timeout;
    if (e->pinged && due > e->due)
        await_pong(e, due);
}

bool engine_is_overdue(const engine *e)
{
    double due = e->due + (e->pinged ? 0 : e->endpoint->ping_timeout);
    return is_read(e) && loop_now() + clock_slack >= due;
}

static void on_heartbeat(engine *e)
{
    if (!e->pinged)
        ping(e);
    else if (is_read(e) && loop_now() + clock_slack >= e->due)
        engine_close(e, SIO_PING_TIMEOUT);
    else
        await_pong(e, is_read(e) ? e->due : loop_now() + e->endpoint->ping_timeout);
}

static void on_timer(wheel_timer *timer)
{
    engine *e = (engine *)((char *)timer - offsetof(engine, timer));
    if (e->lingers) {
        e->lingers = false;
        engine_mark(e);
    } else if (e->draining) {
        engine_close(e, SIO_SERVER_SHUTTING_DOWN);
    } else if (!e->closed) {
        on_heartbeat(e);
    }
}

/* ---- the end of a turn ---- */

void engine_mark(engine *e)
{
    if (e->listed)
        return;
    e->listed = true;
    e->next = engines.listed;
    engines.listed = e;
}

/* A closed session goes, unless its client is still to poll for what is queued. */
static void bury(engine *e)
{
    if (e->polling && e->lingers && e->polling->out.first) {
        if (!wheel_is_armed(&e->timer))
            wheel_arm(&e->timer, linger_seconds);
        return;
    }
    engine_free(e);
}

static bool turn_step(void *arg)
{
    (void)arg;
    engine *list = engines.listed;
    bool any = list != NULL;
    engines.listed = NULL;
    while (list) {
        engine *e = list;
        list = e->next;
        e->listed = false;
        if (e->closed && !e->told) {
            e->told = true;
            if (e->opened)
                e->endpoint->user->on_close(e, (sio_reason)e->reason);
        }
        if (e->polling)
            polling_step(e);
        if (e->closed && !e->listed)
            bury(e);
    }
    return any; /* what was answered must not wait for the next event */
}

/* ---- life ---- */

engine *engine_of_sid(hub_bytes sid)
{
    hub_id id;
    session *s = sid_read(sid, &id) ? session_find(id) : NULL;
    return s && s->kind == &engine_session ? (engine *)s : NULL;
}

engine *engine_find(hub_bytes sid)
{
    engine *e = engine_of_sid(sid);
    return e && !e->closed ? e : NULL;
}

void engine_open(engine *e, bool upgrades)
{
    char text[320], sid[SID_LENGTH + 1];
    const engine_endpoint *to = e->endpoint;
    sid_make(e->session.id, sid);
    int length = snprintf(text, sizeof text,
                          "%c{\"sid\":\"%s\",\"upgrades\":[%s],\"pingInterval\":%.0f,\"pingTimeout\":%.0f,"
                          "\"maxPayload\":%zu}",
                          EIO_OPEN, sid, upgrades ? "\"websocket\"" : "", to->ping_interval * 1000,
                          to->ping_timeout * 1000, to->max_payload);
    unsigned char frame[FRAME_HEADER_MAX + sizeof text];
    size_t header = frame_header(frame, FRAME_TEXT, true, 0, (uint64_t)length);
    memcpy(frame + header, text, (size_t)length);
    hub_bytes bytes = hub_bytes_of(frame, header + (size_t)length);
    if (e->ws)
        ws_user_write(e->ws, bytes);
    else
        polling_write(e, bytes);
    e->opened = true;
    await_ping(e);
    if (to->user->on_open(e) != HUB_OK)
        engine_close(e, SIO_FORCED_CLOSE);
}

engine *engine_new(const engine_endpoint *endpoint, const hub_http *http)
{
    engine *e = calloc(1, sizeof *e + endpoint->user->state_size);
    if (!e)
        return NULL;
    e->endpoint = endpoint;
    e->timer.kind = TIMER_KIND;
    if (session_open(&e->session, &engine_session) != HUB_OK) {
        free(e);
        return NULL;
    }
    engines.count++;
    if (!engine_remember(e, http)) {
        engine_free(e);
        return NULL;
    }
    return e;
}

void engine_free(engine *e)
{
    engines.count--;
    wheel_cancel(&e->timer);
    polling_free(e);
    session_close(&e->session);
    free(e->peer);
    free(e->query);
    free(e->headers);
    free(e);
}

/* True when the client is to hear that the session ends, behind what is queued. */
static bool says_farewell(sio_reason reason)
{
    return reason != SIO_TRANSPORT_CLOSE && reason != SIO_TRANSPORT_ERROR && reason != SIO_PING_TIMEOUT &&
           reason != SIO_PARSE_ERROR;
}

/* No transport carries it any more, or none will. */
static void shut(engine *e, sio_reason reason)
{
    e->closed = true;
    e->reason = (uint8_t)reason;
    wheel_cancel(&e->timer);
    engine_mark(e);
    hub_ws *ws = e->ws;
    e->ws = NULL;
    if (ws)
        socket_end(ws, reason);
}

void engine_close(engine *e, sio_reason reason)
{
    static const unsigned char frame[] = {0x80 | FRAME_TEXT, 1, EIO_CLOSE};
    if (e->closed)
        return;
    shut(e, reason);
    if (!e->polling)
        return;
    e->lingers = says_farewell(reason);
    if (e->lingers || e->polling->poll)
        polling_write(e, hub_bytes_of(frame, sizeof frame));
}

void engine_drop(engine *e)
{
    if (e->closed)
        return;
    if (e->ws) {
        ws_user_drop(e->ws);
        return; /* its end is told when it is noticed */
    }
    shut(e, SIO_TRANSPORT_CLOSE);
    if (e->polling) {
        output_clear(&e->polling->out);
        polling_drop(e);
    }
}

/* ---- receiving ---- */

void engine_lend(engine *e, chunk *payload)
{
    engines.lending_ws = e->ws;
    engines.lending_chunk = payload;
}

void engine_hold(engine *e, engine_held *held)
{
    *held = (engine_held){0};
    if (engines.lending_chunk)
        held->chunk = chunk_hold(engines.lending_chunk);
    else
        ws_user_hold(e->ws ? e->ws : engines.lending_ws, &held->block, &held->memory);
}

void engine_unhold(engine_held *held)
{
    input_drop(held->block);
    if (held->chunk)
        chunk_drop(held->chunk);
    free(held->memory);
    *held = (engine_held){0};
}

/* Which packets a client may send (protocol 4): its pongs, messages, and the end. */
void engine_packet_in(engine *e, const engine_packet *packet)
{
    switch (packet->type) {
    case EIO_PONG:
        await_ping(e);
        break;
    case EIO_MESSAGE:
        e->endpoint->user->on_message(e, packet->body_type, packet->body);
        break;
    case EIO_CLOSE:
        if (e->polling)
            polling_closed_by_client(e);
        else
            engine_close(e, SIO_TRANSPORT_CLOSE);
        break;
    case EIO_PING: /* the server's to send */
        engine_close(e, SIO_TRANSPORT_ERROR);
        break;
    case EIO_OPEN:
    case EIO_UPGRADE:
    case EIO_NOOP:
        break;
    }
}

void engine_pause(engine *e, bool paused)
{
    if (e->closed || e->paused == paused)
        return;
    e->paused = paused;
    if (!paused && e->pinged)
        engine_ping_left(e); /* its pong may wait in what was not read */
    if (e->ws)
        ws_user_pause(e->ws, paused);
    else if (!paused)
        engine_mark(e);
}

/* ---- sending ---- */

static const unsigned char message_prefix = EIO_MESSAGE;

static hub_bytes prefix_of(hub_type type)
{
    return hub_bytes_of(&message_prefix, type == HUB_TEXT);
}

static size_t frame_size(const engine_part *part)
{
    size_t length = prefix_of(part->type).length + part->body.length;
    return length + (length < 126 ? 2 : length < 65536 ? 4 : FRAME_HEADER_MAX);
}

/* A frame's header and the packet's prefix. */
static size_t write_front(const engine_part *part, unsigned char *out)
{
    hub_bytes prefix = prefix_of(part->type);
    size_t length = frame_header(out, (frame_opcode)part->type, true, 0, prefix.length + part->body.length);
    memcpy(out + length, prefix.data, prefix.length);
    return length + prefix.length;
}

size_t engine_frames_size(const engine_part *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += frame_size(&parts[i]);
    return size;
}

void engine_frames(const engine_part *parts, size_t count, unsigned char *out)
{
    for (size_t i = 0; i < count; i++) {
        out += write_front(&parts[i], out);
        if (parts[i].body.length)
            memcpy(out, parts[i].body.data, parts[i].body.length);
        out += parts[i].body.length;
    }
}

chunk *engine_new_frames(const engine_part *parts, size_t count)
{
    size_t size = engine_frames_size(parts, count);
    chunk *frames = chunk_new(CHUNK_SHARED, size);
    if (!frames)
        return NULL;
    engine_frames(parts, count, frames->bytes);
    frames->length = size;
    return frames;
}

static hub_status send_one(engine *e, const engine_part *part)
{
    if (e->ws)
        return ws_user_send(e->ws, part->type, prefix_of(part->type), part->body);
    unsigned char front[FRAME_HEADER_MAX + 1];
    size_t length = write_front(part, front);
    return polling_send(e, hub_bytes_of(front, length), part->body);
}

hub_status engine_send(engine *e, const engine_part *parts, size_t count)
{
    if (e->closed)
        return HUB_ECLOSED;
    if (count == 1)
        return send_one(e, parts);
    chunk *frames = engine_new_frames(parts, count);
    if (!frames) {
        engine_close(e, SIO_TRANSPORT_ERROR); /* a hole must not be sent */
        return HUB_ENOMEM;
    }
    hub_status status = e->ws ? ws_user_send_frames(e->ws, frames) : polling_send_chunk(e, frames, true);
    chunk_drop(frames);
    return status;
}

hub_status engine_send_frames(engine *e, chunk *frames, chunk **deflated)
{
    if (e->closed)
        return HUB_ECLOSED;
    return e->ws ? ws_user_send_shared(e->ws, frames, deflated) : polling_send_chunk(e, frames, false);
}

hub_status engine_wait(engine *e, double timeout)
{
    if (e->closed)
        return HUB_ECLOSED;
    return e->ws ? ws_user_wait(e->ws, timeout) : polling_wait(e, timeout);
}

bool engine_is_writable(const engine *e)
{
    if (e->closed)
        return false;
    return e->ws ? ws_user_is_writable(e->ws) : polling_is_writable(e);
}

/* A WebSocket frame for the client by its id, as hub_send makes it: the protocol's prefix is put in front. */
static void deliver(session *s, const delivery *what)
{
    engine *e = (engine *)s;
    hub_bytes frames = hub_bytes_of(chunk_data(what->body), what->body->length);
    engine_part part;
    if (what->record->message.kind == RECORD_WS_FRAME && frames_next(&frames, &part.type, &part.body))
        engine_send(e, &part, 1);
}

/* ---- the floor ---- */

hub_status engines_open(void)
{
    memset(&engines, 0, sizeof engines);
    wheel_handle(TIMER_KIND, on_timer);
    wheel_handle(TIMER_KIND + 1, socket_on_time);
    return loop_add_step(LOOP_BEFORE_POLL, "engines", turn_step, NULL);
}

static void drain_one(session *s, void *arg)
{
    const double *spread = arg;
    engine *e = (engine *)s;
    if (s->kind != &engine_session || e->closed || !e->opened)
        return;
    if (*spread <= 0) {
        engine_close(e, SIO_SERVER_SHUTTING_DOWN);
    } else if (!e->draining) {
        e->draining = true;
        wheel_arm(&e->timer, *spread * ((double)random() / (double)RAND_MAX));
        if (e->endpoint->user->on_drain)
            e->endpoint->user->on_drain(e);
    }
}

void engines_drain(double spread)
{
    sessions_each(drain_one, &spread);
}

static void drop_one(session *s, void *arg)
{
    (void)arg;
    engine *e = (engine *)s;
    if (s->kind != &engine_session)
        return;
    e->lingers = false;
    engine_mark(e);
    if (e->closed)
        return;
    shut(e, SIO_SERVER_SHUTTING_DOWN);
}

void engines_close(void)
{
    sessions_each(drop_one, NULL);
    turn_step(NULL);
}

size_t engines_count(void)
{
    return engines.count;
}
