/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/coding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_order_of(const http_field *fields, size_t field_count, const char *expected)
{
    const http_head head = {.fields = fields, .field_count = field_count};
    coding order[CODINGS];
    size_t count;
    char text[64] = "";
    coding_order(&head, order, &count);
    for (size_t i = 0; i < count; i++) {
        strcat(text, i ? " " : "");
        strcat(text, coding_name(order[i]));
    }
    assert_string_equal(text, expected);
}

static void assert_order(const char *value, const char *expected)
{
    const http_field field = {.name = hub_text("Accept-Encoding"), .value = hub_text(value)};
    assert_order_of(&field, 1, expected);
}

static void without_the_field_or_with_an_empty_one_there_is_identity(void **state)
{
    (void)state;
    const http_field other = {.name = hub_text("Accept"), .value = hub_text("gzip")};
    assert_order_of(&other, 1, "identity");
    assert_order("", "identity");
}

static void named_codings_come_before_identity_and_brotli_first(void **state)
{
    (void)state;
    assert_order("gzip", "gzip identity");
    assert_order("gzip, deflate, br, zstd", "br gzip identity");
    assert_order("gzip;q=0.001", "gzip identity");
    assert_order("deflate", "identity");
}

static void weights_order(void **state)
{
    (void)state;
    assert_order("br;q=0.5, gzip;q=0.8", "gzip br identity");
    assert_order("br;q=0.5, gzip;q=0.51, identity;q=0.505", "gzip identity br");
    assert_order("identity, gzip;q=0.5", "identity gzip");
    assert_order("gzip ; q=0.4,br\t;\tQ=1.000", "br gzip identity");
    assert_order("gzip;q=1., br;q=0.", "gzip identity");
}

static void weight_0_is_not_acceptable(void **state)
{
    (void)state;
    assert_order("gzip;q=0", "identity");
    assert_order("gzip;q=0.000, br", "br identity");
    assert_order("identity;q=0", "");
    assert_order("gzip, identity;q=0", "gzip");
    assert_order("*;q=0", "");
    assert_order("br, *;q=0", "br");
    assert_order("identity, *;q=0", "identity");
}

static void a_star_stands_for_what_is_not_named(void **state)
{
    (void)state;
    assert_order("*", "br gzip identity");
    assert_order("br;q=0, *", "gzip identity");
    assert_order("gzip, *;q=0.5", "gzip br identity");
    assert_order("identity;q=0.2, *;q=0.5", "br gzip identity");
}

static void names_have_no_case_and_one_has_an_old_form(void **state)
{
    (void)state;
    assert_order("GZip", "gzip identity");
    assert_order("x-gzip", "gzip identity");
    assert_order("X-GZIP;q=0, *", "br identity");
}

static void malformed_elements_are_passed_over(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "gzip;q=2",    "gzip;q=1.001", "gzip;q=-1", "gzip;q=0.1234", "gzip;q=a",
        "gzip;q=",     "gzip;q",       "gzip;",     "gzip;x=0.5",    "gzip q=0.5",
        "gzip;q=0,5;", "gzip;q=.5",    "gzip;q= 1", "gzip;q=1;a=b",  "gzip;q=0x",
        "\"gzip\"",    ";q=1",         "=",         "gzi",           "gzipp"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_order(bad[i], "identity");
    assert_order("gzip;q=2, br;q=0.5", "br identity");
}

static void several_fields_are_one_list_and_the_first_mention_counts(void **state)
{
    (void)state;
    const http_field fields[] = {
        {.name = hub_text("accept-encoding"), .value = hub_text("gzip;q=0")},
        {.name = hub_text("Host"), .value = hub_text("br")},
        {.name = hub_text("ACCEPT-ENCODING"), .value = hub_text("gzip, br;q=0.1")},
    };
    assert_order_of(fields, 3, "br identity");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_field_or_with_an_empty_one_there_is_identity),
        cmocka_unit_test(named_codings_come_before_identity_and_brotli_first),
        cmocka_unit_test(weights_order),
        cmocka_unit_test(weight_0_is_not_acceptable),
        cmocka_unit_test(a_star_stands_for_what_is_not_named),
        cmocka_unit_test(names_have_no_case_and_one_has_an_old_form),
        cmocka_unit_test(malformed_elements_are_passed_over),
        cmocka_unit_test(several_fields_are_one_list_and_the_first_mention_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
