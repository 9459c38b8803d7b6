/* SPDX-License-Identifier: Apache-2.0 */
#include "common/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void setting_gives_back_the_status_and_keeps_errno(void **state)
{
    (void)state;
    error failure = {0};
    errno = ENOSPC;
    assert_int_equal(error_set(&failure, HUB_ENOENT, "%s: %m", "file"), HUB_ENOENT);
    assert_int_equal(failure.status, HUB_ENOENT);
    assert_string_equal(failure.text, "file: No space left on device");
    assert_int_equal(errno, ENOSPC);
}

static void without_an_error_only_the_status_comes_back(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, HUB_EINVAL, "%d", 1), HUB_EINVAL);
    error_prefix(NULL, "x");
}

static void a_prefix_goes_in_front(void **state)
{
    (void)state;
    error failure = {0};
    error_set(&failure, HUB_EINVAL, "wrong");
    error_prefix(&failure, "workers: ");
    error_prefix(&failure, "%s:%d: ", "chat.yaml", 3);
    assert_string_equal(failure.text, "chat.yaml:3: workers: wrong");
}

static void nothing_is_put_in_front_of_no_error(void **state)
{
    (void)state;
    error failure = {0};
    error_prefix(&failure, "x: ");
    assert_string_equal(failure.text, "");
}

static void the_text_is_one_line_whatever_it_quotes(void **state)
{
    (void)state;
    error failure = {0};
    error_set(&failure, HUB_EINVAL, "%s", "a\nb\x1b[2J\xff");
    error_prefix(&failure, "%s: ", "c\rd");
    assert_string_equal(failure.text, "c\\x0dd: a\\x0ab\\x1b[2J\\xff");
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    char text[3000];
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = i % 2 ? '\xbc' : '\xc3'; /* u with two dots, again and again */
    text[sizeof text - 1] = '\0';
    error failure = {0};
    error_set(&failure, HUB_EINVAL, "%s", text);
    assert_true(strlen(failure.text) < sizeof failure.text);
    assert_true(strlen(failure.text) > 1000);
    error_prefix(&failure, "x");
    size_t length = strlen(failure.text);
    assert_int_equal(length % 2, 1);
    assert_true(length < sizeof failure.text);
    assert_int_equal(failure.text[length - 1], '\xbc');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_gives_back_the_status_and_keeps_errno),
        cmocka_unit_test(without_an_error_only_the_status_comes_back),
        cmocka_unit_test(a_prefix_goes_in_front),
        cmocka_unit_test(nothing_is_put_in_front_of_no_error),
        cmocka_unit_test(the_text_is_one_line_whatever_it_quotes),
        cmocka_unit_test(long_texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
