/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/sending.h"

#include "worker/hub/greenlet.h"

#include <errno.h>

enum { GATHER = 128 };
static const double linger_seconds = 2.0;

struct connection_waiter {
    connection_waiter *next;
    greenlet *greenlet;
    bool connection_gone; /* the list it stood in is no more */
};

static connection *dirty; /* with output to flush */

static void set_want_write(connection *c, bool want)
{
    if (c->want_write != want) {
        c->want_write = want;
        connection_watch(c);
    }
}

/* A client that does not take its answers is not read further: its own requests are what fills its queue. */
static void pace(connection *c)
{
    bool pause = c->limits && !c->lingering &&
                 (c->paused_output ? c->out.bytes > c->limits->soft / 2 : c->out.bytes > c->limits->soft);
    if (!pause) {
        c->over_since = 0;
    } else if (c->over_since == 0) {
        uint32_t now = wheel_now();
        c->over_since = now ? now : UINT32_MAX; /* never 0: a tick before it */
    }
    if (pause == c->paused_output)
        return;
    c->paused_output = pause;
    connection_watch(c);
    if (!pause)
        connection_kick(c);
}

/* Some of the queue has left. A sender may wait though it was never over the soft limit: for room for a large
 * message. */
static void shortened(connection *c)
{
    if (c->over_since || c->paused_output)
        pace(c);
    if (!(c->waiters || c->refused) || (c->limits && c->out.bytes > c->limits->soft / 2))
        return;
    if (c->refused) {
        c->refused = false;
        connection_kick(c);
    }
    sending_wake(c, HUB_OK);
}

/* ---- flushing ---- */

static void mark_dirty(connection *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    c->next_dirty = dirty;
    dirty = c;
}

void sending_ended(connection *c)
{
    if (c->kick_when_empty) {
        c->kick_when_empty = false;
        connection_kick(c);
    }
    if (!c->finishing || c->lingering)
        return;
    c->lingering = true;
    c->paused_protocol = c->paused_output = false;
    if (c->transport->end_writing(c->io.fd) < 0) {
        connection_close(c);
        return;
    }
    connection_time(c, linger_seconds);
    connection_watch(c);
}

/* One system call in the usual case: a short count says that the socket is full, so it is not asked twice. */
void sending_flush(connection *c)
{
    struct iovec iov[GATHER];
    while (c->out.first) {
        size_t wanted = 0;
        ssize_t sent;
        int n = output_gather(&c->out, iov, GATHER);
        if (n > 0) {
            for (int i = 0; i < n; i++)
                wanted += iov[i].iov_len;
            sent = c->transport->write(c->io.fd, iov, n);
        } else {
            chunk *file = output_front_file(&c->out);
            wanted = file->length;
            sent = c->transport->send_file(c->io.fd, file->fd, file->offset, file->length);
            if (sent == 0 && wanted > 0) { /* the file shrank: the promised length cannot be kept */
                connection_close(c);
                return;
            }
        }
        if (sent < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                connection_close(c);
                return;
            }
            set_want_write(c, true);
            return;
        }
        row_count(&connections_row()->bytes_out, (uint64_t)sent);
        output_advance(&c->out, (size_t)sent);
        c->wrote = true;
        shortened(c);
        if ((size_t)sent < wanted) {
            set_want_write(c, true);
            return;
        }
    }
    if (c->want_write)
        set_want_write(c, false);
    sending_ended(c);
}

bool sending_waits(void)
{
    return dirty != NULL;
}

void sending_close(void)
{
    dirty = NULL;
}

bool sending_step(void *arg)
{
    (void)arg;
    while (dirty) {
        connection *c = dirty;
        dirty = c->next_dirty;
        c->dirty = false;
        if (c->next_dirty)
            __builtin_prefetch(&c->next_dirty->out);
        if (!c->closed && !c->want_write)
            sending_flush(c);
    }
    return false;
}

/* ---- queueing ---- */

