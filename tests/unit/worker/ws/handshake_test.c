/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/handshake.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const http_limits limits = {.request_line = 1000, .fields = 20, .head = 4000, .body = 1000};

/* Parses a request into static memory; the lines are everything between the request line and the end. */
static const http_head *request(const char *line, const char *lines)
{
    static char text[2000];
    static http_field fields[20];
    static http_head head;
    int length = snprintf(text, sizeof text, "%s\r\nHost: chat.example\r\n%s\r\n", line, lines);
    assert_true(length > 0 && (size_t)length < sizeof text);
    assert_int_equal(http_parse_head(hub_bytes_of(text, (size_t)length), &limits, fields, &head),
                     HTTP_ERROR_NONE);
    return &head;
}

#define UPGRADE "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static int verdict(const char *line, const char *lines)
{
    handshake_verdict found = handshake_check(request(line, lines));
    assert_true((found.status == 0) == (found.reason == NULL));
    return found.status;
}

static void the_accept_value_is_that_of_rfc_6455(void **state)
{
    (void)state;
    char out[HANDSHAKE_ACCEPT_LENGTH + 1];
    handshake_accept_key(hub_text("dGhlIHNhbXBsZSBub25jZQ=="), out);
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void a_key_is_16_bytes_in_base64(void **state)
{
    (void)state;
    assert_true(handshake_key_valid(hub_text("dGhlIHNhbXBsZSBub25jZQ==")));
    assert_true(handshake_key_valid(hub_text("AAAAAAAAAAAAAAAAAAAAAA==")));
    assert_true(handshake_key_valid(hub_text("+/+/+/+/+/+/+/+/+/+/+w==")));
    assert_false(handshake_key_valid(hub_text("")));
    assert_false(handshake_key_valid(hub_text("dGhlIHNhbXBsZSBub25jZQ=")));
    assert_false(handshake_key_valid(hub_text("dGhlIHNhbXBsZSBub25jZQ===")));
    assert_false(handshake_key_valid(hub_text("dGhlIHNhbXBsZSBub25jZQAA")));
    assert_false(handshake_key_valid(hub_text("dGhlIHNhbXBsZSBub25jZA!=")));
    assert_false(handshake_key_valid(hub_text("dGhlIHNhbXB_ZSBub25jZQ==")));
    assert_false(handshake_key_valid(hub_text("dGhlIHNhbXBsZSBub25jZR==")));
    assert_false(handshake_key_valid(hub_bytes_of("dGhlIHNh\0XBsZSBub25jZQ==", 24)));
}

static void a_right_request_is_accepted(void **state)
{
    (void)state;
    handshake_verdict found = handshake_check(request("GET /chat HTTP/1.1", UPGRADE KEY VERSION));
    assert_int_equal(found.status, 0);
    assert_true(hub_equal(found.key, hub_text("dGhlIHNhbXBsZSBub25jZQ==")));
    assert_int_equal(
        verdict("GET / HTTP/1.1", "upgrade: h2c, WebSocket\r\nCONNECTION: upgrade\r\n" KEY VERSION), 0);
    assert_int_equal(verdict("GET / HTTP/1.1", "Content-Length: 0\r\n" UPGRADE KEY VERSION), 0);
}

static void a_wrong_request_is_refused_with_its_status(void **state)
{
    (void)state;
    assert_int_equal(verdict("POST / HTTP/1.1", UPGRADE KEY VERSION), 405);
    assert_int_equal(verdict("GET / HTTP/1.1", KEY VERSION), 426);
    assert_int_equal(verdict("GET / HTTP/1.1", "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION), 426);
    assert_int_equal(verdict("GET / HTTP/1.1", "Upgrade: websocket\r\nConnection: close\r\n" KEY VERSION),
                     400);
    assert_int_equal(verdict("GET / HTTP/1.1", UPGRADE KEY), 426);
    assert_int_equal(verdict("GET / HTTP/1.1", UPGRADE KEY "Sec-WebSocket-Version: 8\r\n"), 426);
    assert_int_equal(verdict("GET / HTTP/1.1", UPGRADE KEY VERSION VERSION), 400);
    assert_int_equal(verdict("GET / HTTP/1.1", UPGRADE VERSION), 400);
    assert_int_equal(verdict("GET / HTTP/1.1", UPGRADE KEY KEY VERSION), 400);
    assert_int_equal(verdict("GET / HTTP/1.1", UPGRADE VERSION "Sec-WebSocket-Key: short\r\n"), 400);
    assert_int_equal(verdict("GET / HTTP/1.0", UPGRADE KEY VERSION), 400);
    assert_int_equal(verdict("GET / HTTP/1.1", "Content-Length: 5\r\n" UPGRADE KEY VERSION), 400);
    assert_int_equal(verdict("GET / HTTP/1.1", "Transfer-Encoding: chunked\r\n" UPGRADE KEY VERSION), 400);
}

static hub_bytes chosen(const char *offered, const char *supported)
{
    char line[100];
    snprintf(line, sizeof line, "Sec-WebSocket-Protocol: %s\r\n", offered);
    return handshake_subprotocol(request("GET / HTTP/1.1", line), hub_text(supported));
}

static void the_best_subprotocol_that_both_know_is_chosen(void **state)
{
    (void)state;
    const char *supported = "chat.v2, chat.v1";
    assert_true(hub_equal(chosen("chat.v1,chat.v2", supported), hub_text("chat.v2")));
    assert_true(hub_equal(chosen("x , chat.v1", supported), hub_text("chat.v1")));
    assert_int_equal(chosen("CHAT.V1, chat", supported).length, 0);
    assert_int_equal(chosen("", supported).length, 0);
    assert_int_equal(chosen("chat.v1", NULL).length, 0);
}

static void subprotocols_may_be_offered_on_several_lines(void **state)
{
    (void)state;
    const http_head *head =
        request("GET / HTTP/1.1", "Sec-WebSocket-Protocol: a, b\r\nsec-websocket-protocol: c\r\n");
    assert_true(hub_equal(handshake_subprotocol(head, hub_text("d, c, a")), hub_text("c")));
    assert_int_equal(handshake_subprotocol(head, hub_text("d")).length, 0);
}

static bool origin_ok(const char *origin, const char *host, const char *policy)
{
    return handshake_origin_matches(hub_text(origin), hub_text(host), hub_text(policy));
}

static void the_star_allows_every_origin(void **state)
{
    (void)state;
    assert_true(origin_ok("https://anywhere.example", "chat.example", "*"));
    assert_true(origin_ok("null", "chat.example", "*"));
}

/* A request of HTTP/1.0 may have no Host: there is nothing that the origin could be the same as. */
static void same_is_never_true_without_a_host(void **state)
{
    (void)state;
    assert_false(handshake_origin_matches(hub_text("http://chat.example"), (hub_bytes){0}, hub_text("same")));
    assert_false(origin_ok("http://", "", "same"));
}

static void same_compares_host_and_port_with_default_ports(void **state)
{
    (void)state;
    assert_true(origin_ok("http://chat.example", "chat.example", "same"));
    assert_true(origin_ok("https://chat.example", "chat.example", "same"));
    assert_true(origin_ok("http://chat.example", "chat.example:80", "same"));
    assert_true(origin_ok("https://chat.example:443", "CHAT.example", "same"));
    assert_true(origin_ok("http://127.0.0.1:8000", "127.0.0.1:8000", "same"));
    assert_true(origin_ok("http://[::1]:8000", "[::1]:8000", "same"));
    assert_false(origin_ok("http://chat.example", "chat.example:8000", "same"));
    assert_false(origin_ok("https://chat.example", "chat.example:80", "same"));
    assert_false(origin_ok("http://evil.example", "chat.example", "same"));
    assert_false(origin_ok("http://chat.example.evil.example", "chat.example", "same"));
    assert_false(origin_ok("ftp://chat.example", "chat.example", "same"));
    assert_false(origin_ok("null", "chat.example", "same"));
    assert_false(origin_ok("", "chat.example", "same"));
    assert_false(origin_ok("http://chat.example", "", "same"));
    assert_false(origin_ok("http://chat.example/", "chat.example", "same"));
    assert_false(origin_ok("http://chat.example@evil.example", "chat.example", "same"));
}

static void a_list_allows_its_origins_only(void **state)
{
    (void)state;
    const char *list = "https://a.example, http://b.example:8080, same, null";
    assert_true(origin_ok("https://a.example", "x", list));
    assert_true(origin_ok("https://A.example:443", "x", list));
    assert_true(origin_ok("http://b.example:8080", "x", list));
    assert_true(origin_ok("http://chat.example", "chat.example", list));
    assert_true(origin_ok("null", "x", list));
    assert_false(origin_ok("http://a.example", "x", list));
    assert_false(origin_ok("http://b.example", "x", list));
    assert_false(origin_ok("https://a.example.evil.example", "x", list));
    assert_false(origin_ok("https://a.example", "x", ""));
}

static void a_request_without_an_origin_is_allowed_and_one_with_two_is_not(void **state)
{
    (void)state;
    assert_true(handshake_origin_allowed(request("GET / HTTP/1.1", ""), hub_text("same")));
    assert_true(handshake_origin_allowed(request("GET / HTTP/1.1", "Origin: http://chat.example\r\n"),
                                         hub_text("same")));
    assert_false(handshake_origin_allowed(request("GET / HTTP/1.1", "Origin: http://other.example\r\n"),
                                          hub_text("same")));
    assert_false(handshake_origin_allowed(
        request("GET / HTTP/1.1", "Origin: http://chat.example\r\nOrigin: http://chat.example\r\n"),
        hub_text("*")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_accept_value_is_that_of_rfc_6455),
        cmocka_unit_test(a_key_is_16_bytes_in_base64),
        cmocka_unit_test(a_right_request_is_accepted),
        cmocka_unit_test(a_wrong_request_is_refused_with_its_status),
        cmocka_unit_test(the_best_subprotocol_that_both_know_is_chosen),
        cmocka_unit_test(subprotocols_may_be_offered_on_several_lines),
        cmocka_unit_test(the_star_allows_every_origin),
        cmocka_unit_test(same_is_never_true_without_a_host),
        cmocka_unit_test(same_compares_host_and_port_with_default_ports),
        cmocka_unit_test(a_list_allows_its_origins_only),
        cmocka_unit_test(a_request_without_an_origin_is_allowed_and_one_with_two_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
