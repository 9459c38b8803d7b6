/* SPDX-License-Identifier: Apache-2.0 */
#include "hub_fixture.h"

#include "bus/row.h"

#include <errno.h>
#include <execinfo.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct record {
    hub_status statuses[8];
    int count;
    double took;
    double timeout;
    bool ended;
} record;

static void nothing(void *arg)
{
    (void)arg;
}

static void park_once(void *arg)
{
    record *r = arg;
    double before = seconds_now();
    hub_status status = greenlet_park("test", r->timeout);
    r->statuses[r->count++] = status;
    r->took = seconds_now() - before;
    r->ended = true;
}

static void park_four_times(void *arg)
{
    record *r = arg;
    for (int i = 0; i < 4; i++) {
        hub_status status = greenlet_park("test", HUB_FOREVER);
        r->statuses[r->count++] = status;
    }
    r->ended = true;
}

/* ---- start, wake, resume ------------------------------------------------------------------------------- */

static void a_spawned_greenlet_runs_in_its_turn(void **state)
{
    (void)state;
    record r = {.timeout = 0};
    assert_non_null(greenlet_spawn("test", park_once, &r, NULL));
    assert_int_equal(r.count, 0);
    run_all();
    assert_true(r.ended);
}

static void a_started_greenlet_runs_at_once_until_it_parks(void **state)
{
    (void)state;
    record r = {.timeout = HUB_FOREVER};
    greenlet *g;
    hub_status status = HUB_EFAIL;
    assert_true(greenlet_start(&g, "test", park_once, &r, &status));
    assert_int_equal(status, HUB_OK);
    assert_true(greenlet_is_parked(g));
    assert_null(greenlet_current());
    assert_false(greenlet_resume(g, HUB_EAGAIN));
    assert_int_equal(r.statuses[0], HUB_EAGAIN);
}

static void starting_one_that_ends_at_once_answers_false_with_ok(void **state)
{
    (void)state;
    hub_status status = HUB_EFAIL;
    assert_false(greenlet_start(NULL, "test", nothing, NULL, &status));
    assert_int_equal(status, HUB_OK);
    assert_int_equal(greenlet_count().alive, 0);
}

static void start_inside(void *arg)
{
    record *r = arg;
    record inner = {.timeout = 0};
    r->statuses[0] = greenlet_start(NULL, "inner", park_once, &inner, NULL) ? HUB_OK : HUB_EFAIL;
    r->count = inner.count; /* it has not run */
    while (!inner.ended)
        hub_yield();
    r->ended = true;
}

static void starting_in_a_greenlet_only_spawns(void **state)
{
    (void)state;
    record r = {.statuses = {HUB_EFAIL}};
    spawn(start_inside, &r);
    run_all();
    assert_int_equal(r.statuses[0], HUB_OK);
    assert_int_equal(r.count, 0);
    assert_true(r.ended);
}

static void a_wake_gives_its_status_and_later_ones_are_ignored(void **state)
{
    (void)state;
    record r = {.timeout = HUB_FOREVER};
    greenlet *g;
    greenlet_start(&g, "test", park_once, &r, NULL);
    greenlet_wake(g, HUB_EAGAIN);
    greenlet_wake(g, HUB_EFAIL);
    assert_true(greenlet_resume(g, HUB_EPROTO)); /* it is ready, not parked */
    assert_int_equal(r.count, 0);
    assert_int_equal(greenlet_count().ready, 1);
    run_all();
    assert_int_equal(r.statuses[0], HUB_EAGAIN);
}

static void resume_other(void *arg)
{
    assert_true(greenlet_resume(arg, HUB_EAGAIN));
}

static void resuming_in_a_greenlet_only_wakes(void **state)
{
    (void)state;
    record r = {.timeout = HUB_FOREVER};
    greenlet *g;
    greenlet_start(&g, "test", park_once, &r, NULL);
    greenlet_start(NULL, "other", resume_other, g, NULL);
    assert_int_equal(r.count, 0);
    run_all();
    assert_int_equal(r.statuses[0], HUB_EAGAIN);
}

static void parking_in_the_hub_is_refused(void **state)
{
    (void)state;
    assert_int_equal(greenlet_park("test", HUB_FOREVER), HUB_ESTATE);
    assert_int_equal(hub_sleep(0), HUB_ESTATE);
    assert_int_equal(hub_join_greenlet(1, 0), HUB_ESTATE);
    hub_yield();
    assert_int_equal(hub_current(), 0);
}

