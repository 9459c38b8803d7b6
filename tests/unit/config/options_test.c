/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/config/support.h"

static size_t width(const option *entry)
{
    static const size_t widths[] = {
        [OPTION_STRING] = sizeof(char *),   [OPTION_SWITCH] = sizeof(bool),
        [OPTION_WORDS] = sizeof(char *),    [OPTION_UNSIGNED] = sizeof(unsigned),
        [OPTION_SIZE] = sizeof(size_t),     [OPTION_SECONDS] = sizeof(double),
        [OPTION_LEVEL] = sizeof(hub_level), [OPTION_WORKERS] = sizeof(unsigned),
    };
    if (option_is_list(entry))
        return ((size_t)entry->maximum + 1) * sizeof(char *);
    return widths[entry->kind];
}

static void the_rows_cover_every_field_once(void **state)
{
    (void)state;
    unsigned char taken[sizeof(config)] = {0};
    for (size_t i = 0; i < option_count; i++)
        for (size_t byte = 0; byte < width(&options[i]); byte++)
            assert_int_equal(taken[options[i].offset + byte]++, 0);
    /* What is left are gaps that alignment makes, up to the fields that hold no option. */
    size_t gap = 0;
    for (size_t byte = 0; byte < offsetof(config, file); byte++) {
        gap = taken[byte] ? 0 : gap + 1;
        assert_true(gap < sizeof(double));
    }
}

static void names_and_letters_are_unique_and_can_be_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        assert_ptr_equal(option_find(options[i].name, strlen(options[i].name)), &options[i]);
        for (size_t k = 0; k < i && options[i].flag; k++)
            assert_int_not_equal(options[i].flag, options[k].flag);
        for (size_t k = 0; k < command_count; k++) {
            assert_string_not_equal(options[i].name, commands[k].name);
            assert_true(!options[i].flag || options[i].flag != commands[k].flag);
        }
    }
    assert_ptr_equal(option_find("graceful_timeout", 16), option_find("graceful-timeout", 16));
    assert_null(option_find("worker", 6));
    assert_null(option_find("workersx", 8));
    assert_null(option_find("", 0));
}

static void rows_of_a_group_stand_together_and_are_explained(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        assert_true(strlen(options[i].help) > 20);
        assert_true(options[i].initial || options[i].example);
        assert_non_null(options[i].value_name);
        if (i == 0 || strcmp(options[i].group, options[i - 1].group) == 0)
            continue;
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(options[i].group, options[k].group);
    }
}

static void what_the_master_makes_before_its_first_fork_does_not_change_by_hup(void **state)
{
    (void)state;
    static const char *const fixed[] = {
        "reuse-port", "socket-mode", "socket-user", "socket-group", "backlog",  "daemon",        "pid",
        "chdir",      "user",        "group",       "drop-master",  "log-size", "control-socket"};
    unsigned count = 0;
    for (size_t i = 0; i < option_count; i++)
        count += !options[i].changed_by_hup;
    assert_int_equal(count, sizeof fixed / sizeof fixed[0]);
    for (size_t i = 0; i < count; i++)
        assert_false(option_find(fixed[i], strlen(fixed[i]))->changed_by_hup);
}

static void defaults_are_values_that_the_option_takes(void **state)
{
    (void)state;
    config values;
    assert_int_equal(config_defaults(&values), HUB_OK);
    for (size_t i = 0; i < option_count; i++)
        assert_value(&values, options[i].name, options[i].initial ? options[i].initial : "");
    assert_null(values.app);
    assert_int_equal(values.log_level, HUB_INFO);
    assert_string_equal(values.bind[0], "127.0.0.1:8000");
    config_free(&values);
}

static void assert_nearest(const char *wrong, const char *expected, unsigned expected_distance)
{
    unsigned distance = 0;
    const char *nearest = option_nearest(wrong, strlen(wrong), true, &distance);
    assert_non_null(nearest);
    assert_string_equal(nearest, expected);
    assert_int_equal(distance, expected_distance);
}

static void the_nearest_name_is_found(void **state)
{
    (void)state;
    assert_nearest("worker", "workers", 1);
    assert_nearest("wrokers", "workers", 1);
    assert_nearest("log_level", "log-level", 1);
    assert_nearest("loglevel", "log-level", 1);
    assert_nearest("max-mesage", "max-message", 1);
    assert_nearest("workers", "workers", 0);
    assert_nearest("hlep", "help", 1);
    assert_nearest("ws-ping-timout", "ws-ping-timeout", 1);
    assert_nearest("queue-sfot", "queue-soft", 1);
    assert_nearest("kepalive", "keep-alive", 2);
}

static void a_strange_word_has_no_nearest_name(void **state)
{
    (void)state;
    char longer[4000];
    memset(longer, 'a', sizeof longer);
    assert_null(option_nearest(longer, sizeof longer, true, NULL));
    assert_null(option_nearest("", 0, true, NULL));
    assert_null(option_nearest("x", 1, true, NULL));
    assert_null(option_nearest("frobnicate", 10, true, NULL));
    assert_null(option_nearest("print-config", 12, false, NULL));
    assert_null(option_nearest("print-refer", 11, true, NULL));
}

static void variables_are_the_names_in_capitals(void **state)
{
    (void)state;
    char text[64];
    option_variable(option_find("ws-ping-interval", 16), text, sizeof text);
    assert_string_equal(text, "HUBBUB_WS_PING_INTERVAL");
    for (size_t i = 0; i < option_count; i++) {
        option_variable(&options[i], text, sizeof text);
        assert_int_equal(strlen(text), strlen("HUBBUB_") + strlen(options[i].name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rows_cover_every_field_once),
        cmocka_unit_test(names_and_letters_are_unique_and_can_be_found),
        cmocka_unit_test(rows_of_a_group_stand_together_and_are_explained),
        cmocka_unit_test(what_the_master_makes_before_its_first_fork_does_not_change_by_hup),
        cmocka_unit_test(defaults_are_values_that_the_option_takes),
        cmocka_unit_test(the_nearest_name_is_found),
        cmocka_unit_test(a_strange_word_has_no_nearest_name),
        cmocka_unit_test(variables_are_the_names_in_capitals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
