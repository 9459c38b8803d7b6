/* SPDX-License-Identifier: Apache-2.0 */
#include "master/slot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS(count) ((uint64_t)(count)*CLOCK_NS_PER_MS)
#define S(count)  ((uint64_t)(count)*CLOCK_NS_PER_S)

static const slot_limits limits = {.boot_ns = S(30), .timeout_ns = S(10), .graceful_ns = S(20)};

/* A slot and the time that it is told. */
typedef struct stage {
    slot slot;
    uint64_t now;
    uint64_t heartbeat;
    slot_note note; /* of the last event */
} stage;

static stage open_stage(void)
{
    stage at = {.now = S(1000)};
    slot_init(&at.slot, 0);
    return at;
}

static slot_action give(stage *on, slot_event event)
{
    slot_result result = slot_step(&on->slot, &limits, event, on->now, on->heartbeat);
    on->note = result.note;
    return result.action;
}

/* Lets time pass up to the slot's own deadline. */
static slot_action wait_for_deadline(stage *on)
{
    assert_true(on->slot.deadline_ns >= on->now);
    on->now = on->slot.deadline_ns;
    return give(on, SLOT_TIME);
}

static stage booting_stage(void)
{
    stage at = open_stage();
    assert_int_equal(give(&at, SLOT_WANTED), SLOT_FORK);
    assert_int_equal(give(&at, SLOT_FORKED), SLOT_NOTHING);
    return at;
}

static stage ready_stage(void)
{
    stage at = booting_stage();
    at.now += MS(20);
    at.heartbeat = at.now;
    assert_int_equal(give(&at, SLOT_SAID_READY), SLOT_NOTHING);
    assert_int_equal(at.slot.state, SLOT_READY);
    return at;
}

static void an_empty_slot_waits_for_nothing(void **state)
{
    (void)state;
    stage at = open_stage();
    assert_int_equal(at.slot.deadline_ns, 0);
    assert_false(slot_filled(&at.slot));
    assert_int_equal(give(&at, SLOT_TIME), SLOT_NOTHING);
    assert_int_equal(give(&at, SLOT_TERMINATE), SLOT_NOTHING);
    assert_int_equal(give(&at, SLOT_QUIT), SLOT_NOTHING);
    assert_int_equal(at.slot.state, SLOT_EMPTY);
}

static void a_wanted_slot_is_forked_at_once(void **state)
{
    (void)state;
    stage at = booting_stage();
    assert_int_equal(at.slot.state, SLOT_BOOTING);
    assert_true(slot_filled(&at.slot));
    assert_int_equal(at.slot.deadline_ns, at.now + S(30));
}

static void a_slot_that_is_filled_is_not_forked_again(void **state)
{
    (void)state;
    stage at = ready_stage();
    assert_int_equal(give(&at, SLOT_WANTED), SLOT_NOTHING);
    assert_int_equal(at.slot.state, SLOT_READY);
}

static void a_worker_that_is_not_ready_in_time_is_aborted_and_then_killed(void **state)
{
    (void)state;
    stage at = booting_stage();
    assert_int_equal(wait_for_deadline(&at), SLOT_SEND_ABRT);
    assert_int_equal(at.note, SLOT_BOOT_TOO_LONG);
    assert_int_equal(at.slot.deadline_ns, at.now + SLOT_QUIT_NS);
    assert_int_equal(wait_for_deadline(&at), SLOT_SEND_KILL);
    assert_int_equal(at.note, SLOT_IGNORED_QUIT);
    assert_int_equal(at.slot.deadline_ns, 0);
}

static void a_boot_timeout_of_zero_waits_for_ever(void **state)
{
    (void)state;
    slot_limits unlimited = {.graceful_ns = S(1)};
    stage at = open_stage();
    slot_step(&at.slot, &unlimited, SLOT_WANTED, at.now, 0);
    slot_step(&at.slot, &unlimited, SLOT_FORKED, at.now, 0);
    assert_int_equal(at.slot.deadline_ns, 0);
    slot_result result = slot_step(&at.slot, &unlimited, SLOT_TIME, at.now + S(100000), 0);
    assert_int_equal(result.action, SLOT_NOTHING);
}

static void a_dead_worker_is_replaced_at_once(void **state)
{
    (void)state;
    stage at = ready_stage();
    at.now += S(5);
    assert_int_equal(give(&at, SLOT_REAPED), SLOT_FORK);
}

static void delays_double_from_a_tenth_of_a_second_to_ten_seconds(void **state)
{
    (void)state;
    static const unsigned expected_ms[] = {0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000};
    for (unsigned i = 0; i < sizeof(expected_ms) / sizeof(expected_ms[0]); i++)
        assert_int_equal(slot_backoff_ns(i), MS(expected_ms[i]));
    assert_int_equal(slot_backoff_ns(4000000000u), SLOT_BACKOFF_MAX_NS);
}

