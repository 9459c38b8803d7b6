/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/frame.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint8_t mask[4] = {0x37, 0xFA, 0x21, 0x3D};

/* A client's frame with `length` payload bytes 0, 1, 2 …; returns its size. */
static size_t client_frame(unsigned char *out, unsigned first, uint64_t length)
{
    size_t size = frame_header(out, FRAME_TEXT, true, 0, length);
    out[0] = (unsigned char)first;
    out[1] |= 0x80;
    memcpy(out + size, mask, sizeof mask);
    size += sizeof mask;
    for (size_t i = 0; i < length; i++)
        out[size + i] = (unsigned char)(i ^ mask[i % 4]);
    return size + (size_t)length;
}

static void assert_payload(const unsigned char *payload, size_t length, uint64_t offset)
{
    for (size_t i = 0; i < length; i++)
        assert_int_equal(payload[i], (unsigned char)(i + offset));
}

/* ---- headers of the server ---- */

static void a_header_has_the_shortest_form(void **state)
{
    (void)state;
    unsigned char out[FRAME_HEADER_MAX];
    assert_int_equal(frame_header(out, FRAME_TEXT, true, 0, 125), 2);
    assert_memory_equal(out, "\x81\x7D", 2);
    assert_int_equal(frame_header(out, FRAME_BINARY, true, 0, 126), 4);
    assert_memory_equal(out, "\x82\x7E\x00\x7E", 4);
    assert_int_equal(frame_header(out, FRAME_BINARY, true, 0, 65535), 4);
    assert_memory_equal(out, "\x82\x7E\xFF\xFF", 4);
    assert_int_equal(frame_header(out, FRAME_BINARY, true, 0, 65536), 10);
    assert_memory_equal(out, "\x82\x7F\0\0\0\0\0\1\0\0", 10);
}

static void a_header_carries_fin_opcode_and_reserved_bits(void **state)
{
    (void)state;
    unsigned char out[FRAME_HEADER_MAX];
    frame_header(out, FRAME_CONTINUATION, false, 0, 0);
    assert_int_equal(out[0], 0x00);
    frame_header(out, FRAME_TEXT, true, FRAME_RSV1, 0);
    assert_int_equal(out[0], 0xC1);
    frame_header(out, FRAME_PONG, true, 0, 0);
    assert_int_equal(out[0], 0x8A);
}

/* ---- frames of a client ---- */

static void a_whole_frame_is_unmasked_in_place(void **state)
{
    (void)state;
    const uint64_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, 70000};
    unsigned char *data = malloc(80000);
    assert_non_null(data);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        frame_parser parser = {0};
        frame_part part;
        size_t consumed, size = client_frame(data, 0x82, lengths[i]);
        assert_int_equal(frame_next(&parser, data, size + 5, 100000, &consumed, &part), FRAME_WHOLE);
        assert_int_equal(consumed, size);
        assert_int_equal(part.opcode, FRAME_BINARY);
        assert_true(part.fin && part.last && !part.rsv1);
        assert_ptr_equal(part.payload, data + size - lengths[i]);
        assert_int_equal(part.length, lengths[i]);
        assert_payload(part.payload, part.length, 0);
    }
    free(data);
}

static void a_partial_header_says_how_many_bytes_it_needs(void **state)
{
    (void)state;
    unsigned char data[400];
    frame_parser parser = {0};
    frame_part part;
    size_t consumed;
    client_frame(data, 0x82, 300);
    const size_t needed[] = {2, 2, 8, 8, 8, 8, 8, 8};
    for (size_t length = 0; length < 8; length++) {
        assert_int_equal(frame_next(&parser, data, length, 1000, &consumed, &part), FRAME_PARTIAL);
        assert_int_equal(consumed, 0);
        assert_int_equal(part.needed, needed[length]);
    }
}

static void a_control_frame_is_only_handed_out_whole(void **state)
{
    (void)state;
    unsigned char data[64];
    frame_parser parser = {0};
    frame_part part;
    size_t consumed, size = client_frame(data, 0x89, 20);
    assert_int_equal(frame_next(&parser, data, size - 1, 1000, &consumed, &part), FRAME_PARTIAL);
    assert_int_equal(part.needed, size);
    assert_int_equal(frame_next(&parser, data, size, 1000, &consumed, &part), FRAME_WHOLE);
    assert_int_equal(part.opcode, FRAME_PING);
    assert_payload(part.payload, 20, 0);
}

static void a_long_frame_comes_in_pieces(void **state)
{
    (void)state;
    unsigned char data[400];
    for (size_t step = 1; step < 50; step++) {
        frame_parser parser = {0};
        frame_part part;
        size_t consumed, at = 8, size = client_frame(data, 0x82, 300);
        assert_int_equal(frame_next(&parser, data, 8, 1000, &consumed, &part), FRAME_PIECE);
        assert_int_equal(consumed, 8);
        assert_int_equal(part.length, 0);
        assert_int_equal(part.total, 300);
        assert_false(part.last);
        while (!part.last) {
            size_t given = size - at < step ? size - at : step;
            assert_int_equal(frame_next(&parser, data + at, given, 1000, &consumed, &part), FRAME_PIECE);
            assert_int_equal(consumed, given);
            assert_int_equal(part.length, given);
            assert_int_equal(part.offset, at - 8);
            assert_int_equal(part.total, 300);
            assert_payload(part.payload, part.length, part.offset);
            at += given;
        }
        assert_int_equal(at, size);
    }
}

static void control_frames_may_stand_between_fragments(void **state)
{
    (void)state;
    unsigned char data[64];
    const unsigned firsts[] = {0x01, 0x89, 0x00, 0x8A, 0x80, 0x82};
    frame_parser parser = {0};
    frame_part part;
    size_t consumed;
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        size_t size = client_frame(data, firsts[i], 3);
        assert_int_equal(frame_next(&parser, data, size, 1000, &consumed, &part), FRAME_WHOLE);
    }
}

