/* SPDX-License-Identifier: Apache-2.0 */
#include "common/buffer.h"
#include "worker/http/body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const http_limits limits = {.request_line = 100, .fields = 3, .head = 100, .body = 1000};
static const http_head chunked = {.framing = HTTP_BODY_CHUNKED};

typedef struct outcome {
    buffer body;
    http_body_result result;
    http_error error;
    size_t consumed;
} outcome;

/* Feeds a stream in pieces of `step` bytes and gathers the body. */
static outcome run(const http_head *head, const char *stream, size_t length, size_t step)
{
    outcome out = {0};
    http_body body;
    http_body_open(&body, head, &limits);
    do {
        size_t given = length - out.consumed < step ? length - out.consumed : step;
        char *copy = malloc(given + 1);
        size_t used = 0;
        assert_non_null(copy);
        memcpy(copy, stream + out.consumed, given);
        do {
            hub_bytes piece;
            size_t consumed;
            out.result = http_body_next(&body, copy + used, given - used, &consumed, &piece, &out.error);
            used += consumed;
            if (out.result == HTTP_BODY_PIECE) {
                assert_true(piece.length > 0);
                assert_int_equal(buffer_append(&out.body, piece.data, piece.length), HUB_OK);
            }
        } while (out.result == HTTP_BODY_PIECE);
        if (out.result == HTTP_BODY_MORE)
            assert_int_equal(used, given);
        out.consumed += used;
        free(copy);
    } while (out.result == HTTP_BODY_MORE && out.consumed < length);
    return out;
}

static void assert_body(const http_head *head, const char *stream, const char *expected, const char *rest)
{
    size_t length = strlen(stream);
    for (size_t step = 1; step <= length + 1; step++) {
        outcome out = run(head, stream, length, step);
        assert_int_equal(out.result, HTTP_BODY_DONE);
        assert_true(hub_equal(buffer_bytes(&out.body), hub_text(expected)));
        assert_string_equal(stream + out.consumed, rest);
        buffer_free(&out.body);
    }
}

static void assert_refused(const char *stream, http_error expected)
{
    size_t length = strlen(stream);
    for (size_t step = 1; step <= length; step++) {
        outcome out = run(&chunked, stream, length, step);
        assert_int_equal(out.result, HTTP_BODY_ERROR);
        assert_int_equal(out.error, expected);
        buffer_free(&out.body);
    }
}

static void no_body_is_done_at_once(void **state)
{
    (void)state;
    const http_head none = {0}, empty = {.framing = HTTP_BODY_LENGTH};
    assert_body(&none, "GET / next", "", "GET / next");
    assert_body(&empty, "", "", "");
}

static void a_body_by_length_ends_after_its_bytes(void **state)
{
    (void)state;
    const http_head head = {.framing = HTTP_BODY_LENGTH, .content_length = 5};
    assert_body(&head, "helloGET", "hello", "GET");
    outcome out = run(&head, "hell", 4, 3);
    assert_int_equal(out.result, HTTP_BODY_MORE);
    buffer_free(&out.body);
}

static void asking_after_the_end_takes_nothing(void **state)
{
    (void)state;
    http_body body;
    hub_bytes piece;
    size_t consumed;
    http_error error;
    http_body_open(&body, &(http_head){0}, &limits);
    assert_int_equal(http_body_next(&body, "abc", 3, &consumed, &piece, &error), HTTP_BODY_DONE);
    assert_int_equal(http_body_next(&body, "abc", 3, &consumed, &piece, &error), HTTP_BODY_DONE);
    assert_int_equal(consumed, 0);
}

static void a_piece_is_a_part_of_what_was_received(void **state)
{
    (void)state;
    const char *stream = "5\r\nhello\r\n0\r\n\r\n";
    http_body body;
    hub_bytes piece;
    size_t consumed;
    http_error error;
    http_body_open(&body, &chunked, &limits);
    assert_int_equal(http_body_next(&body, stream, strlen(stream), &consumed, &piece, &error),
                     HTTP_BODY_PIECE);
    assert_ptr_equal(piece.data, stream + 3);
    assert_int_equal(piece.length, 5);
    assert_int_equal(consumed, 8);
}