static void each_further_end_waits_longer(void **state)
{
    (void)state;
    stage at = ready_stage();
    assert_int_equal(give(&at, SLOT_REAPED), SLOT_FORK);
    for (unsigned end = 1; end < 12; end++) {
        give(&at, SLOT_FORKED);
        at.now += MS(5);
        assert_int_equal(give(&at, SLOT_REAPED), SLOT_NOTHING);
        assert_int_equal(at.slot.state, SLOT_BACKOFF);
        assert_int_equal(at.slot.deadline_ns, at.now + slot_backoff_ns(end));
        at.now = at.slot.deadline_ns - 1;
        assert_int_equal(give(&at, SLOT_TIME), SLOT_NOTHING);
        assert_int_equal(wait_for_deadline(&at), SLOT_FORK);
    }
}

static void a_quiet_minute_forgets_earlier_ends(void **state)
{
    (void)state;
    stage at = ready_stage();
    give(&at, SLOT_REAPED);
    give(&at, SLOT_FORKED);
    give(&at, SLOT_SAID_READY);
    uint64_t ready = at.now;
    while (at.now < ready + SLOT_QUIET_NS) {
        at.heartbeat = at.slot.deadline_ns;
        assert_int_equal(wait_for_deadline(&at), SLOT_NOTHING);
    }
    assert_int_equal(at.slot.failures, 0);
    assert_int_equal(give(&at, SLOT_REAPED), SLOT_FORK);
}

static void ends_that_come_less_than_a_minute_apart_are_not_forgotten(void **state)
{
    (void)state;
    stage at = ready_stage();
    give(&at, SLOT_REAPED);
    give(&at, SLOT_FORKED);
    give(&at, SLOT_SAID_READY);
    at.now += SLOT_QUIET_NS - 1;
    at.heartbeat = at.now;
    give(&at, SLOT_TIME);
    assert_int_equal(give(&at, SLOT_REAPED), SLOT_NOTHING);
    assert_int_equal(at.slot.deadline_ns, at.now + MS(100));
}

/* Its worker ends so many times, each time after it has served for so long. */
static void assert_degraded_at_the_fifth_end(uint64_t served_ns)
{
    stage at = booting_stage();
    for (unsigned end = 1; end <= 8; end++) {
        if (end % 2)
            give(&at, SLOT_SAID_READY); /* at boot or after READY: both count */
        at.now += served_ns;
        slot_action action = give(&at, SLOT_REAPED);
        assert_int_equal(at.note, end == SLOT_DEGRADED_ENDS ? SLOT_DEGRADED : SLOT_NO_NOTE);
        if (action != SLOT_FORK)
            assert_int_equal(wait_for_deadline(&at), SLOT_FORK);
        give(&at, SLOT_FORKED);
    }
}

static void five_quick_ends_are_reported_once(void **state)
{
    (void)state;
    assert_degraded_at_the_fifth_end(MS(1));
}

static void so_are_five_ends_of_workers_that_served_for_less_than_a_minute(void **state)
{
    (void)state;
    assert_degraded_at_the_fifth_end(SLOT_QUIET_NS - MS(1));
}

static void an_end_after_a_quiet_minute_is_the_first_of_a_row(void **state)
{
    (void)state;
    stage at = booting_stage();
    for (unsigned end = 1; end <= 12; end++) {
        give(&at, SLOT_SAID_READY);
        uint64_t ready = at.now;
        while (end % 4 == 0 && at.now < ready + SLOT_QUIET_NS) {
            at.heartbeat = at.slot.deadline_ns;
            wait_for_deadline(&at);
        }
        at.now += MS(1);
        slot_action action = give(&at, SLOT_REAPED);
        assert_int_equal(at.note, SLOT_NO_NOTE);
        if (action != SLOT_FORK)
            wait_for_deadline(&at);
        give(&at, SLOT_FORKED);
    }
    assert_false(at.slot.degraded);
}

static void a_degraded_slot_recovers_after_a_quiet_minute(void **state)
{
    (void)state;
    stage at = booting_stage();
    for (unsigned end = 1; end <= SLOT_DEGRADED_ENDS; end++) {
        if (give(&at, SLOT_REAPED) != SLOT_FORK)
            wait_for_deadline(&at);
        give(&at, SLOT_FORKED);
    }
    assert_true(at.slot.degraded);
    give(&at, SLOT_SAID_READY);
    uint64_t ready = at.now;
    while (at.now < ready + SLOT_QUIET_NS) {
        assert_int_not_equal(at.note, SLOT_RECOVERED);
        at.heartbeat = at.slot.deadline_ns;
        wait_for_deadline(&at);
    }
    assert_int_equal(at.note, SLOT_RECOVERED);
    assert_false(at.slot.degraded);
}

