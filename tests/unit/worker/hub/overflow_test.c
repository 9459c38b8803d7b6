/* SPDX-License-Identifier: Apache-2.0 */
#include "hub_fixture.h"

#include "worker/hub/control.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

typedef struct death {
    int status;
    char text[4096]; /* what it wrote to standard error */
} death;

/* Runs a function in a child and reads its standard error until it is dead. */
static death watch_die(void (*run)(stack_guard), stack_guard guard)
{
    death d = {.status = 0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL); /* the test's framework has a handler */
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        run(guard);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], d.text + length, sizeof(d.text) - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    waitpid(child, &d.status, 0);
    return d;
}

static bool died_of_it(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void open_with(stack_guard guard)
{
    if (loop_open(&(loop_options){.stack_size = FIXTURE_STACK, .guard = guard}, NULL) != HUB_OK)
        _exit(99);
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
}

static void overflow_a_greenlet(stack_guard guard)
{
    open_with(guard);
    greenlet_start(NULL, "bystander", overflow, NULL, NULL);
}

static void run_named(stack_guard guard)
{
    open_with(guard);
    greenlet_start(NULL, "ws /echo\n", overflow, NULL, NULL);
}

static void check_report(stack_guard guard)
{
    death d = watch_die(run_named, guard);
    assert_true(died_of_it(d.status));
    assert_non_null(strstr(d.text, " [CRITICAL] greenlet 'ws /echo?' overflowed its stack of 256 KB; "
                                   "raise --stack-size or use less stack\n"));
    int year, month, day, hour, minute, second, millisecond, zone, pid;
    assert_int_equal(sscanf(d.text, "[%d-%d-%d %d:%d:%d.%d %d] [%d]", &year, &month, &day, &hour, &minute,
                            &second, &millisecond, &zone, &pid),
                     9);
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    assert_in_range(year, local.tm_year + 1899, local.tm_year + 1901);
    assert_in_range(month, 1, 12);
    if (local.tm_mday < 28 && local.tm_hour < 23) {
        assert_int_equal(month, local.tm_mon + 1);
        assert_int_equal(day, local.tm_mday);
    }
}

static void an_overflow_is_reported_by_name_and_kills(void **state)
{
    (void)state;
    check_report(STACK_GUARD_BEST);
}

static void an_overflow_into_a_protected_page_is_reported_too(void **state)
{
    (void)state;
    check_report(STACK_GUARD_MPROTECT);
}

static void an_overflow_names_the_one_that_overflowed(void **state)
{
    (void)state;
    death d = watch_die(overflow_a_greenlet, STACK_GUARD_BEST);
    assert_non_null(strstr(d.text, "greenlet 'bystander' overflowed"));
}

static void scratch_the_canary(void *arg)
{
    (void)arg;
    greenlet_current()->low[5] = 1;
    greenlet_park("test", HUB_FOREVER);
}

static void kill_a_canary(stack_guard guard)
{
    open_with(guard);
    greenlet_start(NULL, "scratcher", scratch_the_canary, NULL, NULL);
}

static void a_dead_canary_is_noticed_when_its_greenlet_parks(void **state)
{
    (void)state;
    death d = watch_die(kill_a_canary, STACK_GUARD_CANARY);
    assert_true(died_of_it(d.status));
    assert_non_null(strstr(d.text, "greenlet 'scratcher' overflowed its stack of 256 KB"));
}

static void tell_address(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    _exit(info->si_code > 0 && info->si_addr == (void *)0x1230 ? 42 : 43);
}

static void touch_nothing(void *arg)
{
    *(volatile char **)arg = (char *)0x1230;
    **(volatile char **)arg = 1;
}

static void fault_elsewhere_under_a_handler(stack_guard guard)
{
    struct sigaction action = {.sa_sigaction = tell_address, .sa_flags = SA_SIGINFO};
    volatile char *nowhere;
    sigaction(SIGSEGV, &action, NULL);
    open_with(guard);
    greenlet_start(NULL, "stray", touch_nothing, &nowhere, NULL);
}

static void another_fault_reaches_the_handler_of_before_with_its_address(void **state)
{
    (void)state;
    death d = watch_die(fault_elsewhere_under_a_handler, STACK_GUARD_BEST);
    assert_true(WIFEXITED(d.status));
    assert_int_equal(WEXITSTATUS(d.status), 42);
    assert_string_equal(d.text, "");
}

static void fault_elsewhere(stack_guard guard)
{
    volatile char *nowhere;
    open_with(guard);
    greenlet_start(NULL, "stray", touch_nothing, &nowhere, NULL);
}

static void another_fault_kills_without_our_line(void **state)
{
    (void)state;
    death d = watch_die(fault_elsewhere, STACK_GUARD_BEST);
    assert_true(died_of_it(d.status));
    assert_null(strstr(d.text, "overflowed its stack"));
}

static void send_to_self(stack_guard guard)
{
    open_with(guard);
    kill(getpid(), SIGSEGV);
    for (;;)
        pause();
}

static void a_sent_signal_kills_as_ever(void **state)
{
    (void)state;
    death d = watch_die(send_to_self, STACK_GUARD_BEST);
    assert_true(died_of_it(d.status));
}

static void closing_restores_the_action_of_before(void **state)
{
    (void)state;
    struct sigaction before, during, after;
    sigaction(SIGSEGV, NULL, &before);
    assert_int_equal(fixture_open(NULL), 0);
    sigaction(SIGSEGV, NULL, &during);
    loop_close();
    sigaction(SIGSEGV, NULL, &after);
    assert_true(during.sa_sigaction != before.sa_sigaction);
    assert_true(after.sa_sigaction == before.sa_sigaction);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overflow_is_reported_by_name_and_kills),
        cmocka_unit_test(an_overflow_into_a_protected_page_is_reported_too),
        cmocka_unit_test(an_overflow_names_the_one_that_overflowed),
        cmocka_unit_test(a_dead_canary_is_noticed_when_its_greenlet_parks),
        cmocka_unit_test(another_fault_reaches_the_handler_of_before_with_its_address),
        cmocka_unit_test(another_fault_kills_without_our_line),
        cmocka_unit_test(a_sent_signal_kills_as_ever),
        cmocka_unit_test(closing_restores_the_action_of_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
