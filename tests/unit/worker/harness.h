/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's inside for tests: a loop, connections and a host log in this process, clients on socket pairs,
 * and a transport that takes as little as a test wants.
 */
#ifndef TESTS_UNIT_WORKER_HARNESS_H
#define TESTS_UNIT_WORKER_HARNESS_H

#include "bus/bus.h"
#include "common/clock.h"
#include "worker/hub/greenlet.h"
#include "worker/hub/loop.h"
#include "worker/net/connection.h"
#include "worker/rooms/fanout.h"
#include "worker/rooms/session.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the worker ---- */

static struct world {
    region shared;
    unsigned row;
    bus *bus;
    bool (*done)(void *arg); /* ends world_until */
    void *arg;
    unsigned turns_left; /* ends world_turn */
    bool late;
    ev_timer deadline;
} world;

static inline row *world_row(void)
{
    return &world.shared.rows[world.row];
}

static inline bool world_step(void *arg)
{
    (void)arg;
    if (world.turns_left && --world.turns_left == 0)
        loop_stop();
    if (world.done && world.done(world.arg))
        loop_stop();
    return world.turns_left > 0;
}

static inline void world_on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    world.late = true;
    loop_stop();
}

/* `max_greenlets` 0: no limit. */
static inline void world_open_with(unsigned max_greenlets)
{
    error why = {HUB_OK, ""};
    memset(&world, 0, sizeof world);
    if (region_create(&world.shared, 1 << 20, &why) != HUB_OK ||
        region_claim_row(&world.shared, 0, 1, &world.row) != HUB_OK ||
        loop_open(&(loop_options){.stack_size = 256 * 1024, .max_greenlets = max_greenlets}, &why) !=
            HUB_OK ||
        connections_open(world_row(), &why) != HUB_OK ||
        bus_open(&world.bus, &world.shared, world.row, &why) != HUB_OK ||
        fanout_open(world.bus, row_incarnation(atomic_load(&world_row()->word)), &why) != HUB_OK ||
        loop_add_step(LOOP_BEFORE_POLL, "test", world_step, NULL) != HUB_OK)
        fail_msg("%s", why.text);
}

static inline int world_open(void **state)
{
    (void)state;
    world_open_with(0);
    return 0;
}

static inline int world_close(void **state)
{
    (void)state;
    connections_close();
    fanout_close();
    bus_close(world.bus);
    loop_close();
    region_close(&world.shared);
    return 0;
}

/* Turns the hub until the condition holds; it sleeps as it does in a worker when there is nothing to do.
 * False: half a minute was not enough. */
static inline bool world_until(bool (*done)(void *arg), void *arg)
{
    if (done(arg))
        return true;
    world.done = done;
    world.arg = arg;
    world.late = false;
    ev_timer_init(&world.deadline, world_on_deadline, 30., 0.);
    ev_now_update(loop_ev());
    ev_timer_start(loop_ev(), &world.deadline);
    loop_run();
    ev_timer_stop(loop_ev(), &world.deadline);
    world.done = NULL;
    return !world.late;
}

/* So many turns, each with a poll that does not sleep. */
static inline void world_turn(unsigned turns)
{
    world.turns_left = turns + 1;
    loop_run();
}

static inline bool is_set(void *flag)
{
    return *(bool *)flag;
}

static inline bool no_connections(void *arg)
{
    (void)arg;
    return connections_count() == 0;
}

/* ---- a transport of the test's own ---- */

static struct fake {
    unsigned writes, reads, files;
    unsigned entries;    /* of the last write */
    size_t takes;        /* of one write at most */
    size_t room;         /* of all that follow; then EAGAIN */
    int error;           /* of the next write, once */
    unsigned interrupts; /* EINTR so often first */
} fake;

static inline void fake_reset(void)
{
    fake = (struct fake){.takes = SIZE_MAX, .room = SIZE_MAX};
}

static inline bool fake_fails(void)
{
    if (fake.interrupts) {
        fake.interrupts--;
        errno = EINTR;
        return true;
    }
    if (fake.error) {
        errno = fake.error;
        fake.error = 0;
        return true;
    }
    if (fake.room == 0) {
        errno = EAGAIN;
        return true;
    }
    return false;
}

