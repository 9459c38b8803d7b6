/* SPDX-License-Identifier: Apache-2.0 */
#include "config/print.h"
#include "unit/config/support.h"

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static char *written_by(void (*print)(FILE *))
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    print(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void assert_contains(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("\"%s\" is not in:\n%s", words, text);
}

/* What is printed is read again, and gives the same values. */
static void assert_round_trip(const char *const *arguments)
{
    config first, second;
    config_action action;
    error failure;
    if (load(&first, &action, &failure, arguments) != HUB_OK)
        fail_msg("%s", failure.text);
    char *text = printed(&first);
    const char *path = temporary_file(".yaml", text);
    if (load(&second, &action, &failure, ARGUMENTS("--print-config", "-c", path)) != HUB_OK)
        fail_msg("%s\n%s", failure.text, text);
    unlink(path);
    assert_equal_configs(&first, &second);
    free(text);
    config_free(&first);
    config_free(&second);
}

static void the_printed_configuration_can_be_read(void **state)
{
    (void)state;
    assert_round_trip(ARGUMENTS("--print-config"));
    assert_round_trip(ARGUMENTS("chat.so", "-w", "7", "-b", ":1", "-b", "[::1]:2", "-b", "unix:/a: #b",
                                "--timeout", "0.000000001", "--max-message", "12345", "--log-level",
                                "critical", "--ws-origins", "https://a.example,https://b.example"));
    assert_round_trip(
        ARGUMENTS("--ws-origins", "*", "a \"quoted\\ name' # with: [odd] {letters} &, *\xc3\xa9.so"));
    assert_round_trip(
        ARGUMENTS("\xe2\x80\xa8 \xe2\x80\xa9 \xef\xbb\xbf \xef\xbf\xbe \xef\xbf\xbf \xf0\x9f\x98\x80"));
    assert_round_trip(ARGUMENTS("~"));
    assert_round_trip(ARGUMENTS(" leading and trailing "));
}

static void each_value_says_where_it_came_from(void **state)
{
    (void)state;
    const char *path = temporary_file(".yaml", "# a comment\nbacklog: 7\n");
    config values;
    config_action action;
    error failure;
    setenv("HUBBUB_LOG_LEVEL", "debug", 1);
    assert_int_equal(load(&values, &action, &failure, ARGUMENTS("-c", path, "-w2", "--print-config")),
                     HUB_OK);
    unsetenv("HUBBUB_LOG_LEVEL");
    unlink(path);
    char *text = printed(&values);
    char line[200];
    snprintf(line, sizeof line, "backlog: 7                        # %s:2\n", path);
    assert_contains(text, line);
    assert_contains(text, "workers: 2                        # command line\n");
    assert_contains(text, "log-level: debug                  # environment HUBBUB_LOG_LEVEL\n");
    assert_contains(text, "timeout: 30                       # default\n");
    assert_contains(text, "bind:                             # default\n  - \"127.0.0.1:8000\"\n");
    assert_contains(text, "# app: not given\n");
    free(text);
    config_free(&values);
}

static void a_strange_file_name_stays_in_its_comment(void **state)
{
    (void)state;
    const char *path = temporary_file("\xe2\x80\xa8workers: 9\n\xff.yaml", "backlog: 7\n");
    char kept[128];
    snprintf(kept, sizeof kept, "%s", path);
    assert_round_trip(ARGUMENTS("-c", kept, "--print-config"));
    unlink(kept);
}

static void help_names_every_option_within_80_columns(void **state)
{
    (void)state;
    char *text = written_by(config_print_help);
    for (size_t i = 0; i < option_count; i++) {
        char words[100];
        print_usage(&options[i], words, sizeof words);
        assert_contains(text, words);
    }
    assert_contains(text, "Usage: hubbub ");
    assert_contains(text, "  -w, --workers N|auto");
    assert_contains(text, "  -c, --config FILE");
    assert_contains(text, "--check-config");
    assert_null(strstr(text, "print-reference"));
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        if (strcspn(line, "\n") > 80)
            fail_msg("%.*s", (int)strcspn(line, "\n"), line);
    free(text);
}

static void the_files_made_from_the_table_are_as_it_says(void **state)
{
    (void)state;
    static const struct {
        void (*print)(FILE *);
        const char *path, *command;
    } made[] = {
        {config_print_reference, "../docs/configuration.md", "--print-reference"},
        {config_print_sample_yaml, "../deploy/hubbub.yaml", "--print-sample-yaml"},
        {config_print_sample_ini, "../deploy/hubbub.ini", "--print-sample-ini"},
    };
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        char *text = written_by(made[i].print);
        size_t length = strlen(text);
        char *page = calloc(1, length + 2);
        assert_non_null(page);
        FILE *file = fopen(made[i].path, "r");
        assert_non_null(file);
        size_t got = fread(page, 1, length + 1, file);
        fclose(file);
        if (got != length || memcmp(page, text, length) != 0)
            fail_msg("%s is old: run `hubbub %s > %s`", made[i].path + 3, made[i].command, made[i].path + 3);
        free(page);
        free(text);
    }
}

