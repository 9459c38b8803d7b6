/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static http_field lines[4];
static http_head head = {.fields = lines};
static networks trusted;

static void say(size_t line, const char *name, const char *value)
{
    lines[line] = (http_field){.name = hub_text(name), .value = hub_text(value)};
    head.field_count = line + 1;
}

static const char *client(void)
{
    static char text[64];
    return forwarded_client(&head, "10.0.0.1:4000", text);
}

static const char *scheme(void)
{
    return forwarded_scheme(&head, "10.0.0.1:4000");
}

static int trust_the_ten_net(void **state)
{
    (void)state;
    head.field_count = 0;
    forwarded_open(&trusted);
    return networks_parse(&trusted, "10.0.0.0/8") ? -1 : 0;
}

static void the_last_that_is_no_proxy_is_the_client(void **state)
{
    (void)state;
    say(0, "X-Forwarded-For", "203.0.113.9, 198.51.100.1, 10.1.2.3");
    assert_string_equal(client(), "198.51.100.1");
    say(0, "x-forwarded-for", "198.51.100.1:17");
    assert_string_equal(client(), "198.51.100.1:17");
    say(0, "X-Forwarded-For", "2001:db8::1");
    assert_string_equal(client(), "2001:db8::1");
}

static void several_lines_are_one_list(void **state)
{
    (void)state;
    say(0, "X-Forwarded-For", "203.0.113.9");
    say(1, "Accept", "*/*");
    say(2, "X-Forwarded-For", "10.9.9.9,10.1.2.3");
    assert_string_equal(client(), "203.0.113.9");
}

static void when_all_are_proxies_the_first_is_the_client(void **state)
{
    (void)state;
    say(0, "X-Forwarded-For", "10.2.2.2, 10.1.1.1");
    assert_string_equal(client(), "10.2.2.2");
}

static void what_stands_left_of_nonsense_is_not_read(void **state)
{
    (void)state;
    say(0, "X-Forwarded-For", "203.0.113.9, unknown, 10.1.1.1");
    assert_string_equal(client(), "10.1.1.1");
    say(0, "X-Forwarded-For", "203.0.113.9,");
    assert_string_equal(client(), "10.0.0.1:4000");
}

static void forwarded_is_read_where_there_is_no_other(void **state)
{
    (void)state;
    say(0, "Forwarded", "for=203.0.113.9, for=\"[2001:db8::1]:17\";proto=https;by=10.0.0.9, For=10.3.3.3");
    assert_string_equal(client(), "[2001:db8::1]:17");
    say(0, "Forwarded", "for=198.51.100.1;proto=https");
    assert_string_equal(scheme(), "https");
    say(1, "X-Forwarded-For", "198.51.100.2");
    assert_string_equal(client(), "198.51.100.2");
    assert_string_equal(scheme(), "http");
}

static void a_quote_without_end_hides_no_proxy(void **state)
{
    (void)state;
    say(0, "Forwarded", "for=\"203.0.113.9, for=198.51.100.1");
    assert_string_equal(client(), "198.51.100.1");
}

static void the_scheme_is_the_last_proxy_s_word(void **state)
{
    (void)state;
    assert_string_equal(scheme(), "http");
    say(0, "X-Forwarded-Proto", "https");
    assert_string_equal(scheme(), "https");
    say(0, "X-Forwarded-Proto", "https, HTTP");
    assert_string_equal(scheme(), "http");
    say(0, "X-Forwarded-Proto", "wss");
    assert_string_equal(scheme(), "https");
    say(0, "X-Forwarded-Proto", "");
    assert_string_equal(scheme(), "http");
}

static void others_are_not_believed(void **state)
{
    (void)state;
    char text[64];
    say(0, "X-Forwarded-For", "203.0.113.9");
    say(1, "X-Forwarded-Proto", "https");
    assert_string_equal(forwarded_client(&head, "192.0.2.1:1", text), "192.0.2.1:1");
    assert_string_equal(forwarded_scheme(&head, "192.0.2.1:1"), "http");
    forwarded_open(NULL);
    assert_string_equal(client(), "10.0.0.1:4000");
}

#define TEST(name) cmocka_unit_test_setup(name, trust_the_ten_net)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_that_is_no_proxy_is_the_client),      TEST(several_lines_are_one_list),
        TEST(when_all_are_proxies_the_first_is_the_client), TEST(what_stands_left_of_nonsense_is_not_read),
        TEST(forwarded_is_read_where_there_is_no_other),    TEST(a_quote_without_end_hides_no_proxy),
        TEST(the_scheme_is_the_last_proxy_s_word),          TEST(others_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
