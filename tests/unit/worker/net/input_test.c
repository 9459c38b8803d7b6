/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/input.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int trim(void **state)
{
    (void)state;
    input_trim();
    return 0;
}

/* As if so many bytes had been read. */
static unsigned char *read_bytes(size_t length, int fill)
{
    size_t room;
    unsigned char *to = input_room(&room);
    assert_non_null(to);
    assert_true(room >= INPUT_READ_MIN);
    assert_true(length <= room);
    memset(to, fill, length);
    return to;
}

static void what_nobody_holds_is_read_over(void **state)
{
    (void)state;
    unsigned char *first = read_bytes(1000, 'a');
    assert_ptr_equal(read_bytes(1000, 'b'), first);
}

static void what_is_held_stays_while_others_read(void **state)
{
    (void)state;
    unsigned char *held = read_bytes(1000, 'a');
    input_block *block = input_hold(held + 1000);
    for (int i = 0; i < 50; i++)
        read_bytes(INPUT_READ_MIN, 'b');
    for (int i = 0; i < 1000; i++)
        assert_int_equal(held[i], 'a');
    input_drop(block);
}

static void a_part_behind_the_start_of_a_read_is_held_to_its_end(void **state)
{
    (void)state;
    unsigned char *data = read_bytes(1000, 'a');
    input_block *block = input_hold(data + 1000); /* of which only the last ten are wanted */
    read_bytes(INPUT_READ_MIN, 'b');
    for (int i = 990; i < 1000; i++)
        assert_int_equal(data[i], 'a');
    input_drop(block);
}

static void a_holder_pins_no_more_than_its_bytes(void **state)
{
    (void)state;
    unsigned char *first = read_bytes(100, 'a');
    input_block *block = input_hold(first + 100);
    unsigned char *second = read_bytes(100, 'b');
    assert_true(second > first && second <= first + 192);
    input_drop(block);
}

static void several_hold_the_same_read(void **state)
{
    (void)state;
    unsigned char *data = read_bytes(200, 'a');
    input_block *early = input_hold(data + 100), *late = input_hold(data + 200);
    assert_ptr_equal(early, late);
    input_drop(late);
    read_bytes(INPUT_READ_MIN, 'b');
    assert_int_equal(data[0], 'a');
    assert_int_equal(data[99], 'a');
    input_drop(early);
}

static void a_full_block_is_left_to_its_holders(void **state)
{
    (void)state;
    enum { HOLDERS = 64 };
    unsigned char *data[HOLDERS];
    input_block *blocks[HOLDERS];
    for (int i = 0; i < HOLDERS; i++) {
        data[i] = read_bytes(INPUT_READ_MIN, i);
        blocks[i] = input_hold(data[i] + INPUT_READ_MIN);
    }
    for (int i = 0; i < HOLDERS; i++) {
        assert_int_equal(data[i][0], i);
        assert_int_equal(data[i][INPUT_READ_MIN - 1], i);
        input_drop(blocks[i]);
    }
}

static void a_block_whose_holders_are_gone_is_used_from_its_start(void **state)
{
    (void)state;
    unsigned char *first = read_bytes(INPUT_READ_MIN, 'a');
    input_drop(input_hold(first + INPUT_READ_MIN));
    assert_ptr_equal(read_bytes(1, 'b'), first);
}

static void nothing_to_drop_is_fine(void **state)
{
    (void)state;
    input_drop(NULL);
}

#define TEST(name) cmocka_unit_test_teardown(name, trim)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_nobody_holds_is_read_over),
        TEST(what_is_held_stays_while_others_read),
        TEST(a_part_behind_the_start_of_a_read_is_held_to_its_end),
        TEST(a_holder_pins_no_more_than_its_bytes),
        TEST(several_hold_the_same_read),
        TEST(a_full_block_is_left_to_its_holders),
        TEST(a_block_whose_holders_are_gone_is_used_from_its_start),
        TEST(nothing_to_drop_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