/* RFC 9112, section 7.1 */
static void chunks_are_put_together(void **state)
{
    (void)state;
    assert_body(&chunked, "0\r\n\r\nGET", "", "GET");
    assert_body(&chunked, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET", "hello world", "GET");
    assert_body(&chunked, "a\r\n0123456789\r\nB\r\n0123456789a\r\n000\r\n\r\n", "01234567890123456789a", "");
    assert_body(&chunked, "0000000000000000000000003\r\nabc\r\n0\r\n\r\n", "abc", "");
}

/* RFC 9112, section 7.1.1 */
static void chunk_extensions_are_passed_over(void **state)
{
    (void)state;
    assert_body(&chunked, "3;a=b;c=\"d e\"\r\nabc\r\n0 \t;x\r\n\r\n", "abc", "");
    assert_body(&chunked, "3 ; a\t = \"\\\"\\\\;\\x\" ; b=c ;d\r\nabc\r\n0\r\n\r\n", "abc", "");
}

static void extensions_that_break_their_grammar_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {";",    ";;",        ";a;",    ";=b",           ";a=",     ";a=;b",
                         ";a b", ";a=b c",    ";a=\"b", ";a=\"b\"c",     ";a=\"\\", ";\"a\"",
                         ";a,b", ";a=b,c",    ";a=b=c", ";a=\"\\\x01\"", ";a\x01",  ";a=\xFC",
                         " a",   ";a=\"\n\"", ";a\nb",  ";a=\"\r\"",     ";a ",     ";a=b "};
    char text[64];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "3%s\r\nabc\r\n0\r\n\r\n", bad[i]);
        assert_refused(text, HTTP_ERROR_CHUNK);
    }
}

/* RFC 9112, section 7.1.2 */
static void trailer_fields_are_checked_and_dropped(void **state)
{
    (void)state;
    assert_body(&chunked, "3\r\nabc\r\n0\r\nA: b\r\nC:\r\n\r\nGET", "abc", "GET");
    assert_refused("0\r\nA : b\r\n\r\n", HTTP_ERROR_TRAILER);
    assert_refused("0\r\n A: b\r\n\r\n", HTTP_ERROR_TRAILER);
    assert_refused("0\r\nA: b\r\n c\r\n\r\n", HTTP_ERROR_TRAILER);
    assert_refused("0\r\nA: b\n\r\n", HTTP_ERROR_TRAILER);
    assert_refused("0\r\nA: b\rc\r\n\r\n", HTTP_ERROR_TRAILER);
    assert_refused("0\r\n: b\r\n\r\n", HTTP_ERROR_TRAILER);
    assert_refused("0\r\nA\r\n\r\n", HTTP_ERROR_TRAILER);
    assert_refused("0\r\nA: \x01\r\n\r\n", HTTP_ERROR_TRAILER);
    assert_refused("0\r\n\n", HTTP_ERROR_TRAILER);
    assert_refused("0\r\n\rx", HTTP_ERROR_CHUNK);
}

static void malformed_sizes_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {"\r\n", "x\r\n", "-1\r\n", "+1\r\n", " 1\r\n",     "0x1\r\n", "1 \r\n", "1g\r\n",
                         "1\n",  "1\rx",  ";a\r\n", "1;\n",   "1;\x01\r\n", "1\t\r\n", "1,\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i], HTTP_ERROR_CHUNK);
}

static void a_size_that_overflows_is_refused(void **state)
{
    (void)state;
    assert_refused("8000000000000000\r\n", HTTP_ERROR_CHUNK);
    assert_refused("10000000000000003\r\nabc", HTTP_ERROR_CHUNK);
    assert_refused("fffffffffffffffff\r\n", HTTP_ERROR_CHUNK);
    assert_refused("7fffffffffffffff\r\n", HTTP_ERROR_BODY_TOO_LARGE);
}

