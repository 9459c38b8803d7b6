/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/compress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

enum { THRESHOLD = 100, LARGEST = COMPRESS_WHOLE_MAX };

static int setup(void **state)
{
    (void)state;
    compress_open((compress_settings){.on = true, .threshold = THRESHOLD});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    compress_close();
    return 0;
}

/* ---- what requests and answers say ---- */

typedef struct request {
    http_field fields[2];
    http_head head;
} request;

static const http_head *asking(request *r, const char *accept, const char *if_none_match)
{
    *r = (request){.head = {.method = hub_text("GET"), .fields = r->fields}};
    if (accept)
        r->fields[r->head.field_count++] = (http_field){hub_text("Accept-Encoding"), hub_text(accept)};
    if (if_none_match)
        r->fields[r->head.field_count++] = (http_field){hub_text("If-None-Match"), hub_text(if_none_match)};
    return &r->head;
}

static compress_choice choice_of(const char *accept, int status, const char *type, const char *fields)
{
    request r;
    return compress_choose(asking(&r, accept, NULL), status, type, hub_text(fields));
}

static compress_choice choice_for_type(const char *type)
{
    return choice_of("gzip", 200, type, "");
}

static void assert_fields(compress_choice choice, const char *given, const char *expected)
{
    hub_bytes fields = hub_text(given);
    char text[512];
    assert_int_equal(compress_fields(choice, &fields), HUB_OK);
    snprintf(text, sizeof text, "%.*s", (int)fields.length, fields.length ? (const char *)fields.data : "");
    assert_string_equal(text, expected);
}

/* ---- the choice ---- */

static void a_route_may_say_otherwise_than_the_option(void **state)
{
    (void)state;
    assert_true(compress_wanted(HUB_COMPRESS_AS_CONFIGURED));
    assert_true(compress_wanted(HUB_COMPRESS_ON));
    assert_false(compress_wanted(HUB_COMPRESS_OFF));
    compress_open((compress_settings){.on = false});
    assert_false(compress_wanted(HUB_COMPRESS_AS_CONFIGURED));
    assert_true(compress_wanted(HUB_COMPRESS_ON));
    assert_false(compress_wanted(HUB_COMPRESS_OFF));
}

