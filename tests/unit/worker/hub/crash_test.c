/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/crash.h"

#include "hub_fixture.h"

#include "common/log.h"
#include "worker/hub/control.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { TEXT_MAX = 1 << 20 };

static char text[TEXT_MAX]; /* what the child wrote to standard error */

/* Runs a function in a child with a loop and what is tested here, and reads what it says. */
static int watch(void (*run)(void))
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        for (int number = 1; number < SIGRTMAX; number++)
            if (!FIBRE_ASAN || number == SIGABRT)
                signal(number, SIG_DFL); /* the test's framework has handlers */
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        log_set_label("worker 3");
        if (loop_open(&(loop_options){.stack_size = FIXTURE_STACK}, NULL) != HUB_OK ||
            crash_install(NULL) != HUB_OK)
            _exit(99);
        run();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static bool died_of(int status, int number)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == number;
}

static void assert_says(const char *what)
{
    if (!strstr(text, what))
        fail_msg("\"%s\" is not in:\n%s", what, text);
}

static void assert_says_not(const char *what)
{
    if (strstr(text, what))
        fail_msg("\"%s\" is in:\n%s", what, text);
}

static unsigned count(const char *what)
{
    unsigned times = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        times++;
    return times;
}

/* Each line is whole and begins as the log's lines do. */
static void assert_lines(const char *level)
{
    char copy[sizeof(text)], *rest = NULL, want[32];
    memcpy(copy, text, sizeof(copy));
    snprintf(want, sizeof(want), "] [%s] worker 3: ", level);
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (line[0] != '[' || !strstr(line, want))
            fail_msg("not a line of the log: %s", line);
}

/* ---- death ---- */

__attribute__((noinline)) static void wait_for_news(const char *what)
{
    greenlet_park(what, HUB_FOREVER);
    __asm__ volatile("");
}

static void park(void *arg)
{
    wait_for_news(arg);
    __asm__ volatile("");
}

__attribute__((noinline)) static void give_up(void)
{
    abort();
}

static void fail_at_work(void *arg)
{
    (void)arg;
    give_up();
    __asm__ volatile("");
}

static void abort_among_others(void)
{
    greenlet_start(NULL, "ws /news", park, (void *)"message", NULL);
    greenlet_spawn("late\n", park, (void *)"fd 7", NULL);
    greenlet_start(NULL, "GET /broken", fail_at_work, NULL, NULL);
}

static void abort_tells_who_ran_and_what_all_others_did(void **state)
{
    (void)state;
    assert_true(died_of(watch(abort_among_others), SIGABRT));
    assert_lines("CRITICAL");
    assert_says("SIGABRT: abort() was called\n");
    assert_says(" 'GET /broken' runs, in turn 0, which began 0.");
    assert_says(" give_up+0x");
    assert_says(" fail_at_work+0x");
    assert_says("3 greenlets: 1 ready, 1 parked\n");
    assert_says(" 'ws /news' is parked, waits for message since 0.");
    assert_says(" wait_for_news+0x");
    assert_says(" 'late?' is ready\n");
    assert_true(strstr(text, "give_up") < strstr(text, "ws /news"));
}

static volatile bool for_ever = true;
static volatile unsigned spins;
static int told[2];

__attribute__((noinline)) static void spin(void)
{
    while (for_ever)
        if (spins++ == 1000 && write(told[1], "!", 1) != 1)
            return;
}

static void be_stuck(void *arg)
{
    (void)arg;
    spin();
    __asm__ volatile("");
}

/* A process that stands for the master: it aborts who does not turn. */
static void be_aborted(void)
{
    pid_t worker = getpid();
    char ignored;
    if (pipe(told) < 0)
        _exit(98);
    if (fork() == 0) {
        if (read(told[0], &ignored, 1) == 1)
            kill(worker, SIGABRT);
        _exit(0);
    }
    greenlet_start(NULL, "GET /stuck", be_stuck, NULL, NULL);
}

