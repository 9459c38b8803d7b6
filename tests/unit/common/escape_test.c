/* SPDX-License-Identifier: Apache-2.0 */
#include "common/escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_escaped(const char *text, size_t length, const char *expected)
{
    char out[256];
    size_t written = escape_text(out, sizeof out, text, length);
    assert_string_equal(out, expected);
    assert_int_equal(written, strlen(expected));
}

static void plain_text_and_utf8_stay_as_they_are(void **state)
{
    (void)state;
    assert_escaped("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \\n", 17,
                   "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \\n");
    assert_escaped("", 0, "");
}

static void control_characters_come_out_in_hexadecimal(void **state)
{
    (void)state;
    assert_escaped("a\0b", 3, "a\\x00b");
    assert_escaped("\n\r\t\x1b\x7f", 5, "\\x0a\\x0d\\x09\\x1b\\x7f");
    assert_escaped("\xc2\x85\xc2\x9b", 4, "\\xc2\\x85\\xc2\\x9b");
    assert_escaped("\xc2\xa0", 2, "\xc2\xa0");
}

static void bytes_that_are_not_utf8_come_out_in_hexadecimal(void **state)
{
    (void)state;
    assert_escaped("\xc0\x80", 2, "\\xc0\\x80");                   /* overlong */
    assert_escaped("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");          /* a surrogate */
    assert_escaped("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
    assert_escaped("\xe2\x82", 2, "\\xe2\\x82");                   /* cut */
    assert_escaped("\xc3x", 2, "\\xc3x");
    assert_escaped("\xff", 1, "\\xff");
}

static void the_text_is_cut_before_what_does_not_fit(void **state)
{
    (void)state;
    char out[6];
    assert_int_equal(escape_text(out, sizeof out, "abcdefgh", 8), 5);
    assert_string_equal(out, "abcde");
    assert_int_equal(escape_text(out, sizeof out, "abc\nd", 5), 3);
    assert_string_equal(out, "abc");
    assert_int_equal(escape_text(out, sizeof out, "abcd\xc3\xa9", 6), 4);
    assert_int_equal(escape_text(out, 1, "a", 1), 0);
    assert_string_equal(out, "");
}

/* All first and second bytes, third ones at the edges: a decoder with arithmetic must agree. */
static size_t decoded_length(unsigned a, unsigned b, unsigned c)
{
    if (a < 0x80)
        return 1;
    if (a >> 5 == 6 && b >> 6 == 2)
        return ((a & 31) << 6 | (b & 63)) >= 0x80 ? 2 : 0;
    unsigned code = (a & 15) << 12 | (b & 63) << 6 | (c & 63);
    bool form = a >> 4 == 14 && b >> 6 == 2 && c >> 6 == 2;
    return form && code >= 0x800 && code >> 11 != 0x1b ? 3 : 0;
}

static void utf8_lengths_agree_with_decoding(void **state)
{
    (void)state;
    static const unsigned char thirds[] = {0x00, 0x7f, 0x80, 0xa5, 0xbf, 0xc0, 0xff};
    for (unsigned n = 0; n < 256 * 256 * sizeof thirds; n++) {
        unsigned a = n & 255, b = n >> 8 & 255, c = thirds[n >> 16];
        char text[3] = {(char)a, (char)b, (char)c};
        if (escape_utf8_length(text, 3) != decoded_length(a, b, c))
            fail_msg("%02x %02x %02x", a, b, c);
    }
}

static void text_for_json_keeps_what_it_means(void **state)
{
    (void)state;
    char out[64];
    static const char text[] = "a\"b\\c\n\x7f\xc2\x85\xff caf\xc3\xa9";
    escape_json(out, sizeof out, text, sizeof text - 1);
    assert_string_equal(out, "a\\\"b\\\\c\\u000a\\u007f\\u0085\xef\xbf\xbd caf\xc3\xa9");
    assert_int_equal(escape_json(out, 4, "ab\n", 3), 2);
    assert_string_equal(out, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_for_json_keeps_what_it_means),
        cmocka_unit_test(plain_text_and_utf8_stay_as_they_are),
        cmocka_unit_test(control_characters_come_out_in_hexadecimal),
        cmocka_unit_test(bytes_that_are_not_utf8_come_out_in_hexadecimal),
        cmocka_unit_test(the_text_is_cut_before_what_does_not_fit),
        cmocka_unit_test(utf8_lengths_agree_with_decoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
