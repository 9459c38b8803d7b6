/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/master/double_worker.h"

#include <sched.h>
#include <sys/un.h>

static void start(script acts, unsigned workers, server *at)
{
    open_stage(acts, workers, at);
    start_master(at);
}

static void start_until_ready(script acts, unsigned workers, server *at)
{
    start(acts, workers, at);
    for (unsigned slot = 0; slot < workers; slot++)
        assert_soon(is_ready(slot, 1));
}

/* ---- start ---- */

static act the_first_waits(unsigned slot, unsigned generation)
{
    (void)generation;
    return slot == 0 ? ACT_WAIT_TO_BOOT : ACT_SERVE;
}

static void the_first_worker_boots_alone_and_the_others_together(void **state)
{
    (void)state;
    server at;
    start(the_first_waits, 4, &at);
    assert_soon(pid_of(0, 1) != 0);
    atomic_store(&on->leave, true);
    for (unsigned slot = 0; slot < 4; slot++)
        assert_soon(is_ready(slot, 1));
    for (unsigned slot = 1; slot < 4; slot++)
        assert_false(atomic_load(&trace_of(slot, 1)->alone));
    assert_soon(count_in_log(&at, "ready in") == 4);
    assert_soon(count_in_log(&at, "listening at http://127.0.0.1:") == 1);
    kill(at.pid, SIGTERM);
    assert_exit(&at, 0);
    close_stage(&at);
}

static void the_time_to_be_ready_is_counted_from_the_fork_also_when_many_boot_together(void **state)
{
    (void)state;
    server at;
    start_until_ready(everybody_serves, 8, &at);
    assert_soon(count_in_log(&at, "ready in") == 8);
    /* 2^64 nanoseconds less a few: what a clock read before the fork gave. */
    assert_int_equal(count_in_log(&at, "ready in 18446744073"), 0);
    kill(at.pid, SIGTERM);
    assert_exit(&at, 0);
    close_stage(&at);
}