/* The # before each option of a sample taken away. */
static char *opened_sample(void (*print)(FILE *))
{
    char *text = written_by(print), *to = text;
    bool line_begins = true;
    for (const char *at = text; *at; at++) {
        bool is_set =
            line_begins && *at == '#' && at[1] != '\n' && (at[1] != ' ' || strncmp(at, "#  - ", 5) == 0);
        line_begins = *at == '\n';
        if (!is_set)
            *to++ = *at;
    }
    *to = '\0';
    return text;
}

static void a_sample_with_every_option_open_has_the_defaults_and_the_examples(void **state)
{
    (void)state;
    static const struct {
        void (*print)(FILE *);
        const char *ending;
    } samples[] = {{config_print_sample_yaml, ".yaml"}, {config_print_sample_ini, ".ini"}};
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        char *text = opened_sample(samples[i].print);
        const char *path = temporary_file(samples[i].ending, text);
        config values;
        config_action action;
        error failure;
        if (load(&values, &action, &failure, ARGUMENTS("-c", path)) != HUB_OK)
            fail_msg("%s\n%s", failure.text, text);
        unlink(path);
        free(text);
        for (size_t k = 0; k < option_count; k++) {
            assert_value(&values, options[k].name, some_value(&options[k]));
            assert_int_equal(setting_source(&values, &options[k])->kind, PLACE_FILE);
        }
        config_free(&values);
    }
}

static void a_sample_as_it_is_changes_nothing(void **state)
{
    (void)state;
    static const char *const paths[] = {"../deploy/hubbub.yaml", "../deploy/hubbub.ini"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        config values, defaults;
        config_action action;
        error failure;
        if (load(&values, &action, &failure, ARGUMENTS("--print-config", "-c", paths[i])) != HUB_OK)
            fail_msg("%s", failure.text);
        assert_int_equal(config_defaults(&defaults), HUB_OK);
        assert_equal_configs(&values, &defaults);
        config_free(&values);
        config_free(&defaults);
    }
}

static void secrets_are_left_out_and_not_read_back_as_masks(void **state)
{
    (void)state;
    config values, again;
    config_action action;
    error failure;
    assert_int_equal(
        load(&values, &action, &failure,
             ARGUMENTS("--print-config", "-e", "A=1, 2", "-e", "DB_PASSWORD=hunter2", "-e", "Api_Key=hunter2",
                       "-e", "URL=redis://me:hunter2@cache:1/0", "-e", "B=http://cache:1/@x:y")),
        HUB_OK);
    char *text = printed(&values);
    config_free(&values);
    assert_null(strstr(text, "hunter2"));
    assert_contains(text, "  # - \"DB_PASSWORD=...\": left out, as it looks like a secret\n");
    const char *path = temporary_file(".yaml", text);
    assert_int_equal(load(&again, &action, &failure, ARGUMENTS("--print-config", "-c", path)), HUB_OK);
    unlink(path);
    assert_string_equal(again.env[0], "A=1, 2");
    assert_string_equal(again.env[1], "B=http://cache:1/@x:y");
    assert_null(again.env[2]);
    config_free(&again);
    free(text);
}

static void nothing_but_secrets_can_be_read_back_too(void **state)
{
    (void)state;
    assert_round_trip(ARGUMENTS("--print-config", "-e", "A=\"x\" # y: [z] \\", "-D"));
    config values, again;
    config_action action;
    error failure;
    assert_int_equal(load(&values, &action, &failure, ARGUMENTS("--print-config", "-e", "TOKEN=hunter2")),
                     HUB_OK);
    char *text = printed(&values);
    const char *path = temporary_file(".yaml", text);
    if (load(&again, &action, &failure, ARGUMENTS("--print-config", "-c", path)) != HUB_OK)
        fail_msg("%s", failure.text);
    assert_null(again.env[0]);
    unlink(path);
    free(text);
    config_free(&values);
    config_free(&again);
}

static void the_reference_has_each_option_with_default_and_limits(void **state)
{
    (void)state;
    char *text = written_by(config_print_reference);
    for (size_t i = 0; i < option_count; i++) {
        char words[300], allowed[200];
        snprintf(words, sizeof words, "\n### `%s`\n", options[i].name);
        assert_contains(text, words);
        option_allowed(&options[i], allowed, sizeof allowed);
        snprintf(words, sizeof words, "Allowed: %s. HUP %s it.\n", allowed,
                 options[i].changed_by_hup ? "changes" : "does not change");
        assert_contains(text, words);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_printed_configuration_can_be_read),
        cmocka_unit_test(each_value_says_where_it_came_from),
        cmocka_unit_test(a_strange_file_name_stays_in_its_comment),
        cmocka_unit_test(help_names_every_option_within_80_columns),
        cmocka_unit_test(the_files_made_from_the_table_are_as_it_says),
        cmocka_unit_test(a_sample_with_every_option_open_has_the_defaults_and_the_examples),
        cmocka_unit_test(a_sample_as_it_is_changes_nothing),
        cmocka_unit_test(secrets_are_left_out_and_not_read_back_as_masks),
        cmocka_unit_test(nothing_but_secrets_can_be_read_back_too),
        cmocka_unit_test(the_reference_has_each_option_with_default_and_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
