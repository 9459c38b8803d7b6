/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/config/support.h"

#include <sys/stat.h>

/* What config_reload reported, one line each. */
typedef struct heard {
    unsigned count;
    char lines[4][800];
} heard;

static void hear(void *argument, const char *line)
{
    heard *all = argument;
    assert_true(all->count < 4);
    snprintf(all->lines[all->count++], sizeof all->lines[0], "%s", line);
}

/* A server's arguments, first and again. */
typedef struct life {
    char file[128];
    char *argv[8];
    int argc;
    config running, fresh;
    heard said;
    error failure;
} life;

static void rewrite(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void start(life *at, const char *text, const char *option_given, const char *value)
{
    memset(at, 0, sizeof *at);
    snprintf(at->file, sizeof at->file, "%s", temporary_file(".yaml", text));
    const char *const arguments[] = {"hubbub", "-c", at->file, "x.so", option_given, value, NULL};
    while (arguments[at->argc]) {
        at->argv[at->argc] = (char *)(uintptr_t)arguments[at->argc];
        at->argc++;
    }
    config_action action;
    if (config_load(&at->running, &action, at->argc, at->argv, &at->failure) != HUB_OK)
        fail_msg("%s", at->failure.text);
}

static hub_status reload(life *at)
{
    return config_reload(&at->running, &at->fresh, at->argc, at->argv, hear, &at->said, &at->failure);
}

static void assert_reloads(life *at)
{
    if (reload(at) != HUB_OK)
        fail_msg("%s", at->failure.text);
}

static void end(life *at)
{
    unlink(at->file);
    config_free(&at->running);
    config_free(&at->fresh);
}

static void what_hup_can_change_is_changed_without_a_word(void **state)
{
    (void)state;
    life at;
    start(&at, "timeout: 3\nkeep-alive: 9\n", NULL, NULL);
    rewrite(at.file, "timeout: 4\nworkers: 2\n");
    assert_reloads(&at);
    assert_int_equal(at.said.count, 0);
    assert_value(&at.fresh, "timeout", "4");
    assert_value(&at.fresh, "workers", "2");
    assert_value(&at.fresh, "keep-alive", "75"); /* what left the file has its default again */
    assert_value(&at.running, "timeout", "3");
    end(&at);
}

static void what_hup_cannot_change_stays_and_is_told_with_both_places(void **state)
{
    (void)state;
    life at;
    start(&at, "log-size: 1M\n", NULL, NULL);
    rewrite(at.file, "timeout: 4\n\nlog-size: 2M\n");
    assert_reloads(&at);
    assert_value(&at.fresh, "log-size", "1M");
    assert_value(&at.fresh, "timeout", "4");
    assert_int_equal(at.said.count, 1);
    char expected[800];
    snprintf(
        expected, sizeof expected,
        "log-size changed (%s:3): takes effect when the server is started anew; until then the value from "
        "%s:1 stays",
        at.file, at.file);
    assert_string_equal(at.said.lines[0], expected);
    const option *entry = option_find("log-size", 8);
    assert_int_equal(setting_source(&at.fresh, entry)->line, 1);
    end(&at);
}

static void each_option_that_hup_cannot_change_keeps_its_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const option *entry = &options[i];
        if (entry->changed_by_hup)
            continue;
        life at;
        start(&at, "timeout: 3\n", NULL, NULL);
        /* As if it had been started with another value. */
        place from = {PLACE_ENVIRONMENT, "OTHER", 0};
        const char *other = "77"; /* also a mode */
        if (entry->kind == OPTION_UNSIGNED)
            other = "17";
        else if (entry->kind == OPTION_SIZE)
            other = "4M";
        else if (entry->kind == OPTION_SWITCH)
            other = "on";
        assert_int_equal(setting_apply(&at.running, entry, other, &from, &at.failure), HUB_OK);
        char *before = shown(&at.running, entry);
        assert_reloads(&at);
        assert_value(&at.fresh, entry->name, before);
        assert_int_equal(setting_source(&at.fresh, entry)->kind, PLACE_ENVIRONMENT);
        assert_int_equal(at.said.count, 1);
        assert_int_equal(strncmp(at.said.lines[0], entry->name, strlen(entry->name)), 0);
        free(before);
        end(&at);
    }
}

