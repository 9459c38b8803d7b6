/* SPDX-License-Identifier: Apache-2.0 */
#include "../server.h"

static hub_ws *members[8];
static unsigned member_count;

static hub_status join_lobby(hub_ws *ws, void *arg)
{
    (void)arg;
    members[member_count++] = ws;
    return hub_join(ws, "lobby");
}

static hub_status broadcast_then_answer(hub_ws *ws, const hub_message *m, void *arg)
{
    (void)arg;
    hub_status status = hub_send(hub_to_room("lobby"), m->type, hub_text("to all 1"));
    if (status == HUB_OK)
        status = hub_ws_send(ws, m->type, hub_text("to you 2"));
    if (status == HUB_OK)
        status = hub_send(hub_to_room("lobby"), m->type, hub_text("to all 3"));
    if (status == HUB_OK)
        status = hub_send(hub_to_client(hub_ws_id(ws)), m->type, hub_text("to you 4"));
    if (status == HUB_OK)
        status = hub_send(hub_except(hub_to_room("lobby"), hub_ws_id(ws)), m->type, hub_text("to others 5"));
    if (status == HUB_OK)
        status = hub_send(hub_to_everyone(), m->type, hub_text("to everyone 6"));
    return status;
}

static int setup(void **state)
{
    int result = serve_open(state);
    member_count = 0;
    serve_ws("/lobby", (ws_route){.on_open = join_lobby, .on_message = broadcast_then_answer});
    return result;
}

static void direct_sends_and_broadcasts_keep_the_order_in_which_they_were_made(void **state)
{
    (void)state;
    static client a, b;
    ws_connect(&a, "/lobby");
    ws_connect(&b, "/lobby");
    ws_say(&a, "go");
    ws_expect_text(&a, "to all 1");
    ws_expect_text(&a, "to you 2");
    ws_expect_text(&a, "to all 3");
    ws_expect_text(&a, "to you 4");
    ws_expect_text(&a, "to everyone 6");
    ws_expect_text(&b, "to all 1");
    ws_expect_text(&b, "to all 3");
    ws_expect_text(&b, "to others 5");
    ws_expect_text(&b, "to everyone 6");
    client_close(&a);
    client_close(&b);
}

static hub_status send_in_all_ways(hub_ws *ws, const hub_message *m, void *arg)
{
    (void)arg;
    assert_int_equal(hub_join(ws, "mine"), HUB_OK);
    hub_bytes rooms[] = {hub_text("lobby"), hub_text("mine")}, mine[] = {hub_text("mine")};
    hub_to several = hub_to_rooms(rooms, 2);
    assert_int_equal(hub_send(several, m->type, hub_text("once")), HUB_OK);
    assert_int_equal(hub_send(hub_except_rooms(several, mine, 1), m->type, hub_text("not me")), HUB_OK);
    assert_int_equal(hub_send(hub_except_rooms(hub_to_everyone(), mine, 1), m->type, hub_text("nor now")),
                     HUB_OK);
    assert_int_equal(hub_send(hub_volatile(hub_to_room("mine")), m->type, hub_text("volatile")), HUB_OK);
    assert_int_equal(hub_send(hub_volatile(hub_to_client(hub_ws_id(ws))), m->type, hub_text("me")), HUB_OK);
    uint64_t end = bus_end(world.bus);
    assert_int_equal(hub_send(hub_local_only(hub_to_everyone()), m->type, hub_text("here")), HUB_OK);
    assert_true(bus_end(world.bus) == end);
    hub_to both = several;
    both.room = hub_text("");
    rooms[1] = hub_text("");
    assert_int_equal(hub_send(both, m->type, hub_text("x")), HUB_EINVAL);
    return HUB_OK;
}

static void an_audience_may_be_several_rooms_without_some_or_of_this_worker(void **state)
{
    (void)state;
    static client a, b;
    serve_ws("/ways", (ws_route){.on_open = join_lobby, .on_message = send_in_all_ways});
    ws_connect(&a, "/ways");
    ws_connect(&b, "/ways");
    ws_say(&a, "go");
    ws_expect_text(&a, "once");
    ws_expect_text(&a, "volatile");
    ws_expect_text(&a, "me");
    ws_expect_text(&a, "here");
    ws_expect_text(&b, "once");
    ws_expect_text(&b, "not me");
    ws_expect_text(&b, "nor now");
    ws_expect_text(&b, "here");
    client_close(&a);
    client_close(&b);
}

/* It would become the opcode: 8, say, would be a close frame in everybody's stream. */
static void a_type_that_is_no_message_is_refused(void **state)
{
    (void)state;
    static client a;
    ws_connect(&a, "/lobby");
    assert_int_equal(hub_send(hub_to_room("lobby"), (hub_type)8, hub_text("x")), HUB_EINVAL);
    assert_int_equal(hub_send(hub_to_client(hub_ws_id(members[0])), (hub_type)0, hub_text("x")), HUB_EINVAL);
    assert_int_equal(hub_ws_send(members[0], (hub_type)9, hub_text("x")), HUB_EINVAL);
    ws_say(&a, "go");
    ws_expect_text(&a, "to all 1");
    client_close(&a);
}

