/* SPDX-License-Identifier: Apache-2.0 */
#include "master/daemon.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct findings {
    volatile pid_t pid, session, parent, command;
    char streams[3][64]; /* what each is, once detached */
} findings;

static findings *found;

static int make_memory(void **state)
{
    (void)state;
    found = mmap(NULL, sizeof *found, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return found == MAP_FAILED ? -1 : 0;
}

static int forget(void **state)
{
    (void)state;
    memset(found, 0, sizeof *found);
    return 0;
}

typedef void (*life)(void);

/*
 * Runs a command that goes into the background, where `body` is what the daemon does before it ends. Standard
 * error is a pipe; what is written to it until all its writers are gone is given in `said`. The exit code.
 */
static int run_command(life body, char *said, size_t capacity)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        error failure = {.status = HUB_OK};
        int exit_code = 99;
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        found->command = getpid();
        if (daemon_begin(&exit_code, &failure) == HUB_OK) {
            body();
            _exit(0);
        }
        _exit(exit_code);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t got; (got = read(ends[0], said + length, capacity - 1 - length)) > 0;)
        length += (size_t)got;
    said[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void serve(void)
{
    char path[32];
    found->pid = getpid();
    found->session = getsid(0);
    found->parent = getppid();
    fputs("it serves\n", stderr);
    daemon_detach();
    for (int fd = 0; fd < 3; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, found->streams[fd], sizeof found->streams[fd] - 1) < 0)
            found->streams[fd][0] = '\0';
    }
    daemon_say(0);
    fputs("nobody hears it\n", stderr);
}

static void the_command_returns_when_the_daemon_serves(void **state)
{
    (void)state;
    char said[1000];
    assert_int_equal(run_command(serve, said, sizeof said), 0);
    assert_string_equal(said, "it serves\n");
    assert_true(found->pid != 0 && found->pid != found->command);
}

static void the_daemon_is_in_a_session_that_it_does_not_lead(void **state)
{
    (void)state;
    char said[1000];
    assert_int_equal(run_command(serve, said, sizeof said), 0);
    assert_int_not_equal(found->session, getsid(0));
    assert_int_not_equal(found->session, found->pid);
    assert_int_not_equal(found->parent, found->command);
}

static void its_streams_go_nowhere(void **state)
{
    (void)state;
    char said[1000];
    int before = dup(STDOUT_FILENO), ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    int exit_code = run_command(serve, said, sizeof said);
    dup2(before, STDOUT_FILENO);
    close(before);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(exit_code, 0);
    for (int fd = 0; fd < 3; fd++)
        assert_string_equal(found->streams[fd], "/dev/null");
}

static void serve_with_a_file(void)
{
    int file = open(P_tmpdir, O_TMPFILE | O_RDWR, 0600);
    if (file >= 0)
        dup2(file, STDERR_FILENO);
    serve();
}

static void a_log_that_is_a_file_stays(void **state)
{
    (void)state;
    char said[1000];
    int probe = open(P_tmpdir, O_TMPFILE | O_RDWR, 0600);
    if (probe < 0)
        skip();
    close(probe);
    assert_int_equal(run_command(serve_with_a_file, said, sizeof said), 0);
    assert_non_null(strstr(found->streams[2], "(deleted)"));
}

static void fail_to_start(void)
{
    fputs("what is wrong\n", stderr);
    daemon_say(4);
    daemon_say(0); /* it was said already */
}

static void a_failure_is_the_commands_own(void **state)
{
    (void)state;
    char said[1000];
    assert_int_equal(run_command(fail_to_start, said, sizeof said), 4);
    assert_string_equal(said, "what is wrong\n");
}

static void die(void)
{
    raise(SIGKILL);
}

static void a_daemon_that_dies_without_a_word_is_told(void **state)
{
    (void)state;
    char said[1000];
    assert_int_equal(run_command(die, said, sizeof said), 1);
    assert_string_equal(said, "hubbub: the server in the background died before it served\n");
}

static void interrupt_and_serve(void)
{
    /* The daemon's answer then has no reader; it must not end by SIGPIPE. */
    kill(found->command, SIGKILL);
    while (kill(found->command, 0) == 0)
        usleep(1000);
    daemon_say(0);
    found->pid = getpid();
    for (unsigned i = 0; i < 30000 && found->session == 0; i++)
        usleep(1000);
}

static void an_interrupted_command_does_not_end_the_daemon(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        error failure = {.status = HUB_OK};
        int exit_code;
        found->command = getpid();
        if (daemon_begin(&exit_code, &failure) == HUB_OK)
            interrupt_and_serve();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    for (unsigned i = 0; i < 10000 && !found->pid; i++)
        usleep(1000);
    assert_true(found->pid != 0);
    found->session = 1;
}

static void in_the_foreground_nothing_happens(void **state)
{
    (void)state;
    char before[64] = "", after[64] = "";
    assert_true(readlink("/proc/self/fd/2", before, sizeof before - 1) > 0);
    daemon_detach();
    daemon_say(0);
    assert_true(readlink("/proc/self/fd/2", after, sizeof after - 1) > 0);
    assert_string_equal(before, after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_command_returns_when_the_daemon_serves, forget),
        cmocka_unit_test_setup(the_daemon_is_in_a_session_that_it_does_not_lead, forget),
        cmocka_unit_test_setup(its_streams_go_nowhere, forget),
        cmocka_unit_test_setup(a_log_that_is_a_file_stays, forget),
        cmocka_unit_test_setup(a_failure_is_the_commands_own, forget),
        cmocka_unit_test_setup(a_daemon_that_dies_without_a_word_is_told, forget),
        cmocka_unit_test_setup(an_interrupted_command_does_not_end_the_daemon, forget),
        cmocka_unit_test_setup(in_the_foreground_nothing_happens, forget),
    };
    return cmocka_run_group_tests(tests, make_memory, NULL);
}