static void what_did_not_change_is_not_told(void **state)
{
    (void)state;
    life at;
    start(&at, "log-size: 1M\nbacklog: 7\nbind: [\"x:1\", \"y:2\"]\n", NULL, NULL);
    rewrite(at.file, "bind: [\"x:1\", \"y:2\"]\nlog-size: 1024K\nbacklog: 7\n");
    assert_reloads(&at);
    assert_int_equal(at.said.count, 0);
    assert_equal_configs(&at.running, &at.fresh);
    end(&at);
}

static void the_command_line_wins_again(void **state)
{
    (void)state;
    life at;
    start(&at, "timeout: 3\n", "--timeout", "8");
    rewrite(at.file, "timeout: 4\nboot-timeout: 6\n");
    assert_reloads(&at);
    assert_value(&at.fresh, "timeout", "8");
    assert_value(&at.fresh, "boot-timeout", "6");
    end(&at);
}

static void a_wrong_file_leaves_the_running_configuration(void **state)
{
    (void)state;
    life at;
    start(&at, "timeout: 3\n", NULL, NULL);
    rewrite(at.file, "timeout: 4\ntimout: 3\n");
    assert_int_equal(reload(&at), HUB_EINVAL);
    char expected[300];
    snprintf(expected, sizeof expected, "%s:2: unknown option timout; did you mean timeout?", at.file);
    assert_int_equal(strncmp(at.failure.text, expected, strlen(expected)), 0);
    assert_value(&at.running, "timeout", "3");
    rewrite(at.file, "max-message: 32M\n");
    assert_int_equal(reload(&at), HUB_EINVAL);
    unlink(at.file);
    assert_int_equal(reload(&at), HUB_ENOENT);
    assert_value(&at.running, "timeout", "3");
    config_free(&at.running);
}

static void a_relative_file_is_found_from_another_working_directory(void **state)
{
    (void)state;
    char before[4096], absolute[128];
    assert_non_null(getcwd(before, sizeof before));
    snprintf(absolute, sizeof absolute, "%s", temporary_file(".yaml", "timeout: 3\n"));
    assert_int_equal(chdir("/tmp"), 0);
    char *argv[] = {(char[]){"hubbub"}, (char[]){"-c"}, strrchr(absolute, '/') + 1, (char[]){"x.so"}, NULL};
    life at = {.argc = 4};
    memcpy(at.argv, argv, sizeof argv);
    config_action action;
    assert_int_equal(config_load(&at.running, &action, 4, at.argv, &at.failure), HUB_OK);
    assert_string_equal(at.running.folder, "/tmp");
    assert_int_equal(chdir("/"), 0);
    rewrite(absolute, "timeout: 4\n");
    assert_reloads(&at);
    assert_value(&at.fresh, "timeout", "4");
    config again = {0};
    assert_int_equal(config_reload(&at.fresh, &again, 4, at.argv, hear, &at.said, &at.failure), HUB_OK);
    config_free(&again);
    assert_int_equal(chdir(before), 0);
    unlink(absolute);
    end(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_hup_can_change_is_changed_without_a_word),
        cmocka_unit_test(what_hup_cannot_change_stays_and_is_told_with_both_places),
        cmocka_unit_test(each_option_that_hup_cannot_change_keeps_its_value),
        cmocka_unit_test(what_did_not_change_is_not_told),
        cmocka_unit_test(the_command_line_wins_again),
        cmocka_unit_test(a_wrong_file_leaves_the_running_configuration),
        cmocka_unit_test(a_relative_file_is_found_from_another_working_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
