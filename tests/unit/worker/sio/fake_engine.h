/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engine.IO for tests of what stands on it: an engine notes what is sent to it, each message with a bar
 * behind, and hands in what a test says.
 */
#ifndef TESTS_UNIT_WORKER_SIO_FAKE_ENGINE_H
#define TESTS_UNIT_WORKER_SIO_FAKE_ENGINE_H

#include "worker/sio/socketio.h"

#include <stdlib.h>
#include <string.h>

/* Also where there is no cmocka, in fuzzers. */
static inline void wire_require(bool condition)
{
    if (!condition)
        abort();
}

struct engine {
    _Alignas(16) unsigned char state[256];
    char sent[65536];
    unsigned char *incoming; /* the message that is handed in */
    unsigned held;           /* messages that are held */
    bool writable, paused, closed, over, full;
    sio_reason reason;
};

static inline engine *wire_open(void)
{
    engine *e = calloc(1, sizeof *e);
    wire_require(e != NULL);
    wire_require(sio_user.state_size <= sizeof e->state);
    e->writable = true;
    wire_require(sio_user.on_open(e) == HUB_OK);
    return e;
}

static inline void wire_receive(engine *e, hub_type type, const char *text, size_t length)
{
    if (e->closed)
        return;
    e->incoming = malloc(length ? length : 1); /* apart, so that it is seen when it is used too long */
    wire_require(e->incoming != NULL);
    if (length)
        memcpy(e->incoming, text, length);
    sio_user.on_message(e, type, hub_bytes_of(e->incoming, length));
    free(e->incoming);
    e->incoming = NULL;
}

static inline void wire_say(engine *e, const char *text)
{
    wire_receive(e, HUB_TEXT, text, strlen(text));
}

/* Its end, as the engine's own turn would do it. */
static inline void wire_end(engine *e, sio_reason reason)
{
    if (e->over)
        return;
    e->over = e->closed = true;
    e->reason = reason;
    sio_user.on_close(e, reason);
}

static inline void wire_free(engine *e)
{
    wire_end(e, SIO_TRANSPORT_CLOSE);
    free(e);
}

/* What was sent since the last look. */
static inline const char *wire_sent(engine *e)
{
    static char seen[sizeof e->sent];
    strcpy(seen, e->sent);
    e->sent[0] = '\0';
    return seen;
}

/* ---- engine.h ---- */

void *engine_state(engine *e)
{
    return e->state;
}

const char *engine_transport(const engine *e)
{
    (void)e;
    return "polling";
}

hub_bytes engine_header(const engine *e, const char *name)
{
    (void)e;
    return strcmp(name, "cookie") == 0 ? hub_text("a=b") : hub_bytes_of(NULL, 0);
}

hub_bytes engine_query(const engine *e, const char *name)
{
    (void)e;
    return strcmp(name, "token") == 0 ? hub_text("12") : hub_bytes_of(NULL, 0);
}

hub_bytes engine_peer(const engine *e)
{
    (void)e;
    return hub_text("192.0.2.7:51000");
}

static void note(engine *e, hub_type type, hub_bytes body)
{
    size_t used = strlen(e->sent);
    if (used + body.length + 3 >= sizeof e->sent)
        return; /* more than a test looks at */
    if (type == HUB_BINARY)
        e->sent[used++] = 'b';
    if (body.length)
        memcpy(e->sent + used, body.data, body.length);
    memcpy(e->sent + used + body.length, "|", 2);
}

hub_status engine_send(engine *e, const engine_part *parts, size_t count)
{
    if (e->closed)
        return HUB_ECLOSED;
    if (e->full)
        return HUB_EAGAIN;
    for (size_t i = 0; i < count; i++)
        note(e, parts[i].type, parts[i].body);
    return HUB_OK;
}

hub_status engine_wait(engine *e, double timeout)
{
    (void)timeout;
    while (e->full) {
        hub_status status = hub_sleep(0.001);
        if (status != HUB_OK)
            return status;
    }
    return HUB_OK;
}

/* Frames of the test's own: type, length, bytes. */
size_t engine_frames_size(const engine_part *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += 1 + sizeof(uint32_t) + parts[i].body.length;
    return size;
}

void engine_frames(const engine_part *parts, size_t count, unsigned char *out)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t length = (uint32_t)parts[i].body.length;
        *out++ = (unsigned char)parts[i].type;
        memcpy(out, &length, sizeof length);
        out += sizeof length;
        if (length)
            memcpy(out, parts[i].body.data, length);
        out += length;
    }
}

hub_status engine_send_frames(engine *e, chunk *frames, chunk **deflated)
{
    (void)deflated;
    if (e->closed)
        return HUB_ECLOSED;
    const unsigned char *at = frames->bytes, *end = at + frames->length;
    while (at < end) {
        uint32_t length;
        memcpy(&length, at + 1, sizeof length);
        note(e, (hub_type)*at, hub_bytes_of(at + 1 + sizeof length, length));
        at += 1 + sizeof length + length;
    }
    return HUB_OK;
}

bool engine_is_writable(const engine *e)
{
    return e->writable;
}

void engine_pause(engine *e, bool paused)
{
    e->paused = paused;
}

void engine_hold(engine *e, engine_held *held)
{
    wire_require(e->incoming != NULL);
    held->memory = e->incoming;
    e->incoming = NULL;
    e->held++;
}

void engine_unhold(engine_held *held)
{
    free(held->memory);
    *held = (engine_held){0};
}

void engine_close(engine *e, sio_reason reason)
{
    if (e->closed)
        return;
    e->closed = true;
    e->reason = reason;
}

void engine_drop(engine *e)
{
    e->closed = true;
    e->reason = SIO_TRANSPORT_CLOSE;
}

#endif
