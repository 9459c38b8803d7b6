/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/greenlet.h"

#include "bus/row.h"
#include "worker/hub/control.h"
#include "worker/hub/fibre.h"
#include "worker/hub/loop.h"
#include "worker/hub/overflow.h"
#include "worker/hub/stack.h"

#include <errno.h>
#include <string.h>

enum {
    /* Ended greenlets that keep their touched pages for the next; those beyond give all of them back. */
    POOL_MAX = 1024,
    PAGE = 4096,
    /* Pages that a pooled stack keeps, from its top. */
    KEPT = 2 * PAGE,
    CACHE_LINE = 64,
};

/* An id is {generation 40 | index 24}. */
#define GENERATION_MAX ((UINT64_C(1) << (64 - STACK_INDEX_BITS)) - 1)

/* Longer waits than 30 years are for ever. */
#define TIMEOUT_MAX 1e9

static greenlet *current;
static switch_context hub_context;
static const void *hub_low; /* bounds of the hub's own stack, for AddressSanitizer */
static size_t hub_size;

static greenlet *pool; /* ended, with their control blocks intact; last in first out */
static size_t pool_count;
static uint64_t generation_floor; /* greatest generation on any stack whose control block is gone */

static greenlet *ready_first, *ready_last;
static size_t ready_count, alive_count;
static uint64_t switches;

static greenlet *dead;   /* the one that ended last, not in the pool yet */
static int *errno_place; /* of the thread that the loop belongs to */

static row *published;

/* ---- the life of a greenlet -----------------------------------------------------------------------------*/

greenlet *greenlet_at(uint32_t index)
{
    return (greenlet *)(stack_top(index) - sizeof(greenlet));
}

static uint64_t generation_of(hub_greenlet id)
{
    return id >> STACK_INDEX_BITS;
}

static void push_ready(greenlet *g)
{
    g->state = GREENLET_READY;
    g->next = NULL;
    *(ready_last ? &ready_last->next : &ready_first) = g;
    ready_last = g;
    ready_count++;
}

static greenlet *pop_ready(void)
{
    greenlet *g = ready_first;
    ready_first = g->next;
    if (!ready_first)
        ready_last = NULL;
    ready_count--;
    return g;
}

/*
 * The two halves of a switch. Each does what it has to do before it changes stacks and nothing after, so that
 * the compiler makes the change a jump: the processor predicts it, while a return that follows a change of
 * stacks is always mispredicted.
 */

/* Runs a greenlet until it parks, yields or ends; false when it ended. In hub context. */
static inline bool enter(greenlet *g, hub_status status)
{
    void *fake_stack = NULL;
    g->state = GREENLET_RUNNING;
    current = g;
    switches++;
    *errno_place = g->saved_errno;
    if (published) {
        memcpy(published->running, g->name, sizeof(published->running));
        atomic_store_explicit(&published->greenlets, (uint32_t)alive_count, memory_order_relaxed);
        atomic_store_explicit(&published->running_now, 1, memory_order_relaxed);
    }
    fibre_leave(&fake_stack, g->low, (size_t)((char *)g - g->low));
    bool alive = switch_in(&hub_context, &g->context, status);
    fibre_arrive(fake_stack, NULL, NULL);
    return alive;
}

__attribute__((noinline, cold)) static void check_canary(const greenlet *g)
{
    if (stack_canary_is_dead(g->low))
        overflow_die(g);
}

/* Back to the hub; returns the status with which the hub switches here again. errno is a greenlet's own. */
static inline hub_status leave(greenlet *g, bool alive)
{
    if (!g->has_guard)
        check_canary(g);
    g->saved_errno = *errno_place;
    current = NULL;
    if (published)
        atomic_store_explicit(&published->running_now, 0, memory_order_relaxed);
    fibre_leave(alive ? &g->fake_stack : NULL, hub_low, hub_size);
    hub_status status = switch_out(&g->context, &hub_context, alive);
    fibre_arrive(g->fake_stack, &hub_low, &hub_size);
    return status;
}

static void bury(greenlet *g);

