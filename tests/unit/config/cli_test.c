/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/config/support.h"

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void assert_loads(config *values, config_action expected, const char *const *arguments)
{
    config_action action;
    error failure;
    if (load(values, &action, &failure, arguments) != HUB_OK)
        fail_msg("%s", failure.text);
    assert_int_equal(action, expected);
}

static void assert_refused(const char *const *arguments, const char *line)
{
    config values;
    config_action action;
    error failure;
    assert_int_equal(load(&values, &action, &failure, arguments), HUB_EINVAL);
    assert_int_equal(failure.status, HUB_EINVAL);
    if (strncmp(failure.text, line, strlen(line)) != 0)
        fail_msg("expected: %s\nbut got: %s", line, failure.text);
}

static void every_option_is_taken_in_both_long_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        char alone[64], joined[128];
        const char *value = options[i].initial ? options[i].initial : "x.so";
        const char *app = options[i].initial ? "x.so" : NULL;
        config values;
        snprintf(alone, sizeof alone, "--%s", options[i].name);
        snprintf(joined, sizeof joined, "--%s=%s", options[i].name, value);
        assert_loads(&values, CONFIG_RUN, ARGUMENTS(alone, value, app));
        assert_value(&values, options[i].name, value);
        assert_int_equal(setting_source(&values, &options[i])->kind, PLACE_COMMAND_LINE);
        config_free(&values);
        assert_loads(&values, CONFIG_RUN, ARGUMENTS(joined, app));
        assert_value(&values, options[i].name, value);
        config_free(&values);
    }
}

static void short_options_are_taken_with_and_without_a_blank(void **state)
{
    (void)state;
    config values;
    assert_loads(&values, CONFIG_RUN, ARGUMENTS("-w4", "-b", ":1", "-b:2", "x.so"));
    assert_value(&values, "workers", "4");
    assert_value(&values, "bind", ":1, :2");
    assert_value(&values, "app", "x.so");
    config_free(&values);
}

static void the_last_of_a_repeated_scalar_counts(void **state)
{
    (void)state;
    config values;
    assert_loads(&values, CONFIG_RUN, ARGUMENTS("-w4", "x.so", "--workers=5"));
    assert_value(&values, "workers", "5");
    config_free(&values);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    config values;
    assert_loads(&values, CONFIG_RUN, ARGUMENTS("-w4", "--", "-app.so"));
    assert_value(&values, "app", "-app.so");
    config_free(&values);
}

static void actions_are_found_and_the_first_counts(void **state)
{
    (void)state;
    config values;
    assert_loads(&values, CONFIG_HELP, ARGUMENTS("--help"));
    config_free(&values);
    assert_loads(&values, CONFIG_HELP, ARGUMENTS("-h", "--version"));
    config_free(&values);
    assert_loads(&values, CONFIG_VERSION, ARGUMENTS("-V"));
    config_free(&values);
    assert_loads(&values, CONFIG_PRINT, ARGUMENTS("-w3", "--print-config"));
    config_free(&values);
    assert_loads(&values, CONFIG_CHECK, ARGUMENTS("--check-config", "x.so"));
    config_free(&values);
    assert_loads(&values, CONFIG_REFERENCE, ARGUMENTS("--print-reference"));
    config_free(&values);
}

static void help_needs_no_right_values(void **state)
{
    (void)state;
    config values;
    assert_loads(&values, CONFIG_HELP, ARGUMENTS("-w", "none", "-c", "/nowhere.yaml", "--help"));
    assert_value(&values, "workers", "auto");
    config_free(&values);
}

static void wrong_arguments_are_refused_with_what_to_do(void **state)
{
    (void)state;
    assert_refused(ARGUMENTS("--worker", "3"),
                   "command line: unknown option --worker; did you mean --workers? "
                   "hubbub --help lists all");
    assert_refused(ARGUMENTS("--worker=3"), "command line: unknown option --worker; did you mean --workers?");
    assert_refused(ARGUMENTS("--hlep"), "command line: unknown option --hlep; did you mean --help?");
    assert_refused(ARGUMENTS("--frobnicate"), "command line: unknown option --frobnicate; hubbub --help");
    assert_refused(ARGUMENTS("--=3"), "command line: unknown option --;");
    assert_refused(ARGUMENTS("-x"), "command line: unknown option -x; hubbub --help");
    assert_refused(ARGUMENTS("x.so", "-w"), "command line: -w has no value; give -w N|auto");
    assert_refused(ARGUMENTS("x.so", "--queue-soft"),
                   "command line: --queue-soft has no value; give --queue-soft SIZE");
    assert_refused(ARGUMENTS("--help=yes"), "command line: --help takes no value");
    assert_refused(ARGUMENTS("-hx"), "command line: -h takes no value");
    assert_refused(ARGUMENTS("-w", "x", "x.so"), "command line: --workers: \"x\" is not a number");
    assert_refused(ARGUMENTS("--workers=", "x.so"), "command line: --workers: \"\" is not a number");
    assert_refused(ARGUMENTS("a.so", "b.so"),
                   "command line: a second application \"b.so\"; one server runs one APP");
    assert_refused(ARGUMENTS("--app", "a.so", "b.so"), "command line: a second application \"b.so\"");
    assert_refused(ARGUMENTS("-c", "a.yaml", "-c", "b.yaml"), "command line: -c is given twice");
    assert_refused(ARGUMENTS(""), "command line: --app: \"\" is empty");
}

static void abbreviations_are_not_taken(void **state)
{
    (void)state;
    assert_refused(ARGUMENTS("--queue-h=1M"), "command line: unknown option --queue-h;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_taken_in_both_long_forms),
        cmocka_unit_test(short_options_are_taken_with_and_without_a_blank),
        cmocka_unit_test(the_last_of_a_repeated_scalar_counts),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(actions_are_found_and_the_first_counts),
        cmocka_unit_test(help_needs_no_right_values),
        cmocka_unit_test(wrong_arguments_are_refused_with_what_to_do),
        cmocka_unit_test(abbreviations_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