static void the_limit_of_greenlets_holds_and_frees_again(void **state)
{
    (void)state;
    loop_close();
    assert_int_equal(fixture_open_as((loop_options){.stack_size = FIXTURE_STACK, .max_greenlets = 3}), 0);
    greenlet *parked[3];
    record r[3] = {{.timeout = HUB_FOREVER}, {.timeout = HUB_FOREVER}, {.timeout = HUB_FOREVER}};
    for (int i = 0; i < 3; i++)
        assert_true(greenlet_start(&parked[i], "test", park_once, &r[i], NULL));
    hub_status status;
    assert_null(greenlet_spawn("fourth", nothing, NULL, &status));
    assert_int_equal(status, HUB_EFULL);
    assert_int_equal(hub_spawn(NULL, "fourth", nothing, NULL), HUB_EFULL);
    assert_false(greenlet_resume(parked[1], HUB_OK));
    assert_int_equal(hub_spawn(NULL, "fourth", nothing, NULL), HUB_OK);
    greenlet_wake(parked[0], HUB_OK);
    greenlet_wake(parked[2], HUB_OK);
    run_all();
}

/* ---- time ---------------------------------------------------------------------------------------------- */

static void a_park_with_a_timeout_times_out_not_early(void **state)
{
    (void)state;
    record r = {.timeout = 0.02};
    spawn(park_once, &r);
    run_all();
    assert_int_equal(r.statuses[0], HUB_ETIMEDOUT);
    assert_true(r.took >= 0.02);
}

static void spin_then_sleep(void *arg)
{
    record *r = arg;
    double begin = seconds_now();
    while (seconds_now() < begin + 0.08)
        ;
    begin = seconds_now();
    r->statuses[0] = hub_sleep(0.03);
    r->took = seconds_now() - begin;
}

static void a_sleep_after_long_running_is_not_cut_short(void **state)
{
    (void)state;
    record r = {.statuses = {HUB_EFAIL}};
    spawn(spin_then_sleep, &r);
    run_all();
    assert_int_equal(r.statuses[0], HUB_OK);
    assert_true(r.took >= 0.03);
}

static void wake_before_its_time(void *arg)
{
    greenlet_wake(arg, HUB_OK);
}

static void a_wake_before_the_timeout_leaves_no_timer_behind(void **state)
{
    (void)state;
    record r = {.timeout = 3600};
    greenlet *g;
    greenlet_start(&g, "test", park_once, &r, NULL);
    greenlet_start(NULL, "waker", wake_before_its_time, g, NULL);
    run_all();
    assert_int_equal(r.statuses[0], HUB_OK);
    assert_int_equal(ev_pending_count(loop_ev()), 0);
    assert_true(r.took < 60);
}

static void a_timeout_beyond_all_measure_is_for_ever(void **state)
{
    (void)state;
    record r = {.timeout = 1e300};
    greenlet *g;
    greenlet_start(&g, "test", park_once, &r, NULL);
    assert_false(greenlet_resume(g, HUB_OK));
    assert_int_equal(r.statuses[0], HUB_OK);
}

static double ended[3];
static size_t ended_count;

static void sleep_and_note(void *arg)
{
    double seconds = *(const double *)arg;
    assert_int_equal(hub_sleep(seconds), HUB_OK);
    ended[ended_count++] = seconds;
}

static void sleepers_end_in_the_order_of_their_times(void **state)
{
    (void)state;
    double seconds[3] = {0.06, 0.04, 0.02};
    ended_count = 0;
    for (int i = 0; i < 3; i++)
        greenlet_start(NULL, "sleeper", sleep_and_note, &seconds[i], NULL);
    run_all();
    assert_true(ended[0] == 0.02 && ended[1] == 0.04 && ended[2] == 0.06);
}

/* ---- yield --------------------------------------------------------------------------------------------- */

static char turn_order[16];

static void write_and_yield(void *arg)
{
    for (int i = 0; i < 3; i++) {
        strncat(turn_order, arg, 1);
        hub_yield();
    }
}

static void yielding_greenlets_take_turns(void **state)
{
    (void)state;
    turn_order[0] = '\0';
    spawn(write_and_yield, "a");
    spawn(write_and_yield, "b");
    spawn(write_and_yield, "c");
    run_all();
    assert_string_equal(turn_order, "abcabcabc");
}

static bool got_through;

static void wait_for_pipe(void *arg)
{
    got_through = hub_wait_fd(*(const int *)arg, HUB_READ, HUB_FOREVER, NULL) == HUB_OK;
}

static void yield_until_through(void *arg)
{
    const int *write_end = arg;
    double deadline = seconds_now() + 20;
    assert_int_equal(write(*write_end, "x", 1), 1);
    while (!got_through && seconds_now() < deadline)
        hub_yield();
}

