/* SPDX-License-Identifier: Apache-2.0 */
#include "../server.h"

#include "worker/ws/client.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* ---- counting allocations ---- */

static size_t allocations;

#ifndef SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    allocations++;
    return __libc_realloc(memory, size);
}
#endif

/* ---- handlers that note what they see ---- */

static struct seen {
    unsigned opened, closed;
    uint16_t code;
    char reason[128];
    char log[4096]; /* messages, each with a comma behind */
    hub_status status;
    bool flag, intact, done;
    hub_id id;
    hub_ws *ws;
    hub_greenlet greenlet;
} seen;

static int setup(void **state)
{
    memset(&seen, 0, sizeof seen);
    return serve_open(state);
}

static void note(hub_bytes text)
{
    size_t length = strlen(seen.log);
    if (length + text.length + 2 < sizeof seen.log)
        snprintf(seen.log + length, sizeof seen.log - length, "%.*s,", (int)text.length,
                 (const char *)text.data);
}

static hub_status echo(hub_ws *ws, void *arg)
{
    (void)arg;
    hub_message m;
    hub_status status;
    seen.id = hub_ws_id(ws);
    seen.ws = ws;
    while ((status = hub_ws_recv(ws, &m, HUB_FOREVER)) == HUB_OK)
        if ((status = hub_ws_send(ws, m.type, m.body)) != HUB_OK)
            break;
    seen.status = status;
    seen.done = true;
    return status;
}

static hub_status open_noting(hub_ws *ws, void *arg)
{
    (void)arg;
    seen.opened++;
    seen.id = hub_ws_id(ws);
    seen.ws = ws;
    return HUB_OK;
}

static hub_status message_noting(hub_ws *ws, const hub_message *m, void *arg)
{
    (void)ws, (void)arg;
    note(m->body);
    return HUB_OK;
}

static void close_noting(hub_ws *ws, uint16_t code, hub_bytes reason, void *arg)
{
    (void)ws, (void)arg;
    seen.closed++;
    seen.code = code;
    snprintf(seen.reason, sizeof seen.reason, "%.*s", (int)reason.length, (const char *)reason.data);
}

/* Parks with its message until the gate opens, and compares. */
static hub_status message_parked(hub_ws *ws, const hub_message *m, void *arg)
{
    (void)ws, (void)arg;
    char *copy = malloc(m->body.length + 1);
    assert_non_null(copy);
    if (m->body.length)
        memcpy(copy, m->body.data, m->body.length);
    seen.flag = true;
    seen.greenlet = hub_current();
    hub_status status = hub_event_wait(serving.gate, HUB_FOREVER);
    seen.intact = m->body.length == 0 || memcmp(copy, m->body.data, m->body.length) == 0;
    free(copy);
    note(hub_bytes_of("message", 7));
    return status;
}

static bool has_closed(void *arg)
{
    (void)arg;
    return seen.closed > 0;
}

static bool has_noted(void *arg)
{
    return strcmp(seen.log, arg) == 0;
}

/* ---- messages ---- */

static void a_receive_loop_answers_in_order(void **state)
{
    (void)state;
    serve_ws("/echo", (ws_route){.handler = echo});
    static client c;
    ws_connect(&c, "/echo");
    ws_say(&c, "one");
    ws_say(&c, "two");
    ws_send(&c, 0x82, "\0\1", 2);
    ws_send(&c, 0x81, "", 0);
    ws_expect_text(&c, "one");
    ws_expect_text(&c, "two");
    ws_expect(&c, 0x82, "\0\1", 2);
    ws_expect_text(&c, "");
    client_close(&c);
}

static void all_answers_to_one_read_leave_in_one_write(void **state)
{
    (void)state;
    serving.fake = true;
    serve_ws("/echo", (ws_route){.handler = echo});
    static client c;
    ws_connect(&c, "/echo");
    unsigned char frames[64 * 80];
    size_t length = 0;
    for (int i = 0; i < 64; i++)
        length += ws_frame(frames + length, 0x81, "sixty-four messages in one read, sixty-four answers", 51);
    fake.writes = fake.reads = 0;
    client_send(&c, frames, length);
    assert_true(client_wait(&c, 64 * 53));
    assert_int_equal(fake.writes, 1);
    assert_int_equal(fake.reads, 1);
    assert_int_equal(fake.entries, 1);
    client_close(&c);
}

static void in_the_steady_state_an_echo_allocates_nothing(void **state)
{
    (void)state;
#ifdef SANITIZED
    skip();
#endif
    serve_ws("/echo", (ws_route){.handler = echo});
    static client c;
    ws_connect(&c, "/echo");
    size_t before = 0;
    for (int i = 0; i < 100; i++) {
        if (i == 20)
            before = allocations;
        ws_say(&c, "a message of some length, as they are");
        ws_expect_text(&c, "a message of some length, as they are");
    }
    /* Each of ws_say allocates its frame. */
    assert_int_equal(allocations - before, 80);
    client_close(&c);
}

static void in_the_steady_state_an_event_allocates_nothing(void **state)
{
    (void)state;
#ifdef SANITIZED
    skip();
#endif
    serve_ws("/events", (ws_route){.on_message = message_noting});
    static client c;
    ws_connect(&c, "/events");
    size_t before = 0;
    for (int i = 0; i < 100; i++) {
        if (i == 20)
            before = allocations;
        seen.log[0] = 0;
        ws_say(&c, "x");
        assert_true(world_until(has_noted, "x,"));
    }
    assert_int_equal(allocations - before, 80);
    client_close(&c);
}

/* Others' reads go on behind, and over, what is not held. */
static void let_others_read(void)
{
    static client other;
    ws_connect(&other, "/echo");
    char big[60000];
    memset(big, 'z', sizeof big);
    for (int i = 0; i < 20; i++) {
        ws_send(&other, 0x81, big, sizeof big);
        ws_expect(&other, 0x81, big, sizeof big);
    }
    client_close(&other);
}

