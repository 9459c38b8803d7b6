/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/crash.h"

#include "common/clock.h"
#include "worker/hub/backtrace.h"
#include "worker/hub/control.h"
#include "worker/hub/fibre.h"
#include "worker/hub/loop.h"
#include "worker/hub/stack.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WAITS_MAX = 32 };

/* Greenlets of one name that wait for one thing at one place. */
typedef struct kind {
    uint64_t hash;
    uint32_t first; /* index of the stack of one of them */
    uint32_t count;
    double since; /* parked: of the one that waits longest */
} kind;

/* Those without a place among the kinds, by what they wait for. */
typedef struct waiting {
    const char *what;
    uint32_t count;
} waiting;

static struct crash {
    bool installed;
    pid_t thread;         /* the loop's */
    const void *hub_high; /* end of its own stack */
    kind kinds[CRASH_STACKS_MAX];
    size_t kind_count;
    waiting waits[WAITS_MAX];
    size_t wait_count;
    uint32_t others; /* that wait for something else still */
} crash;

static const char *const state_names[] = {"ended", "ready", "running", "parked"};

/* A fault while the stacks are written: something is damaged, and what is left is to die of the first
 * signal. */
static volatile sig_atomic_t dying_of;

static double now_seconds(void)
{
    return (double)clock_monotonic_ns() / (double)CLOCK_NS_PER_S;
}

/* ---- lines ---- */

static void put_name(signal_line *line, const greenlet *g)
{
    signal_line_text(line, "greenlet ");
    signal_line_hex(line, g->id);
    signal_line_text(line, " '");
    signal_line_text(line, g->name);
    signal_line_text(line, "'");
}

static const char *waits_for(const greenlet *g)
{
    return g->waits_for ? g->waits_for : "something";
}

/* The loop, and how long ago it last came round: whoever runs has run for so long at the most. */
static void put_turn(signal_line *line)
{
    signal_line_text(line, "turn ");
    signal_line_number(line, loop_turns(), 1);
    signal_line_text(line, ", which began ");
    signal_line_seconds(line, now_seconds() - loop_time);
    signal_line_text(line, " ago");
}

static void write_running(hub_level level, const backtrace_point *point)
{
    const greenlet *g = greenlet_current();
    static backtrace found;
    signal_line line;
    signal_line_begin(&line, level);
    if (g) {
        put_name(&line, g);
        signal_line_text(&line, " runs, in ");
    } else {
        signal_line_text(&line, "the hub runs (");
        signal_line_text(&line, loop_doing());
        signal_line_text(&line, "), in ");
    }
    put_turn(&line);
    signal_line_text(&line, ":");
    signal_line_end(&line);
    if (g)
        backtrace_walk(&found, point, g->low, g);
    else /* what lies below the stack pointer is over */
        backtrace_walk(&found, point, (const void *)(point->stack ? point->stack : point->frame),
                       crash.hub_high);
    backtrace_write(&found, level);
}

/* ---- everybody else ---- */

static bool walk_parked(const greenlet *g, backtrace *found)
{
    backtrace_point at = {0};
    if (!switch_frame(&g->context, &at.pc, &at.frame))
        return false;
    backtrace_walk(found, &at, g->low, g);
    return true;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15) ^ hash >> 29;
}

static uint64_t hash_of(const greenlet *g)
{
    static backtrace found;
    uint64_t hash = mix(g->state, (uintptr_t)g->waits_for);
    for (const char *letter = g->name; *letter; letter++)
        hash = mix(hash, (unsigned char)*letter);
    if (walk_parked(g, &found))
        for (size_t i = 0; i < found.count; i++)
            hash = mix(hash, found.frames[i].pc);
    return hash;
}

static void count_waiting(const greenlet *g)
{
    const char *what = g->state == GREENLET_PARKED ? waits_for(g) : state_names[g->state];
    for (size_t i = 0; i < crash.wait_count; i++)
        if (strcmp(crash.waits[i].what, what) == 0) {
            crash.waits[i].count++;
            return;
        }
    if (crash.wait_count == WAITS_MAX)
        crash.others++;
    else
        crash.waits[crash.wait_count++] = (waiting){what, 1};
}

