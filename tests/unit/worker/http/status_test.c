/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void known_statuses_have_their_reason(void **state)
{
    (void)state;
    assert_string_equal(status_reason(101), "Switching Protocols");
    assert_string_equal(status_reason(200), "OK");
    assert_string_equal(status_reason(404), "Not Found");
    assert_string_equal(status_reason(431), "Request Header Fields Too Large");
    assert_string_equal(status_reason(505), "HTTP Version Not Supported");
}

static void other_numbers_have_the_name_of_their_class_or_none(void **state)
{
    (void)state;
    assert_string_equal(status_reason(299), "Success");
    assert_string_equal(status_reason(499), "Client Error");
    assert_string_equal(status_reason(599), "Server Error");
    assert_string_equal(status_reason(99), "");
    assert_string_equal(status_reason(600), "");
    assert_string_equal(status_reason(-1), "");
}

static void some_answers_never_have_a_body(void **state)
{
    (void)state;
    assert_true(status_without_body(100) && status_without_body(101));
    assert_true(status_without_body(204) && status_without_body(304));
    assert_false(status_without_body(200) || status_without_body(205) || status_without_body(404));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_statuses_have_their_reason),
        cmocka_unit_test(other_numbers_have_the_name_of_their_class_or_none),
        cmocka_unit_test(some_answers_never_have_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
