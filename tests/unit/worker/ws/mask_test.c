/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/mask.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ALIGNMENTS = 33, LENGTHS = 600, SIZE = 700 };

static const uint8_t mask[4] = {0x37, 0xFA, 0x21, 0x3D};

static void fill(unsigned char data[SIZE])
{
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(i * 7);
}

static void a_mask_is_applied_byte_for_byte_at_any_length_offset_and_alignment(void **state)
{
    (void)state;
    unsigned char data[SIZE], expected[SIZE];
    for (size_t start = 0; start < ALIGNMENTS; start++) {
        for (size_t length = 0; length < LENGTHS; length++) {
            for (uint64_t offset = 0; offset < 5; offset++) {
                fill(data);
                fill(expected);
                for (size_t i = 0; i < length; i++)
                    expected[start + i] ^= mask[(offset + i) % 4];
                mask_apply(data + start, length, mask, offset);
                assert_memory_equal(data, expected, SIZE);
            }
        }
    }
}

static void all_units_of_the_processor_do_the_same(void **state)
{
    (void)state;
    const uint8_t word_bytes[8] = {1, 2, 4, 8, 1, 2, 4, 8};
    unsigned char data[SIZE], expected[SIZE];
    mask_unit units[MASK_UNITS_MAX];
    size_t count = mask_units(units);
    uint64_t word;
    memcpy(&word, word_bytes, sizeof word);
    assert_true(count > 0);
    for (size_t unit = 0; unit < count; unit++) {
        for (size_t start = 0; start < ALIGNMENTS; start++) {
            for (size_t length = 0; length < LENGTHS; length++) {
                fill(data);
                fill(expected);
                for (size_t i = 0; i < length; i++)
                    expected[start + i] ^= word_bytes[i % 8];
                units[unit].run(data + start, length, word);
                assert_memory_equal(data, expected, SIZE);
            }
        }
    }
}

/* Memory of just the size, so that a sanitizer sees what is touched beyond it. */
static void nothing_beyond_the_bytes_is_touched(void **state)
{
    (void)state;
    mask_unit units[MASK_UNITS_MAX];
    size_t count = mask_units(units);
    for (size_t unit = 0; unit < count; unit++) {
        for (size_t length = 1; length < LENGTHS; length++) {
            unsigned char *data = calloc(length, 1);
            assert_non_null(data);
            units[unit].run(data, length, UINT64_C(0x0101010101010101));
            assert_int_equal(data[0], 1);
            assert_int_equal(data[length - 1], 1);
            free(data);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mask_is_applied_byte_for_byte_at_any_length_offset_and_alignment),
        cmocka_unit_test(all_units_of_the_processor_do_the_same),
        cmocka_unit_test(nothing_beyond_the_bytes_is_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
