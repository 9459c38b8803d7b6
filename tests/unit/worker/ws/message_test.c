/* SPDX-License-Identifier: Apache-2.0 */
#include "common/buffer.h"
#include "worker/ws/deflate.h"
#include "worker/ws/frame.h"
#include "worker/ws/mask.h"
#include "worker/ws/message.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LIMIT = 100000 };

/* ---- making what a client sends ---- */

static void add_frame(buffer *stream, unsigned first, const void *payload, size_t length)
{
    static const uint8_t mask[4] = {0x11, 0x82, 0xF3, 0x64};
    unsigned char header[FRAME_HEADER_MAX];
    size_t size = frame_header(header, FRAME_TEXT, true, 0, length);
    header[0] = (unsigned char)first;
    header[1] |= 0x80;
    assert_int_equal(buffer_append(stream, header, size), HUB_OK);
    assert_int_equal(buffer_append(stream, mask, sizeof mask), HUB_OK);
    assert_int_equal(buffer_append(stream, payload, length), HUB_OK);
    if (length > 0)
        mask_apply((unsigned char *)stream->data + stream->length - length, length, mask, 0);
}

static void add_text(buffer *stream, unsigned first, const char *payload)
{
    add_frame(stream, first, payload, strlen(payload));
}

/* ---- reading it back ---- */

/* Writes an event as text, so that runs can be compared. */
static void tell(buffer *out, const message_event *event)
{
    assert_int_equal(buffer_printf(out, "%d/%d/%u/%zu:", (int)event->kind,
                                   event->kind == MESSAGE_DATA ? (int)event->type : 0, event->code,
                                   event->bytes.length),
                     HUB_OK);
    assert_int_equal(buffer_append(out, event->bytes.data, event->bytes.length), HUB_OK);
    assert_int_equal(buffer_append_text(out, "\n"), HUB_OK);
}

/* Hands in `length` bytes as a connection does and tells all events. */
static void feed(message_parser *parser, const void *bytes, size_t length, buffer *out)
{
    unsigned char *shared = malloc(length + 1);
    size_t used = 0, consumed;
    assert_non_null(shared);
    memcpy(shared, bytes, length);
    for (;;) {
        message_event event = message_next(parser, shared + used, length - used, &consumed);
        used += consumed;
        if (event.kind == MESSAGE_MORE)
            break;
        tell(out, &event);
    }
    assert_int_equal(used, length);
    memset(shared, 0xEE, length + 1);
    free(shared);
}

/* All events of a stream that arrives in pieces of `step` bytes; the caller frees the result. */
static buffer events_of(const buffer *stream, size_t step, size_t limit)
{
    buffer out = {0};
    message_parser parser;
    message_open(&parser, limit);
    for (size_t at = 0; at < stream->length; at += step) {
        size_t left = stream->length - at;
        feed(&parser, stream->data + at, left < step ? left : step, &out);
    }
    message_close(&parser);
    return out;
}

static void assert_events(buffer *stream, size_t limit, const char *expected)
{
    for (size_t step = 1; step <= stream->length; step = step < 40 ? step + 1 : step * 2 + 1) {
        buffer out = events_of(stream, step, limit);
        assert_int_equal(buffer_append(&out, "", 1), HUB_OK);
        assert_string_equal(out.data, expected);
        buffer_free(&out);
    }
    buffer out = events_of(stream, stream->length, limit);
    assert_int_equal(buffer_append(&out, "", 1), HUB_OK);
    assert_string_equal(out.data, expected);
    buffer_free(&out);
    buffer_free(stream);
}

/* ---- compressed messages ---- */

typedef struct compressed_run {
    deflate_terms terms; /* with takeover in some direction: a client with a context */
    size_t limit;
} compressed_run;

/* As events_of, for a client that negotiated permessage-deflate; in pieces of random sizes, or of `step`. */
static buffer compressed_events(const buffer *stream, size_t step, unsigned seed, const compressed_run *run)
{
    buffer out = {0};
    message_parser parser;
    deflate_context *context = run->terms.client_takeover ? deflate_context_new(run->terms) : NULL;
    message_open(&parser, run->limit);
    message_deflate(&parser, context);
    for (size_t at = 0; at < stream->length;) {
        size_t piece = step ? step : 1 + (size_t)rand_r(&seed) % (rand_r(&seed) % 2 ? 5 : 900);
        if (piece > stream->length - at)
            piece = stream->length - at;
        feed(&parser, stream->data + at, piece, &out);
        at += piece;
    }
    message_close(&parser);
    deflate_context_free(context);
    return out;
}