static void types_that_get_smaller_are_compressed(void **state)
{
    (void)state;
    static const char *const types[] = {"text/plain",
                                        "text/html; charset=utf-8",
                                        "TEXT/CSS",
                                        "text/javascript;charset=utf-8",
                                        "application/json",
                                        "Application/JSON ; x=y",
                                        "application/wasm",
                                        "application/manifest+json",
                                        "application/xml",
                                        "application/javascript",
                                        "image/svg+xml",
                                        "application/problem+json",
                                        "application/x-ndjson"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (choice_for_type(types[i]) != COMPRESS_GZIP)
            fail_msg("%s", types[i]);
}

static void other_types_and_events_are_never_compressed(void **state)
{
    (void)state;
    static const char *const types[] = {"image/png",
                                        "application/octet-stream",
                                        "application/zip",
                                        "video/mp4",
                                        "font/woff2",
                                        "",
                                        "text/event-stream",
                                        "Text/Event-Stream; charset=x",
                                        "application/jso",
                                        "text/",
                                        "+json",
                                        ";",
                                        "multipart/mixed",
                                        "x-text/plain",
                                        "application/jsonx"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (choice_for_type(types[i]) != COMPRESS_NEVER)
            fail_msg("%s", types[i]);
    assert_int_equal(choice_for_type(NULL), COMPRESS_NEVER);
}

static void answers_without_a_whole_body_are_never_compressed(void **state)
{
    (void)state;
    static const int never[] = {204, 205, 206};
    static const int compressed[] = {200, 201, 203, 400, 404, 500, 599};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert_int_equal(choice_of("gzip", never[i], "text/plain", ""), COMPRESS_NEVER);
    for (size_t i = 0; i < sizeof compressed / sizeof *compressed; i++)
        assert_int_equal(choice_of("gzip", compressed[i], "text/plain", ""), COMPRESS_GZIP);
}

/* RFC 9110, section 12.5.3 */
static void the_client_chooses_by_weights(void **state)
{
    (void)state;
    static const char *const gzip[] = {"gzip",
                                       "br, gzip;q=0.1",
                                       "*",
                                       "x-gzip",
                                       "GZIP",
                                       "gzip, identity",
                                       "gzip;q=0.5, identity;q=0.4",
                                       "identity;q=0, *",
                                       "br;q=1, *;q=0.1"};
    static const char *const plain[] = {
        "",      "br",          "gzip;q=0",     "identity", "identity, gzip;q=0.9",
        "*;q=0", "gzip;q=0, *", "identity;q=0", "gzip;q=2"};
    for (size_t i = 0; i < sizeof gzip / sizeof *gzip; i++)
        if (choice_of(gzip[i], 200, "text/plain", "") != COMPRESS_GZIP)
            fail_msg("%s", gzip[i]);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (choice_of(plain[i], 200, "text/plain", "") != COMPRESS_PLAIN)
            fail_msg("%s", plain[i]);
    assert_int_equal(choice_of(NULL, 200, "text/plain", ""), COMPRESS_PLAIN);
}

static void fields_that_bind_the_bytes_forbid_it(void **state)
{
    (void)state;
    static const char *const never[] = {
        "Content-Encoding: br\r\n",        "X: 1\r\ncontent-encoding: identity\r\n",
        "Content-Range: bytes */5\r\n",    "Cache-Control: max-age=5, No-Transform\r\n",
        "Content-Digest: sha-256=:x:\r\n", "Repr-Digest: sha-256=:x:\r\n"};
    static const char *const compressed[] = {"Cache-Control: no-store\r\n", "X-Content-Encoding: br\r\n",
                                             "X: no-transform\r\n",         "X: Content-Encoding: br\r\n",
                                             "Content-Language: de\r\n",    "Cache-Control: \r\n"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (choice_of("gzip", 200, "text/plain", never[i]) != COMPRESS_NEVER)
            fail_msg("%s", never[i]);
    for (size_t i = 0; i < sizeof compressed / sizeof *compressed; i++)
        if (choice_of("gzip", 200, "text/plain", compressed[i]) != COMPRESS_GZIP)
            fail_msg("%s", compressed[i]);
}

/* RFC 9110, section 15.4.5: a 304 has the ETag and Vary of the 200. */
static void a_304_says_of_the_entity_tag_what_the_200_said(void **state)
{
    (void)state;
    static const struct {
        const char *accept, *asked;
        compress_choice choice;
    } rows[] = {
        {"gzip", "W/\"a\"", COMPRESS_HELD},
        {"gzip", "\"b\", W/\"a\"", COMPRESS_HELD},
        {"gzip", "\"a\", W/\"a\"", COMPRESS_HELD},
        {"gzip", "\"a\"", COMPRESS_PLAIN},
        {"gzip", "W/\"b\"", COMPRESS_PLAIN},
        {"gzip", "*", COMPRESS_PLAIN},
        {"gzip", NULL, COMPRESS_PLAIN},
        {"identity", "W/\"a\"", COMPRESS_PLAIN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        request r;
        const http_head *head = asking(&r, rows[i].accept, rows[i].asked);
        hub_bytes none = {0};
        assert_int_equal(compress_whole(head, 304, NULL, hub_text("ETag: \"a\"\r\n"), &none), rows[i].choice);
    }
    request r;
    const http_head *head = asking(&r, "gzip", "W/\"a\"");
    assert_int_equal(compress_choose(head, 304, NULL, hub_text("ETag: W/\"a\"\r\n")), COMPRESS_PLAIN);
    assert_int_equal(compress_choose(head, 304, NULL, hub_text("")), COMPRESS_PLAIN);
    assert_int_equal(
        compress_choose(head, 304, NULL, hub_text("Cache-Control: no-transform\r\nETag: \"a\"\r\n")),
        COMPRESS_NEVER);
}

/* ---- the fields ---- */

/* RFC 9110, section 12.5.5 */
static void vary_names_accept_encoding_once(void **state)
{
    (void)state;
    assert_fields(COMPRESS_NEVER, "X: 1\r\n", "X: 1\r\n");
    assert_fields(COMPRESS_NEVER, "", "");
    assert_fields(COMPRESS_PLAIN, "", "Vary: Accept-Encoding\r\n");
    assert_fields(COMPRESS_PLAIN, "vary: Cookie\r\nX: 1\r\n", "Vary: Cookie, Accept-Encoding\r\nX: 1\r\n");
    assert_fields(COMPRESS_PLAIN, "Vary: A\r\nVary: B\r\n", "Vary: A, Accept-Encoding\r\nVary: B\r\n");
    assert_fields(COMPRESS_PLAIN, "Vary: A\r\nVary: accept-encoding\r\n",
                  "Vary: A\r\nVary: accept-encoding\r\n");
    assert_fields(COMPRESS_PLAIN, "Vary: *\r\n", "Vary: *\r\n");
    assert_fields(COMPRESS_PLAIN, "Vary: \r\n", "Vary: \r\nVary: Accept-Encoding\r\n");
}

/* RFC 9110, section 8.8.1 */
static void a_strong_entity_tag_of_what_is_compressed_becomes_weak(void **state)
{
    (void)state;
    assert_fields(COMPRESS_GZIP, "ETag: \"a\"\r\n",
                  "ETag: W/\"a\"\r\nVary: Accept-Encoding\r\nContent-Encoding: gzip\r\n");
    assert_fields(COMPRESS_GZIP, "etag: W/\"a\"\r\n",
                  "etag: W/\"a\"\r\nVary: Accept-Encoding\r\nContent-Encoding: gzip\r\n");
    assert_fields(COMPRESS_PLAIN, "ETag: \"a\"\r\n", "ETag: \"a\"\r\nVary: Accept-Encoding\r\n");
    assert_fields(COMPRESS_HELD, "ETag: \"a\"\r\n", "ETag: W/\"a\"\r\nVary: Accept-Encoding\r\n");
}

/* ---- whole replies ---- */

static unsigned char *text_of(size_t length)
{
    unsigned char *text = malloc(length + 1);
    assert_non_null(text);
    for (size_t i = 0; i < length; i++)
        text[i] = (unsigned char)("{\"name\": \"value of a name\", \"number\": "[i % 37] + (i / 37 % 3 == 0));
    return text;
}

/* Bytes that deflate cannot make smaller. */
static unsigned char *noise_of(size_t length)
{
    unsigned char *noise = malloc(length);
    uint32_t x = 1;
    assert_non_null(noise);
    for (size_t i = 0; i < length; i++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        noise[i] = (unsigned char)x;
    }
    return noise;
}

static compress_choice whole(const char *accept, hub_bytes *body)
{
    request r;
    return compress_whole(asking(&r, accept, NULL), 200, "text/plain", hub_text(""), body);
}

static void assert_gunzips(hub_bytes packed, const void *expected, size_t length)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)packed.data, .avail_in = (uInt)packed.length};
    unsigned char *out = malloc(length + 1);
    assert_non_null(out);
    stream.next_out = out;
    stream.avail_out = (uInt)(length + 1);
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, length);
    assert_int_equal(stream.avail_in, 0);
    assert_memory_equal(out, expected, length);
    inflateEnd(&stream);
    free(out);
}

