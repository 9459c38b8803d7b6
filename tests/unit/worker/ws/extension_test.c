/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/extension.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NONE "server_no_context_takeover; client_no_context_takeover"

static deflate_terms terms;
static char answer[EXTENSION_ANSWER_MAX];

static extension_result negotiate_lines(const char *const *lines, size_t count, deflate_mode mode)
{
    http_field fields[4] = {{hub_text("Host"), hub_text("a")}};
    for (size_t i = 0; i < count; i++)
        fields[i + 1] = (http_field){hub_text("Sec-WebSocket-Extensions"), hub_text(lines[i])};
    http_head head = {.fields = fields, .field_count = count + 1};
    memset(&terms, 0xEE, sizeof terms);
    return extension_negotiate(&head, mode, &terms, answer);
}

static extension_result negotiate(const char *line, deflate_mode mode)
{
    return negotiate_lines(&line, 1, mode);
}

static void assert_answer(const char *line, deflate_mode mode, const char *expected)
{
    if (negotiate(line, mode) != EXTENSION_AGREED)
        fail_msg("not agreed: %s", line);
    assert_string_equal(answer, expected);
}

static void assert_declined(const char *line)
{
    if (negotiate(line, DEFLATE_ON) != EXTENSION_NONE)
        fail_msg("not declined: %s", line);
    assert_int_equal(terms.server_bits, 0);
    assert_string_equal(answer, "");
}

static void assert_malformed(const char *line)
{
    if (negotiate(line, DEFLATE_ON) != EXTENSION_MALFORMED)
        fail_msg("not malformed: %s", line);
}

static void without_the_field_nothing_is_agreed(void **state)
{
    (void)state;
    assert_int_equal(negotiate_lines(NULL, 0, DEFLATE_ON), EXTENSION_NONE);
    assert_int_equal(terms.server_bits, 0);
    assert_declined("");
    assert_declined(" , ,");
}

static void a_plain_offer_is_answered_without_context_takeover(void **state)
{
    (void)state;
    assert_answer("permessage-deflate", DEFLATE_ON, "permessage-deflate; " NONE);
    assert_int_equal(terms.server_bits, 15);
    assert_int_equal(terms.client_bits, 15);
    assert_false(terms.server_takeover || terms.client_takeover);
}

static void what_browsers_offer_is_agreed(void **state)
{
    (void)state;
    assert_answer("permessage-deflate; client_max_window_bits", DEFLATE_ON, "permessage-deflate; " NONE);
    assert_answer("permessage-deflate; client_max_window_bits", DEFLATE_TAKEOVER, "permessage-deflate");
    assert_true(terms.server_takeover && terms.client_takeover);
    assert_int_equal(terms.client_bits, 15);
}

static void an_extension_that_is_off_is_never_agreed(void **state)
{
    (void)state;
    assert_int_equal(negotiate("permessage-deflate", DEFLATE_OFF), EXTENSION_NONE);
    assert_int_equal(negotiate("permessage-deflate; =", DEFLATE_OFF), EXTENSION_MALFORMED);
}

/* RFC 7692, 7.1.1 */
static void each_side_may_rule_context_takeover_out(void **state)
{
    (void)state;
    assert_answer("permessage-deflate; server_no_context_takeover", DEFLATE_TAKEOVER,
                  "permessage-deflate; server_no_context_takeover");
    assert_true(!terms.server_takeover && terms.client_takeover);
    assert_answer("permessage-deflate; client_no_context_takeover", DEFLATE_TAKEOVER,
                  "permessage-deflate; client_no_context_takeover");
    assert_true(terms.server_takeover && !terms.client_takeover);
    assert_answer("permessage-deflate; client_no_context_takeover; server_no_context_takeover",
                  DEFLATE_TAKEOVER, "permessage-deflate; " NONE);
}

/* RFC 7692, 7.1.2 */
static void windows_are_answered_as_offered(void **state)
{
    (void)state;
    static const char *const bits[] = {"9", "10", "11", "12", "13", "14", "15"};
    for (unsigned i = 0; i < 7; i++) {
        char offer[100], expected[EXTENSION_ANSWER_MAX];
        snprintf(offer, sizeof offer,
                 "permessage-deflate; server_max_window_bits=%s; client_max_window_bits=%s", bits[i],
                 bits[6 - i]);
        snprintf(expected, sizeof expected,
                 "permessage-deflate; " NONE "; server_max_window_bits=%s; client_max_window_bits=%s",
                 bits[i], bits[6 - i]);
        assert_answer(offer, DEFLATE_ON, expected);
        assert_int_equal(terms.server_bits, 9 + i);
        assert_int_equal(terms.client_bits, 15 - i);
    }
}