static void a_greenlet_that_only_yields_does_not_starve_descriptors(void **state)
{
    (void)state;
    int ends[2];
    got_through = false;
    assert_int_equal(pipe(ends), 0);
    spawn(wait_for_pipe, &ends[0]);
    spawn(yield_until_through, &ends[1]);
    run_all();
    assert_true(got_through);
    close(ends[0]);
    close(ends[1]);
}

/* ---- kill, join, ids ----------------------------------------------------------------------------------- */

static void a_kill_cancels_the_wait_in_progress_once(void **state)
{
    (void)state;
    record r = {0};
    greenlet *g;
    greenlet_start(&g, "test", park_four_times, &r, NULL);
    assert_int_equal(hub_kill(greenlet_id(g)), HUB_OK);
    loop_stop();
    loop_run();
    assert_int_equal(r.count, 1);
    assert_int_equal(r.statuses[0], HUB_ECANCELED);
    for (int i = 0; i < 3; i++)
        greenlet_resume(g, HUB_OK);
    assert_true(r.ended);
    assert_int_equal(r.statuses[1], HUB_OK);
}

static void a_kill_before_the_first_wait_cancels_it(void **state)
{
    (void)state;
    record r = {0};
    hub_greenlet id = spawn(park_four_times, &r);
    assert_int_equal(hub_kill(id), HUB_OK);
    loop_stop();
    loop_run();
    assert_int_equal(r.statuses[0], HUB_ECANCELED);
    assert_int_equal(r.count, 1);
    greenlet *g = greenlet_find(id);
    for (int i = 0; i < 3; i++)
        greenlet_resume(g, HUB_OK);
    assert_true(r.ended);
}

static void a_kill_after_the_wake_cancels_the_next_wait(void **state)
{
    (void)state;
    record r = {0};
    greenlet *g;
    greenlet_start(&g, "test", park_four_times, &r, NULL);
    greenlet_wake(g, HUB_EAGAIN);
    assert_int_equal(hub_kill(greenlet_id(g)), HUB_OK);
    loop_stop();
    loop_run();
    assert_int_equal(r.count, 2);
    assert_int_equal(r.statuses[0], HUB_EAGAIN);
    assert_int_equal(r.statuses[1], HUB_ECANCELED);
    greenlet_resume(g, HUB_OK);
    greenlet_resume(g, HUB_OK);
    assert_true(r.ended);
}

static void killing_one_that_ended_finds_nothing(void **state)
{
    (void)state;
    hub_greenlet id = spawn(nothing, NULL);
    run_all();
    assert_int_equal(hub_kill(id), HUB_ENOENT);
    assert_int_equal(hub_kill(0), HUB_ENOENT);
    assert_int_equal(hub_kill(UINT64_MAX), HUB_ENOENT);
}

static hub_greenlet joined;
static double join_timeout;

static void join_it(void *arg)
{
    record *r = arg;
    hub_status status = hub_join_greenlet(joined, join_timeout);
    r->statuses[r->count++] = status;
}

static void a_join_returns_when_the_other_ended(void **state)
{
    (void)state;
    record sleeper = {.timeout = 0.01}, first = {0}, second = {0};
    joined = spawn(park_once, &sleeper);
    join_timeout = HUB_FOREVER;
    spawn(join_it, &first);
    spawn(join_it, &second);
    run_all();
    assert_int_equal(first.count, 1);
    assert_int_equal(first.statuses[0], HUB_OK);
    assert_int_equal(second.statuses[0], HUB_OK);
    record late = {.statuses = {HUB_EFAIL}};
    spawn(join_it, &late);
    run_all();
    assert_int_equal(late.statuses[0], HUB_OK);
}

static void join_and_let_go(void *arg)
{
    join_it(arg);
    greenlet_wake(greenlet_find(joined), HUB_OK); /* whose end then wakes nobody who has gone */
}

static void a_join_times_out(void **state)
{
    (void)state;
    record other = {.timeout = HUB_FOREVER}, r = {0};
    greenlet *g;
    greenlet_start(&g, "test", park_once, &other, NULL);
    joined = greenlet_id(g);
    join_timeout = 0.01;
    spawn(join_and_let_go, &r);
    run_all();
    assert_int_equal(r.statuses[0], HUB_ETIMEDOUT);
}

