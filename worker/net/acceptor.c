/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/acceptor.h"

#include "common/clock.h"
#include "common/log.h"
#include "worker/hub/loop.h"
#include "worker/net/connection.h"

#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <sys/socket.h>

enum { BATCH = 4 }; /* a turn: a flood of new connections must not keep the others waiting */
static const double first_look = 0.005, later_look = 0.025, after_failure = 0.1;
enum { FIRST_LOOKS = 20 };
static const uint64_t members_fresh_ns = 5 * CLOCK_NS_PER_MS;
static const uint64_t boot_grace_ns = CLOCK_NS_PER_S / 2; /* a worker that boots is waited for so long */

/* Another worker as this one sees it. */
typedef struct member {
    unsigned row;
    uint64_t turns_before; /* at the last look */
    bool stuck;            /* it did not turn while connections waited */
    row_word word;
} member;

static struct {
    bool open, armed, waited; /* waited: connections were waiting at the last look */
    acceptor_options options;
    acceptor_listener listeners[ACCEPTOR_LISTENERS_MAX];
    ev_io watchers[ACCEPTOR_LISTENERS_MAX];
    size_t count;
    ev_timer look;
    unsigned looks; /* since it disarmed */
    row *self;
    uint64_t refreshed_ns;
    member members[REGION_ROWS];
    unsigned member_count;
} acceptor;

bool acceptor_may(uint32_t own, uint64_t total, uint32_t members)
{
    uint64_t fair = members ? total / members : total;
    return own <= fair + fair / 32 + 2;
}

static bool is_served(uint16_t slot)
{
    for (unsigned i = 0; i < REGION_ROWS; i++) {
        row_word word = atomic_load_explicit(&acceptor.options.region->rows[i].word, memory_order_relaxed);
        if (row_state_of(word) == ROW_READY && row_slot(word) == slot)
            return true;
    }
    return false;
}

static bool counts(const row *r, row_word word, uint64_t now)
{
    switch (row_state_of(word)) {
    case ROW_READY:
        return atomic_load_explicit(&r->accepting, memory_order_relaxed) != 0;
    case ROW_BOOTING:
        /* It will want its share in a moment. A successor's place is served until then: nobody waits for
         * it. */
        return now - atomic_load_explicit(&r->booted_ns, memory_order_relaxed) < boot_grace_ns &&
               !is_served(row_slot(word));
    default:
        return false;
    }
}

/* Who else accepts. Remembers what was seen of those that are known already. */
static void refresh_members(void)
{
    uint64_t now = clock_monotonic_ns();
    if (now - acceptor.refreshed_ns < members_fresh_ns)
        return;
    acceptor.refreshed_ns = now;
    member before[REGION_ROWS];
    unsigned before_count = acceptor.member_count;
    memcpy(before, acceptor.members, before_count * sizeof *before);
    acceptor.member_count = 0;
    for (unsigned i = 0, known = 0; i < REGION_ROWS; i++) {
        const row *r = &acceptor.options.region->rows[i];
        row_word word = atomic_load_explicit(&r->word, memory_order_relaxed);
        if (i == acceptor.options.row || !counts(r, word, now))
            continue;
        member m = {.row = i, .word = word};
        while (known < before_count && before[known].row < i)
            known++;
        if (known < before_count && before[known].row == i && before[known].word == word) {
            m = before[known];
            if (m.stuck && atomic_load_explicit(&r->turns, memory_order_relaxed) != m.turns_before)
                m.stuck = false;
        }
        acceptor.members[acceptor.member_count++] = m;
    }
}

static bool may_accept(void)
{
    uint32_t own = (uint32_t)connections_count();
    if (own >= acceptor.options.connections)
        return false;
    refresh_members();
    uint64_t total = own;
    uint32_t members = 1;
    for (unsigned i = 0; i < acceptor.member_count; i++) {
        if (acceptor.members[i].stuck)
            continue;
        const row *r = &acceptor.options.region->rows[acceptor.members[i].row];
        total += atomic_load_explicit(&r->connections, memory_order_relaxed);
        members++;
    }
    return acceptor_may(own, total, members);
}

static void set_accepting(bool accepting)
{
    atomic_store_explicit(&acceptor.self->accepting, accepting ? 1 : 0, memory_order_relaxed);
}