/* The queue's answer to one more message of `length` bytes. */
static hub_status admit(connection *c, size_t length, bool may_block)
{
    if (c->closed || c->finishing)
        return HUB_ECLOSED;
    const connection_limits *limits = c->limits;
    if (!limits || c->out.bytes == 0)
        return HUB_OK;
    bool over =
        c->out.bytes + length > limits->hard || (c->over_since && wheel_since(c->over_since) > limits->time);
    if (__builtin_expect(!over, 1))
        return HUB_OK;
    if (limits->policy == HUB_POLICY_SKIP) {
        row_count(&connections_row()->dropped, 1);
        return HUB_EFULL;
    }
    if (limits->policy == HUB_POLICY_BLOCK && may_block) {
        c->refused = true;
        return HUB_EAGAIN;
    }
    row_count(&connections_row()->closed_slow, 1);
    c->protocol->on_overflow(c);
    return HUB_EFULL;
}

/* After something was queued. */
static hub_status queued(connection *c, hub_status status)
{
    if (status != HUB_OK) {
        connection_close(c);
        return status;
    }
    if (c->limits && c->out.bytes > c->limits->soft)
        pace(c);
    mark_dirty(c);
    return HUB_OK;
}

hub_status connection_send(connection *c, hub_bytes head, hub_bytes body)
{
    hub_status status = admit(c, head.length + body.length, true);
    return status == HUB_OK ? queued(c, output_append(&c->out, head, body)) : status;
}

hub_status connection_send_body(connection *c, hub_bytes head, chunk *body)
{
    hub_status status = admit(c, head.length + body->length, true);
    if (status != HUB_OK)
        return status;
    chunk *both = chunk_new_pair(head, body);
    return queued(c, both ? output_push(&c->out, both) : HUB_ENOMEM);
}

hub_status connection_write(connection *c, hub_bytes bytes)
{
    if (c->closed || c->finishing)
        return HUB_ECLOSED;
    return queued(c, output_append(&c->out, bytes, hub_bytes_of(NULL, 0)));
}

hub_status connection_send_shared(connection *c, chunk *piece)
{
    hub_status status = admit(c, piece->length, false);
    return status == HUB_OK ? queued(c, output_push(&c->out, chunk_hold(piece))) : status;
}

hub_status connection_send_chunk(connection *c, chunk *piece)
{
    hub_status status = admit(c, piece->length, true);
    return status == HUB_OK ? queued(c, output_push(&c->out, chunk_hold(piece))) : status;
}

hub_status connection_write_chunk(connection *c, chunk *piece)
{
    if (c->closed || c->finishing) {
        chunk_drop(piece);
        return HUB_ECLOSED;
    }
    return queued(c, output_push(&c->out, piece));
}

void connection_kick_when_empty(connection *c)
{
    if (c->out.first)
        c->kick_when_empty = true;
    else
        connection_kick(c);
}

/* ---- who waits for room ---- */

hub_status connection_wait_writable(connection *c, double timeout)
{
    if (c->closed)
        return HUB_ECLOSED;
    connection_waiter self = {.next = c->waiters, .greenlet = greenlet_current()};
    if (!self.greenlet)
        return HUB_ESTATE;
    c->waiters = &self;
    hub_status status = greenlet_park("the client to read", timeout);
    if (self.connection_gone)
        return HUB_ECLOSED;
    for (connection_waiter **at = &c->waiters; *at; at = &(*at)->next)
        if (*at == &self) {
            *at = self.next;
            break;
        }
    return status;
}

void sending_wake(connection *c, hub_status status)
{
    for (connection_waiter *w = c->waiters; w; w = w->next)
        greenlet_wake(w->greenlet, status);
}

void sending_abandon(connection *c)
{
    while (c->waiters) {
        connection_waiter *w = c->waiters;
        c->waiters = w->next;
        w->connection_gone = true;
        greenlet_wake(w->greenlet, HUB_ECLOSED);
    }
}
