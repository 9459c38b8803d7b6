/* SPDX-License-Identifier: Apache-2.0 */
#include "master/pidfile.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/hubbub-pidfile-XXXXXX";
static char path[sizeof folder + 8];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/pid", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void write_text(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void write_pid(pid_t pid)
{
    char text[32];
    snprintf(text, sizeof text, "%d\n", (int)pid);
    write_text(text);
}

static void assert_content(const char *expected)
{
    char text[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    assert_string_equal(text, expected);
}

static void assert_holds_own(void)
{
    char text[32];
    snprintf(text, sizeof text, "%d\n", (int)getpid());
    assert_content(text);
}

/* Nothing else may be left beside the file. */
static void assert_entries(int expected)
{
    int count = 0;
    DIR *listing = opendir(folder);
    assert_non_null(listing);
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(listing);
    assert_int_equal(count, expected);
}

static void assert_written(void)
{
    error failure = {.status = HUB_OK};
    if (pidfile_write(path, &failure) != HUB_OK)
        fail_msg("%s", failure.text);
    assert_holds_own();
    assert_entries(1);
}

static void assert_refused(hub_status expected, const char *words)
{
    error failure = {.status = HUB_OK};
    assert_int_equal(pidfile_write(path, &failure), expected);
    if (!strstr(failure.text, words) || !strstr(failure.text, path))
        fail_msg("\"%s\" is not in: %s", words, failure.text);
}

/* A process that is called so and waits to be killed. */
static pid_t living(const char *name)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, name);
        if (write(ends[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_true(pid > 0);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

static void end_process(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void it_holds_the_process_id_and_everybody_may_read_it(void **state)
{
    (void)state;
    struct stat status;
    mode_t before = umask(022);
    assert_written();
    umask(before);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);
}

static void that_of_a_living_server_is_left_alone(void **state)
{
    (void)state;
    pid_t other = living(PIDFILE_NAME);
    char text[32];
    snprintf(text, sizeof text, "%d\n", (int)other);
    write_text(text);
    assert_refused(HUB_EFULL, "held by a hubbub that runs");
    assert_content(text);
    assert_entries(1);
    end_process(other);
    assert_written();
}

static void that_of_a_process_which_is_something_else_is_replaced(void **state)
{
    (void)state;
    static const char *const names[] = {"sleep", "hubbub-w3"};
    for (size_t i = 0; i < 2; i++) {
        pid_t other = living(names[i]);
        write_pid(other);
        assert_written();
        end_process(other);
    }
}

static void that_of_a_server_which_has_ended_and_was_not_reaped_is_replaced(void **state)
{
    (void)state;
    siginfo_t ended;
    pid_t other = living(PIDFILE_NAME);
    kill(other, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)other, &ended, WEXITED | WNOWAIT), 0);
    write_pid(other);
    assert_written();
    end_process(other);
}

static void one_that_is_empty_or_ones_own_is_replaced(void **state)
{
    (void)state;
    write_text("");
    assert_written();
    write_text("2147483647");
    assert_written();
    /* In a container the process before had the same id. */
    char name[] = PIDFILE_NAME, before[16];
    prctl(PR_GET_NAME, before);
    prctl(PR_SET_NAME, name);
    write_pid(getpid());
    assert_written();
    prctl(PR_SET_NAME, before);
}

static void what_is_no_pid_file_is_left_alone(void **state)
{
    (void)state;
    static const char *const texts[] = {"precious\n",
                                        "12 34\n",
                                        "-5\n",
                                        "0\n",
                                        "123456789012345678901234567890",
                                        "1234567890\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_text(texts[i]);
        assert_refused(HUB_EINVAL, "is no pid file");
        assert_content(texts[i]);
    }
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused(HUB_EINVAL, "is no pid file");
    assert_int_equal(rmdir(path), 0);
}

static void a_path_that_cannot_be_written_is_told(void **state)
{
    (void)state;
    error failure = {.status = HUB_OK};
    assert_int_equal(pidfile_write("/nowhere/at/all/pid", &failure), HUB_ESYSTEM);
    assert_string_equal(failure.text,
                        "cannot write the pid file /nowhere/at/all/pid: No such file or directory; "
                        "check the path of --pid");
    assert_entries(0);
}

static void what_a_killed_process_with_this_id_left_beside_is_no_obstacle(void **state)
{
    (void)state;
    char beside[sizeof path + 16];
    snprintf(beside, sizeof beside, "%s.%d", path, (int)getpid());
    FILE *file = fopen(beside, "w");
    assert_non_null(file);
    fclose(file);
    assert_written();
}

static void it_is_removed_only_while_it_is_ones_own(void **state)
{
    (void)state;
    assert_written();
    pidfile_remove(path);
    assert_entries(0);
    pidfile_remove(path);
    write_text("1\n");
    pidfile_remove(path);
    assert_content("1\n");
}

static void its_file_gets_another_name(void **state)
{
    (void)state;
    char second[sizeof path + 2];
    snprintf(second, sizeof second, "%s.2", path);
    assert_int_equal(pidfile_write(second, NULL), HUB_OK);
    assert_int_equal(pidfile_rename(second, path, 0, NULL), HUB_OK);
    assert_holds_own();
    assert_int_equal(access(second, F_OK), -1);
}

static void the_name_of_a_living_server_goes_to_the_one_that_follows_it(void **state)
{
    (void)state;
    pid_t before = living(PIDFILE_NAME);
    char second[sizeof path + 2], text[32];
    snprintf(second, sizeof second, "%s.2", path);
    snprintf(text, sizeof text, "%d\n", (int)before);
    write_text(text);
    assert_int_equal(pidfile_write(second, NULL), HUB_OK);
    assert_int_equal(pidfile_rename(second, path, 0, NULL), HUB_EFULL);
    assert_content(text);
    assert_int_equal(pidfile_rename(second, path, before, NULL), HUB_OK);
    assert_holds_own();
    end_process(before);
}

static void a_name_that_is_something_else_is_not_taken(void **state)
{
    (void)state;
    char second[sizeof path + 2];
    snprintf(second, sizeof second, "%s.2", path);
    write_text("precious");
    assert_int_equal(pidfile_write(second, NULL), HUB_OK);
    assert_int_equal(pidfile_rename(second, path, 0, NULL), HUB_EINVAL);
    assert_content("precious");
    pidfile_remove(second);
    assert_int_equal(access(second, F_OK), -1);
}

static void the_file_of_another_process_is_removed_only_if_it_names_that(void **state)
{
    (void)state;
    write_pid(4711);
    pidfile_remove_of(path, 4712);
    assert_content("4711\n");
    pidfile_remove_of(path, 4711);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(it_holds_the_process_id_and_everybody_may_read_it, remove_file),
        cmocka_unit_test_teardown(that_of_a_living_server_is_left_alone, remove_file),
        cmocka_unit_test_teardown(that_of_a_process_which_is_something_else_is_replaced, remove_file),
        cmocka_unit_test_teardown(that_of_a_server_which_has_ended_and_was_not_reaped_is_replaced,
                                  remove_file),
        cmocka_unit_test_teardown(one_that_is_empty_or_ones_own_is_replaced, remove_file),
        cmocka_unit_test_teardown(what_is_no_pid_file_is_left_alone, remove_file),
        cmocka_unit_test_teardown(a_path_that_cannot_be_written_is_told, remove_file),
        cmocka_unit_test_teardown(what_a_killed_process_with_this_id_left_beside_is_no_obstacle, remove_file),
        cmocka_unit_test_teardown(it_is_removed_only_while_it_is_ones_own, remove_file),
        cmocka_unit_test_teardown(its_file_gets_another_name, remove_file),
        cmocka_unit_test_teardown(the_name_of_a_living_server_goes_to_the_one_that_follows_it, remove_file),
        cmocka_unit_test_teardown(a_name_that_is_something_else_is_not_taken, remove_file),
        cmocka_unit_test_teardown(the_file_of_another_process_is_removed_only_if_it_names_that, remove_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
