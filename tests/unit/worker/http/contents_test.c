/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/contents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int fd;

static int make_file(void **state)
{
    char path[] = "/tmp/contents_test-XXXXXX";
    (void)state;
    fd = mkstemp(path);
    return fd < 0 ? -1 : unlink(path);
}

static int remove_file(void **state)
{
    (void)state;
    contents_trim();
    chunk_trim();
    return close(fd);
}

static void put(const void *bytes, size_t length)
{
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, bytes, length, 0), (ssize_t)length);
}

/* Asks so many seconds after the last change. */
static chunk *ask_after(time_t seconds)
{
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    return contents_of(fd, &info, (struct timespec){.tv_sec = info.st_ctim.tv_sec + seconds});
}

static void assert_holds(const chunk *bytes, const char *expected)
{
    assert_non_null(bytes);
    assert_true(hub_equal(hub_bytes_of(bytes->bytes, bytes->length), hub_text(expected)));
}

static void answers_share_the_contents_of_a_file(void **state)
{
    (void)state;
    put("hello", 5);
    chunk *first = ask_after(10), *second = ask_after(11);
    assert_holds(first, "hello");
    assert_ptr_equal(first, second);
    assert_int_equal(first->kind, CHUNK_SHARED);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    chunk_drop(first);
    contents_trim();
    assert_holds(second, "hello");
    chunk_drop(second);
}

static void a_file_that_changed_is_read_anew(void **state)
{
    (void)state;
    struct stat before, after;
    put("hello", 5);
    chunk_drop(ask_after(10));
    assert_int_equal(fstat(fd, &before), 0);
    do { /* the clock of files moves in steps */
        put("other", 5);
        assert_int_equal(fstat(fd, &after), 0);
    } while (memcmp(&before.st_ctim, &after.st_ctim, sizeof before.st_ctim) == 0);
    /* A time of modification can be set back, that of change cannot. */
    const struct timespec times[2] = {before.st_atim, before.st_mtim};
    assert_int_equal(futimens(fd, times), 0);
    chunk *bytes = ask_after(10);
    assert_holds(bytes, "other");
    chunk_drop(bytes);
}

static void a_file_that_changed_lately_is_not_kept(void **state)
{
    (void)state;
    put("hello", 5);
    assert_null(ask_after(0));
    assert_null(ask_after(2));
    assert_null(ask_after(-1000));
    chunk *bytes = ask_after(3);
    assert_holds(bytes, "hello");
    chunk_drop(bytes);
}

static void empty_and_long_files_are_not_kept(void **state)
{
    (void)state;
    static char much[CONTENTS_LENGTH_MAX + 1];
    assert_null(ask_after(10));
    put(much, sizeof much);
    assert_null(ask_after(10));
    put(much, sizeof much - 1);
    chunk *bytes = ask_after(10);
    assert_non_null(bytes);
    assert_int_equal(bytes->length, CONTENTS_LENGTH_MAX);
    chunk_drop(bytes);
}

static void a_file_that_is_shorter_than_it_was_said_is_not_kept(void **state)
{
    (void)state;
    struct stat info;
    put("hello", 5);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(ftruncate(fd, 3), 0);
    assert_null(contents_of(fd, &info, (struct timespec){.tv_sec = info.st_ctim.tv_sec + 10}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_share_the_contents_of_a_file, make_file, remove_file),
        cmocka_unit_test_setup_teardown(a_file_that_changed_is_read_anew, make_file, remove_file),
        cmocka_unit_test_setup_teardown(a_file_that_changed_lately_is_not_kept, make_file, remove_file),
        cmocka_unit_test_setup_teardown(empty_and_long_files_are_not_kept, make_file, remove_file),
        cmocka_unit_test_setup_teardown(a_file_that_is_shorter_than_it_was_said_is_not_kept, make_file,
                                        remove_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
