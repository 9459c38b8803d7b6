/* SPDX-License-Identifier: Apache-2.0 */
#include "master/spawn.h"

#include "master/privileges.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What the child found, in memory that it shares with the test. */
typedef struct findings {
    int open_fds[256];
    size_t open_count;
    sigset_t blocked;
    bool is_default[NSIG], is_ignored[NSIG];
    int death_signal, dumpable;
    uid_t user;
    gid_t group;
    sigset_t blocked_at_fork;
    unsigned slot;
} findings;

static findings *found;

/* Runs in the child before fork returns there, when handlers of its parent are still in force. */
static void look_at_the_mask(void)
{
    if (found)
        sigprocmask(SIG_SETMASK, NULL, &found->blocked_at_fork);
}

static int make_memory(void **state)
{
    (void)state;
    found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return found == MAP_FAILED || pthread_atfork(NULL, NULL, look_at_the_mask) != 0 ? -1 : 0;
}

static int forget(void **state)
{
    (void)state;
    memset(found, 0, sizeof(*found));
    return 0;
}

static int look_around(void *arg)
{
    if (arg)
        found->slot = *(unsigned *)arg;
    DIR *listing = opendir("/proc/self/fd");
    if (!listing)
        return 99;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (entry->d_name[0] != '.' && fd != dirfd(listing))
            found->open_fds[found->open_count++] = fd;
    }
    closedir(listing);
    sigprocmask(SIG_SETMASK, NULL, &found->blocked);
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) < 0)
            continue;
        found->is_default[number] = action.sa_handler == SIG_DFL;
        found->is_ignored[number] = action.sa_handler == SIG_IGN;
    }
    prctl(PR_GET_PDEATHSIG, &found->death_signal);
    found->dumpable = prctl(PR_GET_DUMPABLE);
    found->user = geteuid();
    found->group = getegid();
    return 17;
}

/* Spawns a child that looks around and returns how it ended. */
static int spawn(int (*run)(void *arg), const int *keep, size_t count)
{
    unsigned slot = 5;
    spawn_request request = {
        .label = "worker 5", .run = run, .arg = &slot, .keep = keep, .keep_count = count};
    error failure = {.status = HUB_OK};
    pid_t pid;
    int status;
    assert_int_equal(spawn_process(&request, &pid, &failure), HUB_OK);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static bool was_open(int fd)
{
    for (size_t i = 0; i < found->open_count; i++)
        if (found->open_fds[i] == fd)
            return true;
    return false;
}

static void the_childs_exit_code_is_the_entrys(void **state)
{
    (void)state;
    int status = spawn(look_around, NULL, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 17);
    assert_int_equal(found->slot, 5);
}

static void only_kept_descriptors_stay_open(void **state)
{
    (void)state;
    int pipes[6][2];
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pipe(pipes[i]),
                         0); /* not close-on-exec: that would change nothing without an exec */
    int far = fcntl(pipes[0][0], F_DUPFD, 700);
    assert_true(far >= 700);
    int keep[] = {pipes[4][1], pipes[1][0], pipes[1][0], -1, pipes[2][1], STDERR_FILENO};
    spawn(look_around, keep, sizeof(keep) / sizeof(keep[0]));
    assert_true(was_open(pipes[4][1]) && was_open(pipes[1][0]) && was_open(pipes[2][1]));
    assert_true(was_open(STDERR_FILENO));
    size_t expected = 3;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        expected += fcntl(fd, F_GETFD) >= 0;
    assert_int_equal(found->open_count, expected);
    close(far);
    for (size_t i = 0; i < 6; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
}

static void without_a_table_only_the_standard_streams_stay_open(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY);
    spawn(look_around, NULL, 0);
    assert_false(was_open(fd));
    for (size_t i = 0; i < found->open_count; i++)
        assert_true(found->open_fds[i] <= STDERR_FILENO);
    close(fd);
}

static void handle(int number)
{
    (void)number;
}

static void handlers_masks_and_ignored_signals_do_not_reach_the_child(void **state)
{
    (void)state;
    sigset_t some, before, after;
    sigemptyset(&some);
    sigaddset(&some, SIGTERM);
    sigaddset(&some, SIGCHLD);
    sigprocmask(SIG_BLOCK, &some, NULL);
    signal(SIGALRM, handle);
    signal(SIGTERM, handle);
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_SETMASK, NULL, &before);

    spawn(look_around, NULL, 0);

    sigprocmask(SIG_SETMASK, NULL, &after);
    for (int number = 1; number < NSIG; number++)
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
    sigprocmask(SIG_UNBLOCK, &some, NULL);
    signal(SIGALRM, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);

    assert_true(sigisemptyset(&found->blocked));
    static const int shed[] = {SIGALRM, SIGTERM, SIGINT, SIGPIPE, SIGCHLD, SIGQUIT, SIGABRT};
    for (size_t i = 0; i < sizeof(shed) / sizeof(shed[0]); i++)
        assert_true(found->is_default[shed[i]]);
}

