/* SPDX-License-Identifier: Apache-2.0 */
/* Formats of the public header. */
#include "worker/sio/pack.h"

#include "worker/sio/json.h"
#include "worker/sio/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static packing packed;

static hub_status pack(const char *format, ...)
{
    va_list values;
    pack_clear(&packed);
    va_start(values, format);
    hub_status status = pack_values(&packed, format, values);
    va_end(values);
    return status;
}

static void assert_packed(const char *expected)
{
    hub_bytes text = buffer_bytes(&packed.text);
    if (!hub_equal(text, hub_text(expected)))
        fail_msg("%.*s instead of %s", (int)text.length, (const char *)text.data, expected);
}

#define assert_format(expected, ...)                                                                         \
    do {                                                                                                     \
        assert_int_equal(pack(__VA_ARGS__), HUB_OK);                                                         \
        assert_packed(expected);                                                                             \
    } while (0)

static int release(void **state)
{
    (void)state;
    pack_free(&packed);
    return 0;
}

static hub_value of(const char *json)
{
    return hub_value_of(hub_text(json));
}

static void no_format_is_no_value(void **state)
{
    (void)state;
    assert_format("", NULL);
    assert_format("", "");
    assert_format("", " , ");
    assert_int_equal(packed.items, 0);
}

static void each_letter_writes_its_argument(void **state)
{
    (void)state;
    assert_format("\"a\\\"b\"", "s", "a\"b");
    assert_format("null", "s", (char *)NULL);
    assert_format("\"a\\u0000b\"", "t", hub_bytes_of("a\0b", 3));
    assert_format("\"\"", "t", hub_bytes_of(NULL, 0));
    assert_format("-2147483648", "i", INT32_MIN);
    assert_format("-9223372036854775808", "I", INT64_MIN);
    assert_format("18446744073709551615", "u", UINT64_MAX);
    assert_format("0.1", "f", 0.1);
    assert_format("-1.7976931348623157e+308", "f", -1.7976931348623157e308);
    assert_format("true", "b", true);
    assert_format("false", "b", false);
    assert_format("true", "b", 4);
    assert_format("null", "n");
    assert_format("{\"a\":[1]}", "v", of(" {\"a\":[1]} "));
    assert_format("1,[2],\"3\"", "V", of(" [ 1,[2],\"3\" ] "));
    assert_format("1,[ 2 ],\"3\"", "V", of("[ 1 , [ 2 ], \"3\" ]"));
    assert_format("1,2", "V", of("[1 ,2]"));
    assert_int_equal(packed.items, 2);
    assert_format("1,2", "V", of("[1, 2]"));
    assert_format("", "V", of("[]"));
}

static void numbers_that_json_has_not_are_null(void **state)
{
    (void)state;
    assert_format("null,null,null", "fff", (double)NAN, (double)INFINITY, (double)-INFINITY);
}

static void lists_are_written_as_the_format_reads(void **state)
{
    (void)state;
    assert_format("\"today\",{\"count\":3,\"item\":[true]}", "s{s:i,s:v}", "today", "count", 3, "item",
                  of("[true]"));
    assert_int_equal(packed.items, 2);
    assert_format("[],{},[[]],[{},{}],{\"a\":{},\"b\":[]}", "[]{}[[]][{}{}]{s:{}s:[]}", "a", "b");
    assert_int_equal(packed.items, 5);
    assert_format("[1,2,[3,4],5]", "[i,V,v,i]", 1, of("[2]"), of("[3,4]"), 5);
    assert_format("1,2,3", " i ,\tV\n, i ", 1, of("[2]"), 3);
    assert_format("{\"k\":\"v\"}", "{t:t}", hub_text("k"), hub_text("v"));
    assert_format("\"[\",\"{\",[\"[\",\"{\",\":\",\",\"],{\":\":\"[\",\"{\":1}", "ss[ssss]{s:s,s:i}", "[",
                  "{", "[", "{", ":", ",", ":", "[", "{", 1);
    assert_format("[1,2],[[],[],0]", "[V]v", of("[1,2]"), of("[[],[],0]"));
}

static void values_are_added_to_what_is_there(void **state)
{
    (void)state;
    pack_clear(&packed);
    assert_int_equal(pack_text(&packed, hub_text("news")), HUB_OK);
    assert_int_equal(pack_value(&packed, of("1")), HUB_OK);
    assert_int_equal(pack_items(&packed, of("[2,3]")), HUB_OK);
    assert_int_equal(pack_items(&packed, of("[]")), HUB_OK);
    assert_int_equal(pack_value(&packed, of("{}")), HUB_OK);
    assert_packed("\"news\",1,2,3,{}");
    assert_int_equal(packed.items, 5);
}

