/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are served in hub context, at once or later. */
#include "../server.h"
#include "worker/http/access.h"

enum { KEPT_MAX = 64 };

static struct seen {
    unsigned calls, lost, count;
    size_t greenlets;
    hub_http *kept[KEPT_MAX];
    hub_status status;
    bool intact;
    void *keeper;
} seen;

static int setup(void **state)
{
    memset(&seen, 0, sizeof seen);
    return serve_open(state);
}

/* ---- what serves ---- */

static http_route *serve_in_hub(const char *method, const char *path, void (*serve)(hub_http *, void *))
{
    http_route *to = serve_http(method, path, NULL, NULL);
    to->serve = serve;
    return to;
}

static void answers(hub_http *http, void *arg)
{
    (void)arg;
    seen.calls++;
    seen.greenlets = greenlet_count().alive;
    hub_http_reply(http, 200, "text/plain", hub_text("at once"));
}

static void forgets(hub_http *http, void *arg)
{
    (void)http, (void)arg;
    seen.calls++;
}

static void lost(hub_http *http, void *keeper)
{
    assert_ptr_equal(keeper, &seen);
    seen.lost++;
    for (unsigned i = 0; i < seen.count; i++)
        if (seen.kept[i] == http)
            seen.kept[i] = NULL;
}

static void keeps(hub_http *http, void *arg)
{
    (void)arg;
    seen.calls++;
    assert_true(seen.count < KEPT_MAX);
    seen.kept[seen.count++] = http;
    http_later(http, lost, &seen);
}

static void keeps_and_is_done(hub_http *http, void *arg)
{
    keeps(http, arg);
    seen.count--;
    seen.status = hub_http_reply(http, 200, NULL, hub_text("soon"));
    http_done(http);
}

static bool same(hub_bytes bytes, const char *copy)
{
    return hub_equal(bytes, hub_text(copy));
}

static void finish(unsigned which, const char *text)
{
    hub_http *http = seen.kept[which];
    assert_non_null(http);
    seen.kept[which] = NULL;
    seen.intact = same(hub_http_path(http), "/poll/word") && same(hub_http_param(http, "word"), "word") &&
                  same(hub_http_query(http, "q"), "1") && same(hub_http_header(http, "X-Test"), "value") &&
                  same(hub_http_body(http), "the body");
    seen.status = hub_http_reply(http, 200, NULL, hub_text(text));
    http_done(http);
}

static void finishes_the_first(hub_http *http, void *arg)
{
    finish(0, "by another");
    answers(http, arg);
}

static const char poll_request[] = "GET /poll HTTP/1.1\r\nHost: a\r\n\r\n";
static const char now_request[] = "GET /now HTTP/1.1\r\nHost: a\r\n\r\n";

static void routes(void)
{
    serve_in_hub("GET", "/poll", keeps);
    serve_in_hub("GET", "/now", answers);
}

static bool was_called(void *times)
{
    return seen.calls >= *(unsigned *)times;
}

/* Turns the hub until so many requests were served or kept. */
static void wait_calls(unsigned times)
{
    assert_true(world_until(was_called, &times));
}

static bool was_lost(void *times)
{
    return seen.lost >= *(unsigned *)times;
}

static void wait_lost(unsigned times)
{
    assert_true(world_until(was_lost, &times));
    assert_int_equal(seen.lost, times);
}

static void poll_with(client *c)
{
    visit(c);
    client_say(c, poll_request);
    wait_calls(seen.calls + 1);
}

/* ---- at once ---- */

static void a_request_is_served_without_a_greenlet(void **state)
{
    (void)state;
    routes();
    static client c;
    visit(&c);
    for (unsigned i = 1; i < 4; i++) {
        client_say(&c, now_request);
        expect_times(&c, "\r\n\r\nat once", i);
    }
    assert_int_equal(seen.greenlets, 0);
    assert_int_equal(atomic_load(&world_row()->requests), 3);
    client_close(&c);
}

static void a_request_that_nobody_answers_or_keeps_is_answered_500(void **state)
{
    (void)state;
    serve_in_hub("GET", "/forgets", forgets);
    routes();
    static client c;
    visit(&c);
    client_say(&c, "GET /forgets HTTP/1.1\r\nHost: a\r\n\r\n");
    client_say(&c, now_request);
    expect_text(&c, "\r\n\r\nat once");
    assert_int_equal(occurrences(&c, "HTTP/1.1 500 "), 1);
    client_close(&c);
}

