/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/config/support.h"

static hub_status read_one(config *values, const char *variable, error *failure)
{
    char copy[300];
    snprintf(copy, sizeof copy, "%s", variable);
    char *environment[] = {(char[]){"PATH=/bin"}, copy, NULL};
    memset(failure, 0, sizeof *failure);
    assert_int_equal(config_defaults(values), HUB_OK);
    return environment_read(values, environment, failure);
}

static void assert_refused(const char *variable, const char *line)
{
    config values;
    error failure;
    assert_int_equal(read_one(&values, variable, &failure), HUB_EINVAL);
    config_free(&values);
    assert_string_equal(failure.text, line);
}

static void assert_ignored(const char *variable)
{
    config values, defaults;
    error failure;
    assert_int_equal(config_defaults(&defaults), HUB_OK);
    if (read_one(&values, variable, &failure) != HUB_OK)
        fail_msg("%s", failure.text);
    assert_equal_configs(&values, &defaults);
    config_free(&values);
    config_free(&defaults);
}

static void every_option_has_its_variable(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        char name[64], variable[200];
        config values;
        error failure;
        if (options[i].kind == OPTION_VARIABLES)
            continue;
        option_variable(&options[i], name, sizeof name);
        snprintf(variable, sizeof variable, "%s=%s", name, some_value(&options[i]));
        if (read_one(&values, variable, &failure) != HUB_OK)
            fail_msg("%s", failure.text);
        assert_int_equal(setting_source(&values, &options[i])->kind, PLACE_ENVIRONMENT);
        config_free(&values);
    }
}

static void lists_have_commas_and_replace_the_default(void **state)
{
    (void)state;
    config values;
    error failure;
    assert_int_equal(read_one(&values, "HUBBUB_BIND=:1, :2", &failure), HUB_OK);
    assert_value(&values, "bind", ":1, :2");
    config_free(&values);
}

static void empty_variables_and_those_of_others_are_ignored(void **state)
{
    (void)state;
    assert_ignored("HUBBUB_WORKERS=");
    assert_ignored("WORKERS=3");
    assert_ignored("HUBBUB_CONTRACT_ROOT=/srv");
    assert_ignored("HUBBUB_=3");
    assert_ignored("HUBBUB_WORKERS"); /* no value at all: only exec with odd arguments makes that */
    assert_ignored("HUBBUB_A_NAME_THAT_IS_LONGER_THAN_ANY_OPTION_OF_THE_TABLE_COULD_EVER_BE=3");
}

static void wrong_values_name_the_variable(void **state)
{
    (void)state;
    assert_refused("HUBBUB_WORKERS=many",
                   "environment HUBBUB_WORKERS: workers: \"many\" is not a number; allowed: auto or 1 to 64");
}

static void a_name_one_letter_off_is_taken_for_a_mistake(void **state)
{
    (void)state;
    assert_refused("HUBBUB_WORKER=3",
                   "environment HUBBUB_WORKER: is no option; did you mean HUBBUB_WORKERS?");
    assert_refused("HUBBUB_LOGLEVEL=info",
                   "environment HUBBUB_LOGLEVEL: is no option; did you mean HUBBUB_LOG_LEVEL?");
}

static void a_short_name_one_letter_off_is_another_word(void **state)
{
    (void)state;
    assert_ignored("HUBBUB_PIN=1234");
    assert_ignored("HUBBUB_GAME=chess");
    assert_ignored("HUBBUB_ENV=production"); /* there is no variable for variables */
    assert_ignored("HUBBUB_ENV_=production");
}

static hub_status read_platform(config *values, char *variable, error *failure)
{
    char *environment[] = {(char[]){"PATH=/bin"}, variable, NULL};
    memset(failure, 0, sizeof *failure);
    assert_int_equal(config_defaults(values), HUB_OK);
    return platform_read(values, environment, failure);
}

static void a_platforms_port_is_listened_at_everywhere(void **state)
{
    (void)state;
    config values;
    error failure;
    char where[100];
    assert_int_equal(read_platform(&values, (char[]){"PORT=5000"}, &failure), HUB_OK);
    assert_value(&values, "bind", "0.0.0.0:5000");
    setting_format_place(&values, option_find("bind", 4), where, sizeof where);
    assert_string_equal(where, "environment PORT");
    config_free(&values);
    assert_int_equal(read_platform(&values, (char[]){"PORT="}, &failure), HUB_OK);
    assert_value(&values, "bind", "127.0.0.1:8000");
    config_free(&values);
    assert_int_equal(read_platform(&values, (char[]){"PORT=tcp://10.0.0.1:80"}, &failure), HUB_EINVAL);
    assert_int_equal(strncmp(failure.text, "environment PORT: bind: ", 24), 0);
    config_free(&values);
}

static void a_platforms_concurrency_is_the_number_of_workers(void **state)
{
    (void)state;
    config values;
    error failure;
    assert_int_equal(read_platform(&values, (char[]){"WEB_CONCURRENCY=3"}, &failure), HUB_OK);
    assert_value(&values, "workers", "3");
    config_free(&values);
    assert_int_equal(read_platform(&values, (char[]){"WEB_CONCURRENCY=0"}, &failure), HUB_EINVAL);
    assert_string_equal(failure.text, "environment WEB_CONCURRENCY: workers: \"0\" is out of range; allowed: "
                                      "auto or 1 to 64");
    config_free(&values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_has_its_variable),
        cmocka_unit_test(lists_have_commas_and_replace_the_default),
        cmocka_unit_test(empty_variables_and_those_of_others_are_ignored),
        cmocka_unit_test(wrong_values_name_the_variable),
        cmocka_unit_test(a_name_one_letter_off_is_taken_for_a_mistake),
        cmocka_unit_test(a_short_name_one_letter_off_is_another_word),
        cmocka_unit_test(a_platforms_port_is_listened_at_everywhere),
        cmocka_unit_test(a_platforms_concurrency_is_the_number_of_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
