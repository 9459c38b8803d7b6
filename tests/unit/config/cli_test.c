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
        const char *value = some_value(&options[i]);
        const char *app = strcmp(options[i].name, "app") == 0 ? NULL : "x.so";
        config values;
        snprintf(alone, sizeof alone, "--%s", options[i].name);
        snprintf(joined, sizeof joined, "--%s=%s", options[i].name, value);
        if (options[i].kind == OPTION_SWITCH) {
            assert_loads(&values, CONFIG_RUN, ARGUMENTS(alone, app));
            value = "on";
            snprintf(joined, sizeof joined, "--%s", options[i].name);
        } else {
            assert_loads(&values, CONFIG_RUN, ARGUMENTS(alone, value, app));
        }
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

static void a_switch_is_turned_on_by_its_name_and_off_by_its_value(void **state)
{
    (void)state;
    config values;
    assert_loads(&values, CONFIG_RUN, ARGUMENTS("-D", "--no-new-privileges=off", "x.so"));
    assert_value(&values, "daemon", "on");
    assert_value(&values, "no-new-privileges", "off");
    assert_value(&values, "app", "x.so");
    config_free(&values);
    assert_refused(ARGUMENTS("-Dx", "x.so"),
                   "command line: -D takes no value; write --daemon=off or --daemon=on");
    assert_refused(ARGUMENTS("--daemon=maybe", "x.so"),
                   "command line: --daemon: \"maybe\" is neither; allowed: on or off");
}

static void variables_are_repeated_and_keep_their_commas(void **state)
{
    (void)state;
    config values;
    assert_loads(&values, CONFIG_RUN, ARGUMENTS("-e", "A=1, 2", "--env", "B= c ", "-eA=", "x.so"));
    assert_string_equal(values.env[0], "A=1, 2");
    assert_string_equal(values.env[1], "B= c ");
    assert_string_equal(values.env[2], "A=");
    assert_null(values.env[3]);
    config_free(&values);
}

static void a_wrong_variable_is_refused_without_its_value(void **state)
{
    (void)state;
    assert_refused(ARGUMENTS("-e", "1PASSWORD=hunter2", "x.so"),
                   "command line: --env: \"1PASSWORD...\" has a name that is not made of");
    assert_refused(ARGUMENTS("-e", "A\tB=hunter2", "x.so"),
                   "command line: --env: \"A\\x09B...\" has control");
    assert_refused(ARGUMENTS("-e", "NAME", "x.so"), "command line: --env: \"NAME\" has no = behind a name");
    assert_refused(ARGUMENTS("-e", "=x", "x.so"), "command line: --env: \"...\" has a name");
}

static void the_arguments_in_the_environment_stand_between_file_and_variables(void **state)
{
    (void)state;
    config values;
    const char *path = temporary_file(".yaml", "timeout: 1\nboot-timeout: 1\nkeep-alive: 1\nbacklog: 1\n");
    char line[300], where[100];
    snprintf(line, sizeof line, "-c %s --boot-timeout 2 --keep-alive=2 'y.so' --backlog \"2\" -b :1 -b :2",
             path);
    setenv("HUBBUB_CMD_ARGS", line, 1);
    setenv("HUBBUB_KEEP_ALIVE", "3", 1);
    setenv("HUBBUB_BACKLOG", "3", 1);
    assert_loads(&values, CONFIG_RUN, ARGUMENTS("--backlog", "4"));
    unsetenv("HUBBUB_CMD_ARGS");
    unsetenv("HUBBUB_KEEP_ALIVE");
    unsetenv("HUBBUB_BACKLOG");
    unlink(path);
    assert_value(&values, "timeout", "1");
    assert_value(&values, "boot-timeout", "2");
    assert_value(&values, "keep-alive", "3");
    assert_value(&values, "backlog", "4");
    assert_value(&values, "app", "y.so");
    assert_value(&values, "bind", ":1, :2");
    setting_format_place(&values, option_find("bind", 4), where, sizeof where);
    assert_string_equal(where, "environment HUBBUB_CMD_ARGS");
    config_free(&values);
}

static void a_mistake_in_the_arguments_of_the_environment_names_them(void **state)
{
    (void)state;
    static const struct {
        const char *given, *line;
    } wrong[] = {
        {"--worker 3", "environment HUBBUB_CMD_ARGS: unknown option --worker; did you mean --workers?"},
        {"-w many", "environment HUBBUB_CMD_ARGS: --workers: \"many\" is not a number"},
        {"-n 'my chat", "environment HUBBUB_CMD_ARGS: a quote ' is not closed"},
        {"--check-config", "environment HUBBUB_CMD_ARGS: asks for something else than to run"},
        {"x.so y.so", "environment HUBBUB_CMD_ARGS: a second application \"y.so\""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv("HUBBUB_CMD_ARGS", wrong[i].given, 1);
        assert_refused(ARGUMENTS("x.so"), wrong[i].line);
        unsetenv("HUBBUB_CMD_ARGS");
    }
}

static void help_is_given_whatever_the_environment_holds(void **state)
{
    (void)state;
    config values;
    setenv("HUBBUB_CMD_ARGS", "--nonsense '", 1);
    assert_loads(&values, CONFIG_HELP, ARGUMENTS("--help"));
    unsetenv("HUBBUB_CMD_ARGS");
    config_free(&values);
    assert_loads(&values, CONFIG_VERSION, ARGUMENTS("-v"));
    config_free(&values);
}

static void a_class_of_workers_from_elsewhere_is_refused_with_the_reason(void **state)
{
    (void)state;
    config values;
    assert_loads(&values, CONFIG_RUN, ARGUMENTS("-k", "gevent", "x.so"));
    assert_value(&values, "worker-class", "gevent");
    config_free(&values);
    assert_refused(ARGUMENTS("-k", "sync", "x.so"),
                   "command line: --worker-class: \"sync\" serves one client at");
    assert_refused(ARGUMENTS("-k", "gthread", "x.so"),
                   "command line: --worker-class: \"gthread\" is a pool of");
    assert_refused(ARGUMENTS("-k", "eventlet", "x.so"),
                   "command line: --worker-class: \"eventlet\" is a library");
    assert_refused(ARGUMENTS("-k", "my.Worker", "x.so"),
                   "command line: --worker-class: \"my.Worker\" is no class");
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
    assert_refused(ARGUMENTS("--preload"), "command line: there is no option --preload: the master runs no "
                                           "application code");
    assert_refused(ARGUMENTS("--worker_tmp_dir=/tmp"),
                   "command line: there is no option --worker_tmp_dir: heartbeats are");
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
        cmocka_unit_test(a_switch_is_turned_on_by_its_name_and_off_by_its_value),
        cmocka_unit_test(variables_are_repeated_and_keep_their_commas),
        cmocka_unit_test(a_wrong_variable_is_refused_without_its_value),
        cmocka_unit_test(the_arguments_in_the_environment_stand_between_file_and_variables),
        cmocka_unit_test(a_mistake_in_the_arguments_of_the_environment_names_them),
        cmocka_unit_test(help_is_given_whatever_the_environment_holds),
        cmocka_unit_test(a_class_of_workers_from_elsewhere_is_refused_with_the_reason),
        cmocka_unit_test(the_last_of_a_repeated_scalar_counts),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(actions_are_found_and_the_first_counts),
        cmocka_unit_test(help_needs_no_right_values),
        cmocka_unit_test(wrong_arguments_are_refused_with_what_to_do),
        cmocka_unit_test(abbreviations_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
