/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_name_is_a_token(void **state)
{
    (void)state;
    assert_true(field_name_valid(hub_text("Content-Type")));
    assert_true(field_name_valid(hub_text("!#$%&'*+-.^_`|~09azAZ")));
    assert_false(field_name_valid(hub_text("")));
    assert_false(field_name_valid(hub_text("a b")));
    assert_false(field_name_valid(hub_text("a:")));
    assert_false(field_name_valid(hub_text("caf\xC3\xA9")));
    assert_false(field_name_valid(hub_bytes_of("a\0b", 3)));
}

/* RFC 9110, section 5.6.2 */
static void the_characters_of_a_token_are_those_of_the_rfc(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        bool expected = c > 0x20 && c < 0x7F && !strchr("\"(),/:;<=>?@[\\]{}", (int)c);
        assert_int_equal(field_is_tchar((unsigned char)c), expected);
    }
}

static void a_value_has_no_control_characters_but_tabs(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        const char value[] = {'a', (char)c, 'b'};
        bool expected = c == '\t' || (c >= 0x20 && c != 0x7F);
        assert_int_equal(field_value_valid(hub_bytes_of(value, 3)), expected);
    }
    assert_true(field_value_valid(hub_text("")));
}

static void names_are_compared_without_case(void **state)
{
    (void)state;
    assert_true(field_name_equal(hub_text("Content-LENGTH"), hub_text("content-length")));
    assert_true(field_name_equal(hub_text(""), hub_text("")));
    assert_false(field_name_equal(hub_text("Host"), hub_text("Hosts")));
    assert_false(field_name_equal(hub_text("a@"), hub_text("a`")));
    assert_false(field_name_equal(hub_text("a["), hub_text("a{")));
    assert_false(field_name_equal(hub_text("k\x0D"), hub_text("k-")));
}

static void white_space_is_trimmed_at_both_ends(void **state)
{
    (void)state;
    assert_true(hub_equal(field_trim(hub_text(" \t a b\t ")), hub_text("a b")));
    assert_int_equal(field_trim(hub_text(" \t ")).length, 0);
    assert_int_equal(field_trim(hub_text("")).length, 0);
}

static void a_list_gives_its_elements_and_skips_empty_ones(void **state)
{
    (void)state;
    hub_bytes rest = hub_text(" ,a , b c,, d"), element;
    assert_true(field_list_next(&rest, &element) && hub_equal(element, hub_text("a")));
    assert_true(field_list_next(&rest, &element) && hub_equal(element, hub_text("b c")));
    assert_true(field_list_next(&rest, &element) && hub_equal(element, hub_text("d")));
    assert_false(field_list_next(&rest, &element));
}

static void a_token_is_found_in_a_list_without_case_and_whole(void **state)
{
    (void)state;
    const hub_bytes list = hub_text("keep-alive, Upgrade");
    assert_true(field_list_has(list, hub_text("upgrade")));
    assert_true(field_list_has(list, hub_text("Keep-Alive")));
    assert_false(field_list_has(list, hub_text("keep")));
    assert_false(field_list_has(hub_text("websocketx"), hub_text("websocket")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_a_token),
        cmocka_unit_test(the_characters_of_a_token_are_those_of_the_rfc),
        cmocka_unit_test(a_value_has_no_control_characters_but_tabs),
        cmocka_unit_test(names_are_compared_without_case),
        cmocka_unit_test(white_space_is_trimmed_at_both_ends),
        cmocka_unit_test(a_list_gives_its_elements_and_skips_empty_ones),
        cmocka_unit_test(a_token_is_found_in_a_list_without_case_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