/* The killed joiner runs only when another greenlet lives on the stack of the one that it waited for. */
static void a_killed_joiner_does_not_disturb_the_next_life_of_a_stack(void **state)
{
    (void)state;
    record other = {.timeout = HUB_FOREVER}, next = {.timeout = HUB_FOREVER}, r = {0}, s = {0};
    greenlet *g, *joiner, *reused;
    greenlet_start(&g, "test", park_once, &other, NULL);
    joined = greenlet_id(g);
    join_timeout = HUB_FOREVER;
    greenlet_start(&joiner, "joiner", join_it, &r, NULL);
    hub_kill(greenlet_id(joiner));
    assert_false(greenlet_resume(g, HUB_OK));
    greenlet_start(&reused, "next", park_once, &next, NULL);
    assert_ptr_equal(reused, g);
    joined = greenlet_id(reused);
    greenlet_start(NULL, "its joiner", join_it, &s, NULL);
    greenlet_wake(reused, HUB_OK);
    run_all();
    assert_int_equal(r.statuses[0], HUB_ECANCELED);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.statuses[0], HUB_OK);
}

static void join_self(void *arg)
{
    record *r = arg;
    r->statuses[0] = hub_join_greenlet(hub_current(), HUB_FOREVER);
}

static void joining_oneself_is_refused(void **state)
{
    (void)state;
    record r = {0};
    spawn(join_self, &r);
    run_all();
    assert_int_equal(r.statuses[0], HUB_EINVAL);
}

static void an_id_never_names_the_next_greenlet_on_its_stack(void **state)
{
    (void)state;
    hub_greenlet ids[100];
    for (int i = 0; i < 100; i++) {
        ids[i] = spawn(nothing, NULL);
        assert_non_null(greenlet_find(ids[i]));
        assert_int_not_equal(ids[i], 0);
        run_all();
        for (int j = 0; j <= i; j++) {
            assert_null(greenlet_find(ids[j]));
            assert_true(j == i || ids[j] != ids[i]);
        }
    }
    assert_int_equal(greenlet_count().stacks_mapped, 1);
    assert_null(greenlet_find(0));
    assert_null(greenlet_find(5));
}

static void ids_stay_unique_when_stacks_lost_their_pages(void **state)
{
    (void)state;
    const size_t many = 3000; /* more than the pool keeps warm */
    hub_greenlet *ids = calloc(2 * many, sizeof(*ids));
    assert_non_null(ids);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < many; i++)
            ids[round * many + i] = spawn(nothing, NULL);
        run_all();
    }
    for (size_t i = 0; i < 2 * many; i++)
        assert_null(greenlet_find(ids[i]));
    for (size_t i = 0; i < many; i++) /* the lists run over the same stacks, in whatever order */
        for (size_t j = 0; j < many; j += 97)
            assert_true(ids[i] != ids[many + j]);
    free(ids);
}

/* ---- names, scoreboard, counts ------------------------------------------------------------------------- */

static void names_are_copied_and_cut(void **state)
{
    (void)state;
    char name[] = "0123456789012345678901234567890123456789";
    greenlet *g = greenlet_spawn(name, nothing, NULL, NULL);
    memset(name, 'x', sizeof(name) - 1);
    assert_string_equal(greenlet_name(g), "0123456789012345678901234567890");
    greenlet_rename(g, "short");
    assert_string_equal(greenlet_name(g), "short");
    greenlet_rename(g, NULL);
    assert_string_equal(greenlet_name(g), "");
    run_all();
}

static row scoreboard;

static void look_at_scoreboard(void *arg)
{
    record *r = arg;
    r->ended = scoreboard.running_now == 1 && strcmp(scoreboard.running, "ws /echo") == 0;
    greenlet_park("test", HUB_FOREVER);
}

static void the_scoreboard_tells_who_runs(void **state)
{
    (void)state;
    record r = {0};
    greenlet *g;
    greenlet_publish_running(&scoreboard);
    greenlet_start(&g, "ws /echo", look_at_scoreboard, &r, NULL);
    assert_true(r.ended);
    assert_int_equal(scoreboard.running_now, 0);
    assert_string_equal(scoreboard.running, "ws /echo");
    greenlet_publish_running(NULL);
    greenlet_rename(g, "other");
    greenlet_resume(g, HUB_OK);
    assert_string_equal(scoreboard.running, "ws /echo");
}

static void counts_add_up(void **state)
{
    (void)state;
    record r = {.timeout = HUB_FOREVER};
    greenlet *g;
    greenlet_start(&g, "parked", park_once, &r, NULL);
    greenlet_start(NULL, "over", nothing, NULL, NULL);
    greenlet_spawn("ready", nothing, NULL, NULL);
    greenlet_counts counts = greenlet_count();
    assert_int_equal(counts.alive, 2);
    assert_int_equal(counts.ready, 1);
    assert_int_equal(counts.parked, 1);
    assert_int_equal(counts.stacks_mapped, 2); /* "ready" took the stack of "over" */
    assert_int_equal(counts.pooled, 0);
    greenlet_wake(g, HUB_OK);
    uint64_t before = counts.switches;
    run_all();
    assert_int_equal(greenlet_count().pooled, 2);
    assert_int_equal(greenlet_count().switches, before + 2);
}

