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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_monotonic_clock_goes_forward),
        cmocka_unit_test(the_wall_clock_agrees_with_the_seconds_of_the_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
