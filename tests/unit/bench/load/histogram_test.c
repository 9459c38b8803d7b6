/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/load/histogram.h"

static load_histogram times;

static int empty(void **state)
{
    (void)state;
    histogram_clear(&times);
    return 0;
}

static void an_empty_one_has_quantiles_of_zero(void **state)
{
    (void)state;
    assert_int_equal(histogram_quantile(&times, 0.5), 0);
}

static void quantiles_of_a_thousand_values_are_right_to_one_bucket(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 1000; i++)
        histogram_add(&times, i * 1000);
    assert_in_range(histogram_quantile(&times, 0.5), 500000, 500000 + 500000 / 64);
    assert_in_range(histogram_quantile(&times, 0.99), 990000, 1000000);
    assert_int_equal(histogram_quantile(&times, 1), 1000000);
    assert_int_equal(times.maximum, 1000000);
}

static void every_size_of_value_comes_back_within_its_bucket(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 64; shift++) {
        for (uint64_t less = 0; less < 2; less++) {
            uint64_t value = (UINT64_C(1) << shift) - less;
            histogram_clear(&times);
            histogram_add(&times, value);
            histogram_add(&times, UINT64_MAX); /* the maximum must not hide the bucket's end */
            assert_true(histogram_quantile(&times, 0.5) >= value);
            assert_true(histogram_quantile(&times, 0.5) - value <= value / 64);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_one_has_quantiles_of_zero, empty),
        cmocka_unit_test_setup(quantiles_of_a_thousand_values_are_right_to_one_bucket, empty),
        cmocka_unit_test_setup(every_size_of_value_comes_back_within_its_bucket, empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