static void a_reply_of_the_threshold_or_more_is_gzip(void **state)
{
    (void)state;
    static const size_t lengths[] = {THRESHOLD, 5000, LARGEST, 70000, THRESHOLD + 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char *text = text_of(lengths[i]);
        hub_bytes body = hub_bytes_of(text, lengths[i]);
        assert_int_equal(whole("gzip", &body), COMPRESS_GZIP);
        assert_true(body.length < lengths[i]);
        assert_gunzips(body, text, lengths[i]);
        free(text);
    }
}

static void a_reply_below_the_threshold_or_above_the_bound_is_sent_alike_to_all(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, THRESHOLD - 1, LARGEST + 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char *text = text_of(lengths[i]);
        hub_bytes body = hub_bytes_of(text, lengths[i]);
        assert_int_equal(whole("gzip", &body), COMPRESS_NEVER);
        assert_int_equal(whole("identity", &body), COMPRESS_NEVER);
        assert_ptr_equal(body.data, text);
        assert_int_equal(body.length, lengths[i]);
        free(text);
    }
}

static void what_does_not_get_smaller_stays_plain(void **state)
{
    (void)state;
    static const size_t lengths[] = {THRESHOLD, 5000, LARGEST};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char *noise = noise_of(lengths[i]);
        hub_bytes body = hub_bytes_of(noise, lengths[i]);
        assert_int_equal(whole("gzip", &body), COMPRESS_PLAIN);
        assert_ptr_equal(body.data, noise);
        assert_int_equal(body.length, lengths[i]);
        free(noise);
    }
    /* And the state is fine for the next one. */
    unsigned char *text = text_of(3000);
    hub_bytes body = hub_bytes_of(text, 3000);
    assert_int_equal(whole("gzip", &body), COMPRESS_GZIP);
    assert_gunzips(body, text, 3000);
    free(text);
}