static void expect_intact(client *c)
{
    assert_true(world_until(is_set, &seen.flag));
    let_others_read();
    hub_event_set(serving.gate);
    assert_true(world_until(has_noted, "message,"));
    assert_true(seen.intact);
    client_close(c);
}

static void serve_parked(void)
{
    serve_ws("/echo", (ws_route){.handler = echo});
    serve_ws("/parked", (ws_route){.on_message = message_parked, .max_message = 1 << 20});
}

static void a_parked_handler_keeps_its_message(void **state)
{
    (void)state;
    serve_parked();
    static client c;
    ws_connect(&c, "/parked");
    ws_say(&c, "this must stay as it is while others read");
    expect_intact(&c);
}

static void a_parked_handler_keeps_a_message_that_came_behind_the_upgrade(void **state)
{
    (void)state;
    serve_parked();
    static client c;
    visit(&c);
    char text[1400];
    unsigned char bytes[2048];
    memset(text, 'm', sizeof text);
    size_t length = (size_t)snprintf((char *)bytes, sizeof bytes,
                                     "GET /parked HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                                     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    length += ws_frame(bytes + length, 0x81, text, sizeof text);
    client_send(&c, bytes, length);
    ws_upgraded(&c);
    expect_intact(&c);
}

static void a_parked_handler_keeps_a_message_behind_an_upgrade_in_pieces(void **state)
{
    (void)state;
    serve_parked();
    static client c;
    visit(&c);
    client_say(&c, "GET /parked HTTP/1.1\r\nHost: a\r\nUpgrade: webso");
    world_turn(3);
    unsigned char bytes[2048];
    size_t length = (size_t)snprintf((char *)bytes, sizeof bytes,
                                     "cket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    length += ws_frame(bytes + length, 0x81, "behind", 6);
    client_send(&c, bytes, length);
    ws_upgraded(&c);
    expect_intact(&c);
}

static void a_parked_handler_keeps_a_message_of_fragments(void **state)
{
    (void)state;
    serve_parked();
    static client c;
    ws_connect(&c, "/parked");
    ws_send(&c, 0x01, "first ", 6);
    world_turn(3);
    ws_send(&c, 0x80, "second", 6);
    expect_intact(&c);
}

static void a_parked_handler_keeps_a_large_message(void **state)
{
    (void)state;
    serve_parked();
    static client c;
    ws_connect(&c, "/parked");
    char *big = malloc(150000);
    unsigned char *frame = malloc(150014);
    assert_non_null(big);
    assert_non_null(frame);
    memset(big, 'b', 150000);
    size_t length = ws_frame(frame, 0x82, big, 150000);
    for (size_t at = 0; at < length; at += 50000) {
        client_send(&c, frame + at, length - at < 50000 ? length - at : 50000);
        world_turn(2);
    }
    free(big);
    free(frame);
    expect_intact(&c);
}

/* ---- large messages, which are not copied ---- */

enum { LARGE = 150000 };

static void say_large(client *c, char letter)
{
    char *big = malloc(LARGE);
    unsigned char *frame = malloc(LARGE + 14);
    assert_true(big && frame);
    memset(big, letter, LARGE);
    size_t length = ws_frame(frame, 0x82, big, LARGE);
    for (size_t at = 0; at < length; at += 50000) {
        client_send(c, frame + at, length - at < 50000 ? length - at : 50000);
        world_turn(2);
    }
    free(big);
    free(frame);
}

static void expect_large(client *c, char letter, size_t length)
{
    char *big = malloc(length);
    assert_non_null(big);
    memset(big, letter, length);
    ws_expect(c, 0x82, big, length);
    free(big);
}

static hub_status echo_behind_the_gate(hub_ws *ws, const hub_message *m, void *arg)
{
    (void)arg;
    hub_event_wait(serving.gate, HUB_FOREVER);
    return hub_ws_send(ws, m->type, m->body);
}

static hub_status echo_in_parts(hub_ws *ws, const hub_message *m, void *arg)
{
    (void)arg;
    hub_bytes half = hub_bytes_of(m->body.data, m->body.length / 2);
    hub_status status = hub_ws_send(ws, m->type, half);
    if (status == HUB_OK)
        status = hub_ws_send(ws, m->type, m->body);
    return status == HUB_OK ? hub_ws_send(ws, HUB_TEXT, hub_text("end")) : status;
}

static void a_large_message_is_sent_back_whole_however_the_socket_takes_it(void **state)
{
    (void)state;
    serve_ws("/echo", (ws_route){.handler = echo, .max_message = 1 << 20});
    static client c;
    ws_connect(&c, "/echo");
    static const size_t takes[] = {SIZE_MAX, 3000, 70001};
    for (size_t i = 0; i < sizeof takes / sizeof *takes; i++) {
        fake.takes = takes[i];
        say_large(&c, (char)('a' + i));
        expect_large(&c, (char)('a' + i), LARGE);
    }
    client_close(&c);
}

static void large_messages_wait_for_a_parked_handler_in_order(void **state)
{
    (void)state;
    serve_ws("/gate", (ws_route){.on_message = echo_behind_the_gate, .max_message = 1 << 20});
    static client c;
    ws_connect(&c, "/gate");
    say_large(&c, 'a');
    say_large(&c, 'b');
    ws_say(&c, "small");
    say_large(&c, 'c');
    hub_event_set(serving.gate);
    expect_large(&c, 'a', LARGE);
    expect_large(&c, 'b', LARGE);
    ws_expect_text(&c, "small");
    expect_large(&c, 'c', LARGE);
    client_close(&c);
}

static void a_client_may_vanish_while_large_messages_wait(void **state)
{
    (void)state;
    serve_ws("/gate", (ws_route){.on_message = echo_behind_the_gate, .max_message = 1 << 20});
    static client c;
    ws_connect(&c, "/gate");
    say_large(&c, 'a');
    say_large(&c, 'b');
    client_close(&c);
    world_turn(3);
    hub_event_set(serving.gate);
    assert_true(world_until(no_greenlets, NULL));
}

/* Whether it was copied, taken over or read where it stays. */
static void an_idle_client_keeps_nothing_of_what_it_sent(void **state)
{
    (void)state;
    serve_ws("/echo", (ws_route){.handler = echo, .max_message = 1 << 20});
    static client c;
    static const size_t lengths[] = {10, 3000, 20000, 60000, 150000};
    static unsigned char frame[150000 + 14];
    static char body[150000];
    ws_connect(&c, "/echo");
    memset(body, 'i', sizeof body);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t length = ws_frame(frame, 0x82, body, lengths[i]);
        client_send(&c, frame, 9); /* a frame that did not come whole may be read in place */
        world_turn(3);
        client_send(&c, frame + 9, length - 9);
        ws_expect(&c, 0x82, body, lengths[i]);
        assert_int_equal(message_memory(&seen.ws->parser), 0);
    }
    client_close(&c);
}

static void parts_of_a_large_message_and_others_keep_their_order(void **state)
{
    (void)state;
    serve_ws("/parts", (ws_route){.on_message = echo_in_parts, .max_message = 1 << 20});
    static client c;
    ws_connect(&c, "/parts");
    say_large(&c, 'p');
    expect_large(&c, 'p', LARGE / 2);
    expect_large(&c, 'p', LARGE);
    ws_expect_text(&c, "end");
    client_close(&c);
}

static void messages_wait_for_a_parked_handler_in_order(void **state)
{
    (void)state;
    serve_ws("/parked", (ws_route){.on_message = message_parked});
    static client c;
    ws_connect(&c, "/parked");
    ws_say(&c, "1");
    assert_true(world_until(is_set, &seen.flag));
    serving.ws_routes[0].on_message = message_noting;
    char expected[512] = "message,", number[16];
    for (int i = 2; i < 100; i++) {
        snprintf(number, sizeof number, "%d", i);
        ws_say(&c, number);
        strcat(strcat(expected, number), ",");
    }
    world_turn(5);
    hub_event_set(serving.gate);
    assert_true(world_until(has_noted, expected));
    client_close(&c);
}

static void a_client_is_not_read_while_its_queue_is_full(void **state)
{
    (void)state;
    serve_ws("/parked", (ws_route){.on_message = message_parked, .max_message = 1000});
    static client c;
    ws_connect(&c, "/parked");
    ws_say(&c, "1");
    assert_true(world_until(is_set, &seen.flag));
    serving.ws_routes[0].on_message = message_noting;
    char text[1000];
    memset(text, 'q', sizeof text);
    unsigned sent = 0;
    unsigned char frame[1014];
    for (size_t length = ws_frame(frame, 0x82, text, sizeof text);
         send(c.fd, frame, length, MSG_NOSIGNAL) == (ssize_t)length; sent++)
        world_turn(1);
    assert_true(serving.last->paused_protocol);
    assert_true(atomic_load(&world_row()->messages_in) < sent);
    hub_event_set(serving.gate);
    world_turn(100);
    assert_false(serving.last->paused_protocol);
    assert_true(atomic_load(&world_row()->messages_in) >= sent);
    client_close(&c);
}

/* ---- the receive loop ---- */

static hub_status impatient(hub_ws *ws, void *arg)
{
    (void)arg;
    hub_message m;
    seen.status = hub_ws_recv(ws, &m, 0.05);
    seen.flag = true;
    if (hub_ws_recv(ws, &m, 5) == HUB_OK)
        note(m.body);
    return HUB_OK;
}

static void a_wait_for_a_message_times_out_and_may_be_repeated(void **state)
{
    (void)state;
    serve_ws("/loop", (ws_route){.handler = impatient});
    static client c;
    ws_connect(&c, "/loop");
    assert_true(world_until(is_set, &seen.flag));
    assert_int_equal(seen.status, HUB_ETIMEDOUT);
    ws_say(&c, "late");
    ws_expect_close(&c, 1000, false);
    assert_string_equal(seen.log, "late,");
    client_close(&c);
}

static hub_status returns(hub_ws *ws, void *arg)
{
    (void)ws;
    return *(hub_status *)arg;
}

static void a_loop_that_returns_closes_the_client(void **state)
{
    (void)state;
    static hub_status ok = HUB_OK, closed = HUB_ECLOSED, failed = HUB_EFAIL;
    serve_ws("/ok", (ws_route){.handler = returns, .arg = &ok});
    serve_ws("/closed", (ws_route){.handler = returns, .arg = &closed});
    serve_ws("/failed", (ws_route){.handler = returns, .arg = &failed});
    static const struct {
        const char *path;
        uint16_t code;
    } cases[] = {{"/ok", 1000}, {"/closed", 1000}, {"/failed", 1011}};
    for (int i = 0; i < 3; i++) {
        client c;
        ws_connect(&c, cases[i].path);
        ws_expect_close(&c, cases[i].code, false);
        ws_say_close(&c, cases[i].code, "");
        assert_true(client_wait_end(&c));
        client_close(&c);
    }
}

static hub_status event_receives(hub_ws *ws, const hub_message *m, void *arg)
{
    (void)arg, (void)m;
    hub_message other;
    seen.status = hub_ws_recv(ws, &other, 1);
    seen.flag = true;
    return HUB_OK;
}

static void receiving_is_for_receive_loops(void **state)
{
    (void)state;
    serve_ws("/events", (ws_route){.on_message = event_receives});
    static client c;
    ws_connect(&c, "/events");
    ws_say(&c, "x");
    assert_true(world_until(is_set, &seen.flag));
    assert_int_equal(seen.status, HUB_ESTATE);
    client_close(&c);
}

static void a_killed_loop_ends_with_1011(void **state)
{
    (void)state;
    serve_ws("/echo", (ws_route){.handler = echo});
    static client c;
    ws_connect(&c, "/echo");
    /* The one greenlet there is. */
    for (hub_greenlet id = 1; id < 1 << 26 && greenlet_count().parked; id++)
        if (greenlet_find(id)) {
            assert_int_equal(hub_kill(id), HUB_OK);
            break;
        }
    ws_expect_close(&c, 1011, false);
    assert_int_equal(seen.status, HUB_ECANCELED);
    client_close(&c);
}

static hub_status reads_all(hub_ws *ws, void *arg)
{
    (void)arg;
    hub_message m;
    seen.greenlet = hub_current();
    hub_event_wait(serving.gate, HUB_FOREVER);
    while ((seen.status = hub_ws_recv(ws, &m, HUB_FOREVER)) == HUB_OK)
        if (++seen.opened == 10)
            hub_kill(seen.greenlet);
    return seen.status;
}

static void a_loop_can_be_killed_though_it_always_has_a_next_message(void **state)
{
    (void)state;
    serve_ws("/loop", (ws_route){.handler = reads_all});
    static client c;
    ws_connect(&c, "/loop");
    for (int i = 0; i < 500; i++) {
        ws_say(&c, "x");
        world_turn(1);
    }
    hub_event_set(serving.gate);
    ws_expect_close(&c, 1011, false);
    assert_int_equal(seen.status, HUB_ECANCELED);
    assert_true(seen.opened < 200);
    client_close(&c);
}

static hub_status closes_itself(hub_ws *ws, void *arg)
{
    (void)arg;
    hub_message m;
    assert_int_equal(hub_ws_close(ws, 999, "x"), HUB_EINVAL);
    assert_int_equal(hub_ws_close(ws, 1005, "x"), HUB_EINVAL);
    assert_int_equal(hub_ws_close(ws, 1006, "x"), HUB_EINVAL);
    assert_int_equal(hub_ws_close(ws, 1015, "x"), HUB_EINVAL);
    assert_int_equal(hub_ws_close(ws, 5000, "x"), HUB_EINVAL);
    char reason[125];
    memset(reason, 'r', 124);
    reason[124] = 0;
    assert_int_equal(hub_ws_close(ws, 4000, reason), HUB_EINVAL);
    hub_ws_send(ws, HUB_TEXT, hub_text("before"));
    assert_int_equal(hub_ws_close(ws, 4000, "enough"), HUB_OK);
    assert_int_equal(hub_ws_close(ws, 4000, "enough"), HUB_ECLOSED);
    assert_int_equal(hub_ws_send(ws, HUB_TEXT, hub_text("after")), HUB_ECLOSED);
    seen.status = hub_ws_recv(ws, &m, HUB_FOREVER);
    seen.done = true;
    return HUB_OK;
}

static void what_was_queued_before_a_close_still_goes_out(void **state)
{
    (void)state;
    serve_ws("/loop", (ws_route){.handler = closes_itself});
    static client c;
    ws_connect(&c, "/loop");
    ws_expect_text(&c, "before");
    ws_expect(&c, 0x88,
              "\x0f\xa0"
              "enough",
              8);
    assert_int_equal(seen.status, HUB_ECLOSED);
    ws_say(&c, "ignored");
    ws_say_close(&c, 4000, "");
    assert_true(client_wait_end(&c));
    assert_int_equal(c.length, 0);
    client_close(&c);
}

static hub_status sleeps_then_returns(hub_ws *ws, void *arg)
{
    (void)ws, (void)arg;
    hub_event_wait(serving.gate, HUB_FOREVER);
    return HUB_OK;
}

static void a_loop_that_ends_with_messages_unread_still_hears_the_close(void **state)
{
    (void)state;
    serve_ws("/loop", (ws_route){.handler = sleeps_then_returns, .max_message = 1000});
    static client c;
    ws_connect(&c, "/loop");
    char text[1000];
    memset(text, 'q', sizeof text);
    while (!serving.last->paused_protocol) {
        ws_send(&c, 0x82, text, sizeof text);
        world_turn(1);
    }
    hub_event_set(serving.gate);
    ws_expect_close(&c, 1000, false);
    ws_say_close(&c, 1000, "");
    assert_true(client_wait_end(&c));
    client_close(&c);
}

/* ---- events ---- */

static void the_close_handler_is_told_what_the_client_said(void **state)
{
    (void)state;
    serve_ws("/events",
             (ws_route){.on_open = open_noting, .on_message = message_noting, .on_close = close_noting});
    static client c;
    ws_connect(&c, "/events");
    ws_say(&c, "last");
    ws_say_close(&c, 4321, "good bye");
    ws_expect_close(&c, 4321, false);
    assert_true(client_wait_end(&c));
    client_close(&c);
    assert_true(world_until(has_closed, NULL));
    assert_int_equal(seen.opened, 1);
    assert_string_equal(seen.log, "last,");
    assert_int_equal(seen.code, 4321);
    assert_string_equal(seen.reason, "good bye");
}

static void a_client_that_vanishes_closes_with_1006(void **state)
{
    (void)state;
    serve_ws("/events", (ws_route){.on_open = open_noting, .on_close = close_noting});
    static client c;
    ws_connect(&c, "/events");
    client_close(&c);
    assert_true(world_until(has_closed, NULL));
    assert_int_equal(seen.code, 1006);
    assert_string_equal(seen.reason, "");
}

static void a_client_may_vanish_while_its_handler_is_parked(void **state)
{
    (void)state;
    serve_ws("/parked", (ws_route){.on_message = message_parked, .on_close = close_noting});
    static client c;
    ws_connect(&c, "/parked");
    ws_say(&c, "1");
    ws_say(&c, "2");
    assert_true(world_until(is_set, &seen.flag));
    client_close(&c);
    assert_true(world_until(no_connections, NULL));
    world_turn(3);
    assert_int_equal(seen.closed, 0);
    hub_event_set(serving.gate);
    assert_true(world_until(has_closed, NULL));
    assert_string_equal(seen.log, "message,message,");
    assert_int_equal(seen.closed, 1);
}

static hub_status open_refusing(hub_ws *ws, void *arg)
{
    (void)ws, (void)arg;
    seen.flag = true;
    hub_event_wait(serving.gate, HUB_FOREVER);
    return HUB_EFAIL;
}

static void a_client_that_was_refused_at_its_opening_is_not_listened_to(void **state)
{
    (void)state;
    serve_ws("/events",
             (ws_route){.on_open = open_refusing, .on_message = message_noting, .on_close = close_noting});
    static client c;
    ws_connect(&c, "/events");
    ws_say(&c, "let me in");
    world_turn(3);
    hub_event_set(serving.gate);
    ws_expect_close(&c, 1011, false);
    ws_say_close(&c, 1011, "");
    client_close(&c);
    assert_true(world_until(has_closed, NULL));
    assert_string_equal(seen.log, "");
    assert_int_equal(seen.code, 1011);
}

static void session_data_begins_at_zero_and_stays(void **state)
{
    (void)state;
    serve_ws("/events", (ws_route){.on_open = open_noting, .on_close = close_noting});
    static client c;
    ws_connect(&c, "/events");
    static const unsigned char zeros[16];
    assert_memory_equal(hub_ws_session(seen.ws), zeros, 16);
    client_close(&c);
}

/* ---- when greenlets cannot be had ---- */

static void sleep_at_the_gate(void *arg)
{
    (void)arg;
    hub_event_wait(serving.gate, HUB_FOREVER);
}

/* All that there may be. */
static unsigned use_up_greenlets(void)
{
    unsigned count = 0;
    while (greenlet_spawn("spare", sleep_at_the_gate, NULL, NULL))
        count++;
    world_turn(1);
    return count;
}

static void reopen(unsigned max_greenlets)
{
    serve_close(NULL);
    serve_open_with(max_greenlets);
}

static void a_client_for_whom_there_is_no_greenlet_is_sent_away(void **state)
{
    (void)state;
    reopen(4);
    serve_ws("/echo", (ws_route){.handler = echo});
    assert_int_equal(use_up_greenlets(), 4);
    static client c;
    ws_connect(&c, "/echo");
    ws_expect_close(&c, 1013, false);
    client_close(&c);
    assert_true(world_until(no_connections, NULL));
}

static void a_message_for_which_there_is_no_greenlet_closes_its_client(void **state)
{
    (void)state;
    reopen(4);
    serve_ws("/events", (ws_route){.on_message = message_noting});
    static client c;
    ws_connect(&c, "/events");
    assert_int_equal(use_up_greenlets(), 4);
    ws_say(&c, "x");
    ws_expect_close(&c, 1013, false);
    client_close(&c);
    assert_true(world_until(no_connections, NULL));
    assert_string_equal(seen.log, "");
}

static void the_close_handler_waits_for_a_greenlet(void **state)
{
    (void)state;
    reopen(4);
    serve_ws("/events", (ws_route){.on_open = open_noting, .on_close = close_noting});
    static client c, d;
    ws_connect(&c, "/events");
    ws_connect(&d, "/events");
    assert_int_equal(use_up_greenlets(), 4);
    client_close(&c);
    client_close(&d);
    assert_true(world_until(no_connections, NULL));
    world_turn(5);
    assert_int_equal(seen.closed, 0);
    hub_event_set(serving.gate);
    assert_true(world_until(has_closed, NULL));
    world_turn(2);
    assert_int_equal(seen.closed, 2);
}

/* ---- queues ---- */

static hub_status flood(hub_ws *ws, void *arg)
{
    (void)arg;
    char text[1000];
    memset(text, 'f', sizeof text);
    for (int i = 0; i < 100 && seen.status == HUB_OK; i++)
        seen.status = hub_ws_send(ws, HUB_TEXT, hub_bytes_of(text, sizeof text));
    seen.done = true;
    hub_message m;
    return hub_ws_recv(ws, &m, HUB_FOREVER);
}

static ws_route *serve_flood(hub_policy policy)
{
    serving.fake = true;
    ws_route *to = serve_ws("/flood", (ws_route){.handler = flood});
    to->limits = (connection_limits){.soft = 5000, .hard = 20000, .time = 60, .policy = policy};
    return to;
}

static void under_policy_close_a_slow_client_gets_1013(void **state)
{
    (void)state;
    serve_flood(HUB_POLICY_CLOSE);
    static client c;
    visit(&c);
    fake.takes = 500;
    ws_handshake(&c, "/flood");
    ws_upgraded(&c);
    assert_int_equal(seen.status, HUB_EFULL);
    ws_expect_close(&c, 1013, true);
    assert_true(client_wait_end(&c));
    assert_int_equal(atomic_load(&world_row()->closed_slow), 1);
    client_close(&c);
}

static void under_policy_skip_what_does_not_fit_is_dropped_and_counted(void **state)
{
    (void)state;
    serve_flood(HUB_POLICY_SKIP);
    static client c;
    ws_connect(&c, "/flood");
    assert_int_equal(seen.status, HUB_EFULL);
    assert_int_equal(atomic_load(&world_row()->dropped), 1);
    assert_int_equal(atomic_load(&world_row()->closed_slow), 0);
    seen.status = HUB_OK;
    client_close(&c);
}

static void under_policy_skip_a_slow_client_is_never_closed_for_it(void **state)
{
    (void)state;
    ws_route *to = serve_flood(HUB_POLICY_SKIP);
    to->limits.time = 0.1;
    serving.ws.ping_interval = 0.1;
    static client c;
    visit(&c);
    fake.room = 200; /* the head of the answer, and a part of the first message */
    ws_handshake(&c, "/flood");
    assert_true(world_until(is_set, &seen.done));
    assert_true(serving.last->paused_output);
    uint64_t until = clock_monotonic_ns() + CLOCK_NS_PER_S;
    while (clock_monotonic_ns() < until)
        world_turn(10);
    assert_int_equal(connections_count(), 1);
    assert_false(serving.last->finishing);
    fake.room = SIZE_MAX;
    ws_upgraded(&c);
    client_close(&c);
}

static void under_policy_block_the_sender_parks_and_loses_nothing(void **state)
{
    (void)state;
    serve_flood(HUB_POLICY_BLOCK);
    static client c;
    visit(&c);
    fake.room = 2000;
    ws_handshake(&c, "/flood");
    world_turn(20);
    assert_false(seen.done);
    fake.room = SIZE_MAX;
    ws_upgraded(&c);
    assert_true(client_wait(&c, 100 * 1004));
    assert_true(seen.done);
    assert_int_equal(seen.status, HUB_OK);
    client_close(&c);
}

static void under_policy_block_a_sender_whose_client_reads_nothing_is_let_go_in_time(void **state)
{
    (void)state;
    ws_route *to = serve_flood(HUB_POLICY_BLOCK);
    to->limits.time = 0.2;
    serving.ws.ping_interval = 0; /* never */
    serving.ws.close_timeout = 0.5;
    static client c;
    visit(&c);
    fake.room = 200;
    ws_handshake(&c, "/flood");
    assert_true(world_until(is_set, &seen.done));
    assert_int_equal(seen.status, HUB_ECLOSED);
    assert_int_equal(connections_count(), 1); /* it is not kept until the connection ends */
    assert_true(world_until(no_connections, NULL));
    assert_int_equal(atomic_load(&world_row()->closed_slow), 1);
    client_close(&c);
}

/* ---- time ---- */

static void a_silent_client_is_pinged_and_then_left(void **state)
{
    (void)state;
    serving.ws.ping_interval = 0.2;
    serving.ws.ping_timeout = 0.2;
    serve_ws("/events", (ws_route){.on_open = open_noting, .on_close = close_noting});
    static client c;
    ws_connect(&c, "/events");
    ws_expect(&c, 0x89, "", 0);
    ws_send(&c, 0x8a, "", 0);
    ws_expect(&c, 0x89, "", 0);
    assert_int_equal(seen.closed, 0);
    assert_true(world_until(has_closed, NULL));
    assert_int_equal(seen.code, 1006);
    client_close(&c);
}

static void a_ping_is_answered_with_its_own_bytes(void **state)
{
    (void)state;
    serve_ws("/echo", (ws_route){.handler = echo});
    static client c;
    ws_connect(&c, "/echo");
    ws_send(&c, 0x01, "in ", 3);
    ws_send(&c, 0x89, "ping", 4);
    ws_send(&c, 0x80, "parts", 5);
    ws_expect(&c, 0x8a, "ping", 4);
    ws_expect_text(&c, "in parts");
    client_close(&c);
}

static void who_sends_much_at_once_does_not_keep_the_others_waiting(void **state)
{
    (void)state;
    serve_ws("/echo", (ws_route){.handler = echo});
    static client busy, other;
    ws_connect(&busy, "/echo");
    ws_connect(&other, "/echo");
    unsigned char frames[1000 * 10];
    for (size_t i = 0; i < 1000; i++)
        ws_frame(frames + i * 10, 0x81, "tiny", 4);
    client_send(&busy, frames, sizeof frames);
    ws_say(&other, "hello");
    world_turn(2);
    ws_expect_text(&other, "hello");
    client_read(&busy);
    assert_true(busy.length < 1000 * 6);
    assert_true(client_wait(&busy, 1000 * 6));
    for (int i = 0; i < 1000; i++)
        ws_expect_text(&busy, "tiny");
    client_close(&busy);
    client_close(&other);
}

static void a_client_that_does_not_read_is_owed_one_pong(void **state)
{
    (void)state;
    serving.fake = true;
    ws_route *to = serve_ws("/echo", (ws_route){.handler = echo});
    to->limits = (connection_limits){.soft = 300, .hard = 100000, .time = 60};
    static client c;
    ws_connect(&c, "/echo");
    fake.room = 0;
    for (int i = 0; i < 50; i++) {
        char text[101];
        ws_send(&c, 0x89, text, (size_t)snprintf(text, sizeof text, "%-98d", i));
    }
    world_turn(5);
    assert_true(serving.last->out.bytes < 600);
    fake.room = SIZE_MAX;
    ws_seen last = {0};
    for (int i = 0; i < 5; i++) { /* four until the queue was too long, and the last */
        assert_true(world_until(ws_has_frame, &c));
        assert_true(ws_peek(&c, &last));
        assert_int_equal(last.first, 0x8a);
        if (i < 4)
            assert_int_equal(atoi((char *)last.data), i);
        else
            assert_int_equal(atoi((char *)last.data), 49);
        client_drop(&c, last.whole);
    }
    ws_say(&c, "still there");
    ws_expect_text(&c, "still there");
    client_close(&c);
}

static void a_client_that_takes_no_pongs_is_closed_in_time(void **state)
{
    (void)state;
    serving.fake = true;
    ws_route *to = serve_ws("/echo", (ws_route){.handler = echo});
    to->limits = (connection_limits){.soft = 300, .hard = 100000, .time = 0.2};
    serving.ws.close_timeout = 0.1;
    static client c;
    ws_connect(&c, "/echo");
    fake.room = 0;
    char text[100] = "a ping";
    for (int i = 0; i < 50; i++)
        ws_send(&c, 0x89, text, sizeof text);
    assert_true(world_until(no_connections, NULL));
    assert_int_equal(atomic_load(&world_row()->closed_slow), 1);
    client_close(&c);
}

static void draining_says_1001_to_everybody(void **state)
{
    (void)state;
    serve_ws("/echo", (ws_route){.handler = echo});
    serve_ws("/events", (ws_route){.on_open = open_noting, .on_close = close_noting});
    static client c, d;
    ws_connect(&c, "/echo");
    ws_connect(&d, "/events");
    connections_drain();
    connections_drain();
    ws_expect_close(&c, 1001, false);
    ws_expect_close(&d, 1001, false);
    assert_true(seen.done);
    ws_say_close(&c, 1001, "");
    ws_say_close(&d, 1001, "");
    client_close(&c);
    client_close(&d);
    assert_true(world_until(no_connections, NULL));
    assert_true(world_until(has_closed, NULL));
    assert_int_equal(seen.code, 1001);
}

static void a_client_that_does_not_answer_our_close_is_left(void **state)
{
    (void)state;
    serving.ws.close_timeout = 0.1;
    static hub_status ok = HUB_OK;
    serve_ws("/ok", (ws_route){.handler = returns, .arg = &ok});
    static client c;
    ws_connect(&c, "/ok");
    assert_true(world_until(no_connections, NULL));
    client_close(&c);
}

static void a_broken_frame_closes_with_1002_and_reads_nothing_more(void **state)
{
    (void)state;
    serve_ws("/events", (ws_route){.on_message = message_noting, .on_close = close_noting});
    static client c;
    ws_connect(&c, "/events");
    ws_send(&c, 0x83, "?", 1);
    ws_say(&c, "ignored");
    ws_expect_close(&c, 1002, false);
    assert_true(client_wait_end(&c));
    client_close(&c);
    assert_true(world_until(has_closed, NULL));
    assert_string_equal(seen.log, "");
    assert_int_equal(seen.code, 1002);
}

static void a_message_above_the_limit_closes_with_1009(void **state)
{
    (void)state;
    serve_ws("/echo", (ws_route){.handler = echo, .max_message = 10});
    static client c;
    ws_connect(&c, "/echo");
    ws_say(&c, "0123456789");
    ws_expect_text(&c, "0123456789");
    ws_say(&c, "0123456789+");
    ws_expect_close(&c, 1009, false);
    client_close(&c);
}

/* ---- clients that are done, but keep their connection ---- */

static hub_status join_noting(hub_ws *ws, void *arg)
{
    assert_int_equal(hub_join(ws, "lobby"), HUB_OK);
    return open_noting(ws, arg);
}

/* The client has been told all and was heard out, so it is gone for the application; only its connection is
 * still there. */
static void expect_gone(uint16_t code)
{
    assert_true(world_until(has_closed, NULL));
    assert_int_equal(connections_count(), 1);
    assert_int_equal(rooms_count(), 0);
    assert_int_equal(sessions_count(), 0);
    assert_int_equal(seen.code, code);
}

/* Whatever the connection still does, the close handler ran once. */
static void expect_closed_once(client *c)
{
    client_close(c);
    assert_true(world_until(no_connections, NULL));
    world_turn(3);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(greenlet_count().alive, 0);
}

static void serve_members(void)
{
    serve_ws("/events",
             (ws_route){.on_open = join_noting, .on_message = message_noting, .on_close = close_noting});
}

static void a_client_that_closed_but_keeps_its_connection_is_gone_at_once(void **state)
{
    (void)state;
    serve_members();
    static client c;
    ws_connect(&c, "/events");
    ws_say(&c, "last");
    ws_say_close(&c, 4321, "good bye");
    expect_gone(4321);
    assert_string_equal(seen.log, "last,");
    assert_string_equal(seen.reason, "good bye");
    ws_expect_close(&c, 4321, false);
    assert_true(client_wait_end(&c));
    ws_say(&c, "too late");
    world_turn(3);
    connections_drain();
    assert_string_equal(seen.log, "last,");
    expect_closed_once(&c);
}

static void a_client_that_answers_our_close_is_gone_at_once(void **state)
{
    (void)state;
    serve_members();
    static client c;
    ws_connect(&c, "/events");
    assert_int_equal(hub_ws_close(seen.ws, 4000, "go"), HUB_OK);
    ws_expect_close(&c, 4000, false);
    world_turn(3);
    assert_int_equal(seen.closed, 0);
    ws_say_close(&c, 4000, "");
    expect_gone(4000);
    expect_closed_once(&c);
}

static void a_client_that_broke_the_protocol_is_gone_at_once(void **state)
{
    (void)state;
    serve_members();
    static client c;
    ws_connect(&c, "/events");
    ws_send(&c, 0x83, "?", 1);
    expect_gone(1002);
    ws_expect_close(&c, 1002, false);
    expect_closed_once(&c);
}

static void a_client_that_closed_and_does_not_read_is_gone_at_once(void **state)
{
    (void)state;
    serving.fake = true;
    serving.ws.close_timeout = 0.1;
    serve_members();
    static client c;
    ws_connect(&c, "/events");
    fake.room = 0;
    ws_say_close(&c, 1000, "");
    expect_gone(1000);
    assert_true(world_until(no_connections, NULL)); /* nobody waits for it for ever */
    expect_closed_once(&c);
}

static void the_close_handler_of_a_client_that_keeps_its_connection_follows_its_messages(void **state)
{
    (void)state;
    serve_ws("/parked", (ws_route){.on_message = message_parked, .on_close = close_noting});
    static client c;
    ws_connect(&c, "/parked");
    ws_say(&c, "1");
    ws_say(&c, "2");
    ws_say_close(&c, 1000, "");
    ws_expect_close(&c, 1000, false);
    world_turn(3);
    assert_int_equal(sessions_count(), 0);
    assert_int_equal(seen.closed, 0);
    hub_event_set(serving.gate);
    expect_gone(1000);
    assert_string_equal(seen.log, "message,message,");
    expect_closed_once(&c);
}

static void a_loop_whose_client_keeps_its_connection_ends_at_once(void **state)
{
    (void)state;
    serve_ws("/echo", (ws_route){.handler = echo});
    static client c;
    ws_connect(&c, "/echo");
    ws_say_close(&c, 1000, "");
    assert_true(world_until(is_set, &seen.done));
    assert_true(world_until(no_greenlets, NULL));
    assert_int_equal(connections_count(), 1);
    assert_int_equal(sessions_count(), 0);
    ws_expect_close(&c, 1000, false);
    client_close(&c);
}

/* ---- clients that vanish at every moment ---- */

static void a_client_may_end_after_any_byte(void **state)
{
    (void)state;
    serve_ws("/echo", (ws_route){.handler = echo});
    serve_ws("/events",
             (ws_route){.on_open = open_noting, .on_message = message_noting, .on_close = close_noting});
    static const char *const paths[] = {"/echo", "/events"};
    for (int p = 0; p < 2; p++) {
        unsigned char bytes[1024];
        size_t length = (size_t)snprintf(
            (char *)bytes, sizeof bytes,
            "GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            paths[p]);
        size_t head = length;
        length += ws_frame(bytes + length, 0x01, "some text", 9);
        length += ws_frame(bytes + length, 0x89, "ping", 4);
        length += ws_frame(bytes + length, 0x80, "more text", 9);
        length += ws_frame(bytes + length, 0x88, "\x03\xe8 bye", 6);
        for (size_t cut = head - 3; cut <= length; cut++) {
            client c;
            visit(&c);
            client_send(&c, bytes, cut / 2);
            world_turn(1);
            client_send(&c, bytes + cut / 2, cut - cut / 2);
            if (cut % 2)
                world_turn(2);
            client_close(&c);
            assert_true(world_until(no_connections, NULL));
        }
    }
    world_turn(3);
    assert_int_equal(seen.opened, seen.closed);
    assert_int_equal(sessions_count(), 0);
    assert_true(world_until(no_greenlets, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, serve_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_receive_loop_answers_in_order),
        TEST(all_answers_to_one_read_leave_in_one_write),
        TEST(in_the_steady_state_an_echo_allocates_nothing),
        TEST(in_the_steady_state_an_event_allocates_nothing),
        TEST(a_parked_handler_keeps_its_message),
        TEST(a_parked_handler_keeps_a_message_that_came_behind_the_upgrade),
        TEST(a_parked_handler_keeps_a_message_behind_an_upgrade_in_pieces),
        TEST(a_parked_handler_keeps_a_message_of_fragments),
        TEST(a_parked_handler_keeps_a_large_message),
        TEST(a_large_message_is_sent_back_whole_however_the_socket_takes_it),
        TEST(large_messages_wait_for_a_parked_handler_in_order),
        TEST(a_client_may_vanish_while_large_messages_wait),
        TEST(an_idle_client_keeps_nothing_of_what_it_sent),
        TEST(parts_of_a_large_message_and_others_keep_their_order),
        TEST(messages_wait_for_a_parked_handler_in_order),
        TEST(a_client_is_not_read_while_its_queue_is_full),
        TEST(a_wait_for_a_message_times_out_and_may_be_repeated),
        TEST(a_loop_that_returns_closes_the_client),
        TEST(receiving_is_for_receive_loops),
        TEST(a_killed_loop_ends_with_1011),
        TEST(a_loop_can_be_killed_though_it_always_has_a_next_message),
        TEST(what_was_queued_before_a_close_still_goes_out),
        TEST(a_loop_that_ends_with_messages_unread_still_hears_the_close),
        TEST(the_close_handler_is_told_what_the_client_said),
        TEST(a_client_that_vanishes_closes_with_1006),
        TEST(a_client_may_vanish_while_its_handler_is_parked),
        TEST(a_client_that_was_refused_at_its_opening_is_not_listened_to),
        TEST(session_data_begins_at_zero_and_stays),
        TEST(a_client_for_whom_there_is_no_greenlet_is_sent_away),
        TEST(a_message_for_which_there_is_no_greenlet_closes_its_client),
        TEST(the_close_handler_waits_for_a_greenlet),
        TEST(under_policy_close_a_slow_client_gets_1013),
        TEST(under_policy_skip_what_does_not_fit_is_dropped_and_counted),
        TEST(under_policy_skip_a_slow_client_is_never_closed_for_it),
        TEST(under_policy_block_the_sender_parks_and_loses_nothing),
        TEST(under_policy_block_a_sender_whose_client_reads_nothing_is_let_go_in_time),
        TEST(a_silent_client_is_pinged_and_then_left),
        TEST(a_ping_is_answered_with_its_own_bytes),
        TEST(who_sends_much_at_once_does_not_keep_the_others_waiting),
        TEST(a_client_that_does_not_read_is_owed_one_pong),
        TEST(a_client_that_takes_no_pongs_is_closed_in_time),
        TEST(draining_says_1001_to_everybody),
        TEST(a_client_that_does_not_answer_our_close_is_left),
        TEST(a_broken_frame_closes_with_1002_and_reads_nothing_more),
        TEST(a_message_above_the_limit_closes_with_1009),
        TEST(a_client_that_closed_but_keeps_its_connection_is_gone_at_once),
        TEST(a_client_that_answers_our_close_is_gone_at_once),
        TEST(a_client_that_broke_the_protocol_is_gone_at_once),
        TEST(a_client_that_closed_and_does_not_read_is_gone_at_once),
        TEST(the_close_handler_of_a_client_that_keeps_its_connection_follows_its_messages),
        TEST(a_loop_whose_client_keeps_its_connection_ends_at_once),
        TEST(a_client_may_end_after_any_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
