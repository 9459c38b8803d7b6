/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/master/double_worker.h"

static void start(script acts, unsigned workers, double verify, server *at)
{
    open_stage(acts, workers, at);
    at->config.reload_verify = verify;
    start_master(at);
    for (unsigned number = 0; number < workers; number++)
        assert_soon(is_ready(number, 1));
    assert_soon(count_in_log(at, "ready in") == workers);
}

static void finish(server *at)
{
    kill(at->pid, SIGTERM);
    assert_exit(at, 0);
    close_stage(at);
}

static bool drained(unsigned number, unsigned generation)
{
    return atomic_load(&trace_of(number, generation)->drained);
}

static void a_reload_replaces_every_worker(void **state)
{
    (void)state;
    server at;
    start(everybody_serves, 3, 0, &at);
    kill(at.pid, SIGHUP);
    assert_soon(count_in_log(&at, "release 2 runs in all 3 workers, 3 replaced") == 1);
    for (unsigned number = 0; number < 3; number++) {
        assert_true(is_ready(number, 2));
        assert_soon(is_gone(pid_of(number, 1)));
        assert_soon(drained(number, 1));
        assert_int_equal(pid_of(number, 3), 0);
    }
    finish(&at);
}

static act successors_wait(unsigned number, unsigned generation)
{
    (void)number;
    return generation == 2 ? ACT_WAIT_TO_BOOT : ACT_SERVE;
}

static void one_worker_is_replaced_at_a_time_and_stays_until_its_successor_serves(void **state)
{
    (void)state;
    server at;
    start(successors_wait, 2, 0, &at);
    kill(at.pid, SIGHUP);
    assert_soon(pid_of(0, 2) != 0);
    /* Another order is heard meanwhile: the master does not wait. */
    kill(at.pid, SIGHUP);
    assert_soon(count_in_log(&at, "another one follows") == 1);
    assert_false(drained(0, 1));
    assert_int_equal(pid_of(1, 2), 0);
    atomic_store(&on->leave, true);
    assert_soon(count_in_log(&at, "release 2 runs in all 2 workers, 2 replaced") == 1);
    assert_soon(drained(0, 1) && drained(1, 1));
    /* The one that was asked for meanwhile. */
    assert_soon(count_in_log(&at, "release 3 runs in all 2 workers, 2 replaced") == 1);
    finish(&at);
}

static act the_first_successor_exits(unsigned number, unsigned generation)
{
    exit_script = WORKER_EXIT_APP;
    return number == 0 && generation == 2 ? ACT_EXIT_AT_BOOT : ACT_SERVE;
}

static void a_release_that_cannot_boot_is_abandoned_and_nobody_goes(void **state)
{
    (void)state;
    server at;
    start(the_first_successor_exits, 2, 0, &at);
    kill(at.pid, SIGHUP);
    assert_soon(
        count_in_log(&at, "release 2 is abandoned: worker 0 could not boot; going back to release 1") == 1);
    assert_false(drained(0, 1) || drained(1, 1));
    assert_int_equal(pid_of(1, 2), 0);
    /* That is no reason not to try the next one. */
    kill(at.pid, SIGHUP);
    assert_soon(count_in_log(&at, "release 3 runs in all 2 workers, 2 replaced") == 1);
    finish(&at);
}

static act successors_crash_when_ready(unsigned number, unsigned generation)
{
    (void)number;
    return generation == 2 ? ACT_CRASH_READY : ACT_SERVE;
}

static void a_release_whose_first_worker_dies_on_probation_replaced_nobody(void **state)
{
    (void)state;
    server at;
    start(successors_crash_when_ready, 2, 5, &at);
    kill(at.pid, SIGHUP);
    assert_soon(count_in_log(&at, "release 2 is abandoned: worker 0 died of SIGSEGV") == 1);
    assert_false(drained(0, 1) || drained(1, 1));
    finish(&at);
}

static act the_second_crashes_when_ready(unsigned number, unsigned generation)
{
    return number == 1 && generation == 2 ? ACT_CRASH_READY : ACT_SERVE;
}

