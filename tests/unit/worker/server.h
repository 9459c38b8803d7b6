/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP and WebSocket on the harness: routes, and clients that speak both byte by byte. */
#ifndef TESTS_UNIT_WORKER_SERVER_H
#define TESTS_UNIT_WORKER_SERVER_H

#include "harness.h"
#include "worker/http/server.h"
#include "worker/rooms/room.h"
#include "worker/ws/websocket.h"

static struct serving {
    router *routes;
    http_server http;
    ws_server ws;
    bool fake;        /* WebSocket clients get the fake transport */
    connection *last; /* the one that was upgraded last */
    ws_route ws_routes[8];
    http_route http_routes[8];
    unsigned ws_count, http_count;
    unsigned calls;  /* of serve_hello, and of handlers that count themselves here */
    hub_event *gate; /* parked handlers wait for it; open when a test ends */
} serving;

static inline void serve_upgrade(hub_http *http)
{
    connection *c = serving.last = http->connection;
    if (serving.fake)
        c->transport = &transport_fake;
    ws_upgrade(http);
}

static inline void serve_open_with(unsigned max_greenlets)
{
    fake_reset();
    world_open_with(max_greenlets);
    memset(&serving, 0, sizeof serving);
    serving.routes = router_new();
    assert_non_null(serving.routes);
    serving.http = (http_server){
        .router = serving.routes,
        .limits = {.request_line = 4096, .fields = 32, .head = 16384, .body = 1 << 20},
        .output = {.soft = 256 * 1024, .hard = SIZE_MAX, .time = 60, .policy = HUB_POLICY_CLOSE},
        .keep_alive = 60,
        .header_timeout = 60,
        .body_timeout = 60,
        .send_timeout = 60,
        .upgrade = serve_upgrade,
    };
    serving.ws = (ws_server){.router = serving.routes,
                             .session_size = 16,
                             .ping_interval = 60,
                             .ping_timeout = 60,
                             .close_timeout = 60,
                             .drain_time = 0.2};
    http_open(&serving.http);
    ws_open(&serving.ws);
    serving.gate = hub_event_new();
    assert_non_null(serving.gate);
}

static inline int serve_open(void **state)
{
    (void)state;
    serve_open_with(0);
    return 0;
}

static inline int serve_close(void **state)
{
    hub_event_set(serving.gate);
    connections_abort();
    world_turn(3);
    http_close();
    world_close(state);
    router_free(serving.routes);
    hub_event_free(serving.gate);
    return 0;
}

/* A route with usual limits, to be changed by the caller before the first client. */
static inline ws_route *serve_ws(const char *path, ws_route given)
{
    ws_route *to = &serving.ws_routes[serving.ws_count++];
    *to = given;
    to->name = path;
    to->origins = "*";
    to->max_message = to->max_message ? to->max_message : 1 << 20;
    if (!to->limits.soft)
        to->limits =
            (connection_limits){.soft = 1 << 20, .hard = 4 << 20, .time = 60, .policy = given.limits.policy};
    to->has_parameters = strchr(path, ':') != NULL;
    assert_int_equal(router_add(serving.routes, "GET", path, ROUTE_WS, to), HUB_OK);
    return to;
}

/* The same for HTTP. */
static inline http_route *serve_http(const char *method, const char *path, hub_http_handler handler,
                                     void *arg)
{
    http_route *to = &serving.http_routes[serving.http_count++];
    *to = (http_route){.handler = handler, .arg = arg, .name = path};
    assert_int_equal(router_add(serving.routes, method, path, ROUTE_HTTP, to), HUB_OK);
    return to;
}

/* Gives the client of a request the fake transport when `serving.fake` says so. */
static inline void serve_faked(hub_http *http)
{
    if (serving.fake && http->connection)
        http->connection->transport = &transport_fake;
}

static inline hub_status serve_hello(hub_http *http, void *arg)
{
    (void)arg;
    serving.calls++;
    serve_faked(http);
    return hub_http_reply(http, 200, "text/plain", hub_text("hello"));
}

/* ---- clients ---- */

static inline void visit(client *c)
{
    http_accepted(client_open(c), NULL);
}