static inline ssize_t fake_read(int fd, void *to, size_t length)
{
    fake.reads++;
    return recv(fd, to, length, 0);
}

static inline ssize_t fake_write(int fd, struct iovec *iov, int count)
{
    if (fake_fails())
        return -1;
    fake.writes++;
    fake.entries = (unsigned)count;
    size_t allowed = fake.takes < fake.room ? fake.takes : fake.room, sent = 0;
    for (int i = 0; i < count && allowed; i++) {
        size_t part = iov[i].iov_len < allowed ? iov[i].iov_len : allowed;
        ssize_t n = send(fd, iov[i].iov_base, part, MSG_NOSIGNAL);
        if (n < 0)
            return sent ? (ssize_t)sent : -1;
        sent += (size_t)n;
        allowed -= (size_t)n;
        if ((size_t)n < part)
            break;
    }
    if (fake.room != SIZE_MAX)
        fake.room -= sent;
    return (ssize_t)sent;
}

static inline ssize_t fake_send_file(int fd, int file, off_t offset, size_t length)
{
    if (fake_fails())
        return -1;
    fake.files++;
    size_t allowed = fake.takes < fake.room ? fake.takes : fake.room;
    ssize_t sent = sendfile(fd, file, &offset, length < allowed ? length : allowed);
    if (sent > 0 && fake.room != SIZE_MAX)
        fake.room -= (size_t)sent;
    return sent;
}

static inline int fake_end_writing(int fd)
{
    return shutdown(fd, SHUT_WR);
}

static const transport transport_fake = {
    .name = "fake",
    .read = fake_read,
    .write = fake_write,
    .send_file = fake_send_file,
    .end_writing = fake_end_writing,
};

/* ---- clients ---- */

typedef struct client {
    int fd;
    unsigned char *data; /* what it has read */
    size_t length, capacity;
    size_t wanted; /* client_has */
    bool ended;
    bool cut; /* ended by an error */
} client;

/* Gives the server's end. */
static inline int client_open(client *c)
{
    int ends[2];
    *c = (client){0};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        fail_msg("socketpair: %s", strerror(errno));
    c->fd = ends[0];
    return ends[1];
}

static inline void client_close(client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    free(c->data);
    c->data = NULL;
}

static inline void client_send(client *c, const void *data, size_t length)
{
    ssize_t n = send(c->fd, data, length, MSG_NOSIGNAL);
    if (n != (ssize_t)length)
        fail_msg("a client could send %zd of %zu bytes", n, length);
}

static inline void client_say(client *c, const char *text)
{
    client_send(c, text, strlen(text));
}

/* Reads what is there. */
static inline void client_read(client *c)
{
    for (;;) {
        if (c->capacity - c->length < 65536) {
            c->capacity = (c->capacity + 65536) * 2;
            c->data = realloc(c->data, c->capacity);
            assert_non_null(c->data);
        }
        ssize_t n = recv(c->fd, c->data + c->length, c->capacity - c->length - 1, 0);
        if (n > 0) {
            c->length += (size_t)n;
            continue;
        }
        c->data[c->length] = 0;
        if (n == 0)
            c->ended = true;
        else if (errno != EAGAIN)
            c->ended = c->cut = true;
        return;
    }
}

static inline void client_drop(client *c, size_t length)
{
    memmove(c->data, c->data + length, c->length - length + 1);
    c->length -= length;
}

static inline bool client_has_wanted(void *arg)
{
    client *c = arg;
    client_read(c);
    return c->length >= c->wanted || c->ended;
}

static inline bool client_has_ended(void *arg)
{
    client *c = arg;
    client_read(c);
    return c->ended;
}

/* Turns the hub until so many bytes have come. */
static inline bool client_wait(client *c, size_t length)
{
    c->wanted = length;
    return world_until(client_has_wanted, c) && c->length >= length;
}

static inline bool client_wait_end(client *c)
{
    return world_until(client_has_ended, c);
}

static inline const char *client_text(client *c)
{
    client_read(c);
    return (const char *)c->data;
}

#endif
