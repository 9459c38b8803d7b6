/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/payload.h"

#include "worker/ws/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Payloads are written to when they are read. */
static char memory[256];

static hub_bytes writable(const char *text)
{
    size_t length = strlen(text);
    assert_true(length < sizeof memory);
    memcpy(memory, text, length);
    return hub_bytes_of(memory, length);
}

static hub_bytes bytes(const char *text, size_t length)
{
    return hub_bytes_of(text, length);
}

/* Reads a payload with exactly this many packets; its last result. */
static payload_result read_all(hub_bytes payload, size_t *count)
{
    engine_packet packet;
    payload_result result;
    for (*count = 0; (result = payload_next(&payload, &packet)) == PAYLOAD_PACKET; ++*count)
        ;
    return result;
}

static void assert_malformed(hub_bytes payload)
{
    size_t count;
    char *copy = malloc(payload.length + 1); /* exactly so long, for the sanitizer */
    assert_non_null(copy);
    if (payload.length)
        memcpy(copy, payload.data, payload.length);
    assert_int_equal(read_all(hub_bytes_of(copy, payload.length), &count), PAYLOAD_MALFORMED);
    free(copy);
}

static void assert_packet(hub_bytes *rest, eio_type type, hub_type body_type, hub_bytes body)
{
    engine_packet packet;
    assert_int_equal(payload_next(rest, &packet), PAYLOAD_PACKET);
    assert_int_equal(packet.type, type);
    assert_int_equal(packet.body_type, body_type);
    assert_true(hub_equal(packet.body, body));
}

static void packets_are_separated_by_0x1e(void **state)
{
    (void)state;
    hub_bytes rest = writable("4hello\x1e"
                              "2\x1e"
                              "4\xE2\x82\xAC\x1e"
                              "bAQIDBA==\x1e"
                              "1");
    engine_packet end;
    assert_packet(&rest, EIO_MESSAGE, HUB_TEXT, hub_text("hello"));
    assert_packet(&rest, EIO_PING, HUB_TEXT, hub_text(""));
    assert_packet(&rest, EIO_MESSAGE, HUB_TEXT, hub_text("\xE2\x82\xAC"));
    assert_packet(&rest, EIO_MESSAGE, HUB_BINARY, bytes("\1\2\3\4", 4));
    assert_packet(&rest, EIO_CLOSE, HUB_TEXT, hub_text(""));
    assert_int_equal(payload_next(&rest, &end), PAYLOAD_END);
    assert_int_equal(payload_next(&rest, &end), PAYLOAD_END);
}

static void binary_is_decoded_with_and_without_its_padding(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        hub_bytes body;
    } cases[] = {
        {"b", {"", 0}},
        {"bAA==", {"\0", 1}},
        {"bAA", {"\0", 1}},
        {"bAAE=", {"\0\1", 2}},
        {"bAAE", {"\0\1", 2}},
        {"bAAEC", {"\0\1\2", 3}},
        {"b+/+/", {"\xFB\xFF\xBF", 3}},
        {"bAAECAw==", {"\0\1\2\3", 4}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hub_bytes rest = writable(cases[i].text);
        assert_packet(&rest, EIO_MESSAGE, HUB_BINARY, cases[i].body);
    }
}

static void what_is_no_packet_is_malformed(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "abc",
        "7",
        "/",
        ":",
        "4a\x1e",
        "\x1e"
        "4a",
        "4a\x1e\x1e"
        "4b",
        "\x1e",
        "4\xFF",
        "4\xED\xA0\x80",
        "4\xE2\x82",
        "bA",
        "bAAAAA",
        "bA===",
        "b====",
        "b=",
        "bA=A=",
        "bAA=",
        "bAAE=A",
        "bAA-_",
        "bAA A",
        "bAA\nA",
        "bAAAA=",
        "B",
        " 4a",
        "4a\x1e"
        "bA",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_malformed(hub_text(cases[i]));
    assert_malformed(bytes("\0", 1));
    assert_malformed(bytes("bAA\0A", 5));
    assert_malformed(bytes("bAAA\xFF", 5));
}

static void a_nul_is_part_of_a_text(void **state)
{
    (void)state;
    hub_bytes rest = bytes("4a\0b\x1e"
                           "2",
                           6);
    assert_packet(&rest, EIO_MESSAGE, HUB_TEXT, bytes("a\0b", 3));
    assert_packet(&rest, EIO_PING, HUB_TEXT, hub_text(""));
}