/* ---- what belongs to a greenlet ------------------------------------------------------------------------ */

static void set_errno_and_park(void *arg)
{
    record *r = arg;
    errno = EXDEV;
    greenlet_park("test", HUB_FOREVER);
    r->count = errno;
}

static void errno_is_a_greenlets_own(void **state)
{
    (void)state;
    record r = {0};
    greenlet *g;
    greenlet_start(&g, "test", set_errno_and_park, &r, NULL);
    errno = ENOTTY;
    greenlet_resume(g, HUB_OK);
    assert_int_equal(r.count, EXDEV);
}

static void round_up_and_park(void *arg)
{
    record *r = arg;
    fesetround(FE_UPWARD);
    greenlet_park("test", HUB_FOREVER);
    r->count = fegetround();
}

static void the_rounding_mode_is_a_greenlets_own(void **state)
{
    (void)state;
    record r = {0};
    greenlet *g;
    greenlet_start(&g, "test", round_up_and_park, &r, NULL);
    assert_int_equal(fegetround(), FE_TONEAREST);
    greenlet_resume(g, HUB_OK);
    assert_int_equal(r.count, FE_UPWARD);
    assert_int_equal(fegetround(), FE_TONEAREST);
}

static void print_a_double(void *arg)
{
    /* Variable arguments with floating point fault on a misaligned stack. */
    _Alignas(16) char text[32];
    snprintf(text, sizeof text, "%.3f", *(const double *)arg);
    assert_string_equal(text, "2.718");
    assert_int_equal((uintptr_t)text % 16, 0);
}

static void the_stack_of_a_greenlet_is_aligned(void **state)
{
    (void)state;
    double e = 2.71828;
    for (int i = 0; i < 3; i++)
        spawn(print_a_double, &e);
    run_all();
}

static void unwind(void *arg)
{
    record *r = arg;
    void *frames[32];
    r->count = backtrace(frames, 32);
}

/* Without the mark of the outermost frame an unwinder would go on into whatever lies above. */
static void a_backtrace_ends_at_the_entry(void **state)
{
    (void)state;
    record r = {0};
    greenlet_start(NULL, "test", unwind, &r, NULL);
    assert_true(r.count >= 2 && r.count <= 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_spawned_greenlet_runs_in_its_turn),
        TEST(a_started_greenlet_runs_at_once_until_it_parks),
        TEST(starting_one_that_ends_at_once_answers_false_with_ok),
        TEST(starting_in_a_greenlet_only_spawns),
        TEST(a_wake_gives_its_status_and_later_ones_are_ignored),
        TEST(resuming_in_a_greenlet_only_wakes),
        TEST(parking_in_the_hub_is_refused),
        TEST(the_limit_of_greenlets_holds_and_frees_again),
        TEST(a_park_with_a_timeout_times_out_not_early),
        TEST(a_sleep_after_long_running_is_not_cut_short),
        TEST(a_wake_before_the_timeout_leaves_no_timer_behind),
        TEST(a_timeout_beyond_all_measure_is_for_ever),
        TEST(sleepers_end_in_the_order_of_their_times),
        TEST(yielding_greenlets_take_turns),
        TEST(a_greenlet_that_only_yields_does_not_starve_descriptors),
        TEST(a_kill_cancels_the_wait_in_progress_once),
        TEST(a_kill_before_the_first_wait_cancels_it),
        TEST(a_kill_after_the_wake_cancels_the_next_wait),
        TEST(killing_one_that_ended_finds_nothing),
        TEST(a_join_returns_when_the_other_ended),
        TEST(a_join_times_out),
        TEST(a_killed_joiner_does_not_disturb_the_next_life_of_a_stack),
        TEST(joining_oneself_is_refused),
        TEST(an_id_never_names_the_next_greenlet_on_its_stack),
        TEST(ids_stay_unique_when_stacks_lost_their_pages),
        TEST(names_are_copied_and_cut),
        TEST(the_scoreboard_tells_who_runs),
        TEST(counts_add_up),
        TEST(errno_is_a_greenlets_own),
        TEST(the_rounding_mode_is_a_greenlets_own),
        TEST(the_stack_of_a_greenlet_is_aligned),
        TEST(a_backtrace_ends_at_the_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
