/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are handed to another worker with their connection. Here both workers are this process. */
#include "../server.h"
#include "worker/hub/backend.h"

static struct seen {
    bool claims; /* this worker does */
    bool keeps;  /* what was given is adopted by the test */
    unsigned claimed, given, gone, served;
    int fd;
    char *bytes, *peer;
    size_t length;
    hub_bytes body; /* of what was served */
    char body_copy[64];
} seen;

static void forget_given(void)
{
    free(seen.bytes);
    free(seen.peer);
    seen.bytes = seen.peer = NULL;
}

static int setup(void **state)
{
    memset(&seen, 0, sizeof seen);
    seen.claims = true;
    return serve_open(state);
}

static int teardown(void **state)
{
    forget_given();
    return serve_close(state);
}

/* ---- the worker that gives ---- */

static void on_given(const http_handed *handed, void *arg)
{
    assert_ptr_equal(arg, &seen);
    if (handed->fd < 0) {
        seen.gone++;
        return;
    }
    forget_given();
    seen.given++;
    seen.fd = handed->fd;
    seen.bytes = malloc(handed->bytes.length + 1);
    assert_non_null(seen.bytes);
    memcpy(seen.bytes, handed->bytes.data, handed->bytes.length);
    seen.length = handed->bytes.length;
    seen.bytes[seen.length] = '\0';
    seen.peer = handed->peer ? strdup(handed->peer) : NULL;
    if (!seen.keeps)
        return;
    seen.claims = false; /* the other worker does not */
    assert_non_null(http_adopt(seen.fd, seen.peer, hub_bytes_of(seen.bytes, seen.length)));
}

static bool claim(hub_http *http, void *arg)
{
    (void)arg;
    if (!seen.claims)
        return false;
    seen.claimed++;
    http_hand_over(http, on_given, &seen);
    return true;
}

static void serve(hub_http *http, void *arg)
{
    (void)arg;
    seen.served++;
    hub_bytes body = hub_http_body(http);
    assert_true(body.length < sizeof seen.body_copy);
    if (body.length)
        memcpy(seen.body_copy, body.data, body.length);
    seen.body = hub_bytes_of(seen.body_copy, body.length);
    hub_http_reply(http, 200, NULL, hub_text("other's"));
}

static void routes(void)
{
    http_route *to = serve_http("*", "/other", NULL, NULL);
    to->serve = serve;
    to->claim = claim;
    serve_http("GET", "/hello", serve_hello, NULL);
}

/* ---- what came ---- */

static bool has_settled(void *times)
{
    return seen.given + seen.gone >= *(unsigned *)times;
}

static void wait_settled(unsigned times)
{
    assert_true(world_until(has_settled, &times));
    assert_int_equal(seen.given + seen.gone, times);
}

static void adopt(void)
{
    seen.claims = false;
    assert_non_null(http_adopt(seen.fd, seen.peer, hub_bytes_of(seen.bytes, seen.length)));
}

static const char other_request[] = "POST /other?q=1 HTTP/1.1\r\nHost: a\r\nX-Test: value\r\n"
                                    "Content-Length: 8\r\n\r\nthe body";
