/* SPDX-License-Identifier: Apache-2.0 */
#include "common/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Hashes of the bytes 00 01 02 … under the key 00 01 … 0f, as the authors' own vectors say and another
 * program computes. */
static const struct vector {
    size_t length;
    const char *hash;
} vectors[] = {
    {0, "a3817f04ba25a8e66df67214c7550293"},  {1, "da87c1d86b99af44347659119b22fc45"},
    {2, "8177228da4a45dc7fca38bdef60affe4"},  {3, "9c70b60c5267a94e5f33b6b02985ed51"},
    {7, "a1f1ebbed8dbc153c0b84aa61ff08239"},  {8, "3b62a9ba6258f5610f83e264f31497b4"},
    {9, "264499060ad9baabc47f8b02bb6d71ed"},  {15, "5493e99933b0a8117e08ec0f97cfc3d9"},
    {16, "6ee2a4ca67b054bbfd3315bf85230577"}, {17, "473d06e8738db89854c066c47ae47740"},
    {63, "5150d1772f50834a503e069a973fbd7c"},
};

static const hash_key reference = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

static void print(const unsigned char hash[SIPHASH_LENGTH], char text[2 * SIPHASH_LENGTH + 1])
{
    for (size_t i = 0; i < SIPHASH_LENGTH; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

static void the_known_values_come_out(void **state)
{
    (void)state;
    unsigned char data[64], hash[SIPHASH_LENGTH];
    char text[2 * SIPHASH_LENGTH + 1];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        siphash_128(reference, data, vectors[i].length, hash);
        print(hash, text);
        assert_string_equal(text, vectors[i].hash);
    }
}

static void every_bit_of_key_and_data_counts(void **state)
{
    (void)state;
    unsigned char data[9] = "a letter", plain[SIPHASH_LENGTH], other[SIPHASH_LENGTH];
    siphash_128(reference, data, sizeof data, plain);
    for (int bit = 0; bit < 64; bit++) {
        hash_key first = {reference.k0 ^ (UINT64_C(1) << bit), reference.k1};
        hash_key second = {reference.k0, reference.k1 ^ (UINT64_C(1) << bit)};
        siphash_128(first, data, sizeof data, other);
        assert_memory_not_equal(plain, other, sizeof plain);
        siphash_128(second, data, sizeof data, other);
        assert_memory_not_equal(plain, other, sizeof plain);
    }
    for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        siphash_128(reference, data, sizeof data, other);
        assert_memory_not_equal(plain, other, sizeof plain);
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_values_come_out),
        cmocka_unit_test(every_bit_of_key_and_data_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