static void assert_compressed_events(buffer *stream, size_t limit, const char *expected)
{
    compressed_run run = {.limit = limit};
    for (size_t step = 1; step <= stream->length; step = step < 40 ? step + 1 : step * 2 + 1) {
        buffer out = compressed_events(stream, step, 0, &run);
        assert_int_equal(buffer_append(&out, "", 1), HUB_OK);
        assert_string_equal(out.data, expected);
        buffer_free(&out);
    }
    buffer_free(stream);
}

#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00" /* RFC 7692, 7.2.3.1 */

/* ---- tests ---- */

static void an_idle_parser_is_small_and_owns_nothing(void **state)
{
    (void)state;
    buffer stream = {0}, out = {0};
    message_parser parser;
    assert_true(sizeof parser <= 48);
    message_open(&parser, LIMIT);
    add_text(&stream, 0x81, "hello");
    feed(&parser, stream.data, stream.length, &out);
    assert_null(parser.assembly);
    feed(&parser, stream.data, 7, &out);
    assert_true(message_memory(&parser) > 0);
    feed(&parser, stream.data + 7, stream.length - 7, &out);
    assert_int_equal(message_memory(&parser), 0);
    message_close(&parser);
    buffer_free(&stream);
    buffer_free(&out);
}

static void a_whole_message_is_handed_out_where_it_lies(void **state)
{
    (void)state;
    buffer stream = {0};
    message_parser parser;
    size_t consumed;
    message_open(&parser, LIMIT);
    add_text(&stream, 0x81, "hello");
    message_event event = message_next(&parser, (unsigned char *)stream.data, stream.length, &consumed);
    assert_int_equal(event.kind, MESSAGE_DATA);
    assert_int_equal(event.type, HUB_TEXT);
    assert_true(event.borrowed);
    assert_ptr_equal(event.bytes.data, stream.data + 6);
    assert_null(message_take(&parser));
    assert_null(parser.assembly);
    message_close(&parser);
    buffer_free(&stream);
}

static void messages_pings_and_fragments_come_out_alike_however_they_are_cut(void **state)
{
    (void)state;
    buffer stream = {0};
    char *long_text = malloc(5001);
    assert_non_null(long_text);
    memset(long_text, 'x', 5000);
    long_text[5000] = '\0';
    add_text(&stream, 0x81, "one");
    add_text(&stream, 0x82, "");
    add_text(&stream, 0x01, "t\xC3");
    add_text(&stream, 0x89, "ping");
    add_text(&stream, 0x00, "");
    add_text(&stream, 0x8A, "");
    add_text(&stream, 0x80, "\xA4");
    add_text(&stream, 0x82, long_text);
    add_text(&stream, 0x02, "");
    add_text(&stream, 0x80, "");
    add_frame(&stream, 0x88,
              "\x03\xE8"
              "bye",
              5);

    buffer expected = {0};
    assert_int_equal(buffer_printf(&expected,
                                   "1/1/0/3:one\n1/2/0/0:\n2/0/0/4:ping\n3/0/0/0:\n1/1/0/3:t\xC3\xA4\n1/2/0/"
                                   "5000:%s\n1/2/0/0:\n4/0/1000/3:bye\n",
                                   long_text),
                     HUB_OK);
    assert_int_equal(buffer_append(&expected, "", 1), HUB_OK);
    assert_events(&stream, LIMIT, expected.data);
    buffer_free(&expected);
    free(long_text);
}