static const char hello_request[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/* ---- handing over ---- */

static void a_request_goes_to_the_other_worker_with_all_that_came(void **state)
{
    (void)state;
    routes();
    static client c;
    char both[512];
    snprintf(both, sizeof both, "%s%s", other_request, hello_request);
    visit(&c);
    client_say(&c, both);
    wait_settled(1);
    assert_int_equal(connections_count(), 0);
    assert_string_equal(seen.bytes, both);
    assert_null(seen.peer);
    assert_int_equal(seen.served, 0);
    assert_int_equal(atomic_load(&world_row()->requests), 0);
    assert_int_equal(atomic_load(&world_row()->accepted), 1);
    world_turn(3);
    adopt();
    expect_text(&c, "hello");
    assert_int_equal(occurrences(&c, "other's"), 1);
    assert_true(strstr(client_text(&c), "other's") < strstr(client_text(&c), "hello"));
    assert_true(hub_equal(seen.body, hub_text("the body")));
    assert_int_equal(atomic_load(&world_row()->requests), 2);
    assert_int_equal(atomic_load(&world_row()->accepted), 1);
    assert_int_equal(atomic_load(&world_row()->connections), 1);
    client_say(&c, hello_request);
    expect_times(&c, "hello", 2);
    client_close(&c);
    assert_true(world_until(no_connections, NULL));
}

static void a_request_may_be_handed_over_after_any_byte(void **state)
{
    (void)state;
    routes();
    for (size_t cut = 1; cut < sizeof other_request - 1; cut++) {
        static client c;
        visit(&c);
        seen.claims = true;
        client_send(&c, other_request, cut);
        world_turn(3);
        client_send(&c, other_request + cut, sizeof other_request - 1 - cut);
        wait_settled((unsigned)cut);
        adopt();
        expect_text(&c, "other's");
        assert_true(hub_equal(seen.body, hub_text("the body")));
        client_close(&c);
        assert_true(world_until(no_connections, NULL));
    }
    assert_int_equal(seen.claimed, sizeof other_request - 2);
}

static void a_request_goes_before_its_body_is_asked_for(void **state)
{
    (void)state;
    routes();
    static const char head[] =
        "POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\nExpect: 100-continue\r\n\r\n";
    static client c;
    visit(&c);
    client_say(&c, head);
    wait_settled(1);
    assert_string_equal(seen.bytes, head);
    assert_int_equal(strlen(client_text(&c)), 0);
    adopt();
    expect_text(&c, "HTTP/1.1 100 ");
    client_say(&c, "the body");
    expect_text(&c, "other's");
    client_close(&c);
}

static void what_was_said_of_the_peer_goes_too(void **state)
{
    (void)state;
    routes();
    static client c;
    connection *first = http_start(client_open(&c), &transport_plain);
    assert_int_equal(connection_set_peer(first, "192.0.2.7:51000"), HUB_OK);
    client_say(&c, other_request);
    wait_settled(1);
    assert_string_equal(seen.peer, "192.0.2.7:51000");
    char text[64];
    connection *second = http_adopt(seen.fd, seen.peer, hub_bytes_of(NULL, 0));
    assert_string_equal(connection_peer(second, text), "192.0.2.7:51000");
    client_close(&c);
}

static void answers_of_earlier_requests_leave_first(void **state)
{
    (void)state;
    routes();
    seen.keeps = true;
    static client c;
    visit(&c);
    client_say(&c, hello_request);
    client_say(&c, hello_request);
    client_say(&c, other_request);
    expect_text(&c, "other's");
    const char *text = client_text(&c);
    assert_int_equal(occurrences(&c, "hello"), 2);
    assert_true(strstr(text, "hello") < strstr(text, "other's"));
    client_close(&c);
}

static void who_sends_many_requests_at_once_loses_none(void **state)
{
    (void)state;
    routes();
    seen.keeps = true;
    static client c;
    static char all[16384];
    size_t length = 0;
    visit(&c);
    for (int i = 0; i < 100; i++)
        length += (size_t)snprintf(all + length, sizeof all - length, "%s",
                                   i == 40 ? other_request : hello_request);
    client_send(&c, all, length);
    expect_times(&c, "HTTP/1.1 200 ", 100);
    assert_int_equal(occurrences(&c, "other's"), 1);
    assert_int_equal(seen.given, 1);
    assert_int_equal(atomic_load(&world_row()->requests), 100);
    client_close(&c);
}

static void a_connection_waits_until_its_client_has_taken_its_answers(void **state)
{
    (void)state;
    routes();
    serving.fake = true;
    static client c;
    visit(&c);
    fake.room = 20;
    client_say(&c, hello_request);
    client_say(&c, other_request);
    assert_true(client_wait(&c, 20));
    world_turn(5);
    assert_int_equal(seen.claimed, 1);
    assert_int_equal(seen.given, 0);
    client_say(&c, hello_request); /* is left to the other worker */
    world_turn(5);
    fake.room = SIZE_MAX;
    wait_settled(1);
    assert_int_equal(occurrences(&c, "hello"), 1);
    assert_string_equal(seen.bytes, other_request);
    adopt();
    expect_times(&c, "hello", 2);
    client_close(&c);
}

/* ---- clients that go first ---- */

static void a_connection_that_breaks_before_it_is_given_is_not(void **state)
{
    (void)state;
    routes();
    serving.fake = true;
    static client c;
    visit(&c);
    fake.room = 20;
    client_say(&c, hello_request);
    client_say(&c, other_request);
    assert_true(client_wait(&c, 20));
    client_close(&c);
    fake.room = SIZE_MAX;
    wait_settled(1);
    assert_int_equal(seen.gone, 1);
    assert_true(world_until(no_connections, NULL));
}

static void a_client_that_takes_nothing_is_not_waited_for_without_end(void **state)
{
    (void)state;
    routes();
    serving.fake = true;
    serving.http.send_timeout = 0.2;
    static client c;
    visit(&c);
    fake.room = 20;
    client_say(&c, hello_request);
    client_say(&c, other_request);
    wait_settled(1);
    assert_int_equal(seen.gone, 1);
    client_close(&c);
}

static void a_worker_that_ends_gives_nothing(void **state)
{
    (void)state;
    routes();
    serving.fake = true;
    static client c;
    visit(&c);
    fake.room = 20;
    client_say(&c, hello_request);
    client_say(&c, other_request);
    assert_true(client_wait(&c, 20));
    connections_drain();
    world_turn(3);
    connections_abort();
    wait_settled(1);
    assert_int_equal(seen.gone, 1);
    client_close(&c);
}

/* ---- upgrades ---- */

static void hand_upgrades_over(hub_http *http)
{
    if (!claim(http, NULL))
        serve_upgrade(http);
}

static hub_status echo(hub_ws *ws, void *arg)
{
    (void)arg;
    hub_message m;
    hub_status status;
    while ((status = hub_ws_recv(ws, &m, HUB_FOREVER)) == HUB_OK)
        hub_ws_send(ws, m.type, m.body);
    return status;
}

static void an_upgrade_is_handed_over_with_the_frames_behind_it(void **state)
{
    (void)state;
    serve_ws("/ws", (ws_route){.handler = echo});
    serving.http.upgrade = hand_upgrades_over;
    static client c;
    visit(&c);
    ws_handshake(&c, "/ws");
    ws_say(&c, "early");
    wait_settled(1);
    assert_int_equal(connections_count(), 0);
    assert_int_equal(atomic_load(&world_row()->requests), 0);
    adopt();
    ws_upgraded(&c);
    ws_expect_text(&c, "early");
    ws_say(&c, "late");
    ws_expect_text(&c, "late");
    assert_int_equal(atomic_load(&world_row()->requests), 1);
    client_close(&c);
}

#define UPGRADE                                                                                              \
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "    \
    "13\r\n"                                                                                                 \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* Nobody may send it, and it is refused; but by the one who is to answer, and what stands behind it is left.
 */
static void upgrade_with_body(const char *head, const char *sent, const char *given)
{
    serve_ws("/ws", (ws_route){.handler = echo});
    serving.http.upgrade = hand_upgrades_over;
    routes();
    static client c;
    char expected[1024];
    visit(&c);
    client_say(&c, head);
    world_turn(2);
    client_send(&c, sent, 3);
    world_turn(2);
    client_say(&c, sent + 3);
    client_say(&c, hello_request);
    wait_settled(1);
    snprintf(expected, sizeof expected, "%s%s", head, given);
    assert_memory_equal(seen.bytes, expected, strlen(expected));
    adopt();
    expect_text(&c, "hello");
    assert_int_equal(occurrences(&c, "HTTP/1.1 400 "), 1);
    client_close(&c);
}

static void an_upgrade_with_a_body_keeps_it(void **state)
{
    (void)state;
    upgrade_with_body(UPGRADE "Content-Length: 8\r\n\r\n", "the body", "the body");
}

static void an_upgrade_with_a_chunked_body_keeps_it(void **state)
{
    (void)state;
    upgrade_with_body(UPGRADE "Transfer-Encoding: chunked\r\n\r\n", "4\r\nthe \r\n4\r\nbody\r\n0\r\n\r\n",
                      "8\r\nthe body\r\n0\r\n\r\n");
}

static void an_upgrade_with_an_empty_chunked_body_keeps_it(void **state)
{
    (void)state;
    upgrade_with_body(UPGRADE "Transfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n", "0\r\n\r\n");
}

/* ---- descriptors ---- */

/* Somebody else has the socket, and this process has closed it: what comes there must not trouble the loop.
 */
static void given_descriptors_leave_the_loop(void **state)
{
    (void)state;
    routes();
    static client clients[100];
    static int elsewhere[100];
    for (unsigned i = 0; i < 100; i++) {
        visit(&clients[i]);
        client_say(&clients[i], other_request);
        wait_settled(i + 1);
        elsewhere[i] = dup(seen.fd);
        assert_true(elsewhere[i] >= 0);
        close(seen.fd);
        client_say(&clients[i], "more");
        world_turn(2);
    }
    assert_true(backend_descriptor() >= 0);
    assert_int_equal(backend_rebuilds(), 0);
    for (unsigned i = 0; i < 100; i++) {
        char text[8];
        assert_int_equal(recv(elsewhere[i], text, sizeof text, 0), 4);
        close(elsewhere[i]);
        client_close(&clients[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_goes_to_the_other_worker_with_all_that_came),
        TEST(a_request_may_be_handed_over_after_any_byte),
        TEST(a_request_goes_before_its_body_is_asked_for),
        TEST(what_was_said_of_the_peer_goes_too),
        TEST(answers_of_earlier_requests_leave_first),
        TEST(who_sends_many_requests_at_once_loses_none),
        TEST(a_connection_waits_until_its_client_has_taken_its_answers),
        TEST(a_connection_that_breaks_before_it_is_given_is_not),
        TEST(a_client_that_takes_nothing_is_not_waited_for_without_end),
        TEST(a_worker_that_ends_gives_nothing),
        TEST(an_upgrade_is_handed_over_with_the_frames_behind_it),
        TEST(an_upgrade_with_a_body_keeps_it),
        TEST(an_upgrade_with_a_chunked_body_keeps_it),
        TEST(an_upgrade_with_an_empty_chunked_body_keeps_it),
        TEST(given_descriptors_leave_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
