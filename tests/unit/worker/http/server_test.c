/* SPDX-License-Identifier: Apache-2.0 */
#include "../server.h"

#include <sys/mman.h>

static struct seen {
    unsigned done;
    hub_status status;
    bool flag, intact;
} seen;

static int setup(void **state)
{
    memset(&seen, 0, sizeof seen);
    return serve_open(state);
}

/* ---- handlers ---- */

static hub_status echo_parameter(hub_http *http, void *arg)
{
    (void)arg;
    serving.calls++;
    serve_faked(http);
    return hub_http_reply(http, 200, NULL, hub_http_param(http, "word"));
}

static hub_status large(hub_http *http, void *arg)
{
    (void)arg;
    static char body[500];
    serving.calls++;
    serve_faked(http);
    memset(body, 'L', sizeof body);
    return hub_http_reply(http, 200, NULL, hub_bytes_of(body, sizeof body));
}

static bool same(hub_bytes bytes, const char *copy)
{
    return hub_equal(bytes, hub_text(copy));
}

/* Parks, and looks whether the request is what it was. */
static hub_status parked(hub_http *http, void *arg)
{
    (void)arg;
    serving.calls++;
    seen.flag = true;
    hub_event_wait(serving.gate, HUB_FOREVER);
    seen.intact = same(hub_http_method(http), "POST") && same(hub_http_path(http), "/parked/word") &&
                  same(hub_http_param(http, "word"), "word") && same(hub_http_query(http, "q"), "1") &&
                  same(hub_http_header(http, "X-Test"), "value") && same(hub_http_body(http), "the body");
    seen.status = hub_http_reply(http, 200, NULL, hub_http_body(http));
    seen.done++;
    return seen.status;
}

static hub_status waits(hub_http *http, void *arg)
{
    (void)arg;
    serving.calls++;
    serve_faked(http);
    hub_event_wait(serving.gate, HUB_FOREVER);
    seen.status = hub_http_reply(http, 200, NULL, hub_text("waited"));
    seen.done++;
    return seen.status;
}

static hub_status forgets(hub_http *http, void *arg)
{
    (void)http, (void)arg;
    return HUB_OK;
}

static hub_status fails_after_setting(hub_http *http, void *arg)
{
    (void)arg;
    hub_http_set(http, "Cache-Control", hub_text("public, max-age=3600"));
    return HUB_EFAIL;
}

static hub_status answers_twice(hub_http *http, void *arg)
{
    (void)arg;
    hub_http_reply(http, 201, NULL, hub_text("once"));
    seen.status = hub_http_reply(http, 202, NULL, hub_text("twice"));
    return HUB_OK;
}

static hub_status send_large_file(hub_http *http, void *arg)
{
    serve_faked(http);
    int fd = memfd_create("file", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, *(off_t *)arg), 0);
    return http_reply_file(http, 200, NULL, fd, 0, (size_t) * (off_t *)arg);
}

/* ---- what came ---- */

/* ---- requests and answers ---- */