static void a_body_is_whole_when_its_request_is_served(void **state)
{
    (void)state;
    serve_in_hub("POST", "/now", answers)->max_body = 10;
    static client c;
    visit(&c);
    client_say(&c, "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
    expect_text(&c, "HTTP/1.1 100 ");
    client_say(&c, "12345");
    world_turn(3);
    assert_int_equal(seen.calls, 0);
    client_say(&c, "67890");
    expect_text(&c, "at once");
    client_say(&c, "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n12345678901");
    expect_text(&c, "HTTP/1.1 413 ");
    assert_int_equal(seen.calls, 1);
    client_close(&c);
}

/* ---- later ---- */

static void a_kept_request_is_answered_later_and_those_behind_it_after_it(void **state)
{
    (void)state;
    routes();
    static client c;
    visit(&c);
    client_say(&c, poll_request);
    client_say(&c, now_request);
    client_say(&c, poll_request);
    wait_calls(1);
    client_say(&c, now_request);
    world_turn(3);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(greenlet_count().alive, 0);
    finish(0, "first");
    wait_calls(3);
    world_turn(3);
    assert_int_equal(seen.calls, 3);
    finish(1, "third");
    expect_times(&c, "at once", 2);
    const char *text = client_text(&c), *first = strstr(text, "first"), *third = strstr(text, "third");
    assert_true(first && third && first < strstr(text, "at once") && strstr(text, "at once") < third);
    client_close(&c);
    assert_true(world_until(no_connections, NULL));
    assert_int_equal(seen.lost, 0);
}

static void a_request_may_be_done_while_it_is_served(void **state)
{
    (void)state;
    serve_in_hub("GET", "/soon", keeps_and_is_done);
    static client c;
    visit(&c);
    client_say(&c, "GET /soon HTTP/1.1\r\nHost: a\r\n\r\nGET /soon HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_times(&c, "\r\n\r\nsoon", 2);
    client_close(&c);
    assert_true(world_until(no_connections, NULL));
    assert_int_equal(seen.lost, 0);
}

static void a_request_may_be_answered_while_another_is_served(void **state)
{
    (void)state;
    routes();
    serve_in_hub("POST", "/push", finishes_the_first);
    static client c, other;
    poll_with(&c);
    visit(&other);
    client_say(&other, "POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    expect_text(&other, "at once");
    expect_text(&c, "by another");
    client_close(&c);
    client_close(&other);
}

static hub_status answer_from_greenlet(hub_http *http, void *arg)
{
    hub_sleep(0.001);
    finish(0, "by a handler");
    return serve_hello(http, arg);
}

static void a_greenlet_may_answer_a_kept_request(void **state)
{
    (void)state;
    routes();
    serve_http("GET", "/hello", answer_from_greenlet, NULL);
    static client c, other;
    poll_with(&c);
    client_say(&c, now_request);
    visit(&other);
    client_say(&other, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&other, "hello");
    expect_text(&c, "by a handler");
    expect_text(&c, "at once");
    client_close(&c);
    client_close(&other);
}

static void a_request_that_is_done_without_an_answer_is_answered_500(void **state)
{
    (void)state;
    routes();
    static client c;
    poll_with(&c);
    http_done(seen.kept[0]);
    expect_text(&c, "HTTP/1.1 500 ");
    client_say(&c, now_request);
    expect_text(&c, "at once");
    client_close(&c);
}

static void a_kept_request_stays_readable_however_it_came(void **state)
{
    (void)state;
    serve_in_hub("POST", "/poll/:word", keeps);
    serve_http("POST", "/hello", serve_hello, NULL);
    static const char request[] = "POST /poll/word?q=1 HTTP/1.1\r\nHost: a\r\nX-Test: value\r\n"
                                  "Content-Length: 8\r\n\r\nthe body";
    static const size_t cuts[] = {0, 10, sizeof request - 1 - 8, sizeof request - 1 - 3};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        static client c;
        visit(&c);
        client_send(&c, request, cuts[i]);
        world_turn(2);
        client_send(&c, request + cuts[i], sizeof request - 1 - cuts[i]);
        wait_calls((unsigned)i + 1);
        let_others_post();
        finish((unsigned)i, "answer");
        expect_text(&c, "answer");
        assert_true(seen.intact);
        client_close(&c);
    }
}

static void a_kept_request_has_all_the_time_it_wants(void **state)
{
    (void)state;
    serving.http.keep_alive = serving.http.header_timeout = serving.http.body_timeout =
        serving.http.send_timeout = 0.05;
    routes();
    static client c;
    poll_with(&c);
    uint64_t until = clock_monotonic_ns() + CLOCK_NS_PER_S / 2;
    while (clock_monotonic_ns() < until)
        world_turn(2);
    assert_int_equal(seen.lost, 0);
    finish(0, "patient");
    expect_text(&c, "patient");
    client_close(&c);
}

static void many_kept_requests_need_no_greenlet(void **state)
{
    (void)state;
    routes();
    static client clients[KEPT_MAX];
    for (unsigned i = 0; i < KEPT_MAX; i++)
        poll_with(&clients[i]);
    assert_int_equal(greenlet_count().alive, 0);
    for (unsigned i = KEPT_MAX; i-- > 0;)
        finish(i, "answer");
    for (unsigned i = 0; i < KEPT_MAX; i++) {
        expect_times(&clients[i], "answer", 1);
        client_close(&clients[i]);
    }
}

/* ---- clients that go first ---- */

static void who_keeps_a_request_is_told_when_its_client_closes(void **state)
{
    (void)state;
    routes();
    static client c;
    poll_with(&c);
    client_close(&c);
    wait_lost(1);
    assert_true(world_until(no_connections, NULL));
}

static void who_keeps_a_request_is_told_when_its_client_ends_its_side(void **state)
{
    (void)state;
    routes();
    static client c;
    poll_with(&c);
    client_say(&c, now_request);
    shutdown(c.fd, SHUT_WR);
    wait_lost(1);
    assert_true(client_wait_end(&c));
    assert_int_equal(c.length, 0);
    assert_int_equal(seen.calls, 1);
    client_close(&c);
    assert_true(world_until(no_connections, NULL));
}

/* The second is read when its client has ended already. */
static void a_client_that_ended_before_its_request_is_kept_gets_the_answers_before_it(void **state)
{
    (void)state;
    routes();
    serve_http("GET", "/sleeps", answer_from_greenlet, NULL);
    static client other, c;
    poll_with(&other);
    visit(&c);
    client_say(&c, "GET /sleeps HTTP/1.1\r\nHost: a\r\n\r\n");
    client_say(&c, poll_request);
    shutdown(c.fd, SHUT_WR);
    wait_lost(1);
    assert_true(client_wait_end(&c));
    assert_int_equal(occurrences(&c, "HTTP/1.1 200 "), 1);
    client_close(&c);
    client_close(&other);
}

static void who_keeps_a_request_is_told_when_its_connection_breaks(void **state)
{
    (void)state;
    routes();
    static client c;
    poll_with(&c);
    connections_abort();
    assert_int_equal(seen.lost, 0); /* never from within a call */
    wait_lost(1);
    client_close(&c);
}

static void a_request_whose_connection_is_closed_may_still_be_done(void **state)
{
    (void)state;
    routes();
    static client c;
    poll_with(&c);
    connections_abort();
    finish(0, "too late");
    assert_int_equal(seen.status, HUB_ECLOSED);
    world_turn(3);
    assert_int_equal(seen.lost, 0);
    client_close(&c);
}

static void kept_requests_are_logged_by_what_became_of_them(void **state)
{
    (void)state;
    error why;
    int ends[2];
    char lines[100];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(access_open(&(access_options){.format = "%(m)s %(s)s", .fd = ends[1]}, &why), HUB_OK);
    routes();
    static client c, other;
    poll_with(&c);
    poll_with(&other);
    finish(0, "answer");
    expect_text(&c, "answer");
    client_close(&other);
    wait_lost(1);
    access_flush(NULL);
    ssize_t length = read(ends[0], lines, sizeof lines - 1);
    lines[length > 0 ? length : 0] = '\0';
    assert_string_equal(lines, "GET 200\nGET 499\n");
    client_close(&c);
    access_close();
    close(ends[0]);
    close(ends[1]);
}

/* ---- the worker's end ---- */

static void draining_waits_for_a_kept_request_and_ends_its_connection(void **state)
{
    (void)state;
    routes();
    static client c;
    poll_with(&c);
    client_say(&c, now_request);
    connections_drain();
    world_turn(3);
    assert_int_equal(connections_count(), 1);
    finish(0, "last");
    assert_true(client_wait_end(&c));
    assert_int_equal(occurrences(&c, "Connection: close\r\n"), 1);
    assert_int_equal(occurrences(&c, "last"), 1);
    assert_int_equal(seen.calls, 1);
    client_close(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, serve_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_served_without_a_greenlet),
        TEST(a_request_that_nobody_answers_or_keeps_is_answered_500),
        TEST(a_body_is_whole_when_its_request_is_served),
        TEST(a_kept_request_is_answered_later_and_those_behind_it_after_it),
        TEST(a_request_may_be_done_while_it_is_served),
        TEST(a_request_may_be_answered_while_another_is_served),
        TEST(a_greenlet_may_answer_a_kept_request),
        TEST(a_request_that_is_done_without_an_answer_is_answered_500),
        TEST(a_kept_request_stays_readable_however_it_came),
        TEST(a_kept_request_has_all_the_time_it_wants),
        TEST(many_kept_requests_need_no_greenlet),
        TEST(who_keeps_a_request_is_told_when_its_client_closes),
        TEST(who_keeps_a_request_is_told_when_its_client_ends_its_side),
        TEST(a_client_that_ended_before_its_request_is_kept_gets_the_answers_before_it),
        TEST(who_keeps_a_request_is_told_when_its_connection_breaks),
        TEST(a_request_whose_connection_is_closed_may_still_be_done),
        TEST(kept_requests_are_logged_by_what_became_of_them),
        TEST(draining_waits_for_a_kept_request_and_ends_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
