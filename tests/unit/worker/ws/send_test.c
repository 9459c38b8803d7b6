/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed messages on their way out; what is common to all messages, websocket_test.c tests. */
#include "../server.h"

#include "worker/rooms/fanout.h"
#include "worker/ws/client.h"
#include "worker/ws/deflate.h"
#include "worker/ws/frame.h"

enum { LONG = 2000, FLOOD = 60 };

static const char line[] = "{\"room\": \"lobby\", \"text\": \"hello\"}, ";

static struct seen {
    hub_status status;
    unsigned sent;
    bool done;
} seen;

static int setup(void **state)
{
    int result = serve_open(state);
    memset(&seen, 0, sizeof seen);
    serving.ws.deflate = DEFLATE_ON;
    serving.ws.deflate_threshold = 100;
    return result;
}

static int teardown(void **state)
{
    int result = serve_close(state);
    deflate_close();
    return result;
}

/* Texts of different numbers differ at every distance, so that a window out of step is seen. */
static void fill(char *text, size_t length, unsigned number)
{
    for (size_t i = 0; i < length; i++)
        text[i] = line[(i + 7 * number) % (sizeof line - 1)];
    int digits = snprintf(text, length, "%u", number);
    text[digits] = ' ';
}

static void connect_offering(client *c, const char *path, const char *offer)
{
    char text[512];
    snprintf(text, sizeof text,
             "GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
             "Sec-WebSocket-Extensions: %s\r\n\r\n",
             path, offer);
    visit(c);
    client_say(c, text);
}

/* Takes the next frame, which must be a deflated text, and compares what it inflates to. */
static void expect_deflated(client *c, deflate_context *context, const char *text, size_t length)
{
    ws_seen frame = {0};
    unsigned char *data;
    size_t inflated;
    assert_true(world_until(ws_has_frame, c));
    assert_true(ws_peek(c, &frame));
    assert_int_equal(frame.first, 0xC1);
    assert_int_equal(
        deflate_inflate(context, hub_bytes_of(frame.data, frame.length), 1 << 20, &data, &inflated), HUB_OK);
    assert_int_equal(inflated, length);
    assert_memory_equal(data, text, length);
    free(data);
    client_drop(c, frame.whole);
}

/* ---- broadcasts ---- */

static hub_status ignore(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)ws, (void)message, (void)arg;
    return HUB_OK;
}

/* A record of the log as the fan-out hands it to each client. */
typedef struct broadcast {
    bus_record record;
    chunk *body, *deflated;
    delivery delivery;
    char text[LONG];
} broadcast;

static void open_broadcast(broadcast *b, size_t length)
{
    *b = (broadcast){.record = {.message = {.kind = RECORD_WS_FRAME}},
                     .body = chunk_new(CHUNK_SHARED, LONG + 10)};
    assert_non_null(b->body);
    fill(b->text, length, 17);
    size_t header = frame_header(b->body->bytes, FRAME_TEXT, true, 0, length);
    memcpy(b->body->bytes + header, b->text, length);
    b->body->length = header + length;
    b->delivery = (delivery){.record = &b->record, .body = b->body, .deflated = &b->deflated};
}

/* Of the client that came last. */
static session *last_session(void)
{
    return &((hub_ws *)serving.last->state)->session;
}

static void deliver(session *s, broadcast *b)
{
    s->kind->deliver(s, &b->delivery);
}

static void close_broadcast(broadcast *b)
{
    if (b->deflated)
        chunk_drop(b->deflated);
    chunk_drop(b->body);
}

static void clients_without_takeover_share_one_deflated_form(void **state)
{
    (void)state;
    static client clients[3];
    session *sessions[3];
    static broadcast b;
    serve_ws("/events", (ws_route){.on_message = ignore});
    open_broadcast(&b, LONG);
    for (unsigned i = 0; i < 3; i++) {
        connect_offering(&clients[i], "/events", "permessage-deflate");
        ws_upgraded(&clients[i]);
        sessions[i] = last_session();
    }
    for (unsigned i = 0; i < 3; i++) {
        deliver(sessions[i], &b);
        assert_non_null(b.deflated);
        assert_int_equal(b.deflated->references, 2 + i); /* ours, and one in each queue */
    }
    assert_int_equal(b.body->references, 1);
    for (unsigned i = 0; i < 3; i++) {
        expect_deflated(&clients[i], NULL, b.text, LONG);
        client_close(&clients[i]);
    }
    close_broadcast(&b);
}

static void a_client_that_did_not_negotiate_costs_no_deflated_form(void **state)
{
    (void)state;
    static client c;
    static broadcast b;
    serve_ws("/events", (ws_route){.on_message = ignore});
    open_broadcast(&b, LONG);
    ws_connect(&c, "/events");
    deliver(last_session(), &b);
    assert_null(b.deflated);
    assert_int_equal(b.body->references, 2);
    ws_expect(&c, 0x81, b.text, LONG);
    client_close(&c);
    close_broadcast(&b);
}