static void a_worker_that_is_aborted_tells_where_it_was_stuck(void **state)
{
    (void)state;
    assert_true(died_of(watch(be_aborted), SIGABRT));
    assert_says("SIGABRT from process ");
    assert_says("'GET /stuck' runs, ");
    assert_says(" spin+0x");
    assert_says("be_stuck+0x");
}

static void abort_in_the_hub(void)
{
    greenlet_start(NULL, "bystander", park, (void *)"message", NULL);
    give_up();
}

static void the_hub_has_a_stack_of_its_own_to_tell(void **state)
{
    (void)state;
    assert_true(died_of(watch(abort_in_the_hub), SIGABRT));
    assert_says("the hub runs (nothing), in turn 0");
    assert_says(" give_up+0x");
    assert_says(" abort_in_the_hub+0x");
    assert_says("'bystander' is parked");
}

static void abort_in_a_crowd(void)
{
    static char names[300][16];
    for (unsigned i = 0; i < 5000; i++)
        greenlet_start(NULL, "ws /chat", park, (void *)"message", NULL);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(names[i], sizeof(names[i]), "odd %u", i);
        greenlet_start(NULL, names[i], park, (void *)(i % 2 ? "one thing" : "another"), NULL);
    }
    give_up();
}

static void equal_stacks_are_told_once_and_many_different_ones_counted(void **state)
{
    (void)state;
    assert_true(died_of(watch(abort_in_a_crowd), SIGABRT));
    assert_says("5300 greenlets: 0 ready, 5300 parked\n");
    assert_says("'ws /chat' is parked, waits for message since ");
    assert_says("; so are 4999 more, not for longer\n");
    assert_int_equal(count(" is parked, "), CRASH_STACKS_MAX);
    assert_says(": 100 more greenlets: another\n");
    assert_says(": 101 more greenlets: one thing\n");
}

static void *die_beside(void *arg)
{
    give_up();
    return arg;
}

static void abort_in_another_thread(void)
{
    pthread_t other;
    greenlet_start(NULL, "bystander", park, (void *)"message", NULL);
    if (pthread_create(&other, NULL, die_beside, NULL) == 0)
        pthread_join(other, NULL);
}

static void a_thread_beside_the_hub_that_aborts_is_told_from_it(void **state)
{
    (void)state;
    assert_true(died_of(watch(abort_in_another_thread), SIGABRT));
    assert_says(", which runs no greenlets\n");
    assert_says("'bystander' is parked");
}

/* ---- faults ---- */

__attribute__((noinline)) static void fault_at(volatile char *address)
{
    *address = 1;
}

static void fault(void *arg)
{
    fault_at(arg);
    __asm__ volatile("");
}

static void fault_at_work(void)
{
    greenlet_start(NULL, "bystander", park, (void *)"message", NULL);
    greenlet_start(NULL, "GET /fault", fault, (void *)0x1230, NULL);
}

static void a_fault_tells_who_ran_and_where(void **state)
{
    (void)state;
    if (FIBRE_ASAN)
        skip(); /* the sanitizer says it */
    assert_true(died_of(watch(fault_at_work), SIGSEGV));
    assert_lines("CRITICAL");
    assert_says("SIGSEGV at address 0x1230\n");
    assert_says("'GET /fault' runs, ");
    assert_says("#0 fault_at+0x");
    assert_says(" fault+0x");
    assert_says_not("bystander");
}

static void illegal(void *arg)
{
    (void)arg;
    raise(SIGILL);
}

static void be_illegal(void)
{
    greenlet_start(NULL, "GET /illegal", illegal, NULL, NULL);
}

static void another_fault_is_told_alike(void **state)
{
    (void)state;
    if (FIBRE_ASAN)
        skip();
    assert_true(died_of(watch(be_illegal), SIGILL));
    assert_says("worker 3: SIGILL\n");
    assert_says("'GET /illegal' runs, ");
}

