/* SPDX-License-Identifier: Apache-2.0 */
#include "../server.h"

#include "worker/http/upload.h"

static struct seen {
    unsigned done, pieces;
    hub_status status;
    char body[4096]; /* what a handler read, as far as there is room */
    size_t length;
    size_t limit; /* pieces to read */
    uint64_t written;
    bool flag;
} seen;

static int setup(void **state)
{
    memset(&seen, 0, sizeof seen);
    return serve_open(state);
}

/* ---- handlers ---- */

static void remember(hub_bytes piece)
{
    size_t left = sizeof seen.body - seen.length, part = piece.length < left ? piece.length : left;
    memcpy(seen.body + seen.length, piece.data, part);
    seen.length += part;
}

/* Reads the whole body and answers with it. */
static hub_status collect(hub_http *http, void *arg)
{
    (void)arg;
    hub_bytes piece;
    serving.calls++;
    seen.length = 0;
    assert_int_equal(hub_http_body(http).length, 0);
    while ((seen.status = hub_http_read(http, &piece, HUB_FOREVER)) == HUB_OK && piece.length > 0)
        remember(piece);
    seen.done++;
    if (seen.status != HUB_OK)
        return seen.status;
    assert_int_equal(hub_http_read(http, &piece, 0), HUB_OK);
    assert_int_equal(piece.length, 0);
    return hub_http_reply(http, 200, NULL, hub_bytes_of(seen.body, seen.length));
}

/* Answers without a look at the body, or after `limit` pieces of it. */
static hub_status ignore(hub_http *http, void *arg)
{
    hub_bytes piece = {0};
    serving.calls++;
    for (size_t i = 0; i < seen.limit; i++)
        seen.status = hub_http_read(http, &piece, HUB_FOREVER);
    if (arg)
        hub_event_wait(serving.gate, HUB_FOREVER);
    return hub_http_reply(http, 200, NULL, hub_text("ignored"));
}

static hub_status read_at_once(hub_http *http, void *arg)
{
    (void)arg;
    hub_bytes piece;
    seen.status = hub_http_read(http, &piece, 0);
    return hub_http_reply(http, 200, NULL, hub_text("looked"));
}

static hub_status read_for_a_while(hub_http *http, void *arg)
{
    (void)arg;
    hub_bytes piece;
    seen.status = hub_http_read(http, &piece, 0.02);
    return hub_http_reply(http, 200, NULL, hub_text("waited"));
}

/* Reads a piece each time the gate opens. */
static hub_status read_when_told(hub_http *http, void *arg)
{
    (void)arg;
    hub_bytes piece;
    do {
        hub_event_wait(serving.gate, HUB_FOREVER);
        seen.status = hub_http_read(http, &piece, HUB_FOREVER);
        seen.pieces++;
        seen.written += piece.length;
    } while (seen.status == HUB_OK && piece.length > 0);
    return hub_http_replyf(http, 200, NULL, "read %llu", (unsigned long long)seen.written);
}

typedef struct script {
    int status;
    int64_t length;
    const char *const *pieces;
    hub_status end;
} script;

static hub_status play(hub_http *http, void *arg)
{
    const script *to = arg;
    serving.calls++;
    hub_status status = hub_http_start(http, to->status, "text/plain", to->length);
    for (size_t i = 0; status == HUB_OK && to->pieces && to->pieces[i]; i++)
        status = hub_http_write(http, hub_text(to->pieces[i]));
    seen.status = status;
    assert_int_equal(hub_http_reply(http, 200, NULL, hub_text("again")), HUB_ESTATE);
    assert_int_equal(hub_http_set(http, "X-Late", hub_text("1")), HUB_ESTATE);
    return to->end;
}

/* Writes without end, until it is told that nobody reads. */
static hub_status pour(hub_http *http, void *arg)
{
    (void)arg;
    static char piece[10000];
    memset(piece, 'p', sizeof piece);
    hub_status status = hub_http_start(http, 200, NULL, -1);
    if (serving.fake)
        http->connection->transport = &transport_fake;
    while (status == HUB_OK) {
        status = hub_http_write(http, hub_bytes_of(piece, sizeof piece));
        seen.written += status == HUB_OK ? sizeof piece : 0;
    }
    seen.status = status;
    seen.done++;
    return status;
}

