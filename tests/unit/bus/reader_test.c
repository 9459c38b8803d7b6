/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include "bus/record.h"

static region shared;
static unsigned row_a, row_b, row_c;
static bus *a, *b, *c;
static hostlog log_a;

static int open_buses(void **state)
{
    (void)state;
    host_open(&shared);
    row_a = host_row(&shared);
    row_b = host_row(&shared);
    row_c = host_row(&shared);
    a = host_join(&shared, row_a);
    b = host_join(&shared, row_b);
    c = host_join(&shared, row_c);
    hostlog_open(&log_a, &shared, row_a);
    return a && b && c ? 0 : -1;
}

static int close_buses(void **state)
{
    (void)state;
    bus_close(a);
    bus_close(b);
    bus_close(c);
    region_close(&shared);
    return 0;
}

static uint64_t gaps_of(unsigned index)
{
    return atomic_load(&shared.rows[index].gaps);
}

static unsigned char *cell_at(uint64_t position)
{
    return log_a.cells + position % HOST_RING * REGION_CELL;
}

static _Atomic uint64_t *word_at(uint64_t position)
{
    return &log_a.words[position % HOST_RING];
}

/* ---- single damages ---- */

static void expect_one_gap_then_next(bus *by, unsigned index)
{
    uint64_t before = gaps_of(index);
    host_expect_outcome(by, BUS_GAP);
    assert_int_equal(gaps_of(index), before + 1);
    host_expect(by, "next");
    host_expect_outcome(by, BUS_NOTHING);
}

static void a_damaged_word_is_a_gap_of_its_record_only(void **state)
{
    (void)state;
    uint64_t position;
    host_publish(a, "lobby", "lost", 4, &position);
    host_say(a, "next");
    atomic_fetch_xor(word_at(position), 0x100);
    expect_one_gap_then_next(b, row_b);
    expect_one_gap_then_next(c, row_c);
}

static void a_damaged_word_over_a_damaged_head_is_a_gap_up_to_the_next_record(void **state)
{
    (void)state;
    uint64_t position;
    char body[1000] = {0};
    host_publish(a, "lobby", body, sizeof body, &position);
    host_say(a, "next");
    atomic_fetch_xor(word_at(position), 0x100);
    cell_at(position)[5] ^= 1;
    expect_one_gap_then_next(b, row_b);
}

static void a_wiped_word_is_a_gap_for_every_reader(void **state)
{
    (void)state;
    uint64_t position;
    host_publish(a, "lobby", "lost", 4, &position);
    host_say(a, "next");
    atomic_store(word_at(position), 0);
    expect_one_gap_then_next(b, row_b);
    expect_one_gap_then_next(c, row_c);
}

static void a_damaged_head_is_a_gap(void **state)
{
    (void)state;
    uint64_t position;
    host_publish(a, "lobby", "lost", 4, &position);
    host_say(a, "next");
    cell_at(position)[sizeof(record_header) + sizeof(record_link) + 3] ^= 0x20; /* a letter of the room */
    expect_one_gap_then_next(b, row_b);
}

static void a_damaged_body_is_a_gap_that_the_taker_is_told(void **state)
{
    (void)state;
    uint64_t position;
    char text[64];
    bus_record record;
    host_publish(a, "lobby", "lost", 4, &position);
    host_say(a, "next");
    unsigned char *cell = cell_at(position);
    record_header header;
    memcpy(&header, cell, sizeof header);
    cell[header.head_length] ^= 1;
    assert_int_equal(bus_peek(b, &record), BUS_RECORD);
    assert_int_equal(bus_take(b, text), HUB_EPROTO);
    assert_int_equal(gaps_of(row_b), 1);
    host_expect(b, "next");
}

static void a_record_of_another_place_or_epoch_is_a_gap(void **state)
{
    (void)state;
    uint64_t first, second;
    host_publish(a, "lobby", "same", 4, &first);
    host_publish(a, "lobby", "same", 4, &second);
    host_say(a, "next");
    memcpy(cell_at(second), cell_at(first), REGION_CELL);
    host_expect(b, "same");
    expect_one_gap_then_next(b, row_b);
}

static void a_damaged_cursor_is_a_gap(void **state)
{
    (void)state;
    host_say(a, "lost");
    for (int bit = 0; bit < 64; bit++) {
        uint64_t before = gaps_of(row_b);
        atomic_fetch_xor(&shared.rows[row_b].cursor, UINT64_C(1) << bit);
        host_expect_outcome(b, BUS_GAP);
        assert_int_equal(gaps_of(row_b), before + 1);
        assert_int_equal(host_say(a, "next"), HUB_OK);
        host_expect(b, "next");
        host_drain(a);
        host_drain(c);
    }
}

