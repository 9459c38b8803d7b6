/* SPDX-License-Identifier: Apache-2.0 */
#include "config/access_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_format_is_text_and_atoms_in_their_order(void **state)
{
    (void)state;
    static const struct {
        char atom;
        const char *text;
    } expected[] = {{0, "a "}, {'h', ""}, {0, "%"}, {'i', "X-Id"}, {0, " end"}};
    const char *rest = "a %(h)s%%%({X-Id}i)s end";
    access_step step;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(access_format_next(&rest, &step), ACCESS_FORMAT_STEP);
        assert_int_equal(step.atom, expected[i].atom);
        assert_int_equal(step.length, strlen(expected[i].text));
        assert_memory_equal(step.text, expected[i].text, step.length);
    }
    assert_int_equal(access_format_next(&rest, &step), ACCESS_FORMAT_END);
}

static void what_is_no_atom_is_shown_with_its_position(void **state)
{
    (void)state;
    static const struct {
        const char *format, *where;
    } wrong[] = {
        {"%(x)s", "position 1, \"%(x)s\""},
        {"ab %h", "position 4, \"%h\""},
        {"%(h)d", "position 1,"},
        {"%({}i)s", "position 1,"},
        {"%({x}h)s", "position 1,"},
        {"%(i)s", "position 1,"},
        {"%({x", "position 1,"},
        {"100%", "position 4, \"%\""},
        {"%(", "position 1, \"%(\""},
        {"%(h)s %()s", "position 7,"},
        {"%%%", "position 3, \"%\""},
    };
    assert_null(access_format_check("%(h)s %% %({a}o)s"));
    assert_null(access_format_check(""));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *found = access_format_check(wrong[i].format);
        assert_non_null(found);
        assert_non_null(strstr(found, wrong[i].where));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_format_is_text_and_atoms_in_their_order),
        cmocka_unit_test(what_is_no_atom_is_shown_with_its_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
