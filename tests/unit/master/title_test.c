/* SPDX-License-Identifier: Apache-2.0 */
#include "master/title.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int given_argc;
static char **given_argv;

/* A file of /proc/self, ended with a NUL; its length. */
static size_t read_self(const char *name, char *to, size_t capacity)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/%s", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(to, 1, capacity - 1, file);
    fclose(file);
    to[length] = '\0';
    return length;
}

static void assert_shown(const char *expected)
{
    char text[4096];
    read_self("cmdline", text, sizeof text);
    assert_string_equal(text, expected);
}

static void the_title_is_what_ps_shows_and_nothing_is_left_of_the_arguments(void **state)
{
    (void)state;
    char text[4096];
    title_set("tested", "a title [%d]", 7);
    assert_shown("a title [7]");
    size_t length = read_self("cmdline", text, sizeof text);
    assert_null(memmem(text, length, "hunter2", 7));
    read_self("comm", text, sizeof text);
    assert_string_equal(text, "tested\n");
}

static void a_shorter_title_leaves_nothing_of_a_longer_one(void **state)
{
    (void)state;
    title_set("tested", "a long title [%d]", 7);
    title_set("tested", "short");
    assert_shown("short");
}

static void a_title_that_is_longer_than_the_arguments_is_whole(void **state)
{
    (void)state;
    char expected[200];
    snprintf(expected, sizeof expected, "long %0150d", 7);
    title_set("tested", "%s", expected);
    assert_shown(expected);
    title_set("tested", "short");
    assert_shown("short");
}

static void arguments_and_variables_live_on(void **state)
{
    (void)state;
    title_set("tested", "a title");
    assert_int_equal(given_argc, 4);
    assert_string_equal(given_argv[1], "--tested");
    assert_string_equal(given_argv[2], "hunter2");
    assert_string_equal(given_argv[3], "");
    assert_null(given_argv[4]);
    assert_string_equal(getenv("TITLE_FIRST"), "1");
    assert_string_equal(getenv("TITLE_LAST"), "the last");
}

static void of_the_first_environment_the_end_can_still_be_read(void **state)
{
    (void)state;
    char text[8192];
    title_set("tested", "a title");
    size_t length = read_self("environ", text, sizeof text);
    assert_non_null(memmem(text, length, "TITLE_LAST=the last", 20));
}

static void a_child_has_a_title_of_its_own(void **state)
{
    (void)state;
    int status;
    title_set("tested", "parent");
    pid_t pid = fork();
    if (pid == 0) {
        char text[4096];
        title_set("child", "child");
        read_self("cmdline", text, sizeof text);
        _exit(strcmp(text, "child") == 0 ? 17 : 18);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 17);
    assert_shown("parent");
}

int main(int argc, char *argv[])
{
    /* Started again with arguments and an environment that the tests know. */
    if (argc == 1) {
        char padding[300] = "TITLE_PADDING=";
        memset(padding + strlen(padding), 'x', sizeof padding - 1 - strlen(padding));
        char *arguments[] = {argv[0], (char[]){"--tested"}, (char[]){"hunter2"}, (char[]){""}, NULL};
        char *variables[] = {(char[]){"TITLE_FIRST=1"}, padding, (char[]){"TITLE_LAST=the last"}, NULL};
        execve("/proc/self/exe", arguments, variables);
        return 1;
    }
    given_argc = argc;
    given_argv = argv;
    if (title_open(argc, argv) != HUB_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_title_is_what_ps_shows_and_nothing_is_left_of_the_arguments),
        cmocka_unit_test(a_shorter_title_leaves_nothing_of_a_longer_one),
        cmocka_unit_test(a_title_that_is_longer_than_the_arguments_is_whole),
        cmocka_unit_test(arguments_and_variables_live_on),
        cmocka_unit_test(of_the_first_environment_the_end_can_still_be_read),
        cmocka_unit_test(a_child_has_a_title_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
