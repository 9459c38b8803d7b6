/* SPDX-License-Identifier: Apache-2.0 */
#include "common/crc32c.h"
#include "common/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* SipHash-1-3 of the bytes 00 01 02 … under the key 00 01 … 0f, computed by another program. */
static const struct vector {
    size_t length;
    uint64_t hash;
} vectors[] = {
    {0, UINT64_C(0xabac0158050fc4dc)},  {1, UINT64_C(0xc9f49bf37d57ca93)},
    {2, UINT64_C(0x82cb9b024dc7d44d)},  {3, UINT64_C(0x8bf80ab8e7ddf7fb)},
    {4, UINT64_C(0xcf75576088d38328)},  {5, UINT64_C(0xdef9d52f49533b67)},
    {6, UINT64_C(0xc50d2b50c59f22a7)},  {7, UINT64_C(0xd3927d989bb11140)},
    {8, UINT64_C(0x369095118d299a8e)},  {9, UINT64_C(0x25a48eb36c063de4)},
    {10, UINT64_C(0x79de85ee92ff097f)}, {11, UINT64_C(0x70c118c1f94dc352)},
    {12, UINT64_C(0x78a384b157b4d9a2)}, {13, UINT64_C(0x306f760c1229ffa7)},
    {14, UINT64_C(0x605aa111c0f95d34)}, {15, UINT64_C(0xd320d86d2a519956)},
    {16, UINT64_C(0xcc4fdd1a7d908b66)}, {17, UINT64_C(0x9cf2689063dbd80c)},
    {18, UINT64_C(0x8ffc389cb473e63e)}, {19, UINT64_C(0xf21f9de58d297d1c)},
    {63, UINT64_C(0x9d199062b7bbb3a8)},
};

static void siphash_gives_the_known_values(void **state)
{
    (void)state;
    const hash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t data[64];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        assert_int_equal(hash_keyed(key, data, vectors[i].length), vectors[i].hash);
}

static void the_hash_depends_on_every_bit_of_the_key(void **state)
{
    (void)state;
    const hash_key key = {1, 2};
    uint64_t plain = hash_keyed(key, "room", 4);
    for (int bit = 0; bit < 64; bit++) {
        hash_key first = {key.k0 ^ (UINT64_C(1) << bit), key.k1};
        hash_key second = {key.k0, key.k1 ^ (UINT64_C(1) << bit)};
        assert_true(hash_keyed(first, "room", 4) != plain);
        assert_true(hash_keyed(second, "room", 4) != plain);
    }
}

static void unaligned_data_hash_like_aligned_data(void **state)
{
    (void)state;
    const hash_key key = {3, 4};
    char buffer[40] = {0};
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(buffer + shift, "the same thirty-two bytes as ever", 32);
        assert_int_equal(hash_keyed(key, buffer + shift, 32),
                         hash_keyed(key, "the same thirty-two bytes as ever", 32));
        assert_int_equal(hash_crc32c(0, buffer + shift, 32),
                         hash_crc32c(0, "the same thirty-two bytes as ever", 32));
    }
}

static void two_random_keys_differ(void **state)
{
    (void)state;
    hash_key a = hash_key_random(), b = hash_key_random();
    assert_memory_not_equal(&a, &b, sizeof a);
    assert_true(a.k0 != 0 || a.k1 != 0);
}

/* The check value of the algorithm and the vectors of RFC 3720, appendix B.4. */
static void crc32c_gives_the_published_values(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0}, ones[32], rising[32];
    memset(ones, 0xff, sizeof ones);
    for (size_t i = 0; i < sizeof rising; i++)
        rising[i] = (uint8_t)i;
    assert_int_equal(hash_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(hash_crc32c(0, zeros, 32), 0x8a9136aa);
    assert_int_equal(hash_crc32c(0, ones, 32), 0x62a8ab43);
    assert_int_equal(hash_crc32c(0, rising, 32), 0x46dd794e);
    assert_int_equal(hash_crc32c(0, NULL, 0), 0);
}

static void crc32c_by_instruction_equals_that_by_table(void **state)
{
    (void)state;
    if (!crc32c_has_instruction())
        skip();
    uint8_t data[300];
    uint32_t random = 12345;
    for (size_t i = 0; i < sizeof data; i++) {
        random = random * 1664525 + 1013904223;
        data[i] = (uint8_t)(random >> 24);
    }
    for (size_t length = 0; length + 8 <= sizeof data; length++)
        for (size_t shift = 0; shift < 8; shift++)
            assert_int_equal(crc32c_by_instruction(random, data + shift, length),
                             crc32c_by_table(random, data + shift, length));
}

static void crc32c_in_pieces_equals_that_of_the_whole(void **state)
{
    (void)state;
    static const char text[] = "pieces of any length, one after the other";
    size_t length = sizeof text - 1;
    uint32_t whole = hash_crc32c(0, text, length);
    for (size_t cut = 0; cut <= length; cut++) {
        uint32_t first = hash_crc32c(0, text, cut);
        assert_int_equal(hash_crc32c(first, text + cut, length - cut), whole);
        first = crc32c_by_table(0, text, cut);
        assert_int_equal(crc32c_by_table(first, text + cut, length - cut), whole);
    }
}

static void crc32c_finds_each_flipped_bit(void **state)
{
    (void)state;
    uint8_t data[64] = {1, 2, 3};
    uint32_t right = hash_crc32c(0, data, sizeof data);
    for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(hash_crc32c(0, data, sizeof data), right);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_known_values),
        cmocka_unit_test(the_hash_depends_on_every_bit_of_the_key),
        cmocka_unit_test(unaligned_data_hash_like_aligned_data),
        cmocka_unit_test(two_random_keys_differ),
        cmocka_unit_test(crc32c_gives_the_published_values),
        cmocka_unit_test(crc32c_by_instruction_equals_that_by_table),
        cmocka_unit_test(crc32c_in_pieces_equals_that_of_the_whole),
        cmocka_unit_test(crc32c_finds_each_flipped_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
