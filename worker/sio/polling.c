/* SPDX-License-Identifier: Apache-2.0 */
#include "common/buffer.h"
#include "worker/hub/greenlet.h"
#include "worker/sio/engine_inside.h"
#include "worker/ws/frame.h"

#include <stdlib.h>

enum { SOCKET_TIMER_KIND = 3 };

static const char text_type[] = "text/plain; charset=UTF-8";

struct engine_waiter {
    engine_waiter *next;
    greenlet *greenlet;
    bool gone; /* the list it stood in is no more */
};

/* ---- life ---- */

hub_status polling_open(engine *e)
{
    e->polling = calloc(1, sizeof *e->polling);
    if (!e->polling)
        return HUB_ENOMEM;
    e->polling->engine = e;
    e->polling->timer.kind = SOCKET_TIMER_KIND;
    return HUB_OK;
}

static void wake(polling *p, hub_status status)
{
    for (engine_waiter *w = p->waiters; w; w = w->next)
        greenlet_wake(w->greenlet, status);
}

void polling_free(engine *e)
{
    polling *p = e->polling;
    if (!p)
        return;
    polling_end(e);
    for (engine_waiter *w = p->waiters; w; w = w->next)
        w->gone = true;
    wake(p, e->closed ? HUB_ECLOSED : HUB_OK);
    wheel_cancel(&p->timer);
    output_clear(&p->out);
    free(p);
    e->polling = NULL;
}

/* ---- answers ---- */

static void answer(const engine_endpoint *endpoint, hub_http *http, hub_bytes payload)
{
    request_allow(endpoint, http);
    hub_http_set(http, "Cache-Control", hub_text("no-store"));
    http_reply_from(http, 200, text_type, payload, endpoint->compress_threshold);
}

/* The pending poll's answer. */
static void answer_poll(engine *e, hub_bytes payload)
{
    hub_http *http = e->polling->poll;
    e->polling->poll = NULL;
    answer(e->endpoint, http, payload);
    http_done(http);
}

static void answer_post(engine *e)
{
    polling *p = e->polling;
    hub_http *http = p->post;
    p->post = NULL;
    p->rest = hub_bytes_of(NULL, 0);
    chunk_drop(p->payload);
    p->payload = NULL;
    answer(e->endpoint, http, hub_text("ok"));
    http_done(http);
}

static const char noop_packet[] = {EIO_NOOP, '\0'}, close_packet[] = {EIO_CLOSE, '\0'};

void polling_end(engine *e)
{
    if (e->polling->poll)
        answer_poll(e, hub_text(noop_packet));
    if (e->polling->post)
        answer_post(e);
    socket_end_probe(e->polling);
}

void polling_drop(engine *e)
{
    hub_http *http = e->polling->poll;
    if (http && http->connection)
        connection_close(http->connection); /* it is told to be gone */
}

void polling_closed_by_client(engine *e)
{
    static const unsigned char frame[] = {0x80 | FRAME_TEXT, 1, EIO_NOOP};
    bool awaited = e->polling->poll;
    if (awaited)
        answer_poll(e, hub_text(noop_packet));
    engine_close(e, SIO_TRANSPORT_CLOSE);
    if (awaited)
        return;
    e->lingers = true; /* its poll may have been overtaken by the packet */
    polling_write(e, hub_bytes_of(frame, sizeof frame));
}

/* ---- the queue ---- */

/* Who was made to wait may go on. */
static void shortened(engine *e)
{
    polling *p = e->polling;
    size_t soft = e->endpoint->limits.soft;
    if (p->out.bytes <= soft)
        p->over_since = 0;
    if (p->out.bytes > soft / 2)
        return;
    wake(p, HUB_OK);
    if (!p->refused)
        return;
    p->refused = false;
    if (e->endpoint->user->on_writable)
        e->endpoint->user->on_writable(e);
}

/* The same rules as a connection's queue has. */
static hub_status admit(engine *e, size_t length, bool may_block)
{
    polling *p = e->polling;
    const connection_limits *limits = &e->endpoint->limits;
    bool over = p->out.bytes && (p->out.bytes + length > limits->hard ||
                                 (p->over_since && wheel_since(p->over_since) > limits->time));
    if (!over)
        return HUB_OK;
    row *counters = connections_row();
    if (limits->policy == HUB_POLICY_SKIP) {
        row_count(&counters->dropped, 1);
        return HUB_EFULL;
    }
    if (limits->policy == HUB_POLICY_BLOCK && may_block) {
        p->refused = true;
        return HUB_EAGAIN;
    }
    row_count(&counters->closed_slow, 1);
    engine_close(e, SIO_TRANSPORT_ERROR);
    return HUB_EFULL;
}