/* How often a text came. */
static inline unsigned occurrences(client *c, const char *text)
{
    unsigned count = 0;
    for (const char *at = client_text(c); (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

static struct wanted {
    client *c;
    const char *text;
    unsigned times, seen;
    size_t at; /* each byte is looked at once: there may be thousands of answers */
} wanted;

static inline bool has_wanted(void *arg)
{
    (void)arg;
    const char *data = client_text(wanted.c), *found;
    size_t length = strlen(wanted.text);
    while ((found = memmem(data + wanted.at, wanted.c->length - wanted.at, wanted.text, length))) {
        wanted.seen++;
        wanted.at = (size_t)(found - data) + length;
    }
    if (wanted.c->length >= wanted.at + length)
        wanted.at = wanted.c->length - length + 1; /* the text may be cut */
    return wanted.seen >= wanted.times || wanted.c->ended;
}

/* Turns the hub until a text has come so often. */
static inline void expect_times(client *c, const char *text, unsigned times)
{
    wanted = (struct wanted){.c = c, .text = text, .times = times};
    if (!world_until(has_wanted, NULL) || wanted.seen < times)
        fail_msg("%u times '%s' in: %s", wanted.seen, text, client_text(c));
}

static inline void expect_text(client *c, const char *text)
{
    expect_times(c, text, 1);
}

/* Another client sends much to a route "/hello": the read buffer is used again. */
static inline void let_others_post(void)
{
    static client other;
    char big[60000];
    memset(big, 'z', sizeof big);
    visit(&other);
    for (unsigned i = 1; i < 9; i++) {
        char head[128];
        snprintf(head, sizeof head, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                 sizeof big);
        client_say(&other, head);
        client_send(&other, big, sizeof big);
        expect_times(&other, "\r\n\r\nhello", i);
    }
    client_close(&other);
}

static inline void ws_handshake(client *c, const char *path)
{
    char text[512];
    snprintf(text, sizeof text,
             "GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             path);
    client_say(c, text);
}

static inline bool has_head(void *arg)
{
    client *c = arg;
    client_read(c);
    return c->ended || strstr((const char *)c->data, "\r\n\r\n");
}

/* Reads the head of the 101 answer. */
static inline void ws_upgraded(client *c)
{
    assert_true(world_until(has_head, c));
    const char *text = (const char *)c->data, *end = strstr(text, "\r\n\r\n");
    if (!end || strncmp(text, "HTTP/1.1 101 ", 13) != 0)
        fail_msg("not upgraded: %s", text);
    client_drop(c, (size_t)(end + 4 - text));
}

static inline void ws_connect(client *c, const char *path)
{
    visit(c);
    ws_handshake(c, path);
    ws_upgraded(c);
}

/* Writes a masked frame; returns its size. */
static inline size_t ws_frame(unsigned char *to, unsigned first, const void *data, size_t length)
{
    size_t n = 0;
    to[n++] = (unsigned char)first;
    if (length < 126) {
        to[n++] = (unsigned char)(0x80 | length);
    } else if (length < 65536) {
        to[n++] = 0x80 | 126;
        to[n++] = (unsigned char)(length >> 8);
        to[n++] = (unsigned char)length;
    } else {
        to[n++] = 0x80 | 127;
        for (int i = 7; i >= 0; i--)
            to[n++] = (unsigned char)(length >> (8 * i));
    }
    static const unsigned char mask[4] = {1, 2, 3, 4};
    memcpy(to + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < length; i++)
        to[n++] = ((const unsigned char *)data)[i] ^ mask[i % 4];
    return n;
}

static inline void ws_send(client *c, unsigned first, const void *data, size_t length)
{
    unsigned char *frame = malloc(length + 14);
    assert_non_null(frame);
    client_send(c, frame, ws_frame(frame, first, data, length));
    free(frame);
}

static inline void ws_say(client *c, const char *text)
{
    ws_send(c, 0x81, text, strlen(text));
}

/* The next frame, lent until the next read. False: there is none whole. */
typedef struct ws_seen {
    unsigned first;
    unsigned char *data;
    size_t length, whole;
} ws_seen;

static inline bool ws_peek(client *c, ws_seen *seen)
{
    client_read(c);
    if (c->length < 2)
        return false;
    size_t header = 2, length = c->data[1] & 0x7f;
    if (length == 126) {
        if (c->length < (header = 4))
            return false;
        length = (size_t)c->data[2] << 8 | c->data[3];
    } else if (length == 127) {
        if (c->length < (header = 10))
            return false;
        length = 0;
        for (int i = 2; i < 10; i++)
            length = length << 8 | c->data[i];
    }
    if (c->length < header + length)
        return false;
    *seen = (ws_seen){c->data[0], c->data + header, length, header + length};
    return true;
}

static inline bool ws_has_frame(void *arg)
{
    ws_seen seen = {0};
    return ws_peek(arg, &seen) || ((client *)arg)->ended;
}

static inline void ws_expect(client *c, unsigned first, const void *data, size_t length)
{
    ws_seen seen = {0};
    assert_true(world_until(ws_has_frame, c));
    if (!ws_peek(c, &seen))
        fail_msg("the connection ended before a frame");
    assert_int_equal(seen.first, first);
    assert_int_equal(seen.length, length);
    assert_memory_equal(seen.data, data, length);
    client_drop(c, seen.whole);
}

static inline void ws_expect_text(client *c, const char *text)
{
    ws_expect(c, 0x81, text, strlen(text));
}

/* A close frame of that code; data frames before it are dropped when `skip`. */
static inline void ws_expect_close(client *c, uint16_t code, bool skip)
{
    ws_seen seen = {0};
    for (;;) {
        assert_true(world_until(ws_has_frame, c));
        if (!ws_peek(c, &seen))
            fail_msg("the connection ended before a close frame");
        if (seen.first == 0x88 || !skip)
            break;
        client_drop(c, seen.whole);
    }
    assert_int_equal(seen.first, 0x88);
    assert_true(seen.length >= 2);
    assert_int_equal(seen.data[0] << 8 | seen.data[1], code);
    client_drop(c, seen.whole);
}

static inline void ws_say_close(client *c, uint16_t code, const char *reason)
{
    char body[128] = {(char)(code >> 8), (char)code};
    size_t length = strlen(reason);
    memcpy(body + 2, reason, length);
    ws_send(c, 0x88, body, length + 2);
}

static inline bool no_greenlets(void *arg)
{
    (void)arg;
    return greenlet_count().alive == 0;
}

#endif