static void a_message_of_a_websocket_is_a_packet(void **state)
{
    (void)state;
    engine_packet packet;
    assert_true(engine_packet_read(HUB_TEXT, hub_text("4x"), &packet));
    assert_int_equal(packet.type, EIO_MESSAGE);
    assert_int_equal(packet.body_type, HUB_TEXT);
    assert_true(hub_equal(packet.body, hub_text("x")));
    assert_true(engine_packet_read(HUB_TEXT, hub_text("2probe"), &packet));
    assert_int_equal(packet.type, EIO_PING);
    assert_true(hub_equal(packet.body, hub_text("probe")));
    assert_true(engine_packet_read(HUB_BINARY, hub_text(""), &packet));
    assert_int_equal(packet.body_type, HUB_BINARY);
    assert_int_equal(packet.body.length, 0);
    assert_false(engine_packet_read(HUB_TEXT, hub_text(""), &packet));
    assert_false(engine_packet_read(HUB_TEXT, hub_text("bAAAA"), &packet));
}

static void what_is_appended_can_be_read(void **state)
{
    (void)state;
    buffer payload = {0};
    char body[64];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i * 37);
    for (size_t length = 0; length < 20; length++)
        assert_int_equal(payload_append(&payload, HUB_BINARY, bytes(body, length)), HUB_OK);
    assert_int_equal(payload_append(&payload, HUB_TEXT, hub_text("4end")), HUB_OK);
    hub_bytes rest = buffer_bytes(&payload);
    for (size_t length = 0; length < 20; length++)
        assert_packet(&rest, EIO_MESSAGE, HUB_BINARY, bytes(body, length));
    assert_packet(&rest, EIO_MESSAGE, HUB_TEXT, hub_text("end"));
    assert_null(rest.data);
    buffer_free(&payload);
}

static void base64_is_padded(void **state)
{
    (void)state;
    buffer payload = {0};
    payload_append(&payload, HUB_BINARY, bytes("\1\2\3\4", 4));
    payload_append(&payload, HUB_BINARY, bytes("\1\2\3\4\5", 5));
    assert_true(hub_equal(buffer_bytes(&payload), hub_text("bAQIDBA==\x1e"
                                                           "bAQIDBAU=")));
    buffer_free(&payload);
}

static void frames_are_taken_one_by_one(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536};
    enum { CASES = sizeof lengths / sizeof *lengths };
    buffer frames = {0};
    char *body = calloc(1, 65536);
    assert_non_null(body);
    for (size_t i = 0; i < CASES; i++) {
        unsigned char header[FRAME_HEADER_MAX];
        size_t length = frame_header(header, i % 2 ? FRAME_TEXT : FRAME_BINARY, true, 0, lengths[i]);
        buffer_append(&frames, header, length);
        buffer_append(&frames, body, lengths[i]);
    }
    hub_bytes rest = buffer_bytes(&frames), message;
    hub_type type;
    for (size_t i = 0; i < CASES; i++) {
        assert_true(frames_next(&rest, &type, &message));
        assert_int_equal(type, i % 2 ? HUB_TEXT : HUB_BINARY);
        assert_int_equal(message.length, lengths[i]);
    }
    assert_false(frames_next(&rest, &type, &message));
    free(body);
    buffer_free(&frames);
}

static void what_is_no_whole_frame_is_not_taken(void **state)
{
    (void)state;
    static const hub_bytes cases[] = {
        {"\x81", 1},          {"\x81\x01", 2},
        {"\x81\x7E\x00", 3},  {"\x81\x7E\x00\x02z", 5},
        {"\x81\x81zzzzz", 7}, {"\x01\x00", 2},
        {"\xC1\x00", 2},      {"\x88\x00", 2},
        {"\x80\x00", 2},      {"\x81\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFz", 11},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hub_bytes rest = cases[i], message;
        hub_type type;
        assert_false(frames_next(&rest, &type, &message));
        assert_ptr_equal(rest.data, cases[i].data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_separated_by_0x1e),
        cmocka_unit_test(binary_is_decoded_with_and_without_its_padding),
        cmocka_unit_test(what_is_no_packet_is_malformed),
        cmocka_unit_test(a_nul_is_part_of_a_text),
        cmocka_unit_test(a_message_of_a_websocket_is_a_packet),
        cmocka_unit_test(what_is_appended_can_be_read),
        cmocka_unit_test(base64_is_padded),
        cmocka_unit_test(frames_are_taken_one_by_one),
        cmocka_unit_test(what_is_no_whole_frame_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
