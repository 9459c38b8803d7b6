/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/date.h"

#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const int64_t now = 1800000000; /* 2027-01-15 08:00:00 */

static void assert_parsed(const char *text, int64_t expected)
{
    int64_t time = -1;
    assert_true(date_parse(hub_text(text), now, &time));
    assert_int_equal(time, expected);
}

static void assert_refused(const char *text)
{
    int64_t time;
    assert_false(date_parse(hub_text(text), now, &time));
}

static void the_example_of_the_rfc_is_written(void **state)
{
    (void)state;
    char out[DATE_LENGTH + 1];
    date_format(784111777, out);
    assert_string_equal(out, "Sun, 06 Nov 1994 08:49:37 GMT");
    date_format(0, out);
    assert_string_equal(out, "Thu, 01 Jan 1970 00:00:00 GMT");
    date_format(-1, out);
    assert_string_equal(out, "Wed, 31 Dec 1969 23:59:59 GMT");
    date_format(951782400, out);
    assert_string_equal(out, "Tue, 29 Feb 2000 00:00:00 GMT");
}

static void dates_agree_with_the_c_library_from_year_0_to_9999(void **state)
{
    (void)state;
    char out[DATE_LENGTH + 1], expected[64];
    for (int64_t time = -62167219200; time < 253402300800; time += 86400 * 37 + 12345) {
        struct tm parts;
        time_t seconds = (time_t)time;
        int64_t parsed;
        assert_non_null(gmtime_r(&seconds, &parts));
        date_format(time, out);
        strftime(expected, sizeof expected, "%a, %d %b ", &parts);
        assert_memory_equal(out, expected, 12);
        strftime(expected, sizeof expected, " %H:%M:%S GMT", &parts);
        assert_string_equal(out + 16, expected);
        assert_int_equal((out[12] - '0') * 1000 + (out[13] - '0') * 100 + (out[14] - '0') * 10 + out[15] -
                             '0',
                         parts.tm_year + 1900);
        assert_true(date_parse(hub_text(out), now, &parsed));
        assert_int_equal(parsed, time);
    }
}

static void times_out_of_range_come_out_as_the_nearest(void **state)
{
    (void)state;
    char out[DATE_LENGTH + 1];
    date_format(INT64_MAX, out);
    assert_string_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT");
    date_format(INT64_MIN, out);
    assert_string_equal(out, "Sat, 01 Jan 0000 00:00:00 GMT");
}

static void the_date_of_now_follows_the_second(void **state)
{
    (void)state;
    assert_true(hub_equal(date_now(now), hub_text("Fri, 15 Jan 2027 08:00:00 GMT")));
    assert_true(hub_equal(date_now(now), hub_text("Fri, 15 Jan 2027 08:00:00 GMT")));
    assert_true(hub_equal(date_now(now + 1), hub_text("Fri, 15 Jan 2027 08:00:01 GMT")));
}

static void the_three_forms_are_read(void **state)
{
    (void)state;
    assert_parsed("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
    assert_parsed("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
    assert_parsed("Sun Nov  6 08:49:37 1994", 784111777);
    assert_parsed("Wed Nov 16 08:49:37 1994", 784111777 + 10 * 86400);
}

static void a_year_of_two_digits_is_at_most_50_years_ahead(void **state)
{
    (void)state;
    assert_parsed("Friday, 15-Jan-27 08:00:00 GMT", now);
    assert_parsed("Tuesday, 01-Jan-30 00:00:00 GMT", 1893456000);
    assert_parsed("Thursday, 01-Jan-70 00:00:00 GMT", 3155760000);
    assert_parsed("Thursday, 14-Jan-77 08:00:00 GMT", 3377923200 - 86400);
    assert_parsed("Saturday, 15-Jan-77 08:00:00 GMT", 3377923200);
    assert_parsed("Saturday, 15-Jan-77 08:00:01 GMT", 222163201);
    assert_parsed("Sunday, 01-Jan-78 00:00:00 GMT", 252460800);
}

static void a_leap_second_is_read_and_a_leap_day_checked(void **state)
{
    (void)state;
    assert_parsed("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800);
    assert_parsed("Tue, 29 Feb 2000 00:00:00 GMT", 951782400);
    assert_refused("Thu, 29 Feb 1900 00:00:00 GMT");
    assert_refused("Tue, 29 Feb 2022 00:00:00 GMT");
}

static void what_is_no_date_is_refused(void **state)
{
    (void)state;
    const char *bad[] = {
        "",
        "0",
        "now",
        "Sun",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:00:61 GMT",
        "Sun, 06 Nov 1994 08-49-37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 06 08:49:37 94",
        "Sun Nov   6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i]);
    assert_refused("Sun Nov 6 08:49:37 1994");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_rfc_is_written),
        cmocka_unit_test(dates_agree_with_the_c_library_from_year_0_to_9999),
        cmocka_unit_test(times_out_of_range_come_out_as_the_nearest),
        cmocka_unit_test(the_date_of_now_follows_the_second),
        cmocka_unit_test(the_three_forms_are_read),
        cmocka_unit_test(a_year_of_two_digits_is_at_most_50_years_ahead),
        cmocka_unit_test(a_leap_second_is_read_and_a_leap_day_checked),
        cmocka_unit_test(what_is_no_date_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
