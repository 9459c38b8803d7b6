/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/engine.h"

#include "engine_world.h"

#include <cmocka.h>

static void a_websocket_session_hears_and_answers(void **state)
{
    (void)state;
    client c;
    noted.echo = true;
    socket_open(&c);
    assert_string_equal(engine_transport(noted.last), "websocket");
    ws_say(&c, "4hello");
    ws_expect_text(&c, "4hello");
    ws_send(&c, 0x82, "\1\2", 2);
    ws_expect(&c, 0x82, "\1\2", 2);
    assert_int_equal(((note_state *)engine_state(noted.last))->messages, 2);
    ws_say_close(&c, 1000, "");
    expect_closed(1, SIO_TRANSPORT_CLOSE);
    client_close(&c);
}

static void a_session_is_found_by_its_id_until_it_ends(void **state)
{
    (void)state;
    char sid[25];
    client c;
    socket_open(&c);
    engine_sid(noted.last, sid);
    assert_ptr_equal(engine_find(hub_text(sid)), noted.last);
    assert_int_equal(engines_count(), 1);
    engine_close(noted.last, SIO_FORCED_CLOSE);
    assert_null(engine_find(hub_text(sid)));
    assert_int_equal(noted.closed, 0); /* not within the call */
    expect_closed(1, SIO_FORCED_CLOSE);
    ws_expect_close(&c, 1000, false);
    assert_int_equal(engines_count(), 0);
    client_close(&c);
}

static void what_opening_fails_for_is_closed(void **state)
{
    (void)state;
    client c;
    noted.refuse = true;
    socket_open(&c);
    ws_expect_close(&c, 1000, false);
    expect_closed(1, SIO_FORCED_CLOSE);
    client_close(&c);
}

static void parts_of_one_message_stay_together(void **state)
{
    (void)state;
    const engine_part parts[] = {
        {HUB_TEXT, hub_text("51-")}, {HUB_BINARY, hub_text("\1\2")}, {HUB_BINARY, hub_text("")}};
    client c;
    poller p;
    socket_open(&c);
    assert_int_equal(engine_send(noted.last, parts, 3), HUB_OK);
    ws_expect_text(&c, "451-");
    ws_expect(&c, 0x82, "\1\2", 2);
    ws_expect(&c, 0x82, "", 0);
    poller_open(&p);
    assert_int_equal(engine_send(noted.last, parts, 3), HUB_OK);
    poller_gets(&p, "451-\x1e"
                    "bAQI=\x1e"
                    "b");
    client_close(&c);
}

static void frames_are_shared_by_all_transports(void **state)
{
    (void)state;
    const engine_part parts[] = {{HUB_TEXT, hub_text("2[\"x\"]")}, {HUB_BINARY, hub_text("\1")}};
    client c;
    poller p;
    socket_open(&c);
    engine *by_socket = noted.last;
    poller_open(&p);
    chunk *frames = engine_new_frames(parts, 2);
    assert_non_null(frames);
    assert_int_equal(frames->length, engine_frames_size(parts, 2));
    assert_int_equal(engine_send_frames(by_socket, frames, NULL), HUB_OK);
    assert_int_equal(engine_send_frames(noted.last, frames, NULL), HUB_OK);
    assert_int_equal(frames->references, 3);
    ws_expect_text(&c, "42[\"x\"]");
    ws_expect(&c, 0x82, "\1", 1);
    poller_gets(&p, "42[\"x\"]\x1e"
                    "bAQ==");
    assert_int_equal(frames->references, 1);
    chunk_drop(frames);
    client_close(&c);
}

static void a_paused_session_hears_the_rest_when_it_goes_on(void **state)
{
    (void)state;
    client c;
    noted.pause = true;
    socket_open(&c);
    ws_say(&c, "4a");
    ws_say(&c, "4b");
    ws_say(&c, "4c");
    expect_heard("a,");
    world_turn(5);
    expect_heard("a,");
    noted.pause = false;
    engine_pause(noted.last, false);
    expect_heard("a,b,c,");
    client_close(&c);
}

static void a_paused_session_is_not_closed_for_its_silence(void **state)
{
    (void)state;
    client c;
    tested.ping_interval = tested.ping_timeout = 0.1;
    noted.pause = true;
    socket_open(&c);
    ws_say(&c, "4a");
    expect_heard("a,");
    ws_expect_text(&c, "2");
    ws_say(&c, "3");
    bool never = false;
    ev_timer wait = {0};
    ev_timer_init(&wait, world_on_deadline, 1., 0.);
    ev_timer_start(loop_ev(), &wait);
    world.done = is_set;
    world.arg = &never;
    loop_run();
    world.done = NULL;
    assert_int_equal(noted.closed, 0);
    noted.pause = false;
    engine_pause(noted.last, false);
    ws_expect_text(&c, "2"); /* the pong was heard */
    client_close(&c);
}

