/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/utf8_scan.h"

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

/* ---- all units against a plain reading of RFC 3629 ---- */

/* The table of RFC 3629, section 4: ranges of the bytes of a character. */
static const struct {
    size_t length;
    unsigned char low[4], high[4];
} syntax[] = {
    {1, {0x00}, {0x7F}},
    {2, {0xC2, 0x80}, {0xDF, 0xBF}},
    {3, {0xE0, 0xA0, 0x80}, {0xE0, 0xBF, 0xBF}},
    {3, {0xE1, 0x80, 0x80}, {0xEC, 0xBF, 0xBF}},
    {3, {0xED, 0x80, 0x80}, {0xED, 0x9F, 0xBF}},
    {3, {0xEE, 0x80, 0x80}, {0xEF, 0xBF, 0xBF}},
    {4, {0xF0, 0x90, 0x80, 0x80}, {0xF0, 0xBF, 0xBF, 0xBF}},
    {4, {0xF1, 0x80, 0x80, 0x80}, {0xF3, 0xBF, 0xBF, 0xBF}},
    {4, {0xF4, 0x80, 0x80, 0x80}, {0xF4, 0x8F, 0xBF, 0xBF}},
};

/* What is there of a character: how many of its bytes are right, of *wanted. */
static size_t read_character(const unsigned char *text, size_t length, size_t *wanted)
{
    size_t best = 0;
    *wanted = 1;
    for (size_t row = 0; row < sizeof syntax / sizeof *syntax; row++) {
        size_t right = 0;
        while (right < syntax[row].length && right < length && text[right] >= syntax[row].low[right] &&
               text[right] <= syntax[row].high[right])
            right++;
        if (right > best) {
            best = right;
            *wanted = syntax[row].length;
        }
    }
    return best;
}

/* Where the first byte stands that makes the text wrong; `length`: nowhere. *boundary is where the last
 * character begins that is not whole, else the same. */
static size_t first_wrong(const unsigned char *text, size_t length, size_t *boundary)
{
    size_t at = 0, wanted;
    while (at < length) {
        size_t right = read_character(text + at, length - at, &wanted);
        if (right < wanted) {
            *boundary = at;
            return at + right;
        }
        at += wanted;
    }
    *boundary = length;
    return length;
}

static utf8_unit units[UTF8_UNITS_MAX];
static size_t unit_count;

static int find_units(void **state)
{
    (void)state;
    unit_count = utf8_units(units);
    return unit_count > 0 ? 0 : -1;
}

static bool valid_by(utf8_scan scan, const void *text, size_t length)
{
    utf8_state at = {0};
    return utf8_feed_by(scan, &at, text, length) && utf8_complete(at);
}

static void assert_all_units_judge(const unsigned char *text, size_t length, bool expected)
{
    for (size_t i = 0; i < unit_count; i++)
        if (valid_by(units[i].scan, text, length) != expected)
            fail_msg("%s judges wrongly of a text with %02X %02X %02X %02X", units[i].name, text[30],
                     text[31], text[32], text[33]);
}

/* The bytes stand across the border of two vectors of any width, among ASCII. */
static void every_sequence_of_up_to_three_bytes_is_judged_rightly_by_all_units(void **state)
{
    (void)state;
    unsigned char text[96];
    size_t boundary;
    memset(text, 'x', sizeof text);
    for (unsigned sequence = 0; sequence < 1U << 24; sequence++) {
        text[30] = (unsigned char)(sequence >> 16);
        text[31] = (unsigned char)(sequence >> 8);
        text[32] = (unsigned char)sequence;
        bool expected = first_wrong(text + 30, 4, &boundary) == 4;
        assert_all_units_judge(text, 64, expected);
    }
}

/* Both ends of every range of RFC 3629, and their neighbours. */
static const unsigned char classes[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                        0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED,
                                        0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};

static void every_kind_of_four_bytes_is_judged_rightly_by_all_units_at_every_border(void **state)
{
    (void)state;
    const unsigned count = sizeof classes;
    unsigned char text[96];
    for (unsigned sequence = 0; sequence < count * count * count * count; sequence++) {
        unsigned char four[5] = {classes[sequence % count], classes[sequence / count % count],
                                 classes[sequence / count / count % count],
                                 classes[sequence / count / count / count], 'x'};
        size_t boundary;
        bool expected = first_wrong(four, 5, &boundary) == 5;
        for (size_t place = 28; place <= 33; place++) {
            memset(text, 'x', sizeof text);
            memcpy(text + place, four, sizeof four);
            assert_all_units_judge(text, 80, expected);
        }
    }
}

