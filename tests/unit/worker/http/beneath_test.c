/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char folder[64];
static int root, first_free;

static void write_file(const char *name, const char *text)
{
    int fd = openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* The root is a directory "root", beside a file that is outside. */
static int setup(void **state)
{
    (void)state;
    char path[96];
    strcpy(folder, "/tmp/beneath_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/root", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(root >= 0);
    write_file("../outside", "outside");
    write_file("page", "page");
    assert_int_equal(mkdirat(root, "a", 0755), 0);
    assert_int_equal(mkdirat(root, "a/b", 0755), 0);
    write_file("a/b/deep", "deep");
    assert_int_equal(symlinkat("a/b", root, "folder"), 0);
    assert_int_equal(symlinkat("b/deep", root, "a/link"), 0);
    assert_int_equal(symlinkat("../outside", root, "out"), 0);
    assert_int_equal(symlinkat("../..", root, "a/up"), 0);
    assert_int_equal(symlinkat("/etc/passwd", root, "absolute"), 0);
    assert_int_equal(mkfifoat(root, "pipe", 0644), 0);
    first_free = dup(root);
    close(first_free);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    int next = dup(root);
    assert_int_equal(next, first_free); /* nothing was left open */
    close(next);
    close(root);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    return 0;
}

static bool opens(const char *path, const char *expected)
{
    char text[16] = "";
    int fd = beneath_open(root, path);
    if (fd < 0)
        return false;
    bool same = read(fd, text, sizeof text - 1) == (ssize_t)strlen(expected) && strcmp(text, expected) == 0;
    close(fd);
    return same;
}

static bool fails(const char *path, int expected)
{
    int fd = beneath_open(root, path);
    if (fd >= 0)
        close(fd);
    return fd < 0 && errno == expected;
}

static bool opens_a_fifo_at_once(void)
{
    struct stat seen;
    int fd = beneath_open(root, "pipe");
    bool is_fifo = fd >= 0 && fstat(fd, &seen) == 0 && S_ISFIFO(seen.st_mode);
    close(fd);
    return is_fifo;
}

static void files_open_at_any_depth(void **state)
{
    (void)state;
    assert_true(opens("page", "page"));
    assert_true(opens("a/b/deep", "deep"));
    assert_true(opens("a//b///deep", "deep"));
    assert_true(fails("absent", ENOENT));
    assert_true(fails("a/absent/deep", ENOENT));
    assert_true(fails("page/x", ENOTDIR));
}

static void links_are_followed_inside_and_refused_outside(void **state)
{
    (void)state;
    assert_true(opens("folder/deep", "deep"));
    assert_true(opens("a/link", "deep"));
    assert_true(fails("out", EXDEV));
    assert_true(fails("a/up/outside", EXDEV));
    assert_true(fails("absolute", EXDEV));
}

static void a_fifo_does_not_wait_for_its_writer(void **state)
{
    (void)state;
    assert_true(opens_a_fifo_at_once());
}

/* ---- without openat2 ---- */

static bool forbid_openat2(int error)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof steps / sizeof *steps, .filter = steps};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { NO_FILTER = 255 };

/* The number of the first expectation that does not hold; 0: all do. */
static int what_fails_without_openat2(int error)
{
    char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    if (!forbid_openat2(error))
        return NO_FILTER;
    const bool holds[] = {
        opens("page", "page"),          opens("a/b/deep", "deep"),      opens("a//b///deep", "deep"),
        fails("absent", ENOENT),        fails("a/absent/deep", ENOENT), fails("page/x", ENOTDIR),
        fails("folder/deep", ENOTDIR),  fails("a/link", ELOOP),         fails("out", ELOOP),
        fails("a/up/outside", ENOTDIR), fails("absolute", ELOOP),       fails(long_name, ENAMETOOLONG),
        opens_a_fifo_at_once(),         dup(root) == first_free,
    };
    for (size_t i = 0; i < sizeof holds / sizeof *holds; i++)
        if (!holds[i])
            return (int)i + 1;
    return 0;
}

static void try_without_openat2(int error)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(what_fails_without_openat2(error));
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_FILTER)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void where_openat2_is_missing_files_open_by_steps_and_links_do_not(void **state)
{
    (void)state;
    try_without_openat2(ENOSYS);
}

static void where_openat2_is_forbidden_files_open_by_steps_and_links_do_not(void **state)
{
    (void)state;
    try_without_openat2(EPERM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_open_at_any_depth),
        TEST(links_are_followed_inside_and_refused_outside),
        TEST(a_fifo_does_not_wait_for_its_writer),
        TEST(where_openat2_is_missing_files_open_by_steps_and_links_do_not),
        TEST(where_openat2_is_forbidden_files_open_by_steps_and_links_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