static void a_small_broadcast_is_shared_as_it_is(void **state)
{
    (void)state;
    static client c;
    static broadcast b;
    serve_ws("/events", (ws_route){.on_message = ignore});
    open_broadcast(&b, 99);
    connect_offering(&c, "/events", "permessage-deflate");
    ws_upgraded(&c);
    deliver(last_session(), &b);
    assert_ptr_equal(b.deflated, b.body);
    ws_expect(&c, 0x81, b.text, 99);
    client_close(&c);
    close_broadcast(&b);
}

static void clients_with_windows_of_their_own_get_forms_of_their_own(void **state)
{
    (void)state;
    static client small, keeping;
    static broadcast b;
    serving.ws.deflate = DEFLATE_TAKEOVER;
    serve_ws("/events", (ws_route){.on_message = ignore});
    open_broadcast(&b, LONG);
    deflate_context *context = deflate_context_new((deflate_terms){15, 15, true, true});
    connect_offering(&small, "/events",
                     "permessage-deflate; server_max_window_bits=9; server_no_context_takeover");
    ws_upgraded(&small);
    deliver(last_session(), &b);
    connect_offering(&keeping, "/events", "permessage-deflate");
    ws_upgraded(&keeping);
    deliver(last_session(), &b);
    deliver(last_session(), &b);
    assert_null(b.deflated);
    expect_deflated(&small, NULL, b.text, LONG);
    expect_deflated(&keeping, context, b.text, LONG);
    expect_deflated(&keeping, context, b.text, LONG);
    deflate_context_free(context);
    client_close(&small);
    client_close(&keeping);
    close_broadcast(&b);
}

/* ---- direct sends and full queues ---- */

static hub_status flood(hub_ws *ws, void *arg)
{
    (void)arg;
    for (; seen.sent < FLOOD; seen.sent++) {
        char text[LONG];
        fill(text, sizeof text, seen.sent);
        hub_status status = hub_ws_send(ws, HUB_TEXT, hub_bytes_of(text, sizeof text));
        if (status != HUB_OK)
            seen.status = status;
    }
    seen.done = true;
    hub_message m;
    return hub_ws_recv(ws, &m, HUB_FOREVER);
}

static void serve_flood(hub_policy policy, size_t soft, size_t hard)
{
    serving.ws.deflate = DEFLATE_TAKEOVER;
    serving.fake = true;
    ws_route *to = serve_ws("/flood", (ws_route){.handler = flood});
    to->limits = (connection_limits){.soft = soft, .hard = hard, .time = 60, .policy = policy};
}

static void a_sender_that_was_parked_keeps_the_windows_in_step(void **state)
{
    (void)state;
    static client c;
    char text[LONG];
    serve_flood(HUB_POLICY_BLOCK, 300, 400);
    deflate_context *context = deflate_context_new((deflate_terms){15, 15, true, true});
    fake.room = 500;
    connect_offering(&c, "/flood", "permessage-deflate");
    world_turn(20);
    assert_false(seen.done); /* it is parked */
    fake.room = SIZE_MAX;
    ws_upgraded(&c);
    for (unsigned i = 0; i < FLOOD; i++) {
        fill(text, sizeof text, i);
        expect_deflated(&c, context, text, sizeof text);
    }
    assert_int_equal(seen.status, HUB_OK);
    deflate_context_free(context);
    client_close(&c);
}

static void what_is_dropped_does_not_break_what_follows(void **state)
{
    (void)state;
    static client c;
    char text[LONG];
    serve_flood(HUB_POLICY_SKIP, 200, 300);
    deflate_context *context = deflate_context_new((deflate_terms){15, 15, true, true});
    connect_offering(&c, "/flood", "permessage-deflate");
    ws_upgraded(&c);
    assert_true(seen.done);
    assert_int_equal(seen.status, HUB_EFULL);
    uint64_t dropped = atomic_load(&world_row()->dropped);
    assert_true(dropped > 0 && dropped < FLOOD);

    hub_ws *ws = serving.last->state;
    fill(text, sizeof text, 4711);
    assert_int_equal(hub_ws_send(ws, HUB_TEXT, hub_bytes_of(text, sizeof text)), HUB_OK);
    for (unsigned i = 0; i < FLOOD - dropped; i++) {
        char expected[LONG];
        fill(expected, sizeof expected, i);
        expect_deflated(&c, context, expected, sizeof expected);
    }
    expect_deflated(&c, context, text, sizeof text);
    deflate_context_free(context);
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_without_takeover_share_one_deflated_form, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_did_not_negotiate_costs_no_deflated_form, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_small_broadcast_is_shared_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(clients_with_windows_of_their_own_get_forms_of_their_own, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_sender_that_was_parked_keeps_the_windows_in_step, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_dropped_does_not_break_what_follows, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
