/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/json.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_written(hub_bytes text, const char *expected)
{
    size_t size = json_text_size(text);
    assert_int_equal(size, strlen(expected));
    char *out = malloc(size); /* of exactly this size: a sanitizer sees more */
    assert_non_null(out);
    assert_ptr_equal(json_write_text(out, text), out + size);
    assert_memory_equal(out, expected, size);
    free(out);
}

static void text_is_written_with_escapes(void **state)
{
    (void)state;
    assert_written(hub_text(""), "\"\"");
    assert_written(hub_bytes_of(NULL, 0), "\"\"");
    assert_written(hub_text("plain \x7f \xC3\xA9 / \xF0\x9F\x98\x80"),
                   "\"plain \x7f \xC3\xA9 / \xF0\x9F\x98\x80\"");
    assert_written(hub_text("\" \\ \b \f \n \r \t"), "\"\\\" \\\\ \\b \\f \\n \\r \\t\"");
    assert_written(hub_bytes_of("\0\x01\x1e\x1f", 4), "\"\\u0000\\u0001\\u001e\\u001f\"");
    assert_written(hub_text("longer than sixteen bytes\nand once more longer than that\n"),
                   "\"longer than sixteen bytes\\nand once more longer than that\\n\"");
}

static void assert_means(const char *inside, hub_bytes expected)
{
    size_t length = strlen(inside);
    char *copy = malloc(length ? length : 1), *out = malloc(length ? length : 1);
    assert_non_null(copy);
    assert_non_null(out);
    memcpy(copy, inside, length);
    size_t size = json_unescape(out, hub_bytes_of(copy, length));
    assert_int_equal(size, expected.length);
    assert_memory_equal(out, expected.data, size);
    assert_true(json_equals(hub_bytes_of(copy, length), expected));
    /* once more where it lies */
    assert_int_equal(json_unescape(copy, hub_bytes_of(copy, length)), expected.length);
    assert_memory_equal(copy, expected.data, size);
    free(copy);
    free(out);
}

static void escapes_are_read(void **state)
{
    (void)state;
    assert_means("", hub_text(""));
    assert_means("plain", hub_text("plain"));
    assert_means("a\\\"b\\\\c\\/d\\be\\ff\\ng\\rh\\ti", hub_text("a\"b\\c/d\be\ff\ng\rh\ti"));
    assert_means("\\u0041\\u00e9\\u20AC", hub_text("A\xC3\xA9\xE2\x82\xAC"));
    assert_means("\\u0000", hub_bytes_of("\0", 1));
    assert_means("\\uFFFF", hub_text("\xEF\xBF\xBF"));
}

static void ascii_without_escapes_is_written_in_one_pass(void **state)
{
    (void)state;
    enum { LENGTH = 70 };
    char text[LENGTH], out[LENGTH + 2], expected[LENGTH + 2];
    assert_ptr_equal(json_write_ascii(out, hub_bytes_of(NULL, 0)), out + 2);
    for (size_t length = 1; length <= LENGTH; length++) {
        for (size_t i = 0; i < length; i++)
            text[i] = (char)('a' + i % 26);
        json_write_text(expected, hub_bytes_of(text, length));
        assert_ptr_equal(json_write_ascii(out, hub_bytes_of(text, length)), out + length + 2);
        assert_memory_equal(out, expected, length + 2);
        for (size_t at = 0; at < length; at++) {
            static const char others[] = {'"', '\\', '\n', '\0', 0x1F, (char)0x80, (char)0xFF};
            char kept = text[at];
            text[at] = others[(at + length) % sizeof others];
            assert_null(json_write_ascii(out, hub_bytes_of(text, length)));
            text[at] = kept;
        }
    }
}

/* RFC 8259, section 7: what is above the basic plane is written as a pair. */
static void a_surrogate_pair_is_one_character(void **state)
{
    (void)state;
    assert_means("\\uD834\\uDD1E", hub_text("\xF0\x9D\x84\x9E"));
    assert_means("x\\ud83d\\ude00y", hub_text("x\xF0\x9F\x98\x80y"));
    assert_means("\\uDBFF\\uDFFF", hub_text("\xF4\x8F\xBF\xBF"));
}