static uint32_t random_number(void)
{
    static uint64_t seed = 20250101;
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33);
}

/* Valid text of characters of the lengths whose bits are set in `kinds`; then perhaps a wrong
 * byte. */
static size_t random_text(unsigned char *text, size_t length, unsigned kinds, bool spoil)
{
    size_t at = 0;
    while (at < length) {
        size_t row = random_number() % (sizeof syntax / sizeof *syntax);
        if (!(kinds >> (syntax[row].length - 1) & 1))
            continue;
        if (at + syntax[row].length > length)
            break;
        for (size_t i = 0; i < syntax[row].length; i++) {
            unsigned range = syntax[row].high[i] - syntax[row].low[i] + 1U;
            text[at++] = (unsigned char)(syntax[row].low[i] + random_number() % range);
        }
    }
    if (spoil && at > 0)
        text[random_number() % at] = classes[random_number() % sizeof classes];
    return at;
}

/* Memory of just the text's size, so that a sanitizer sees a read beyond it. */
static void a_wrong_byte_is_found_by_all_units_wherever_the_text_is_cut(void **state)
{
    (void)state;
    unsigned char buffer[400];
    for (unsigned round = 0; round < 1200; round++) {
        size_t length = random_text(buffer, random_number() % 200, 1 + round % 15, round % 3 != 0), boundary;
        size_t wrong = first_wrong(buffer, length, &boundary);
        for (size_t cut = 0; cut <= length; cut++) {
            unsigned char *front = malloc(cut + 1), *back = malloc(length - cut + 1);
            assert_true(front && back);
            unsigned char *first = front + 1, *second = back + 1; /* no alignment */
            memcpy(first, buffer, cut);
            memcpy(second, buffer + cut, length - cut);
            for (size_t i = 0; i < unit_count; i++) {
                utf8_state at = {0};
                bool good = utf8_feed_by(units[i].scan, &at, first, cut);
                assert_int_equal(good, cut <= wrong);
                if (!good)
                    continue;
                good = utf8_feed_by(units[i].scan, &at, second, length - cut);
                assert_int_equal(good, wrong == length);
                if (good)
                    assert_int_equal(utf8_complete(at), boundary == length);
            }
            free(front);
            free(back);
        }
    }
}

static void a_scan_ends_between_characters_and_takes_nearly_all_of_a_valid_text(void **state)
{
    (void)state;
    unsigned char buffer[1024];
    for (unsigned round = 0; round < 20000; round++) {
        size_t length = random_text(buffer, random_number() % sizeof buffer, 1 + round % 15, round % 2);
        size_t boundary, wrong = first_wrong(buffer, length, &boundary);
        for (size_t i = 0; i < unit_count; i++) {
            if (!units[i].scan)
                continue;
            size_t taken = units[i].scan(buffer, length);
            size_t between;
            assert_true(taken <= wrong);
            assert_int_equal(first_wrong(buffer, taken, &between), taken);
            assert_int_equal(between, taken);
            assert_true(taken + 67 > wrong); /* less than two vectors and a character are left */
        }
    }
}

static void every_alignment_is_judged_alike(void **state)
{
    (void)state;
    unsigned char buffer[512];
    for (size_t start = 0; start < 64; start++) {
        for (unsigned kinds = 1; kinds < 16; kinds++) {
            size_t boundary, length = random_text(buffer + start, 300, kinds, kinds & 1);
            bool expected = first_wrong(buffer + start, length, &boundary) == length && boundary == length;
            for (size_t i = 0; i < unit_count; i++)
                assert_int_equal(valid_by(units[i].scan, buffer + start, length), expected);
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
        cmocka_unit_test(every_sequence_of_up_to_three_bytes_is_judged_rightly_by_all_units),
        cmocka_unit_test(every_kind_of_four_bytes_is_judged_rightly_by_all_units_at_every_border),
        cmocka_unit_test(a_wrong_byte_is_found_by_all_units_wherever_the_text_is_cut),
        cmocka_unit_test(a_scan_ends_between_characters_and_takes_nearly_all_of_a_valid_text),
        cmocka_unit_test(every_alignment_is_judged_alike),
    };
    return cmocka_run_group_tests(tests, find_units, NULL);
}
