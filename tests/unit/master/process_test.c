/* SPDX-License-Identifier: Apache-2.0 */
#include "master/process.h"

#include "config/settings.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static config settings;

static int open_settings(void **state)
{
    (void)state;
    return config_defaults(&settings) == HUB_OK ? 0 : -1;
}

static int close_settings(void **state)
{
    (void)state;
    config_free(&settings);
    return 0;
}

static void give(const char *name, const char *text)
{
    static const place from = {PLACE_COMMAND_LINE, NULL, 0};
    error failure = {.status = HUB_OK};
    if (setting_apply(&settings, option_find(name, strlen(name)), text, &from, &failure) != HUB_OK)
        fail_msg("%s", failure.text);
}

static void assert_name(const char *app, const char *expected)
{
    char name[64];
    give("app", app);
    process_name(&settings, name, sizeof name);
    assert_string_equal(name, expected);
}

static void the_name_is_that_of_the_application_without_its_ending(void **state)
{
    (void)state;
    assert_name("chat.so", "chat");
    assert_name("/srv/a.b/chat.v2.c", "chat.v2");
    assert_name("../chat", "chat");
    assert_name("/srv/.hidden", ".hidden");
    give("name", "shop");
    assert_name("chat.so", "shop");
}

static mode_t mask_now(void)
{
    mode_t mask = umask(0);
    umask(mask);
    return mask;
}

static rlim_t core_now(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    return limit.rlim_cur;
}

static void the_mask_is_octal_and_goes_back_to_what_was_inherited(void **state)
{
    (void)state;
    mode_t before = mask_now();
    give("umask", "0137");
    process_set_limits(&settings);
    assert_int_equal(mask_now(), 0137);
    config_free(&settings);
    assert_int_equal(config_defaults(&settings), HUB_OK);
    process_set_limits(&settings);
    assert_int_equal(mask_now(), before);
}

static void core_files_are_limited_and_that_goes_back_too(void **state)
{
    (void)state;
    struct rlimit limit;
    rlim_t before = core_now();
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    if (limit.rlim_max < 1 << 20)
        skip();
    give("core-dump", "1M");
    process_set_limits(&settings);
    assert_int_equal(core_now(), 1 << 20);
    give("core-dump", "off");
    process_set_limits(&settings);
    assert_int_equal(core_now(), 0);
    give("core-dump", "on");
    process_set_limits(&settings);
    assert_int_equal(core_now(), limit.rlim_max);
    config_free(&settings);
    assert_int_equal(config_defaults(&settings), HUB_OK);
    process_set_limits(&settings);
    assert_int_equal(core_now(), before);
}

/* In a child, because a hard limit does not come back: 17 when the soft one is the hard one afterwards. */
static int exit_code_with_a_hard_limit(rlim_t hard)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {0, hard};
        setrlimit(RLIMIT_CORE, &limit);
        process_set_limits(&settings);
        getrlimit(RLIMIT_CORE, &limit);
        _exit(limit.rlim_cur == hard && limit.rlim_max == hard ? 17 : 18);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_larger_core_file_than_the_hard_limit_is_as_large_as_that(void **state)
{
    (void)state;
    give("core-dump", "1G");
    assert_int_equal(exit_code_with_a_hard_limit(4096), 17);
    give("core-dump", "on");
    assert_int_equal(exit_code_with_a_hard_limit(8192), 17);
}

static void variables_are_set_and_the_last_of_a_name_counts(void **state)
{
    (void)state;
    give("env", "PROCESS_TEST_A=1=2, 3");
    give("env", "PROCESS_TEST_B=");
    give("env", "PROCESS_TEST_C=1");
    give("env", "PROCESS_TEST_C=2");
    setenv("PROCESS_TEST_A", "before", 1);
    process_set_environment(&settings);
    assert_string_equal(getenv("PROCESS_TEST_A"), "1=2, 3");
    assert_string_equal(getenv("PROCESS_TEST_B"), "");
    assert_string_equal(getenv("PROCESS_TEST_C"), "2");
}