static void a_broadcast_of_one_turn_leaves_in_one_write_a_client(void **state)
{
    (void)state;
    serving.fake = true;
    static client a;
    ws_connect(&a, "/lobby");
    fake.writes = 0;
    for (int i = 0; i < 50; i++)
        assert_int_equal(hub_send(hub_to_room("lobby"), HUB_BINARY, hub_text("message")), HUB_OK);
    assert_true(client_wait(&a, 50 * 9));
    assert_int_equal(fake.writes, 1);
    client_close(&a);
}

static void an_id_whose_client_is_gone_names_nobody(void **state)
{
    (void)state;
    static client a;
    ws_connect(&a, "/lobby");
    hub_id id = hub_ws_id(members[0]);
    assert_int_equal(hub_send(hub_to_client(id), HUB_TEXT, hub_text("hello")), HUB_OK);
    ws_expect_text(&a, "hello");
    client_close(&a);
    assert_true(world_until(no_connections, NULL));
    assert_int_equal(hub_send(hub_to_client(id), HUB_TEXT, hub_text("hello")), HUB_ECLOSED);
}

static void who_excepts_the_receiver_sends_nothing(void **state)
{
    (void)state;
    static client a;
    ws_connect(&a, "/lobby");
    hub_id id = hub_ws_id(members[0]);
    assert_int_equal(hub_send(hub_except(hub_to_client(id), id), HUB_TEXT, hub_text("x")), HUB_OK);
    assert_int_equal(hub_send(hub_to_client(id), HUB_TEXT, hub_text("y")), HUB_OK);
    ws_expect_text(&a, "y");
    client_close(&a);
}

static void bodies_of_every_length_arrive_whole(void **state)
{
    (void)state;
    static client a;
    ws_connect(&a, "/lobby");
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536, 100000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char *body = malloc(lengths[i] + 1);
        assert_non_null(body);
        memset(body, 'a' + (int)i, lengths[i]);
        hub_bytes bytes = hub_bytes_of(lengths[i] ? body : NULL, lengths[i]);
        assert_int_equal(hub_send(hub_to_room("lobby"), HUB_BINARY, bytes), HUB_OK);
        ws_expect(&a, 0x82, body, lengths[i]);
        assert_int_equal(hub_send(hub_to_client(hub_ws_id(members[0])), HUB_BINARY, bytes), HUB_OK);
        ws_expect(&a, 0x82, body, lengths[i]);
        free(body);
    }
    client_close(&a);
}

static void what_is_too_large_for_the_log_is_refused(void **state)
{
    (void)state;
    static char body[1 << 20];
    assert_int_equal(hub_send(hub_to_room("lobby"), HUB_BINARY, hub_bytes_of(body, sizeof body)),
                     HUB_ETOOBIG);
    char name[300];
    memset(name, 'n', sizeof name);
    assert_int_equal(hub_send(hub_to_room_bytes(hub_bytes_of(name, sizeof name)), HUB_TEXT, hub_text("x")),
                     HUB_ETOOBIG);
}

static void a_slow_member_costs_only_itself(void **state)
{
    (void)state;
    static client slow, quick;
    serving.ws_routes[0].limits = (connection_limits){.soft = 5000, .hard = 20000, .time = 60};
    serving.fake = true;
    ws_connect(&slow, "/lobby");
    serving.fake = false;
    ws_connect(&quick, "/lobby");
    fake.room = 0;
    char body[1000];
    memset(body, 'b', sizeof body);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(hub_send(hub_to_room("lobby"), HUB_BINARY, hub_bytes_of(body, sizeof body)), HUB_OK);
        ws_expect(&quick, 0x82, body, sizeof body);
    }
    assert_int_equal(atomic_load(&world_row()->closed_slow), 1);
    fake.room = SIZE_MAX;
    ws_expect_close(&slow, 1013, true);
    client_close(&slow);
    client_close(&quick);
}

static void the_size_of_a_room_is_that_of_its_members_here(void **state)
{
    (void)state;
    static client a, b;
    ws_connect(&a, "/lobby");
    ws_connect(&b, "/lobby");
    assert_int_equal(hub_room_size(hub_text("lobby")), 2);
    assert_int_equal(hub_leave(members[0], "lobby"), HUB_OK);
    assert_int_equal(hub_room_size(hub_text("lobby")), 1);
    client_close(&a);
    client_close(&b);
    assert_true(world_until(no_connections, NULL));
    world_turn(1);
    assert_int_equal(hub_room_size(hub_text("lobby")), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, serve_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(direct_sends_and_broadcasts_keep_the_order_in_which_they_were_made),
        TEST(an_audience_may_be_several_rooms_without_some_or_of_this_worker),
        TEST(a_type_that_is_no_message_is_refused),
        TEST(a_broadcast_of_one_turn_leaves_in_one_write_a_client),
        TEST(an_id_whose_client_is_gone_names_nobody),
        TEST(who_excepts_the_receiver_sends_nothing),
        TEST(bodies_of_every_length_arrive_whole),
        TEST(what_is_too_large_for_the_log_is_refused),
        TEST(a_slow_member_costs_only_itself),
        TEST(the_size_of_a_room_is_that_of_its_members_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
