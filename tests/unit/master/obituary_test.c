/* SPDX-License-Identifier: Apache-2.0 */
#include "master/obituary.h"

#include "common/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EXITED(code)   ((code) << 8)
#define KILLED(number) (number)
#define CORE_DUMPED    0x80

static obituary facts_of(int status)
{
    obituary facts = {
        .slot = 2,
        .pid = 411,
        .status = status,
        .uptime_ns = 12 * CLOCK_NS_PER_S + 340 * CLOCK_NS_PER_MS,
        .was_ready = true,
    };
    return facts;
}

static void assert_line(const obituary *facts, const char *expected, hub_level level)
{
    char line[512];
    assert_int_equal(obituary_write(facts, line, sizeof(line)), level);
    assert_string_equal(line, expected);
}

static void a_plain_end_is_said_plainly(void **state)
{
    (void)state;
    obituary facts = facts_of(EXITED(0));
    strcpy(facts.running, "ws /chat");
    assert_line(&facts, "worker 2 (pid 411) ended after 12.3 s", HUB_INFO);
}

static void a_worker_that_did_not_turn_says_among_how_many_and_for_how_long(void **state)
{
    (void)state;
    row score = {.running = "GET /stuck"};
    atomic_store(&score.running_now, 1);
    atomic_store(&score.greenlets, 1204);
    atomic_store(&score.heartbeat_ns, clock_monotonic_ns() - 31 * CLOCK_NS_PER_S);
    obituary facts = facts_of(KILLED(SIGABRT));
    obituary_read_row(&facts, &score);
    assert_in_range(facts.silent_ns, 31 * CLOCK_NS_PER_S, 60 * CLOCK_NS_PER_S);
    facts.silent_ns = 31 * CLOCK_NS_PER_S;
    assert_line(&facts,
                "worker 2 (pid 411) was killed by SIGABRT after 12.3 s; it was running GET /stuck, one of "
                "1204 greenlets, and its hub had not turned for 31.0 s",
                HUB_ERROR);
    facts.running[0] = '\0';
    assert_line(&facts,
                "worker 2 (pid 411) was killed by SIGABRT after 12.3 s; its hub had not turned for 31.0 s",
                HUB_ERROR);
}

static void a_crash_names_signal_losses_and_what_was_running(void **state)
{
    (void)state;
    obituary facts = facts_of(KILLED(SIGSEGV) | CORE_DUMPED);
    facts.connections = 14;
    facts.running_now = true;
    strcpy(facts.running, "ws /chat");
    assert_line(
        &facts,
        "worker 2 (pid 411) was killed by SIGSEGV (core dumped) after 12.3 s; 14 connections lost; it was "
        "running ws /chat",
        HUB_ERROR);
}

static void a_worker_killed_in_its_hub_says_what_ran_last(void **state)
{
    (void)state;
    obituary facts = facts_of(KILLED(SIGKILL));
    facts.connections = 1;
    strcpy(facts.running, "GET /");
    assert_line(
        &facts,
        "worker 2 (pid 411) was killed by SIGKILL after 12.3 s; 1 connection lost; it was in its hub, after "
        "GET /",
        HUB_ERROR);
}

static void exit_codes_of_a_boot_are_explained(void **state)
{
    (void)state;
    obituary facts = facts_of(EXITED(4));
    facts.was_ready = false;
    assert_line(
        &facts,
        "worker 2 (pid 411) ended with exit code 4 (the application could not be loaded) after 12.3 s",
        HUB_INFO);
    facts.status = EXITED(3);
    assert_line(&facts, "worker 2 (pid 411) ended with exit code 3 (it could not boot) after 12.3 s",
                HUB_INFO);
}

static void a_crash_before_ready_says_where_to_look(void **state)
{
    (void)state;
    obituary facts = facts_of(KILLED(SIGSEGV));
    facts.was_ready = false;
    assert_line(&facts,
                "worker 2 (pid 411) was killed by SIGSEGV after 12.3 s while it booted: look in the "
                "application's setup or start hooks",
                HUB_ERROR);
}

static void an_exit_before_ready_is_an_error_with_advice(void **state)
{
    (void)state;
    obituary facts = facts_of(EXITED(0));
    facts.was_ready = false;
    assert_line(
        &facts,
        "worker 2 (pid 411) ended with exit code 0 after 12.3 s before it was ready: the application's "
        "setup or a start hook called exit; let it return a status instead",
        HUB_ERROR);
    facts.told = true;
    assert_line(&facts, "worker 2 (pid 411) ended after 12.3 s", HUB_INFO);
}

static void an_end_that_was_asked_for_is_no_error(void **state)
{
    (void)state;
    obituary facts = facts_of(KILLED(SIGTERM));
    facts.told = true;
    assert_line(&facts, "worker 2 (pid 411) was killed by SIGTERM after 12.3 s", HUB_INFO);
}

static void a_signal_without_a_name_is_given_by_number(void **state)
{
    (void)state;
    obituary facts = facts_of(KILLED(SIGRTMIN + 1));
    char expected[128];
    snprintf(expected, sizeof(expected), "worker 2 (pid 411) was killed by signal %d after 12.3 s",
             SIGRTMIN + 1);
    assert_line(&facts, expected, HUB_ERROR);
}

static void a_line_is_cut_to_its_space(void **state)
{
    (void)state;
    obituary facts = facts_of(EXITED(0));
    char line[16];
    memset(line, 'x', sizeof(line));
    obituary_write(&facts, line, sizeof(line));
    assert_true(memchr(line, '\0', sizeof(line)) != NULL);
    assert_int_equal(strncmp(line, "worker 2", 8), 0);
}

static void a_row_whose_name_has_no_end_is_read_safely(void **state)
{
    (void)state;
    row *dead = aligned_alloc(_Alignof(row), sizeof(row));
    assert_non_null(dead);
    memset(dead, 0, sizeof(*dead));
    memset(dead->running, 'a', sizeof(dead->running));
    atomic_store(&dead->connections, 3);
    atomic_store(&dead->running_now, 7);
    obituary facts = {0};
    obituary_read_row(&facts, dead);
    free(dead);
    assert_int_equal(strlen(facts.running), sizeof(facts.running) - 1);
    assert_int_equal(facts.connections, 3);
    assert_true(facts.running_now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_end_is_said_plainly),
        cmocka_unit_test(a_worker_that_did_not_turn_says_among_how_many_and_for_how_long),
        cmocka_unit_test(a_crash_names_signal_losses_and_what_was_running),
        cmocka_unit_test(a_worker_killed_in_its_hub_says_what_ran_last),
        cmocka_unit_test(exit_codes_of_a_boot_are_explained),
        cmocka_unit_test(a_crash_before_ready_says_where_to_look),
        cmocka_unit_test(an_exit_before_ready_is_an_error_with_advice),
        cmocka_unit_test(an_end_that_was_asked_for_is_no_error),
        cmocka_unit_test(a_signal_without_a_name_is_given_by_number),
        cmocka_unit_test(a_line_is_cut_to_its_space),
        cmocka_unit_test(a_row_whose_name_has_no_end_is_read_safely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
