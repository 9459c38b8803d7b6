/* SPDX-License-Identifier: Apache-2.0 */
#include "common/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static int make_path(void **state)
{
    (void)state;
    strcpy(path, "/tmp/logfile-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static void writers_of_one_file_write_behind_each_other(void **state)
{
    (void)state;
    int first, second;
    char text[8] = "";
    assert_int_equal(logfile_open(&first, path, "log", NULL), HUB_OK);
    assert_int_equal(logfile_open(&second, path, "log", NULL), HUB_OK);
    assert_int_equal(write(first, "a", 1), 1);
    assert_int_equal(write(second, "b", 1), 1);
    assert_int_equal(write(first, "c", 1), 1);
    close(second);
    close(first);
    int reading = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(reading, text, sizeof text), 3);
    close(reading);
    assert_string_equal(text, "abc");
}

static void a_file_that_cannot_be_opened_is_named_with_its_option(void **state)
{
    (void)state;
    error failure = {.status = HUB_OK};
    int fd;
    assert_int_equal(logfile_open(&fd, "/nowhere/at/all", "error-logfile", &failure), HUB_ESYSTEM);
    assert_non_null(strstr(failure.text, "error-logfile: cannot open /nowhere/at/all: "));
    assert_non_null(strstr(failure.text, "folder"));
}

static void an_own_descriptor_of_a_pipe_does_not_wait_and_leaves_the_others_as_they_were(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    int own = logfile_reopen_stream(ends[1]);
    assert_true(own >= 0);
    assert_true(fcntl(own, F_GETFL) & O_NONBLOCK);
    assert_false(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
    assert_int_equal(write(own, "x", 1), 1);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(own);
    close(ends[0]);
    close(ends[1]);
}

static ino_t inode(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    return status.st_ino;
}

static void what_is_passed_is_taken_once_and_in_order(void **state)
{
    (void)state;
    int ends[2], fd, other = open("/dev/null", O_WRONLY | O_CLOEXEC);
    logfile_set set;
    assert_int_equal(logfile_channel(ends, NULL), HUB_OK);
    assert_int_equal(logfile_open(&fd, path, "log", NULL), HUB_OK);
    assert_true(logfile_pass(ends[0], &(logfile_set){.error = fd, .access = other}));
    assert_true(logfile_pass(ends[0], &(logfile_set){.error = -1, .access = fd}));
    assert_true(logfile_pass(ends[0], &(logfile_set){.error = -1, .access = -1})); /* nothing */

    assert_true(logfile_take(ends[1], &set));
    assert_int_equal(inode(set.error), inode(fd));
    assert_int_equal(inode(set.access), inode(other));
    close(set.error);
    close(set.access);
    assert_true(logfile_take(ends[1], &set));
    assert_int_equal(set.error, -1);
    assert_int_equal(inode(set.access), inode(fd));
    close(set.access);
    assert_false(logfile_take(ends[1], &set));
    assert_int_equal(errno, EAGAIN);
    close(ends[0]);
    assert_false(logfile_take(ends[1], &set));
    assert_int_equal(errno, EPIPE);
    close(ends[1]);
    close(other);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writers_of_one_file_write_behind_each_other, make_path, remove_path),
        cmocka_unit_test(a_file_that_cannot_be_opened_is_named_with_its_option),
        cmocka_unit_test(an_own_descriptor_of_a_pipe_does_not_wait_and_leaves_the_others_as_they_were),
        cmocka_unit_test_setup_teardown(what_is_passed_is_taken_once_and_in_order, make_path, remove_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
