/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/engine_app.h"

#include "engine_world.h"

static struct app {
    char log[4096];
    hub_status status; /* of the next handler */
    hub_event *gate;   /* message handlers wait for it; NULL: they do not */
    hub_engine *last;
    bool closes;
} app;

static engine_app_route handlers;

static void write_log(const char *text)
{
    size_t at = strlen(app.log);
    snprintf(app.log + at, sizeof app.log - at, "%s,", text);
}

static hub_status on_open(hub_engine *h, void *arg)
{
    app.last = h;
    write_log(arg);
    return app.status;
}

static hub_status on_message(hub_engine *h, const hub_message *message, void *arg)
{
    char text[64];
    (void)arg;
    if (app.gate)
        hub_event_wait(app.gate, HUB_FOREVER);
    snprintf(text, sizeof text, "%s%.*s", message->type == HUB_BINARY ? "b:" : "", (int)message->body.length,
             (const char *)message->body.data);
    write_log(text);
    if (app.closes)
        assert_int_equal(hub_engine_close(h), HUB_OK);
    hub_engine_send(h, message->type, message->body);
    return app.status;
}

static void on_close(hub_engine *h, const char *reason, void *arg)
{
    (void)arg;
    assert_int_equal(hub_engine_send(h, HUB_TEXT, hub_text("x")), HUB_ECLOSED);
    assert_int_equal(hub_engine_close(h), HUB_ECLOSED);
    write_log(reason);
}

static int setup(void **state)
{
    engine_world_open(state);
    memset(&app, 0, sizeof app);
    handlers = (engine_app_route){
        .handlers = {.on_open = on_open,
                     .on_message = on_message,
                     .on_close = on_close,
                     .arg = (void *)"open"},
        .name = "engine /e",
        .max_payload = 100000,
    };
    tested.user = &engine_app_user;
    tested.arg = &handlers;
    return 0;
}

static int teardown(void **state)
{
    if (app.gate)
        hub_event_set(app.gate);
    engine_world_close(state);
    hub_event_free(app.gate);
    return 0;
}

static bool logged(void *arg)
{
    return strcmp(app.log, arg) == 0;
}

static void expect_log(const char *log)
{
    if (!world_until(logged, (void *)log))
        fail_msg("logged '%s', not '%s'", app.log, log);
}

static void events_run_in_order(void **state)
{
    (void)state;
    client c;
    socket_open(&c);
    ws_say(&c, "4a");
    ws_send(&c, 0x82, "b", 1);
    ws_expect_text(&c, "4a");
    ws_expect(&c, 0x82, "b", 1);
    assert_string_equal(hub_engine_transport(app.last), "websocket");
    assert_int_equal(hub_engine_sid(app.last).length, 24);
    ws_say_close(&c, 1000, "");
    expect_log("open,a,b:b,transport close,");
    assert_true(world_until(no_greenlets, NULL));
    client_close(&c);
}

static void messages_wait_for_a_parked_handler(void **state)
{
    (void)state;
    client c;
    poller p;
    app.gate = hub_event_new();
    socket_open(&c);
    ws_say(&c, "4first");
    world_turn(3);
    ws_say(&c, "4second");
    ws_say(&c, "4third");
    world_turn(3);
    assert_string_equal(app.log, "open,");
    client_close(&c); /* its last handler runs behind them */
    world_turn(3);
    assert_string_equal(app.log, "open,");
    hub_event_set(app.gate);
    expect_log("open,first,second,third,transport close,");
    app.log[0] = '\0';
    poller_open(&p);
    poller_posts(&p,
                 "4a\x1e"
                 "4b",
                 200);
    expect_log("open,a,b,");
    poller_gets(&p, "4a\x1e"
                    "4b");
}

static void a_handler_that_fails_closes_its_client(void **state)
{
    (void)state;
    client c;
    socket_open(&c);
    app.status = HUB_EFAIL;
    ws_say(&c, "4a");
    expect_log("open,a,forced close,");
    client_close(&c);
    app.log[0] = '\0';
    socket_open(&c);
    ws_expect_close(&c, 1000, true);
    expect_log("open,forced close,");
    client_close(&c);
}

static void a_handler_can_close_its_client(void **state)
{
    (void)state;
    client c;
    app.closes = true;
    socket_open(&c);
    ws_say(&c, "4a");
    ws_say(&c, "4b");
    ws_expect_close(&c, 1000, false);
    expect_log("open,a,forced close,");
    client_close(&c);
}

static void a_client_whose_handler_is_parked_is_read_up_to_a_limit(void **state)
{
    (void)state;
    enum { LENGTH = 60000, MESSAGES = 20 };
    char *text = malloc(LENGTH);
    client c;
    assert_non_null(text);
    memset(text, 'x', LENGTH);
    text[0] = '4';
    app.gate = hub_event_new();
    socket_open(&c);
    int buffer_size = 4 << 20, sent = 0;
    setsockopt(c.fd, SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof buffer_size);
    unsigned char *frame = malloc(LENGTH + 14);
    assert_non_null(frame);
    size_t length = ws_frame(frame, 0x81, text, LENGTH);
    while (sent < MESSAGES && send(c.fd, frame, length, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length)
        sent++; /* the last one may be cut */
    assert_true(sent >= 3);
    world_turn(100);
    assert_true(serving.last->paused_protocol);
    hub_event_set(app.gate);
    for (int i = 0; i < sent; i++) {
        ws_seen seen = {0};
        assert_true(world_until(ws_has_frame, &c));
        assert_true(ws_peek(&c, &seen));
        assert_int_equal(seen.length, LENGTH);
        client_drop(&c, seen.whole);
    }
    client_close(&c);
    free(frame);
    free(text);
}

static void a_message_reaches_a_client_by_its_id(void **state)
{
    (void)state;
    static const unsigned char frame[] = {0x81, 2, 'h', 'i'};
    client c;
    socket_open(&c);
    session *s = session_find(hub_engine_id(app.last));
    bus_record record = {.message = {.kind = RECORD_WS_FRAME}};
    chunk *body = chunk_new(CHUNK_SHARED, sizeof frame);
    assert_non_null(body);
    memcpy(body->bytes, frame, sizeof frame);
    body->length = sizeof frame;
    s->kind->deliver(s, &(delivery){.record = &record, .body = body});
    chunk_drop(body);
    ws_expect_text(&c, "4hi");
    client_close(&c);
}

static void foreign_types_are_refused(void **state)
{
    (void)state;
    client c;
    socket_open(&c);
    assert_int_equal(hub_engine_send(app.last, (hub_type)9, hub_text("x")), HUB_EINVAL);
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(events_run_in_order),
        T(messages_wait_for_a_parked_handler),
        T(a_handler_that_fails_closes_its_client),
        T(a_handler_can_close_its_client),
        T(a_client_whose_handler_is_parked_is_read_up_to_a_limit),
        T(a_message_reaches_a_client_by_its_id),
        T(foreign_types_are_refused),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
