/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

static region shared;
static hostlog writer, reader;
static unsigned writer_row, reader_row;

static int open_log(void **state)
{
    (void)state;
    host_open(&shared);
    writer_row = host_row(&shared);
    reader_row = host_row(&shared);
    hostlog_open(&writer, &shared, writer_row);
    hostlog_open(&reader, &shared, reader_row);
    hostlog_join(&writer);
    hostlog_join(&reader);
    return 0;
}

static int close_log(void **state)
{
    (void)state;
    region_close(&shared);
    return 0;
}

static uint64_t cursor_of(unsigned index)
{
    return atomic_load(&shared.rows[index].cursor);
}

static uint64_t put(hostlog *log, uint32_t cells)
{
    hostlog_place place;
    assert_int_equal(hostlog_reserve(log, cells, &place), HUB_OK);
    memset(place.memory, 'c', (size_t)cells * REGION_CELL);
    assert_true(hostlog_commit(log, &place));
    return place.position;
}

static void catch_up(hostlog *log)
{
    assert_true(hostlog_move(log, cursor_of(log->self_index), hostlog_end(log)));
}

static void reservations_follow_each_other(void **state)
{
    (void)state;
    uint64_t start = hostlog_end(&writer);
    assert_int_equal(put(&writer, 3), start);
    assert_int_equal(put(&reader, 1), start + 3);
    assert_int_equal(hostlog_end(&writer), start + 4);
}

static void a_word_tells_what_became_of_a_record(void **state)
{
    (void)state;
    hostlog_place place;
    uint64_t at = hostlog_end(&writer);
    assert_int_equal(hostlog_look(&reader, at).state, HOSTLOG_UNFILLED);
    assert_int_equal(hostlog_reserve(&writer, 2, &place), HUB_OK);
    assert_int_equal(hostlog_look(&reader, at).state, HOSTLOG_RESERVED);
    assert_int_equal(hostlog_look(&reader, at).cells, 2);
    assert_true(hostlog_commit(&writer, &place));
    assert_int_equal(hostlog_look(&reader, at).state, HOSTLOG_COMMITTED);
    assert_int_equal(hostlog_look(&reader, at + HOST_RING).state, HOSTLOG_UNFILLED);
    assert_int_equal(hostlog_look(&reader, at - HOST_RING).state, HOSTLOG_OVERRUN);
}

static void any_damaged_byte_of_a_word_is_noticed(void **state)
{
    (void)state;
    uint64_t at = put(&writer, 2);
    _Atomic uint64_t *word = &writer.words[at % HOST_RING];
    uint64_t sound = *word;
    for (unsigned byte = 0; byte < 8; byte++) {
        for (uint64_t change = 1; change < 256; change++) {
            *word = sound ^ change << byte * 8;
            assert_int_equal(hostlog_look(&reader, at).state, HOSTLOG_DAMAGED);
        }
    }
}

static void a_reader_that_is_behind_keeps_the_ring_full(void **state)
{
    (void)state;
    hostlog_place place;
    for (uint32_t i = 0; i < 4; i++)
        put(&writer, HOST_RING / 4);
    catch_up(&writer);
    assert_int_equal(hostlog_reserve(&writer, 1, &place), HUB_EAGAIN);
    assert_int_equal(atomic_load(&shared.rows[writer_row].writing), 0);
    assert_true(hostlog_move(&reader, cursor_of(reader_row), cursor_of(reader_row) + 5));
    put(&writer, 5);
    assert_int_equal(hostlog_reserve(&writer, 1, &place), HUB_EAGAIN);
}

static void the_publishers_own_cursor_counts_too(void **state)
{
    (void)state;
    hostlog_place place;
    for (uint32_t i = 0; i < 4; i++)
        put(&writer, HOST_RING / 4);
    catch_up(&reader);
    assert_int_equal(hostlog_reserve(&writer, 1, &place), HUB_EAGAIN);
    assert_int_equal(hostlog_laggard(&writer), (int)writer_row);
    assert_int_equal(hostlog_evict(&writer), 0);
    catch_up(&writer);
    put(&writer, 1);
}

static void after_an_eviction_the_largest_record_fits(void **state)
{
    (void)state;
    hostlog_place place;
    put(&writer, 1);
    catch_up(&writer);
    while (hostlog_reserve(&writer, writer.cells_max, &place) == HUB_OK) {
        assert_true(hostlog_commit(&writer, &place));
        catch_up(&writer);
    }
    assert_int_equal(hostlog_laggard(&writer), (int)reader_row);
    assert_int_equal(hostlog_evict(&writer), 1);
    assert_true(cursor_of(reader_row) & HOSTLOG_EVICTED);
    put(&writer, writer.cells_max);
    assert_int_equal(hostlog_evict(&writer), 0);
}

