/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/connection.h"

#include "common/log.h"
#include "worker/hub/greenlet.h"
#include "worker/hub/loop.h"
#include "worker/net/backlog.h"
#include "worker/net/input.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GATHER = 128, TIMER_KIND = 0 };
static const double linger_seconds = 2.0;

struct connection_waiter {
    connection_waiter *next;
    greenlet *greenlet;
    bool connection_gone; /* the list it stood in is no more */
};

static struct {
    bool open;
    row *counters;
    connection **all; /* every living connection, in no order */
    uint32_t count, capacity;
    connection *dirty, *kicked, *dead;
} net;

static void count(_Atomic uint64_t *word, uint64_t by)
{
    /* One writer: a plain addition, seen whole by others. */
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + by, memory_order_relaxed);
}

/* ---- the table of all connections ---- */

static hub_status table_add(connection *c)
{
    if (net.count == net.capacity) {
        uint32_t capacity = net.capacity ? net.capacity + net.capacity / 2 : 64;
        connection **all = realloc(net.all, capacity * sizeof *all);
        if (!all)
            return HUB_ENOMEM;
        net.all = all;
        net.capacity = capacity;
    }
    c->index = net.count;
    net.all[net.count++] = c;
    atomic_store_explicit(&net.counters->connections, net.count, memory_order_relaxed);
    return HUB_OK;
}

static void table_remove(const connection *c)
{
    connection *last = net.all[--net.count];
    net.all[c->index] = last;
    last->index = c->index;
    atomic_store_explicit(&net.counters->connections, net.count, memory_order_relaxed);
}

/* ---- watching ---- */

void connection_watch(connection *c)
{
    int events = 0;
    if (c->backlog && !connection_is_paused(c))
        backlog_enter(c);
    if (!c->backlog && !connection_is_paused(c))
        events |= EV_READ;
    if (c->want_write)
        events |= EV_WRITE;
    if (events == (c->io.events & (EV_READ | EV_WRITE)) && (events == 0 || ev_is_active(&c->io)))
        return;
    ev_io_stop(loop_ev(), &c->io);
    ev_io_modify(&c->io, events);
    if (events)
        ev_io_start(loop_ev(), &c->io);
}

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
    if (!c->waiters || (c->limits && c->out.bytes > c->limits->soft / 2))
        return;
    for (connection_waiter *w = c->waiters; w; w = w->next)
        greenlet_wake(w->greenlet, HUB_OK);
}

/* ---- writing ---- */

static void mark_dirty(connection *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    c->next_dirty = net.dirty;
    net.dirty = c;
}

static void end_of_output(connection *c)
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
static void flush(connection *c)
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
        count(&net.counters->bytes_out, (uint64_t)sent);
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
    end_of_output(c);
}

static bool flush_step(void *arg)
{
    (void)arg;
    while (net.dirty) {
        connection *c = net.dirty;
        net.dirty = c->next_dirty;
        c->dirty = false;
        if (c->next_dirty)
            __builtin_prefetch(&c->next_dirty->out);
        if (!c->closed && !c->want_write)
            flush(c);
    }
    return false;
}

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
        count(&net.counters->dropped, 1);
        return HUB_EFULL;
    }
    if (limits->policy == HUB_POLICY_BLOCK && may_block)
        return HUB_EAGAIN;
    count(&net.counters->closed_slow, 1);
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

hub_status connection_write_chunk(connection *c, chunk *piece)
{
    if (c->closed || c->finishing) {
        chunk_drop(piece);
        return HUB_ECLOSED;
    }
    return queued(c, output_push(&c->out, piece));
}

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

/* ---- reading ---- */