static void a_damaged_head_position_is_lived_with(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        atomic_fetch_xor(log_a.head, UINT64_C(1) << bit);
        bool heard = false;
        for (int tries = 0; tries < 20000 && !heard; tries++) {
            bus *all[] = {a, b, c};
            if (host_say(a, "after") != HUB_OK)
                bus_evict_laggards(a);
            for (int i = 0; i < 3; i++) {
                char text[64];
                for (bus_outcome outcome; (outcome = host_hear(all[i], text, sizeof text)) != BUS_NOTHING;)
                    heard |= outcome == BUS_RECORD && i == 1 && strcmp(text, "after") == 0;
            }
        }
        assert_true(heard);
    }
}

/* ---- flips at random ------------------------------------------------------------------------------------
 */

enum { ROUND_RECORDS = 24 };

typedef struct sent_record {
    uint64_t position;
    size_t length;
    uint64_t seed;
} sent_record;

static void fill_body(char *body, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < length; i++)
        body[i] = (char)host_random(&seed);
}

static void flip(uint64_t *random, const sent_record *sent, uint64_t end)
{
    uint64_t start = sent[0].position, position = start + host_random(random) % (end - start);
    const sent_record *one = &sent[host_random(random) % ROUND_RECORDS];
    unsigned char *byte = NULL;
    switch (host_random(random) % 8) {
    case 0: /* the word of a record */
        byte = (unsigned char *)word_at(one->position) + host_random(random) % 8;
        break;
    case 1: /* the word of any cell */
        byte = (unsigned char *)word_at(position) + host_random(random) % 8;
        break;
    case 2: /* a word not used yet in this lap */
        byte = (unsigned char *)word_at(end + host_random(random) % 64) + host_random(random) % 8;
        break;
    case 3: /* a header */
        byte = cell_at(one->position) + host_random(random) % sizeof(record_header);
        break;
    case 4: /* links and names */
        byte = cell_at(one->position) + sizeof(record_header) + host_random(random) % 24;
        break;
    case 5: /* anything of a record */
    case 6:
        byte = cell_at(position) + host_random(random) % REGION_CELL;
        break;
    default: /* a cursor, seldom: it costs all the rest of the round */
        if (host_random(random) % 8 == 0)
            byte = (unsigned char *)&shared.rows[row_b].cursor + host_random(random) % 8;
        break;
    }
    if (byte)
        *byte ^= (unsigned char)(1 + host_random(random) % 255);
}

/* Reads all; every record must be one that was sent, whole, and none missing unless a gap was counted. */
static unsigned read_round(bus *by, unsigned index, const sent_record *sent)
{
    static char got[4096], expected[4096];
    uint64_t gaps = gaps_of(index);
    unsigned count = 0, next = 0;
    bus_record record;
    for (bus_outcome outcome; (outcome = bus_peek(by, &record)) != BUS_NOTHING;) {
        if (outcome == BUS_GAP)
            continue;
        while (next < ROUND_RECORDS && sent[next].position != record.position)
            next++;
        assert_true(next < ROUND_RECORDS);
        assert_int_equal(record.body_length, sent[next].length);
        assert_int_equal(record.message.kind, 7);
        assert_true(hub_equal(record.message.rooms[0], hub_text("lobby")));
        if (bus_take(by, got) != HUB_OK)
            continue;
        fill_body(expected, sent[next].length, sent[next].seed);
        assert_memory_equal(got, expected, sent[next].length);
        count++;
        next++;
    }
    assert_true(count == ROUND_RECORDS || gaps_of(index) > gaps);
    return count;
}

static void bytes_flipped_at_random_are_counted_gaps_and_never_a_wrong_message(void **state)
{
    (void)state;
    static char body[4096];
    uint64_t random = 20261123, flips = 0, read_at_all = 0, rounds = 4000;
    for (uint64_t round = 0; round < rounds; round++) {
        sent_record sent[ROUND_RECORDS];
        for (int i = 0; i < ROUND_RECORDS; i++) {
            sent[i].length = host_random(&random) % (host_random(&random) % 4 ? 150 : 3000);
            sent[i].seed = host_random(&random);
            fill_body(body, sent[i].length, sent[i].seed);
            assert_int_equal(host_publish(a, "lobby", body, sent[i].length, &sent[i].position), HUB_OK);
        }
        uint64_t end = bus_end(a), count = host_random(&random) % 6;
        for (uint64_t i = 0; i < count; i++)
            flip(&random, sent, end);
        flips += count;
        unsigned read_b = read_round(b, row_b, sent), read_c = read_round(c, row_c, sent);
        read_round(a, row_a, sent);
        if (count == 0) {
            assert_int_equal(read_b, ROUND_RECORDS);
            assert_int_equal(read_c, ROUND_RECORDS);
        }
        read_at_all += read_c;
    }
    assert_true(flips > 8000);
    /* A damage costs its record, not the rest of the log. */
    assert_true(read_at_all > rounds * ROUND_RECORDS * 85 / 100);
}

/* ---- unfinished records ---------------------------------------------------------------------------------
 */

