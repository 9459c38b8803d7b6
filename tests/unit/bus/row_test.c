/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

static void a_word_holds_incarnation_slot_and_state(void **state)
{
    (void)state;
    row_word word = row_word_of(UINT32_MAX - 1, 63, ROW_DRAINING);
    assert_int_equal(row_incarnation(word), UINT32_MAX - 1);
    assert_int_equal(row_slot(word), 63);
    assert_int_equal(row_state_of(word), ROW_DRAINING);
}

static void only_booting_ready_and_draining_rows_are_live(void **state)
{
    (void)state;
    const bool live[] = {[ROW_FREE] = false,
                         [ROW_BOOTING] = true,
                         [ROW_READY] = true,
                         [ROW_DRAINING] = true,
                         [ROW_ENDED] = false};
    for (unsigned i = 0; i < sizeof live / sizeof live[0]; i++)
        assert_int_equal(row_is_live(row_word_of(3, 1, (row_state)i)), live[i]);
    assert_false(row_is_live(row_word_of(3, 1, (row_state)(ROW_ENDED + 1))));
}

static void a_change_keeps_incarnation_and_slot(void **state)
{
    (void)state;
    row r = {.word = row_word_of(5, 2, ROW_BOOTING)};
    assert_true(row_change(&r, row_word_of(5, 2, ROW_BOOTING), ROW_READY));
    assert_true(atomic_load(&r.word) == row_word_of(5, 2, ROW_READY));
}

static void a_late_process_cannot_change_its_successors_row(void **state)
{
    (void)state;
    row r = {.word = row_word_of(6, 2, ROW_BOOTING)};
    assert_false(row_change(&r, row_word_of(5, 2, ROW_BOOTING), ROW_READY));
    assert_true(atomic_load(&r.word) == row_word_of(6, 2, ROW_BOOTING));
}

static void what_publishers_read_is_apart_from_what_the_reader_writes(void **state)
{
    (void)state;
    assert_true(offsetof(row, asleep) / 64 != offsetof(row, cursor) / 64);
    assert_true(sizeof(row) % 64 == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_holds_incarnation_slot_and_state),
        cmocka_unit_test(only_booting_ready_and_draining_rows_are_live),
        cmocka_unit_test(a_change_keeps_incarnation_and_slot),
        cmocka_unit_test(a_late_process_cannot_change_its_successors_row),
        cmocka_unit_test(what_publishers_read_is_apart_from_what_the_reader_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
