/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/sha1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_digest(const void *data, size_t length, const char *expected)
{
    unsigned char digest[SHA1_SIZE];
    char text[2 * SHA1_SIZE + 1];
    sha1_digest(data, length, digest);
    for (size_t i = 0; i < SHA1_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, expected);
}

static void the_digests_are_those_of_fips_180(void **state)
{
    (void)state;
    const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    assert_digest("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert_digest("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_digest(two_blocks, strlen(two_blocks), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
}

static void a_million_letters_have_their_known_digest(void **state)
{
    (void)state;
    char *letters = malloc(1000000);
    assert_non_null(letters);
    memset(letters, 'a', 1000000);
    assert_digest(letters, 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    free(letters);
}

static void lengths_around_the_padding_limit_have_their_known_digests(void **state)
{
    (void)state;
    char letters[64];
    memset(letters, 'a', sizeof letters);
    assert_digest(letters, 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
    assert_digest(letters, 56, "c2db330f6083854c99d4b5bfb6e8f29f201be699");
    assert_digest(letters, 63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5");
    assert_digest(letters, 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digests_are_those_of_fips_180),
        cmocka_unit_test(a_million_letters_have_their_known_digest),
        cmocka_unit_test(lengths_around_the_padding_limit_have_their_known_digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
