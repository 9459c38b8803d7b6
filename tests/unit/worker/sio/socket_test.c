/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_world.h"

static void a_session_is_taken_over_with_what_is_queued(void **state)
{
    (void)state;
    poller p;
    client c;
    poller_open(&p);
    poller_poll(&p);
    socket_for(&c, &p);
    ws_say(&c, "2probe");
    ws_expect_text(&c, "3probe");
    poller_expect(&p, 200, "6");
    send_text(noted.last, "a");
    engine_send(noted.last, &(engine_part){HUB_BINARY, hub_text("\1")}, 1);
    ws_say(&c, "5");
    ws_expect_text(&c, "4a");
    ws_expect(&c, 0x82, "\1", 1);
    assert_string_equal(engine_transport(noted.last), "websocket");
    assert_int_equal(noted.opened, 1);
    ws_say(&c, "4b");
    expect_heard("b,");
    poller_poll(&p);
    poller_expect(&p, 400, "{\"code\":3,\"message\":\"Bad request\"}");
    client_close(&c);
    expect_closed(1, SIO_TRANSPORT_CLOSE);
}

static void the_last_poll_ends_with_the_upgrade(void **state)
{
    (void)state;
    poller p;
    client c;
    poller_open(&p);
    socket_for(&c, &p);
    ws_say(&c, "2probe");
    ws_expect_text(&c, "3probe");
    send_text(noted.last, "a"); /* a poll would take it along */
    ws_say(&c, "5");
    ws_expect_text(&c, "4a");
    client_close(&c);
}

static void probe_upgrade_and_message_may_come_at_once(void **state)
{
    (void)state;
    unsigned char frames[64];
    size_t length = 0;
    poller p;
    client c;
    poller_open(&p);
    socket_for(&c, &p);
    length += ws_frame(frames, 0x81, "2probe", 6);
    length += ws_frame(frames + length, 0x81, "5", 1);
    length += ws_frame(frames + length, 0x81, "4a", 2);
    client_send(&c, frames, length);
    expect_heard("a,");
    client_close(&c);
}

static void a_payload_that_waits_comes_before_the_websockets_messages(void **state)
{
    (void)state;
    poller p;
    client c, post;
    poller_open(&p);
    socket_for(&c, &p);
    ws_say(&c, "2probe");
    ws_expect_text(&c, "3probe");
    noted.pause = true;
    ask(&post, "POST", p.query, "",
        "4a\x1e"
        "4b\x1e"
        "4c");
    expect_heard("a,");
    ws_say(&c, "5");
    ws_say(&c, "4d");
    assert_answer(&post, 200, "ok");
    expect_heard("a,b,c,");
    noted.pause = false;
    engine_pause(noted.last, false);
    expect_heard("a,b,c,d,");
    client_close(&c);
}

static void what_does_not_probe_is_closed(void **state)
{
    (void)state;
    static const char *const wrong[] = {"5", "4a", "2", "2probes", "", "x", "1"};
    poller p;
    poller_open(&p);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        client c;
        socket_for(&c, &p);
        ws_say(&c, wrong[i]);
        ws_expect_close(&c, 1000, false);
        client_close(&c);
    }
    assert_int_equal(noted.closed, 0);
    assert_string_equal(noted.log, "");
}

static void one_websocket_probes_at_a_time(void **state)
{
    (void)state;
    poller p;
    client first, second;
    poller_open(&p);
    socket_for(&first, &p);
    socket_for(&second, &p);
    ws_expect_close(&second, 1000, false);
    client_close(&second);
    ws_say(&first, "2probe");
    ws_expect_text(&first, "3probe");
    client_close(&first);
    world_turn(4);
    assert_int_equal(noted.closed, 0);
    socket_for(&first, &p);
    ws_say(&first, "2probe");
    ws_expect_text(&first, "3probe");
    client_close(&first);
}

static void a_probe_has_its_time(void **state)
{
    (void)state;
    poller p;
    client c;
    tested.upgrade_timeout = 0.1;
    poller_open(&p);
    socket_for(&c, &p);
    ws_expect_close(&c, 1000, false);
    client_close(&c);
    send_text(noted.last, "a");
    poller_gets(&p, "4a");
}

static void a_probe_ends_with_its_session(void **state)
{
    (void)state;
    poller p;
    client c;
    poller_open(&p);
    socket_for(&c, &p);
    ws_say(&c, "2probe");
    ws_expect_text(&c, "3probe");
    poller_posts(&p, "x", 400);
    ws_expect_close(&c, 1000, false);
    ws_say(&c, "5");
    world_turn(4);
    assert_int_equal(noted.closed, 1);
    client_close(&c);
}

static void a_client_that_probes_may_leave_its_poll(void **state)
{
    (void)state;
    poller p;
    client c;
    poller_open(&p);
    socket_for(&c, &p);
    ws_say(&c, "2probe");
    ws_expect_text(&c, "3probe");
    poller_poll(&p);
    client_close(&p.poll);
    ws_say(&c, "5");
    ws_say(&c, "4a");
    expect_heard("a,");
    client_close(&c);
}

static void what_is_no_packet_ends_a_session(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        sio_reason reason;
        uint16_t code;
    } wrong[] = {{"", SIO_PARSE_ERROR, 1002},
                 {"x", SIO_PARSE_ERROR, 1002},
                 {"2", SIO_TRANSPORT_ERROR, 1002},
                 {"1", SIO_TRANSPORT_CLOSE, 1000}};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        client c;
        socket_open(&c);
        ws_say(&c, wrong[i].message);
        ws_say(&c, "4late");
        ws_expect_close(&c, wrong[i].code, false);
        expect_closed(i + 1, wrong[i].reason);
        client_close(&c);
    }
    assert_string_equal(noted.log, "");
}

static void a_broken_websocket_is_a_transport_error(void **state)
{
    (void)state;
    client c;
    socket_open(&c);
    client_send(&c, "\xFF\xFF\xFF\xFF", 4);
    expect_closed(1, SIO_TRANSPORT_ERROR);
    client_close(&c);
    socket_open(&c);
    client_close(&c);
    expect_closed(2, SIO_TRANSPORT_CLOSE);
}

static void packets_without_a_meaning_are_passed_over(void **state)
{
    (void)state;
    client c;
    socket_open(&c);
    ws_say(&c, "0");
    ws_say(&c, "5");
    ws_say(&c, "6");
    ws_say(&c, "3");
    ws_say(&c, "4a");
    expect_heard("a,");
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, engine_world_open, engine_world_close)
        T(a_session_is_taken_over_with_what_is_queued),
        T(the_last_poll_ends_with_the_upgrade),
        T(probe_upgrade_and_message_may_come_at_once),
        T(a_payload_that_waits_comes_before_the_websockets_messages),
        T(what_does_not_probe_is_closed),
        T(one_websocket_probes_at_a_time),
        T(a_probe_has_its_time),
        T(a_probe_ends_with_its_session),
        T(a_client_that_probes_may_leave_its_poll),
        T(what_is_no_packet_ends_a_session),
        T(a_broken_websocket_is_a_transport_error),
        T(packets_without_a_meaning_are_passed_over),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
