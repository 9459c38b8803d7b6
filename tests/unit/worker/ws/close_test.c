/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/close.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void codes_of_the_registry_and_of_applications_may_be_sent(void **state)
{
    (void)state;
    const unsigned allowed[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        assert_true(close_code_valid(allowed[i]));
}

static void codes_that_are_reserved_or_out_of_range_may_not_be_sent(void **state)
{
    (void)state;
    const unsigned refused[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_false(close_code_valid(refused[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_of_the_registry_and_of_applications_may_be_sent),
        cmocka_unit_test(codes_that_are_reserved_or_out_of_range_may_not_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