static void a_reader_within_three_quarters_is_never_evicted(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        put(&writer, HOST_RING / 4);
    catch_up(&writer);
    assert_int_equal(hostlog_laggard(&writer), -1);
    assert_int_equal(hostlog_evict(&writer), 0);
    put(&writer, 1);
    assert_int_equal(hostlog_laggard(&writer), (int)reader_row);
}

static void rows_that_are_not_alive_hold_nothing_up(void **state)
{
    (void)state;
    assert_true(row_change(&shared.rows[reader_row], atomic_load(&shared.rows[reader_row].word), ROW_ENDED));
    for (uint32_t i = 0; i < 20; i++) {
        put(&writer, HOST_RING / 4);
        catch_up(&writer);
    }
    assert_int_equal(hostlog_laggard(&writer), -1);
}

static void an_evicted_reader_cannot_move_and_joins_at_the_end(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        put(&writer, HOST_RING / 4);
    uint64_t behind = cursor_of(reader_row);
    assert_int_equal(hostlog_evict(&writer), 1);
    assert_false(hostlog_move(&reader, behind, behind + HOST_RING / 4));
    assert_int_equal(hostlog_join(&reader), hostlog_end(&reader));
    assert_int_equal(cursor_of(reader_row), hostlog_end(&reader));
}

static void a_publisher_that_was_evicted_gives_its_reservation_back(void **state)
{
    (void)state;
    hostlog_place place;
    uint64_t at = hostlog_end(&writer);
    atomic_fetch_or(&shared.rows[writer_row].cursor, HOSTLOG_EVICTED);
    assert_int_equal(hostlog_reserve(&writer, 3, &place), HUB_ECLOSED);
    assert_int_equal(hostlog_look(&reader, at).state, HOSTLOG_ABORTED);
    assert_int_equal(hostlog_look(&reader, at).cells, 3);
    assert_int_equal(atomic_load(&shared.rows[writer_row].writing), 0);
    hostlog_join(&writer);
    assert_int_equal(put(&writer, 1), at + 3);
}

static void a_record_that_was_given_up_cannot_be_committed(void **state)
{
    (void)state;
    hostlog_place place;
    assert_int_equal(hostlog_reserve(&writer, 2, &place), HUB_OK);
    assert_true(hostlog_has_writer(&reader, place.position));
    hostlog_give_up(&reader, place.position, hostlog_look(&reader, place.position), false);
    assert_int_equal(hostlog_look(&reader, place.position).state, HOSTLOG_ABORTED);
    assert_int_equal(hostlog_look(&reader, place.position).cells, 2);
    assert_false(hostlog_commit(&writer, &place));
    assert_int_equal(hostlog_look(&reader, place.position).state, HOSTLOG_ABORTED);
    assert_false(hostlog_has_writer(&reader, place.position));
}

static void a_committed_record_cannot_be_given_up(void **state)
{
    (void)state;
    hostlog_place place;
    assert_int_equal(hostlog_reserve(&writer, 2, &place), HUB_OK);
    hostlog_mark seen_before = hostlog_look(&reader, place.position);
    assert_true(hostlog_commit(&writer, &place));
    hostlog_give_up(&reader, place.position, seen_before, false);
    assert_int_equal(hostlog_look(&reader, place.position).state, HOSTLOG_COMMITTED);
}

static void the_dead_are_no_writers(void **state)
{
    (void)state;
    hostlog_place place;
    assert_int_equal(hostlog_reserve(&writer, 2, &place), HUB_OK);
    assert_true(row_change(&shared.rows[writer_row], atomic_load(&shared.rows[writer_row].word), ROW_ENDED));
    assert_false(hostlog_has_writer(&reader, place.position));
}

/* Publishes by `log` and keeps both cursors at the end; true when the reservation touched the given cells. */
static bool put_touches(hostlog *log, uint32_t cells, uint64_t from, uint64_t count)
{
    uint64_t at = put(log, cells);
    catch_up(log);
    for (uint64_t i = 0; i < cells; i++) {
        uint64_t cell = (at + i) % HOST_RING;
        for (uint64_t pinned = 0; pinned < count; pinned++) {
            if (cell == (from + pinned) % HOST_RING)
                return true;
        }
    }
    return false;
}

static void cells_that_a_stopped_writer_may_still_fill_are_given_to_nobody(void **state)
{
    (void)state;
    hostlog_place place;
    uint64_t random = 5;
    assert_int_equal(hostlog_reserve(&writer, 7, &place), HUB_OK); /* and now it is stopped */
    hostlog_give_up(&reader, place.position, hostlog_look(&reader, place.position), false);
    atomic_fetch_or(&shared.rows[writer_row].cursor, HOSTLOG_EVICTED);
    catch_up(&reader);
    uint64_t goal = hostlog_end(&reader) + 6 * HOST_RING;
    while (hostlog_end(&reader) < goal) {
        uint32_t cells = 1 + (uint32_t)host_random(&random) % 200;
        assert_false(put_touches(&reader, cells, place.position, 7));
    }
    assert_false(hostlog_commit(&writer, &place)); /* it goes on, and its cells can be had again */
    bool touched = false;
    goal = hostlog_end(&reader) + HOST_RING;
    while (hostlog_end(&reader) < goal)
        touched |= put_touches(&reader, 16, place.position, 7);
    assert_true(touched);
}