static void a_threshold_of_0_takes_every_length(void **state)
{
    (void)state;
    compress_open((compress_settings){.on = true, .threshold = 0});
    for (size_t length = 0; length < 60; length++) {
        char text[64];
        memset(text, 'x', sizeof text);
        hub_bytes body = hub_bytes_of(text, length);
        compress_choice choice = whole("gzip", &body);
        assert_int_equal(choice == COMPRESS_GZIP, body.data != text);
        if (choice == COMPRESS_GZIP)
            assert_gunzips(body, text, length);
    }
    hub_bytes body = hub_text("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    assert_int_equal(whole("gzip", &body), COMPRESS_GZIP);
}

/* ---- streams ---- */

static void a_stream_whose_length_is_said_is_held_to_the_threshold(void **state)
{
    (void)state;
    static const struct {
        int64_t length;
        compress_choice choice;
    } rows[] = {{-1, COMPRESS_GZIP},
                {0, COMPRESS_NEVER},
                {THRESHOLD - 1, COMPRESS_NEVER},
                {THRESHOLD, COMPRESS_GZIP},
                {LARGEST + 1, COMPRESS_GZIP}};
    request r;
    const http_head *head = asking(&r, "gzip", NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(compress_streamed(head, 200, "text/plain", hub_text(""), rows[i].length),
                         rows[i].choice);
    assert_int_equal(compress_streamed(head, 304, NULL, hub_text(""), 0), COMPRESS_PLAIN);
}

typedef struct reader {
    z_stream stream;
    unsigned char *data;
    size_t length, capacity, received;
    int state;
} reader;

static void reader_open(reader *r, size_t capacity)
{
    *r = (reader){.data = malloc(capacity), .capacity = capacity};
    assert_non_null(r->data);
    assert_int_equal(inflateInit2(&r->stream, 15 + 16), Z_OK);
}

static void reader_close(reader *r)
{
    inflateEnd(&r->stream);
    free(r->data);
}

static void read_piece(reader *r, hub_bytes piece)
{
    r->received += piece.length;
    r->stream.next_in = (Bytef *)(uintptr_t)piece.data;
    r->stream.avail_in = (uInt)piece.length;
    r->stream.next_out = r->data + r->length;
    r->stream.avail_out = (uInt)(r->capacity - r->length);
    if (piece.length == 0)
        return;
    r->state = inflate(&r->stream, Z_SYNC_FLUSH);
    assert_true(r->state == Z_OK || r->state == Z_STREAM_END);
    assert_int_equal(r->stream.avail_in, 0);
    r->length = r->capacity - r->stream.avail_out;
}

static void write_to(compressor *c, reader *r, const void *data, size_t length, bool last)
{
    hub_bytes rest = hub_bytes_of(data, length), out;
    bool more;
    do {
        more = compressor_next(c, &rest, last, &out);
        read_piece(r, out);
    } while (more);
    assert_int_equal(rest.length, 0);
}

static void each_write_to_a_stream_can_be_read_at_once(void **state)
{
    (void)state;
    static const char *const words[] = {"one ", "", "two ", "three", "", ""};
    compressor *c = compressor_open();
    reader r;
    char so_far[64] = "";
    assert_non_null(c);
    reader_open(&r, 64);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        strcat(so_far, words[i]);
        write_to(c, &r, words[i], strlen(words[i]), false);
        assert_int_equal(r.length, strlen(so_far));
        assert_memory_equal(r.data, so_far, r.length);
    }
    size_t before = r.received;
    write_to(c, &r, NULL, 0, false);
    assert_int_equal(r.received, before); /* nothing to say costs nothing */
    write_to(c, &r, NULL, 0, true);
    assert_int_equal(r.state, Z_STREAM_END);
    reader_close(&r);
    compressor_close(c);
}

static void a_stream_may_be_cut_anywhere_and_be_anything(void **state)
{
    (void)state;
    enum { LENGTH = 300000 };
    static const size_t cuts[] = {1, 100, 16384, 65536, 65537, 200000, LENGTH};
    unsigned char *kinds[] = {text_of(LENGTH), noise_of(LENGTH), calloc(1, LENGTH)};
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
            size_t length = cuts[i] < 100 ? 5000 : LENGTH, at = 0;
            compressor *c = compressor_open();
            reader r;
            assert_non_null(c);
            reader_open(&r, LENGTH + 1);
            while (at < length) {
                size_t part = length - at < cuts[i] ? length - at : cuts[i];
                write_to(c, &r, kinds[k] + at, part, at + part == length);
                at += part;
                assert_int_equal(r.length, at);
            }
            assert_int_equal(r.state, Z_STREAM_END);
            assert_memory_equal(r.data, kinds[k], length);
            reader_close(&r);
            compressor_close(c);
        }
        free(kinds[k]);
    }
}

