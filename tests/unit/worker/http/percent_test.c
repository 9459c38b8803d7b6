/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/percent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_decoded(percent_result (*decode)(hub_bytes, char *, size_t *), const char *text,
                           const char *expected)
{
    char out[64];
    size_t length;
    assert_int_equal(decode(hub_text(text), out, &length), PERCENT_OK);
    assert_true(hub_equal(hub_bytes_of(out, length), hub_text(expected)));
}

static void hexadecimal_digits_are_decoded_in_both_cases(void **state)
{
    (void)state;
    assert_decoded(percent_decode, "", "");
    assert_decoded(percent_decode, "plain", "plain");
    assert_decoded(percent_decode, "a%2Fb%2fc%20", "a/b/c ");
    assert_decoded(percent_decode, "%C3%a4", "\xC3\xA4");
    assert_decoded(percent_decode, "%2525", "%25");
    assert_decoded(percent_decode, "a+b", "a+b");
}

static void a_malformed_sequence_is_refused(void **state)
{
    (void)state;
    const char *bad[] = {"%", "a%", "%4", "%zz", "%4z", "%z4", "%%41", "% 41", "%-1", "ok%2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char out[16];
        size_t length = 99;
        assert_int_equal(percent_check(hub_text(bad[i])), PERCENT_BAD);
        assert_int_equal(percent_decode(hub_text(bad[i]), out, &length), PERCENT_BAD);
        assert_int_equal(length, 0);
    }
}

static void a_nul_is_decoded_and_reported(void **state)
{
    (void)state;
    char out[8];
    size_t length;
    assert_int_equal(percent_check(hub_text("a%00b")), PERCENT_NUL);
    assert_int_equal(percent_decode(hub_text("a%00b"), out, &length), PERCENT_NUL);
    assert_int_equal(length, 3);
    assert_memory_equal(out, "a\0b", 3);
}

static void decoding_in_place_works(void **state)
{
    (void)state;
    char text[] = "%61%62c%64";
    size_t length;
    assert_int_equal(percent_decode(hub_text(text), text, &length), PERCENT_OK);
    assert_int_equal(length, 4);
    assert_memory_equal(text, "abcd", 4);
}

static void the_form_encoding_has_a_plus_for_a_space(void **state)
{
    (void)state;
    assert_decoded(percent_decode_form, "a+b%2Bc", "a b+c");
}

static void encoded_text_is_ordered_as_its_decoded_form(void **state)
{
    (void)state;
    assert_int_equal(percent_compare(hub_text("%61bc"), hub_text("abc")), 0);
    assert_true(percent_compare(hub_text("ab"), hub_text("abc")) < 0);
    assert_true(percent_compare(hub_text("abc%64"), hub_text("abc")) > 0);
    assert_true(percent_compare(hub_text("%FF"), hub_text("a")) > 0);
    assert_true(percent_compare(hub_text(""), hub_text("a")) < 0);
    assert_int_equal(percent_compare(hub_text(""), hub_text("")), 0);
}

static void a_query_gives_its_parts(void **state)
{
    (void)state;
    hub_bytes rest = hub_text("&a=1&&b&c=x=y&=z"), name, value;
    assert_true(query_next(&rest, &name, &value));
    assert_true(hub_equal(name, hub_text("a")) && hub_equal(value, hub_text("1")));
    assert_true(query_next(&rest, &name, &value));
    assert_true(hub_equal(name, hub_text("b")) && value.length == 0);
    assert_true(query_next(&rest, &name, &value));
    assert_true(hub_equal(name, hub_text("c")) && hub_equal(value, hub_text("x=y")));
    assert_true(query_next(&rest, &name, &value));
    assert_true(name.length == 0 && hub_equal(value, hub_text("z")));
    assert_false(query_next(&rest, &name, &value));
}

static void the_first_part_of_a_name_is_found_by_its_decoded_name(void **state)
{
    (void)state;
    const hub_bytes query = hub_text("%zz=0&a+b=1&n%61me=2&name=3&empty=&bare");
    hub_bytes value;
    assert_true(query_find(query, hub_text("name"), &value) && hub_equal(value, hub_text("2")));
    assert_true(query_find(query, hub_text("a b"), &value) && hub_equal(value, hub_text("1")));
    assert_true(query_find(query, hub_text("empty"), &value) && value.length == 0 && value.data);
    assert_true(query_find(query, hub_text("bare"), &value) && value.length == 0 && value.data);
    assert_false(query_find(query, hub_text("nam"), &value));
    assert_false(query_find(query, hub_text("%zz"), &value));
    assert_false(query_find(hub_text(""), hub_text("name"), &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hexadecimal_digits_are_decoded_in_both_cases),
        cmocka_unit_test(a_malformed_sequence_is_refused),
        cmocka_unit_test(a_nul_is_decoded_and_reported),
        cmocka_unit_test(decoding_in_place_works),
        cmocka_unit_test(the_form_encoding_has_a_plus_for_a_space),
        cmocka_unit_test(encoded_text_is_ordered_as_its_decoded_form),
        cmocka_unit_test(a_query_gives_its_parts),
        cmocka_unit_test(the_first_part_of_a_name_is_found_by_its_decoded_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
