/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/loop.h"

#include "common/clock.h"
#include "worker/hub/backend.h"
#include "worker/hub/control.h"
#include "worker/hub/overflow.h"
#include "worker/hub/stack.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>

enum { PHASES = 2, STEPS_MAX = 8 };

typedef struct step {
    const char *name;
    loop_step run;
    void *arg;
} step;

typedef struct step_table {
    step steps[STEPS_MAX];
    size_t count;
} step_table;

static struct ev_loop *ev;
static step_table phases[PHASES];
static const char *doing = "nothing"; /* the step or part of the turn in progress, for dumps */
static bool running, stopping;
static uint64_t turns;
static _Atomic uint64_t *published;
static ev_check after_poll;
double loop_time;

static void read_clock(void)
{
    loop_time = (double)clock_monotonic_ns() / (double)CLOCK_NS_PER_S;
}

/* Runs before all other watchers of a turn, because its priority is the highest. */
static void on_polled(struct ev_loop *loop, ev_check *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
    read_clock();
}

hub_status loop_open(const loop_options *options, error *why)
{
    if (ev)
        return error_set(why, HUB_ESTATE, "this process has a loop already");
    hub_status status = stacks_open(options->stack_size, options->max_greenlets, options->guard, why);
    if (status != HUB_OK)
        return status;
    status = overflow_install(why);
    if (status != HUB_OK)
        goto close_stacks;
    /* Never libev's default loop: it reaps the children of an application. */
    backend_expect();
    ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV | EVFLAG_NOINOTIFY | EVFLAG_NOTIMERFD);
    if (!ev) {
        status = error_set(why, HUB_ESYSTEM, "cannot make an event loop on epoll: %s", strerror(errno));
        goto remove_overflow;
    }
    /* An active watcher of our own also makes libev block when there is no other. */
    ev_check_init(&after_poll, on_polled);
    ev_set_priority(&after_poll, EV_MAXPRI);
    ev_check_start(ev, &after_poll);
    memset(phases, 0, sizeof(phases));
    greenlets_open();
    turns = 0;
    stopping = false;
    read_clock();
    return HUB_OK;

remove_overflow:
    backend_close();
    overflow_remove();
close_stacks:
    stacks_close();
    return status;
}

void loop_close(void)
{
    if (!ev)
        return;
    greenlets_close();
    ev_check_stop(ev, &after_poll);
    ev_loop_destroy(ev);
    backend_close();
    ev = NULL;
    published = NULL;
    overflow_remove();
    stacks_close();
}

struct ev_loop *loop_ev(void)
{
    return ev;
}

void loop_forget(int fd)
{
    int backend = backend_descriptor();
    if (backend >= 0)
        epoll_ctl(backend, EPOLL_CTL_DEL, fd, NULL);
}

hub_status loop_add_step(loop_phase which, const char *name, loop_step run, void *arg)
{
    step_table *phase = &phases[which];
    if (phase->count == STEPS_MAX)
        return HUB_EFULL;
    phase->steps[phase->count++] = (step){.name = name, .run = run, .arg = arg};
    return HUB_OK;
}

/* True when a step has more to do. */
static bool run_steps(loop_phase which)
{
    step_table *phase = &phases[which];
    bool more = false;
    for (size_t i = 0; i < phase->count; i++) {
        doing = phase->steps[i].name;
        if (phase->steps[i].run(phase->steps[i].arg))
            more = true;
    }
    return more;
}

static void publish_turn(void)
{
    turns++;
    if (published)
        atomic_store_explicit(published, turns, memory_order_relaxed);
}

hub_status loop_run(void)
{
    if (!ev || running || greenlet_current())
        return HUB_ESTATE;
    running = true;
    for (;;) {
        bool more = run_steps(LOOP_AFTER_POLL);
        doing = "ready greenlets";
        greenlets_run_ready();
        more |= run_steps(LOOP_BEFORE_POLL);
        publish_turn();
        if (stopping)
            break;
        doing = "poll";
        ev_run(ev, more || greenlet_any_ready() ? EVRUN_NOWAIT : EVRUN_ONCE);
    }
    doing = "nothing";
    running = stopping = false;
    return HUB_OK;
}

void loop_stop(void)
{
    stopping = true;
}

uint64_t loop_turns(void)
{
    return turns;
}

void loop_publish_turns(_Atomic uint64_t *word)
{
    published = word;
}

double loop_now(void)
{
    return loop_time;
}

const char *loop_doing(void)
{
    return doing;
}