static void the_folder_is_entered(void **state)
{
    (void)state;
    char before[4096], now[4096];
    error failure = {.status = HUB_OK};
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(process_enter_folder(&settings, &failure), HUB_OK);
    assert_string_equal(getcwd(now, sizeof now), before);
    give("chdir", "/");
    assert_int_equal(process_enter_folder(&settings, &failure), HUB_OK);
    assert_string_equal(getcwd(now, sizeof now), "/");
    assert_int_equal(chdir(before), 0);
    give("chdir", "/nowhere/at/all");
    assert_int_equal(process_enter_folder(&settings, &failure), HUB_EINVAL);
    assert_string_equal(failure.text,
                        "chdir: cannot enter the folder /nowhere/at/all: No such file or directory");
}

static unsigned nth_allowed(unsigned n)
{
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    unsigned wanted = n % (unsigned)CPU_COUNT(&allowed);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && wanted-- == 0)
            return cpu;
    return CPU_SETSIZE;
}

/* The one CPU that a child in this slot may use then; -1: several, -2: it failed. */
static int pinned_to(unsigned slot)
{
    int ends[2], answer = -3;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        error failure = {.status = HUB_OK};
        cpu_set_t now;
        int cpu = -1;
        if (process_pin(&settings, slot, &failure) != HUB_OK || sched_getaffinity(0, sizeof now, &now) < 0)
            cpu = -2;
        else if (CPU_COUNT(&now) == 1)
            for (cpu = 0; !CPU_ISSET((unsigned)cpu, &now);)
                cpu++;
        _exit(write(ends[1], &cpu, sizeof cpu) == sizeof cpu ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(read(ends[0], &answer, sizeof answer), sizeof answer);
    close(ends[0]);
    close(ends[1]);
    return answer;
}

static void each_slot_is_pinned_to_the_next_cpu_that_may_be_used(void **state)
{
    (void)state;
    give("cpu-affinity", "auto");
    for (unsigned slot = 0; slot < 5; slot++)
        assert_int_equal(pinned_to(slot), nth_allowed(slot));
}

static void a_list_is_taken_from_its_front_again(void **state)
{
    (void)state;
    char list[32];
    unsigned first = nth_allowed(0), second = nth_allowed(1);
    snprintf(list, sizeof list, "%u, %u", second, first);
    give("cpu-affinity", list);
    error failure = {.status = HUB_OK};
    assert_int_equal(process_check_affinity(&settings, &failure), HUB_OK);
    assert_int_equal(pinned_to(0), first);
    assert_int_equal(pinned_to(1), second);
    assert_int_equal(pinned_to(2), first);
}

static void a_cpu_that_is_not_there_is_refused(void **state)
{
    (void)state;
    error failure = {.status = HUB_OK};
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    if (CPU_ISSET(CPU_SETSIZE - 1, &allowed))
        skip();
    give("cpu-affinity", "1023");
    assert_int_equal(process_check_affinity(&settings, &failure), HUB_EINVAL);
    assert_int_equal(strncmp(failure.text, "cpu-affinity: CPU 1023 is not there", 35), 0);
    assert_int_equal(pinned_to(0), -2);
}

static void a_worker_needs_some_of_its_open_files_for_itself(void **state)
{
    (void)state;
    assert_int_equal(process_connections(0), 0);
    assert_int_equal(process_connections(64), 0);
    assert_in_range(process_connections(1024), 600, 1000);
    assert_int_equal(process_connections(UINT64_MAX), UINT32_MAX);
}

#define WITH_SETTINGS(test) cmocka_unit_test_setup_teardown(test, open_settings, close_settings)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SETTINGS(the_name_is_that_of_the_application_without_its_ending),
        WITH_SETTINGS(the_mask_is_octal_and_goes_back_to_what_was_inherited),
        WITH_SETTINGS(core_files_are_limited_and_that_goes_back_too),
        WITH_SETTINGS(a_larger_core_file_than_the_hard_limit_is_as_large_as_that),
        WITH_SETTINGS(variables_are_set_and_the_last_of_a_name_counts),
        WITH_SETTINGS(the_folder_is_entered),
        WITH_SETTINGS(each_slot_is_pinned_to_the_next_cpu_that_may_be_used),
        WITH_SETTINGS(a_list_is_taken_from_its_front_again),
        WITH_SETTINGS(a_cpu_that_is_not_there_is_refused),
        WITH_SETTINGS(a_worker_needs_some_of_its_open_files_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
