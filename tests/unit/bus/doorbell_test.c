/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

static region shared;
static unsigned row_a, row_b;
static bus *a, *b;

static int open_buses(void **state)
{
    (void)state;
    host_open(&shared);
    row_a = host_row(&shared);
    row_b = host_row(&shared);
    a = host_join(&shared, row_a);
    b = host_join(&shared, row_b);
    return a && b ? 0 : -1;
}

static int close_buses(void **state)
{
    (void)state;
    bus_close(a);
    bus_close(b);
    region_close(&shared);
    return 0;
}

static uint64_t rings_of(bus *of)
{
    uint64_t rings = 0;
    return read(bus_doorbell(of), &rings, sizeof rings) == sizeof rings ? rings : 0;
}

static void be_interested(bus *in, const char *room)
{
    bus_interest_add(in, bus_room_hash(in, hub_text("/"), hub_text(room)));
}

static void a_sleeper_is_rung_once_for_many_records(void **state)
{
    (void)state;
    be_interested(b, "lobby");
    assert_false(bus_doze(b));
    for (int i = 0; i < 10; i++)
        host_say(a, "x");
    assert_int_equal(rings_of(b), 1);
}

static void who_is_awake_is_not_rung(void **state)
{
    (void)state;
    be_interested(b, "lobby");
    host_say(a, "x");
    assert_int_equal(rings_of(b), 0);
    assert_true(bus_doze(b)); /* there is something to read */
    host_say(a, "x");
    assert_int_equal(rings_of(b), 0);
    host_drain(b);
    assert_false(bus_doze(b));
    bus_wake(b);
    host_say(a, "x");
    assert_int_equal(rings_of(b), 0);
}

static void a_publisher_does_not_ring_itself(void **state)
{
    (void)state;
    be_interested(a, "lobby");
    assert_false(bus_doze(a));
    host_say(a, "x");
    assert_int_equal(rings_of(a), 0);
}

static void only_the_interested_are_rung(void **state)
{
    (void)state;
    be_interested(b, "other");
    assert_false(bus_doze(b));
    host_say(a, "x");
    assert_int_equal(rings_of(b), 0);
    host_publish(a, "other", "x", 1, NULL);
    assert_int_equal(rings_of(b), 1);
}

static void a_record_for_a_name_space_rings_those_who_have_clients_in_it(void **state)
{
    (void)state;
    bus_message message = {.name_space = hub_text("/chat")};
    assert_false(bus_doze(b));
    bus_publish(a, &message, NULL, 0, NULL);
    assert_int_equal(rings_of(b), 0);
    host_drain(b);
    bus_interest_add(b, bus_room_hash(b, hub_text("/chat"), hub_bytes_of(NULL, 0)));
    assert_false(bus_doze(b));
    bus_publish(a, &message, NULL, 0, NULL);
    assert_int_equal(rings_of(b), 1);
}

static void a_record_for_one_client_rings_everybody(void **state)
{
    (void)state;
    bus_message message = {.name_space = hub_text("/chat"), .target = 1};
    assert_false(bus_doze(b));
    bus_publish(a, &message, NULL, 0, NULL);
    assert_int_equal(rings_of(b), 1);
}

static void an_uninterested_sleeper_is_rung_before_it_is_behind_by_a_quarter(void **state)
{
    (void)state;
    assert_false(bus_doze(b));
    uint64_t start = bus_end(a);
    while (rings_of(b) == 0) {
        host_say(a, "x");
        host_drain(a);
        assert_true(bus_end(a) - start <= HOST_RING / 4);
    }
    assert_true(bus_end(a) - start >= HOST_RING / 8);
}

static void an_evicted_sleeper_is_rung(void **state)
{
    (void)state;
    assert_false(bus_doze(b));
    while (host_say(a, "x") == HUB_OK)
        host_drain(a);
    rings_of(b); /* for being behind; it does not answer */
    atomic_store(&shared.rows[row_b].asleep, ROW_ASLEEP);
    assert_int_equal(bus_evict_laggards(a), 1);
    assert_int_equal(rings_of(b), 1);
    assert_true(bus_doze(b));
    host_expect_outcome(b, BUS_GAP);
}