static hostlog_place leave_unfinished(hostlog *log, uint32_t cells)
{
    hostlog_place place;
    assert_int_equal(hostlog_reserve(log, cells, &place), HUB_OK);
    return place;
}

static void a_record_being_written_is_waited_for(void **state)
{
    (void)state;
    leave_unfinished(&log_a, 2);
    host_say(c, "behind it");
    uint64_t start = clock_monotonic_ns();
    host_expect_outcome(b, BUS_NOTHING);
    assert_true(bus_pending(b));
    assert_false(bus_doze(b));
    double after = bus_retry_after(b);
    if (clock_monotonic_ns() - start < HOSTLOG_PATIENCE_NS)
        assert_true(after > 0 && after <= (double)HOSTLOG_PATIENCE_NS / 1e9);
    bus_wake(b);
}

static void a_stopped_writer_is_given_up_after_the_limit(void **state)
{
    (void)state;
    hostlog_place place = leave_unfinished(&log_a, 2);
    host_say(c, "behind it");
    char text[64];
    uint64_t start = clock_monotonic_ns(), deadline = host_deadline(5);
    while (host_hear(b, text, sizeof text) == BUS_NOTHING && host_before(deadline))
        ;
    assert_string_equal(text, "behind it");
    assert_true(clock_monotonic_ns() - start >= HOSTLOG_PATIENCE_NS);
    assert_true(bus_retry_after(b) < 0);
    assert_int_equal(gaps_of(row_b), 0);
    assert_false(hostlog_commit(&log_a, &place));
    host_expect(c, "behind it");
}

static void a_dead_writer_is_given_up_at_once(void **state)
{
    (void)state;
    unsigned index = host_row(&shared);
    hostlog dead;
    hostlog_open(&dead, &shared, index);
    hostlog_join(&dead);
    leave_unfinished(&dead, 2);
    host_say(c, "behind it");
    host_expect_outcome(b, BUS_NOTHING);
    region_sweep_row(&shared, index);
    assert_true(bus_doze(b));
    host_expect(b, "behind it");
    assert_int_equal(gaps_of(row_b), 0);
}

static void cells_that_a_dead_writer_reserved_but_never_named_are_stepped_over(void **state)
{
    (void)state;
    atomic_fetch_add(log_a.head, 9); /* it died between head and word */
    host_say(c, "behind it");
    host_expect(b, "behind it");
    assert_int_equal(gaps_of(row_b), 0);
}

/* While a's record is complete but not committed, c publishes what b is interested in, and b goes to sleep.
 */
static bool sleep_armed;
static void sleep_before_commit(hostlog_step step)
{
    if (step != HOSTLOG_STEP_HEADER || !sleep_armed)
        return;
    sleep_armed = false;
    assert_int_equal(host_publish(c, "elsewhere", "x", 1, NULL), HUB_OK);
    assert_false(bus_doze(b));
}

static void a_sleeper_that_waits_for_a_record_is_rung_when_it_is_finished(void **state)
{
    (void)state;
    uint64_t rings;
    bus_interest_add(b, bus_room_hash(b, hub_text("/"), hub_text("elsewhere")));
    sleep_armed = true;
    hostlog_on_step = sleep_before_commit;
    assert_int_equal(host_publish(a, "of no interest", "y", 1, NULL), HUB_OK);
    hostlog_on_step = NULL;
    assert_false(sleep_armed);
    assert_int_equal(read(bus_doorbell(b), &rings, sizeof rings), sizeof rings);
    host_expect(b, "y");
    host_expect(b, "x");
}

#define READER_TEST(test) cmocka_unit_test_setup_teardown(test, open_buses, close_buses)

int main(void)
{
    const struct CMUnitTest tests[] = {
        READER_TEST(a_damaged_word_is_a_gap_of_its_record_only),
        READER_TEST(a_damaged_word_over_a_damaged_head_is_a_gap_up_to_the_next_record),
        READER_TEST(a_wiped_word_is_a_gap_for_every_reader),
        READER_TEST(a_damaged_head_is_a_gap),
        READER_TEST(a_damaged_body_is_a_gap_that_the_taker_is_told),
        READER_TEST(a_record_of_another_place_or_epoch_is_a_gap),
        READER_TEST(a_damaged_cursor_is_a_gap),
        READER_TEST(a_damaged_head_position_is_lived_with),
        READER_TEST(bytes_flipped_at_random_are_counted_gaps_and_never_a_wrong_message),
        READER_TEST(a_record_being_written_is_waited_for),
        READER_TEST(a_stopped_writer_is_given_up_after_the_limit),
        READER_TEST(a_dead_writer_is_given_up_at_once),
        READER_TEST(cells_that_a_dead_writer_reserved_but_never_named_are_stepped_over),
        READER_TEST(a_sleeper_that_waits_for_a_record_is_rung_when_it_is_finished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
