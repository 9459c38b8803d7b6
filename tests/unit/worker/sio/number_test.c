/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_signed(int64_t value, const char *expected)
{
    char out[NUMBER_INTEGER_MAX + 1];
    *number_write_signed(out, value) = '\0';
    assert_string_equal(out, expected);
}

static void integers_are_written(void **state)
{
    (void)state;
    assert_signed(0, "0");
    assert_signed(7, "7");
    assert_signed(10, "10");
    assert_signed(99, "99");
    assert_signed(100, "100");
    assert_signed(-1, "-1");
    assert_signed(-1234567, "-1234567");
    assert_signed(INT64_MAX, "9223372036854775807");
    assert_signed(INT64_MIN, "-9223372036854775808");
    char out[NUMBER_INTEGER_MAX + 1];
    *number_write_unsigned(out, UINT64_MAX) = '\0';
    assert_string_equal(out, "18446744073709551615");
}

static void assert_integer(const char *text, int64_t expected)
{
    int64_t value;
    if (!number_read_integer(hub_text(text), &value))
        fail_msg("refused: %s", text);
    if (value != expected)
        fail_msg("%s is %lld", text, (long long)value);
}

static void integers_are_read_exactly_in_whatever_form(void **state)
{
    (void)state;
    assert_integer("0", 0);
    assert_integer("-0", 0);
    assert_integer("0.000e99999999999999999999", 0);
    assert_integer("100", 100);
    assert_integer("1e2", 100);
    assert_integer("1E+2", 100);
    assert_integer("100.0", 100);
    assert_integer("1.5e1", 15);
    assert_integer("-1500e-2", -15);
    assert_integer("0.00012e5", 12);
    assert_integer("102.5e1", 1025);
    assert_integer("9007199254740993", 9007199254740993);
    assert_integer("9223372036854775807", INT64_MAX);
    assert_integer("-9223372036854775808", INT64_MIN);
    assert_integer("922337203685477580.7e1", INT64_MAX);
    assert_integer("9.223372036854775807e18", INT64_MAX);
    assert_integer("1000000000000000000000000e-24", 1);
    assert_integer("0.000000000000000000000000001e27", 1);
}

static void what_is_no_integer_is_told(void **state)
{
    (void)state;
    static const char *const texts[] = {"1.5",
                                        "0.1",
                                        "1e-1",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "1e19",
                                        "1e300",
                                        "1e999999999999999999999",
                                        "1e-999999999999999999999",
                                        "12345678901234567890",
                                        "99999999999999999999",
                                        "",
                                        "-",
                                        "a",
                                        "1a",
                                        "1e",
                                        "1e+",
                                        "1ex",
                                        "\"1\"",
                                        "."};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t value;
        if (number_read_integer(hub_text(texts[i]), &value))
            fail_msg("taken: %s", texts[i]);
    }
}

static void assert_double(const char *text, double expected)
{
    double value;
    if (!number_read_double(hub_text(text), &value))
        fail_msg("refused: %s", text);
    if (memcmp(&value, &expected, sizeof value) != 0)
        fail_msg("%s is %a", text, value);
}

static void doubles_are_read(void **state)
{
    (void)state;
    assert_double("0", 0.0);
    assert_double("-0", -0.0);
    assert_double("-0.0e5", -0.0);
    assert_double("1.5", 1.5);
    assert_double("0.1", 0.1);
    assert_double("123.456e-7", 123.456e-7);
    assert_double("1e22", 1e22);
    assert_double("1e23", 1e23);
    assert_double("1e300", 1e300);
    assert_double("5e-324", 5e-324);
    assert_double("1e-400", 0.0);
    assert_double("1.7976931348623157e308", 1.7976931348623157e308);
    assert_double("9007199254740993", 9007199254740992.0);
    assert_double("0.1000000000000000055511151231257827021181583404541015625", 0.1);
}

static void a_double_of_many_digits_is_read(void **state)
{
    (void)state;
    enum { DIGITS = 5000 };
    char text[DIGITS + 8] = "0.";
    memset(text + 2, '3', DIGITS);
    assert_double(text, 1.0 / 3);
    memset(text, '9', DIGITS);
    double value;
    assert_false(number_read_double(hub_text(text), &value));
}

static void a_double_larger_than_any_is_told(void **state)
{
    (void)state;
    double value;
    assert_false(number_read_double(hub_text("1e309"), &value));
    assert_false(number_read_double(hub_text("-1e99999999999"), &value));
    assert_false(number_read_double(hub_text("x"), &value));
    assert_false(number_read_double(hub_bytes_of(NULL, 0), &value));
}

static void assert_written(double value, const char *expected)
{
    char out[NUMBER_DOUBLE_MAX + 1];
    *number_write_double(out, value) = '\0';
    assert_string_equal(out, expected);
}

static void doubles_are_written_as_short_as_they_can_be(void **state)
{
    (void)state;
    assert_written(0.0, "0");
    assert_written(-0.0, "-0");
    assert_written(1.0, "1");
    assert_written(-100.0, "-100");
    assert_written(0.1, "0.1");
    assert_written(-0.05, "-0.05");
    assert_written(1.005, "1.005");
    assert_written(52.520008, "52.520008");
    assert_written(0.1 + 0.2, "0.30000000000000004");
    assert_written(1.0 / 3, "0.3333333333333333");
    assert_written(123456789012345.0, "123456789012345");
    assert_written(1e15, "1e+15");
    assert_written(1e21, "1e+21");
    assert_written(1e-7, "1e-07");
    assert_written(5e-324, "4.94065645841247e-324");
    assert_written(1.7976931348623157e308, "1.7976931348623157e+308");
}

static void what_is_written_reads_the_same(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252;
    for (int i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        double value, again;
        if (i % 2) {
            memcpy(&value, &random, sizeof value);
            if (!isfinite(value))
                continue;
        } else {
            value =
                (double)(int64_t)(random % 2000000000) / (i % 4 ? 1000 : 100000) * (random >> 63 ? 1 : -1);
        }
        char out[NUMBER_DOUBLE_MAX];
        char *end = number_write_double(out, value);
        assert_true(end <= out + sizeof out);
        assert_true(number_read_double(hub_bytes_of(out, (size_t)(end - out)), &again));
        assert_memory_equal(&value, &again, sizeof value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_written),
        cmocka_unit_test(integers_are_read_exactly_in_whatever_form),
        cmocka_unit_test(what_is_no_integer_is_told),
        cmocka_unit_test(doubles_are_read),
        cmocka_unit_test(a_double_of_many_digits_is_read),
        cmocka_unit_test(a_double_larger_than_any_is_told),
        cmocka_unit_test(doubles_are_written_as_short_as_they_can_be),
        cmocka_unit_test(what_is_written_reads_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