static int connect_to(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void workers_inherit_the_listening_socket_and_it_closes_with_the_server(void **state)
{
    (void)state;
    server at;
    start_until_ready(everybody_serves, 2, &at);
    int port = atomic_load(&on->port);
    int client = connect_to(port);
    assert_true(client >= 0);
    close(client);
    kill(at.pid, SIGTERM);
    assert_exit(&at, 0);
    assert_int_equal(connect_to(port), -1);
    close_stage(&at);
}

static act hangs(unsigned slot, unsigned generation)
{
    (void)slot, (void)generation;
    return ACT_HANG_AT_BOOT;
}
static act exits(unsigned slot, unsigned generation)
{
    (void)slot, (void)generation;
    return ACT_EXIT_AT_BOOT;
}
static act crashes(unsigned slot, unsigned generation)
{
    (void)slot, (void)generation;
    return ACT_CRASH_AT_BOOT;
}

/* A first boot that fails ends the server: with the code, one boot only, nothing left behind. */
static void assert_start_fails(script acts, int code, double boot_timeout)
{
    server at;
    open_stage(acts, 3, &at);
    snprintf(at.path, sizeof(at.path), "/tmp/hubbub-master-test-%d.sock", (int)getpid());
    char address[80];
    snprintf(address, sizeof(address), "unix:%s", at.path);
    free(at.config.bind[0]);
    at.config.bind[0] = strdup(address);
    at.config.boot_timeout = boot_timeout;
    start_master(&at);
    assert_exit(&at, code);
    assert_true(is_gone(pid_of(0, 1)));
    assert_int_equal(pid_of(0, 2), 0);
    assert_int_equal(pid_of(1, 1), 0);
    assert_int_equal(access(at.path, F_OK), -1);
    assert_int_equal(count_in_log(&at, "could not boot: "), 1);
    assert_int_equal(count_in_log(&at, "listening at"), 0);
    close_stage(&at);
}

static void a_first_worker_that_cannot_boot_ends_the_server_with_3(void **state)
{
    (void)state;
    exit_script = WORKER_EXIT_BOOT;
    assert_start_fails(exits, MASTER_EXIT_BOOT, 30);
}

static void an_application_that_cannot_be_loaded_ends_the_server_with_4(void **state)
{
    (void)state;
    exit_script = WORKER_EXIT_APP;
    assert_start_fails(exits, MASTER_EXIT_APP, 30);
}

static void a_first_worker_that_crashes_at_boot_ends_the_server_with_3(void **state)
{
    (void)state;
    assert_start_fails(crashes, MASTER_EXIT_BOOT, 30);
}

static void a_first_worker_that_exits_before_ready_ends_the_server_with_3(void **state)
{
    (void)state;
    exit_script = 0;
    assert_start_fails(exits, MASTER_EXIT_BOOT, 30);
}

static void a_first_worker_that_hangs_ends_the_server_after_the_boot_timeout(void **state)
{
    (void)state;
    assert_start_fails(hangs, MASTER_EXIT_BOOT, 0.2);
}

static void a_port_in_use_ends_the_start_with_one_line_and_no_worker(void **state)
{
    (void)state;
    server first, second;
    start_until_ready(everybody_serves, 1, &first);
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%d", atomic_load(&on->port));
    second = (server){.log = memfd_create("log", MFD_CLOEXEC)};
    assert_int_equal(config_defaults(&second.config), HUB_OK);
    for (size_t i = 0; second.config.bind[i]; i++)
        free(second.config.bind[i]);
    second.config.bind[0] = strdup(address);
    second.config.bind[1] = NULL;
    play = exits;
    start_master(&second);
    assert_exit(&second, MASTER_EXIT_SYSTEM);
    assert_int_equal(count_in_log(&second, "the port is in use"), 1);
    close(second.log);
    config_free(&second.config);
    kill(first.pid, SIGTERM);
    assert_exit(&first, 0);
    close_stage(&first);
}

static void sigterm_during_the_first_boot_ends_the_server_with_0(void **state)
{
    (void)state;
    server at;
    start(hangs, 2, &at);
    assert_soon(pid_of(0, 1) != 0);
    kill(at.pid, SIGTERM);
    assert_exit(&at, 0);
    assert_true(is_gone(pid_of(0, 1)));
    close_stage(&at);
}

/* ---- end ---- */

static act finishes_slowly(unsigned slot, unsigned generation)
{
    (void)slot, (void)generation;
    return ACT_FINISH_SLOWLY;
}

static void sigterm_waits_for_workers_to_finish(void **state)
{
    (void)state;
    server at;
    start_until_ready(finishes_slowly, 3, &at);
    kill(at.pid, SIGTERM);
    for (unsigned slot = 0; slot < 3; slot++)
        assert_soon(atomic_load(&trace_of(slot, 1)->drained));
    assert_false(has_ended(&at));
    atomic_store(&on->leave, true);
    assert_exit(&at, 0);
    for (unsigned slot = 0; slot < 3; slot++) {
        assert_false(atomic_load(&trace_of(slot, 1)->quit));
        assert_true(is_gone(pid_of(slot, 1)));
        assert_int_equal(pid_of(slot, 2), 0);
    }
    close_stage(&at);
}

static act is_deaf(unsigned slot, unsigned generation)
{
    (void)slot, (void)generation;
    return ACT_DEAF;
}

static void a_worker_that_does_not_finish_is_killed_after_the_graceful_timeout(void **state)
{
    (void)state;
    server at;
    open_stage(is_deaf, 2, &at);
    at.config.graceful_timeout = 0.2;
    start_master(&at);
    assert_soon(is_ready(0, 1) && is_ready(1, 1));
    kill(at.pid, SIGTERM);
    assert_exit(&at, 0);
    assert_true(is_gone(pid_of(0, 1)) && is_gone(pid_of(1, 1)));
    assert_int_equal(count_in_log(&at, "did not finish within 0.2 s (graceful-timeout): SIGKILL"), 2);
    close_stage(&at);
}

static void assert_quits_at(int number)
{
    server at;
    start_until_ready(finishes_slowly, 2, &at);
    kill(at.pid, number);
    assert_exit(&at, 0);
    assert_true(atomic_load(&trace_of(0, 1)->quit) && atomic_load(&trace_of(1, 1)->quit));
    assert_true(is_gone(pid_of(0, 1)) && is_gone(pid_of(1, 1)));
    close_stage(&at);
}

static void sigint_and_sigquit_end_at_once(void **state)
{
    (void)state;
    assert_quits_at(SIGINT);
    assert_quits_at(SIGQUIT);
}

/* The signal is for all, and workers have ended by it when the master comes to look: none is replaced. */
static void assert_group_ends(int number)
{
    server at;
    start_until_ready(everybody_serves, 3, &at);
    assert_soon(count_in_log(&at, "ready in") == 3);
    kill(at.pid, SIGSTOP);
    assert_int_equal(killpg(at.pid, number), 0);
    for (unsigned slot = 0; slot < 3; slot++)
        assert_soon(is_zombie(pid_of(slot, 1)));
    kill(at.pid, SIGCONT);
    assert_exit(&at, 0);
    for (unsigned slot = 0; slot < 3; slot++)
        assert_int_equal(pid_of(slot, 2), 0);
    assert_int_equal(count_in_log(&at, " boots"), 3);
    close_stage(&at);
}

static void a_signal_to_the_whole_group_replaces_no_worker(void **state)
{
    (void)state;
    assert_group_ends(SIGTERM);
    assert_group_ends(SIGINT);
    assert_group_ends(SIGQUIT);
}

static void sigint_during_a_drain_ends_at_once(void **state)
{
    (void)state;
    server at;
    start_until_ready(finishes_slowly, 2, &at);
    kill(at.pid, SIGTERM);
    assert_soon(atomic_load(&trace_of(0, 1)->drained) && atomic_load(&trace_of(1, 1)->drained));
    kill(at.pid, SIGINT);
    assert_exit(&at, 0);
    assert_true(atomic_load(&trace_of(0, 1)->quit) && atomic_load(&trace_of(1, 1)->quit));
    close_stage(&at);
}

static void a_worker_that_ignores_sigquit_is_killed_two_seconds_later(void **state)
{
    (void)state;
    server at;
    start_until_ready(is_deaf, 1, &at);
    kill(at.pid, SIGINT);
    assert_exit(&at, 0);
    assert_true(is_gone(pid_of(0, 1)));
    assert_int_equal(count_in_log(&at, "did not end within 2 s: SIGKILL"), 1);
    close_stage(&at);
}

static act hears_only_the_pipe(unsigned slot, unsigned generation)
{
    (void)slot, (void)generation;
    return ACT_ONLY_PIPE;
}

static void workers_learn_of_the_masters_death_by_the_pipe(void **state)
{
    (void)state;
    server at;
    /* What the master leaves behind becomes this test's. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    start_until_ready(hears_only_the_pipe, 3, &at);
    kill(at.pid, SIGKILL);
    for (unsigned slot = 0; slot < 3; slot++) {
        int status;
        assert_soon(waitpid(pid_of(slot, 1), &status, WNOHANG) == pid_of(slot, 1) ||
                    is_gone(pid_of(slot, 1)));
    }
    assert_int_equal(atomic_load(&on->saw_eof), 3);
    assert_soon(has_ended(&at));
    close_stage(&at);
}

static void a_booting_worker_ends_when_its_master_dies(void **state)
{
    (void)state;
    server at;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    start(hangs, 1, &at);
    assert_soon(pid_of(0, 1) != 0);
    int status = 0, pid = pid_of(0, 1);
    kill(at.pid, SIGKILL);
    assert_soon(waitpid(pid, &status, WNOHANG) == pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
    assert_soon(has_ended(&at));
    close_stage(&at);
}

/* ---- workers that end ---- */

static void a_killed_worker_is_replaced_within_a_second_and_the_others_stay(void **state)
{
    (void)state;
    server at;
    start_until_ready(everybody_serves, 3, &at);
    assert_soon(count_in_log(&at, "ready in") == 3);
    uint64_t killed = clock_monotonic_ns();
    kill(pid_of(1, 1), SIGKILL);
    assert_soon(is_ready(1, 2));
    assert_true(atomic_load(&trace_of(1, 2)->forked_ns) - killed < CLOCK_NS_PER_S);
    assert_soon(count_in_log(&at, "ready in") == 4);
    char line[160];
    snprintf(line, sizeof(line), "worker 1 (pid %d) was killed by SIGKILL after", pid_of(1, 1));
    assert_int_equal(count_in_log(&at, line), 1);
    assert_int_equal(count_in_log(&at, "3 connections lost; it was in its hub, after act 1"), 1);
    assert_int_equal(pid_of(0, 2), 0);
    assert_int_equal(pid_of(2, 2), 0);
    kill(at.pid, SIGTERM);
    assert_exit(&at, 0);
    close_stage(&at);
}

static act the_second_fails_five_times(unsigned slot, unsigned generation)
{
    return slot == 1 && generation <= 5 ? ACT_EXIT_AT_BOOT : ACT_SERVE;
}

static void a_worker_that_fails_to_boot_is_tried_again_with_growing_delays(void **state)
{
    (void)state;
    static const unsigned delays_ms[] = {0, 100, 200, 400, 800};
    server at;
    exit_script = WORKER_EXIT_APP;
    start(the_second_fails_five_times, 3, &at);
    assert_soon(is_ready(1, 6));
    for (unsigned end = 1; end <= 5; end++) {
        uint64_t gap =
            atomic_load(&trace_of(1, end + 1)->forked_ns) - atomic_load(&trace_of(1, end)->forked_ns);
        assert_true(gap >= delays_ms[end - 1] * CLOCK_NS_PER_MS);
    }
    assert_int_equal(count_in_log(&at, "worker 1 is degraded"), 1);
    assert_int_equal(pid_of(0, 2), 0);
    assert_int_equal(pid_of(2, 2), 0);
    kill(at.pid, SIGTERM);
    assert_exit(&at, 0);
    close_stage(&at);
}

static act always_fails_but_the_first(unsigned slot, unsigned generation)
{
    (void)generation;
    return slot == 0 ? ACT_SERVE : ACT_EXIT_AT_BOOT;
}

static void a_server_in_backoff_ends_without_waiting(void **state)
{
    (void)state;
    server at;
    exit_script = WORKER_EXIT_BOOT;
    start(always_fails_but_the_first, 2, &at);
    assert_soon(count_in_log(&at, "worker 1 is started again in 1.6 s") == 1);
    uint64_t told = clock_monotonic_ns();
    kill(at.pid, SIGTERM);
    assert_exit(&at, 0);
    assert_true(clock_monotonic_ns() - told < CLOCK_NS_PER_S);
    close_stage(&at);
}

static act the_first_crashes_when_ready(unsigned slot, unsigned generation)
{
    return slot == 0 && generation == 1 ? ACT_CRASH_READY : ACT_SERVE;
}

static void a_crash_right_after_ready_is_not_a_failed_start(void **state)
{
    (void)state;
    server at;
    start(the_first_crashes_when_ready, 2, &at);
    assert_soon(is_ready(0, 2) && is_ready(1, 1));
    assert_soon(count_in_log(&at, "was killed by SIGSEGV") == 1);
    kill(at.pid, SIGTERM);
    assert_exit(&at, 0);
    close_stage(&at);
}

static act the_second_stops_turning(unsigned slot, unsigned generation)
{
    return slot == 1 && generation == 1 ? ACT_STOP_TURNING : ACT_SERVE;
}

static void a_worker_that_stops_turning_is_aborted_and_replaced(void **state)
{
    (void)state;
    server at;
    open_stage(the_second_stops_turning, 2, &at);
    at.config.timeout = 0.5;
    start_master(&at);
    assert_soon(is_ready(1, 2));
    assert_int_equal(
        count_in_log(&at, "has not turned for 0.5 s (timeout); it is in its hub, after act 1: SIGABRT"), 1);
    assert_int_equal(count_in_log(&at, "was killed by SIGABRT"), 1);
    assert_int_equal(pid_of(0, 2), 0);
    kill(at.pid, SIGTERM);
    assert_exit(&at, 0);
    close_stage(&at);
}

static void a_stopped_worker_is_killed_and_replaced(void **state)
{
    (void)state;
    server at;
    open_stage(everybody_serves, 2, &at);
    at.config.timeout = 0.5;
    start_master(&at);
    assert_soon(is_ready(0, 1) && is_ready(1, 1));
    kill(pid_of(0, 1), SIGSTOP);
    assert_soon(is_ready(0, 2));
    assert_int_equal(count_in_log(&at, "was killed by SIGKILL"), 1);
    assert_int_equal(pid_of(1, 2), 0);
    kill(at.pid, SIGTERM);
    assert_exit(&at, 0);
    close_stage(&at);
}

/* ---- processes that are no workers ---- */

static act leaves_an_orphan(unsigned slot, unsigned generation)
{
    (void)slot;
    return generation == 1 ? ACT_ORPHAN : ACT_SERVE;
}

static void a_child_that_is_no_worker_is_reaped(void **state)
{
    (void)state;
    server at;
    start_until_ready(leaves_an_orphan, 1, &at);
    int orphan = atomic_load(&trace_of(0, 1)->child);
    assert_true(orphan > 1);
    kill(pid_of(0, 1), SIGKILL);
    assert_soon(is_ready(0, 2));
    assert_false(is_gone(orphan));
    atomic_store(&on->leave, true);
    assert_soon(is_gone(orphan));
    assert_soon(count_in_log(&at, "which is no worker") == 1);
    kill(at.pid, SIGTERM);
    assert_exit(&at, 0);
    close_stage(&at);
}

static void as_process_1_it_hears_signals_and_reaps(void **state)
{
    (void)state;
    server at;
    open_stage(leaves_an_orphan, 2, &at);
    /* A process that may make a name space of its own, whose first child is process 1 there. */
    pid_t outer = fork();
    if (outer == 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0 && unshare(CLONE_NEWPID) < 0)
            _exit(77);
        start_master(&at);
        int status;
        waitpid(at.pid, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
    }
    int status = 0;
    bool ended = false;
    assert_soon((ended = waitpid(outer, &status, WNOHANG) == outer) || (is_ready(0, 1) && is_ready(1, 1)));
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        close_stage(&at);
        skip();
    }
    assert_false(ended);
    atomic_store(&on->leave, true);
    char children[64], text[32] = "";
    snprintf(children, sizeof(children), "/proc/%d/task/%d/children", (int)outer, (int)outer);
    int file = open(children, O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_true(read(file, text, sizeof(text) - 1) > 0);
    close(file);
    kill((pid_t)strtol(text, NULL, 10), SIGTERM);
    assert_soon(waitpid(outer, &status, WNOHANG) == outer);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(atomic_load(&trace_of(0, 1)->drained) && atomic_load(&trace_of(1, 1)->drained));
    memset(on, 0, sizeof(*on)); /* the pids on the stage are of another name space */
    close_stage(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_worker_boots_alone_and_the_others_together),
        cmocka_unit_test(the_time_to_be_ready_is_counted_from_the_fork_also_when_many_boot_together),
        cmocka_unit_test(workers_inherit_the_listening_socket_and_it_closes_with_the_server),
        cmocka_unit_test(a_first_worker_that_cannot_boot_ends_the_server_with_3),
        cmocka_unit_test(an_application_that_cannot_be_loaded_ends_the_server_with_4),
        cmocka_unit_test(a_first_worker_that_crashes_at_boot_ends_the_server_with_3),
        cmocka_unit_test(a_first_worker_that_exits_before_ready_ends_the_server_with_3),
        cmocka_unit_test(a_first_worker_that_hangs_ends_the_server_after_the_boot_timeout),
        cmocka_unit_test(a_port_in_use_ends_the_start_with_one_line_and_no_worker),
        cmocka_unit_test(sigterm_during_the_first_boot_ends_the_server_with_0),
        cmocka_unit_test(sigterm_waits_for_workers_to_finish),
        cmocka_unit_test(a_worker_that_does_not_finish_is_killed_after_the_graceful_timeout),
        cmocka_unit_test(sigint_and_sigquit_end_at_once),
        cmocka_unit_test(a_signal_to_the_whole_group_replaces_no_worker),
        cmocka_unit_test(sigint_during_a_drain_ends_at_once),
        cmocka_unit_test(a_worker_that_ignores_sigquit_is_killed_two_seconds_later),
        cmocka_unit_test(workers_learn_of_the_masters_death_by_the_pipe),
        cmocka_unit_test(a_booting_worker_ends_when_its_master_dies),
        cmocka_unit_test(a_killed_worker_is_replaced_within_a_second_and_the_others_stay),
        cmocka_unit_test(a_worker_that_fails_to_boot_is_tried_again_with_growing_delays),
        cmocka_unit_test(a_server_in_backoff_ends_without_waiting),
        cmocka_unit_test(a_crash_right_after_ready_is_not_a_failed_start),
        cmocka_unit_test(a_worker_that_stops_turning_is_aborted_and_replaced),
        cmocka_unit_test(a_stopped_worker_is_killed_and_replaced),
        cmocka_unit_test(a_child_that_is_no_worker_is_reaped),
        cmocka_unit_test(as_process_1_it_hears_signals_and_reaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