/* Streams of random frames, right and wrong, in random pieces. */
static void random_streams_give_the_same_events_however_they_are_cut(void **state)
{
    (void)state;
    static const unsigned firsts[] = {0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x00, 0x80,
                                      0x89, 0x8A, 0x81, 0x82, 0x88, 0x83, 0xC1};
    unsigned seed = 4711;
    for (int round = 0; round < 1500; round++) {
        buffer stream = {0}, cut = {0};
        for (int count = 1 + rand_r(&seed) % 8; count > 0; count--) {
            char payload[700];
            size_t length = (size_t)rand_r(&seed) % (rand_r(&seed) % 4 == 0 ? sizeof payload : 20);
            memset(payload, rand_r(&seed) % 30 == 0 ? 0xC3 : 'a' + rand_r(&seed) % 26, sizeof payload);
            add_frame(&stream, firsts[(size_t)rand_r(&seed) % (sizeof firsts / sizeof *firsts)], payload,
                      length);
        }
        buffer whole = events_of(&stream, stream.length, 1000);

        message_parser parser;
        message_open(&parser, 1000);
        for (size_t at = 0; at < stream.length;) {
            size_t step = 1 + (size_t)rand_r(&seed) % (rand_r(&seed) % 2 == 0 ? 3 : 300);
            if (step > stream.length - at)
                step = stream.length - at;
            feed(&parser, stream.data + at, step, &cut);
            at += step;
        }
        message_close(&parser);
        assert_int_equal(cut.length, whole.length);
        if (whole.length > 0)
            assert_memory_equal(cut.data, whole.data, whole.length);
        buffer_free(&stream);
        buffer_free(&whole);
        buffer_free(&cut);
    }
}

static void text_that_is_not_utf_8_ends_with_1007(void **state)
{
    (void)state;
    buffer stream = {0};
    add_text(&stream, 0x81, "ok");
    add_text(&stream, 0x81, "a\xFFz");
    add_text(&stream, 0x81, "never seen");
    assert_events(&stream, LIMIT, "1/1/0/2:ok\n5/0/1007/17:text is not UTF-8\n");

    add_text(&stream, 0x01, "a\xC3");
    add_text(&stream, 0x80, "");
    assert_events(&stream, LIMIT, "5/0/1007/17:text is not UTF-8\n");
}

static void wrong_utf_8_is_refused_inside_a_fragment(void **state)
{
    (void)state;
    buffer stream = {0}, out = {0};
    message_parser parser;
    message_open(&parser, LIMIT);
    add_text(&stream, 0x81, "abcdefgh\xFFijklmnop");
    feed(&parser, stream.data, 6 + 8, &out);
    assert_int_equal(out.length, 0);
    feed(&parser, stream.data + 14, 1, &out);
    assert_memory_equal(out.data, "5/0/1007", 8);
    message_close(&parser);
    buffer_free(&stream);
    buffer_free(&out);
}

static void binary_messages_may_hold_anything(void **state)
{
    (void)state;
    buffer stream = {0};
    add_text(&stream, 0x82, "\xFF\xFE");
    assert_events(&stream, LIMIT, "1/2/0/2:\xFF\xFE\n");
}

static void a_message_above_the_limit_ends_with_1009_at_its_declared_length(void **state)
{
    (void)state;
    buffer stream = {0}, out = {0};
    message_parser parser;
    message_open(&parser, 300);
    char bytes[301] = {0};
    add_frame(&stream, 0x82, bytes, 301);
    feed(&parser, stream.data, 3, &out);
    assert_int_equal(out.length, 0);
    feed(&parser, stream.data + 3, 1, &out);
    assert_memory_equal(out.data, "5/0/1009", 8);
    message_close(&parser);
    buffer_free(&stream);
    buffer_free(&out);
}

static void the_limit_counts_all_fragments_and_no_control_frames(void **state)
{
    (void)state;
    buffer stream = {0};
    add_text(&stream, 0x02, "12345");
    add_text(&stream, 0x89, "1234567890123");
    add_text(&stream, 0x80, "67890");
    assert_events(&stream, 10, "2/0/0/13:1234567890123\n1/2/0/10:1234567890\n");

    add_text(&stream, 0x02, "12345");
    add_text(&stream, 0x80, "67890!");
    assert_events(&stream, 10, "5/0/1009/15:message too big\n");
}

static void memory_grows_with_what_came_and_not_with_what_was_declared(void **state)
{
    (void)state;
    buffer stream = {0}, out = {0};
    message_parser parser;
    message_open(&parser, 1u << 30);
    unsigned char header[] = {0x82, 0xFF, 0, 0, 0, 0, 0x3F, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4, 'x'};
    feed(&parser, header, sizeof header, &out);
    assert_true(message_memory(&parser) < 1024);
    assert_int_equal(out.length, 0);
    message_close(&parser);
    buffer_free(&stream);
}

