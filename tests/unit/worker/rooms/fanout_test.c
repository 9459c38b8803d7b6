/* SPDX-License-Identifier: Apache-2.0 */
#include "../harness.h"
#include "bus/hostlog.h"
#include "bus/layout.h"
#include "worker/rooms/room.h"

#include <sys/uio.h>

/* A session that notes what it is delivered, each body with a comma behind. */
typedef struct listener {
    session session;
    char heard[1024];
} listener;

static void listener_deliver(session *s, const delivery *what)
{
    listener *l = (listener *)s;
    strncat(l->heard, (const char *)what->body->bytes, what->body->length);
    strcat(l->heard, ",");
}

static const session_kind listener_kind = {.name = "listener", .deliver = listener_deliver, .plain = true};

static listener a, b, c;
static bus *other; /* another worker's, in this process */
static const hub_bytes space = {NULL, 0};

static int setup(void **state)
{
    int result = world_open(state);
    listener *const all[] = {&a, &b, &c};
    for (int i = 0; i < 3; i++) {
        *all[i] = (listener){0};
        assert_int_equal(session_open(&all[i]->session, &listener_kind), HUB_OK);
    }
    unsigned index;
    assert_int_equal(region_claim_row(&world.shared, 1, 1, &index), HUB_OK);
    assert_int_equal(bus_open(&other, &world.shared, index, NULL), HUB_OK);
    return result;
}

static void go(listener *l)
{
    room_leave_all(&l->session);
    session_close(&l->session);
}

static int teardown(void **state)
{
    go(&a);
    go(&b);
    go(&c);
    bus_close(other);
    return world_close(state);
}

static void join(listener *l, const char *name)
{
    assert_int_equal(fanout_join(&l->session, space, hub_text(name)), HUB_OK);
}

/* Publishes here, or on another worker. */
static hub_status publish(bus *from, bus_message message, const char *text)
{
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    message.kind = 7;
    return from ? bus_publish(from, &message, &part, 1, NULL) : fanout_publish(&message, &part, 1);
}

static hub_status say(bus *from, const char *name, hub_id except, const char *text)
{
    hub_bytes to = hub_text(name);
    return publish(from, (bus_message){.rooms = &to, .room_count = 1, .sender = except}, text);
}

static void a_message_has_been_delivered_when_publish_returns(void **state)
{
    (void)state;
    join(&a, "lobby");
    join(&b, "lobby");
    join(&c, "cellar");
    assert_int_equal(say(NULL, "lobby", 0, "hello"), HUB_OK);
    assert_string_equal(a.heard, "hello,");
    assert_string_equal(b.heard, "hello,");
    assert_string_equal(c.heard, "");
}

static void what_others_published_before_comes_before(void **state)
{
    (void)state;
    join(&a, "lobby");
    assert_int_equal(say(other, "lobby", 0, "first"), HUB_OK);
    assert_int_equal(say(NULL, "lobby", 0, "second"), HUB_OK);
    assert_string_equal(a.heard, "first,second,");
}

static void the_sender_is_left_out(void **state)
{
    (void)state;
    join(&a, "lobby");
    join(&b, "lobby");
    assert_int_equal(say(NULL, "lobby", a.session.id, "hello"), HUB_OK);
    assert_string_equal(a.heard, "");
    assert_string_equal(b.heard, "hello,");
}

static void a_union_of_rooms_delivers_once(void **state)
{
    (void)state;
    join(&a, "one");
    join(&a, "two");
    join(&b, "two");
    join(&c, "three");
    hub_bytes rooms[] = {hub_text("one"), hub_text("two"), hub_text("nobody is here"), hub_text("one")};
    assert_int_equal(publish(NULL, (bus_message){.rooms = rooms, .room_count = 4}, "x"), HUB_OK);
    assert_string_equal(a.heard, "x,");
    assert_string_equal(b.heard, "x,");
    assert_string_equal(c.heard, "");
}

static void members_of_an_excepted_room_are_left_out(void **state)
{
    (void)state;
    join(&a, "all");
    join(&b, "all");
    join(&c, "all");
    join(&b, "muted");
    hub_bytes all = hub_text("all");
    hub_bytes except[] = {hub_text("muted"), hub_text("nobody is here")};
    bus_message message = {.rooms = &all, .room_count = 1, .except = except, .except_count = 2};
    message.sender = c.session.id;
    assert_int_equal(publish(NULL, message, "x"), HUB_OK);
    assert_string_equal(a.heard, "x,");
    assert_string_equal(b.heard, "");
    assert_string_equal(c.heard, "");
}