static void arm(void)
{
    if (acceptor.armed)
        return;
    acceptor.armed = true;
    ev_timer_stop(loop_ev(), &acceptor.look);
    for (size_t i = 0; i < acceptor.count; i++)
        ev_io_start(loop_ev(), &acceptor.watchers[i]);
}

static void disarm(double look_after)
{
    if (acceptor.armed) {
        acceptor.armed = false;
        acceptor.waited = false;
        acceptor.looks = 0;
        for (size_t i = 0; i < acceptor.count; i++)
            ev_io_stop(loop_ev(), &acceptor.watchers[i]);
    }
    ev_timer_stop(loop_ev(), &acceptor.look);
    ev_timer_set(&acceptor.look, look_after, 0.);
    ev_timer_start(loop_ev(), &acceptor.look);
}

static bool connections_wait(void)
{
    struct pollfd fds[ACCEPTOR_LISTENERS_MAX];
    for (size_t i = 0; i < acceptor.count; i++)
        fds[i] = (struct pollfd){.fd = acceptor.listeners[i].fd, .events = POLLIN};
    return poll(fds, acceptor.count, 0) > 0;
}

/*
 * Connections waited since the last look: whoever did not turn since then, though they wait for him, is not
 * there. One that boots has its grace (counts()).
 */
static void judge_members(void)
{
    for (unsigned i = 0; i < acceptor.member_count; i++) {
        member *m = &acceptor.members[i];
        if (row_state_of(m->word) != ROW_READY)
            continue;
        uint64_t turns =
            atomic_load_explicit(&acceptor.options.region->rows[m->row].turns, memory_order_relaxed);
        m->stuck = acceptor.waited && turns == m->turns_before;
        m->turns_before = turns;
    }
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    set_accepting(connections_count() < acceptor.options.connections);
    bool waits = connections_wait();
    if (waits) {
        refresh_members();
        judge_members();
    }
    acceptor.waited = waits;
    if (may_accept())
        arm();
    else
        disarm(acceptor.looks++ < FIRST_LOOKS ? first_look : later_look);
}

static void on_accept(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    for (int i = 0; i < BATCH; i++) {
        if (!may_accept()) {
            set_accepting(connections_count() < acceptor.options.connections);
            disarm(first_look);
            return;
        }
        int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            acceptor.options.accepted(fd, acceptor.options.arg);
            continue;
        }
        switch (errno) {
        case EAGAIN:
            return;
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
            continue; /* that client is gone already */
        default: {
            const acceptor_listener *listener = &acceptor.listeners[io - acceptor.watchers];
            log_error("cannot accept on %s: %s; %s", listener->name, strerror(errno),
                      errno == EMFILE
                          ? "raise the limit of open files (ulimit -n) or lower --worker-connections"
                          : "trying again in a moment");
            set_accepting(false);
            disarm(after_failure);
            return;
        }
        }
    }
}

hub_status acceptor_open(const acceptor_options *options, const acceptor_listener *listeners, size_t count,
                         error *why)
{
    if (acceptor.open || !loop_ev())
        return error_set(why, HUB_ESTATE, "acceptor: open already, or no loop");
    if (count > ACCEPTOR_LISTENERS_MAX)
        return error_set(why, HUB_EFULL, "more than %d listening addresses", ACCEPTOR_LISTENERS_MAX);
    memset(&acceptor, 0, sizeof acceptor);
    acceptor.open = true;
    acceptor.options = *options;
    acceptor.count = count;
    acceptor.self = &options->region->rows[options->row];
    ev_timer_init(&acceptor.look, on_look, 0., 0.);
    for (size_t i = 0; i < count; i++) {
        acceptor.listeners[i] = listeners[i];
        ev_io_init(&acceptor.watchers[i], on_accept, listeners[i].fd, EV_READ);
    }
    set_accepting(true);
    arm();
    return HUB_OK;
}

void acceptor_empty(int fd, unsigned most)
{
    while (acceptor.open && most-- > 0 && connections_count() < acceptor.options.connections) {
        int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0)
            acceptor.options.accepted(client, acceptor.options.arg);
        else if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO)
            return;
    }
}

void acceptor_close(void)
{
    if (!acceptor.open)
        return;
    acceptor.open = false;
    set_accepting(false);
    if (acceptor.armed)
        for (size_t i = 0; i < acceptor.count; i++)
            ev_io_stop(loop_ev(), &acceptor.watchers[i]);
    acceptor.armed = false;
    ev_timer_stop(loop_ev(), &acceptor.look);
}
