/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/engine_inside.h"
#include "worker/ws/close.h"
#include "worker/ws/frame.h"

static bool is_probe(const engine *e, const hub_ws *ws)
{
    return e->polling && e->polling->probe == ws;
}

/* ---- the end ---- */

static uint16_t code_of(sio_reason reason)
{
    return reason == SIO_PARSE_ERROR || reason == SIO_TRANSPORT_ERROR ? CLOSE_PROTOCOL : CLOSE_NORMAL;
}

void socket_end(hub_ws *ws, sio_reason reason)
{
    ws_user_set_keeper(ws, NULL);
    if (reason == SIO_SERVER_SHUTTING_DOWN)
        ws_user_close_draining(ws);
    else
        ws_user_close(ws, code_of(reason), reason == SIO_TRANSPORT_CLOSE ? NULL : sio_reason_text(reason));
}

void socket_end_probe(polling *p)
{
    hub_ws *ws = p->probe;
    p->probe = NULL;
    p->probed = false;
    wheel_cancel(&p->timer);
    if (!ws)
        return;
    ws_user_set_keeper(ws, NULL);
    ws_user_close(ws, CLOSE_NORMAL, NULL);
}

void socket_on_time(wheel_timer *timer)
{
    socket_end_probe((polling *)((char *)timer - offsetof(polling, timer)));
}

/* What a WebSocket's end says of the session that it carried. */
static sio_reason reason_of(uint16_t code)
{
    switch (code) {
    case CLOSE_PROTOCOL:
    case CLOSE_UNSUPPORTED:
    case CLOSE_INVALID_TEXT:
    case CLOSE_TOO_BIG:
    case CLOSE_INTERNAL:
    case CLOSE_TRY_LATER:
        return SIO_TRANSPORT_ERROR;
    default:
        return SIO_TRANSPORT_CLOSE;
    }
}

static void on_gone(hub_ws *ws, uint16_t code)
{
    engine *e = ws_user_keeper(ws);
    if (!e)
        return;
    if (is_probe(e, ws)) {
        polling *p = e->polling;
        p->probe = NULL;
        p->probed = false;
        wheel_cancel(&p->timer);
        return;
    }
    e->ws = NULL;
    if (e->opened)
        engine_close(e, reason_of(code));
    else
        engine_free(e); /* it could not be answered */
}

/* ---- opening ---- */

static bool on_request(hub_http *http, hub_ws *ws, void *arg)
{
    const engine_endpoint *endpoint = arg;
    engine *e;
    if (engine_claim(http, arg))
        return false;
    request_error problem = request_read(endpoint, http, true, &e);
    if (problem != REQUEST_FINE) {
        request_refuse(endpoint, http, problem);
        return false;
    }
    if (e) {
        bool may = e->polling && !e->polling->probe && !e->closed;
        if (!may)
            return true; /* as all servers of the protocol: it is let in, and closed at once */
        e->polling->probe = ws;
    } else if ((e = engine_new(endpoint, http))) {
        e->ws = ws;
        request_set_cookie(e, http);
    } else {
        http_refuse(http, 503, "the server is full", "Retry-After: 1\r\n");
        return false;
    }
    ws_user_set_keeper(ws, e);
    return true;
}

static void on_open(hub_ws *ws)
{
    engine *e = ws_user_keeper(ws);
    if (!e) /* its session is closed, or has a WebSocket */
        ws_user_close(ws, CLOSE_NORMAL, NULL);
    else if (is_probe(e, ws))
        wheel_arm(&e->polling->timer, e->endpoint->upgrade_timeout);
    else
        engine_open(e, false);
}

/* ---- upgrading ---- */

/* The WebSocket carries the session from here on: what waits goes out by it, in order, and polling ends. */
static void take_over(engine *e, hub_ws *ws)
{
    polling *p = e->polling;
    p->probe = NULL;
    while (p->post && !e->closed) { /* a client that waits for its answers has none */
        e->paused = false;
        polling_step(e);
    }
    if (e->closed) {
        socket_end(ws, (sio_reason)e->reason);
        return;
    }
    struct iovec iov;
    while (output_gather(&p->out, &iov, 1) == 1) {
        ws_user_write(ws, hub_bytes_of(iov.iov_base, iov.iov_len));
        output_advance(&p->out, iov.iov_len);
    }
    e->ws = ws;
    polling_free(e);
    if (e->paused)
        ws_user_pause(ws, true);
    if (e->endpoint->user->on_writable)
        e->endpoint->user->on_writable(e);
}

/* What comes on a WebSocket that has not taken over yet: a probe, then the upgrade (protocol 4, "Upgrade").
 */
static void on_probe_message(engine *e, hub_ws *ws, const engine_packet *packet)
{
    static const unsigned char pong[] = {0x80 | FRAME_TEXT, 6, EIO_PONG, 'p', 'r', 'o', 'b', 'e'};
    polling *p = e->polling;
    if (packet->type == EIO_PING && !p->probed && hub_equal(packet->body, hub_text("probe"))) {
        ws_user_write(ws, hub_bytes_of(pong, sizeof pong));
        p->probed = true;
        engine_mark(e); /* the pending poll is ended, so that the client can go over */
    } else if (packet->type == EIO_UPGRADE && p->probed) {
        take_over(e, ws);
    } else {
        socket_end_probe(p);
    }
}

/* ---- receiving ---- */

static void on_message(hub_ws *ws, hub_type type, hub_bytes body)
{
    engine *e = ws_user_keeper(ws);
    engine_packet packet;
    if (!e)
        return;
    bool whole = engine_packet_read(type, body, &packet);
    if (is_probe(e, ws)) {
        if (whole)
            on_probe_message(e, ws, &packet);
        else
            socket_end_probe(e->polling);
    } else if (!whole) {
        engine_close(e, SIO_PARSE_ERROR);
    } else {
        engine_lend(e, NULL);
        engine_packet_in(e, &packet);
    }
}

static void on_writable(hub_ws *ws)
{
    engine *e = ws_user_keeper(ws);
    if (e && e->ws == ws && !e->closed && e->endpoint->user->on_writable)
        e->endpoint->user->on_writable(e);
}

const ws_user engine_socket_user = {
    .on_request = on_request,
    .on_open = on_open,
    .on_message = on_message,
    .on_writable = on_writable,
    .on_gone = on_gone,
};