static void a_failed_fork_is_tried_again_after_a_while(void **state)
{
    (void)state;
    stage at = open_stage();
    assert_int_equal(give(&at, SLOT_WANTED), SLOT_FORK);
    assert_int_equal(give(&at, SLOT_UNFORKED), SLOT_NOTHING);
    assert_int_equal(at.slot.state, SLOT_BACKOFF);
    assert_true(at.slot.deadline_ns > at.now);
    assert_int_equal(wait_for_deadline(&at), SLOT_FORK);
}

static void a_heartbeat_that_goes_on_keeps_a_worker(void **state)
{
    (void)state;
    stage at = ready_stage();
    for (int look = 0; look < 100; look++) {
        at.heartbeat = at.slot.deadline_ns - MS(250);
        assert_int_equal(wait_for_deadline(&at), SLOT_NOTHING);
        assert_int_equal(at.slot.state, SLOT_READY);
        assert_int_equal(at.slot.deadline_ns, at.heartbeat + S(10));
    }
}

static void a_worker_that_stops_turning_is_aborted_and_killed_two_seconds_later(void **state)
{
    (void)state;
    stage at = ready_stage();
    at.heartbeat = at.now + S(3);
    assert_int_equal(wait_for_deadline(&at), SLOT_NOTHING);
    assert_int_equal(wait_for_deadline(&at), SLOT_SEND_ABRT);
    assert_int_equal(at.note, SLOT_STALE);
    assert_int_equal(at.now, at.heartbeat + S(10));
    uint64_t aborted = at.now;
    assert_int_equal(wait_for_deadline(&at), SLOT_SEND_KILL);
    assert_int_equal(at.now, aborted + S(2));
    assert_int_equal(give(&at, SLOT_REAPED), SLOT_FORK);
}

static void a_worker_that_never_stamped_a_heartbeat_counts_from_ready(void **state)
{
    (void)state;
    stage at = booting_stage();
    at.heartbeat = 0;
    give(&at, SLOT_SAID_READY);
    uint64_t ready = at.now;
    assert_int_equal(wait_for_deadline(&at), SLOT_SEND_ABRT);
    assert_int_equal(at.now, ready + S(10));
}

static void a_timeout_of_zero_never_kills(void **state)
{
    (void)state;
    slot_limits unlimited = {.graceful_ns = S(1)};
    stage at = ready_stage();
    slot_init(&at.slot, 0);
    slot_step(&at.slot, &unlimited, SLOT_WANTED, at.now, 0);
    slot_step(&at.slot, &unlimited, SLOT_FORKED, at.now, 0);
    slot_step(&at.slot, &unlimited, SLOT_SAID_READY, at.now, 0);
    assert_int_equal(at.slot.deadline_ns, 0);
    slot_result result = slot_step(&at.slot, &unlimited, SLOT_TIME, at.now + S(100000), 0);
    assert_int_equal(result.action, SLOT_NOTHING);
}

static void a_master_that_was_stopped_itself_gives_workers_time_to_turn(void **state)
{
    (void)state;
    stage at = ready_stage();
    at.now = at.slot.deadline_ns + S(600);
    assert_int_equal(give(&at, SLOT_TIME), SLOT_NOTHING);
    assert_int_equal(at.slot.state, SLOT_READY);
    assert_int_equal(wait_for_deadline(&at), SLOT_SEND_ABRT);
}

static void a_heartbeat_from_the_future_is_taken_as_now(void **state)
{
    (void)state;
    stage at = ready_stage();
    at.heartbeat = UINT64_MAX;
    assert_int_equal(wait_for_deadline(&at), SLOT_NOTHING);
    assert_int_equal(at.slot.deadline_ns, at.now + S(10));
}

static void terminate_drains_and_kills_after_the_graceful_time(void **state)
{
    (void)state;
    stage at = ready_stage();
    assert_int_equal(give(&at, SLOT_TERMINATE), SLOT_SEND_TERM);
    assert_int_equal(at.slot.state, SLOT_DRAINING);
    assert_int_equal(give(&at, SLOT_TERMINATE), SLOT_NOTHING);
    assert_int_equal(at.slot.deadline_ns, at.now + S(20));
    assert_int_equal(wait_for_deadline(&at), SLOT_SEND_KILL);
    assert_int_equal(at.note, SLOT_GRACE_OVER);
    assert_int_equal(give(&at, SLOT_REAPED), SLOT_NOTHING);
    assert_int_equal(at.slot.state, SLOT_EMPTY);
}

static void a_drained_worker_is_not_replaced(void **state)
{
    (void)state;
    stage at = ready_stage();
    give(&at, SLOT_TERMINATE);
    assert_int_equal(give(&at, SLOT_REAPED), SLOT_NOTHING);
    assert_int_equal(at.slot.state, SLOT_EMPTY);
    assert_int_equal(at.slot.deadline_ns, 0);
}

