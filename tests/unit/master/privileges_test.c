/* SPDX-License-Identifier: Apache-2.0 */
#include "master/privileges.h"

#include "config/settings.h"
#include "master/spawn.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SOME_USER = 54321, SOME_GROUP = 54322 };

static config settings;

static int open_settings(void **state)
{
    (void)state;
    return config_defaults(&settings) == HUB_OK ? 0 : -1;
}

static int close_settings(void **state)
{
    (void)state;
    privileges_forget();
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

static void find(void)
{
    error failure = {.status = HUB_OK};
    if (privileges_find(&settings, &failure) != HUB_OK)
        fail_msg("%s", failure.text);
}

static void assert_refused(const char *why)
{
    error failure = {.status = HUB_OK};
    assert_int_equal(privileges_find(&settings, &failure), HUB_EINVAL);
    if (!strstr(failure.text, why))
        fail_msg("\"%s\" is not in \"%s\"", why, failure.text);
}

static void need_root(void)
{
    if (geteuid() != 0)
        skip();
}

/* The hexadecimal number behind a name in /proc/self/status. */
static unsigned long long status_number(const char *name)
{
    char line[256];
    unsigned long long number = UINT64_MAX;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            number = strtoull(line + strlen(name) + 1, NULL, 16);
    if (file)
        fclose(file);
    return number;
}

/* Every test that changes who the process is runs in a child; its exit code is the number of the check that
 * failed. */
static void in_child(int (*run)(void))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- looking up ---- */

static void without_the_options_nothing_changes(void **state)
{
    (void)state;
    error failure = {.status = HUB_OK};
    uid_t before = geteuid();
    unsigned long long capabilities = status_number("CapEff");
    find();
    assert_int_equal(privileges_drop(&failure), HUB_OK);
    assert_int_equal(privileges_settle_master(&settings, &failure), HUB_OK);
    assert_int_equal(geteuid(), before);
    assert_true(status_number("CapEff") == capabilities);
}

static void who_is_unknown_is_named_with_the_option(void **state)
{
    (void)state;
    give("user", "nobody-of-this-name");
    assert_refused("user: there is no user nobody-of-this-name");
    give("group", "no-group-of-this-name");
    assert_refused("group: there is no group no-group-of-this-name");
}

static void a_number_without_an_entry_needs_a_group(void **state)
{
    (void)state;
    need_root();
    if (getpwuid(SOME_USER))
        skip();
    give("user", "54321");
    assert_refused("give --group, too");
    give("group", "54322");
    find();
}

static void dropping_the_master_needs_a_user(void **state)
{
    (void)state;
    give("drop-master", "on");
    assert_refused("drop-master: says nothing without --user");
}

static int find_as_somebody(void)
{
    error failure = {.status = HUB_OK};
    if (setresgid(SOME_GROUP, SOME_GROUP, SOME_GROUP) < 0 || setresuid(SOME_USER, SOME_USER, SOME_USER) < 0)
        return 1;
    give("user", "0");
    if (privileges_find(&settings, &failure) != HUB_EINVAL || !strstr(failure.text, "user: only root can"))
        return 2;
    give("user", "54321");
    give("group", "0");
    if (privileges_find(&settings, &failure) != HUB_EINVAL || !strstr(failure.text, "group: only root can"))
        return 3;
    give("group", "54322");
    if (privileges_find(&settings, &failure) != HUB_OK || privileges_drop(&failure) != HUB_OK)
        return 4;
    return geteuid() == SOME_USER ? 0 : 5;
}

static void who_is_not_root_can_name_but_itself(void **state)
{
    (void)state;
    need_root();
    in_child(find_as_somebody);
}

/* ---- dropping ---- */

static int drop(void)
{
    error failure = {.status = HUB_OK};
    uid_t users[3];
    gid_t groups[3], more[64];
    if (privileges_drop(&failure) != HUB_OK)
        return 1;
    if (getresuid(&users[0], &users[1], &users[2]) < 0 || getresgid(&groups[0], &groups[1], &groups[2]) < 0)
        return 2;
    for (size_t i = 0; i < 3; i++)
        if (users[i] != SOME_USER || groups[i] != SOME_GROUP)
            return 3;
    if (getgroups(64, more) != 0)
        return 4;
    if (status_number("CapEff") || status_number("CapPrm") || status_number("CapInh") ||
        status_number("CapAmb"))
        return 5;
    if (status_number("CapBnd"))
        return 6;
    return setuid(0) == 0 || setgid(0) == 0 ? 7 : 0;
}

static void nothing_of_root_is_left_and_nothing_can_be_had_again(void **state)
{
    (void)state;
    need_root();
    give("user", "54321");
    give("group", "54322");
    find();
    in_child(drop);
}

static int drop_to_daemon(void)
{
    error failure = {.status = HUB_OK};
    const struct passwd *entry = getpwnam("daemon");
    gid_t expected[64], got[64];
    int count = 64;
    if (!entry || getgrouplist("daemon", entry->pw_gid, expected, &count) < 0)
        return 1;
    if (privileges_drop(&failure) != HUB_OK || geteuid() != entry->pw_uid || getegid() != entry->pw_gid)
        return 2;
    if (getgroups(64, got) != count || memcmp(expected, got, (size_t)count * sizeof(gid_t)) != 0)
        return 3;
    return strcmp(getenv("HOME"), entry->pw_dir) == 0 && strcmp(getenv("USER"), "daemon") == 0 &&
                   strcmp(getenv("LOGNAME"), "daemon") == 0
               ? 0
               : 4;
}

static void a_name_brings_its_groups_and_its_folder(void **state)
{
    (void)state;
    need_root();
    if (!getpwnam("daemon"))
        skip();
    give("user", "daemon");
    find();
    in_child(drop_to_daemon);
}

static int drop_group(void)
{
    error failure = {.status = HUB_OK};
    return privileges_drop(&failure) == HUB_OK && getegid() == SOME_GROUP && geteuid() == 0 ? 0 : 1;
}

static void a_group_alone_leaves_the_user(void **state)
{
    (void)state;
    need_root();
    give("group", "54322");
    find();
    in_child(drop_group);
}

/* ---- the master ---- */

static const unsigned long long kept =
    1ull << 0 | 1ull << 1 | 1ull << 3 | 1ull << 5 | 1ull << 6 | 1ull << 7 | 1ull << 8 | 1ull << 10;

static int settle(void)
{
    error failure = {.status = HUB_OK};
    unsigned long long before = status_number("CapPrm");
    if (privileges_settle_master(&settings, &failure) != HUB_OK || geteuid() != 0)
        return 1;
    if (status_number("CapEff") != (before & kept) || status_number("CapPrm") != (before & kept))
        return 2;
    if (status_number("CapBnd") & ~kept)
        return 3;
    return drop(); /* a worker forked by it still can */
}

static void the_master_keeps_what_it_needs_and_its_workers_nothing(void **state)
{
    (void)state;
    need_root();
    give("user", "54321");
    give("group", "54322");
    find();
    in_child(settle);
}

static int settle_dropped(void)
{
    error failure = {.status = HUB_OK};
    if (privileges_settle_master(&settings, &failure) != HUB_OK || geteuid() != SOME_USER)
        return 1;
    if (status_number("CapEff"))
        return 2;
    /* Its workers are what it is: to drop once more does no harm. */
    return privileges_drop(&failure) == HUB_OK && geteuid() == SOME_USER ? 0 : 3;
}

static void the_master_can_go_with_its_workers(void **state)
{
    (void)state;
    need_root();
    give("user", "54321");
    give("group", "54322");
    give("drop-master", "on");
    find();
    in_child(settle_dropped);
}

/* ---- what a child can still do ---- */

static int module;

static bool copy_library(int to)
{
    Dl_info where;
    if (!dladdr((void *)strlen, &where))
        return false;
    int from = open(where.dli_fname, O_RDONLY | O_CLOEXEC);
    off_t size = from >= 0 ? lseek(from, 0, SEEK_END) : -1;
    off_t done = 0;
    while (done < size && sendfile(to, from, &done, (size_t)(size - done)) > 0)
        continue;
    close(from);
    return size > 0 && done == size;
}

static int open_sealed(void *arg)
{
    (void)arg;
    char path[64];
    if (geteuid() != SOME_USER)
        return 1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", module);
    int again = open(path, O_RDONLY | O_CLOEXEC);
    if (again < 0)
        return 2;
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, again, 0) == MAP_FAILED ? 3 : 0;
}