static void readable(connection *c)
{
    size_t room = 0;
    unsigned char *to = NULL;
    if (c->protocol->room && !c->finishing)
        to = c->protocol->room(c, &room);
    if (!to)
        to = input_room(&room);
    if (!to) {
        connection_close(c);
        return;
    }
    ssize_t n = c->transport->read(c->io.fd, to, room);
    if (n > 0) {
        c->last_seen = wheel_now();
        count(&net.counters->bytes_in, (uint64_t)n);
        if (!c->finishing) /* else nobody wants them: what was refused is never read as something else */
            c->protocol->on_bytes(c, to, (size_t)n);
    } else if (n == 0) {
        if (c->lingering)
            connection_close(c);
        else if (c->finishing)
            connection_pause(c, true); /* until the rest is written */
        else
            c->protocol->on_end(c);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        connection_close(c);
    }
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    connection *c = (connection *)io; /* its first member */
    if (events & EV_WRITE) {
        c->want_write = false;
        flush(c);
        if (!c->closed && !c->want_write)
            connection_watch(c);
    }
    if ((events & EV_READ) && !c->closed && !c->backlog && !connection_is_paused(c))
        readable(c);
}

/* The last of a turn's steps, so that what the others get has left. */
static bool backlog_step(void *arg)
{
    (void)arg;
    return backlogs_serve() || net.dirty || net.kicked || net.dead;
}

void connection_pause(connection *c, bool paused)
{
    if (c->paused_protocol == paused || c->closed)
        return;
    c->paused_protocol = paused;
    connection_watch(c);
}

/* ---- kicks and timers ---- */

void connection_kick(connection *c)
{
    if (c->kicked || c->closed || !c->protocol->on_kick)
        return;
    c->kicked = true;
    c->next_kicked = net.kicked;
    net.kicked = c;
}

void connection_kick_when_empty(connection *c)
{
    if (c->out.first)
        c->kick_when_empty = true;
    else
        connection_kick(c);
}

static bool kick_step(void *arg)
{
    (void)arg;
    connection *list = net.kicked;
    net.kicked = NULL;
    while (list) {
        connection *c = list;
        list = c->next_kicked;
        c->kicked = false;
        if (c->closed) {
            c->next_kicked = net.dead;
            net.dead = c;
        } else if (c->protocol->on_kick) { /* it may have been exchanged since the kick */
            c->protocol->on_kick(c);
        }
    }
    return net.kicked != NULL;
}

static void on_timer(wheel_timer *timer)
{
    connection *c = (connection *)((char *)timer - offsetof(connection, timer));
    if (c->closed)
        return;
    if (c->lingering)
        connection_close(c);
    else
        c->protocol->on_timer(c);
}

void connection_time(connection *c, double seconds)
{
    if (c->closed || seconds < 0)
        wheel_cancel(&c->timer);
    else
        wheel_arm(&c->timer, seconds);
}

/* ---- opening and closing ---- */

hub_status connection_adopt(connection **out, int fd, const transport *below, const protocol *above,
                            const connection_limits *limits, void *state)
{
    connection *c = calloc(1, sizeof *c);
    if (!c || table_add(c) != HUB_OK) {
        free(c);
        close(fd);
        return HUB_ENOMEM;
    }
    c->transport = below;
    connection_become(c, above, limits, state);
    c->timer.kind = TIMER_KIND;
    c->last_seen = wheel_now();
    ev_io_init(&c->io, on_io, fd, EV_READ);
    ev_io_start(loop_ev(), &c->io);
    *out = c;
    return HUB_OK;
}

hub_status connection_new(connection **out, int fd, const transport *below, const protocol *above,
                          const connection_limits *limits, void *state)
{
    hub_status status = connection_adopt(out, fd, below, above, limits, state);
    if (status == HUB_OK)
        count(&net.counters->accepted, 1);
    return status;
}

void connection_become(connection *c, const protocol *above, const connection_limits *limits, void *state)
{
    c->protocol = above;
    c->limits = limits;
    c->state = state;
    c->wrote = false;
}

void connection_finish(connection *c)
{
    if (c->closed || c->finishing)
        return;
    c->finishing = true;
    for (connection_waiter *w = c->waiters; w; w = w->next)
        greenlet_wake(w->greenlet, HUB_ECLOSED);
    if (!c->out.first)
        end_of_output(c);
}

void connection_cut(connection *c)
{
    if (c->closed)
        return;
    output_cut(&c->out);
    connection_finish(c);
}