static void many_small_fragments_make_one_message(void **state)
{
    (void)state;
    buffer stream = {0}, out = {0};
    message_parser parser;
    message_open(&parser, 65536);
    add_text(&stream, 0x01, "a");
    for (int i = 0; i < 65534; i++)
        add_text(&stream, 0x00, "b");
    add_text(&stream, 0x80, "c");
    feed(&parser, stream.data, stream.length, &out);
    assert_memory_equal(out.data, "1/1/0/65536:abbb", 16);
    message_close(&parser);
    buffer_free(&stream);
    buffer_free(&out);
}

static void close_frames_are_checked(void **state)
{
    (void)state;
    buffer stream = {0};
    add_text(&stream, 0x88, "");
    assert_events(&stream, LIMIT, "4/0/1005/0:\n");
    add_frame(&stream, 0x88, "\x03\xE9", 2);
    assert_events(&stream, LIMIT, "4/0/1001/0:\n");
    add_frame(&stream, 0x88,
              "\x0F\xA0"
              "\xC3\xA4",
              4);
    assert_events(&stream, LIMIT, "4/0/4000/2:\xC3\xA4\n");
    add_frame(&stream, 0x88, "\x03", 1);
    assert_events(&stream, LIMIT, "5/0/1002/28:close frame with half a code\n");
    add_frame(&stream, 0x88, "\x03\xED", 2);
    assert_events(&stream, LIMIT, "5/0/1002/22:close code not allowed\n");
}

static void a_close_reason_that_is_not_utf_8_ends_with_1007(void **state)
{
    (void)state;
    buffer stream = {0};
    add_frame(&stream, 0x88, "\x03\xE8\xC3", 3);
    assert_events(&stream, LIMIT, "5/0/1007/25:close reason is not UTF-8\n");
}

static void nothing_is_read_after_a_close_frame(void **state)
{
    (void)state;
    buffer stream = {0};
    add_text(&stream, 0x88, "");
    add_text(&stream, 0x81, "late");
    add_text(&stream, 0xFF, "garbage");
    assert_events(&stream, LIMIT, "4/0/1005/0:\n");
}

static void a_message_put_together_can_be_taken_over(void **state)
{
    (void)state;
    buffer stream = {0};
    message_parser parser;
    size_t consumed;
    message_open(&parser, LIMIT);
    add_text(&stream, 0x01, "hel");
    add_text(&stream, 0x80, "lo");
    message_event event = message_next(&parser, (unsigned char *)stream.data, stream.length, &consumed);
    assert_int_equal(event.kind, MESSAGE_DATA);
    assert_false(event.borrowed);
    char *taken = message_take(&parser);
    assert_ptr_equal(taken, event.bytes.data);
    assert_null(message_take(&parser));
    event = message_next(&parser, NULL, 0, &consumed);
    assert_int_equal(event.kind, MESSAGE_MORE);
    assert_int_equal(message_memory(&parser), 0);
    assert_memory_equal(taken, "hello", 5);
    free(taken);
    message_close(&parser);
    buffer_free(&stream);
}

static void a_large_frame_can_be_received_in_place(void **state)
{
    (void)state;
    enum { SIZE = 90000 };
    buffer stream = {0}, out = {0};
    message_parser parser;
    message_event event = {0};
    size_t room, pieces = 0, at = 20;
    char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)('a' + i % 23);
    add_frame(&stream, 0x81, bytes, SIZE);
    message_open(&parser, LIMIT);
    assert_null(message_room(&parser, &room));
    feed(&parser, stream.data, at, &out);
    for (void *place; (place = message_room(&parser, &room)); pieces++) {
        assert_true(room > 0);
        size_t some = room > 1001 ? 1001 : room;
        memcpy(place, stream.data + at, some);
        at += some;
        event = message_filled(&parser, some);
        assert_true(message_memory(&parser) < 2 * at + 17000);
        if (event.kind != MESSAGE_MORE)
            break;
    }
    assert_true(pieces > 80);
    feed(&parser, stream.data + at, stream.length - at, &out);
    assert_int_equal(out.length, strlen("1/1/0/90000:\n") + SIZE);
    assert_memory_equal(out.data + strlen("1/1/0/90000:"), bytes, SIZE);
    assert_int_equal(message_memory(&parser), 0);
    message_close(&parser);
    free(bytes);
    buffer_free(&stream);
    buffer_free(&out);
}

