/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/config/support.h"

static hub_status read_bytes(config *values, const char *data, size_t length, error *failure)
{
    memset(failure, 0, sizeof *failure);
    assert_int_equal(config_defaults(values), HUB_OK);
    return ini_read(values, "chat.ini", data, length, failure);
}

static void assert_read(config *values, const char *text)
{
    error failure;
    if (read_bytes(values, text, strlen(text), &failure) != HUB_OK)
        fail_msg("%s", failure.text);
}

static void assert_refused_bytes(const char *data, size_t length, const char *line)
{
    config values;
    error failure;
    assert_int_equal(read_bytes(&values, data, length, &failure), HUB_EINVAL);
    config_free(&values);
    if (strncmp(failure.text, line, strlen(line)) != 0)
        fail_msg("expected: %s\nbut got: %s", line, failure.text);
}

static void assert_refused(const char *text, const char *line)
{
    assert_refused_bytes(text, strlen(text), line);
}

static void options_stand_in_the_section_or_before_any(void **state)
{
    (void)state;
    config values;
    assert_read(&values, "workers = 3\n[hubbub]\nmax-message: 2M\r\n  log-level=debug");
    assert_value(&values, "workers", "3");
    assert_value(&values, "max-message", "2M");
    assert_value(&values, "log-level", "debug");
    config_free(&values);
}

static void comments_and_a_byte_order_mark_are_passed_over(void **state)
{
    (void)state;
    config values;
    assert_read(&values, "\xef\xbb\xbf# one\n; two\n\n   ; three\nworkers = 3 ; four\napp = a#b.so\n");
    assert_value(&values, "workers", "3");
    assert_value(&values, "app", "a#b.so");
    config_free(&values);
}

static void an_empty_file_changes_nothing(void **state)
{
    (void)state;
    config values, defaults;
    assert_int_equal(config_defaults(&defaults), HUB_OK);
    assert_read(&values, "");
    assert_equal_configs(&values, &defaults);
    config_free(&values);
    config_free(&defaults);
}

static void a_repeated_key_makes_a_list(void **state)
{
    (void)state;
    config values;
    assert_read(
        &values,
        "bind = :1\nbind = :2, unix:/x\nws-origins = https://a.example\nws-origins = https://b.example\n");
    assert_value(&values, "bind", ":1, :2, unix:/x");
    assert_value(&values, "ws-origins", "https://a.example, https://b.example");
    config_free(&values);
}

static void a_scalar_given_twice_is_refused(void **state)
{
    (void)state;
    assert_refused("workers = 1\n\n[hubbub]\nworkers = 2\n",
                   "chat.ini:4: workers is given twice, first in line 1; remove one");
}

static void errors_name_the_line(void **state)
{
    (void)state;
    assert_refused("\n\nworker = 1\n", "chat.ini:3: unknown option worker; did you mean workers?");
    assert_refused("# x\nworkers = many\n",
                   "chat.ini:2: workers: \"many\" is not a number; allowed: auto or 1 to 64");
    assert_refused("workers = 1\nnonsense\n", "chat.ini:2: is neither \"option = value\"");
    assert_refused("[hubbub\nworkers = 1\n", "chat.ini:1: is neither");
    assert_refused("[server]\nworkers = 1\n", "chat.ini:2: section [server] is unknown");
    assert_refused("workers =\n", "chat.ini:1: workers: \"\" is not a number");
    assert_refused("= 4\n", "chat.ini:1: unknown option");
    assert_refused("help = 4\n", "chat.ini:1: unknown option help;");
}

static void the_first_of_several_errors_is_told(void **state)
{
    (void)state;
    assert_refused("\nnonsense\nworkers = x\n", "chat.ini:3: workers");
    assert_refused("workers = x\nnonsense\n", "chat.ini:1: workers");
}

static void an_indented_line_does_not_continue_the_one_before(void **state)
{
    (void)state;
    assert_refused("bind = :1\n   :2\n", "chat.ini:2: unknown option");
    assert_refused("app = a\n   b\n", "chat.ini:2: is neither");
}

static void a_line_that_the_library_would_cut_is_refused(void **state)
{
    (void)state;
    char text[2000] = "workers = 2\n";
    size_t head = strlen(text);
    strcpy(text + head, "app = ");
    memset(text + head + 6, 'x', 150);
    config values;
    assert_read(&values, text);
    assert_int_equal(strlen(values.app), 150);
    config_free(&values);
    memset(text + head + 6, 'x', 1500);
    assert_refused(text, "chat.ini:2: is longer than the ");
}

/* Every length around the library's limit: either the whole value arrives or the line is refused. */
static void no_length_of_a_line_loses_bytes(void **state)
{
    (void)state;
    unsigned taken = 0, refused = 0;
    for (size_t length = 1; length < 400; length++) {
        char text[600] = "app = ";
        memset(text + 6, 'x', length);
        strcpy(text + 6 + length, "\nworkers = 7\n");
        config values;
        error failure;
        if (read_bytes(&values, text, strlen(text), &failure) == HUB_OK) {
            taken++;
            assert_int_equal(strlen(values.app), length);
            assert_int_equal(values.workers, 7);
        } else {
            refused++;
            assert_non_null(strstr(failure.text, "is longer than"));
        }
        config_free(&values);
    }
    assert_true(taken > 100);
    assert_true(refused > 0 || taken == 399); /* a library built with longer lines takes all */
}

static void hostile_bytes_are_refused(void **state)
{
    (void)state;
    assert_refused_bytes("workers = 1\0\nx", 14, "chat.ini:1: has a NUL byte");
    assert_refused("app = \xff\xfe.so\n",
                   "chat.ini:1: app: \"\\xff\\xfe.so\" has control characters or is not UTF-8");
    assert_refused("a\x1b[2Jpp = x\n", "chat.ini:1: unknown option a\\x1b[2Jpp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_in_the_section_or_before_any),
        cmocka_unit_test(comments_and_a_byte_order_mark_are_passed_over),
        cmocka_unit_test(an_empty_file_changes_nothing),
        cmocka_unit_test(a_repeated_key_makes_a_list),
        cmocka_unit_test(a_scalar_given_twice_is_refused),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(the_first_of_several_errors_is_told),
        cmocka_unit_test(an_indented_line_does_not_continue_the_one_before),
        cmocka_unit_test(a_line_that_the_library_would_cut_is_refused),
        cmocka_unit_test(no_length_of_a_line_loses_bytes),
        cmocka_unit_test(hostile_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