static void sort_in(const greenlet *g, uint32_t index)
{
    uint64_t hash = hash_of(g);
    for (size_t i = 0; i < crash.kind_count; i++) {
        kind *known = &crash.kinds[i];
        if (known->hash != hash)
            continue;
        known->count++;
        if (g->state == GREENLET_PARKED && g->parked_at < known->since) {
            known->since = g->parked_at;
            known->first = index;
        }
        return;
    }
    if (crash.kind_count == CRASH_STACKS_MAX)
        count_waiting(g);
    else
        crash.kinds[crash.kind_count++] = (kind){hash, index, 1, g->parked_at};
}

static void sort_all(void)
{
    crash.kind_count = crash.wait_count = 0;
    crash.others = 0;
    for (uint32_t i = 0, count = (uint32_t)stack_count(); i < count; i++) {
        const greenlet *g = greenlet_at(i);
        if (g->state != GREENLET_ENDED && g != greenlet_current())
            sort_in(g, i);
    }
}

static void write_kind(const kind *what, hub_level level)
{
    static backtrace found;
    const greenlet *g = greenlet_at(what->first);
    signal_line line;
    signal_line_begin(&line, level);
    put_name(&line, g);
    signal_line_text(&line, " is ");
    signal_line_text(&line, state_names[g->state]);
    if (g->state == GREENLET_PARKED) {
        signal_line_text(&line, ", waits for ");
        signal_line_text(&line, waits_for(g));
        signal_line_text(&line, " since ");
        signal_line_seconds(&line, now_seconds() - g->parked_at);
    }
    if (g->killed)
        signal_line_text(&line, ", killed");
    if (what->count > 1) {
        signal_line_text(&line, "; so are ");
        signal_line_number(&line, what->count - 1, 1);
        signal_line_text(&line, g->state == GREENLET_PARKED ? " more, not for longer" : " more");
    }
    signal_line_end(&line);
    if (walk_parked(g, &found))
        backtrace_write(&found, level);
}

static void write_count(uint32_t count, const char *before, const char *what, hub_level level)
{
    signal_line line;
    if (count == 0)
        return;
    signal_line_begin(&line, level);
    signal_line_number(&line, count, 1);
    signal_line_text(&line, " more greenlets");
    signal_line_text(&line, before);
    signal_line_text(&line, what);
    signal_line_end(&line);
}

static void write_others(hub_level level)
{
    greenlet_counts counts = greenlet_count();
    signal_line line;
    sort_all();
    signal_line_begin(&line, level);
    signal_line_number(&line, counts.alive, 1);
    signal_line_text(&line, counts.alive == 1 ? " greenlet: " : " greenlets: ");
    signal_line_number(&line, counts.ready, 1);
    signal_line_text(&line, " ready, ");
    signal_line_number(&line, counts.parked, 1);
    signal_line_text(&line, " parked");
    signal_line_end(&line);
    for (size_t i = 0; i < crash.kind_count; i++)
        write_kind(&crash.kinds[i], level);
    for (size_t i = 0; i < crash.wait_count; i++)
        write_count(crash.waits[i].count, ": ", crash.waits[i].what, level);
    write_count(crash.others, "", "", level);
}

/* ---- signals ---- */

static bool is_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL;
}

static void set_default(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(number, &action, NULL);
}

static void on_damage(int number)
{
    signal_line line;
    set_default(number); /* damage here as well: then of this one */
    signal_line_begin(&line, HUB_CRITICAL);
    signal_line_text(&line, "the stacks are damaged: no more of them can be written");
    signal_line_end(&line);
    set_default(dying_of);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, dying_of);
    raise(dying_of);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    _exit(128 + dying_of); /* it is dead before this */
}

/* While stacks are written on the way to death, a fault is not to hide what the process dies of. */
static void expect_damage(int number)
{
    dying_of = number;
    for (int fault = 1; fault < NSIG; fault++) {
        struct sigaction action = {.sa_handler = on_damage, .sa_flags = SA_NODEFER};
        if (is_fault(fault) && fault != number && !FIBRE_ASAN) /* a sanitizer has more to say of it */
            sigaction(fault, &action, NULL);
    }
}

static void write_signal(int number, const siginfo_t *info, hub_level level)
{
    signal_line line;
    const char *name = sigabbrev_np(number);
    signal_line_begin(&line, level);
    signal_line_text(&line, name ? "SIG" : "signal ");
    if (name)
        signal_line_text(&line, name);
    else
        signal_line_number(&line, (uint64_t)number, 1);
    if (is_fault(number) && info->si_code > 0) {
        signal_line_text(&line, " at address ");
        signal_line_hex(&line, (uintptr_t)info->si_addr);
    } else if (info->si_code <= 0 && info->si_pid != getpid()) {
        signal_line_text(&line, info->si_pid == getppid() ? " from the master, process " : " from process ");
        signal_line_number(&line, (uint64_t)info->si_pid, 1);
    } else if (number == SIGABRT) {
        signal_line_text(&line, ": abort() was called");
    }
    signal_line_end(&line);
}

