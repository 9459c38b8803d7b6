/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "bench/load/frame.h"

static const unsigned char MASK[4] = {1, 2, 3, 4};

static void a_written_frame_reads_back(const unsigned char *mask, size_t length, size_t header)
{
    static unsigned char payload[70000], data[FRAME_HEADER_MAX + sizeof payload];
    load_frame frame;
    size_t taken;

    for (size_t i = 0; i < length; i++)
        payload[i] = (unsigned char)(i * 7);
    size_t whole = frame_write(data, FRAME_BINARY, mask, payload, length);
    assert_int_equal(whole, header + length);
    assert_int_equal(frame_parse(data, whole, &frame, &taken), FRAME_WHOLE);
    assert_int_equal(taken, whole);
    assert_int_equal(frame.opcode, FRAME_BINARY);
    assert_true(frame.final);
    assert_int_equal(frame.masked, mask != NULL);
    assert_int_equal(frame.length, length);
    assert_memory_equal(frame.payload, payload, length);
}

static void frames_of_all_three_lengths_read_back(void **state)
{
    (void)state;
    a_written_frame_reads_back(NULL, 0, 2);
    a_written_frame_reads_back(NULL, 125, 2);
    a_written_frame_reads_back(NULL, 126, 4);
    a_written_frame_reads_back(NULL, 65535, 4);
    a_written_frame_reads_back(NULL, 65536, 10);
    a_written_frame_reads_back(MASK, 125, 6);
    a_written_frame_reads_back(MASK, 300, 8);
    a_written_frame_reads_back(MASK, 70000, 14);
}

static void a_cut_frame_is_partial_and_stays_as_it_is(void **state)
{
    unsigned char data[FRAME_HEADER_MAX + 200], before[sizeof data], payload[200] = {0};
    load_frame frame;
    size_t taken, whole = frame_write(data, FRAME_TEXT, MASK, payload, sizeof payload);

    (void)state;
    memcpy(before, data, whole);
    for (size_t length = 0; length < whole; length++)
        assert_int_equal(frame_parse(data, length, &frame, &taken), FRAME_PARTIAL);
    assert_memory_equal(data, before, whole);
}

static void reserved_bits_and_a_length_of_64_bits_are_broken(void **state)
{
    unsigned char reserved[2] = {0xa1, 0};
    unsigned char endless[10] = {0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0};
    load_frame frame;
    size_t taken;

    (void)state;
    assert_int_equal(frame_parse(reserved, sizeof reserved, &frame, &taken), FRAME_BROKEN);
    assert_int_equal(frame_parse(endless, sizeof endless, &frame, &taken), FRAME_BROKEN);
}

static void a_length_beyond_the_bytes_is_partial_not_an_overflow(void **state)
{
    unsigned char huge[10] = {0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    load_frame frame;
    size_t taken;

    (void)state;
    assert_int_equal(frame_parse(huge, sizeof huge, &frame, &taken), FRAME_PARTIAL);
}

static void a_message_carries_its_number(void **state)
{
    const uint32_t numbers[] = {0, 1, 0x89abcdef, UINT32_MAX};
    load_message message;
    unsigned char data[FRAME_HEADER_MAX + 300];
    load_frame frame;
    size_t taken;

    (void)state;
    assert_true(message_make(&message, 300, false));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint32_t number = ~numbers[i];
        message_write(&message, data, numbers[i]);
        assert_int_equal(frame_parse(data, message.frame_length, &frame, &taken), FRAME_WHOLE);
        assert_int_equal(taken, message.frame_length);
        assert_true(message_read(&message, frame.payload, frame.length, &number));
        assert_int_equal(number, numbers[i]);
    }
    message_free(&message);
}

static void a_changed_or_cut_message_is_told_from_a_right_one(void **state)
{
    load_message message;
    unsigned char payload[64];
    uint32_t number;

    (void)state;
    assert_true(message_make(&message, sizeof payload, false));
    memcpy(payload, message.payload, sizeof payload);
    assert_true(message_read(&message, payload, sizeof payload, &number));
    assert_false(message_read(&message, payload, sizeof payload - 1, &number));
    payload[63] ^= 1;
    assert_false(message_read(&message, payload, sizeof payload, &number));
    payload[63] ^= 1;
    payload[0] = 'A';
    assert_false(message_read(&message, payload, sizeof payload, &number));
    message_free(&message);
}

static void an_event_is_sent_under_its_name_and_expected_as_message(void **state)
{
    const char *sent = "42[\"tell\",\"89abcdefijkl\"]", *expected = "42[\"message\",\"89abcdefijkl\"]";
    load_message message;
    unsigned char data[FRAME_HEADER_MAX + 64];
    load_frame frame;
    size_t taken;
    uint32_t number = 0;

    (void)state;
    assert_true(message_make_event(&message, "tell", 12));
    message_write(&message, data, 0x89abcdef);
    assert_int_equal(frame_parse(data, message.frame_length, &frame, &taken), FRAME_WHOLE);
    assert_int_equal(frame.length, strlen(sent));
    assert_memory_equal(frame.payload, sent, frame.length);
    assert_true(message_read(&message, (const unsigned char *)expected, strlen(expected), &number));
    assert_int_equal(number, 0x89abcdef);
    assert_false(message_read(&message, (const unsigned char *)sent, strlen(sent), &number));
    assert_false(message_read(&message, (const unsigned char *)"42[\"MESSAGE\",\"89abcdefijkl\"]",
                              strlen(expected), &number));
    message_free(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_all_three_lengths_read_back),
        cmocka_unit_test(a_cut_frame_is_partial_and_stays_as_it_is),
        cmocka_unit_test(reserved_bits_and_a_length_of_64_bits_are_broken),
        cmocka_unit_test(a_length_beyond_the_bytes_is_partial_not_an_overflow),
        cmocka_unit_test(a_message_carries_its_number),
        cmocka_unit_test(a_changed_or_cut_message_is_told_from_a_right_one),
        cmocka_unit_test(an_event_is_sent_under_its_name_and_expected_as_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