static void workers_that_were_replaced_are_brought_back_when_a_later_one_dies(void **state)
{
    (void)state;
    server at;
    start(the_second_crashes_when_ready, 2, 0.3, &at);
    kill(at.pid, SIGHUP);
    assert_soon(count_in_log(&at, "release 2 is abandoned: worker 1 died of SIGSEGV") == 1);
    assert_soon(is_ready(0, 3) && drained(0, 2));
    /* The other slot: its first worker is still there, if its end came before the successor was seen. */
    assert_soon(is_ready(1, 3) || (!drained(1, 1) && !is_gone(pid_of(1, 1))));
    assert_int_equal(count_in_log(&at, "ms, release 2"), 2);
    finish(&at);
}

static void a_worker_more_and_one_fewer(void **state)
{
    (void)state;
    server at;
    start(everybody_serves, 1, 0, &at);
    kill(at.pid, SIGTTIN);
    assert_soon(is_ready(1, 1));
    kill(at.pid, SIGHUP); /* the configuration still says one, and it said so before: two stay */
    assert_soon(count_in_log(&at, "release 2 runs in all 2 workers") == 1);
    kill(at.pid, SIGTTOU);
    assert_soon(drained(1, 2));
    kill(at.pid, SIGTTOU);
    assert_soon(count_in_log(&at, "there cannot be 0 workers: one is the least") == 1);
    assert_false(drained(0, 2));
    finish(&at);
}

static void workers_finish_and_the_master_stays_until_a_reload(void **state)
{
    (void)state;
    server at;
    start(everybody_serves, 2, 0, &at);
    kill(at.pid, SIGWINCH);
    assert_soon(is_gone(pid_of(0, 1)) && is_gone(pid_of(1, 1)));
    kill(at.pid, SIGHUP);
    assert_soon(is_ready(0, 2) && is_ready(1, 2));
    assert_soon(count_in_log(&at, "release 2 runs in all 2 workers, 0 replaced") == 1);
    finish(&at);
}

static act the_first_finish_slowly(unsigned number, unsigned generation)
{
    (void)number;
    return generation == 1 ? ACT_FINISH_SLOWLY : ACT_SERVE;
}

static void after_a_pause_nobody_is_waited_for(void **state)
{
    (void)state;
    server at;
    start(the_first_finish_slowly, 2, 0, &at);
    kill(at.pid, SIGWINCH);
    assert_soon(drained(0, 1) && drained(1, 1));
    kill(at.pid, SIGHUP);
    assert_soon(is_ready(0, 2) && is_ready(1, 2));
    assert_false(is_gone(pid_of(0, 1)) || is_gone(pid_of(1, 1)));
    atomic_store(&on->leave, true);
    finish(&at);
}

static act the_first_successor_hangs(unsigned number, unsigned generation)
{
    return number == 0 && generation == 2 ? ACT_HANG_AT_BOOT : ACT_SERVE;
}

static void a_pause_during_a_reload_ends_with_the_next_one(void **state)
{
    (void)state;
    server at;
    start(the_first_successor_hangs, 2, 0, &at);
    kill(at.pid, SIGHUP);
    assert_soon(pid_of(0, 2) != 0);
    kill(at.pid, SIGWINCH);
    assert_soon(drained(0, 1) && drained(1, 1));
    kill(at.pid, SIGHUP);
    assert_soon(count_in_log(&at, "release 3 runs in all 2 workers") == 1);
    finish(&at);
}

static void a_pause_that_comes_after_a_reload_is_one(void **state)
{
    (void)state;
    server at;
    start(everybody_serves, 1, 0, &at);
    kill(at.pid, SIGSTOP); /* it gets both at once */
    kill(at.pid, SIGHUP);
    kill(at.pid, SIGWINCH);
    kill(at.pid, SIGCONT);
    assert_soon(count_in_log(&at, "replaces release 1") == 1);
    assert_soon(is_gone(pid_of(0, 1)));
    assert_int_equal(pid_of(0, 2), 0);
    kill(at.pid, SIGHUP);
    assert_soon(count_in_log(&at, "release 3 runs in all 1 workers") == 1);
    finish(&at);
}

