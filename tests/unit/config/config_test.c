/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/config/support.h"

#include <sys/stat.h>

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void assert_loads(config *values, const char *const *arguments)
{
    config_action action;
    error failure;
    if (load(values, &action, &failure, arguments) != HUB_OK)
        fail_msg("%s", failure.text);
}

static void assert_refused(hub_status expected, const char *const *arguments, const char *words)
{
    config values;
    config_action action;
    error failure;
    assert_int_equal(load(&values, &action, &failure, arguments), expected);
    if (!strstr(failure.text, words))
        fail_msg("expected: %s\nbut got: %s", words, failure.text);
}

static void each_place_wins_over_those_before_it(void **state)
{
    (void)state;
    const char *path =
        temporary_file(".yaml", "workers: 2\nbacklog: 2\ntimeout: 2\nbind: [\":2\", \":22\"]\n");
    setenv("HUBBUB_BACKLOG", "3", 1);
    setenv("HUBBUB_TIMEOUT", "3", 1);
    config values;
    assert_loads(&values, ARGUMENTS("--timeout=4", "-b", ":4", "-c", path, "x.so"));
    unsetenv("HUBBUB_BACKLOG");
    unsetenv("HUBBUB_TIMEOUT");
    unlink(path);
    assert_value(&values, "keep-alive", "75");
    assert_value(&values, "workers", "2");
    assert_value(&values, "backlog", "3");
    assert_value(&values, "timeout", "4");
    assert_value(&values, "bind", ":4");
    assert_string_equal(values.file, path);
    config_free(&values);
}

static void an_application_is_needed_to_run_and_may_stand_in_the_file(void **state)
{
    (void)state;
    assert_refused(HUB_EINVAL, ARGUMENTS("-w1"),
                   "command line: APP is missing; give a shared object or a C file");
    assert_refused(HUB_EINVAL, ARGUMENTS("--check-config"), "APP is missing");
    config values;
    assert_loads(&values, ARGUMENTS("--print-config"));
    assert_null(values.app);
    config_free(&values);
    const char *path = temporary_file(".ini", "app = from-file.so\n");
    assert_loads(&values, ARGUMENTS("-c", path));
    assert_string_equal(values.app, "from-file.so");
    config_free(&values);
    assert_loads(&values, ARGUMENTS("-c", path, "other.so"));
    assert_string_equal(values.app, "other.so");
    config_free(&values);
    unlink(path);
}

static void sizes_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    assert_refused(
        HUB_EINVAL, ARGUMENTS("--queue-soft=17M", "x.so"),
        "queue-hard 16M (default) must be at least queue-soft 17M (command line): it is the higher of the "
        "two limits; raise the first or lower the second");
    assert_refused(HUB_EINVAL, ARGUMENTS("--max-message=16M", "x.so"),
                   "queue-hard 16M (default) must be more than max-message");
    assert_refused(HUB_EINVAL, ARGUMENTS("--limit-request-head=8K", "--limit-request-line=9K", "x.so"),
                   "limit-request-head 8K (command line) must be at least limit-request-line 9K");
    config values;
    assert_loads(&values, ARGUMENTS("--queue-soft=16M", "x.so"));
    config_free(&values);
    const char *path = temporary_file(".yaml", "app: x.so\nqueue-hard: 2M\nmax-message: 2M\n");
    char words[400];
    snprintf(words, sizeof words, "queue-hard 2M (%s:2) must be more than max-message 2M (%s:3)", path, path);
    assert_refused(HUB_EINVAL, ARGUMENTS("-c", path), words);
    unlink(path);
}

