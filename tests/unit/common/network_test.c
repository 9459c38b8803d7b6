/* SPDX-License-Identifier: Apache-2.0 */
#include "common/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool has(const char *list, const char *peer)
{
    networks parsed;
    const char *wrong = networks_parse(&parsed, list);
    if (wrong)
        fail_msg("%s: %s", list, wrong);
    return networks_have_peer(&parsed, peer);
}

static void addresses_and_networks_hold_what_they_say(void **state)
{
    (void)state;
    assert_true(has("127.0.0.1, ::1", "127.0.0.1:80"));
    assert_true(has("127.0.0.1, ::1", "[::1]:80"));
    assert_false(has("127.0.0.1, ::1", "127.0.0.2:80"));
    assert_true(has("10.0.0.0/8", "10.255.0.1"));
    assert_false(has("10.0.0.0/8", "11.0.0.1"));
    assert_true(has("192.0.2.128/25", "192.0.2.129"));
    assert_false(has("192.0.2.128/25", "192.0.2.127"));
    assert_true(has("2001:db8::/33", "[2001:db8:7fff::1]:1"));
    assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(has("0.0.0.0/0", "192.0.2.7"));
    assert_false(has("0.0.0.0/0", "2001:db8::1"));
}

static void an_ipv4_address_is_the_same_in_ipv6(void **state)
{
    (void)state;
    assert_true(has("192.0.2.0/24", "[::ffff:192.0.2.7]:1"));
    assert_true(has("::ffff:192.0.2.7", "192.0.2.7"));
}

static void all_and_none_are_words(void **state)
{
    (void)state;
    assert_true(has("*", "192.0.2.7"));
    assert_true(has("*", "?"));
    assert_false(has("none", "127.0.0.1:1"));
    assert_false(has("127.0.0.1", "?"));
}

static void clients_of_unix_sockets_are_in_each_list_but_none(void **state)
{
    (void)state;
    assert_true(has("*", "unix:"));
    assert_true(has("192.0.2.7", "unix:"));
    assert_false(has("none", "unix:"));
}

static void what_is_no_network_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",           "x",           "1.2.3", "1.2.3.4/33",   "::1/129",
                                        "1.2.3.4/",   "1.2.3.4/-1",  "::1/a", "127.0.0.1, *", "[::1]",
                                        "1.2.3.4:80", "1.2.3.4/0008"};
    networks parsed;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (!networks_parse(&parsed, wrong[i]))
            fail_msg("\"%s\" was taken", wrong[i]);
}

static void a_list_has_room_for_64(void **state)
{
    (void)state;
    char text[65 * 8 + 1] = "";
    networks parsed;
    for (int i = 0; i < 64; i++)
        strcat(text, "1.2.3.4,");
    assert_null(networks_parse(&parsed, text));
    strcat(text, "1.2.3.4");
    assert_non_null(networks_parse(&parsed, text));
}

static void endpoints_are_written_as_they_are_read(void **state)
{
    (void)state;
    static const char *const same[] = {"192.0.2.7", "192.0.2.7:0", "192.0.2.7:65535", "2001:db8::1",
                                       "[2001:db8::1]:80"};
    network_address address;
    int port;
    char text[64];
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_true(network_parse_endpoint(same[i], strlen(same[i]), &address, &port));
        network_format_endpoint(&address, port, text);
        assert_string_equal(text, same[i]);
    }
    static const char *const wrong[] = {"",     ":80",    "192.0.2.7:", "192.0.2.7:65536", "[192.0.2.7]:1",
                                        "[::1", "[::1]x", "_hidden",    "unknown"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(network_parse_endpoint(wrong[i], strlen(wrong[i]), &address, &port));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_networks_hold_what_they_say),
        cmocka_unit_test(an_ipv4_address_is_the_same_in_ipv6),
        cmocka_unit_test(all_and_none_are_words),
        cmocka_unit_test(clients_of_unix_sockets_are_in_each_list_but_none),
        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(a_list_has_room_for_64),
        cmocka_unit_test(endpoints_are_written_as_they_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