static void one_step_takes_and_gives_bounded_pieces(void **state)
{
    (void)state;
    enum { LENGTH = 4 << 20 };
    unsigned char *zeros = calloc(1, LENGTH);
    compressor *c = compressor_open();
    hub_bytes rest = hub_bytes_of(zeros, LENGTH), out;
    bool more;
    assert_non_null(zeros);
    assert_non_null(c);
    do {
        size_t before = rest.length;
        more = compressor_next(c, &rest, true, &out);
        assert_true(before - rest.length <= 64 * 1024);
        assert_true(out.length <= 16 * 1024);
    } while (more);
    compressor_close(c);
    free(zeros);
}

static void a_stream_that_was_given_up_leaves_a_clean_state(void **state)
{
    (void)state;
    compressor *c = compressor_open();
    hub_bytes rest = hub_text("never read"), out;
    assert_non_null(c);
    compressor_next(c, &rest, false, &out);
    compressor_close(c);
    compressor *again = compressor_open();
    assert_ptr_equal(again, c);
    reader r;
    reader_open(&r, 16);
    write_to(again, &r, "fresh", 5, true);
    assert_int_equal(r.length, 5);
    assert_memory_equal(r.data, "fresh", 5);
    reader_close(&r);
    compressor_close(again);
}

static void streams_that_are_compressed_at_once_are_bounded(void **state)
{
    (void)state;
    static compressor *all[COMPRESS_STREAMS_MAX];
    for (size_t i = 0; i < COMPRESS_STREAMS_MAX; i++)
        assert_non_null(all[i] = compressor_open());
    assert_null(compressor_open());
    compressor_close(all[0]);
    assert_non_null(all[0] = compressor_open());
    for (size_t i = 0; i < COMPRESS_STREAMS_MAX; i++)
        compressor_close(all[i]);
    compressor_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_route_may_say_otherwise_than_the_option),
        TEST(types_that_get_smaller_are_compressed),
        TEST(other_types_and_events_are_never_compressed),
        TEST(answers_without_a_whole_body_are_never_compressed),
        TEST(the_client_chooses_by_weights),
        TEST(fields_that_bind_the_bytes_forbid_it),
        TEST(a_304_says_of_the_entity_tag_what_the_200_said),
        TEST(vary_names_accept_encoding_once),
        TEST(a_strong_entity_tag_of_what_is_compressed_becomes_weak),
        TEST(a_reply_of_the_threshold_or_more_is_gzip),
        TEST(a_reply_below_the_threshold_or_above_the_bound_is_sent_alike_to_all),
        TEST(what_does_not_get_smaller_stays_plain),
        TEST(a_threshold_of_0_takes_every_length),
        TEST(a_stream_whose_length_is_said_is_held_to_the_threshold),
        TEST(each_write_to_a_stream_can_be_read_at_once),
        TEST(a_stream_may_be_cut_anywhere_and_be_anything),
        TEST(one_step_takes_and_gives_bounded_pieces),
        TEST(a_stream_that_was_given_up_leaves_a_clean_state),
        TEST(streams_that_are_compressed_at_once_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
