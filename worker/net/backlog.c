/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/backlog.h"

#include "common/clock.h"
#include "worker/net/input.h"

#include <stdlib.h>

/* What is handed on of a backlog at once, and how long a turn may last for all of them. */
enum { PIECE = 4096 };
static const uint64_t turn_ns = UINT64_C(50) * 1000;

struct connection_backlog {
    connection *owner;
    connection_backlog *next, *previous; /* in the ring; NULL: its owner is paused */
    size_t at, length;                   /* bytes[at … length) wait */
    unsigned char bytes[];
};

static connection_backlog ring; /* its head: no backlog itself */

void backlogs_open(void)
{
    ring.next = ring.previous = &ring;
}

static bool ring_is_empty(void)
{
    return ring.next == &ring;
}

void backlog_enter(connection *c)
{
    connection_backlog *b = c->backlog;
    if (!b || b->next)
        return;
    b->next = &ring;
    b->previous = ring.previous;
    b->previous->next = ring.previous = b;
}

static void leave(connection_backlog *b)
{
    if (!b->next)
        return;
    b->previous->next = b->next;
    b->next->previous = b->previous;
    b->next = b->previous = NULL;
}

void backlog_drop(connection *c)
{
    if (!c->backlog)
        return;
    leave(c->backlog);
    free(c->backlog);
    c->backlog = NULL;
}

/* Room for `length` bytes in front of those that wait. False without memory. */
static bool make_room(connection *c, size_t length)
{
    const connection_backlog *b = c->backlog;
    if (b && b->at >= length) /* where these bytes, or older ones, stood before */
        return true;
    size_t waiting = b ? b->length - b->at : 0;
    connection_backlog *larger = malloc(sizeof *larger + length + waiting);
    if (!larger)
        return false;
    *larger = (connection_backlog){.owner = c, .at = length, .length = length + waiting};
    if (b)
        memcpy(larger->bytes + length, b->bytes + b->at, waiting);
    backlog_drop(c);
    c->backlog = larger;
    return true;
}

void connection_defer(connection *c, const void *data, size_t length)
{
    if (c->closed || length == 0)
        return;
    if (!make_room(c, length)) {
        connection_close(c);
        return;
    }
    connection_backlog *b = c->backlog;
    b->at -= length;
    memcpy(b->bytes + b->at, data, length);
    connection_watch(c);
}

hub_bytes connection_deferred(const connection *c)
{
    const connection_backlog *b = c->backlog;
    return b ? hub_bytes_of(b->bytes + b->at, b->length - b->at) : hub_bytes_of(NULL, 0);
}

static void serve(connection *c)
{
    connection_backlog *b = c->backlog;
    size_t room, piece = b->length - b->at;
    unsigned char *to = input_room(&room);
    if (!to) {
        connection_close(c);
        return;
    }
    if (piece > PIECE)
        piece = PIECE;
    memcpy(to, b->bytes + b->at, piece);
    b->at += piece;
    if (!c->finishing)
        c->protocol->on_bytes(c, to, piece);
    if (c->backlog && (c->finishing || c->backlog->at == c->backlog->length))
        backlog_drop(c);
    if (!c->closed)
        connection_watch(c);
}

bool backlogs_serve(void)
{
    if (ring_is_empty())
        return false;
    uint64_t end = clock_monotonic_ns() + turn_ns;
    const connection_backlog *last = ring.previous;
    do {
        connection_backlog *b = ring.next;
        bool was_last = b == last;
        leave(b);
        if (!connection_is_paused(b->owner)) /* else it enters again when its owner goes on */
            serve(b->owner);
        if (was_last)
            break;
    } while (!ring_is_empty() && clock_monotonic_ns() < end);
    return !ring_is_empty();
}
