/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { FIELDS = 8 };
static const http_limits limits = {.request_line = 200, .fields = FIELDS, .head = 1000, .body = 1000};

static http_field fields[FIELDS];
static http_head head;

/* Parses bytes as they stand in memory of exactly their size, so that a sanitizer sees a step beyond it. */
static http_error parse_bytes(const char *text, size_t length)
{
    static char *copy;
    free(copy);
    copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    return http_parse_head(hub_bytes_of(copy, length), &limits, fields, &head);
}

static int status_of(const char *text)
{
    return http_error_status(parse_bytes(text, strlen(text)));
}

/* The status for a GET with these further lines. */
static int status_with(const char *lines)
{
    char text[2000];
    snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);
    return status_of(text);
}

static int status_of_target(const char *target)
{
    char text[2000];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target);
    return status_of(text);
}

static void assert_text(hub_bytes bytes, const char *expected)
{
    assert_true(hub_equal(bytes, hub_text(expected)));
}

/* ---- the end of a head ---- */

static void the_end_of_a_head_is_found_however_it_arrives(void **state)
{
    (void)state;
    const char *texts[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                           "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
                           "GET /\n\n",
                           "GET /\r\nA: b\n\r\n",
                           "\n",
                           "\r\n\r\n\r\n\r\n\r\n",
                           "GET /\r\r\n\r\r\n\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t scanned = 0, length = strlen(texts[i]);
        char longer[100];
        snprintf(longer, sizeof longer, "%s%s", texts[i], "rest\r\n\r\n");
        assert_int_equal(http_head_end(longer, strlen(longer), &scanned), length);
        for (size_t step = 1; step < 6; step++) {
            size_t end = 0, given = 0;
            scanned = 0;
            while (end == 0) {
                assert_true(given < length);
                given += step;
                assert_true(scanned <= given);
                end = http_head_end(longer, given, &scanned);
            }
            assert_int_equal(end, length);
        }
    }
}

static void an_endless_head_is_scanned_once(void **state)
{
    (void)state;
    char text[500];
    size_t scanned = 0;
    memset(text, 'x', sizeof text);
    for (size_t length = 1; length < sizeof text; length++) {
        assert_int_equal(http_head_end(text, length, &scanned), 0);
        assert_int_equal(scanned, length);
    }
}

static http_error check(const char *text)
{
    return http_head_check(text, strlen(text), &limits);
}

static void waiting_ends_when_a_limit_is_passed_or_the_start_is_wrong(void **state)
{
    (void)state;
    char text[1100];
    assert_int_equal(check(""), HTTP_ERROR_NONE);
    assert_int_equal(check("GET"), HTTP_ERROR_NONE);
    assert_int_equal(check("\r"), HTTP_ERROR_NONE);
    assert_int_equal(check("\r\nG"), HTTP_ERROR_NONE);
    assert_int_equal(check("\x16\x03\x01"), HTTP_ERROR_REQUEST_LINE);
    assert_int_equal(check("\r\n "), HTTP_ERROR_REQUEST_LINE);
    memset(text, 'x', sizeof text);
    assert_int_equal(http_head_check(text, 201, &limits), HTTP_ERROR_NONE);
    assert_int_equal(http_head_check(text, 202, &limits), HTTP_ERROR_LINE_TOO_LONG);
    text[200] = '\r';
    text[201] = '\n';
    assert_int_equal(http_head_check(text, 999, &limits), HTTP_ERROR_NONE);
    assert_int_equal(http_head_check(text, 1000, &limits), HTTP_ERROR_HEAD_TOO_LARGE);
}

/* What is refused while a head is not whole yet is refused for the same reason when it comes at once. */
static void a_refusal_does_not_depend_on_how_the_head_came(void **state)
{
    (void)state;
    char text[400];
    const char *const wrong_from_the_start[] = {"/G ET / H\re\n\r\n\r\n", " GET / HTTP/1.1\n\n",
                                                "\x16\x03\n\n"};
    for (size_t i = 0; i < 3; i++) {
        const char *whole = wrong_from_the_start[i];
        assert_int_equal(http_head_check(whole, 1, &limits), HTTP_ERROR_REQUEST_LINE);
        assert_int_equal(http_parse_head(hub_text(whole), &limits, fields, &head), HTTP_ERROR_REQUEST_LINE);
    }
    memset(text, 'x', sizeof text);
    memcpy(text + 300, "\n\n", 2); /* a bare LF, too late */
    assert_int_equal(http_head_check(text, 250, &limits), HTTP_ERROR_LINE_TOO_LONG);
    assert_int_equal(http_parse_head(hub_bytes_of(text, 302), &limits, fields, &head),
                     HTTP_ERROR_LINE_TOO_LONG);
}