static void a_message_to_everybody_needs_no_room(void **state)
{
    (void)state;
    join(&a, "lobby");
    join(&b, "muted");
    hub_bytes muted = hub_text("muted");
    assert_int_equal(publish(other, (bus_message){.except = &muted, .except_count = 1}, "x"), HUB_OK);
    fanout_drain();
    assert_string_equal(a.heard, "x,");
    assert_string_equal(b.heard, "");
    assert_string_equal(c.heard, "x,");
}

static void a_message_for_one_client_reaches_it_alone(void **state)
{
    (void)state;
    struct iovec part = {(void *)(uintptr_t) "x", 1};
    assert_int_equal(fanout_publish_to(b.session.id, 7, &part, 1), HUB_OK);
    assert_string_equal(a.heard, "");
    assert_string_equal(b.heard, "x,");
}

static void an_id_whose_client_is_gone_names_nobody(void **state)
{
    (void)state;
    hub_id id = b.session.id;
    go(&b);
    b = (listener){0};
    assert_int_equal(session_open(&b.session, &listener_kind), HUB_OK); /* in the same place */
    assert_true(b.session.id != id);
    assert_null(session_find(id));
    struct iovec part = {(void *)(uintptr_t) "x", 1};
    assert_int_equal(fanout_publish_to(id, 7, &part, 1), HUB_OK);
    assert_string_equal(b.heard, "");
}

static void who_joins_hears_nothing_older(void **state)
{
    (void)state;
    join(&a, "lobby");
    assert_int_equal(say(other, "lobby", 0, "old"), HUB_OK);
    join(&b, "lobby");
    assert_int_equal(say(other, "lobby", 0, "new"), HUB_OK);
    fanout_drain();
    assert_string_equal(a.heard, "old,new,");
    assert_string_equal(b.heard, "new,");
}

static void who_has_left_hears_nothing_more(void **state)
{
    (void)state;
    join(&a, "lobby");
    join(&b, "lobby");
    room_leave(&a.session, space, hub_text("lobby"));
    assert_int_equal(say(NULL, "lobby", 0, "x"), HUB_OK);
    assert_string_equal(a.heard, "");
    assert_string_equal(b.heard, "x,");
}

static bool has_heard(void *arg)
{
    return a.heard[0] != 0 && arg == NULL;
}

static void a_sleeping_worker_is_woken_by_what_others_publish(void **state)
{
    (void)state;
    join(&a, "lobby");
    world_turn(2);
    assert_false(bus_doze(world.bus));
    assert_int_equal(say(other, "lobby", 0, "wake up"), HUB_OK);
    assert_true(world_until(has_heard, NULL));
    assert_string_equal(a.heard, "wake up,");
}

/* ---- a log that loses what was just published ---- */

static bool damage_due;

static void damage(hostlog_step step)
{
    if (step != HOSTLOG_STEP_PUBLISHED || !damage_due)
        return;
    damage_due = false;
    size_t cells = region_layout_of(world.shared.log_size).cells;
    uint64_t at = (bus_end(world.bus) - 1) % (world.shared.log_size / REGION_CELL) * REGION_CELL;
    unsigned char *cell = (unsigned char *)world.shared.header + cells + at;
    for (int i = 0; i < 32; i++)
        cell[i] ^= 0xff;
}

static void publish_in_greenlet(void *arg)
{
    *(hub_status *)arg = say(NULL, "lobby", 0, "lost");
    loop_stop();
}

static void a_publisher_whose_own_record_was_lost_goes_on(void **state)
{
    (void)state;
    join(&a, "lobby");
    static hub_status status;
    status = HUB_EFAIL;
    damage_due = true;
    hostlog_on_step = damage;
    assert_non_null(greenlet_spawn("publisher", publish_in_greenlet, &status, NULL));
    world_turn(200);
    hostlog_on_step = NULL;
    assert_false(damage_due);
    assert_int_equal(status, HUB_OK);
    assert_string_equal(a.heard, "");
    assert_int_equal(say(NULL, "lobby", 0, "next"), HUB_OK);
    assert_string_equal(a.heard, "next,");
}

static void damage_body(hostlog_step step)
{
    if (step != HOSTLOG_STEP_PUBLISHED || !damage_due)
        return;
    damage_due = false;
    size_t cells = region_layout_of(world.shared.log_size).cells;
    unsigned char *body =
        memmem((unsigned char *)world.shared.header + cells, world.shared.log_size, "lost", 4);
    assert_non_null(body);
    *body ^= 0xff;
}

