/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_world.h"

static void messages_of_one_turn_are_one_answer(void **state)
{
    (void)state;
    poller p;
    poller_open(&p);
    poller_poll(&p);
    send_text(noted.last, "a");
    send_text(noted.last, "b");
    poller_expect(&p, 200,
                  "4a\x1e"
                  "4b");
}

static void messages_wait_for_the_next_poll(void **state)
{
    (void)state;
    poller p;
    poller_open(&p);
    assert_string_equal(engine_transport(noted.last), "polling");
    assert_false(engine_is_writable(noted.last));
    send_text(noted.last, "a");
    poller_gets(&p, "4a");
    poller_poll(&p);
    assert_true(engine_is_writable(noted.last));
    engine_close(noted.last, SIO_FORCED_CLOSE);
    poller_expect(&p, 200, "1");
}

static void what_was_queued_goes_out_before_the_end(void **state)
{
    (void)state;
    poller p;
    tested.packets_a_poll = 2;
    poller_open(&p);
    for (int i = 0; i < 3; i++)
        send_text(noted.last, "a");
    engine_close(noted.last, SIO_FORCED_CLOSE);
    expect_closed(1, SIO_FORCED_CLOSE);
    poller_posts(&p, "4late", 400);
    poller_gets(&p, "4a\x1e"
                    "4a");
    poller_gets(&p, "4a");
    poller_gets(&p, "1"); /* in an answer of its own */
    poller_is_gone(&p);
    assert_string_equal(noted.log, "");
}

static void an_answer_may_have_any_number_of_packets(void **state)
{
    (void)state;
    poller p;
    tested.packets_a_poll = 0;
    poller_open(&p);
    for (int i = 0; i < 100; i++)
        send_text(noted.last, "");
    poller_poll(&p);
    assert_true(client_wait_end(&p.poll));
    assert_int_equal(occurrences(&p.poll, "\x1e"), 99);
    client_close(&p.poll);
}

static void a_dropped_session_hears_nothing(void **state)
{
    (void)state;
    poller p;
    poller_open(&p);
    poller_poll(&p);
    send_text(noted.last, "a");
    engine_drop(noted.last);
    expect_closed(1, SIO_TRANSPORT_CLOSE);
    assert_true(client_wait_end(&p.poll));
    assert_int_equal(p.poll.length, 0);
    client_close(&p.poll);
    poller_is_gone(&p);
}

static void a_poll_whose_client_goes_ends_the_session(void **state)
{
    (void)state;
    poller p;
    poller_open(&p);
    poller_poll(&p);
    client_close(&p.poll);
    expect_closed(1, SIO_TRANSPORT_ERROR);
    poller_is_gone(&p);
}

static void a_second_poll_ends_the_session(void **state)
{
    (void)state;
    poller p;
    client second;
    poller_open(&p);
    poller_poll(&p);
    ask(&second, "GET", p.query, "", "");
    assert_answer(&second, 400, "{\"code\":3,\"message\":\"Bad request\"}");
    poller_expect(&p, 200, "1");
    expect_closed(1, SIO_TRANSPORT_ERROR);
    poller_is_gone(&p);
}

static void the_rest_of_a_payload_waits_while_the_session_is_paused(void **state)
{
    (void)state;
    poller p;
    client post;
    poller_open(&p);
    noted.pause = true;
    ask(&post, "POST", p.query, "",
        "4a\x1e"
        "4b\x1e"
        "4c");
    expect_heard("a,");
    world_turn(3);
    expect_heard("a,");
    assert_int_equal(post.length, 0);
    engine_pause(noted.last, false); /* the next message pauses again */
    expect_heard("a,b,");
    noted.pause = false;
    engine_pause(noted.last, false);
    expect_heard("a,b,c,");
    assert_answer(&post, 200, "ok");
}

static void a_second_post_ends_the_session(void **state)
{
    (void)state;
    poller p;
    client post;
    poller_open(&p);
    noted.pause = true;
    ask(&post, "POST", p.query, "",
        "4a\x1e"
        "4b");
    poller_posts(&p, "4c", 400);
    expect_closed(1, SIO_TRANSPORT_ERROR);
    client_wait_end(&post);
    client_close(&post);
    expect_heard("a,");
}

static void a_post_whose_client_goes_ends_the_session(void **state)
{
    (void)state;
    poller p;
    client post;
    poller_open(&p);
    noted.pause = true;
    ask(&post, "POST", p.query, "",
        "4a\x1e"
        "4b");
    client_close(&post);
    expect_closed(1, SIO_TRANSPORT_ERROR);
    expect_heard("a,");
}

static void closing_within_a_payload_ends_it(void **state)
{
    (void)state;
    poller p;
    poller_open(&p);
    noted.closing = noted.last;
    poller_posts(&p,
                 "4a\x1e"
                 "4b",
                 200);
    expect_closed(1, SIO_FORCED_CLOSE);
    assert_string_equal(noted.log, "a,");
    poller_gets(&p, "1");
    poller_is_gone(&p);
}