static void a_wrong_format_is_refused(void **state)
{
    (void)state;
    static const char *const formats[] = {"x",  "S",     "{",     "[",      "}",   "]", "[}",
                                          "{]", "{i:i}", "{n:i}", "[[]",    "{}}", "1", "\"",
                                          ":",  "{:}",   "{{}}",  "{[]:i}", "[:]", "%"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (pack(formats[i], 1, 2, 3) != HUB_EINVAL)
            fail_msg("taken: %s", formats[i]);
    assert_int_equal(pack("{s}", "a"), HUB_EINVAL);
    assert_int_equal(pack("{s:}", "a"), HUB_EINVAL);
    assert_int_equal(pack("{s:i", "a", 1), HUB_EINVAL);
    assert_int_equal(pack("{s i}", "a", 1), HUB_EINVAL);
    assert_int_equal(pack("{s:i s}", "a", 1, "b"), HUB_EINVAL);
    assert_int_equal(pack("{s:i:}", "a", 1), HUB_EINVAL);
    assert_int_equal(pack("{s:i,s:]", "a", 1, "b"), HUB_EINVAL);
    assert_int_equal(pack("{s:V}", "a", of("[1]")), HUB_EINVAL);
    assert_int_equal(pack("{s:i}", (char *)NULL, 1), HUB_EINVAL);
}

/* An application that says so is believed, but it does no harm. */
static void a_value_that_was_not_checked_after_all_ends(void **state)
{
    (void)state;
    static const char *const texts[] = {"[", "[1", "[1,", "[,", "[:]", "[1 2", "[}", "[\"", "[[", "[{\"a\":"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        hub_status status = pack("[V]", value_checked(hub_text(texts[i]), NULL, 0));
        assert_true(status == HUB_OK || status == HUB_EINVAL);
        status = pack("[V]", value_checked(hub_text(texts[i]), &(hub_bytes){NULL, 0}, 1));
        assert_true(status == HUB_OK || status == HUB_EINVAL);
    }
}

static void nesting_is_limited(void **state)
{
    (void)state;
    char format[2 * PACK_DEPTH_MAX + 3] = "";
    memset(format, '[', PACK_DEPTH_MAX);
    memset(format + PACK_DEPTH_MAX, ']', PACK_DEPTH_MAX);
    assert_format(format, format);
    memset(format, '[', PACK_DEPTH_MAX + 1);
    memset(format + PACK_DEPTH_MAX + 1, ']', PACK_DEPTH_MAX + 1);
    assert_int_equal(pack(format), HUB_EINVAL);
}

static void text_must_be_utf8(void **state)
{
    (void)state;
    assert_format("\"\xC3\xA9\"", "s", "\xC3\xA9");
    assert_int_equal(pack("s", "\xFF"), HUB_EINVAL);
    assert_int_equal(pack("t", hub_text("a\xC3")), HUB_EINVAL);
    assert_int_equal(pack("{s:i}", "\xED\xA0\x80", 1), HUB_EINVAL);
    assert_int_equal(pack("v", of("\"\xFF\"")), HUB_EINVAL);
    pack_clear(&packed);
    assert_int_equal(pack_text(&packed, hub_text("\xC0\x80")), HUB_EINVAL);
}

static void a_value_of_an_applications_own_is_checked(void **state)
{
    (void)state;
    static const char *const texts[] = {"nul",
                                        "[1",
                                        "1 2",
                                        "{\"a\":}",
                                        "\"\n\"",
                                        "[1]]",
                                        "{\"_placeholder\":true,\"num\":0}",
                                        "{\"\\u005fplaceholder\":true}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (pack("v", of(texts[i])) != HUB_EINVAL)
            fail_msg("taken: %s", texts[i]);
    assert_int_equal(pack("V", of("[1")), HUB_EINVAL);
    assert_int_equal(pack("V", of("{}")), HUB_EINVAL);
    assert_int_equal(pack("V", of("")), HUB_EINVAL);
}

static void a_missing_value_is_null(void **state)
{
    (void)state;
    hub_value object = of("{\"a\":1}");
    assert_format("1,null", "vv", hub_value_get(object, "a"), hub_value_get(object, "b"));
    assert_format("{\"a\":null}", "{s:v}", "a", hub_value_at(object, 7));
}

/* ---- binary ---- */

static const hub_bytes attachments[] = {{"zero", 4}, {"one", 3}, {"two", 3}};

static hub_value with_binary(const char *json)
{
    return value_checked(hub_text(json), attachments, 3);
}

#define PLACEHOLDER(n) "{\"_placeholder\":true,\"num\":" #n "}"

static void binary_becomes_an_attachment(void **state)
{
    (void)state;
    assert_format("[" PLACEHOLDER(0) "],{\"a\":" PLACEHOLDER(1) "}", "[B]{s:B}", attachments[0], "a",
                  attachments[1]);
    assert_int_equal(packed.attachment_count, 2);
    assert_true(hub_equal(packed.attachments[0], attachments[0]));
    assert_true(hub_equal(packed.attachments[1], attachments[1]));
    assert_format(PLACEHOLDER(0), "B", hub_bytes_of(NULL, 0));
    assert_int_equal(packed.attachment_count, 1);
}

static void placeholders_of_values_are_numbered_anew(void **state)
{
    (void)state;
    hub_value value = with_binary(
        "[{\"num\":2, \"_placeholder\":true}, \"{\\\"_placeholder\\\":true,\\\"num\\\":9}\",{\"a\":"
        "{\"_placeholder\":true,\"num\":1},\"num\":5}]");
    assert_format(
        PLACEHOLDER(0) ",[" PLACEHOLDER(
            1) ", \"{\\\"_placeholder\\\":true,\\\"num\\\":9}\",{\"a\":" PLACEHOLDER(2) ",\"num\":5}]",
        "Bv", hub_text("own"), value);
    assert_int_equal(packed.attachment_count, 3);
    assert_true(hub_equal(packed.attachments[1], attachments[2]));
    assert_true(hub_equal(packed.attachments[2], attachments[1]));
    assert_format(PLACEHOLDER(0) ",1", "V", with_binary("[{\"_placeholder\":true,\"num\":1},1]"));
    assert_int_equal(packed.attachment_count, 1); /* what nothing refers to is not sent */
}

/* So a client cannot make a server send many times what it sent once. */
static void what_is_referred_to_twice_is_sent_once(void **state)
{
    (void)state;
    hub_value value = with_binary("[" PLACEHOLDER(1) "," PLACEHOLDER(0) "," PLACEHOLDER(1) "]");
    assert_format("[" PLACEHOLDER(0) "," PLACEHOLDER(1) "," PLACEHOLDER(0) "]," PLACEHOLDER(0), "vv", value,
                  hub_value_at(value, 0));
    assert_int_equal(packed.attachment_count, 2);
}

static void an_applications_own_value_may_have_binary(void **state)
{
    (void)state;
    hub_value value = {hub_text("{\"a\":" PLACEHOLDER(2) "}"), attachments, 3, false};
    assert_format("{\"a\":" PLACEHOLDER(0) "}", "v", value);
    value.binary_count = 2;
    assert_int_equal(pack("v", value), HUB_EINVAL);
}

static void attachments_are_limited(void **state)
{
    (void)state;
    static const char bytes[PACK_ATTACHMENTS_MAX + 1];
    pack_clear(&packed);
    for (size_t i = 0; i <= PACK_ATTACHMENTS_MAX; i++) {
        hub_bytes binary = {bytes + i, 1};
        hub_value value = {hub_text(PLACEHOLDER(0)), &binary, 1, false};
        assert_int_equal(pack_value(&packed, value), i < PACK_ATTACHMENTS_MAX ? HUB_OK : HUB_EFULL);
    }
}

static void no_format_makes_a_placeholder(void **state)
{
    (void)state;
    assert_int_equal(pack("{s:b,s:i}", "_placeholder", true, "num", 0), HUB_EINVAL);
    assert_int_equal(pack("{t:b,s:i}", hub_text("_placeholder"), true, "num", 0), HUB_EINVAL);
    assert_format("\"_placeholder\",{\"num\":0}", "s{s:i}", "_placeholder", "num", 0);
}

/* ---- the whole ---- */

static void what_is_packed_is_json(void **state)
{
    (void)state;
    char text[64 + 1];
    for (size_t length = 0; length < sizeof text; length++) {
        for (size_t i = 0; i < length; i++)
            text[i] = (char)(1 + (i * 31 + length) % 127);
        text[length] = '\0';
        assert_int_equal(pack("[s{s:f,t:[I]}V]", text, text, 1.0 / (double)(length + 1), hub_text(text),
                              (int64_t)length << 50, of("[1,{\"a\":[]}]")),
                         HUB_OK);
        assert_int_equal(json_check(buffer_bytes(&packed.text), 8, NULL), HUB_OK);
    }
}

static void a_packing_that_is_used_again_allocates_nothing(void **state)
{
    (void)state;
    assert_int_equal(pack("s[iB]V", "text", 1, attachments[0], of("[1,2,3]")), HUB_OK);
    const char *data = packed.text.data;
    size_t capacity = packed.text.capacity;
    for (int i = 0; i < 100; i++)
        assert_int_equal(pack("s[iB]V", "text", 1, attachments[0], of("[1,2,3]")), HUB_OK);
    assert_ptr_equal(packed.text.data, data);
    assert_int_equal(packed.text.capacity, capacity);
    assert_int_equal(packed.attachment_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_format_is_no_value),
        cmocka_unit_test(each_letter_writes_its_argument),
        cmocka_unit_test(numbers_that_json_has_not_are_null),
        cmocka_unit_test(lists_are_written_as_the_format_reads),
        cmocka_unit_test(values_are_added_to_what_is_there),
        cmocka_unit_test(a_wrong_format_is_refused),
        cmocka_unit_test(a_value_that_was_not_checked_after_all_ends),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(text_must_be_utf8),
        cmocka_unit_test(a_value_of_an_applications_own_is_checked),
        cmocka_unit_test(a_missing_value_is_null),
        cmocka_unit_test(binary_becomes_an_attachment),
        cmocka_unit_test(placeholders_of_values_are_numbered_anew),
        cmocka_unit_test(what_is_referred_to_twice_is_sent_once),
        cmocka_unit_test(an_applications_own_value_may_have_binary),
        cmocka_unit_test(attachments_are_limited),
        cmocka_unit_test(no_format_makes_a_placeholder),
        cmocka_unit_test(what_is_packed_is_json),
        cmocka_unit_test(a_packing_that_is_used_again_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