/* A hole that nobody is told of is what the log must never have. */
static void a_record_whose_body_was_damaged_is_reported(void **state)
{
    (void)state;
    int ends[2], standard_error = dup(2);
    char line[512] = "";
    join(&a, "lobby");
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    damage_due = true;
    hostlog_on_step = damage_body;
    dup2(ends[1], 2);
    hub_status status = say(NULL, "lobby", 0, "lost");
    dup2(standard_error, 2);
    hostlog_on_step = NULL;
    assert_int_equal(status, HUB_OK);
    assert_string_equal(a.heard, "");
    assert_true(read(ends[0], line, sizeof line - 1) > 0);
    assert_non_null(strstr(line, "gap 1 in the host log"));
    close(ends[0]);
    close(ends[1]);
    close(standard_error);
}

/* ---- a full log ---- */

static void a_reader_that_holds_up_the_log_is_cut_off(void **state)
{
    (void)state;
    join(&a, "lobby");
    static char body[4096];
    memset(body, 'x', sizeof body - 1);
    uint64_t from = clock_monotonic_ns();
    for (int i = 0; i < 400; i++) { /* 1.6 MB into 1 MB, and `other` reads nothing */
        a.heard[0] = 0;
        hub_bytes to = hub_text("nobody");
        hub_status status = publish(NULL, (bus_message){.rooms = &to, .room_count = 1}, body);
        if (status == HUB_EFULL) { /* not in a greenlet: there is no waiting */
            assert_true(bus_laggard(world.bus) >= 0);
            assert_true(bus_evict_laggards(world.bus) > 0);
            break;
        }
        assert_int_equal(status, HUB_OK);
        assert_true(i < 399);
    }
    assert_true(clock_monotonic_ns() - from < 5 * CLOCK_NS_PER_S);
    assert_int_equal(say(NULL, "lobby", 0, "through"), HUB_OK);
    assert_string_equal(a.heard, "through,");
    bus_record record;
    assert_int_equal(bus_peek(other, &record), BUS_GAP);
}

static void publish_much(void *arg)
{
    static char body[4096];
    memset(body, 'x', sizeof body - 1);
    hub_status *status = arg;
    *status = HUB_OK;
    for (int i = 0; i < 400 && *status == HUB_OK; i++)
        *status = say(NULL, "nobody", 0, body);
    loop_stop();
}

static void a_publisher_waits_a_moment_and_then_cuts_off(void **state)
{
    (void)state;
    static hub_status status;
    status = HUB_EFAIL;
    assert_non_null(greenlet_spawn("publisher", publish_much, &status, NULL));
    uint64_t from = clock_monotonic_ns();
    loop_run();
    assert_int_equal(status, HUB_OK);
    assert_true(clock_monotonic_ns() - from >= 100 * CLOCK_NS_PER_MS);
    bus_record record;
    assert_int_equal(bus_peek(other, &record), BUS_GAP);
}

static bool is_parked(void *arg)
{
    (void)arg;
    return greenlet_count().parked == 1;
}

static void a_publisher_that_is_killed_while_the_log_is_full_gives_up(void **state)
{
    (void)state;
    static hub_status status;
    status = HUB_EFAIL;
    greenlet *publisher = greenlet_spawn("publisher", publish_much, &status, NULL);
    assert_non_null(publisher);
    assert_true(world_until(is_parked, NULL));
    assert_true(bus_laggard(world.bus) >= 0);
    assert_int_equal(hub_kill(greenlet_id(publisher)), HUB_OK);
    loop_run();
    assert_int_equal(status, HUB_ECANCELED);
    assert_int_equal(greenlet_count().alive, 0);
    bus_record record;
    assert_int_equal(bus_peek(other, &record), BUS_RECORD); /* nobody was cut off */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_has_been_delivered_when_publish_returns),
        TEST(what_others_published_before_comes_before),
        TEST(the_sender_is_left_out),
        TEST(a_union_of_rooms_delivers_once),
        TEST(members_of_an_excepted_room_are_left_out),
        TEST(a_message_to_everybody_needs_no_room),
        TEST(a_message_for_one_client_reaches_it_alone),
        TEST(an_id_whose_client_is_gone_names_nobody),
        TEST(who_joins_hears_nothing_older),
        TEST(who_has_left_hears_nothing_more),
        TEST(a_sleeping_worker_is_woken_by_what_others_publish),
        TEST(a_record_whose_body_was_damaged_is_reported),
        TEST(a_publisher_whose_own_record_was_lost_goes_on),
        TEST(a_reader_that_holds_up_the_log_is_cut_off),
        TEST(a_publisher_waits_a_moment_and_then_cuts_off),
        TEST(a_publisher_that_is_killed_while_the_log_is_full_gives_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