static void half_a_surrogate_pair_is_replaced(void **state)
{
    (void)state;
    assert_means("\\uD834", hub_text("\xEF\xBF\xBD"));
    assert_means("\\uDD1E", hub_text("\xEF\xBF\xBD"));
    assert_means("\\uD834x", hub_text("\xEF\xBF\xBDx"));
    assert_means("\\uD834\\n", hub_text("\xEF\xBF\xBD\n"));
    assert_means("\\uD834\\u0041", hub_text("\xEF\xBF\xBD"
                                            "A"));
    assert_means("\\uD834\\uD834\\uDD1E", hub_text("\xEF\xBF\xBD\xF0\x9D\x84\x9E"));
    assert_means("\\uDD1E\\uD834", hub_text("\xEF\xBF\xBD\xEF\xBF\xBD"));
}

static void texts_are_compared_as_what_they_mean(void **state)
{
    (void)state;
    assert_true(json_equals(hub_text("a\\u0062c"), hub_text("abc")));
    assert_false(json_equals(hub_text("a\\u0062c"), hub_text("abd")));
    assert_false(json_equals(hub_text("a\\u0062c"), hub_text("ab")));
    assert_false(json_equals(hub_text("a\\u0062"), hub_text("abc")));
    assert_false(json_equals(hub_text("abc"), hub_text("abcd")));
    assert_false(json_equals(hub_text("abcd"), hub_text("abc")));
    assert_false(json_equals(hub_text(""), hub_text("a")));
    assert_false(json_equals(hub_text("a"), hub_text("")));
    assert_true(json_equals(hub_bytes_of(NULL, 0), hub_bytes_of(NULL, 0)));
    assert_true(json_has_escapes(hub_text("a\\n")));
    assert_false(json_has_escapes(hub_text("a")));
    assert_false(json_has_escapes(hub_bytes_of(NULL, 0)));
}

/* Of text that was never checked: anything, within the bounds. */
static void a_broken_escape_is_read_within_its_end(void **state)
{
    (void)state;
    static const char *const texts[] = {"\\",        "\\u",          "\\u1",    "\\u123", "\\x",
                                        "\\uD834\\", "\\uD834\\u12", "\\uzzzz", "\\\xFF"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t length = strlen(texts[i]);
        char *copy = malloc(length), *out = malloc(length);
        assert_non_null(copy);
        assert_non_null(out);
        memcpy(copy, texts[i], length);
        size_t size = json_unescape(out, hub_bytes_of(copy, length));
        assert_true(size <= length);
        assert_true(json_equals(hub_bytes_of(copy, length), hub_bytes_of(out, size)));
        free(copy);
        free(out);
    }
}

static void what_is_written_reads_the_same(void **state)
{
    (void)state;
    char text[256], out[256 * 6 + 2];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i < 128 ? i : 'x');
    for (size_t length = 0; length <= sizeof text; length++) {
        size_t size = (size_t)(json_write_text(out, hub_bytes_of(text, length)) - out);
        assert_int_equal(json_check(hub_bytes_of(out, size), 0, NULL), HUB_OK);
        assert_int_equal(json_skip(hub_bytes_of(out, size), 0), size);
        assert_true(json_equals(hub_bytes_of(out + 1, size - 2), hub_bytes_of(text, length)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_written_with_escapes),
        cmocka_unit_test(ascii_without_escapes_is_written_in_one_pass),
        cmocka_unit_test(escapes_are_read),
        cmocka_unit_test(a_surrogate_pair_is_one_character),
        cmocka_unit_test(half_a_surrogate_pair_is_replaced),
        cmocka_unit_test(texts_are_compared_as_what_they_mean),
        cmocka_unit_test(a_broken_escape_is_read_within_its_end),
        cmocka_unit_test(what_is_written_reads_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
