/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as RFC 8259 has it, and the placeholders of the Socket.IO protocol. */
#include "worker/sio/json.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* In memory of exactly the text's length, so that a sanitizer sees what reads behind it. */
static hub_status check_bytes(const char *text, size_t length, unsigned depth, json_facts *facts)
{
    char *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    hub_status status = json_check(hub_bytes_of(copy, length), depth, facts);
    free(copy);
    return status;
}

static hub_status check(const char *text)
{
    return check_bytes(text, strlen(text), 64, NULL);
}

static void every_kind_of_value_is_taken(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "12",
        "-1.5",
        "1e5",
        "1E+5",
        "0.1e-7",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        "[1,\"a\",null,[],{}]",
        "{\"a\":{\"b\":[1]},\"c\":2}",
        "{\"\":0}",
        "{\"a\":1,\"a\":2}",
        "\"\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u00e9 \\uD834\\uDD1E\"",
        "\"\\ud800\"",
        "\"\x7f\"",
        "\"\xC3\xA9\"",
        "\"a string that is longer than one vector of sixteen bytes, \\n and another\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (check(texts[i]) != HUB_OK)
            fail_msg("refused: %s", texts[i]);
}

static void what_is_no_value_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",          " ",         "nul",
        "nulL",      "True",      "tru",
        "falsey",    "NaN",       "Infinity",
        "-Infinity", "undefined", "'a'",
        "a",         "1 2",       "[1,]",
        "[,1]",      "[1 2]",     "[1",
        "]",         "[1}",       "{",
        "{]",        "}",         "{1:2}",
        "{\"a\"}",   "{\"a\":}",  "{\"a\":1,}",
        "{\"a\" 1}", "{,}",       "{\"a\":1 \"b\":2}",
        "[]]",       "[]x",       "{}{}",
        "[\"a\":1]", "{a:1}",     "{\"a\":1,b:2}",
        "/* */1",    "[1]//",     "\xEF\xBB\xBF[]",
        "[\v1]",     "[\f1]",     "[\xC2\xA0]",
        ",",         ":",         "[:]",
        "{:}",       "[[]",       "{\"a\":[}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (check(texts[i]) != HUB_EPROTO)
            fail_msg("taken: %s", texts[i]);
    assert_int_equal(check_bytes("1\0", 2, 8, NULL), HUB_EPROTO);
    assert_int_equal(check_bytes("[\0]", 3, 8, NULL), HUB_EPROTO);
    assert_int_equal(json_check(hub_bytes_of(NULL, 0), 8, NULL), HUB_EPROTO);
}

static void a_number_has_the_form_of_section_6(void **state)
{
    (void)state;
    static const char *const texts[] = {"01",    "-01", "00",   "-",     "--1", "+1",  "1.",
                                        ".1",    "-.1", "1.e1", "1e",    "1e+", "1e-", "1.5.",
                                        "1e1.5", "0x1", "1_0",  "1e1e1", "-a",  "2.",  "0.e1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char item[16];
        snprintf(item, sizeof item, "[%s]", texts[i]);
        if (check(texts[i]) != HUB_EPROTO || check(item) != HUB_EPROTO)
            fail_msg("taken: %s", texts[i]);
    }
}

