/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include "bus/interest.h"

static region shared;

static int open_region(void **state)
{
    (void)state;
    host_open(&shared);
    return 0;
}

static int close_region(void **state)
{
    (void)state;
    region_close(&shared);
    return 0;
}

static bool is_set(const interest *any, uint64_t hash, unsigned index)
{
    interest_mask mask = {{0}};
    interest_collect(any, hash, &mask);
    return mask.words[index / 64] >> index % 64 & 1;
}

static void the_first_add_sets_the_bit_and_the_last_drop_clears_it(void **state)
{
    (void)state;
    interest in;
    assert_int_equal(interest_open(&in, &shared, 70), HUB_OK);
    assert_false(is_set(&in, 5, 70));
    interest_add(&in, 5);
    interest_add(&in, 5);
    assert_true(is_set(&in, 5, 70));
    assert_true(interest_has(&in, 5));
    interest_drop(&in, 5);
    assert_true(is_set(&in, 5, 70));
    interest_drop(&in, 5);
    assert_false(is_set(&in, 5, 70));
    assert_false(interest_has(&in, 5));
    interest_close(&in);
}

static void hashes_of_one_bucket_share_its_bit(void **state)
{
    (void)state;
    interest in;
    uint64_t other = 5 + (uint64_t)REGION_HASH_BUCKETS * 3;
    assert_int_equal(interest_open(&in, &shared, 1), HUB_OK);
    interest_add(&in, 5);
    interest_add(&in, other);
    interest_drop(&in, 5);
    assert_true(is_set(&in, other, 1));
    interest_drop(&in, other);
    assert_false(is_set(&in, 5, 1));
    interest_close(&in);
}

static void a_drop_without_an_add_is_ignored(void **state)
{
    (void)state;
    interest in;
    assert_int_equal(interest_open(&in, &shared, 1), HUB_OK);
    interest_drop(&in, 9);
    interest_add(&in, 9);
    assert_true(is_set(&in, 9, 1));
    interest_close(&in);
}

static void rows_do_not_disturb_each_other(void **state)
{
    (void)state;
    interest first, last;
    assert_int_equal(interest_open(&first, &shared, 0), HUB_OK);
    assert_int_equal(interest_open(&last, &shared, REGION_ROWS - 1), HUB_OK);
    interest_add(&first, 5);
    interest_add(&last, 5);
    interest_add(&last, 4);
    interest_add(&last, 6);
    interest_drop(&first, 5);
    assert_false(is_set(&first, 5, 0));
    assert_true(is_set(&first, 5, REGION_ROWS - 1));
    interest_close(&first);
    interest_close(&last);
}

static void closing_takes_all_bits_back(void **state)
{
    (void)state;
    interest in, other;
    assert_int_equal(interest_open(&in, &shared, 3), HUB_OK);
    assert_int_equal(interest_open(&other, &shared, 4), HUB_OK);
    for (uint64_t hash = 0; hash < 2000; hash++) {
        interest_add(&in, hash * 31);
        interest_add(&other, hash * 31);
    }
    interest_close(&in);
    for (uint64_t hash = 0; hash < 2000; hash++) {
        assert_false(is_set(&other, hash * 31, 3));
        assert_true(is_set(&other, hash * 31, 4));
    }
    interest_close(&other);
}

static void sweeping_a_row_takes_the_bits_of_its_dead_process_back(void **state)
{
    (void)state;
    unsigned index = host_row(&shared);
    interest in, other;
    assert_int_equal(interest_open(&in, &shared, index), HUB_OK);
    assert_int_equal(interest_open(&other, &shared, index + 1), HUB_OK);
    interest_add(&in, 0);
    interest_add(&in, REGION_HASH_BUCKETS - 1);
    interest_add(&other, 0);
    free(in.counts); /* it dies without a word */
    region_sweep_row(&shared, index);
    assert_false(is_set(&other, 0, index));
    assert_false(is_set(&other, REGION_HASH_BUCKETS - 1, index));
    assert_true(is_set(&other, 0, index + 1));
    interest_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_add_sets_the_bit_and_the_last_drop_clears_it),
        cmocka_unit_test(hashes_of_one_bucket_share_its_bit),
        cmocka_unit_test(a_drop_without_an_add_is_ignored),
        cmocka_unit_test(rows_do_not_disturb_each_other),
        cmocka_unit_test(closing_takes_all_bits_back),
        cmocka_unit_test(sweeping_a_row_takes_the_bits_of_its_dead_process_back),
    };
    return cmocka_run_group_tests(tests, open_region, close_region);
}
