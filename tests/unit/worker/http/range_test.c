/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/range.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static byte_range parts[RANGES_MAX];
static size_t count;

static range_result parsed(const char *field, uint64_t length)
{
    return range_parse(hub_text(field), length, parts, &count);
}

/* The parts as first+length, in order. */
static void assert_parts(const char *field, uint64_t length, const char *expected)
{
    char text[RANGES_MAX * 48] = "";
    size_t at = 0;
    if (parsed(field, length) != RANGE_PARTS)
        fail_msg("'%s' has no parts", field);
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%llu+%llu", i ? " " : "",
                               (unsigned long long)parts[i].first, (unsigned long long)parts[i].length);
    assert_string_equal(text, expected);
}

static void the_examples_of_the_rfc_are_understood(void **state)
{
    (void)state;
    assert_parts("bytes=0-499", 10000, "0+500");
    assert_parts("bytes=500-999", 10000, "500+500");
    assert_parts("bytes=-500", 10000, "9500+500");
    assert_parts("bytes=9500-", 10000, "9500+500");
    assert_parts("bytes=0-0,-1", 10000, "0+1 9999+1");
    assert_parts("bytes= 0-999, 4500-5499, -1000", 10000, "0+1000 4500+1000 9000+1000");
}

static void positions_beyond_the_end_are_cut(void **state)
{
    (void)state;
    assert_parts("bytes=5-100", 10, "5+5");
    assert_parts("bytes=-100", 10, "0+10");
    assert_parts("bytes=0-18446744073709551615", 10, "0+10");
    assert_parts("bytes=0-99999999999999999999999999", 10, "0+10");
    assert_parts("bytes=-99999999999999999999999999", 10, "0+10");
    assert_parts("bytes=0-", 10, "0+10");
}

static void the_largest_representation_has_its_last_byte(void **state)
{
    (void)state;
    assert_parts("bytes=18446744073709551613-", UINT64_MAX, "18446744073709551613+2");
    assert_parts("bytes=-1", UINT64_MAX, "18446744073709551614+1");
}

static void ranges_outside_are_unsatisfiable(void **state)
{
    (void)state;
    assert_int_equal(parsed("bytes=10-", 10), RANGE_UNSATISFIABLE);
    assert_int_equal(parsed("bytes=10-20,99999999999999999999999-", 10), RANGE_UNSATISFIABLE);
    assert_int_equal(parsed("bytes=-0", 10), RANGE_UNSATISFIABLE);
    assert_int_equal(parsed("bytes=0-", 0), RANGE_UNSATISFIABLE);
    assert_int_equal(parsed("bytes=-0", 0), RANGE_UNSATISFIABLE);
}

static void those_outside_are_left_out_beside_others(void **state)
{
    (void)state;
    assert_parts("bytes=20-30,2-3,-0", 10, "2+2");
}

static void a_suffix_of_nothing_is_all_of_it(void **state)
{
    (void)state;
    assert_int_equal(parsed("bytes=-5", 0), RANGE_WHOLE);
}

static void what_is_malformed_does_not_count(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          "bytes",         "bytes=",        "bytes=,",     "bytes=a-b",  "bytes=1",
        "bytes=-",   "bytes=--1",     "bytes=5-4",     "bytes=1-2-3", "bytes=1 -2", "bytes=1- 2",
        "bytes=+1-", "bytes=0x1-2",   "bytes=1-2;3",   "bytes =1-2",  "bytes:1-2",  "=1-2",
        "items=1-2", "bytes=0-1,x",   "bytes=0-1 2-3", "bytes=-1-",   "bytes=1--2", "bytes==1-2",
        "none=1-2",  "bytes=0-1,5-4", "bytes=1-2\t3",  "bytesx=0-1",  "byte=0-1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parsed(bad[i], 10) != RANGE_WHOLE)
            fail_msg("'%s' was taken", bad[i]);
    assert_int_equal(range_parse(hub_bytes_of(NULL, 0), 10, parts, &count), RANGE_WHOLE);
}

static void the_unit_has_no_case_and_lists_may_have_empty_elements(void **state)
{
    (void)state;
    assert_parts("ByTeS=,1-2 ,, 5-6\t,", 10, "1+2 5+2");
}

static void ranges_that_overlap_or_touch_become_one_in_the_first_ones_place(void **state)
{
    (void)state;
    assert_parts("bytes=0-5,3-8", 100, "0+9");
    assert_parts("bytes=50-59,0-9,60-69", 100, "50+20 0+10");
    assert_parts("bytes=0-9,20-29,10-19", 100, "0+30");
    assert_parts("bytes=80-89,0-9,20-29,5-84", 100, "0+90");
    assert_parts("bytes=0-,0-,0-,0-,0-", 100, "0+100");
    assert_parts("bytes=0-1,3-4", 100, "0+2 3+2");
}

static void sixteen_ranges_are_taken_and_seventeen_are_not(void **state)
{
    (void)state;
    char field[400] = "bytes=";
    for (unsigned i = 0; i < RANGES_MAX; i++)
        sprintf(field + strlen(field), "%u-%u,", 10 * i, 10 * i + 1);
    assert_int_equal(parsed(field, 1000), RANGE_PARTS);
    assert_int_equal(count, RANGES_MAX);
    strcat(field, "900-901");
    assert_int_equal(parsed(field, 1000), RANGE_WHOLE);
}

/* Against marking each byte. */
static void any_list_covers_the_bytes_it_names_once(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (unsigned round = 0; round < 20000; round++) {
        enum { LENGTH = 40 };
        bool asked[LENGTH] = {false}, given[LENGTH] = {false};
        char field[300] = "bytes=";
        unsigned specs = 1 + round % RANGES_MAX;
        for (unsigned i = 0; i < specs; i++) {
            seed = seed * 1664525 + 1013904223;
            unsigned first = (seed >> 8) % (LENGTH + 5), last = first + (seed >> 20) % 6;
            sprintf(field + strlen(field), "%s%u-%u", i ? "," : "", first, last);
            for (unsigned byte = first; byte <= last && byte < LENGTH; byte++)
                asked[byte] = true;
        }
        parsed(field, LENGTH);
        for (size_t i = 0; i < count; i++)
            for (uint64_t byte = parts[i].first; byte < parts[i].first + parts[i].length; byte++) {
                assert_true(byte < LENGTH);
                assert_false(given[byte]);
                given[byte] = true;
            }
        assert_memory_equal(asked, given, sizeof asked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc_are_understood),
        cmocka_unit_test(positions_beyond_the_end_are_cut),
        cmocka_unit_test(the_largest_representation_has_its_last_byte),
        cmocka_unit_test(ranges_outside_are_unsatisfiable),
        cmocka_unit_test(those_outside_are_left_out_beside_others),
        cmocka_unit_test(a_suffix_of_nothing_is_all_of_it),
        cmocka_unit_test(what_is_malformed_does_not_count),
        cmocka_unit_test(the_unit_has_no_case_and_lists_may_have_empty_elements),
        cmocka_unit_test(ranges_that_overlap_or_touch_become_one_in_the_first_ones_place),
        cmocka_unit_test(sixteen_ranges_are_taken_and_seventeen_are_not),
        cmocka_unit_test(any_list_covers_the_bytes_it_names_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