static void a_held_body_outlives_its_session(void **state)
{
    (void)state;
    client c;
    poller p;
    noted.hold = true;
    socket_open(&c);
    ws_say(&c, "4held text");
    expect_heard("held text,");
    engine_drop(noted.last);
    expect_closed(1, SIO_TRANSPORT_CLOSE);
    client_close(&c);
    assert_true(hub_equal(noted.held_body, hub_text("held text")));
    engine_unhold(&noted.held);
    noted.hold = true;
    poller_open(&p);
    poller_posts(&p,
                 "bAQID\x1e"
                 "1",
                 200);
    assert_true(hub_equal(noted.held_body, hub_text("\1\2\3")));
    engine_unhold(&noted.held);
    engine_unhold(&noted.held);
}

static void a_large_body_can_be_held(void **state)
{
    (void)state;
    enum { LENGTH = 90000 };
    char *text = malloc(LENGTH + 2);
    client c;
    assert_non_null(text);
    memset(text, 'x', LENGTH + 1);
    text[0] = '4';
    noted.hold = true;
    socket_open(&c);
    ws_send(&c, 0x81, text, LENGTH + 1);
    world_turn(50);
    assert_int_equal(noted.held_body.length, LENGTH);
    assert_memory_equal(noted.held_body.data, text + 1, LENGTH);
    engine_unhold(&noted.held);
    client_close(&c);
    free(text);
}

static void a_silent_client_is_pinged_and_then_closed(void **state)
{
    (void)state;
    client c;
    tested.ping_interval = tested.ping_timeout = 0.2;
    socket_open(&c);
    ws_expect_text(&c, "2");
    ws_say(&c, "3");
    ws_expect_text(&c, "2");
    ws_expect_close(&c, 1000, false);
    expect_closed(1, SIO_PING_TIMEOUT);
    client_close(&c);
}

static void a_drain_closes_every_session(void **state)
{
    (void)state;
    client c;
    poller p;
    socket_open(&c);
    poller_open(&p);
    poller_poll(&p);
    engines_drain(0.1);
    engines_drain(0.1);
    assert_int_equal(noted.drained, 2);
    expect_closed(2, SIO_SERVER_SHUTTING_DOWN);
    ws_expect_close(&c, 1001, false);
    poller_expect(&p, 200, "1");
    client_close(&c);
    socket_open(&c);
    engines_drain(0);
    expect_closed(3, SIO_SERVER_SHUTTING_DOWN);
    client_close(&c);
}

static void what_is_kept_of_the_opening_request_can_be_asked(void **state)
{
    (void)state;
    client c;
    tested.keep_headers = "cookie, authorization, x-none";
    ask(&c, "GET", "EIO=4&transport=polling&token=a%20b&t=123", "Cookie: k=v\r\nAuthorization: Bearer x\r\n",
        "");
    engine *e = noted.last;
    assert_non_null(e);
    assert_true(hub_equal(engine_header(e, "Cookie"), hub_text("k=v")));
    assert_true(hub_equal(engine_header(e, "authorization"), hub_text("Bearer x")));
    assert_null(engine_header(e, "x-none").data);
    assert_null(engine_header(e, "host").data);
    assert_true(hub_equal(engine_query(e, "token"), hub_text("a b")));
    assert_null(engine_query(e, "t").data);
    assert_null(engine_query(e, "EIO").data);
    assert_true(hub_equal(engine_peer(e), hub_text("unix:")));
    client_close(&c);
}

static bool was_writable(void *arg)
{
    (void)arg;
    return noted.writable > 0;
}

static void a_client_that_does_not_read_makes_its_sender_wait(void **state)
{
    (void)state;
    client c;
    serving.ws_routes[0].limits = tested.limits =
        (connection_limits){.soft = 1000, .hard = 2000, .time = 60, .policy = HUB_POLICY_BLOCK};
    serving.fake = true;
    char text[901] = "";
    memset(text, 'x', 900);
    socket_open(&c);
    assert_true(engine_is_writable(noted.last));
    fake.room = 0;
    assert_int_equal(send_text(noted.last, text), HUB_OK);
    assert_int_equal(send_text(noted.last, text), HUB_OK);
    assert_int_equal(send_text(noted.last, text), HUB_EAGAIN);
    world_turn(3);
    assert_false(engine_is_writable(noted.last));
    assert_int_equal(noted.writable, 0);
    fake.room = SIZE_MAX;
    assert_true(world_until(was_writable, NULL));
    assert_int_equal(send_text(noted.last, "end"), HUB_OK);
    for (int i = 0; i < 2; i++) {
        ws_seen seen = {0};
        assert_true(world_until(ws_has_frame, &c));
        assert_true(ws_peek(&c, &seen));
        assert_int_equal(seen.length, 901);
        client_drop(&c, seen.whole);
    }
    ws_expect_text(&c, "4end");
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, engine_world_open, engine_world_close)
        T(a_websocket_session_hears_and_answers),
        T(a_session_is_found_by_its_id_until_it_ends),
        T(what_opening_fails_for_is_closed),
        T(parts_of_one_message_stay_together),
        T(frames_are_shared_by_all_transports),
        T(a_paused_session_hears_the_rest_when_it_goes_on),
        T(a_paused_session_is_not_closed_for_its_silence),
        T(a_held_body_outlives_its_session),
        T(a_large_body_can_be_held),
        T(a_silent_client_is_pinged_and_then_closed),
        T(a_drain_closes_every_session),
        T(what_is_kept_of_the_opening_request_can_be_asked),
        T(a_client_that_does_not_read_makes_its_sender_wait),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
