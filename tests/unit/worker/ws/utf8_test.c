/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/utf8.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool valid(const char *text)
{
    return utf8_valid(text, strlen(text));
}

static void characters_of_every_length_are_valid(void **state)
{
    (void)state;
    assert_true(utf8_valid(NULL, 0));
    assert_true(utf8_valid("\0", 1));
    assert_true(valid("plain ASCII"));
    assert_true(valid("\xC2\x80 \xDF\xBF"));
    assert_true(valid("\xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF"));
    assert_true(valid("\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF"));
}

static void overlong_forms_are_refused(void **state)
{
    (void)state;
    assert_false(valid("\xC0\x80"));
    assert_false(valid("\xC1\xBF"));
    assert_false(valid("\xE0\x80\x80"));
    assert_false(valid("\xE0\x9F\xBF"));
    assert_false(valid("\xF0\x80\x80\x80"));
    assert_false(valid("\xF0\x8F\xBF\xBF"));
}

static void surrogates_and_what_is_above_the_last_character_are_refused(void **state)
{
    (void)state;
    assert_false(valid("\xED\xA0\x80"));
    assert_false(valid("\xED\xBF\xBF"));
    assert_false(valid("\xF4\x90\x80\x80"));
    assert_false(valid("\xF5\x80\x80\x80"));
    assert_false(valid("\xFF"));
}

static void a_lone_continuation_and_a_cut_character_are_refused(void **state)
{
    (void)state;
    assert_false(valid("\x80"));
    assert_false(valid("\xC3"));
    assert_false(valid("\xE2\x82"));
    assert_false(valid("\xE2\x28\xA1"));
    assert_false(valid("\xF0\x9F\x98"));
}

/* Each code point, encoded by the rule of RFC 3629, section 3, is valid exactly when it is no surrogate. */
static void every_code_point_is_judged_rightly(void **state)
{
    (void)state;
    for (uint32_t point = 0; point < 0x200000; point++) {
        unsigned char text[4];
        size_t length;
        if (point < 0x80) {
            length = 1;
            text[0] = (unsigned char)point;
        } else if (point < 0x800) {
            length = 2;
            text[0] = (unsigned char)(0xC0 | point >> 6);
        } else if (point < 0x10000) {
            length = 3;
            text[0] = (unsigned char)(0xE0 | point >> 12);
        } else {
            length = 4;
            text[0] = (unsigned char)(0xF0 | point >> 18);
        }
        for (size_t i = 1; i < length; i++)
            text[i] = (unsigned char)(0x80 | (point >> (6 * (length - 1 - i)) & 0x3F));
        bool expected = point <= 0x10FFFF && !(point >= 0xD800 && point <= 0xDFFF);
        assert_int_equal(utf8_valid(text, length), expected);
    }
}

static void a_wrong_byte_is_refused_in_the_piece_it_comes_in(void **state)
{
    (void)state;
    utf8_state at = {0};
    assert_true(utf8_feed(&at, "\xF4", 1));
    assert_false(utf8_complete(at));
    assert_false(utf8_feed(&at, "\x90", 1));
}

static void a_text_may_be_cut_at_any_byte(void **state)
{
    (void)state;
    const char *text = "a long enough run of ASCII letters, then "
                       "\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5 \xF0\x9F\x98\x80 and more";
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        utf8_state at = {0};
        assert_true(utf8_feed(&at, text, cut));
        assert_true(utf8_feed(&at, text + cut, strlen(text) - cut));
        assert_true(utf8_complete(at));
    }
}

static void a_wrong_byte_is_found_at_any_place_among_ascii(void **state)
{
    (void)state;
    char text[100];
    for (size_t start = 0; start < 8; start++) {
        for (size_t wrong = start; wrong < sizeof text; wrong++) {
            memset(text, 'x', sizeof text);
            text[wrong] = (char)0xFF;
            assert_false(utf8_valid(text + start, sizeof text - start));
            assert_true(utf8_valid(text + start, wrong - start));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_of_every_length_are_valid),
        cmocka_unit_test(overlong_forms_are_refused),
        cmocka_unit_test(surrogates_and_what_is_above_the_last_character_are_refused),
        cmocka_unit_test(a_lone_continuation_and_a_cut_character_are_refused),
        cmocka_unit_test(every_code_point_is_judged_rightly),
        cmocka_unit_test(a_wrong_byte_is_refused_in_the_piece_it_comes_in),
        cmocka_unit_test(a_text_may_be_cut_at_any_byte),
        cmocka_unit_test(a_wrong_byte_is_found_at_any_place_among_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