static void a_string_has_the_form_of_section_7(void **state)
{
    (void)state;
    static const char *const texts[] = {"\"",          "\"a",     "\"\\\"",    "\"\\",       "\"\\x41\"",
                                        "\"\\a\"",     "\"\\u\"", "\"\\u12\"", "\"\\u123\"", "\"\\u12g4\"",
                                        "\"\\U0041\"", "\"\n\"",  "\"\t\"",    "\"\x1f\"",   "\"\x1e\"",
                                        "\"\\\n\"",    "\"a\"b\""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (check(texts[i]) != HUB_EPROTO)
            fail_msg("taken: %s", texts[i]);
    assert_int_equal(check_bytes("\"\0\"", 3, 8, NULL), HUB_EPROTO);
    assert_int_equal(check_bytes("\"\\\0\"", 4, 8, NULL), HUB_EPROTO);
}

/* At each place of a text that is longer than what is looked at at once. */
static void a_control_character_is_found_wherever_it_stands(void **state)
{
    (void)state;
    enum { LENGTH = 70 };
    char text[LENGTH];
    for (size_t length = 3; length <= LENGTH; length++) {
        for (size_t at = 1; at < length - 1; at++) {
            memset(text, 'x', sizeof text);
            text[0] = text[length - 1] = '"';
            assert_int_equal(check_bytes(text, length, 8, NULL), HUB_OK);
            text[at] = (char)(at % 0x20);
            assert_int_equal(check_bytes(text, length, 8, NULL), HUB_EPROTO);
            text[at] = '"';
            assert_int_equal(check_bytes(text, length, 8, NULL), HUB_EPROTO);
            text[at] = (char)0xC3;
            assert_int_equal(check_bytes(text, length, 8, NULL), HUB_OK);
        }
    }
}

static void blanks_stand_between_tokens(void **state)
{
    (void)state;
    json_facts facts;
    const char *text = " \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } , \"c\" : [ ] } \n";
    assert_int_equal(check_bytes(text, strlen(text), 8, &facts), HUB_OK);
    assert_int_equal(facts.items, 3);
}

static void nesting_is_limited(void **state)
{
    (void)state;
    assert_int_equal(check_bytes("1", 1, 0, NULL), HUB_OK);
    assert_int_equal(check_bytes("[]", 2, 0, NULL), HUB_ETOOBIG);
    assert_int_equal(check_bytes("[[{}]]", 6, 3, NULL), HUB_OK);
    assert_int_equal(check_bytes("[[{}]]", 6, 2, NULL), HUB_ETOOBIG);
    assert_int_equal(check_bytes("[[],[],{\"a\":{}}]", 16, 3, NULL), HUB_OK);
}

/* Arrays and objects by turns, as deep as it goes: each bit of the levels is used. */
static void no_nesting_is_too_deep_for_the_stack(void **state)
{
    (void)state;
    enum { DEEPEST = JSON_DEPTH_MAX, UNIT = 6 };
    char *text = malloc((DEEPEST + 2) * (UNIT + 1) + 1), *p = text;
    assert_non_null(text);
    for (int i = 0; i < DEEPEST / 2; i++)
        p = stpcpy(p, "[{\"a\":");
    p = stpcpy(p, "1");
    for (int i = 0; i < DEEPEST / 2; i++)
        p = stpcpy(p, "}]");
    assert_int_equal(check_bytes(text, (size_t)(p - text), UINT_MAX, NULL), HUB_OK);
    assert_int_equal(check_bytes(text, (size_t)(p - text), DEEPEST - 1, NULL), HUB_ETOOBIG);
    p[-2] = ']';
    assert_int_equal(check_bytes(text, (size_t)(p - text), UINT_MAX, NULL), HUB_EPROTO);
    memset(text, '[', DEEPEST + 1);
    assert_int_equal(check_bytes(text, DEEPEST + 1, UINT_MAX, NULL), HUB_ETOOBIG);
    assert_int_equal(check_bytes(text, DEEPEST, UINT_MAX, NULL), HUB_EPROTO);
    free(text);
}

static size_t items_of(const char *text)
{
    json_facts facts;
    assert_int_equal(check_bytes(text, strlen(text), 8, &facts), HUB_OK);
    return facts.items;
}

static void the_items_of_the_outermost_value_are_counted(void **state)
{
    (void)state;
    assert_int_equal(items_of("[]"), 0);
    assert_int_equal(items_of("{}"), 0);
    assert_int_equal(items_of("\"a\""), 0);
    assert_int_equal(items_of("[1]"), 1);
    assert_int_equal(items_of("[[1,2,3],{\"a\":1,\"b\":2},[],{},\"[,]\"]"), 5);
    assert_int_equal(items_of("{\"a\":[1,2],\"b\":{\"c\":1,\"d\":2}}"), 2);
    assert_int_equal(items_of("[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]"), 2);
}

/* The protocol: "each binary attachment is replaced by a placeholder". */
static void placeholders_are_counted(void **state)
{
    (void)state;
    json_facts facts;
    const char *text =
        "[\"e\",{\"_placeholder\":true,\"num\":0},{\"a\":[{ \"num\" : 7 , \"_placeholder\" : true }]},"
        "{\"_placeholder\":true,\"num\":3}]";
    assert_int_equal(check_bytes(text, strlen(text), 8, &facts), HUB_OK);
    assert_int_equal(facts.placeholders, 3);
    assert_int_equal(facts.highest, 7);
    assert_int_equal(check_bytes("[]", 2, 8, &facts), HUB_OK);
    assert_int_equal(facts.placeholders, 0);
    assert_int_equal(check("{\"_placeholder\":true,\"num\":2147483647}"), HUB_OK);
}

static void what_looks_like_a_placeholder_is_one(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"_placeholder\":true}",
        "{\"_placeholder\":true,\"num\":-1}",
        "{\"_placeholder\":true,\"num\":1.0}",
        "{\"_placeholder\":true,\"num\":1e0}",
        "{\"_placeholder\":true,\"num\":00}",
        "{\"_placeholder\":true,\"num\":\"0\"}",
        "{\"_placeholder\":true,\"num\":2147483648}",
        "{\"_placeholder\":true,\"num\":99999999999999999999}",
        "{\"_placeholder\":true,\"num\":0,\"more\":1}",
        "{\"_placeholder\":true,\"num\":0,\"num\":1}",
        "{\"_placeholder\":true,\"_placeholder\":true}",
        "{\"num\":0,\"more\":1,\"_placeholder\":true}",
        "{\"more\":1,\"_placeholder\":true,\"num\":0}",
        "{\"_placeholder\":1,\"num\":0}",
        "{\"_placeholder\":false,\"num\":0}",
        "{\"_placeholder\":trueish,\"num\":0}",
        "{\"\\u005fplaceholder\":true,\"num\":99}",
        "{\"_place\\u0068older\":true,\"num\":99}",
        "{\"_placeholder\":true,\"\\u006eum\":99}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (check(texts[i]) != HUB_EPROTO)
            fail_msg("taken: %s", texts[i]);
}

static void a_placeholders_keys_may_stand_elsewhere(void **state)
{
    (void)state;
    assert_int_equal(check("{\"num\":0}"), HUB_OK);
    assert_int_equal(check("{\"num\":-1.5,\"a\":[1]}"), HUB_OK);
    assert_int_equal(check("{\"num\":0,\"num\":1}"), HUB_OK);
    assert_int_equal(check("{\"placeholder\":true,\"num\":0}"), HUB_OK);
    assert_int_equal(check("{\"_placeholders\":true,\"num\":0}"), HUB_OK);
    assert_int_equal(check("[\"_placeholder\",{\"a\":\"_placeholder\"}]"), HUB_OK);
    assert_int_equal(check("{\"12_bytes_key\":1,\"\\u0061\":2}"), HUB_OK);
}

static void assert_skips(const char *text, size_t at, size_t behind)
{
    size_t length = strlen(text);
    char *copy = malloc(length);
    assert_non_null(copy);
    memcpy(copy, text, length);
    assert_int_equal(json_skip(hub_bytes_of(copy, length), at), behind);
    free(copy);
}

static void a_value_is_skipped(void **state)
{
    (void)state;
    assert_skips("[12,3]", 1, 3);
    assert_skips("[ 12 ,3]", 1, 4);
    assert_skips("[-1.5e7]", 1, 7);
    assert_skips("[\"a]\\\"[\",3]", 1, 8);
    assert_skips("[[1,[2,\"]\"]],{}]", 1, 12);
    assert_skips("[{\"a\":{\"b\":\"}\"}},1]", 1, 16);
    assert_skips("{\"a\":true}", 5, 9);
    assert_skips("null", 0, 4);
    assert_skips("\"abc\"  ", 0, 5);
}

/* Brackets, quotes and backslashes at each place of what is looked at together. */
static void a_long_value_is_skipped(void **state)
{
    (void)state;
    static const char *const pieces[] = {"{\"a\":[\"]}\",{}]}", "\"\\\"}]\"", "\"\\\\\"",
                                         "[[[[],[]]]]",         "\"[{\"",     "12345"};
    enum { PIECES = sizeof pieces / sizeof *pieces };
    char text[1024];
    for (size_t padding = 0; padding < 130; padding++) {
        for (size_t first = 0; first < PIECES; first++) {
            char *p =
                text + sprintf(text, "[[\"%.*s\"", (int)padding,
                               "                                "
                               "                                                                          "
                               "                                        ");
            for (size_t i = 0; i < 12; i++)
                p += sprintf(p, ",%s", pieces[(first + i * (i + 1)) % PIECES]);
            p = stpcpy(p, "]");
            size_t end = (size_t)(p - text);
            stpcpy(p, ",\"behind ]}\",[]]");
            assert_int_equal(check(text), HUB_OK);
            assert_skips(text, 1, end);
            assert_skips(text, 0, strlen(text));
        }
    }
}

static void what_was_never_checked_is_skipped_within_its_end(void **state)
{
    (void)state;
    assert_skips("[[[", 0, 3);
    assert_skips("\"abc", 0, 4);
    assert_skips("\"abc\\", 0, 5);
    assert_skips("{\"a", 0, 3);
    assert_skips("   ", 0, 3);
    assert_skips("1", 5, 1);
    assert_int_equal(json_skip(hub_bytes_of(NULL, 0), 0), 0);
    assert_int_equal(json_begin(hub_bytes_of(NULL, 0), 0), 0);
}

static void a_placeholder_is_read(void **state)
{
    (void)state;
    hub_bytes text = hub_text("[{ \"num\": 12, \"_placeholder\": true } ]");
    size_t number = 0;
    assert_int_equal(json_placeholder(text, 1, &number), text.length - 2);
    assert_int_equal(number, 12);
    assert_int_equal(json_placeholder(text, 0, &number), 0);
    assert_int_equal(json_placeholder(text, 2, &number), 0);
    assert_int_equal(json_placeholder(text, text.length, &number), 0);
    assert_int_equal(json_placeholder(hub_text("{\"_placeholder\":true,\"num\":1"), 0, &number), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_taken),
        cmocka_unit_test(what_is_no_value_is_refused),
        cmocka_unit_test(a_number_has_the_form_of_section_6),
        cmocka_unit_test(a_string_has_the_form_of_section_7),
        cmocka_unit_test(a_control_character_is_found_wherever_it_stands),
        cmocka_unit_test(blanks_stand_between_tokens),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(no_nesting_is_too_deep_for_the_stack),
        cmocka_unit_test(the_items_of_the_outermost_value_are_counted),
        cmocka_unit_test(placeholders_are_counted),
        cmocka_unit_test(what_looks_like_a_placeholder_is_one),
        cmocka_unit_test(a_placeholders_keys_may_stand_elsewhere),
        cmocka_unit_test(a_value_is_skipped),
        cmocka_unit_test(a_long_value_is_skipped),
        cmocka_unit_test(what_was_never_checked_is_skipped_within_its_end),
        cmocka_unit_test(a_placeholder_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
