/* SPDX-License-Identifier: Apache-2.0 */
#include "hub_fixture.h"

#include <stdio.h>
#include <stdlib.h>

static char order[64];

static void note(char letter)
{
    size_t length = strlen(order);
    if (length + 1 < sizeof order) {
        order[length] = letter;
        order[length + 1] = '\0';
    }
}

static int open_bare(void **state)
{
    (void)state;
    order[0] = '\0';
    loop_options options = {.stack_size = FIXTURE_STACK};
    return loop_open(&options, NULL) == HUB_OK ? 0 : -1;
}

static bool note_step(void *arg)
{
    note(*(const char *)arg);
    return false;
}

static bool stop_step(void *arg)
{
    (void)arg;
    loop_stop();
    return false;
}

static void note_and_end(void *arg)
{
    note(*(const char *)arg);
}

static void a_turn_is_steps_then_greenlets_then_steps(void **state)
{
    (void)state;
    loop_add_step(LOOP_BEFORE_POLL, "b", note_step, "b");
    loop_add_step(LOOP_AFTER_POLL, "a", note_step, "a");
    loop_add_step(LOOP_BEFORE_POLL, "c", note_step, "c");
    spawn(note_and_end, "g");
    loop_stop();
    assert_int_equal(loop_run(), HUB_OK);
    assert_string_equal(order, "agbc");
}

static void stop_and_note(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)events;
    ev_timer_stop(ev, timer);
    note('t');
    loop_stop();
}

static void a_stop_in_a_watcher_still_runs_the_steps_once(void **state)
{
    (void)state;
    ev_timer timer;
    loop_add_step(LOOP_AFTER_POLL, "a", note_step, "a");
    loop_add_step(LOOP_BEFORE_POLL, "b", note_step, "b");
    ev_timer_init(&timer, stop_and_note, 0., 0.);
    ev_timer_start(loop_ev(), &timer);
    loop_run();
    assert_string_equal(order, "abtab");
}

static bool more_until_tenth(void *arg)
{
    unsigned *count = arg;
    if (++*count == 10)
        loop_stop();
    return true;
}

/* Nothing else would ever wake the poll, so a blocking one would hang here. */
static void a_step_with_more_to_do_keeps_the_poll_from_blocking(void **state)
{
    (void)state;
    unsigned count = 0;
    loop_add_step(LOOP_AFTER_POLL, "more", more_until_tenth, &count);
    loop_run();
    assert_int_equal(count, 10);
}

static void yield_ten_times(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        hub_yield();
    loop_stop();
}

static void a_ready_greenlet_keeps_the_poll_from_blocking(void **state)
{
    (void)state;
    spawn(yield_ten_times, NULL);
    loop_run();
    assert_true(loop_turns() >= 10);
}

static void the_ninth_step_of_a_phase_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(loop_add_step(LOOP_AFTER_POLL, "a", note_step, "a"), HUB_OK);
    assert_int_equal(loop_add_step(LOOP_AFTER_POLL, "a", note_step, "a"), HUB_EFULL);
    assert_int_equal(loop_add_step(LOOP_BEFORE_POLL, "a", note_step, "a"), HUB_OK);
}

static void a_second_loop_is_refused(void **state)
{
    (void)state;
    loop_options options = {.stack_size = FIXTURE_STACK};
    error why;
    assert_int_equal(loop_open(&options, &why), HUB_ESTATE);
    assert_non_null(strstr(why.text, "loop already"));
    assert_non_null(loop_ev());
}

static hub_status nested;

static bool run_within(void *arg)
{
    (void)arg;
    nested = loop_run();
    return false;
}

static void run_within_greenlet(void *arg)
{
    (void)arg;
    nested = loop_run();
}

static void running_within_itself_is_refused(void **state)
{
    (void)state;
    loop_add_step(LOOP_AFTER_POLL, "nested", run_within, NULL);
    loop_stop();
    nested = HUB_OK;
    loop_run();
    assert_int_equal(nested, HUB_ESTATE);
}

static void running_within_a_greenlet_is_refused(void **state)
{
    (void)state;
    nested = HUB_OK;
    greenlet_start(NULL, "nested", run_within_greenlet, NULL, NULL);
    assert_int_equal(nested, HUB_ESTATE);
}

static void turns_are_published_until_told_otherwise(void **state)
{
    (void)state;
    _Atomic uint64_t word = 0;
    loop_publish_turns(&word);
    loop_add_step(LOOP_BEFORE_POLL, "stop", stop_step, NULL);
    loop_run();
    loop_run();
    assert_int_equal(word, 2);
    assert_int_equal(loop_turns(), 2);
    loop_publish_turns(NULL);
    loop_run();
    assert_int_equal(word, 2);
}

static double seen_now;

static void look_at_clock(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)events;
    ev_timer_stop(ev, timer);
    seen_now = loop_now();
    loop_stop();
}

static void the_time_of_a_turn_is_that_of_its_poll(void **state)
{
    (void)state;
    ev_timer timer;
    ev_timer_init(&timer, look_at_clock, 0.02, 0.);
    double before = seconds_now();
    ev_timer_start(loop_ev(), &timer);
    loop_run();
    assert_true(seen_now >= before + 0.015 && seen_now <= seconds_now());
}

static void closing_and_opening_again_starts_afresh(void **state)
{
    (void)state;
    loop_add_step(LOOP_AFTER_POLL, "a", note_step, "a");
    greenlet_start(NULL, "once", note_and_end, "g", NULL);
    loop_close();
    assert_null(loop_ev());
    assert_string_equal(stack_guard_name(), "none");
    assert_int_equal(loop_run(), HUB_ESTATE);
    loop_options options = {.stack_size = FIXTURE_STACK};
    assert_int_equal(loop_open(&options, NULL), HUB_OK);
    assert_int_equal(greenlet_count().stacks_mapped, 0);
    order[0] = '\0';
    loop_stop();
    loop_run();
    assert_string_equal(order, "");
}

static void without_a_loop_there_are_no_greenlets(void **state)
{
    (void)state;
    hub_status status;
    assert_null(greenlet_spawn("early", note_and_end, "g", &status));
    assert_int_equal(status, HUB_ESTATE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bare, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_loop_there_are_no_greenlets),
        TEST(a_turn_is_steps_then_greenlets_then_steps),
        TEST(a_stop_in_a_watcher_still_runs_the_steps_once),
        TEST(a_step_with_more_to_do_keeps_the_poll_from_blocking),
        TEST(a_ready_greenlet_keeps_the_poll_from_blocking),
        TEST(the_ninth_step_of_a_phase_is_refused),
        TEST(a_second_loop_is_refused),
        TEST(running_within_itself_is_refused),
        TEST(running_within_a_greenlet_is_refused),
        TEST(turns_are_published_until_told_otherwise),
        TEST(the_time_of_a_turn_is_that_of_its_poll),
        TEST(closing_and_opening_again_starts_afresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