static void a_request_is_answered_and_the_connection_stays(void **state)
{
    (void)state;
    serve_http("GET", "/hello", serve_hello, NULL);
    static client c;
    visit(&c);
    for (unsigned i = 1; i < 4; i++) {
        client_say(&c, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        expect_times(&c, "\r\n\r\nhello", i);
    }
    client_close(&c);
}

static void pipelined_requests_are_answered_in_order_in_one_write(void **state)
{
    (void)state;
    serve_http("GET", "/:word", echo_parameter, NULL);
    serving.fake = true;
    static client c;
    visit(&c);
    client_say(&c, "GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n"
                   "GET /three HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&c, "three");
    const char *text = client_text(&c);
    assert_true(strstr(text, "one") < strstr(text, "two"));
    assert_true(strstr(text, "two") < strstr(text, "three"));
    assert_int_equal(fake.writes, 1);
    client_close(&c);
}

static void every_cut_of_a_request_gives_the_same_answer(void **state)
{
    (void)state;
    serve_http("POST", "/parked/:word", parked, NULL);
    static const char request[] = "POST /parked/word?q=1 HTTP/1.1\r\nHost: a\r\nX-Test: value\r\n"
                                  "Content-Length: 8\r\n\r\nthe body";
    hub_event_set(serving.gate);
    static client c;
    visit(&c);
    for (size_t cut = 1; cut < sizeof request - 1; cut++) {
        seen.intact = false;
        client_send(&c, request, cut);
        world_turn(2);
        client_send(&c, request + cut, sizeof request - 1 - cut);
        expect_text(&c, "\r\n\r\nthe body");
        assert_true(seen.intact);
        client_drop(&c, c.length);
    }
    client_close(&c);
}

static void parked_keeps_its_request(const char *const pieces[])
{
    serve_http("POST", "/hello", serve_hello, NULL);
    serve_http("POST", "/parked/:word", parked, NULL);
    static client c;
    visit(&c);
    for (; *pieces; pieces++) {
        client_say(&c, *pieces);
        world_turn(2);
    }
    assert_true(world_until(is_set, &seen.flag));
    let_others_post();
    hub_event_set(serving.gate);
    expect_text(&c, "\r\n\r\nthe body");
    assert_true(seen.intact);
    client_close(&c);
}

static void a_parked_handler_keeps_its_request(void **state)
{
    (void)state;
    parked_keeps_its_request((const char *const[]){
        "POST /parked/word?q=1 HTTP/1.1\r\nHost: a\r\nX-Test: value\r\nContent-Length: 8\r\n\r\nthe body",
        NULL});
}

static void a_parked_handler_keeps_a_request_whose_head_came_in_pieces(void **state)
{
    (void)state;
    parked_keeps_its_request((const char *const[]){
        "POST /parked/word?q=1 HTTP/1.1\r\nHost: a\r\nX-Te",
        "st: value\r\nContent-Length: 8\r\n\r\nthe bodyPOST /hello HTTP/1.1\r\nHo", NULL});
}

static void a_parked_handler_keeps_a_request_whose_body_came_in_pieces(void **state)
{
    (void)state;
    parked_keeps_its_request((const char *const[]){
        "POST /parked/word?q=1 HTTP/1.1\r\nHost: a\r\nX-Test: value\r\nContent-Length: 8\r\n\r\nthe ", "bo",
        "dy", NULL});
}

static void a_parked_handler_keeps_a_body_that_came_behind_its_head(void **state)
{
    (void)state;
    parked_keeps_its_request((const char *const[]){
        "POST /parked/word?q=1 HTTP/1.1\r\nHost: a\r\nX-Test: value\r\nContent-Length: 8\r\n\r\n",
        "the bodyPOST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", NULL});
}

static void a_parked_handler_keeps_a_chunked_body(void **state)
{
    (void)state;
    parked_keeps_its_request((const char *const[]){
        "POST /parked/word?q=1 HTTP/1.1\r\nHost: a\r\nX-Test: value\r\nTransfer-Encoding: chunked\r\n\r\n"
        "4\r\nthe \r\n2\r\nbo\r\n",
        "2\r\ndy\r\n0\r\n\r\n", NULL});
}

static void requests_behind_a_parked_one_wait_for_it(void **state)
{
    (void)state;
    serve_http("GET", "/waits", waits, NULL);
    serve_http("GET", "/hello", serve_hello, NULL);
    static client c;
    visit(&c);
    for (int i = 0; i < 3; i++)
        client_say(&c, "GET /waits HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    world_turn(5);
    client_say(&c, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    world_turn(5);
    assert_int_equal(serving.calls, 1);
    assert_int_equal(strlen(client_text(&c)), 0);
    hub_event_set(serving.gate);
    expect_times(&c, "hello", 4);
    assert_int_equal(occurrences(&c, "waited"), 3);
    client_close(&c);
}

static void what_comes_behind_a_parked_request_is_bounded(void **state)
{
    (void)state;
    serve_http("GET", "/waits", waits, NULL);
    serve_http("GET", "/hello", serve_hello, NULL);
    static client c;
    visit(&c);
    client_say(&c, "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    world_turn(3);
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    unsigned sent = 0;
    while (send(c.fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1) {
        sent++;
        world_turn(1);
        assert_true(sent < 100000);
    }
    assert_true(sent > 1000);
    hub_event_set(serving.gate);
    expect_times(&c, "hello", sent);
    client_close(&c);
}

static void who_asks_much_at_once_does_not_keep_the_others_waiting(void **state)
{
    (void)state;
    enum { MANY = 200 };
    serve_http("GET", "/hello", serve_hello, NULL);
    static client busy, other;
    visit(&busy);
    visit(&other);
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    const size_t length = sizeof request - 1;
    static char many[MANY * sizeof request];
    for (size_t i = 0; i < MANY; i++)
        memcpy(many + i * length, request, length);
    client_send(&busy, many, MANY * length);
    client_say(&other, request);
    world_turn(2);
    client_read(&other);
    assert_int_equal(occurrences(&other, "\r\n\r\nhello"), 1);
    client_read(&busy);
    assert_true(occurrences(&busy, "\r\n\r\nhello") < MANY);
    expect_times(&busy, "\r\n\r\nhello", MANY);
    assert_int_equal(serving.calls, MANY + 1);
    client_close(&busy);
    client_close(&other);
}

/* ---- clients that go ---- */

static void a_client_may_vanish_while_its_handler_is_parked(void **state)
{
    (void)state;
    serve_http("GET", "/waits", waits, NULL);
    static client c;
    visit(&c);
    client_say(&c, "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    world_turn(3);
    /* Half-closed or gone looks the same until something is sent: so its answer is attempted. */
    client_close(&c);
    world_turn(3);
    hub_event_set(serving.gate);
    assert_true(world_until(no_connections, NULL));
    assert_int_equal(seen.done, 1);
}

static void a_handler_whose_client_was_cut_off_is_told_so(void **state)
{
    (void)state;
    serve_http("GET", "/waits", waits, NULL);
    static client c;
    visit(&c);
    client_say(&c, "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    world_turn(3);
    connections_abort();
    world_turn(3);
    hub_event_set(serving.gate);
    assert_true(world_until(no_greenlets, NULL));
    assert_int_equal(seen.status, HUB_ECLOSED);
    client_close(&c);
}

static void a_client_that_has_ended_its_side_gets_all_its_answers(void **state)
{
    (void)state;
    serve_http("GET", "/waits", waits, NULL);
    serve_http("GET", "/hello", serve_hello, NULL);
    static client c;
    visit(&c);
    client_say(&c, "GET /waits HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                   "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(c.fd, SHUT_WR);
    world_turn(5);
    hub_event_set(serving.gate);
    assert_true(client_wait_end(&c));
    assert_int_equal(occurrences(&c, "waited"), 2);
    assert_int_equal(occurrences(&c, "hello"), 1);
    client_close(&c);
    assert_true(world_until(no_connections, NULL));
}

static void a_client_that_ended_while_its_answers_waited_gets_all_of_them(void **state)
{
    (void)state;
    serving.http.output.soft = 2000;
    serving.fake = true;
    serve_http("GET", "/large", large, NULL);
    static client c;
    visit(&c);
    fake.room = 100;
    for (int i = 0; i < 40; i++)
        client_say(&c, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(c.fd, SHUT_WR);
    world_turn(5);
    assert_true(serving.calls < 40);
    fake.room = SIZE_MAX;
    assert_true(client_wait_end(&c));
    assert_int_equal(occurrences(&c, "HTTP/1.1 200"), 40);
    client_close(&c);
}

static void a_client_may_end_after_any_byte(void **state)
{
    (void)state;
    serve_http("POST", "/parked/:word", parked, NULL);
    static const char request[] = "POST /parked/word?q=1 HTTP/1.1\r\nHost: a\r\nX-Test: value\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n4\r\nthe \r\n4\r\nbody\r\n0\r\n\r\n";
    for (size_t cut = 0; cut < sizeof request; cut++) {
        static client c;
        visit(&c);
        client_send(&c, request, cut / 2);
        world_turn((unsigned)cut % 3);
        client_send(&c, request + cut / 2, cut - cut / 2);
        world_turn((unsigned)cut % 2);
        client_close(&c);
        if (cut % 5 == 0)
            hub_event_set(serving.gate);
        else
            hub_event_clear(serving.gate);
        world_turn(2);
    }
    hub_event_set(serving.gate);
    assert_true(world_until(no_connections, NULL));
    assert_true(world_until(no_greenlets, NULL));
}

/* Asked before the poll: the flush has ended the pause, and what it kicked comes after the next read. */
static bool upgrades_when_answered(void *arg)
{
    client_read(arg);
    if (((client *)arg)->length == 0)
        return false;
    if (!seen.flag)
        ws_handshake(arg, "/ws");
    seen.flag = true;
    return occurrences(arg, "HTTP/1.1 101 ") == 1;
}

static void an_upgrade_may_come_while_a_kick_is_due(void **state)
{
    (void)state;
    serving.http.output.soft = 1000;
    serve_http("GET", "/large", large, NULL);
    serve_ws("/ws", (ws_route){.on_message = NULL});
    static client c;
    visit(&c);
    client_say(&c, "GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /large HTTP/1.1\r\nHost: a\r\n\r\n"
                   "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(world_until(upgrades_when_answered, &c));
    expect_text(&c, "HTTP/1.1 101 ");
    assert_int_equal(occurrences(&c, "HTTP/1.1 200"), 3);
    client_close(&c);
}

/* ---- time ---- */

static void a_head_that_does_not_come_is_answered_408(void **state)
{
    (void)state;
    serving.http.header_timeout = 0.1;
    static client c;
    visit(&c);
    client_say(&c, "GET /hello HT");
    assert_true(client_wait_end(&c));
    expect_text(&c, "HTTP/1.1 408 ");
    client_close(&c);
}

static void a_body_that_does_not_come_is_answered_408(void **state)
{
    (void)state;
    serving.http.body_timeout = 0.1;
    serve_http("POST", "/hello", serve_hello, NULL);
    static client c;
    visit(&c);
    client_say(&c, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    assert_true(client_wait_end(&c));
    expect_text(&c, "HTTP/1.1 408 ");
    assert_int_equal(serving.calls, 0);
    client_close(&c);
}

static void an_idle_connection_ends_in_silence(void **state)
{
    (void)state;
    serving.http.keep_alive = 0.1;
    static client c;
    visit(&c);
    assert_true(client_wait_end(&c));
    assert_int_equal(c.length, 0);
    client_close(&c);
}

static void a_parked_handler_has_all_the_time_it_wants(void **state)
{
    (void)state;
    serving.http.keep_alive = serving.http.header_timeout = serving.http.body_timeout = 0.05;
    serve_http("GET", "/waits", waits, NULL);
    static client c;
    visit(&c);
    client_say(&c, "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    uint64_t until = clock_monotonic_ns() + CLOCK_NS_PER_S / 2;
    while (clock_monotonic_ns() < until)
        world_turn(2);
    hub_event_set(serving.gate);
    expect_text(&c, "waited");
    client_close(&c);
}

static void stall(const char *request)
{
    serving.http.send_timeout = 0.2;
    serving.http.keep_alive = 0.1;
    serving.fake = true;
    serve_http("GET", "/large", large, NULL);
    static client c;
    visit(&c);
    fake.room = 100;
    client_say(&c, request);
    assert_true(world_until(no_connections, NULL));
    assert_true(serving.calls > 0);
    client_close(&c);
}

static void a_client_that_takes_nothing_of_its_answer_is_left(void **state)
{
    (void)state;
    stall("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void a_client_that_takes_nothing_of_its_last_answer_is_left(void **state)
{
    (void)state;
    stall("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
}

static void a_client_that_takes_nothing_of_a_refusal_is_left(void **state)
{
    (void)state;
    stall("GET /large HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n");
}

static void a_client_that_ended_and_takes_nothing_is_left(void **state)
{
    (void)state;
    serving.http.output.soft = 300;
    stall("GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /large HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void take_slowly(hub_http_handler handler, void *arg, size_t length)
{
    serving.http.send_timeout = 0.3;
    serving.http.keep_alive = 0.1;
    serving.fake = true;
    serve_http("GET", "/slow", handler, arg);
    static client c;
    visit(&c);
    fake.room = 200;
    client_say(&c, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < 12; i++) {
        uint64_t until = clock_monotonic_ns() + 100 * CLOCK_NS_PER_MS;
        while (clock_monotonic_ns() < until)
            world_turn(2);
        fake.room += 10;
    }
    assert_int_equal(connections_count(), 1);
    fake.room = SIZE_MAX;
    assert_true(client_wait(&c, length));
    client_close(&c);
}

static void a_client_that_takes_its_answer_slowly_is_waited_for(void **state)
{
    (void)state;
    take_slowly(large, NULL, 550);
}

static void a_client_that_takes_a_file_slowly_is_waited_for(void **state)
{
    (void)state;
    static off_t size = 2000;
    take_slowly(send_large_file, &size, 2000);
}

/* ---- refusals ---- */

static void refused(const char *request, const char *answer)
{
    static client c;
    visit(&c);
    client_say(&c, request);
    expect_text(&c, answer);
    client_close(&c);
}

static void what_cannot_be_served_is_refused_with_its_status(void **state)
{
    (void)state;
    serve_http("GET", "/hello", serve_hello, NULL);
    serve_ws("/ws", (ws_route){.handler = NULL});
    refused("nonsense\r\n\r\n", "HTTP/1.1 400 ");
    refused("GET /hello HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
    refused("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 ");
    refused("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 ");
    refused("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "Allow: GET, HEAD, OPTIONS\r\n");
    refused("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 426 ");
    refused("POST /ws HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "Allow: GET, OPTIONS\r\n");
    refused("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", "HTTP/1.1 413 ");
    refused("GET /hello HTTP/9.9\r\nHost: a\r\n\r\n", "HTTP/1.1 505 ");
    assert_int_equal(serving.calls, 0);
}

static void a_refused_request_ends_the_connection(void **state)
{
    (void)state;
    serve_http("GET", "/hello", serve_hello, NULL);
    static client c;
    visit(&c);
    client_say(&c, "nonsense\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_wait_end(&c));
    assert_int_equal(serving.calls, 0);
    client_close(&c);
}

static void head_gets_the_head_alone(void **state)
{
    (void)state;
    serve_http("GET", "/hello", serve_hello, NULL);
    static client c;
    visit(&c);
    client_say(&c, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&c, "Content-Length: 5\r\n");
    world_turn(2);
    assert_int_equal(occurrences(&c, "hello"), 0);
    client_close(&c);
}

static void a_client_that_waits_for_100_gets_it(void **state)
{
    (void)state;
    serve_http("POST", "/hello", serve_hello, NULL);
    static client c;
    visit(&c);
    client_say(&c, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    expect_text(&c, "HTTP/1.1 100 Continue\r\n\r\n");
    client_say(&c, "hi");
    expect_text(&c, "HTTP/1.1 200 OK");
    client_close(&c);
}

static void a_handler_that_forgets_to_answer_answers_500(void **state)
{
    (void)state;
    serve_http("GET", "/forgets", forgets, NULL);
    refused("GET /forgets HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 500 ");
}

/* Else a cache would keep the failure for as long as it was to keep the answer. */
static void a_failed_handlers_fields_are_not_in_the_500(void **state)
{
    (void)state;
    static client c;
    serve_http("GET", "/fails", fails_after_setting, NULL);
    visit(&c);
    client_say(&c, "GET /fails HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&c, "HTTP/1.1 500 ");
    expect_text(&c, "the server failed to answer");
    assert_null(memmem(c.data, c.length, "Cache-Control", 13));
    client_close(&c);
}

static void options_are_told_of_every_path_that_is_known(void **state)
{
    (void)state;
    serve_http("GET", "/hello", serve_hello, NULL);
    serve_http("POST", "/both", serve_hello, NULL);
    serve_http("*", "/any", serve_hello, NULL);
    serve_ws("/both", (ws_route){.on_message = NULL});
    refused("OPTIONS /hello HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 204 ");
    refused("OPTIONS /hello HTTP/1.1\r\nHost: a\r\n\r\n", "Allow: GET, HEAD, OPTIONS\r\n");
    refused("OPTIONS /both HTTP/1.1\r\nHost: a\r\n\r\n", "Allow: POST, GET, OPTIONS\r\n");
    refused("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 204 ");
    refused("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "Allow: POST, GET, HEAD, OPTIONS\r\n");
    refused("OPTIONS /any HTTP/1.1\r\nHost: a\r\n\r\n", "hello");
    refused("OPTIONS /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 ");
    refused("DELETE /both HTTP/1.1\r\nHost: a\r\n\r\n", "Allow: POST, GET, OPTIONS\r\n");
}

static void a_second_answer_is_refused(void **state)
{
    (void)state;
    serve_http("GET", "/twice", answers_twice, NULL);
    refused("GET /twice HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 201 ");
    assert_int_equal(seen.status, HUB_ESTATE);
}

static void without_a_greenlet_the_answer_is_503(void **state)
{
    serve_close(state);
    serve_open_with(2);
    serve_http("GET", "/waits", waits, NULL);
    static client c, d, e;
    visit(&c);
    visit(&d);
    visit(&e);
    client_say(&c, "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    client_say(&d, "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    world_turn(3);
    client_say(&e, "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&e, "HTTP/1.1 503 ");
    hub_event_set(serving.gate);
    expect_text(&c, "waited");
    expect_text(&d, "waited");
    client_say(&e, "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&e, "waited");
    client_close(&c);
    client_close(&d);
    client_close(&e);
}

/* ---- the worker's end ---- */

static void draining_ends_idle_connections_and_finishes_requests(void **state)
{
    (void)state;
    serve_http("GET", "/waits", waits, NULL);
    static client idle, busy;
    static client late;
    visit(&idle);
    visit(&busy);
    visit(&late);
    serve_http("GET", "/hello", serve_hello, NULL);
    client_say(&idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&idle, "200 OK");
    client_say(&busy, "GET /waits HTTP/1.1\r\nHost: a\r\n\r\nGET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    world_turn(3);
    connections_drain();
    assert_true(client_wait_end(&idle));
    hub_event_set(serving.gate);
    assert_true(client_wait_end(&busy));
    assert_int_equal(occurrences(&busy, "waited"), 1);
    expect_text(&busy, "Connection: close\r\n");
    /* One that was accepted at the last moment may ask once. */
    client_say(&late, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&late, "Connection: close\r\n");
    assert_true(client_wait_end(&late));
    client_close(&late);
    client_close(&idle);
    client_close(&busy);
}

static void draining_answers_a_request_that_has_arrived(void **state)
{
    (void)state;
    serve_http("GET", "/hello", serve_hello, NULL);
    static client whole, half;
    visit(&whole);
    visit(&half);
    client_say(&whole, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    client_say(&half, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&whole, "hello");
    expect_text(&half, "hello");
    client_say(&half, "GET /hello HTTP/1.1\r\nHo");
    world_turn(3);
    client_say(&whole, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"); /* nobody has read it yet */
    connections_drain();
    connections_drain();
    client_say(&half, "st: a\r\n\r\n");
    assert_true(client_wait_end(&whole));
    assert_true(client_wait_end(&half));
    assert_int_equal(occurrences(&whole, "200 OK"), 2);
    assert_int_equal(occurrences(&half, "200 OK"), 2);
    expect_text(&whole, "Connection: close\r\n");
    expect_text(&half, "Connection: close\r\n");
    client_close(&whole);
    client_close(&half);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, serve_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered_and_the_connection_stays),
        TEST(pipelined_requests_are_answered_in_order_in_one_write),
        TEST(every_cut_of_a_request_gives_the_same_answer),
        TEST(a_parked_handler_keeps_its_request),
        TEST(a_parked_handler_keeps_a_request_whose_head_came_in_pieces),
        TEST(a_parked_handler_keeps_a_request_whose_body_came_in_pieces),
        TEST(a_parked_handler_keeps_a_body_that_came_behind_its_head),
        TEST(a_parked_handler_keeps_a_chunked_body),
        TEST(requests_behind_a_parked_one_wait_for_it),
        TEST(what_comes_behind_a_parked_request_is_bounded),
        TEST(who_asks_much_at_once_does_not_keep_the_others_waiting),
        TEST(a_client_may_vanish_while_its_handler_is_parked),
        TEST(a_handler_whose_client_was_cut_off_is_told_so),
        TEST(a_client_that_has_ended_its_side_gets_all_its_answers),
        TEST(a_client_that_ended_while_its_answers_waited_gets_all_of_them),
        TEST(a_client_may_end_after_any_byte),
        TEST(an_upgrade_may_come_while_a_kick_is_due),
        TEST(a_head_that_does_not_come_is_answered_408),
        TEST(a_body_that_does_not_come_is_answered_408),
        TEST(an_idle_connection_ends_in_silence),
        TEST(a_parked_handler_has_all_the_time_it_wants),
        TEST(a_client_that_takes_nothing_of_its_answer_is_left),
        TEST(a_client_that_takes_nothing_of_its_last_answer_is_left),
        TEST(a_client_that_takes_nothing_of_a_refusal_is_left),
        TEST(a_client_that_ended_and_takes_nothing_is_left),
        TEST(a_client_that_takes_its_answer_slowly_is_waited_for),
        TEST(a_client_that_takes_a_file_slowly_is_waited_for),
        TEST(what_cannot_be_served_is_refused_with_its_status),
        TEST(a_refused_request_ends_the_connection),
        TEST(head_gets_the_head_alone),
        TEST(a_client_that_waits_for_100_gets_it),
        TEST(a_handler_that_forgets_to_answer_answers_500),
        TEST(a_failed_handlers_fields_are_not_in_the_500),
        TEST(options_are_told_of_every_path_that_is_known),
        TEST(a_second_answer_is_refused),
        TEST(without_a_greenlet_the_answer_is_503),
        TEST(draining_ends_idle_connections_and_finishes_requests),
        TEST(draining_answers_a_request_that_has_arrived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