static void text_received_in_place_is_checked(void **state)
{
    (void)state;
    unsigned char header[] = {0x81, 0xFE, 0x40, 0x00, 0, 0, 0, 0};
    buffer out = {0};
    message_parser parser;
    size_t room;
    message_open(&parser, LIMIT);
    feed(&parser, header, sizeof header, &out);
    char *place = message_room(&parser, &room);
    assert_non_null(place);
    assert_int_equal(room, 0x4000);
    memcpy(place, "ab\x80", 3);
    message_event event = message_filled(&parser, 3);
    assert_int_equal(event.kind, MESSAGE_ERROR);
    assert_int_equal(event.code, 1007);
    assert_null(message_room(&parser, &room));
    message_close(&parser);
}

static void a_whole_message_received_in_place_comes_as_one_event(void **state)
{
    (void)state;
    unsigned char header[] = {0x82, 0xFE, 0x20, 0x00, 0, 0, 0, 0};
    buffer out = {0};
    message_parser parser;
    size_t room;
    message_open(&parser, LIMIT);
    feed(&parser, header, sizeof header, &out);
    char *place = message_room(&parser, &room);
    assert_non_null(place);
    assert_int_equal(room, 0x2000);
    memset(place, 7, room);
    message_event event = message_filled(&parser, room);
    assert_int_equal(event.kind, MESSAGE_DATA);
    assert_false(event.borrowed);
    assert_int_equal(event.bytes.length, 0x2000);
    assert_null(message_room(&parser, &room));
    feed(&parser, "", 0, &out);
    assert_int_equal(message_memory(&parser), 0);
    message_close(&parser);
}

static void compressed_messages_are_inflated(void **state)
{
    (void)state;
    buffer stream = {0};
    add_frame(&stream, 0xC1, HELLO, 7);
    add_text(&stream, 0x81, "plain");
    add_frame(&stream, 0xC2, HELLO, 7);
    add_frame(&stream, 0xC1, "\0", 1);
    add_frame(&stream, 0xC1, "", 0);
    assert_compressed_events(&stream, LIMIT,
                             "1/1/0/5:Hello\n1/1/0/5:plain\n1/2/0/5:Hello\n1/1/0/0:\n1/1/0/0:\n");
}

/* RFC 7692, 6.1: only the first frame of a message has the bit; 7.2.3.1 has this example. */
static void a_compressed_message_may_come_in_fragments_with_control_frames_between(void **state)
{
    (void)state;
    buffer stream = {0};
    add_frame(&stream, 0x41, "\xf2\x48\xcd", 3);
    add_text(&stream, 0x89, "ping");
    add_frame(&stream, 0x00, "", 0);
    add_frame(&stream, 0x80, "\xc9\xc9\x07\x00", 4);
    add_text(&stream, 0x81, "plain");
    add_text(&stream, 0x01, "al");
    add_text(&stream, 0x80, "so");
    assert_compressed_events(&stream, LIMIT, "2/0/0/4:ping\n1/1/0/5:Hello\n1/1/0/5:plain\n1/1/0/4:also\n");
}

static void rsv1_where_it_must_not_be_ends_with_1002(void **state)
{
    (void)state;
    buffer stream = {0};
    add_frame(&stream, 0xC1, HELLO, 7);
    assert_events(&stream, LIMIT, "5/0/1002/16:reserved bit set\n"); /* not negotiated */

    static const unsigned firsts[] = {0xC8, 0xC9, 0xCA, 0xA1, 0x91, 0xE1, 0xD2};
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        add_frame(&stream, firsts[i], "", 0);
        assert_compressed_events(&stream, LIMIT, "5/0/1002/16:reserved bit set\n");
    }
    add_frame(&stream, 0x41, "\xf2\x48\xcd", 3);
    add_frame(&stream, 0xC0, "\xc9\xc9\x07\x00", 4);
    assert_compressed_events(&stream, LIMIT, "5/0/1002/16:reserved bit set\n");
    add_text(&stream, 0x01, "plain");
    add_frame(&stream, 0xC0, "", 0);
    assert_compressed_events(&stream, LIMIT, "5/0/1002/16:reserved bit set\n");
}