/* The outermost C function of each greenlet. */
static void live(void *argument)
{
    greenlet *g = argument;
    fibre_arrive(NULL, &hub_low, &hub_size);
    g->run(g->arg);
    if (g->locals)
        local_clear(g);
    waiters_wake_all(&g->joiners, HUB_OK);
    g->state = GREENLET_ENDED;
    alive_count--;
    /* It cannot give away the stack that it stands on; the next that ends or begins does that. */
    if (dead)
        bury(dead);
    dead = g;
    leave(g, false);
    __builtin_unreachable();
}

/* A stack without a warm control block: new, or one whose pages went back. */
static greenlet *take_cold(hub_status *status)
{
    uint32_t index;
    *status = loop_ev() ? stack_take(&index) : HUB_ESTATE;
    if (*status != HUB_OK)
        return NULL;
    greenlet *g = greenlet_at(index);
    fibre_forget(stack_low(index), (size_t)(stack_top(index) - stack_low(index)));
    g->index = index;
    g->low = stack_low(index);
    g->has_guard = stack_has_guard(index);
    g->id = generation_floor << STACK_INDEX_BITS | index;
    return g;
}

static greenlet *create(const char *name, greenlet_main run, void *arg, hub_status *status)
{
    hub_status ignored;
    if (!status)
        status = &ignored;
    *status = HUB_OK;
    if (dead) {
        bury(dead);
        dead = NULL;
    }
    greenlet *g = pool;
    if (g) {
        pool = g->next;
        pool_count--;
    } else if (!(g = take_cold(status))) {
        return NULL;
    }
    g->id += UINT64_C(1) << STACK_INDEX_BITS;
    greenlet_rename(g, name);
    g->run = run;
    g->arg = arg;
    g->killed = false;
    g->saved_errno = 0;
    fibre_forget(g->low, (size_t)((char *)g - g->low));
    switch_prepare(&g->context, g->low, g, live, g);
    alive_count++;
    return g;
}

/*
 * Whether the last greenlet on this stack went deeper than the pages that a pooled stack keeps. Pages that
 * were never written read as zeros without becoming memory of their own. Looking at two lines of the first
 * page beyond misses a frame that leaves zeros in both; so each 65,536th time the answer is yes without
 * looking.
 */
static bool went_deep(greenlet *g, const char *kept)
{
    if (g->uses++ == UINT16_MAX)
        return true;
    uint64_t any = 0;
    for (unsigned i = 1; i <= CACHE_LINE / sizeof(any); i++) {
        any |= *(const volatile uint64_t *)(kept - i * sizeof(any));
        any |= *(const volatile uint64_t *)(kept - PAGE / 2 - i * sizeof(any));
    }
    return any != 0;
}

/* Puts the stack of an ended greenlet into the pool. Not on that stack. */
static void bury(greenlet *g)
{
    fibre_forget(g->low, (size_t)((char *)g - g->low));
    uint64_t generation = generation_of(g->id);
    if (generation == GENERATION_MAX) {
        /* Its next id would be one that was given out before; so this stack is not used again. */
        stack_trim(g->index, stack_top(g->index));
    } else if (pool_count >= POOL_MAX) {
        if (generation > generation_floor)
            generation_floor = generation;
        stack_give(g->index);
    } else {
        const char *kept = stack_top(g->index) - KEPT;
        if (kept - PAGE >= g->low && went_deep(g, kept))
            stack_trim(g->index, kept);
        g->next = pool;
        pool = g;
        pool_count++;
    }
}

greenlet *greenlet_spawn(const char *name, greenlet_main run, void *arg, hub_status *status)
{
    greenlet *g = create(name, run, arg, status);
    if (g)
        push_ready(g);
    return g;
}

bool greenlet_start(greenlet **out, const char *name, greenlet_main run, void *arg, hub_status *status)
{
    greenlet *g = create(name, run, arg, status);
    if (out)
        *out = g;
    if (!g)
        return false;
    if (!current)
        return enter(g, HUB_OK);
    push_ready(g);
    return true;
}

void greenlets_run_ready(void)
{
    for (size_t left = ready_count; left > 0; left--) {
        greenlet *g = pop_ready();
        enter(g, g->status);
    }
}

void greenlets_open(void)
{
    errno_place = &errno;
}

void greenlets_close(void)
{
    pool = dead = ready_first = ready_last = NULL;
    pool_count = ready_count = alive_count = 0;
    generation_floor = 0;
    published = NULL;
}

/* ---- waits ----------------------------------------------------------------------------------------------*/

