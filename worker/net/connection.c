/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/connection.h"

#include "common/log.h"
#include "worker/hub/loop.h"
#include "worker/net/backlog.h"
#include "worker/net/input.h"
#include "worker/net/sending.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TIMER_KIND = 0 };

static struct {
    bool open;
    row *counters;
    connection **all; /* every living connection, in no order */
    uint32_t count, capacity;
    connection *kicked, *dead;
} net;

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
        row_count(&net.counters->bytes_in, (uint64_t)n);
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
        sending_flush(c);
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
    return backlogs_serve() || sending_waits() || net.kicked || net.dead;
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
        row_count(&net.counters->accepted, 1);
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
    sending_wake(c, HUB_ECLOSED);
    if (!c->out.first)
        sending_ended(c);
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
    sending_abandon(c);
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
    return net.kicked || sending_waits() || net.dead;
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
        loop_add_step(LOOP_BEFORE_POLL, "flush", sending_step, NULL) != HUB_OK ||
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
    sending_close();
    wheel_close();
    output_trim();
    chunk_trim();
    input_trim();
}

row *connections_row(void)
{
    return net.counters;
}

bool connection_has_unread(const connection *c)
{
    int waiting = 0;
    return c->backlog || (ioctl(c->io.fd, FIONREAD, &waiting) == 0 && waiting > 0);
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