static void a_doorbell_rung_for_the_rows_last_owner_is_silent(void **state)
{
    (void)state;
    region_ring(&shared, row_b);
    bus_close(b);
    b = host_join(&shared, row_b);
    assert_non_null(b);
    assert_int_equal(rings_of(b), 0);
}

static void hushing_empties_the_doorbell(void **state)
{
    (void)state;
    region_ring(&shared, row_b);
    region_ring(&shared, row_b);
    bus_hush(b);
    assert_int_equal(rings_of(b), 0);
    bus_hush(b); /* an empty one too */
}

/* ---- two processes that wake each other -----------------------------------------------------------------
 */

typedef struct duel {
    unsigned rows[2];
    double seconds;
    bool jitter;
    _Atomic bool over;
    _Atomic uint64_t rounds[2], sleeps[2], lost[2];
} duel;

/* Sleeps until something can be read; counts a wake-up that never came. */
static void wait_for_record(duel *fight, bus *mine, int side)
{
    while (!bus_doze(mine)) {
        struct pollfd bell = {bus_doorbell(mine), POLLIN, 0};
        atomic_fetch_add(&fight->sleeps[side], 1);
        double after = bus_retry_after(mine);
        int ready = poll(&bell, 1, after < 0 ? 3000 : (int)(after * 1000) + 1);
        bus_wake(mine);
        if (ready > 0)
            bus_hush(mine);
        if (ready == 0 && after < 0 && !atomic_load(&fight->over)) {
            atomic_fetch_add(&fight->lost[side], 1);
            atomic_store(&fight->over, true);
        }
        if (atomic_load(&fight->over))
            return;
    }
}

/* Hits the ball back each time that it comes from the other side. */
static void play(duel *fight, bus *mine, int side)
{
    uint64_t deadline = host_deadline(fight->seconds), random = (uint64_t)side + 1;
    uint32_t me = row_incarnation(atomic_load(&shared.rows[fight->rows[side]].word));
    if (side == 0)
        host_say(mine, "serve");
    while (!atomic_load(&fight->over)) {
        bus_record record;
        bus_outcome outcome = bus_peek(mine, &record);
        if (outcome != BUS_RECORD) {
            wait_for_record(fight, mine, side);
            continue;
        }
        bool returned = record.origin != me;
        bus_skip(mine);
        if (!returned)
            continue;
        for (uint64_t spin = fight->jitter ? host_random(&random) % 4000 : 0; spin > 0; spin--)
            atomic_signal_fence(memory_order_seq_cst);
        atomic_fetch_add(&fight->rounds[side], 1);
        if (!host_before(deadline))
            atomic_store(&fight->over, true);
        host_say(mine, "back"); /* also the last one, which wakes the other side */
    }
}

static duel *fight_now;

static int play_far_side(void *arg)
{
    (void)arg;
    bus *mine = host_join(&shared, fight_now->rows[1]);
    if (!mine)
        return 1;
    be_interested(mine, "lobby");
    atomic_store(&fight_now->sleeps[1], 1); /* ready */
    play(fight_now, mine, 1);
    bus_close(mine);
    return 0;
}

static void expect_no_wake_up_lost(bool jitter)
{
    duel *fight = fight_now = host_shared(sizeof *fight);
    fight->seconds = 1.0;
    fight->jitter = jitter;
    fight->rows[0] = row_a;
    fight->rows[1] = host_row(&shared);
    be_interested(a, "lobby");
    pid_t far = host_fork(play_far_side, NULL);
    while (atomic_load(&fight->sleeps[1]) == 0)
        sched_yield();
    play(fight, a, 0);
    assert_int_equal(host_reap(far), 0);
    assert_int_equal(fight->lost[0] + fight->lost[1], 0);
    assert_true(fight->rounds[0] > 100);
    assert_true(fight->sleeps[0] > 100);
    munmap(fight, sizeof *fight);
}