static void a_file_is_read_by_the_ending_of_its_name(void **state)
{
    (void)state;
    static const char *const ini[] = {".ini", ".conf", ".cfg", ".INI"};
    static const char *const yaml[] = {".yaml", ".yml"};
    config values;
    for (size_t i = 0; i < 4; i++) {
        const char *path = temporary_file(ini[i], "[hubbub]\nworkers = 5\n");
        assert_loads(&values, ARGUMENTS("-c", path, "x.so"));
        assert_value(&values, "workers", "5");
        config_free(&values);
        unlink(path);
    }
    for (size_t i = 0; i < 2; i++) {
        const char *path = temporary_file(yaml[i], "workers: 5\n");
        assert_loads(&values, ARGUMENTS("-c", path, "x.so"));
        assert_value(&values, "workers", "5");
        config_free(&values);
        unlink(path);
    }
    assert_refused(
        HUB_EINVAL, ARGUMENTS("-c", "chat.json", "x.so"),
        "chat.json: is of no known kind; the name must end with .ini, .conf or .cfg (INI), or .yaml or .yml");
    assert_refused(HUB_EINVAL, ARGUMENTS("-c", "dir.yaml/chat", "x.so"),
                   "dir.yaml/chat: is of no known kind");
    assert_refused(HUB_EINVAL, ARGUMENTS("-c", "", "x.so"), "is of no known kind");
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
    (void)state;
    assert_refused(
        HUB_ENOENT, ARGUMENTS("-c", "/nowhere/chat.yaml", "x.so"),
        "/nowhere/chat.yaml: cannot be read: No such file or directory; check the path that -c gives");
    char path[64];
    snprintf(path, sizeof path, "/tmp/hubbub-directory-%ld.yaml", (long)getpid());
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused(HUB_ENOENT, ARGUMENTS("-c", path, "x.so"), "cannot be read: Is a directory");
    rmdir(path);
}

static void a_file_may_have_one_mebibyte_and_no_more(void **state)
{
    (void)state;
    char *text = malloc(READERS_FILE_MAX + 2);
    assert_non_null(text);
    memset(text, '\n', READERS_FILE_MAX + 1);
    text[READERS_FILE_MAX] = '\0';
    const char *path = temporary_file(".ini", text);
    config values;
    assert_loads(&values, ARGUMENTS("-c", path, "x.so"));
    config_free(&values);
    unlink(path);
    text[READERS_FILE_MAX] = '\n';
    text[READERS_FILE_MAX + 1] = '\0';
    path = temporary_file(".ini", text);
    assert_refused(HUB_EINVAL, ARGUMENTS("-c", path, "x.so"),
                   "is larger than the 1M that a configuration may have");
    unlink(path);
    free(text);
    char endless[64];
    snprintf(endless, sizeof endless, "/tmp/hubbub-endless-%ld.yaml", (long)getpid());
    assert_int_equal(symlink("/dev/zero", endless), 0);
    assert_refused(HUB_EINVAL, ARGUMENTS("-c", endless, "x.so"), "is larger than the 1M");
    unlink(endless);
}

static void the_examples_of_both_formats_are_equal(void **state)
{
    (void)state;
    config ini, yaml;
    assert_loads(&ini, ARGUMENTS("-c", "../examples/contract.ini", "contract.so"));
    assert_loads(&yaml, ARGUMENTS("-c", "../examples/contract.yaml", "contract.so"));
    assert_equal_configs(&ini, &yaml);
    assert_int_equal(yaml.max_message, 16777216);
    assert_int_equal(yaml.max_body, 16777216);
    assert_string_equal(yaml.ws_origins, "*");
    assert_true(yaml.log_size / 4 > yaml.max_message);
    config_free(&ini);
    config_free(&yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_place_wins_over_those_before_it),
        cmocka_unit_test(an_application_is_needed_to_run_and_may_stand_in_the_file),
        cmocka_unit_test(sizes_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_file_is_read_by_the_ending_of_its_name),
        cmocka_unit_test(a_file_that_cannot_be_read_says_why),
        cmocka_unit_test(a_file_may_have_one_mebibyte_and_no_more),
        cmocka_unit_test(the_examples_of_both_formats_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