static hub_status queued(engine *e, hub_status status)
{
    polling *p = e->polling;
    if (status != HUB_OK) {
        engine_close(e, SIO_TRANSPORT_ERROR); /* a hole must not be sent */
        return status;
    }
    if (p->out.bytes > e->endpoint->limits.soft && !p->over_since) {
        uint32_t now = wheel_now();
        p->over_since = now ? now : UINT32_MAX;
    }
    if (p->poll)
        engine_mark(e);
    return HUB_OK;
}

static hub_status sent(engine *e, hub_status status)
{
    if (status == HUB_OK)
        row_count(&connections_row()->messages_out, 1);
    return queued(e, status);
}

hub_status polling_send(engine *e, hub_bytes head, hub_bytes body)
{
    hub_status status = admit(e, head.length + body.length, true);
    return status == HUB_OK ? sent(e, output_append(&e->polling->out, head, body)) : status;
}

hub_status polling_send_chunk(engine *e, chunk *frames, bool may_block)
{
    hub_status status = admit(e, frames->length, may_block);
    return status == HUB_OK ? sent(e, output_push(&e->polling->out, chunk_hold(frames))) : status;
}

void polling_write(engine *e, hub_bytes frame)
{
    if (output_append(&e->polling->out, frame, hub_bytes_of(NULL, 0)) == HUB_OK) {
        if (e->polling->poll)
            engine_mark(e);
        return;
    }
    e->lingers = false;
    engine_close(e, SIO_TRANSPORT_ERROR);
}

hub_status polling_wait(engine *e, double timeout)
{
    polling *p = e->polling;
    engine_waiter self = {.next = p->waiters, .greenlet = greenlet_current()};
    if (!self.greenlet)
        return HUB_ESTATE;
    p->waiters = &self;
    hub_status status = greenlet_park("the client to poll", timeout);
    if (self.gone)
        return status;
    for (engine_waiter **at = &p->waiters; *at; at = &(*at)->next)
        if (*at == &self) {
            *at = self.next;
            break;
        }
    return status;
}

bool polling_is_writable(const engine *e)
{
    return e->polling->poll && e->polling->out.bytes <= e->endpoint->limits.soft;
}

/* ---- polls ---- */

/* Takes frames off the queue's front, as many as one answer may have, as a payload in a buffer of the
 * worker. */
static hub_status take_payload(engine *e, hub_bytes *payload)
{
    enum { KEPT = 256 * 1024 };
    static buffer made;
    polling *p = e->polling;
    unsigned limit = e->endpoint->packets_a_poll, count = 0;
    struct iovec iov;
    buffer_clear(&made);
    if (made.capacity > KEPT)
        buffer_free(&made);
    while ((!limit || count < limit) && output_gather(&p->out, &iov, 1) == 1) {
        hub_bytes rest = hub_bytes_of(iov.iov_base, iov.iov_len), ahead = rest, message;
        hub_type type;
        while ((!limit || count < limit) && frames_next(&ahead, &type, &message)) {
            /* The stock client acts on a close at once, and on the packets before it only afterwards: the
             * close has an answer of its own. */
            if (count > 0 && type == HUB_TEXT && hub_equal(message, hub_text(close_packet))) {
                limit = count;
                break;
            }
            if (payload_append(&made, type, message) != HUB_OK)
                return HUB_ENOMEM;
            count++;
            rest = ahead;
        }
        output_advance(&p->out, iov.iov_len - rest.length);
    }
    *payload = buffer_bytes(&made);
    return HUB_OK;
}

/* Answers the poll when there is something to say, or when an upgrade waits for its end. */
static void flush(engine *e)
{
    polling *p = e->polling;
    hub_bytes payload = hub_text(noop_packet);
    if (!p->poll || (!p->out.first && !p->probed))
        return;
    if (p->out.first && take_payload(e, &payload) != HUB_OK) {
        e->lingers = false;
        output_clear(&p->out);
        engine_close(e, SIO_TRANSPORT_ERROR);
        payload = hub_text(close_packet);
    }
    answer_poll(e, payload);
    if (p->ping_waits && !p->out.first) {
        p->ping_waits = false;
        engine_ping_left(e);
    }
    if (!e->closed)
        shortened(e);
}