static hub_status tick(hub_http *http, void *arg)
{
    (void)arg;
    hub_status status = hub_sse_start(http);
    for (unsigned i = 0; status == HUB_OK; i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", i);
        seen.flag = true;
        hub_event_wait(serving.gate, 0.01);
        status = hub_sse_send(http, &(hub_sse_event){.id = hub_text(id), .data = hub_text("tick")});
        if (status == HUB_OK)
            status = hub_sse_comment(http, "still here");
    }
    seen.status = status;
    seen.done++;
    return status;
}

/* ---- what came ---- */

static bool handler_done(void *arg)
{
    return seen.done >= *(unsigned *)arg;
}

static void expect_done(unsigned times)
{
    assert_true(world_until(handler_done, &times));
}

static void serve_upload(hub_http_handler handler, void *arg)
{
    http_route *to = serve_http("POST", "/upload", handler, arg);
    to->stream_body = true;
    to->max_body = 100000000;
    serve_http("GET", "/hello", serve_hello, NULL);
}

/* ---- requests in pieces ---- */

static const char by_length[] = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nthe body";
static const char chunked[] = "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "4\r\nthe \r\n3;x=y\r\nbod\r\n1\r\ny\r\n0\r\nX-Trailer: 1\r\n\r\n";
static const char behind[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

static void every_cut_gives_the_same(hub_http_handler handler, const char *first, const char *answer)
{
    char request[512];
    snprintf(request, sizeof request, "%s%s", first, behind);
    serve_upload(handler, NULL);
    static client c;
    visit(&c);
    for (size_t cut = 1; cut <= strlen(request); cut++) {
        client_send(&c, request, cut);
        world_turn(2);
        client_send(&c, request + cut, strlen(request) - cut);
        expect_text(&c, "\r\n\r\nhello");
        assert_int_equal(occurrences(&c, "HTTP/1.1 200"), 2);
        assert_non_null(strstr(client_text(&c), answer));
        client_drop(&c, c.length);
    }
    for (size_t i = 0; request[i]; i++) {
        client_send(&c, request + i, 1);
        world_turn(1);
    }
    expect_text(&c, "\r\n\r\nhello");
    assert_non_null(strstr(client_text(&c), answer));
    client_close(&c);
}

static void every_cut_of_a_body_by_length_is_read_alike(void **state)
{
    (void)state;
    every_cut_gives_the_same(collect, by_length, "\r\n\r\nthe body");
}

static void every_cut_of_a_chunked_body_is_read_alike(void **state)
{
    (void)state;
    every_cut_gives_the_same(collect, chunked, "\r\n\r\nthe body");
}

static void every_cut_of_an_unread_body_is_dropped_alike(void **state)
{
    (void)state;
    every_cut_gives_the_same(ignore, chunked, "\r\n\r\nignored");
}

static void every_cut_of_a_half_read_body_is_dropped_alike(void **state)
{
    (void)state;
    seen.limit = 1;
    every_cut_gives_the_same(ignore, chunked, "\r\n\r\nignored");
}

static void a_handler_starts_before_the_body_has_come(void **state)
{
    (void)state;
    serve_upload(collect, NULL);
    static client c;
    visit(&c);
    client_say(&c, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    world_turn(2);
    assert_int_equal(serving.calls, 1);
    client_say(&c, "the ");
    world_turn(3);
    assert_int_equal(seen.length, 4);
    client_say(&c, "body");
    expect_text(&c, "\r\n\r\nthe body");
    client_close(&c);
}

static void a_request_without_a_body_is_at_its_end_at_once(void **state)
{
    (void)state;
    serve_upload(collect, NULL);
    static client c;
    visit(&c);
    client_say(&c, "POST /upload HTTP/1.1\r\nHost: a\r\n\r\n"
                   "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
                   "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    expect_times(&c, "HTTP/1.1 200", 3);
    client_close(&c);
}

static void only_a_streaming_route_reads(void **state)
{
    (void)state;
    serve_http("POST", "/whole", read_at_once, NULL);
    static client c;
    visit(&c);
    client_say(&c, "POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    expect_text(&c, "looked");
    assert_int_equal(seen.status, HUB_ESTATE);
    client_close(&c);
}

static void a_read_waits_no_longer_than_it_is_told(void **state)
{
    (void)state;
    static const char request[] = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
    serve_upload(read_at_once, NULL);
    serve_http("POST", "/wait", read_for_a_while, NULL)->stream_body = true;
    static client c;
    visit(&c);
    client_say(&c, request);
    expect_text(&c, "looked");
    assert_int_equal(seen.status, HUB_ETIMEDOUT);
    seen.status = HUB_OK;
    client_say(&c, "bodyPOST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    expect_text(&c, "waited");
    assert_int_equal(seen.status, HUB_ETIMEDOUT);
    client_close(&c);
}

static void a_client_that_sends_faster_than_it_is_read_is_paused(void **state)
{
    (void)state;
    serve_upload(read_when_told, NULL);
    static client c;
    static char some[65536];
    visit(&c);
    client_say(&c, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n");
    world_turn(2);
    size_t sent = 0;
    ssize_t n;
    while ((n = send(c.fd, some, sizeof some, MSG_NOSIGNAL)) > 0) {
        sent += (size_t)n;
        world_turn(1);
        assert_true(sent < 4000000);
    }
    world_turn(5);
    assert_int_equal(seen.written, 0);
    hub_event_set(serving.gate);
    while (sent < 50000000) {
        size_t part = 50000000 - sent < sizeof some ? 50000000 - sent : sizeof some;
        n = send(c.fd, some, part, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        world_turn(1);
    }
    expect_text(&c, "read 50000000");
    assert_true(seen.pieces >= 50000000 / (2 * UPLOAD_ROOM));
    client_close(&c);
}

/* ---- bodies that are refused ---- */

static void refuse(const char *request, const char *answer, hub_status status)
{
    serve_upload(collect, NULL);
    serving.http_routes[0].max_body = 10;
    static client c;
    visit(&c);
    client_say(&c, request);
    client_say(&c, behind);
    assert_true(client_wait_end(&c));
    if (strncmp(client_text(&c), answer, strlen(answer)) != 0)
        fail_msg("no %s: %s", answer, client_text(&c));
    assert_non_null(strstr(client_text(&c), "Connection: close\r\n"));
    assert_null(strstr(client_text(&c), "hello"));
    assert_int_equal(seen.status, status);
    client_close(&c);
}

static void a_length_above_the_routes_limit_is_refused_before_the_handler(void **state)
{
    (void)state;
    refuse("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", "HTTP/1.1 413 ", HUB_OK);
    assert_int_equal(serving.calls, 0);
}

static void chunks_above_the_routes_limit_are_refused(void **state)
{
    (void)state;
    refuse("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n",
           "HTTP/1.1 413 ", HUB_ETOOBIG);
}

static hub_status tell_length(hub_http *http, void *arg)
{
    (void)arg;
    return hub_http_replyf(http, 200, NULL, "%zu bytes", hub_http_body(http).length);
}

static void a_route_may_take_more_or_less_than_the_server_does(void **state)
{
    (void)state;
    serving.http.limits.body = 4;
    serve_http("POST", "/more", tell_length, NULL)->max_body = 6;
    serve_http("POST", "/less", tell_length, NULL)->max_body = 2;
    serve_http("POST", "/same", tell_length, NULL);
    static const struct {
        const char *path, *length, *answer;
    } cases[] = {{"/more", "6", "6 bytes"}, {"/more", "7", "HTTP/1.1 413 "},
                 {"/less", "2", "2 bytes"}, {"/less", "3", "HTTP/1.1 413 "},
                 {"/same", "4", "4 bytes"}, {"/same", "5", "HTTP/1.1 413 "}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static client c;
        char request[128];
        visit(&c);
        snprintf(request, sizeof request, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\n\r\n1234567",
                 cases[i].path, cases[i].length);
        client_say(&c, request);
        expect_text(&c, cases[i].answer);
        client_close(&c);
    }
}

static void a_malformed_chunk_is_refused(void **state)
{
    (void)state;
    refuse("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\nx\r\n",
           "HTTP/1.1 400 ", HUB_EPROTO);
}

static void a_malformed_chunk_behind_an_answer_ends_the_connection(void **state)
{
    (void)state;
    serve_upload(ignore, NULL);
    static client c;
    visit(&c);
    client_say(&c, "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\nx\r\n");
    client_say(&c, behind);
    assert_true(client_wait_end(&c));
    assert_int_equal(occurrences(&c, "HTTP/1.1"), 1);
    assert_int_equal(occurrences(&c, "ignored"), 1);
    client_close(&c);
}

static void a_body_that_stops_coming_is_answered_408(void **state)
{
    (void)state;
    serving.http.body_timeout = 0.1;
    serve_upload(collect, NULL);
    static client c;
    visit(&c);
    client_say(&c, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nthe ");
    assert_true(client_wait_end(&c));
    assert_int_equal(strncmp(client_text(&c), "HTTP/1.1 408 ", 13), 0);
    assert_int_equal(seen.status, HUB_ECLOSED);
    client_close(&c);
}

static void a_handler_that_does_not_read_has_all_the_time_it_wants(void **state)
{
    (void)state;
    serving.http.body_timeout = serving.http.keep_alive = serving.http.header_timeout = 0.05;
    serve_upload(ignore, &seen);
    static client c;
    visit(&c);
    client_say(&c, by_length);
    uint64_t until = clock_monotonic_ns() + CLOCK_NS_PER_S / 2;
    while (clock_monotonic_ns() < until)
        world_turn(2);
    hub_event_set(serving.gate);
    expect_text(&c, "ignored");
    client_close(&c);
}

/* ---- bodies that are left ---- */

static void nothing_of_a_long_unread_body_is_read_as_a_request(void **state)
{
    (void)state;
    serve_upload(ignore, NULL);
    static client c;
    visit(&c);
    client_say(&c, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
    for (int i = 0; i < 20; i++)
        client_say(&c, behind);
    assert_true(client_wait_end(&c));
    assert_int_equal(occurrences(&c, "HTTP/1.1 200"), 1);
    assert_int_equal(serving.calls, 1);
    client_close(&c);
}

static void an_unread_body_that_is_still_to_come_is_dropped_up_to_a_bound(void **state)
{
    (void)state;
    serve_upload(ignore, NULL);
    static client c;
    static char some[60000];
    char head[128];
    memset(some, 'G', sizeof some);
    visit(&c);
    snprintf(head, sizeof head, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
             sizeof some);
    client_say(&c, head);
    expect_text(&c, "ignored");
    client_send(&c, some, sizeof some);
    client_say(&c, behind);
    expect_text(&c, "hello");
    client_drop(&c, c.length);

    client_say(&c, "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    expect_text(&c, "ignored");
    for (int i = 0; i < 8 && !c.ended; i++) {
        char bytes[10016];
        int n = snprintf(bytes, sizeof bytes, "2710\r\n%.*s\r\n", 10000, some);
        if (send(c.fd, bytes, (size_t)n, MSG_NOSIGNAL) < 0)
            break;
        world_turn(2);
        client_read(&c);
    }
    assert_true(client_wait_end(&c));
    assert_int_equal(occurrences(&c, "HTTP/1.1"), 1);
    client_close(&c);
}

/* ---- 100 (Continue), RFC 9110, section 10.1.1 ---- */

static const char expecting[] =
    "POST /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n";

static hub_status read_late(hub_http *http, void *arg)
{
    seen.flag = true;
    hub_event_wait(serving.gate, HUB_FOREVER);
    return collect(http, arg);
}

static void the_first_read_asks_for_the_body(void **state)
{
    (void)state;
    serve_upload(read_late, NULL);
    static client c;
    visit(&c);
    client_say(&c, expecting);
    assert_true(world_until(is_set, &seen.flag));
    world_turn(3);
    assert_int_equal(strlen(client_text(&c)), 0);
    hub_event_set(serving.gate);
    expect_text(&c, "HTTP/1.1 100 Continue\r\n\r\n");
    client_say(&c, "the body");
    expect_text(&c, "\r\n\r\nthe body");
    assert_int_equal(occurrences(&c, "100 Continue"), 1);
    client_say(&c, behind);
    expect_text(&c, "hello");
    client_close(&c);
}

static void an_answer_instead_of_the_body_ends_the_connection(void **state)
{
    (void)state;
    serve_upload(ignore, NULL);
    static client c;
    visit(&c);
    client_say(&c, expecting);
    world_turn(2);
    client_say(&c, behind); /* which is the body for all that the server knows */
    assert_true(client_wait_end(&c));
    assert_int_equal(occurrences(&c, "HTTP/1.1"), 1);
    assert_int_equal(occurrences(&c, "Connection: close\r\n"), 1);
    client_close(&c);
}

static hub_status answer_then_read(hub_http *http, void *arg)
{
    (void)arg;
    hub_bytes piece;
    hub_http_start(http, 200, NULL, -1);
    hub_http_write(http, hub_text("early "));
    seen.status = hub_http_read(http, &piece, HUB_FOREVER);
    return hub_http_write(http, piece);
}

static void no_100_follows_an_answer(void **state)
{
    (void)state;
    serve_upload(answer_then_read, NULL);
    static client c;
    visit(&c);
    client_say(&c, expecting);
    expect_text(&c, "early ");
    client_say(&c, "the body");
    assert_true(client_wait_end(&c));
    assert_int_equal(occurrences(&c, "100 Continue"), 0);
    assert_int_equal(occurrences(&c, "the body"), 1);
    client_close(&c);
}

/* ---- clients that go ---- */

static void a_reader_whose_client_is_cut_off_is_told_so(void **state)
{
    (void)state;
    serve_upload(collect, NULL);
    static client c;
    visit(&c);
    client_say(&c, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nthe ");
    world_turn(3);
    connections_abort();
    expect_done(1);
    assert_int_equal(seen.status, HUB_ECLOSED);
    client_close(&c);
}

static void a_client_that_ends_within_its_body_ends_the_read(void **state)
{
    (void)state;
    serve_upload(collect, NULL);
    static client c;
    visit(&c);
    client_say(&c, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nthe ");
    world_turn(3);
    shutdown(c.fd, SHUT_WR);
    expect_done(1);
    assert_int_equal(seen.status, HUB_ECLOSED);
    assert_int_equal(seen.length, 4);
    assert_true(client_wait_end(&c));
    assert_int_equal(strlen(client_text(&c)), 0);
    client_close(&c);
    assert_true(world_until(no_connections, NULL));
}

static void a_client_may_end_after_any_byte_of_a_streamed_request(void **state)
{
    (void)state;
    serve_upload(collect, NULL);
    for (size_t cut = 0; cut < sizeof chunked; cut++) {
        static client c;
        visit(&c);
        client_send(&c, chunked, cut / 2);
        world_turn((unsigned)cut % 3);
        client_send(&c, chunked + cut / 2, cut - cut / 2);
        world_turn((unsigned)cut % 2);
        if (cut % 3 == 0)
            shutdown(c.fd, SHUT_WR);
        else if (cut % 3 == 1)
            connections_abort();
        world_turn((unsigned)cut % 2);
        client_close(&c);
        world_turn(2);
    }
    assert_true(world_until(no_connections, NULL));
    assert_true(world_until(no_greenlets, NULL));
}

/* ---- answers in pieces ---- */

static const char *answer_of(const char *request, bool to_end)
{
    static client c;
    static char text[8192];
    visit(&c);
    client_say(&c, request);
    if (to_end)
        assert_true(client_wait_end(&c));
    else
        expect_text(&c, "\r\n\r\nhello");
    snprintf(text, sizeof text, "%s", client_text(&c));
    client_close(&c);
    return text;
}

static void contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in: %s", part, text);
}

#define PIECES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void serve_script(script *to)
{
    serve_http("GET", "/play", play, to);
    serve_http("GET", "/hello", serve_hello, NULL);
}

static void an_answer_of_unknown_length_is_chunked(void **state)
{
    (void)state;
    static script to = {.status = 201, .length = -1};
    to.pieces = PIECES("one", "", "sixteen letters.");
    serve_script(&to);
    const char *text = answer_of("GET /play HTTP/1.1\r\nHost: a\r\n\r\n"
                                 "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
                                 false);
    contains(text, "HTTP/1.1 201 Created\r\n");
    contains(text, "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3\r\none\r\n10\r\nsixteen letters.\r\n0\r\n\r\nHTTP/1.1 200");
    assert_null(strstr(text, "Content-Length: 3"));
    assert_int_equal(seen.status, HUB_OK);
}

static void an_answer_of_known_length_is_plain(void **state)
{
    (void)state;
    static script to = {.status = 200, .length = 6};
    to.pieces = PIECES("one", "", "two", "");
    serve_script(&to);
    const char *text = answer_of("GET /play HTTP/1.1\r\nHost: a\r\n\r\n"
                                 "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
                                 false);
    contains(text, "Content-Length: 6\r\n\r\nonetwoHTTP/1.1 200");
    assert_null(strstr(text, "chunked"));
}

static void an_old_client_gets_the_end_of_the_connection(void **state)
{
    (void)state;
    static script to = {.status = 200, .length = -1};
    to.pieces = PIECES("one", "two");
    serve_script(&to);
    const char *text = answer_of("GET /play HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true);
    contains(text, "Connection: close\r\n\r\nonetwo");
    assert_null(strstr(text, "Content-Length"));
    assert_null(strstr(text, "chunked"));
    assert_int_equal(strcmp(text + strlen(text) - 6, "onetwo"), 0);
}

static void an_old_client_may_stay_when_the_length_is_known(void **state)
{
    (void)state;
    static script to = {.status = 200, .length = 3};
    to.pieces = PIECES("one");
    serve_script(&to);
    contains(answer_of("GET /play HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                       "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                       false),
             "Connection: keep-alive\r\n\r\noneHTTP/1.1 200");
}

static void head_of_a_streamed_answer_is_the_head_alone(void **state)
{
    (void)state;
    static script to = {.status = 200, .length = -1};
    to.pieces = PIECES("one", "two");
    serve_script(&to);
    contains(answer_of("HEAD /play HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", false),
             "Transfer-Encoding: chunked\r\n\r\nHTTP/1.1 200");
    assert_int_equal(seen.status, HUB_OK);
    to.length = 6;
    contains(answer_of("HEAD /play HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", false),
             "Content-Length: 6\r\n\r\nHTTP/1.1 200");
}

static void a_status_without_a_body_gets_none(void **state)
{
    (void)state;
    static script to = {.status = 204, .length = -1};
    to.pieces = PIECES("one", "two");
    serve_script(&to);
    for (int i = 0; i < 2; i++) {
        const char *text =
            answer_of("GET /play HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", false);
        contains(text, "Content-Type: text/plain\r\n\r\nHTTP/1.1 200");
        assert_null(strstr(text, "chunked"));
        to.status = 304;
    }
}

static void an_answer_that_is_too_short_is_cut_off(void **state)
{
    (void)state;
    static script to = {.status = 200, .length = 10};
    to.pieces = PIECES("one");
    serve_script(&to);
    const char *text =
        answer_of("GET /play HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", true);
    contains(text, "Content-Length: 10\r\n\r\none");
    assert_null(strstr(text, "hello"));
}

static void an_answer_of_a_handler_that_fails_is_cut_off(void **state)
{
    (void)state;
    static script to = {.status = 200, .length = -1, .end = HUB_EFAIL};
    to.pieces = PIECES("one");
    serve_script(&to);
    const char *text =
        answer_of("GET /play HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", true);
    contains(text, "\r\n\r\n3\r\none\r\n");
    assert_null(strstr(text, "\r\n0\r\n"));
    assert_null(strstr(text, "hello"));
}

static void more_than_the_length_is_refused_and_not_sent(void **state)
{
    (void)state;
    static script to = {.status = 200, .length = 5};
    to.pieces = PIECES("one", "two", "2");
    serve_script(&to);
    const char *text = answer_of("GET /play HTTP/1.1\r\nHost: a\r\n\r\n", true);
    contains(text, "Content-Length: 5\r\n\r\none");
    assert_null(strstr(text, "two"));
    assert_int_equal(seen.status, HUB_ETOOBIG);
}

static hub_status start_wrongly(hub_http *http, void *arg)
{
    (void)arg;
    assert_int_equal(hub_http_write(http, hub_text("x")), HUB_ESTATE);
    assert_int_equal(hub_http_start(http, 200, NULL, -2), HUB_EINVAL);
    assert_int_equal(hub_http_start(http, 199, NULL, -1), HUB_EINVAL);
    assert_int_equal(hub_http_start(http, 600, NULL, -1), HUB_EINVAL);
    assert_int_equal(hub_http_start(http, 200, "a\r\nb", -1), HUB_EINVAL);
    assert_int_equal(hub_sse_send(http, &(hub_sse_event){.data = hub_text("x")}), HUB_ESTATE);
    assert_int_equal(hub_sse_comment(http, "x"), HUB_ESTATE);
    assert_int_equal(hub_http_reply(http, 200, NULL, hub_text("hello")), HUB_OK);
    assert_int_equal(hub_http_start(http, 200, NULL, -1), HUB_ESTATE);
    assert_int_equal(hub_sse_start(http), HUB_ESTATE);
    assert_int_equal(hub_http_write(http, hub_text("x")), HUB_ESTATE);
    seen.done++;
    return HUB_OK;
}

static void an_answer_begins_once_and_rightly(void **state)
{
    (void)state;
    serve_http("GET", "/play", start_wrongly, NULL);
    answer_of("GET /play HTTP/1.1\r\nHost: a\r\n\r\n", false);
    assert_int_equal(seen.done, 1);
}

/* ---- clients that read slowly, or not at all ---- */

static void a_writer_parks_while_too_much_waits(void **state)
{
    (void)state;
    serving.http.output.soft = 50000;
    serving.fake = true;
    serve_http("GET", "/pour", pour, NULL);
    static client c;
    visit(&c);
    fake.room = 1000;
    client_say(&c, "GET /pour HTTP/1.1\r\nHost: a\r\n\r\n");
    world_turn(5);
    assert_int_equal(seen.written, 50000);
    fake.room = 20000; /* less than half of it */
    client_read(&c);
    world_turn(5);
    connections_abort();
    expect_done(1);
    assert_int_equal(seen.status, HUB_ECLOSED);
    client_close(&c);
}

static void a_writer_goes_on_when_half_is_gone(void **state)
{
    (void)state;
    serving.http.output.soft = 50000;
    serve_http("GET", "/pour", pour, NULL);
    static client c;
    visit(&c);
    client_say(&c, "GET /pour HTTP/1.1\r\nHost: a\r\n\r\n");
    size_t read = 0;
    while (read < 5000000) {
        world_turn(1);
        client_read(&c);
        read += c.length;
        assert_true(seen.written <= read + 1000000);
        client_drop(&c, c.length);
    }
    client_close(&c);
    expect_done(1);
    assert_int_equal(seen.status, HUB_ECLOSED);
    assert_true(world_until(no_connections, NULL));
}

static void a_client_that_takes_nothing_of_a_stream_is_cut_off(void **state)
{
    (void)state;
    serving.http.send_timeout = 0.2;
    serving.http.output.soft = 50000;
    serving.fake = true;
    serve_http("GET", "/pour", pour, NULL);
    static client c;
    visit(&c);
    fake.room = 1000;
    client_say(&c, "GET /pour HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_done(1);
    assert_int_equal(seen.status, HUB_ECLOSED);
    assert_true(world_until(no_connections, NULL));
    client_close(&c);
}

static void a_client_that_ended_its_side_gets_the_stream_all_the_same(void **state)
{
    (void)state;
    serve_http("GET", "/ticks", tick, NULL);
    static client c;
    visit(&c);
    client_say(&c, "GET /ticks HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(c.fd, SHUT_WR);
    expect_times(&c, "data: tick\n\n", 10);
    client_close(&c);
    expect_done(1);
    assert_int_equal(seen.status, HUB_ECLOSED);
    assert_true(world_until(no_connections, NULL));
}

static void events_are_chunks_that_leave_at_once(void **state)
{
    (void)state;
    serve_http("GET", "/ticks", tick, NULL);
    static client c;
    visit(&c);
    client_say(&c, "GET /ticks HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&c, "\r\n\r\n12\r\nid: 0\ndata: tick\n\n\r\n");
    contains(client_text(&c), "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"
                              "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n");
    expect_text(&c, ": still here\n\n");
    client_close(&c);
    expect_done(1);
}

static hub_status pour_head(hub_http *http, void *arg)
{
    (void)arg;
    seen.status = hub_http_start(http, 200, NULL, -1);
    while (seen.status == HUB_OK && !hub_event_is_set(serving.gate))
        seen.status = hub_http_write(http, hub_text("nothing of this is sent"));
    seen.done++;
    return seen.status;
}

static void head_of_an_endless_answer_holds_nobody_up(void **state)
{
    (void)state;
    serve_http("GET", "/pour", pour_head, NULL);
    serve_http("GET", "/hello", serve_hello, NULL);
    static client c, d;
    visit(&c);
    visit(&d);
    client_say(&c, "HEAD /pour HTTP/1.1\r\nHost: a\r\n\r\n");
    world_turn(2);
    client_say(&d, behind);
    expect_text(&d, "hello");
    assert_int_equal(seen.done, 0);
    client_close(&c); /* the only way to find out is to read */
    expect_done(1);
    assert_int_equal(seen.status, HUB_ECLOSED);
    client_close(&d);
}

/* ---- the worker's end ---- */

static void a_stream_that_a_drain_finds_goes_on_and_ends_the_connection(void **state)
{
    (void)state;
    serve_upload(collect, NULL);
    static client c;
    visit(&c);
    client_say(&c, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nthe ");
    world_turn(3);
    connections_drain();
    world_turn(3);
    client_say(&c, "body");
    client_say(&c, behind);
    assert_true(client_wait_end(&c));
    contains(client_text(&c), "Connection: close\r\n\r\nthe body");
    assert_null(strstr(client_text(&c), "hello"));
    client_close(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, serve_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_cut_of_a_body_by_length_is_read_alike),
        TEST(every_cut_of_a_chunked_body_is_read_alike),
        TEST(every_cut_of_an_unread_body_is_dropped_alike),
        TEST(every_cut_of_a_half_read_body_is_dropped_alike),
        TEST(a_handler_starts_before_the_body_has_come),
        TEST(a_request_without_a_body_is_at_its_end_at_once),
        TEST(only_a_streaming_route_reads),
        TEST(a_read_waits_no_longer_than_it_is_told),
        TEST(a_client_that_sends_faster_than_it_is_read_is_paused),
        TEST(a_length_above_the_routes_limit_is_refused_before_the_handler),
        TEST(chunks_above_the_routes_limit_are_refused),
        TEST(a_route_may_take_more_or_less_than_the_server_does),
        TEST(a_malformed_chunk_is_refused),
        TEST(a_malformed_chunk_behind_an_answer_ends_the_connection),
        TEST(a_body_that_stops_coming_is_answered_408),
        TEST(a_handler_that_does_not_read_has_all_the_time_it_wants),
        TEST(nothing_of_a_long_unread_body_is_read_as_a_request),
        TEST(an_unread_body_that_is_still_to_come_is_dropped_up_to_a_bound),
        TEST(the_first_read_asks_for_the_body),
        TEST(an_answer_instead_of_the_body_ends_the_connection),
        TEST(no_100_follows_an_answer),
        TEST(a_reader_whose_client_is_cut_off_is_told_so),
        TEST(a_client_that_ends_within_its_body_ends_the_read),
        TEST(a_client_may_end_after_any_byte_of_a_streamed_request),
        TEST(an_answer_of_unknown_length_is_chunked),
        TEST(an_answer_of_known_length_is_plain),
        TEST(an_old_client_gets_the_end_of_the_connection),
        TEST(an_old_client_may_stay_when_the_length_is_known),
        TEST(head_of_a_streamed_answer_is_the_head_alone),
        TEST(a_status_without_a_body_gets_none),
        TEST(an_answer_that_is_too_short_is_cut_off),
        TEST(an_answer_of_a_handler_that_fails_is_cut_off),
        TEST(more_than_the_length_is_refused_and_not_sent),
        TEST(an_answer_begins_once_and_rightly),
        TEST(a_writer_parks_while_too_much_waits),
        TEST(a_writer_goes_on_when_half_is_gone),
        TEST(a_client_that_takes_nothing_of_a_stream_is_cut_off),
        TEST(a_client_that_ended_its_side_gets_the_stream_all_the_same),
        TEST(events_are_chunks_that_leave_at_once),
        TEST(head_of_an_endless_answer_holds_nobody_up),
        TEST(a_stream_that_a_drain_finds_goes_on_and_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