/* All of closing but for the descriptor. */
static void end(connection *c)
{
    c->closed = true;
    ev_io_stop(loop_ev(), &c->io);
    wheel_cancel(&c->timer);
    backlog_drop(c);
    output_clear(&c->out);
    table_remove(c);
    while (c->waiters) {
        connection_waiter *w = c->waiters;
        c->waiters = w->next;
        w->connection_gone = true;
        greenlet_wake(w->greenlet, HUB_ECLOSED);
    }
    if (!c->kicked) { /* else kick_step lays it to the dead */
        c->next_kicked = net.dead;
        net.dead = c;
    }
}

void connection_close(connection *c)
{
    if (c->closed)
        return;
    end(c);
    close(c->io.fd);
}

int connection_detach(connection *c)
{
    if (c->closed)
        return -1;
    end(c);
    loop_forget(c->io.fd);
    return c->io.fd;
}

void connection_reset(connection *c)
{
    static const struct linger hard = {.l_onoff = 1, .l_linger = 0};
    if (!c->closed)
        setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    connection_close(c);
}

static bool bury_step(void *arg)
{
    (void)arg;
    connection *list = net.dead;
    net.dead = NULL;
    while (list) {
        connection *c = list;
        list = c->next_kicked;
        c->protocol->on_gone(c);
        free(c->peer);
        free(c);
    }
    /* The last step: what flushing kicked and what close handlers said must not wait for the next event. */
    return net.kicked || net.dirty || net.dead;
}

hub_status connection_set_peer(connection *c, const char *peer)
{
    char *copy = strdup(peer);
    if (!copy)
        return HUB_ENOMEM;
    free(c->peer);
    c->peer = copy;
    return HUB_OK;
}

const char *connection_peer(const connection *c, char text[64])
{
    if (c->peer) {
        snprintf(text, 64, "%s", c->peer);
        return text;
    }
    return c->closed ? strcpy(text, "?") : connection_peer_of(c->io.fd, text);
}

const char *connection_peer_of(int fd, char text[64])
{
    struct sockaddr_storage storage = {0};
    socklen_t length = sizeof storage;
    char host[INET6_ADDRSTRLEN] = "?";
    if (getpeername(fd, (struct sockaddr *)&storage, &length) < 0)
        return strcpy(text, "?");
    if (storage.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&storage;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(text, 64, "%s:%u", host, ntohs(v4->sin_port));
    } else if (storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&storage;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(text, 64, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        strcpy(text, "unix:");
    }
    return text;
}

/* ---- the floor ---- */

hub_status connections_open(row *counters, error *why)
{
    if (net.open)
        return error_set(why, HUB_ESTATE, "connections are open already in this process");
    net.counters = counters;
    backlogs_open();
    hub_status status = wheel_open();
    if (status != HUB_OK)
        return error_set(why, status, "timer wheel: no loop is open");
    wheel_handle(TIMER_KIND, on_timer);
    net.open = true;
    /* Kicks make output, flushing finds the dead, burying comes last; then there is time for backlogs. */
    if (loop_add_step(LOOP_BEFORE_POLL, "kick", kick_step, NULL) != HUB_OK ||
        loop_add_step(LOOP_BEFORE_POLL, "flush", flush_step, NULL) != HUB_OK ||
        loop_add_step(LOOP_BEFORE_POLL, "bury", bury_step, NULL) != HUB_OK ||
        loop_add_step(LOOP_BEFORE_POLL, "backlogs", backlog_step, NULL) != HUB_OK)
        return error_set(why, HUB_EFULL, "the hub's table of steps is full");
    return HUB_OK;
}

void connections_close(void)
{
    if (!net.open)
        return;
    connections_abort();
    kick_step(NULL);
    bury_step(NULL);
    free(net.all);
    memset(&net, 0, sizeof net);
    wheel_close();
    output_trim();
    chunk_trim();
    input_trim();
}

row *connections_row(void)
{
    return net.counters;
}

size_t connections_count(void)
{
    return net.count;
}

void connections_drain(void)
{
    for (uint32_t i = net.count; i-- > 0;)
        if (i < net.count)
            net.all[i]->protocol->on_drain(net.all[i]);
}

void connections_abort(void)
{
    while (net.count)
        connection_close(net.all[net.count - 1]);
}
