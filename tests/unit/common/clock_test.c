/* SPDX-License-Identifier: Apache-2.0 */
#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void the_monotonic_clock_goes_forward(void **state)
{
    (void)state;
    uint64_t first = clock_monotonic_ns(), last = first;
    for (int i = 0; i < 10000000 && last - first < CLOCK_NS_PER_MS; i++) {
        uint64_t now = clock_monotonic_ns();
        assert_true(now >= last);
        last = now;
    }
    assert_true(last > first);
}

static void the_wall_clock_agrees_with_the_seconds_of_the_system(void **state)
{
    (void)state;
    time_t before = time(NULL);
    uint64_t seconds = clock_wall_ns() / CLOCK_NS_PER_S;
    time_t after = time(NULL);
    assert_true(seconds + 1 >= (uint64_t)before);
    assert_true(seconds <= (uint64_t)after + 1);
}

static void seconds_and_nanoseconds_become_each_other(void **state)
{
    (void)state;
    assert_true(clock_in_seconds(1500 * CLOCK_NS_PER_MS) == 1.5);
    assert_int_equal(clock_in_ns(1.5), 1500 * CLOCK_NS_PER_MS);
    assert_int_equal(clock_in_ns(0), 0);
    assert_int_equal(clock_in_ns(-1), 0);
}

static void zero_is_never_the_earlier_time(void **state)
{
    (void)state;
    assert_int_equal(clock_earlier(3, 5), 3);
    assert_int_equal(clock_earlier(5, 3), 3);
    assert_int_equal(clock_earlier(0, 5), 5);
    assert_int_equal(clock_earlier(3, 0), 3);
    assert_int_equal(clock_earlier(0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_monotonic_clock_goes_forward),
        cmocka_unit_test(the_wall_clock_agrees_with_the_seconds_of_the_system),
        cmocka_unit_test(seconds_and_nanoseconds_become_each_other),
        cmocka_unit_test(zero_is_never_the_earlier_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