static volatile unsigned deepest = UINT32_MAX;

__attribute__((noinline)) static unsigned recurse(unsigned level)
{
    volatile char frame[256];
    frame[0] = (char)level;
    return level < deepest ? recurse(level + 1) + (unsigned)frame[0] : level;
}

static void overflow(void *arg)
{
    (void)arg;
    recurse(0);
    __asm__ volatile("");
}

static void overflow_a_stack(void)
{
    greenlet_start(NULL, "deep", overflow, NULL, NULL);
}

static void an_overflow_shows_the_recursion_in_one_line(void **state)
{
    (void)state;
    if (FIBRE_ASAN)
        skip();
    assert_true(died_of(watch(overflow_a_stack), SIGSEGV));
    assert_says("greenlet 'deep' overflowed its stack");
    assert_says(" times\n");
    assert_says(" overflow+0x");
    assert_true(count("recurse+0x") <= 4);
}

static void damage(void *arg)
{
    greenlet *other = *(greenlet **)arg;
    other->waits_for = (const char *)0x1230;
    abort();
}

static void abort_with_damage(void)
{
    greenlet *victim;
    greenlet_start(&victim, "victim", park, (void *)"message", NULL);
    greenlet_start(NULL, "culprit", damage, &victim, NULL);
}

static void damaged_stacks_do_not_hide_what_it_died_of(void **state)
{
    (void)state;
    if (FIBRE_ASAN)
        skip();
    assert_true(died_of(watch(abort_with_damage), SIGABRT));
    assert_says("'culprit' runs, ");
    assert_says("the stacks are damaged: no more of them can be written\n");
}

/* ---- a question ---- */

static void ask(void *arg)
{
    (void)arg;
    raise(SIGRTMIN);
    greenlet_park("later", 0);
    fputs("went on\n", stderr);
    loop_stop();
}

static void be_asked(void)
{
    greenlet_start(NULL, "bystander", park, (void *)"message", NULL);
    greenlet_spawn("asker", ask, NULL, NULL);
    loop_run();
}

static void who_is_asked_answers_and_goes_on(void **state)
{
    (void)state;
    int status = watch(be_asked);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_says("[WARNING] worker 3: signal 34\n");
    assert_says("'asker' runs, in turn 0");
    assert_says("'bystander' is parked, waits for message");
    assert_says("went on\n");
}

static void removing_restores_the_defaults(void **state)
{
    (void)state;
    struct sigaction now;
    struct sigaction before;
    sigaction(SIGABRT, NULL, &before);
    signal(SIGABRT, SIG_DFL);
    assert_int_equal(fixture_open(NULL), 0);
    assert_int_equal(crash_install(NULL), HUB_OK);
    sigaction(SIGABRT, NULL, &now);
    assert_true(now.sa_handler != SIG_DFL);
    crash_remove();
    sigaction(SIGABRT, NULL, &now);
    assert_true(now.sa_handler == SIG_DFL);
    loop_close();
    sigaction(SIGABRT, &before, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(abort_tells_who_ran_and_what_all_others_did),
        cmocka_unit_test(a_worker_that_is_aborted_tells_where_it_was_stuck),
        cmocka_unit_test(the_hub_has_a_stack_of_its_own_to_tell),
        cmocka_unit_test(equal_stacks_are_told_once_and_many_different_ones_counted),
        cmocka_unit_test(a_thread_beside_the_hub_that_aborts_is_told_from_it),
        cmocka_unit_test(a_fault_tells_who_ran_and_where),
        cmocka_unit_test(another_fault_is_told_alike),
        cmocka_unit_test(an_overflow_shows_the_recursion_in_one_line),
        cmocka_unit_test(damaged_stacks_do_not_hide_what_it_died_of),
        cmocka_unit_test(who_is_asked_answers_and_goes_on),
        cmocka_unit_test(removing_restores_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