static void a_malformed_payload_ends_the_session(void **state)
{
    (void)state;
    poller p;
    poller_open(&p);
    poller_poll(&p);
    poller_posts(&p,
                 "4a\x1e"
                 "x",
                 400);
    expect_closed(1, SIO_PARSE_ERROR);
    poller_expect(&p, 200, "1");
    assert_string_equal(noted.log, "a,");
    poller_is_gone(&p);
}

static void a_queue_above_its_limit_closes_the_session(void **state)
{
    (void)state;
    poller p;
    char text[901] = "";
    memset(text, 'x', 900);
    tested.limits = (connection_limits){.soft = 500, .hard = 1000, .time = 60, .policy = HUB_POLICY_CLOSE};
    poller_open(&p);
    assert_int_equal(send_text(noted.last, text), HUB_OK);
    assert_int_equal(send_text(noted.last, text), HUB_EFULL);
    assert_int_equal(send_text(noted.last, text), HUB_ECLOSED);
    expect_closed(1, SIO_TRANSPORT_ERROR);
    poller_is_gone(&p);
}

static void a_queue_above_its_limit_drops_what_comes(void **state)
{
    (void)state;
    poller p;
    char text[901] = "";
    memset(text, 'x', 900);
    tested.limits = (connection_limits){.soft = 500, .hard = 1000, .time = 60, .policy = HUB_POLICY_SKIP};
    poller_open(&p);
    assert_int_equal(send_text(noted.last, text), HUB_OK);
    assert_int_equal(send_text(noted.last, text), HUB_EFULL);
    assert_int_equal(world_row()->dropped, 1);
    poller_poll(&p);
    poller_expect(&p, 200, NULL);
    assert_int_equal(noted.closed, 0);
}

static struct sender {
    engine *e;
    hub_status status;
    bool done;
} sender;

static void wait_and_send(void *arg)
{
    (void)arg;
    sender.status = engine_wait(sender.e, 20);
    if (sender.status == HUB_OK)
        sender.status = send_text(sender.e, "late");
    sender.done = true;
}

static void a_sender_waits_until_the_client_polls(void **state)
{
    (void)state;
    poller p;
    char text[901] = "";
    memset(text, 'x', 900);
    tested.limits = (connection_limits){.soft = 500, .hard = 1000, .time = 60, .policy = HUB_POLICY_BLOCK};
    poller_open(&p);
    sender = (struct sender){.e = noted.last};
    send_text(noted.last, text);
    assert_int_equal(send_text(noted.last, text), HUB_EAGAIN);
    hub_spawn(NULL, "sender", wait_and_send, NULL);
    world_turn(3);
    assert_false(sender.done);
    poller_poll(&p);
    poller_expect(&p, 200, NULL);
    assert_true(world_until(is_set, &sender.done));
    assert_int_equal(sender.status, HUB_OK);
    assert_int_equal(noted.writable, 1);
    poller_gets(&p, "4late");
}

static void a_sender_hears_that_the_session_has_ended(void **state)
{
    (void)state;
    poller p;
    poller_open(&p);
    sender = (struct sender){.e = noted.last};
    hub_spawn(NULL, "sender", wait_and_send, NULL);
    world_turn(3);
    engine_close(noted.last, SIO_FORCED_CLOSE);
    assert_true(world_until(is_set, &sender.done));
    assert_int_equal(sender.status, HUB_ECLOSED);
    poller_gets(&p, "1");
}

static void a_ping_waits_for_a_poll_and_its_time_runs(void **state)
{
    (void)state;
    poller p;
    tested.ping_interval = tested.ping_timeout = 0.2;
    poller_open(&p);
    expect_closed(1, SIO_PING_TIMEOUT);
    poller_is_gone(&p);
}

static void a_client_that_answers_pings_stays(void **state)
{
    (void)state;
    poller p;
    tested.ping_interval = 0.2;
    poller_open(&p);
    for (int i = 0; i < 3; i++) {
        poller_gets(&p, "2");
        poller_posts(&p, "3", 200);
    }
    assert_int_equal(noted.closed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, engine_world_open, engine_world_close)
        T(messages_of_one_turn_are_one_answer),
        T(messages_wait_for_the_next_poll),
        T(what_was_queued_goes_out_before_the_end),
        T(an_answer_may_have_any_number_of_packets),
        T(a_dropped_session_hears_nothing),
        T(a_poll_whose_client_goes_ends_the_session),
        T(a_second_poll_ends_the_session),
        T(the_rest_of_a_payload_waits_while_the_session_is_paused),
        T(a_second_post_ends_the_session),
        T(a_post_whose_client_goes_ends_the_session),
        T(closing_within_a_payload_ends_it),
        T(a_malformed_payload_ends_the_session),
        T(a_queue_above_its_limit_closes_the_session),
        T(a_queue_above_its_limit_drops_what_comes),
        T(a_sender_waits_until_the_client_polls),
        T(a_sender_hears_that_the_session_has_ended),
        T(a_ping_waits_for_a_poll_and_its_time_runs),
        T(a_client_that_answers_pings_stays),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