static void quit_during_a_drain_ends_at_once(void **state)
{
    (void)state;
    stage at = ready_stage();
    give(&at, SLOT_TERMINATE);
    at.now += S(1);
    assert_int_equal(give(&at, SLOT_QUIT), SLOT_SEND_QUIT);
    assert_int_equal(give(&at, SLOT_QUIT), SLOT_NOTHING);
    assert_int_equal(at.slot.deadline_ns, at.now + SLOT_QUIT_NS);
    assert_int_equal(wait_for_deadline(&at), SLOT_SEND_KILL);
}

static void a_booting_worker_is_drained_and_quit_as_well(void **state)
{
    (void)state;
    stage drained = booting_stage(), quit = booting_stage();
    assert_int_equal(give(&drained, SLOT_TERMINATE), SLOT_SEND_TERM);
    assert_int_equal(give(&drained, SLOT_SAID_READY), SLOT_NOTHING);
    assert_int_equal(drained.slot.state, SLOT_DRAINING);
    assert_int_equal(give(&quit, SLOT_QUIT), SLOT_SEND_QUIT);
}

static void a_stop_during_backoff_empties_the_slot(void **state)
{
    (void)state;
    for (slot_event event = SLOT_TERMINATE; event <= SLOT_QUIT; event++) {
        stage at = booting_stage();
        give(&at, SLOT_REAPED);
        give(&at, SLOT_FORKED);
        give(&at, SLOT_REAPED);
        assert_int_equal(at.slot.state, SLOT_BACKOFF);
        assert_int_equal(give(&at, event), SLOT_NOTHING);
        assert_int_equal(at.slot.state, SLOT_EMPTY);
        assert_int_equal(at.slot.deadline_ns, 0);
    }
}

static void a_worker_killed_for_its_heartbeat_is_not_replaced_after_terminate(void **state)
{
    (void)state;
    stage at = ready_stage();
    at.heartbeat = at.now;
    while (give(&at, SLOT_TIME) != SLOT_SEND_ABRT)
        at.now = at.slot.deadline_ns;
    assert_int_equal(give(&at, SLOT_TERMINATE), SLOT_NOTHING);
    assert_int_equal(give(&at, SLOT_REAPED), SLOT_NOTHING);
    assert_int_equal(at.slot.state, SLOT_EMPTY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_slot_waits_for_nothing),
        cmocka_unit_test(a_wanted_slot_is_forked_at_once),
        cmocka_unit_test(a_slot_that_is_filled_is_not_forked_again),
        cmocka_unit_test(a_worker_that_is_not_ready_in_time_is_aborted_and_then_killed),
        cmocka_unit_test(a_boot_timeout_of_zero_waits_for_ever),
        cmocka_unit_test(a_dead_worker_is_replaced_at_once),
        cmocka_unit_test(delays_double_from_a_tenth_of_a_second_to_ten_seconds),
        cmocka_unit_test(each_further_end_waits_longer),
        cmocka_unit_test(a_quiet_minute_forgets_earlier_ends),
        cmocka_unit_test(ends_that_come_less_than_a_minute_apart_are_not_forgotten),
        cmocka_unit_test(five_quick_ends_are_reported_once),
        cmocka_unit_test(so_are_five_ends_of_workers_that_served_for_less_than_a_minute),
        cmocka_unit_test(an_end_after_a_quiet_minute_is_the_first_of_a_row),
        cmocka_unit_test(a_degraded_slot_recovers_after_a_quiet_minute),
        cmocka_unit_test(a_failed_fork_is_tried_again_after_a_while),
        cmocka_unit_test(a_heartbeat_that_goes_on_keeps_a_worker),
        cmocka_unit_test(a_worker_that_stops_turning_is_aborted_and_killed_two_seconds_later),
        cmocka_unit_test(a_worker_that_never_stamped_a_heartbeat_counts_from_ready),
        cmocka_unit_test(a_timeout_of_zero_never_kills),
        cmocka_unit_test(a_master_that_was_stopped_itself_gives_workers_time_to_turn),
        cmocka_unit_test(a_heartbeat_from_the_future_is_taken_as_now),
        cmocka_unit_test(terminate_drains_and_kills_after_the_graceful_time),
        cmocka_unit_test(a_drained_worker_is_not_replaced),
        cmocka_unit_test(quit_during_a_drain_ends_at_once),
        cmocka_unit_test(a_booting_worker_is_drained_and_quit_as_well),
        cmocka_unit_test(a_stop_during_backoff_empties_the_slot),
        cmocka_unit_test(a_worker_killed_for_its_heartbeat_is_not_replaced_after_terminate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
