/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/drain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const double times[] = {0, 0.05, 0.5, 1, 2, 5, 30, 3600};

static void the_steps_follow_each_other_within_the_graceful_time(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(times) / sizeof(*times); i++) {
        drain_plan plan = drain_plan_of(times[i]);
        assert_true(plan.spread >= 0);
        assert_true(plan.spread <= plan.last_call);
        assert_true(plan.last_call <= plan.abort);
        assert_true(plan.abort <= plan.leave);
        assert_true(plan.leave <= times[i]);
    }
}

/* A client told by a late timer of the wheel would otherwise be cut off before it was told. */
static void the_last_timer_of_the_spread_fires_before_the_last_call(void **state)
{
    (void)state;
    for (unsigned i = 2; i < sizeof(times) / sizeof(*times); i++) {
        drain_plan plan = drain_plan_of(times[i]);
        assert_true(plan.spread == 0 || plan.spread + 0.25 <= plan.last_call + 1e-9);
    }
}

static void a_long_graceful_time_is_nearly_all_spread(void **state)
{
    (void)state;
    assert_true(drain_plan_of(30).spread > 27);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_steps_follow_each_other_within_the_graceful_time),
        cmocka_unit_test(the_last_timer_of_the_spread_fires_before_the_last_call),
        cmocka_unit_test(a_long_graceful_time_is_nearly_all_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