static void run_payload(engine *e);

void polling_step(engine *e)
{
    polling *p = e->polling;
    if (p->post && (!e->paused || e->closed))
        run_payload(e);
    flush(e);
    if (!e->closed)
        return;
    wake(p, HUB_ECLOSED);
    if (p->post)
        answer_post(e);
    socket_end_probe(p);
}

/* Its client has gone while its poll, or its POST, waited. */
static void on_gone(hub_http *http, void *keeper)
{
    engine *e = keeper;
    polling *p = e->polling;
    if (p->poll == http) {
        p->poll = NULL;
    } else {
        p->post = NULL;
        chunk_drop(p->payload);
        p->payload = NULL;
    }
    if (!p->probed) /* else it may have left its poll for the WebSocket */
        engine_close(e, SIO_TRANSPORT_ERROR);
}

static void serve_poll(hub_http *http, engine *e)
{
    polling *p = e->polling;
    if (p->poll) { /* one at a time: the first hears of the end */
        request_refuse(e->endpoint, http, REQUEST_BAD);
        engine_close(e, SIO_TRANSPORT_ERROR);
        return;
    }
    p->poll = http;
    http_later(http, on_gone, e);
    flush(e);
    if (e->closed)
        engine_mark(e); /* it has heard of it */
}

/* ---- opening ---- */

static void serve_opening(hub_http *http, const engine_endpoint *endpoint)
{
    engine *e = engine_new(endpoint, http);
    if (!e || polling_open(e) != HUB_OK) {
        if (e)
            engine_free(e);
        http_refuse(http, 503, "the server is full", "Retry-After: 1\r\n");
        return;
    }
    request_set_cookie(e, http);
    e->polling->poll = http;
    http_later(http, on_gone, e);
    engine_open(e, endpoint->upgrades && endpoint->websocket);
    flush(e);
}

/* ---- POST ---- */

/* The packets of a payload, until the session is closed or paused. */
static void run_payload(engine *e)
{
    polling *p = e->polling;
    engine_packet packet;
    payload_result result = PAYLOAD_PACKET;
    while (!e->closed && !e->paused && (result = payload_next(&p->rest, &packet)) == PAYLOAD_PACKET) {
        if (packet.type == EIO_MESSAGE)
            row_count(&connections_row()->messages_in, 1);
        engine_lend(e, p->payload);
        engine_packet_in(e, &packet);
    }
    engine_lend(e, NULL);
    if (result == PAYLOAD_MALFORMED) {
        hub_http *http = p->post;
        p->post = NULL;
        chunk_drop(p->payload);
        p->payload = NULL;
        request_refuse(e->endpoint, http, REQUEST_BAD);
        http_done(http);
        engine_close(e, SIO_PARSE_ERROR);
    } else if (e->closed || !p->rest.data) {
        answer_post(e);
    }
}

/* The body moves to memory in which packets may be held, and decoded in place. */
static void serve_post(hub_http *http, engine *e)
{
    polling *p = e->polling;
    if (e->closed) {
        request_refuse(e->endpoint, http, REQUEST_UNKNOWN_SID);
        return;
    }
    if (p->post) {
        request_refuse(e->endpoint, http, REQUEST_BAD);
        engine_close(e, SIO_TRANSPORT_ERROR);
        return;
    }
    if (!(p->payload = chunk_new(CHUNK_PRIVATE, http->body.length))) {
        http_refuse(http, 503, "the server has no memory", NULL);
        return;
    }
    if (http->body.length)
        memcpy(p->payload->bytes, http->body.data, http->body.length);
    p->payload->length = http->body.length;
    p->rest = hub_bytes_of(p->payload->bytes, p->payload->length);
    p->post = http;
    http_later(http, on_gone, e);
    run_payload(e);
}

void engine_serve(hub_http *http, void *arg)
{
    const engine_endpoint *endpoint = arg;
    engine *e;
    if (hub_equal(http->head.method, hub_text("OPTIONS"))) {
        request_preflight(endpoint, http);
        return;
    }
    request_error problem = request_read(endpoint, http, false, &e);
    if (problem != REQUEST_FINE)
        request_refuse(endpoint, http, problem);
    else if (!e)
        serve_opening(http, endpoint);
    else if (hub_equal(http->head.method, hub_text("POST")))
        serve_post(http, e);
    else
        serve_poll(http, e);
}