static act the_last_successor_waits(unsigned number, unsigned generation)
{
    return number == 1 && generation == 2 ? ACT_WAIT_TO_BOOT : ACT_SERVE;
}

static void the_worker_whose_successor_boots_can_be_the_one_that_is_too_many(void **state)
{
    (void)state;
    server at;
    start(the_last_successor_waits, 2, 0, &at);
    kill(at.pid, SIGHUP);
    assert_soon(pid_of(1, 2) != 0);
    kill(at.pid, SIGTTOU);
    assert_soon(drained(1, 1));
    assert_soon(count_in_log(&at, "release 2 runs in all 1 workers") == 1);
    kill(at.pid, SIGHUP);
    assert_soon(count_in_log(&at, "release 3 runs in all 1 workers") == 1);
    kill(at.pid, SIGQUIT); /* a double that waits to boot hears nothing less */
    assert_exit(&at, 0);
    close_stage(&at);
}

static act nobody_finishes(unsigned number, unsigned generation)
{
    (void)number, (void)generation;
    return ACT_FINISH_SLOWLY;
}

static void so_many_reloads_that_too_many_still_finish_only_take_longer(void **state)
{
    (void)state;
    server at;
    start(nobody_finishes, STAGE_SLOTS, 0, &at);
    char text[64];
    for (unsigned number = 2; number <= 17; number++) {
        kill(at.pid, SIGHUP);
        snprintf(text, sizeof text, "release %u runs in all", number);
        if (number < 17)
            assert_soon(count_in_log(&at, text) == 1);
    }
    assert_soon(count_in_log(&at, "too many replaced workers") == 1);
    kill(pid_of(0, 16), SIGKILL); /* even now there is room for those that are needed */
    assert_soon(is_ready(0, 17));
    atomic_store(&on->leave, true);
    assert_soon(count_in_log(&at, text) == 1);
    assert_int_equal(count_in_log(&at, "no row of shared memory"), 0);
    assert_int_equal(count_in_log(&at, "abandoned"), 0);
    finish(&at);
}

static void a_hangup_of_a_worker_harms_nobody(void **state)
{
    (void)state;
    server at;
    start(everybody_serves, 1, 0, &at);
    kill(pid_of(0, 1), SIGHUP);
    kill(at.pid, SIGHUP);
    assert_soon(count_in_log(&at, "release 2 runs in all 1 workers, 1 replaced") == 1);
    assert_soon(drained(0, 1));
    finish(&at);
}

static void the_end_does_not_wait_for_a_reload(void **state)
{
    (void)state;
    server at;
    start(successors_wait, 2, 0, &at);
    kill(at.pid, SIGHUP);
    assert_soon(pid_of(0, 2) != 0);
    kill(at.pid, SIGQUIT);
    assert_exit(&at, 0);
    assert_true(is_gone(pid_of(0, 2)) && is_gone(pid_of(0, 1)));
    close_stage(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reload_replaces_every_worker),
        cmocka_unit_test(one_worker_is_replaced_at_a_time_and_stays_until_its_successor_serves),
        cmocka_unit_test(a_release_that_cannot_boot_is_abandoned_and_nobody_goes),
        cmocka_unit_test(a_release_whose_first_worker_dies_on_probation_replaced_nobody),
        cmocka_unit_test(workers_that_were_replaced_are_brought_back_when_a_later_one_dies),
        cmocka_unit_test(a_worker_more_and_one_fewer),
        cmocka_unit_test(workers_finish_and_the_master_stays_until_a_reload),
        cmocka_unit_test(after_a_pause_nobody_is_waited_for),
        cmocka_unit_test(a_pause_during_a_reload_ends_with_the_next_one),
        cmocka_unit_test(a_pause_that_comes_after_a_reload_is_one),
        cmocka_unit_test(the_worker_whose_successor_boots_can_be_the_one_that_is_too_many),
        cmocka_unit_test(so_many_reloads_that_too_many_still_finish_only_take_longer),
        cmocka_unit_test(a_hangup_of_a_worker_harms_nobody),
        cmocka_unit_test(the_end_does_not_wait_for_a_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