static void inflated_text_that_is_not_utf_8_ends_with_1007(void **state)
{
    (void)state;
    buffer stream = {0};
    static const char stored[] = "\x00\x02\x00\xfd\xff\xc3\xff\x00"; /* a block that is not compressed */
    add_frame(&stream, 0xC2, stored, 8);
    add_frame(&stream, 0xC1, stored, 8);
    assert_compressed_events(&stream, LIMIT, "1/2/0/2:\xc3\xff\n5/0/1007/17:text is not UTF-8\n");
}

static void what_cannot_be_inflated_ends_with_1007(void **state)
{
    (void)state;
    buffer stream = {0};
    add_text(&stream, 0xC2, "\xff\xff");
    assert_compressed_events(&stream, LIMIT, "5/0/1007/26:message cannot be inflated\n");
    add_frame(&stream, 0xC2, HELLO, 4);
    assert_compressed_events(&stream, LIMIT, "5/0/1007/26:message cannot be inflated\n");
}

static void the_limit_counts_inflated_and_compressed_bytes(void **state)
{
    (void)state;
    buffer stream = {0};
    char many[1000];
    hub_bytes small;
    memset(many, 'x', sizeof many);
    assert_true(deflate_message(NULL, 15, hub_bytes_of(many, sizeof many), &small));
    add_frame(&stream, 0xC2, small.data, small.length);
    assert_compressed_events(&stream, 999, "5/0/1009/15:message too big\n");

    char zeros[20] = {0}; /* four empty blocks */
    for (int i = 0; i < 4; i++)
        memcpy(zeros + 5 * i, "\0\0\0\xff\xff", 5);
    add_frame(&stream, 0x42, zeros, 20);
    add_frame(&stream, 0x80, "\0", 1);
    assert_compressed_events(&stream, 21, "1/2/0/0:\n");
    add_frame(&stream, 0x42, zeros, 20);
    add_frame(&stream, 0x80, "\0", 1);
    assert_compressed_events(&stream, 20, "5/0/1009/15:message too big\n");
}

static void an_inflated_message_can_be_taken_over(void **state)
{
    (void)state;
    buffer stream = {0};
    message_parser parser;
    size_t consumed;
    message_open(&parser, LIMIT);
    message_deflate(&parser, NULL);
    add_frame(&stream, 0xC1, HELLO, 7);
    message_event event = message_next(&parser, (unsigned char *)stream.data, stream.length, &consumed);
    assert_int_equal(event.kind, MESSAGE_DATA);
    assert_false(event.borrowed);
    char *taken = message_take(&parser);
    assert_ptr_equal(taken, event.bytes.data);
    assert_int_equal(message_next(&parser, NULL, 0, &consumed).kind, MESSAGE_MORE);
    assert_int_equal(message_memory(&parser), 0);
    assert_memory_equal(taken, "Hello", 5);
    free(taken);
    message_close(&parser);
    buffer_free(&stream);
}

/* Streams of random messages, plain, compressed and wrong, with and without kept windows, in random pieces.
 */
static void random_compressed_streams_give_the_same_events_however_they_are_cut(void **state)
{
    (void)state;
    unsigned seed = 1871;
    for (int round = 0; round < 600; round++) {
        compressed_run run = {.limit = 4000, .terms = {15, 15, round % 2, round % 2}};
        deflate_context *client = round % 2 ? deflate_context_new(run.terms) : NULL;
        buffer stream = {0};
        for (int count = 1 + rand_r(&seed) % 6; count > 0; count--) {
            char payload[5000];
            size_t length = (size_t)rand_r(&seed) % (rand_r(&seed) % 8 == 0 ? sizeof payload : 700);
            for (size_t i = 0; i < length; i++)
                payload[i] = (char)('a' + (rand_r(&seed) % 7 ? i % 11 : (unsigned)rand_r(&seed) % 26));
            hub_bytes body = hub_bytes_of(payload, length), small;
            bool compressed = deflate_message(client, 15, body, &small);
            if (compressed)
                body = small;
            unsigned bit = compressed ? 0x40 : 0, wrong = rand_r(&seed) % 40 ? 0 : 0x40;
            size_t cut = body.length ? (size_t)rand_r(&seed) % body.length : 0;
            if (rand_r(&seed) % 2) {
                add_frame(&stream, 0x81 | bit, body.data, body.length);
            } else {
                add_frame(&stream, 0x02 | bit, body.data, cut);
                add_text(&stream, 0x89, "p");
                add_frame(&stream, 0x80 | wrong, (const char *)body.data + cut, body.length - cut);
            }
        }
        buffer whole = compressed_events(&stream, stream.length, 0, &run);
        buffer cut = compressed_events(&stream, 0, seed, &run);
        assert_int_equal(cut.length, whole.length);
        if (whole.length > 0)
            assert_memory_equal(cut.data, whole.data, whole.length);
        buffer_free(&stream);
        buffer_free(&whole);
        buffer_free(&cut);
        deflate_context_free(client);
    }
}

