/* SPDX-License-Identifier: Apache-2.0 */
#include "../harness.h"
#include "worker/net/wheel.h"

enum { KIND = WHEEL_KINDS - 1 };

typedef struct probe {
    wheel_timer timer;
    unsigned fired;
    uint64_t at;
    double again;          /* not 0: armed so again when it fires */
    struct probe *cancels; /* when it fires */
} probe;

static unsigned fired_in_all;

static void on_fire(wheel_timer *timer)
{
    probe *p = (probe *)timer; /* its first member */
    assert_false(wheel_is_armed(timer));
    p->fired++;
    p->at = clock_monotonic_ns();
    fired_in_all++;
    if (p->again > 0)
        wheel_arm(timer, p->again);
    if (p->cancels)
        wheel_cancel(&p->cancels->timer);
}

static int setup(void **state)
{
    int result = world_open(state);
    wheel_handle(KIND, on_fire);
    fired_in_all = 0;
    return result;
}

static bool fired_so_often(void *arg)
{
    return fired_in_all >= *(unsigned *)arg;
}

static bool wait_for(unsigned fired)
{
    return world_until(fired_so_often, &fired);
}

static void a_timer_fires_after_its_time_within_two_ticks(void **state)
{
    (void)state;
    static const double times[] = {0.0, 0.05, 0.125, 0.3};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        static probe p;
        p = (probe){.timer.kind = KIND};
        world_turn(1);
        uint64_t from = clock_monotonic_ns();
        fired_in_all = 0;
        wheel_arm(&p.timer, times[i]);
        assert_true(wheel_is_armed(&p.timer));
        assert_true(wait_for(1));
        double took = (double)(p.at - from) / (double)CLOCK_NS_PER_S;
        assert_true(took >= times[i] - 0.001);
        assert_true(took < times[i] + 2. / WHEEL_TICKS_PER_SECOND + 0.1);
    }
}

static void a_cancelled_timer_does_not_fire(void **state)
{
    (void)state;
    static probe p, other;
    p = other = (probe){.timer.kind = KIND};
    wheel_arm(&p.timer, 0.1);
    wheel_arm(&other.timer, 0.4);
    wheel_cancel(&p.timer);
    wheel_cancel(&p.timer);
    assert_true(wait_for(1));
    assert_int_equal(p.fired, 0);
    assert_int_equal(other.fired, 1);
}

static void arming_again_moves_a_timer(void **state)
{
    (void)state;
    static probe p, other;
    p = other = (probe){.timer.kind = KIND};
    wheel_arm(&p.timer, 0.1);
    wheel_arm(&p.timer, 30);
    wheel_arm(&other.timer, 0.3);
    assert_true(wait_for(1));
    assert_int_equal(p.fired, 0);
    wheel_cancel(&p.timer);
}

static void a_timer_may_arm_itself_when_it_fires(void **state)
{
    (void)state;
    static probe p;
    p = (probe){.timer.kind = KIND, .again = 0.01};
    wheel_arm(&p.timer, 0);
    assert_true(wait_for(3));
    assert_int_equal(p.fired, 3);
    wheel_cancel(&p.timer);
}

static void one_that_fires_may_cancel_another_of_the_same_tick(void **state)
{
    (void)state;
    static probe p, other, last;
    p = other = last = (probe){.timer.kind = KIND};
    p.cancels = &other;
    wheel_arm(&p.timer, 0.1);
    wheel_arm(&other.timer, 0.1);
    wheel_arm(&last.timer, 0.1);
    assert_true(wait_for(2));
    assert_int_equal(p.fired, 1);
    assert_int_equal(other.fired, 0);
    assert_int_equal(last.fired, 1);
}

static void a_time_of_many_rounds_does_not_fire_in_the_first(void **state)
{
    (void)state;
    static probe p, other;
    p = other = (probe){.timer.kind = KIND};
    wheel_arm(&p.timer, 64.3); /* the same bucket, one round later */
    wheel_arm(&other.timer, 0.5);
    assert_true(wait_for(1));
    assert_int_equal(p.fired, 0);
    assert_true(wheel_is_armed(&p.timer));
    wheel_arm(&p.timer, 1e12);
    assert_true(wheel_is_armed(&p.timer));
    wheel_cancel(&p.timer);
}

static void the_wheel_stands_still_while_nothing_is_armed(void **state)
{
    (void)state;
    static probe p;
    p = (probe){.timer.kind = KIND};
    wheel_arm(&p.timer, 0);
    assert_true(wait_for(1));
    assert_int_equal(ev_pending_count(loop_ev()), 0);
    uint64_t before = loop_turns();
    world_until(is_set, &(bool){false}); /* five seconds without a reason to turn */
    assert_true(loop_turns() - before <= 2);
}

static void a_stamp_tells_how_long_ago_it_was(void **state)
{
    (void)state;
    static probe p;
    p = (probe){.timer.kind = KIND};
    uint32_t stamp = wheel_now();
    assert_true(wheel_since(stamp) < 0.2);
    wheel_arm(&p.timer, 0.4);
    assert_true(wait_for(1));
    assert_true(wheel_since(stamp) >= 0.25 && wheel_since(stamp) < 1);
}

static void an_open_wheel_is_not_opened_twice(void **state)
{
    (void)state;
    assert_int_equal(wheel_open(), HUB_ESTATE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_timer_fires_after_its_time_within_two_ticks),
        TEST(a_cancelled_timer_does_not_fire),
        TEST(arming_again_moves_a_timer),
        TEST(a_timer_may_arm_itself_when_it_fires),
        TEST(one_that_fires_may_cancel_another_of_the_same_tick),
        TEST(a_time_of_many_rounds_does_not_fire_in_the_first),
        TEST(the_wheel_stands_still_while_nothing_is_armed),
        TEST(a_stamp_tells_how_long_ago_it_was),
        TEST(an_open_wheel_is_not_opened_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