static inline hub_status park(greenlet *g, const char *waits_for)
{
    g->waits_for = waits_for;
    g->parked_at = loop_time;
    g->state = GREENLET_PARKED;
    return leave(g, true);
}

static void on_timeout(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    greenlet_wake(timer->data, HUB_ETIMEDOUT);
}

/*
 * libev counts a timeout from the time at which its poll returned. When the turn has run for long since then,
 * the timer would fire that much too early; so the clock is read again, which the kernel answers without a
 * system call (some 25 ns). Of what arrives in one poll, timers come last: what was waited for wins.
 */
__attribute__((noinline)) static hub_status park_for(greenlet *g, const char *waits_for, double timeout)
{
    struct ev_loop *ev = loop_ev();
    ev_timer timer;
    ev_timer_init(&timer, on_timeout, timeout, 0.);
    ev_set_priority(&timer, EV_MINPRI);
    timer.data = g;
    if (timeout > 0)
        ev_now_update(ev);
    ev_timer_start(ev, &timer);
    hub_status status = park(g, waits_for);
    ev_timer_stop(ev, &timer);
    return status;
}

hub_status greenlet_park(const char *waits_for, double timeout)
{
    greenlet *g = current;
    if (!g)
        return HUB_ESTATE;
    if (g->killed) {
        g->killed = false;
        return HUB_ECANCELED;
    }
    if (timeout >= 0 && timeout < TIMEOUT_MAX)
        return park_for(g, waits_for, timeout);
    return park(g, waits_for);
}

bool greenlet_wake_parked(greenlet *g, hub_status status)
{
    if (g->state != GREENLET_PARKED)
        return false;
    g->status = status;
    push_ready(g);
    return true;
}

void greenlet_wake(greenlet *g, hub_status status)
{
    greenlet_wake_parked(g, status);
}

bool greenlet_resume(greenlet *g, hub_status status)
{
    if (current || g->state != GREENLET_PARKED) {
        greenlet_wake_parked(g, status);
        return true;
    }
    return enter(g, status);
}

void greenlet_yield(void)
{
    greenlet *g = current;
    if (!g)
        return;
    g->status = HUB_OK;
    push_ready(g);
    leave(g, true);
}

bool greenlet_take_kill(void)
{
    if (!current || !current->killed)
        return false;
    current->killed = false;
    return true;
}

hub_status greenlet_kill(hub_greenlet id)
{
    greenlet *g = greenlet_find(id);
    if (!g)
        return HUB_ENOENT;
    if (!greenlet_wake_parked(g, HUB_ECANCELED))
        g->killed = true;
    return HUB_OK;
}

/* ---- what others ask ------------------------------------------------------------------------------------*/

greenlet *greenlet_current(void)
{
    return current;
}

bool greenlet_is_parked(const greenlet *g)
{
    return g->state == GREENLET_PARKED;
}

hub_greenlet greenlet_id(const greenlet *g)
{
    return g->id;
}

greenlet *greenlet_find(hub_greenlet id)
{
    uint32_t index = (uint32_t)(id & ((1U << STACK_INDEX_BITS) - 1));
    if (index >= stack_count())
        return NULL;
    greenlet *g = greenlet_at(index);
    return g->id == id && g->state != GREENLET_ENDED ? g : NULL;
}

const char *greenlet_name(const greenlet *g)
{
    return g->name;
}

void greenlet_rename(greenlet *g, const char *name)
{
    size_t length = name ? strnlen(name, sizeof(g->name) - 1) : 0;
    memcpy(g->name, name ? name : "", length);
    g->name[length] = '\0';
}

bool greenlet_any_ready(void)
{
    return ready_first != NULL;
}

greenlet_counts greenlet_count(void)
{
    return (greenlet_counts){
        .alive = alive_count,
        .ready = ready_count,
        .parked = alive_count - ready_count - (current ? 1 : 0),
        .pooled = stack_count() - alive_count,
        .stacks_mapped = stack_count(),
        .switches = switches,
    };
}

void greenlet_publish_running(row *to)
{
    if (published)
        atomic_store_explicit(&published->running_now, 0, memory_order_relaxed);
    published = to;
    if (!to)
        return;
    to->running[0] = '\0';
    atomic_store_explicit(&to->running_now, current ? 1 : 0, memory_order_relaxed);
}