static void rsv1_is_allowed_on_a_message_s_first_frame_where_it_was_negotiated(void **state)
{
    (void)state;
    unsigned char data[64];
    frame_part part;
    size_t consumed;
    frame_parser parser = {.rsv1_allowed = true};
    size_t size = client_frame(data, 0x41, 3);
    assert_int_equal(frame_next(&parser, data, size, 1000, &consumed, &part), FRAME_WHOLE);
    assert_true(part.rsv1);
    size = client_frame(data, 0xC0, 3);
    assert_int_equal(frame_next(&parser, data, size, 1000, &consumed, &part), FRAME_ERROR);
    assert_int_equal(part.code, 1002);
}

/* Feeds bytes to a fresh parser, all at once and then one by one; both must end with the code. */
static void assert_refused(frame_parser parser, const void *bytes, size_t length, uint64_t limit,
                           uint16_t code)
{
    unsigned char data[32];
    frame_part part;
    size_t consumed;
    frame_parser again = parser;
    memcpy(data, bytes, length);
    assert_int_equal(frame_next(&parser, data, length, limit, &consumed, &part), FRAME_ERROR);
    assert_int_equal(part.code, code);
    assert_non_null(part.reason);

    memcpy(data, bytes, length);
    for (size_t some = 0; some < length; some++)
        assert_int_equal(frame_next(&again, data, some, limit, &consumed, &part), FRAME_PARTIAL);
    assert_int_equal(frame_next(&again, data, length, limit, &consumed, &part), FRAME_ERROR);
    assert_int_equal(part.code, code);
}

static void reserved_bits_are_refused(void **state)
{
    (void)state;
    for (unsigned bit = 0x10; bit <= 0x40; bit <<= 1) {
        const unsigned char text = (unsigned char)(0x81 | bit), ping = (unsigned char)(0x89 | bit);
        assert_refused((frame_parser){0}, &text, 1, 1000, 1002);
        assert_refused((frame_parser){.rsv1_allowed = true}, &ping, 1, 1000, 1002);
    }
}

static void unknown_opcodes_are_refused(void **state)
{
    (void)state;
    const unsigned char opcodes[] = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15};
    for (size_t i = 0; i < sizeof opcodes; i++) {
        const unsigned char first = (unsigned char)(0x80 | opcodes[i]);
        assert_refused((frame_parser){0}, &first, 1, 1000, 1002);
    }
}

static void control_frames_are_refused_when_fragmented_or_long(void **state)
{
    (void)state;
    const unsigned char opcodes[] = {FRAME_CLOSE, FRAME_PING, FRAME_PONG};
    for (size_t i = 0; i < sizeof opcodes; i++) {
        assert_refused((frame_parser){0}, &opcodes[i], 1, 1000, 1002);
        const unsigned char long_frame[] = {(unsigned char)(0x80 | opcodes[i]), 0x80 | 126};
        assert_refused((frame_parser){0}, long_frame, 2, 1000, 1002);
    }
}

static void a_frame_without_a_mask_is_refused(void **state)
{
    (void)state;
    assert_refused((frame_parser){0}, "\x81\x05", 2, 1000, 1002);
}

static void a_length_must_have_its_shortest_form_and_63_bits(void **state)
{
    (void)state;
    assert_refused((frame_parser){0}, "\x82\xFE\x00\x7D", 4, 1000, 1002);
    assert_refused((frame_parser){0}, "\x82\xFF\0\0\0\0\0\0\xFF\xFF", 10, 1000, 1002);
    assert_refused((frame_parser){0}, "\x82\xFF\x80\0\0\0\0\1\0\0", 10, 1000, 1002);
}

static void a_length_above_the_limit_is_refused_before_the_payload(void **state)
{
    (void)state;
    assert_refused((frame_parser){0}, "\x82\xFE\x03\xE9", 4, 1000, 1009);
    assert_refused((frame_parser){0}, "\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 10, 1000, 1009);
    assert_refused((frame_parser){0}, "\x82\x8B", 2, 10, 1009);
}

static void fragments_out_of_order_are_refused(void **state)
{
    (void)state;
    assert_refused((frame_parser){0}, "\x80", 1, 1000, 1002);
    assert_refused((frame_parser){0}, "\x00", 1, 1000, 1002);
    assert_refused((frame_parser){.fragmented = true}, "\x81", 1, 1000, 1002);
    assert_refused((frame_parser){.fragmented = true}, "\x02", 1, 1000, 1002);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_has_the_shortest_form),
        cmocka_unit_test(a_header_carries_fin_opcode_and_reserved_bits),
        cmocka_unit_test(a_whole_frame_is_unmasked_in_place),
        cmocka_unit_test(a_partial_header_says_how_many_bytes_it_needs),
        cmocka_unit_test(a_control_frame_is_only_handed_out_whole),
        cmocka_unit_test(a_long_frame_comes_in_pieces),
        cmocka_unit_test(control_frames_may_stand_between_fragments),
        cmocka_unit_test(rsv1_is_allowed_on_a_message_s_first_frame_where_it_was_negotiated),
        cmocka_unit_test(reserved_bits_are_refused),
        cmocka_unit_test(unknown_opcodes_are_refused),
        cmocka_unit_test(control_frames_are_refused_when_fragmented_or_long),
        cmocka_unit_test(a_frame_without_a_mask_is_refused),
        cmocka_unit_test(a_length_must_have_its_shortest_form_and_63_bits),
        cmocka_unit_test(a_length_above_the_limit_is_refused_before_the_payload),
        cmocka_unit_test(fragments_out_of_order_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