static void a_worker_ignores_what_is_meant_for_its_master(void **state)
{
    (void)state;
    spawn(look_around, NULL, 0);
    assert_true(found->is_ignored[SIGHUP]);
    assert_true(found->is_ignored[SIGUSR1]);
    assert_true(found->is_ignored[SIGUSR2]);
}

static void a_worker_is_told_of_its_parents_death(void **state)
{
    (void)state;
    spawn(look_around, NULL, 0);
    assert_int_equal(found->death_signal, SIGTERM);
}

static void no_signal_reaches_a_child_that_still_looks_like_its_master(void **state)
{
    (void)state;
    spawn(look_around, NULL, 0);
    static const int meant_for_the_master[] = {SIGHUP,  SIGTERM, SIGINT,  SIGQUIT,  SIGCHLD, SIGUSR1,
                                               SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH, SIGPIPE, SIGALRM};
    for (size_t i = 0; i < sizeof(meant_for_the_master) / sizeof(meant_for_the_master[0]); i++)
        assert_int_equal(sigismember(&found->blocked_at_fork, meant_for_the_master[i]), 1);
    assert_true(sigisemptyset(&found->blocked));
}

static void a_child_drops_its_privileges_and_is_still_told_of_its_parents_death(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    config settings;
    error failure = {.status = HUB_OK};
    assert_int_equal(config_defaults(&settings), HUB_OK);
    settings.user = strdup("54321");
    settings.group = strdup("54322");
    assert_int_equal(privileges_find(&settings, &failure), HUB_OK);
    spawn(look_around, NULL, 0);
    privileges_forget();
    config_free(&settings);
    assert_int_equal(found->user, 54321);
    assert_int_equal(found->group, 54322);
    assert_int_equal(found->death_signal, SIGTERM);
    assert_int_equal(found->dumpable, 1);
    assert_int_equal(geteuid(), 0);
}

static int pipe_of_parent[2];

static int wait_for_the_end_of_the_pipe(void *arg)
{
    (void)arg;
    char byte;
    ssize_t got = read(pipe_of_parent[0], &byte, 1);
    return got == 0 ? 21 : 22;
}

/* Its write end is closed in the child though it is not close-on-exec: else no child would ever see the end.
 */
static void the_end_of_the_parents_pipe_is_seen_while_other_children_live(void **state)
{
    (void)state;
    error failure = {.status = HUB_OK};
    pid_t children[2];
    int status;
    assert_int_equal(pipe(pipe_of_parent), 0);
    spawn_request request = {
        .run = wait_for_the_end_of_the_pipe, .keep = &pipe_of_parent[0], .keep_count = 1};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(spawn_process(&request, &children[i], &failure), HUB_OK);
    close(pipe_of_parent[1]);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(WEXITSTATUS(status), 21);
    }
    close(pipe_of_parent[0]);
}

static int write_to_stdout(void *arg)
{
    (void)arg;
    printf("buffered");
    return 0;
}

static void what_an_application_printed_is_not_lost(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDOUT_FILENO);
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    spawn(write_to_stdout, NULL, 0);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(ends[1]);
    char text[16] = "";
    assert_int_equal(read(ends[0], text, sizeof(text)), 8);
    assert_string_equal(text, "buffered");
    close(ends[0]);
}

static void a_failed_fork_is_an_error_with_the_limit_that_was_met(void **state)
{
    (void)state;
    /* In a process of its own, without root's exemption from the limit. */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        if ((geteuid() == 0 && setuid(65534) < 0) || setrlimit(RLIMIT_NPROC, &none) < 0)
            _exit(77);
        spawn_request request = {.label = "worker 0", .run = look_around};
        error failure = {.status = HUB_OK};
        sigset_t after;
        pid_t pid;
        hub_status status = spawn_process(&request, &pid, &failure);
        if (status == HUB_OK)
            _exit(1);
        sigprocmask(SIG_SETMASK, NULL, &after);
        _exit(status == HUB_ESYSTEM && strstr(failure.text, "limit of processes") && sigisemptyset(&after)
                  ? 0
                  : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_childs_exit_code_is_the_entrys, forget),
        cmocka_unit_test_setup(only_kept_descriptors_stay_open, forget),
        cmocka_unit_test_setup(without_a_table_only_the_standard_streams_stay_open, forget),
        cmocka_unit_test_setup(handlers_masks_and_ignored_signals_do_not_reach_the_child, forget),
        cmocka_unit_test_setup(a_worker_ignores_what_is_meant_for_its_master, forget),
        cmocka_unit_test_setup(a_worker_is_told_of_its_parents_death, forget),
        cmocka_unit_test_setup(no_signal_reaches_a_child_that_still_looks_like_its_master, forget),
        cmocka_unit_test_setup(a_child_drops_its_privileges_and_is_still_told_of_its_parents_death, forget),
        cmocka_unit_test_setup(the_end_of_the_parents_pipe_is_seen_while_other_children_live, forget),
        cmocka_unit_test_setup(what_an_application_printed_is_not_lost, forget),
        cmocka_unit_test_setup(a_failed_fork_is_an_error_with_the_limit_that_was_met, forget),
    };
    return cmocka_run_group_tests(tests, make_memory, NULL);
}
