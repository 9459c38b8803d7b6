/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load/inflater.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The example of RFC 7692, section 7.2.3.1: "Hello". */
static const unsigned char hello[] = {0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00};

static void a_message_is_inflated_and_the_same_again_as_well(void **state)
{
    (void)state;
    load_inflater inflater = {0};
    size_t length;
    assert_true(inflater_make(&inflater, 16));
    for (int i = 0; i < 3; i++) {
        const unsigned char *message = inflater_read(&inflater, hello, sizeof hello, &length);
        assert_non_null(message);
        assert_int_equal(length, 5);
        assert_memory_equal(message, "Hello", 5);
    }
    inflater_free(&inflater);
}

static void what_is_no_message_is_refused_and_the_next_is_read_again(void **state)
{
    (void)state;
    load_inflater inflater = {0};
    size_t length;
    assert_true(inflater_make(&inflater, 16));
    const unsigned char broken[] = {0x07, 0x00}; /* a block of the reserved type: RFC 1951, section 3.2.3 */
    assert_non_null(inflater_read(&inflater, hello, sizeof hello, &length));
    assert_null(inflater_read(&inflater, broken, sizeof broken, &length));
    assert_null(inflater_read(&inflater, hello, 0, &length));
    assert_non_null(inflater_read(&inflater, hello, sizeof hello, &length));
    assert_int_equal(length, 5);
    inflater_free(&inflater);
}

static void a_message_longer_than_expected_is_refused(void **state)
{
    (void)state;
    load_inflater inflater = {0};
    size_t length;
    assert_true(inflater_make(&inflater, 4));
    assert_null(inflater_read(&inflater, hello, sizeof hello, &length));
    inflater_free(&inflater);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_inflated_and_the_same_again_as_well),
        cmocka_unit_test(what_is_no_message_is_refused_and_the_next_is_read_again),
        cmocka_unit_test(a_message_longer_than_expected_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