static void no_wake_up_is_lost_between_two_processes(void **state)
{
    (void)state;
    bus_close(b);
    b = NULL;
    expect_no_wake_up_lost(false);
}

static void no_wake_up_is_lost_when_answers_come_at_random_times(void **state)
{
    (void)state;
    bus_close(b);
    b = NULL;
    expect_no_wake_up_lost(true);
}

/* ---- publishing just while the other one goes to sleep ---------------------------------------------------
 */

typedef struct race {
    _Atomic uint64_t published, heard;
    _Atomic bool over;
} race;

/* Publishes the moment that the last record was read. */
static int publish_at_bedtime(void *arg)
{
    race *run = arg;
    bus *mine = host_join(&shared, fight_now->rows[1]);
    if (!mine)
        return 1;
    while (!atomic_load(&run->over)) {
        if (host_say(mine, "x") != HUB_OK)
            return 2;
        uint64_t number = atomic_fetch_add(&run->published, 1) + 1;
        host_drain(mine);
        for (int spin = 0; atomic_load(&run->heard) < number && !atomic_load(&run->over); spin++) {
            if (spin % 256 == 255)
                sched_yield();
        }
    }
    bus_close(mine);
    return 0;
}

static void no_wake_up_is_lost_when_records_come_at_bedtime(void **state)
{
    (void)state;
    race *run = host_shared(sizeof *run);
    fight_now = host_shared(sizeof *fight_now);
    fight_now->rows[1] = host_row(&shared);
    bus_close(b);
    b = NULL;
    be_interested(a, "lobby");
    pid_t far = host_fork(publish_at_bedtime, run);
    /* As many as a calm machine does in the time; a loaded one takes longer for the least that tell
     * something. */
    uint64_t enough = host_deadline(1.5), deadline = host_deadline(60), lost = 0, random = 9;
    while ((host_before(enough) || run->published <= 1000) && host_before(deadline) && lost == 0) {
        /* Publishing takes a little: go to sleep at any moment of it. */
        for (uint64_t spin = host_random(&random) % 400; spin > 0; spin--)
            atomic_signal_fence(memory_order_seq_cst);
        if (bus_doze(a)) {
            atomic_fetch_add(&run->heard, host_drain(a));
            continue;
        }
        uint64_t patience = host_deadline(1);
        for (int spin = 0; atomic_load(&shared.rows[row_a].asleep) != ROW_AWAKE && lost == 0; spin++) {
            if (spin % 256 == 255) {
                sched_yield();
                lost = !host_before(patience);
            }
        }
    }
    atomic_store(&run->over, true);
    assert_int_equal(host_reap(far), 0);
    assert_int_equal(lost, 0);
    assert_true(run->published > 1000);
    munmap(run, sizeof *run);
    munmap(fight_now, sizeof *fight_now);
}

#define DOORBELL_TEST(test) cmocka_unit_test_setup_teardown(test, open_buses, close_buses)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DOORBELL_TEST(a_sleeper_is_rung_once_for_many_records),
        DOORBELL_TEST(who_is_awake_is_not_rung),
        DOORBELL_TEST(a_publisher_does_not_ring_itself),
        DOORBELL_TEST(only_the_interested_are_rung),
        DOORBELL_TEST(a_record_for_a_name_space_rings_those_who_have_clients_in_it),
        DOORBELL_TEST(a_record_for_one_client_rings_everybody),
        DOORBELL_TEST(an_uninterested_sleeper_is_rung_before_it_is_behind_by_a_quarter),
        DOORBELL_TEST(an_evicted_sleeper_is_rung),
        DOORBELL_TEST(a_doorbell_rung_for_the_rows_last_owner_is_silent),
        DOORBELL_TEST(hushing_empties_the_doorbell),
        DOORBELL_TEST(no_wake_up_is_lost_between_two_processes),
        DOORBELL_TEST(no_wake_up_is_lost_when_answers_come_at_random_times),
        DOORBELL_TEST(no_wake_up_is_lost_when_records_come_at_bedtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