/* True when the signal was meant for the process and the loop's thread gets it now. */
static bool hand_over(int number, const siginfo_t *info)
{
    bool is_own = info->si_code > 0 || info->si_code == SI_TKILL;
    if (gettid() == crash.thread || is_own)
        return false;
    return syscall(SYS_tgkill, getpid(), crash.thread, number) == 0;
}

static void on_death(int number, siginfo_t *info, void *context)
{
    backtrace_point point;
    if (hand_over(number, info))
        return;
    expect_damage(number);
    write_signal(number, info, HUB_CRITICAL);
    if (gettid() != crash.thread)
        crash_write_running(number, NULL);
    else if (backtrace_interrupted(context, &point))
        write_running(HUB_CRITICAL, &point);
    if (number == SIGABRT)
        write_others(HUB_CRITICAL);
    set_default(number);
    if (info->si_code <= 0)
        raise(number); /* it would not happen again by itself */
}

static void on_question(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    backtrace_point point;
    if (!hand_over(number, info)) {
        write_signal(number, info, HUB_WARNING);
        if (backtrace_interrupted(context, &point))
            write_running(HUB_WARNING, &point);
        write_others(HUB_WARNING);
    }
    errno = saved;
}

void crash_write_running(int number, const void *context)
{
    backtrace_point point;
    if (!crash.installed)
        return;
    if (gettid() != crash.thread) {
        signal_line line;
        signal_line_begin(&line, HUB_CRITICAL);
        signal_line_text(&line, "it happened in thread ");
        signal_line_number(&line, (uint64_t)gettid(), 1);
        signal_line_text(&line, ", which runs no greenlets");
        signal_line_end(&line);
    } else if (context && backtrace_interrupted(context, &point)) {
        expect_damage(number);
        write_running(HUB_CRITICAL, &point);
    }
}

void crash_write_all(hub_level level)
{
    backtrace_point here = {.pc = (uintptr_t)__builtin_return_address(0),
                            .frame = *(uintptr_t *)__builtin_frame_address(0)};
    write_running(level, &here);
    write_others(level);
}

/* ---- install ---- */

static const void *end_of_stack(void)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return NULL;
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    return (char *)low + size;
}

static const struct {
    int number; /* 0: SIGRTMIN, which is no constant */
    void (*handle)(int number, siginfo_t *info, void *context);
} handled[] = {
    {SIGABRT, on_death}, {SIGBUS, on_death}, {SIGFPE, on_death}, {SIGILL, on_death}, {0, on_question},
};
enum { HANDLED = sizeof handled / sizeof *handled };

static int number_of(size_t i)
{
    return handled[i].number ? handled[i].number : SIGRTMIN;
}

hub_status crash_install(error *why)
{
    crash.thread = gettid();
    crash.hub_high = end_of_stack();
    crash.installed = true;
    for (size_t i = 0; i < HANDLED; i++) {
        struct sigaction before;
        struct sigaction action = {.sa_sigaction = handled[i].handle,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
        sigemptyset(&action.sa_mask);
        /* Two of them would write into each other's lines. */
        sigaddset(&action.sa_mask, SIGRTMIN);
        sigaddset(&action.sa_mask, SIGABRT);
        if (sigaction(number_of(i), NULL, &before) == 0 && is_fault(number_of(i)) &&
            before.sa_handler != SIG_DFL)
            continue;
        if (sigaction(number_of(i), &action, NULL) != 0) {
            int saved = errno;
            crash_remove();
            return error_set(why, HUB_ESYSTEM, "cannot handle signal %d: %s", number_of(i), strerror(saved));
        }
    }
    return HUB_OK;
}

void crash_remove(void)
{
    for (size_t i = 0; crash.installed && i < HANDLED; i++) {
        struct sigaction now;
        if (sigaction(number_of(i), NULL, &now) == 0 && now.sa_sigaction == handled[i].handle)
            set_default(number_of(i));
    }
    crash.installed = false;
}