static void a_client_may_have_a_window_of_256_bytes(void **state)
{
    (void)state;
    assert_answer("permessage-deflate; client_max_window_bits=8", DEFLATE_TAKEOVER,
                  "permessage-deflate; client_max_window_bits=8");
    assert_int_equal(terms.client_bits, 8);
}

static void a_server_window_of_256_bytes_is_declined_because_zlib_has_none(void **state)
{
    (void)state;
    assert_declined("permessage-deflate; server_max_window_bits=8");
    assert_answer(
        "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=10",
        DEFLATE_ON, "permessage-deflate; " NONE "; server_max_window_bits=10");
}

static void values_may_be_quoted_and_names_have_no_case(void **state)
{
    (void)state;
    assert_answer("PerMessage-Deflate ;\tServer_Max_Window_Bits = \"1\\0\"  ;client_max_window_bits=\"12\"",
                  DEFLATE_ON,
                  "permessage-deflate; " NONE "; server_max_window_bits=10; client_max_window_bits=12");
}

static void offers_with_parameters_that_are_not_allowed_are_declined(void **state)
{
    (void)state;
    static const char *const offers[] = {
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=\"x\"",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; x; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=1",
        "permessage-deflate; server_max_window_bits=100",
        "permessage-deflate; server_max_window_bits=10.0",
        "permessage-deflate; server_max_window_bits=-9",
        "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=99999999999999999999",
        "x-webkit-deflate-frame",
        "permessage-deflate2",
        "mux; max-channels=4; flow-control",
    };
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++)
        assert_declined(offers[i]);
}

static void the_first_offer_that_can_be_kept_is_taken(void **state)
{
    (void)state;
    assert_answer("mux; a=b, permessage-deflate; bad, permessage-deflate; server_max_window_bits=9, "
                  "permessage-deflate",
                  DEFLATE_ON, "permessage-deflate; " NONE "; server_max_window_bits=9");
    assert_answer("permessage-deflate; server_max_window_bits=8,,permessage-deflate", DEFLATE_TAKEOVER,
                  "permessage-deflate");
}

static void offers_may_stand_in_several_lines(void **state)
{
    (void)state;
    const char *lines[] = {"mux", "permessage-deflate; server_max_window_bits=11", "permessage-deflate"};
    assert_int_equal(negotiate_lines(lines, 3, DEFLATE_ON), EXTENSION_AGREED);
    assert_int_equal(terms.server_bits, 11);
    const char *broken[] = {"permessage-deflate", "permessage-deflate; ;"};
    assert_int_equal(negotiate_lines(broken, 2, DEFLATE_ON), EXTENSION_MALFORMED);
}

/* RFC 6455, 9.1 */
static void a_field_that_breaks_its_grammar_is_malformed(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "permessage-deflate;",           "permessage-deflate; ;x",       "permessage-deflate; =",
        "permessage-deflate; x=",        "permessage-deflate; x=,",      "permessage-deflate; x=\"",
        "permessage-deflate; x=\"1",     "permessage-deflate; x=\"\"",   "permessage-deflate; x=\"1\\",
        "permessage-deflate; x=\"1 0\"", "permessage-deflate; x=\"1\"2", "permessage-deflate; x=1 2",
        "permessage-deflate x",          "permessage-deflate=1",         "; x",
        "\"permessage-deflate\"",        "permessage-deflate, (",        "permessage-deflate; \xC3\xA4",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_malformed(lines[i]);
}

static void the_longest_answer_fits(void **state)
{
    (void)state;
    assert_answer("permessage-deflate; server_max_window_bits=15; client_max_window_bits=15", DEFLATE_ON,
                  "permessage-deflate; " NONE "; server_max_window_bits=15; client_max_window_bits=15");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_field_nothing_is_agreed),
        cmocka_unit_test(a_plain_offer_is_answered_without_context_takeover),
        cmocka_unit_test(what_browsers_offer_is_agreed),
        cmocka_unit_test(an_extension_that_is_off_is_never_agreed),
        cmocka_unit_test(each_side_may_rule_context_takeover_out),
        cmocka_unit_test(windows_are_answered_as_offered),
        cmocka_unit_test(a_client_may_have_a_window_of_256_bytes),
        cmocka_unit_test(a_server_window_of_256_bytes_is_declined_because_zlib_has_none),
        cmocka_unit_test(values_may_be_quoted_and_names_have_no_case),
        cmocka_unit_test(offers_with_parameters_that_are_not_allowed_are_declined),
        cmocka_unit_test(the_first_offer_that_can_be_kept_is_taken),
        cmocka_unit_test(offers_may_stand_in_several_lines),
        cmocka_unit_test(a_field_that_breaks_its_grammar_is_malformed),
        cmocka_unit_test(the_longest_answer_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