/* ---- request line ---- */

static void a_request_is_taken_apart(void **state)
{
    (void)state;
    assert_int_equal(status_of("POST /a/b?x=1&y HTTP/1.1\r\nHost: example.com:8000\r\nX-Empty:\r\nX-Long: \t "
                               "a  b \t\r\ncontent-length: 5\r\n\r\n"),
                     0);
    assert_text(head.method, "POST");
    assert_text(head.target, "/a/b?x=1&y");
    assert_text(head.path, "/a/b");
    assert_text(head.query, "x=1&y");
    assert_text(head.host, "example.com:8000");
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.framing, HTTP_BODY_LENGTH);
    assert_int_equal(head.content_length, 5);
    assert_true(head.keep_alive);
    assert_false(head.upgrade || head.expect_continue);
    assert_int_equal(head.field_count, 4);
    assert_text(head.fields[1].name, "X-Empty");
    assert_text(head.fields[1].value, "");
    assert_text(http_head_get(&head, "x-long"), "a  b");
    assert_null(http_head_get(&head, "x-none").data);
}

static void a_query_may_be_absent_or_empty(void **state)
{
    (void)state;
    assert_int_equal(status_of_target("/"), 0);
    assert_null(head.query.data);
    assert_int_equal(status_of_target("/?"), 0);
    assert_non_null(head.query.data);
    assert_int_equal(head.query.length, 0);
    assert_int_equal(status_of_target("/a?b?c"), 0);
    assert_text(head.query, "b?c");
}

/* RFC 9112, section 3.2.2 */
static void the_absolute_form_gives_path_and_host(void **state)
{
    (void)state;
    assert_int_equal(status_of_target("http://example.com/x?y"), 0);
    assert_text(head.path, "/x");
    assert_text(head.query, "y");
    assert_text(head.host, "example.com");
    assert_int_equal(status_of_target("HTTPS://example.com:8443"), 0);
    assert_text(head.path, "/");
    assert_text(head.host, "example.com:8443");
    assert_int_equal(status_of_target("http://example.com?q"), 0);
    assert_text(head.path, "/");
    assert_text(head.query, "q");
    assert_int_equal(status_of_target("http:///x"), 400);
    assert_int_equal(status_of_target("http://user@example.com/"), 400);
    assert_int_equal(status_of_target("ftp://example.com/"), 400);
}