static void a_large_compressed_frame_can_be_received_in_place(void **state)
{
    (void)state;
    enum { SIZE = 60000 };
    buffer stream = {0}, out = {0};
    message_parser parser;
    message_event event = {0};
    size_t room, at = 20;
    unsigned seed = 3;
    char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(rand_r(&seed) % 2 ? 'a' : rand_r(&seed) % 64);
    hub_bytes small;
    assert_true(deflate_message(NULL, 15, hub_bytes_of(bytes, SIZE), &small));
    assert_true(small.length > 20000);
    add_frame(&stream, 0xC1, small.data, small.length);
    message_open(&parser, LIMIT);
    message_deflate(&parser, NULL);
    feed(&parser, stream.data, at, &out);
    for (void *place; (place = message_room(&parser, &room));) {
        size_t some = room > 999 ? 999 : room;
        memcpy(place, stream.data + at, some);
        at += some;
        event = message_filled(&parser, some);
        assert_int_equal(event.kind, MESSAGE_MORE);
    }
    feed(&parser, stream.data + at, stream.length - at, &out);
    assert_int_equal(out.length, strlen("1/1/0/60000:\n") + SIZE);
    assert_memory_equal(out.data + strlen("1/1/0/60000:"), bytes, SIZE);
    message_close(&parser);
    free(bytes);
    buffer_free(&stream);
    buffer_free(&out);
}

static int close_deflate(void **state)
{
    (void)state;
    deflate_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_parser_is_small_and_owns_nothing),
        cmocka_unit_test(a_whole_message_is_handed_out_where_it_lies),
        cmocka_unit_test(messages_pings_and_fragments_come_out_alike_however_they_are_cut),
        cmocka_unit_test(random_streams_give_the_same_events_however_they_are_cut),
        cmocka_unit_test(text_that_is_not_utf_8_ends_with_1007),
        cmocka_unit_test(wrong_utf_8_is_refused_inside_a_fragment),
        cmocka_unit_test(binary_messages_may_hold_anything),
        cmocka_unit_test(a_message_above_the_limit_ends_with_1009_at_its_declared_length),
        cmocka_unit_test(the_limit_counts_all_fragments_and_no_control_frames),
        cmocka_unit_test(memory_grows_with_what_came_and_not_with_what_was_declared),
        cmocka_unit_test(many_small_fragments_make_one_message),
        cmocka_unit_test(close_frames_are_checked),
        cmocka_unit_test(a_close_reason_that_is_not_utf_8_ends_with_1007),
        cmocka_unit_test(nothing_is_read_after_a_close_frame),
        cmocka_unit_test(a_message_put_together_can_be_taken_over),
        cmocka_unit_test(a_large_frame_can_be_received_in_place),
        cmocka_unit_test(text_received_in_place_is_checked),
        cmocka_unit_test(a_whole_message_received_in_place_comes_as_one_event),
        cmocka_unit_test(compressed_messages_are_inflated),
        cmocka_unit_test(a_compressed_message_may_come_in_fragments_with_control_frames_between),
        cmocka_unit_test(rsv1_where_it_must_not_be_ends_with_1002),
        cmocka_unit_test(inflated_text_that_is_not_utf_8_ends_with_1007),
        cmocka_unit_test(what_cannot_be_inflated_ends_with_1007),
        cmocka_unit_test(the_limit_counts_inflated_and_compressed_bytes),
        cmocka_unit_test(an_inflated_message_can_be_taken_over),
        cmocka_unit_test(random_compressed_streams_give_the_same_events_however_they_are_cut),
        cmocka_unit_test(a_large_compressed_frame_can_be_received_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, close_deflate);
}