static void a_chunk_must_end_with_cr_lf(void **state)
{
    (void)state;
    assert_refused("3\r\nabcd\r\n", HTTP_ERROR_CHUNK);
    assert_refused("3\r\nabc\n0\r\n\r\n", HTTP_ERROR_CHUNK);
    assert_refused("3\r\nabc\rx", HTTP_ERROR_CHUNK);
    assert_refused("3\r\nabc0\r\n\r\n", HTTP_ERROR_CHUNK);
}

static void a_body_above_the_limit_is_refused_at_the_size_that_says_so(void **state)
{
    (void)state;
    assert_refused("3e9\r\n", HTTP_ERROR_BODY_TOO_LARGE);
    assert_refused("3\r\nabc\r\n3e6\r\n", HTTP_ERROR_BODY_TOO_LARGE);
    outcome out = run(&chunked, "3\r\nabc\r\n3e5\r\n", 13, 5);
    assert_int_equal(out.result, HTTP_BODY_MORE);
    buffer_free(&out.body);
}

static void extensions_and_leading_zeros_are_bounded_over_the_whole_body(void **state)
{
    (void)state;
    buffer stream = {0};
    char extra[1001];
    memset(extra, 'x', 1000);
    extra[1000] = '\0';
    for (int i = 0; i < 4; i++)
        assert_int_equal(buffer_printf(&stream, "1;%s\r\na\r\n", extra), HUB_OK);
    outcome out = run(&chunked, stream.data, stream.length, 100);
    assert_int_equal(out.result, HTTP_BODY_MORE);
    buffer_free(&out.body);
    assert_int_equal(buffer_printf(&stream, "1;%s\r\na\r\n", extra), HUB_OK);
    out = run(&chunked, stream.data, stream.length, 100);
    assert_int_equal(out.result, HTTP_BODY_ERROR);
    assert_int_equal(out.error, HTTP_ERROR_CHUNK);
    buffer_free(&out.body);
    buffer_clear(&stream);
    for (int i = 0; i < HTTP_CHUNK_EXTRA_MAX + 2; i++)
        assert_int_equal(buffer_append_text(&stream, "0"), HUB_OK);
    out = run(&chunked, stream.data, stream.length, 1000);
    assert_int_equal(out.error, HTTP_ERROR_CHUNK);
    buffer_free(&stream);
}

static void trailers_are_bounded_in_number_and_size(void **state)
{
    (void)state;
    assert_body(&chunked, "0\r\nA:\r\nB:\r\nC:\r\n\r\n", "", "");
    assert_refused("0\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n", HTTP_ERROR_TRAILERS_TOO_LARGE);
    char stream[200] = "0\r\nA: ";
    memset(stream + 6, 'x', 110);
    strcpy(stream + 116, "\r\n\r\n");
    assert_refused(stream, HTTP_ERROR_TRAILERS_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_body_is_done_at_once),
        cmocka_unit_test(a_body_by_length_ends_after_its_bytes),
        cmocka_unit_test(asking_after_the_end_takes_nothing),
        cmocka_unit_test(a_piece_is_a_part_of_what_was_received),
        cmocka_unit_test(chunks_are_put_together),
        cmocka_unit_test(chunk_extensions_are_passed_over),
        cmocka_unit_test(extensions_that_break_their_grammar_are_refused),
        cmocka_unit_test(trailer_fields_are_checked_and_dropped),
        cmocka_unit_test(malformed_sizes_are_refused),
        cmocka_unit_test(a_size_that_overflows_is_refused),
        cmocka_unit_test(a_chunk_must_end_with_cr_lf),
        cmocka_unit_test(a_body_above_the_limit_is_refused_at_the_size_that_says_so),
        cmocka_unit_test(extensions_and_leading_zeros_are_bounded_over_the_whole_body),
        cmocka_unit_test(trailers_are_bounded_in_number_and_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