/* RFC 9112, section 3.2.4 */
static void the_asterisk_form_is_for_options(void **state)
{
    (void)state;
    assert_int_equal(status_of("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    assert_text(head.path, "*");
    assert_int_equal(status_of("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    assert_text(head.path, "*");
    assert_int_equal(status_of_target("*"), 400);
}

static void targets_that_are_no_path_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {"", "a", "?", "/a#b", "/a\tb", "/\x01", "/\x7F", "/\xC3\xA4", "**", "//a b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(status_of_target(bad[i]), 400);
    assert_int_equal(parse_bytes("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 29), HTTP_ERROR_TARGET);
    assert_int_equal(status_of_target("/a%20b;c=d,e|f{g}"), 0);
}

static void an_unknown_method_and_connect_are_not_implemented(void **state)
{
    (void)state;
    assert_int_equal(status_of("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
    assert_int_equal(status_of("get / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
    assert_int_equal(status_of("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
    assert_int_equal(status_of("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    assert_int_equal(status_of("PATCH / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    assert_int_equal(status_of("VERSION-CONTROL / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    assert_int_equal(status_of("GETS / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
    assert_int_equal(status_of("GE / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
}

static void a_malformed_request_line_is_refused(void **state)
{
    (void)state;
    const char *bad[] = {"",
                         "GET",
                         "GET /",
                         "GET / ",
                         " GET / HTTP/1.1",
                         "GET  / HTTP/1.1",
                         "GET /  HTTP/1.1",
                         "GET / HTTP/1.1 ",
                         "GET\t/ HTTP/1.1",
                         "GET / http/1.1",
                         "GET / HTTP/1",
                         "GET / HTTP/1.",
                         "GET / HTTP/1.10",
                         "GET / HTTP/01.1",
                         "GET / HTTP/1,1",
                         "GET / HTTP/a.1",
                         "G@T / HTTP/1.1",
                         "GET / XTTP/1.1",
                         "GET / HTTP/1.1\r"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100];
        snprintf(text, sizeof text, "%s\r\nHost: a\r\n\r\n", bad[i]);
        assert_int_equal(status_of(text), 400);
    }
}

static void only_versions_1_are_spoken(void **state)
{
    (void)state;
    assert_int_equal(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
    assert_int_equal(head.minor, 0);
    assert_int_equal(status_of("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), 0);
    assert_int_equal(head.minor, 1);
    assert_int_equal(status_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
    assert_int_equal(status_of("PRI * HTTP/2.0\r\n\r\n"), 505);
    assert_int_equal(status_of("GET / HTTP/0.9\r\n\r\n"), 505);
}

static void empty_lines_before_a_request_are_passed_over(void **state)
{
    (void)state;
    assert_int_equal(status_of("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    assert_text(head.method, "GET");
    assert_int_equal(status_of("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(status_of("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
}

/* ---- lines and fields ---- */

/* RFC 9112, section 2.2 */
static void bare_line_feeds_and_carriage_returns_are_refused(void **state)
{
    (void)state;
    assert_int_equal(status_of("GET / HTTP/1.1\nHost: a\r\n\r\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\n\n"), 400);
    assert_int_equal(status_with("A: b\rc\r\n"), 400);
    assert_int_equal(status_with("A: b\r\r\n"), 400);
    assert_int_equal(status_with("A\r: b\r\n"), 400);
}

static void what_does_not_end_with_its_only_blank_line_is_no_head(void **state)
{
    (void)state;
    assert_int_equal(status_of(""), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a\r\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a\r\n\r"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a\r\n\r\nx"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n"), 400);
}

/* RFC 9112, section 5.2 */
static void folded_fields_are_refused(void **state)
{
    (void)state;
    assert_int_equal(status_with("A: b\r\n c\r\n"), 400);
    assert_int_equal(status_with("A: b\r\n\tc\r\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400);
}

/* RFC 9112, section 5.1; RFC 9110, sections 5.1 and 5.5 */
static void malformed_fields_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {"A : b\r\n",   "A\t: b\r\n",     ": b\r\n",          "A\r\n",
                         "A b: c\r\n",  "A(: c\r\n",      "A\xC3\xA4: c\r\n", "A: b\x01\r\n",
                         "A: \x7F\r\n", "A: \x1B[0m\r\n", "\x01: b\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(status_with(bad[i]), 400);
    const char nul_in_value[] = "GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n";
    const char nul_in_name[] = "GET / HTTP/1.1\r\nHost: a\r\nA\0: b\r\n\r\n";
    assert_int_equal(http_error_status(parse_bytes(nul_in_value, sizeof nul_in_value - 1)), 400);
    assert_int_equal(http_error_status(parse_bytes(nul_in_name, sizeof nul_in_name - 1)), 400);
    assert_int_equal(status_with("A: b\tc \xC3\xA4\r\n"), 0);
}

/* Values are looked at several bytes at a time: none may slip through, wherever it stands. */
static void a_bad_byte_is_found_at_every_place_of_a_value(void **state)
{
    (void)state;
    for (size_t length = 1; length < 40; length++)
        for (size_t at = 0; at < length; at++)
            for (int c = 0; c < 256; c++) {
                char text[200];
                int start = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nA:");
                memset(text + start, at % 2 ? 'x' : '\xE4', length);
                text[start + (int)at] = (char)c;
                memcpy(text + start + length, "\r\n\r\n", 4);
                bool good = (c >= 0x20 && c != 0x7F) || c == '\t';
                http_error error =
                    http_parse_head(hub_bytes_of(text, (size_t)start + length + 4), &limits, fields, &head);
                assert_int_equal(error, good                     ? HTTP_ERROR_NONE
                                        : c == '\n' || c == '\r' ? HTTP_ERROR_LINE_END
                                                                 : HTTP_ERROR_FIELD);
            }
}

/* RFC 9110, section 5.1: other names that begin like those that matter are other names. */
static void names_that_only_begin_like_known_ones_mean_nothing(void **state)
{
    (void)state;
    assert_int_equal(
        status_with("Transfer-EncodingZ: x\r\nContent-Lengthy: x\r\nHosts: b\r\nConnections: close\r\n"), 0);
    assert_int_equal(head.framing, HTTP_BODY_NONE);
    assert_true(head.keep_alive);
}

static void limits_have_their_statuses(void **state)
{
    (void)state;
    char text[1200], target[200];
    memset(target, 'a', sizeof target);
    target[0] = '/';
    target[187] = '\0'; /* with "GET " and " HTTP/1.1" 200 bytes */
    assert_int_equal(status_of_target(target), 0);
    target[187] = 'a';
    target[188] = '\0';
    assert_int_equal(status_of_target(target), 414);

    assert_int_equal(status_with("1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n"), 0);
    assert_int_equal(head.field_count, FIELDS);
    assert_int_equal(status_with("1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n8:\r\n"), 431);

    int length = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nA: ");
    memset(text + length, 'x', sizeof text - (size_t)length);
    memcpy(text + 996, "\r\n\r\n", 5);
    assert_int_equal(status_of(text), 0);
    memcpy(text + 996, "xx\r\n\r\n", 7);
    assert_int_equal(status_of(text), 431);
}

/* ---- Host: RFC 9112, section 3.2 ---- */

static void a_host_must_be_there_once_in_1_1(void **state)
{
    (void)state;
    assert_int_equal(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(status_of("GET http://a/ HTTP/1.1\r\n\r\n"), 400);
}

static void a_host_must_be_well_formed(void **state)
{
    (void)state;
    const char *good[] = {"a",       "a.example:80", "127.0.0.1:8000", "[::1]:8000",
                          "[::1]",   "a:",           "A-b_c~d",        "%41b",
                          "a:65535", "a,b",          "[v1.a:b]",       "[::ffff:1.2.3.4]"};
    const char *bad[] = {"",       "a b",     "a/b",     "a@b",
                         "a:b",    "a:80:80", "a:65536", "a:99999999999999999999",
                         ":80",    "[",       "[]",      "[::1",
                         "[::1]x", "%zz",     "a%4",     "a\"b",
                         "a?b",    "a\\b",    "[::zz]",  "[1:2:3:4:5:6:7:8:9]",
                         "[v1]",   "[v.a]",   "[v1.]",   "[v1.[]"};
    char text[200];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", good[i]);
        assert_int_equal(status_of(text), 0);
        assert_text(head.host, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
        assert_int_equal(status_of(text), 400);
    }
}

/* ---- framing: RFC 9112, section 6 ---- */

static void content_length_is_one_decimal_number(void **state)
{
    (void)state;
    const char *bad[] = {"",
                         "+5",
                         "-5",
                         "5 5",
                         "5,5",
                         "5, 5",
                         "0x5",
                         "5a",
                         "5.0",
                         "9223372036854775808",
                         "18446744073709551616",
                         "99999999999999999999999",
                         "\"5\""};
    char text[200];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "Content-Length: %s\r\n", bad[i]);
        assert_int_equal(status_with(text), 400);
    }
    assert_int_equal(status_with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
    assert_int_equal(status_with("Content-Length: 5\r\nContent-Length: 6\r\n"), 400);
    assert_int_equal(status_with("Content-Length: 0005 \r\n"), 0);
    assert_int_equal(head.content_length, 5);
    assert_int_equal(status_with("Content-Length: 0\r\n"), 0);
    assert_int_equal(head.framing, HTTP_BODY_LENGTH);
    assert_int_equal(status_with(""), 0);
    assert_int_equal(head.framing, HTTP_BODY_NONE);
}

static void a_declared_length_above_the_limit_is_too_large(void **state)
{
    (void)state;
    assert_int_equal(status_with("Content-Length: 1000\r\n"), 0);
    assert_int_equal(status_with("Content-Length: 1001\r\n"), 413);
    assert_int_equal(status_with("Content-Length: 9223372036854775807\r\n"), 413);
}

static void a_body_is_chunked_when_chunked_is_the_only_coding(void **state)
{
    (void)state;
    assert_int_equal(status_with("Transfer-Encoding: chunked\r\n"), 0);
    assert_int_equal(head.framing, HTTP_BODY_CHUNKED);
    assert_int_equal(status_with("transfer-encoding: CHUNKED \r\n"), 0);
    assert_int_equal(head.framing, HTTP_BODY_CHUNKED);
}

static void other_transfer_codings_are_refused(void **state)
{
    (void)state;
    assert_int_equal(status_with("Transfer-Encoding: gzip, chunked\r\n"), 501);
    assert_int_equal(status_with("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), 501);
    const char *bad[] = {"",
                         "gzip",
                         "identity",
                         "xchunked",
                         "chunkedx",
                         "chunked, chunked",
                         "chunked, gzip",
                         "chunked;a=b",
                         "\"chunked\"",
                         ",chunked",
                         "chunked,",
                         "chunked chunked",
                         "\vchunked"};
    char text[200];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "Transfer-Encoding: %s\r\n", bad[i]);
        assert_int_equal(status_with(text), 400);
    }
    assert_int_equal(status_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400);
}

/* RFC 9112, sections 6.1 and 6.3 */
static void content_length_with_transfer_encoding_and_chunked_in_1_0_are_refused(void **state)
{
    (void)state;
    assert_int_equal(status_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
    assert_int_equal(status_with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400);
    assert_int_equal(status_of("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

/* RFC 9110, section 15.5.12; RFC 1945, section 8.3 */
static void a_body_in_1_0_needs_a_length(void **state)
{
    (void)state;
    assert_int_equal(status_of("POST / HTTP/1.0\r\n\r\n"), 411);
    assert_int_equal(status_of("PUT / HTTP/1.0\r\n\r\n"), 411);
    assert_int_equal(status_of("PATCH / HTTP/1.0\r\n\r\n"), 411);
    assert_int_equal(status_of("POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n"), 0);
    assert_int_equal(status_of("DELETE / HTTP/1.0\r\n\r\n"), 0);
    assert_int_equal(status_of("POST / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
}

/* ---- connection and expectations ---- */

/* RFC 9112, section 9.3 */
static void a_connection_is_kept_alive_by_version_and_options(void **state)
{
    (void)state;
    assert_int_equal(status_with("Connection: close\r\n"), 0);
    assert_false(head.keep_alive);
    assert_int_equal(status_with("Connection: keep-alive, CLOSE\r\n"), 0);
    assert_false(head.keep_alive);
    assert_int_equal(status_with("Connection: x\r\n"), 0);
    assert_true(head.keep_alive);
    assert_int_equal(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
    assert_false(head.keep_alive);
    assert_int_equal(status_of("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0);
    assert_true(head.keep_alive);
}

static void an_upgrade_needs_both_fields(void **state)
{
    (void)state;
    assert_int_equal(status_with("Connection: Upgrade\r\nUpgrade: websocket\r\n"), 0);
    assert_true(head.upgrade);
    assert_true(http_head_has(&head, "upgrade", "WebSocket"));
    assert_int_equal(status_with("Upgrade: websocket\r\n"), 0);
    assert_false(head.upgrade);
    assert_int_equal(status_with("Connection: Upgrade\r\n"), 0);
    assert_false(head.upgrade);
    assert_int_equal(status_of("GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), 0);
    assert_false(head.upgrade); /* RFC 9110, section 7.8 */
}

/* RFC 9110, section 10.1.1 */
static void an_expectation_is_100_continue_or_fails(void **state)
{
    (void)state;
    assert_int_equal(status_with("Expect: 100-Continue\r\nContent-Length: 5\r\n"), 0);
    assert_true(head.expect_continue);
    assert_int_equal(status_with("Expect: the-unexpected\r\n"), 417);
    assert_int_equal(status_of("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), 0);
    assert_false(head.expect_continue);
}

static void fields_are_counted_and_searched_on_all_their_lines(void **state)
{
    (void)state;
    assert_int_equal(status_with("Accept: a\r\nACCEPT: b, c\r\n"), 0);
    assert_int_equal(http_head_count(&head, "accept"), 2);
    assert_int_equal(http_head_count(&head, "cookie"), 0);
    assert_text(http_head_get(&head, "accept"), "a");
    assert_true(http_head_has(&head, "accept", "C"));
    assert_false(http_head_has(&head, "accept", "d"));
}

static void every_error_has_a_status_and_a_text(void **state)
{
    (void)state;
    assert_int_equal(http_error_status(HTTP_ERROR_NONE), 0);
    for (int error = HTTP_ERROR_NONE + 1; error <= HTTP_ERROR_TRAILERS_TOO_LARGE; error++) {
        assert_in_range(http_error_status((http_error)error), 400, 599);
        assert_true(strlen(http_error_text((http_error)error)) > 10);
    }
}

static void a_field_above_its_limit_is_too_large(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: 123456\r\n\r\n";
    http_limits short_ones = limits;
    short_ones.field = 9; /* "X: 123456" */
    assert_int_equal(http_parse_head(hub_text(text), &short_ones, fields, &head), HTTP_ERROR_NONE);
    short_ones.field = 8;
    assert_int_equal(http_parse_head(hub_text(text), &short_ones, fields, &head), HTTP_ERROR_FIELD_TOO_LARGE);
    assert_int_equal(http_error_status(HTTP_ERROR_FIELD_TOO_LARGE), 431);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_above_its_limit_is_too_large),
        cmocka_unit_test(the_end_of_a_head_is_found_however_it_arrives),
        cmocka_unit_test(an_endless_head_is_scanned_once),
        cmocka_unit_test(waiting_ends_when_a_limit_is_passed_or_the_start_is_wrong),
        cmocka_unit_test(a_refusal_does_not_depend_on_how_the_head_came),
        cmocka_unit_test(a_request_is_taken_apart),
        cmocka_unit_test(a_query_may_be_absent_or_empty),
        cmocka_unit_test(the_absolute_form_gives_path_and_host),
        cmocka_unit_test(the_asterisk_form_is_for_options),
        cmocka_unit_test(targets_that_are_no_path_are_refused),
        cmocka_unit_test(an_unknown_method_and_connect_are_not_implemented),
        cmocka_unit_test(a_malformed_request_line_is_refused),
        cmocka_unit_test(only_versions_1_are_spoken),
        cmocka_unit_test(empty_lines_before_a_request_are_passed_over),
        cmocka_unit_test(bare_line_feeds_and_carriage_returns_are_refused),
        cmocka_unit_test(what_does_not_end_with_its_only_blank_line_is_no_head),
        cmocka_unit_test(folded_fields_are_refused),
        cmocka_unit_test(malformed_fields_are_refused),
        cmocka_unit_test(a_bad_byte_is_found_at_every_place_of_a_value),
        cmocka_unit_test(names_that_only_begin_like_known_ones_mean_nothing),
        cmocka_unit_test(limits_have_their_statuses),
        cmocka_unit_test(a_host_must_be_there_once_in_1_1),
        cmocka_unit_test(a_host_must_be_well_formed),
        cmocka_unit_test(content_length_is_one_decimal_number),
        cmocka_unit_test(a_declared_length_above_the_limit_is_too_large),
        cmocka_unit_test(a_body_is_chunked_when_chunked_is_the_only_coding),
        cmocka_unit_test(other_transfer_codings_are_refused),
        cmocka_unit_test(content_length_with_transfer_encoding_and_chunked_in_1_0_are_refused),
        cmocka_unit_test(a_body_in_1_0_needs_a_length),
        cmocka_unit_test(a_connection_is_kept_alive_by_version_and_options),
        cmocka_unit_test(an_upgrade_needs_both_fields),
        cmocka_unit_test(an_expectation_is_100_continue_or_fails),
        cmocka_unit_test(fields_are_counted_and_searched_on_all_their_lines),
        cmocka_unit_test(every_error_has_a_status_and_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