static void a_reservation_that_nobody_met_is_pinned_as_well(void **state)
{
    (void)state;
    hostlog_place place;
    assert_int_equal(hostlog_reserve(&writer, 7, &place), HUB_OK);
    atomic_fetch_or(&shared.rows[writer_row].cursor, HOSTLOG_EVICTED);
    hostlog_join(&reader); /* behind it: no reader resolves the record */
    uint64_t goal = hostlog_end(&reader) + 2 * HOST_RING;
    while (hostlog_end(&reader) < goal)
        assert_false(put_touches(&reader, 100, place.position, 7));
    assert_false(hostlog_commit(&writer, &place));
}

static void pins_that_meet_are_stepped_over_one_by_one(void **state)
{
    (void)state;
    hostlog_place places[3];
    hostlog others[3];
    for (int i = 0; i < 3; i++) {
        hostlog_open(&others[i], &shared, host_row(&shared));
        hostlog_join(&others[i]);
        assert_int_equal(hostlog_reserve(&others[i], writer.cells_max, &places[i]), HUB_OK);
    }
    for (int i = 0; i < 3; i++)
        atomic_fetch_or(&others[i].self->cursor, HOSTLOG_EVICTED);
    atomic_fetch_or(&shared.rows[reader_row].cursor, HOSTLOG_EVICTED);
    catch_up(&writer);
    uint64_t goal = hostlog_end(&writer) + 3 * HOST_RING;
    while (hostlog_end(&writer) < goal)
        assert_false(put_touches(&writer, 64, places[0].position, 3 * (uint64_t)writer.cells_max));
}

static void damaged_shared_words_are_lived_with(void **state)
{
    (void)state;
    uint64_t random = 77;
    for (int round = 0; round < 20000; round++) {
        _Atomic uint64_t *targets[] = {writer.head, writer.limit, &shared.rows[writer_row].cursor,
                                       &shared.rows[reader_row].cursor, &shared.rows[reader_row].writing};
        uint64_t bit = UINT64_C(1) << host_random(&random) % 64;
        if (round % 10 == 0)
            atomic_fetch_xor(targets[host_random(&random) % 5], bit);
        hostlog_place place;
        hub_status status = hostlog_reserve(&writer, 1 + (uint32_t)host_random(&random) % 50, &place);
        if (status == HUB_OK)
            hostlog_commit(&writer, &place);
        else
            hostlog_evict(&writer);
        if (status != HUB_OK || round % 50 == 0) {
            hostlog_join(&writer);
            hostlog_join(&reader);
        }
        atomic_store(&shared.rows[reader_row].writing, 0);
    }
    hostlog_join(&writer);
    hostlog_join(&reader);
    uint64_t tries = 0;
    hostlog_place place;
    while (hostlog_reserve(&writer, 1, &place) != HUB_OK)
        assert_true(tries++ < 1000);
    assert_true(hostlog_commit(&writer, &place));
}

static void the_next_sound_word_is_found_or_the_end(void **state)
{
    (void)state;
    uint64_t first = put(&writer, 5), second = put(&writer, 6), end = hostlog_end(&writer);
    assert_int_equal(hostlog_next_sound(&writer, first, end), second);
    assert_int_equal(hostlog_next_sound(&writer, second, end), end);
}

#define LOG_TEST(test) cmocka_unit_test_setup_teardown(test, open_log, close_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(reservations_follow_each_other),
        LOG_TEST(a_word_tells_what_became_of_a_record),
        LOG_TEST(any_damaged_byte_of_a_word_is_noticed),
        LOG_TEST(a_reader_that_is_behind_keeps_the_ring_full),
        LOG_TEST(the_publishers_own_cursor_counts_too),
        LOG_TEST(after_an_eviction_the_largest_record_fits),
        LOG_TEST(a_reader_within_three_quarters_is_never_evicted),
        LOG_TEST(rows_that_are_not_alive_hold_nothing_up),
        LOG_TEST(an_evicted_reader_cannot_move_and_joins_at_the_end),
        LOG_TEST(a_publisher_that_was_evicted_gives_its_reservation_back),
        LOG_TEST(a_record_that_was_given_up_cannot_be_committed),
        LOG_TEST(a_committed_record_cannot_be_given_up),
        LOG_TEST(the_dead_are_no_writers),
        LOG_TEST(cells_that_a_stopped_writer_may_still_fill_are_given_to_nobody),
        LOG_TEST(a_reservation_that_nobody_met_is_pinned_as_well),
        LOG_TEST(pins_that_meet_are_stepped_over_one_by_one),
        LOG_TEST(damaged_shared_words_are_lived_with),
        LOG_TEST(the_next_sound_word_is_found_or_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
