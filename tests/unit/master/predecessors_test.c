/* SPDX-License-Identifier: Apache-2.0 */
#include "master/predecessors.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static pid_t living(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    assert_true(pid > 0);
    return pid;
}

static void assert_ended_by(pid_t pid, int number)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), number);
}

static void each_is_told(void **state)
{
    (void)state;
    predecessors before;
    predecessors_open(&before);
    pid_t first = living(), second = living();
    predecessors_add(&before, first);
    predecessors_add(&before, second);
    predecessors_tell(&before, SIGTERM);
    assert_ended_by(first, SIGTERM);
    assert_ended_by(second, SIGTERM);
    predecessors_tell(&before, SIGTERM); /* nobody is left */
    predecessors_close(&before);
}

static void those_that_are_gone_make_room(void **state)
{
    (void)state;
    predecessors before;
    predecessors_open(&before);
    pid_t last = 0;
    for (unsigned i = 0; i < PREDECESSORS_MAX + 3; i++) {
        last = living();
        predecessors_add(&before, last);
        kill(last, SIGKILL);
        assert_ended_by(last, SIGKILL);
    }
    pid_t here = living();
    predecessors_add(&before, here);
    assert_true(before.fds[0] >= 0);
    assert_int_equal(before.fds[1], -1);
    predecessors_tell(&before, SIGTERM);
    assert_ended_by(here, SIGTERM);
    predecessors_close(&before);
}

static void of_too_many_the_oldest_is_forgotten(void **state)
{
    (void)state;
    predecessors before;
    predecessors_open(&before);
    pid_t pids[PREDECESSORS_MAX + 1];
    for (unsigned i = 0; i <= PREDECESSORS_MAX; i++) {
        pids[i] = living();
        predecessors_add(&before, pids[i]);
    }
    predecessors_tell(&before, SIGTERM);
    for (unsigned i = 1; i <= PREDECESSORS_MAX; i++)
        assert_ended_by(pids[i], SIGTERM);
    kill(pids[0], SIGKILL);
    assert_ended_by(pids[0], SIGKILL);
    predecessors_close(&before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_told),
        cmocka_unit_test(those_that_are_gone_make_room),
        cmocka_unit_test(of_too_many_the_oldest_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
