/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE     "\r\n\r\n\0\r\nQUIT\n"
#define LITERAL(text) hub_bytes_of(text, sizeof(text) - 1)

/* The header is whole with its last byte, not before, and what follows is not its own. */
static void assert_header(hub_bytes header, const char *client)
{
    char bytes[512];
    proxy_header found;
    memcpy(bytes, header.data, header.length);
    bytes[header.length] = 'G';
    for (size_t i = 0; i < header.length; i++)
        assert_int_equal(proxy_parse(hub_bytes_of(bytes, i), &found), PROXY_MORE);
    assert_int_equal(proxy_parse(hub_bytes_of(bytes, header.length + 1), &found), PROXY_DONE);
    assert_int_equal(found.length, header.length);
    assert_int_equal(found.known, client != NULL);
    if (client)
        assert_string_equal(found.client, client);
}

static void assert_wrong(hub_bytes bytes)
{
    proxy_header found;
    if (proxy_parse(bytes, &found) != PROXY_WRONG)
        fail_msg("taken: %.*s", (int)bytes.length, (const char *)bytes.data);
}

static void lines_name_the_client(void **state)
{
    (void)state;
    assert_header(LITERAL("PROXY TCP4 192.0.2.7 127.0.0.1 51000 80\r\n"), "192.0.2.7:51000");
    assert_header(LITERAL("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), "[2001:db8::1]:0");
    assert_header(LITERAL("PROXY UNKNOWN\r\n"), NULL);
    assert_header(LITERAL("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), NULL);
}

static void wrong_lines_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "GET / HTTP/1.1\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP5 192.0.2.7 127.0.0.1 51000 80\r\n",
        "PROXY TCP4 192.0.2.7 127.0.0.1 51000 80\n",
        "PROXY TCP4 192.0.2.7 127.0.0.1 51000\r\n",
        "PROXY TCP4 192.0.2.7 127.0.0.1 51000 80 \r\n",
        "PROXY TCP4  192.0.2.7 127.0.0.1 51000 80\r\n",
        "PROXY TCP4 192.0.2.7 127.0.0.1 051 80\r\n",
        "PROXY TCP4 192.0.2.7 127.0.0.1 65536 80\r\n",
        "PROXY TCP4 ::1 ::1 51000 80\r\n",
        "PROXY TCP6 192.0.2.7 127.0.0.1 51000 80\r\n",
        "proxy TCP4 192.0.2.7 127.0.0.1 51000 80\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_wrong(hub_text(wrong[i]));
}

static void a_line_has_107_bytes_at_most(void **state)
{
    (void)state;
    char line[160] = "PROXY UNKNOWN ";
    proxy_header found;
    memset(line + 14, 'x', sizeof line - 14);
    assert_int_equal(proxy_parse(hub_bytes_of(line, 106), &found), PROXY_MORE);
    assert_wrong(hub_bytes_of(line, 107));
    memcpy(line + 105, "\r\n", 2);
    assert_int_equal(proxy_parse(hub_bytes_of(line, 107), &found), PROXY_DONE);
}

static void binary_headers_name_the_client(void **state)
{
    (void)state;
    assert_header(LITERAL(SIGNATURE "\x21\x11\0\x0c\xc0\0\2\7\x7f\0\0\1\xc7\x38\0\x50"), "192.0.2.7:51000");
    assert_header(LITERAL(SIGNATURE "\x21\x21\0\x24 \1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                                    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\2"),
                  "[2001:db8::1]:1");
}

static void what_follows_the_addresses_is_skipped(void **state)
{
    (void)state;
    assert_header(LITERAL(SIGNATURE "\x21\x11\0\x11\xc0\0\2\7\x7f\0\0\1\xc7\x38\0\x50\4\0\2ab"),
                  "192.0.2.7:51000");
}

static void a_proxy_s_own_connection_and_other_families_name_nobody(void **state)
{
    (void)state;
    assert_header(LITERAL(SIGNATURE "\x20\0\0\0"), NULL);
    assert_header(LITERAL(SIGNATURE "\x20\x11\0\2ab"), NULL);
    assert_header(LITERAL(SIGNATURE "\x21\0\0\0"), NULL);
    assert_header(LITERAL(SIGNATURE "\x21\x12\0\x0c............"), NULL);
}

static void wrong_binary_headers_are_refused(void **state)
{
    (void)state;
    assert_wrong(LITERAL(SIGNATURE "\x11\x11\0\x0c............")); /* version 1 */
    assert_wrong(LITERAL(SIGNATURE "\x22\x11\0\x0c............")); /* no such command */
    assert_wrong(LITERAL(SIGNATURE "\x21\x11\0\x0b..........."));  /* too short for its family */
    assert_wrong(LITERAL(SIGNATURE "\x21\x31\0\x0b..........."));
    assert_wrong(LITERAL(SIGNATURE "\x21\x41\0\0"));   /* no such family */
    assert_wrong(LITERAL(SIGNATURE "\x21\x13\0\0"));   /* no such protocol */
    assert_wrong(LITERAL(SIGNATURE "\x21\x11\x10\0")); /* longer than is read */
    assert_wrong(LITERAL("\r\n\r\nGET"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_name_the_client),
        cmocka_unit_test(wrong_lines_are_refused),
        cmocka_unit_test(a_line_has_107_bytes_at_most),
        cmocka_unit_test(binary_headers_name_the_client),
        cmocka_unit_test(what_follows_the_addresses_is_skipped),
        cmocka_unit_test(a_proxy_s_own_connection_and_other_families_name_nobody),
        cmocka_unit_test(wrong_binary_headers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