static void what_root_sealed_is_mapped_by_who_has_dropped(void **state)
{
    (void)state;
    need_root();
    give("user", "54321");
    give("group", "54322");
    find();
    module = memfd_create("app.so", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(module >= 0 && copy_library(module));
    assert_int_equal(fcntl(module, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
    spawn_request request = {.run = open_sealed, .keep = &module, .keep_count = 1};
    error failure = {.status = HUB_OK};
    pid_t pid;
    int status;
    assert_int_equal(spawn_process(&request, &pid, &failure), HUB_OK);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(module);
}

int main(void)
{
#define each(test) cmocka_unit_test_setup_teardown(test, open_settings, close_settings)
    const struct CMUnitTest tests[] = {
        each(without_the_options_nothing_changes),
        each(who_is_unknown_is_named_with_the_option),
        each(a_number_without_an_entry_needs_a_group),
        each(dropping_the_master_needs_a_user),
        each(who_is_not_root_can_name_but_itself),
        each(nothing_of_root_is_left_and_nothing_can_be_had_again),
        each(a_name_brings_its_groups_and_its_folder),
        each(a_group_alone_leaves_the_user),
        each(the_master_keeps_what_it_needs_and_its_workers_nothing),
        each(the_master_can_go_with_its_workers),
        each(what_root_sealed_is_mapped_by_who_has_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
