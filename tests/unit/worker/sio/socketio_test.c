/* SPDX-License-Identifier: Apache-2.0 */
#include "../harness.h"
#include "fake_engine.h"
#include "worker/sio/sid.h"

/* ---- an application ---- */

static char heard[4096]; /* what its handlers saw */
static hub_event *gate;  /* what some of them wait for */
static hub_ack kept_ack;
static hub_id last_client;

static void hear(const char *format, ...)
{
    va_list values;
    size_t used = strlen(heard);
    va_start(values, format);
    vsnprintf(heard + used, sizeof heard - used, format, values);
    va_end(values);
}

static hub_status echo(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)ack, (void)arg;
    return hub_reply(c, "back", "V", args);
}

static hub_status note_event(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)c, (void)ack;
    hear("%s%.*s;", arg ? (const char *)arg : "", (int)args.json.length, (const char *)args.json.data);
    return HUB_OK;
}

static hub_status with_ack(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)c, (void)arg;
    hub_status first = hub_ack_send(ack, "V", args);
    hear("%s,%s;", hub_status_name(first), hub_status_name(hub_ack_send(ack, "i", 2)));
    return HUB_OK;
}

static hub_status failing(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)c, (void)args, (void)ack, (void)arg;
    return HUB_ENOENT;
}

static hub_status keeps_ack(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)c, (void)args, (void)arg;
    kept_ack = ack;
    return HUB_OK;
}

static hub_status waits(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)c, (void)ack, (void)arg;
    hear("begin;");
    hub_status status = hub_event_wait(gate, 30);
    hear("end%.*s;", (int)args.json.length, (const char *)args.json.data);
    return status;
}

static hub_status asks(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)ack, (void)arg;
    hub_value answer = hub_value_of(hub_text("-"));
    hub_status status =
        hub_call(hub_client_id(c), hub_value_double(hub_value_at(args, 0), 30), &answer, "question", "i", 1);
    hear("%s %.*s;", hub_status_name(status), (int)answer.json.length, (const char *)answer.json.data);
    return HUB_OK;
}

static hub_status asks_room(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)c, (void)ack, (void)arg;
    hub_value answers = hub_value_of(hub_text("-"));
    hub_status status = hub_call_many(hub_to_room("r"), hub_value_double(hub_value_at(args, 0), 30), &answers,
                                      "question", NULL);
    hear("%s %.*s;", hub_status_name(status), (int)answers.json.length, (const char *)answers.json.data);
    return HUB_OK;
}

static hub_status joins(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)arg;
    hub_status status = hub_client_join(c, hub_value_text(hub_value_at(args, 0)));
    return hub_ack_send(ack, "s", hub_status_name(status));
}

static hub_status leaves_by_itself(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)args, (void)ack, (void)arg;
    return hub_client_disconnect(c, hub_value_bool(hub_value_at(args, 0), false));
}

static hub_status lists(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)c, (void)args, (void)ack, (void)arg;
    hub_value clients = {0}, rooms = {0};
    hub_status first = hub_fetch_clients(hub_to_room("r"), 30, &clients);
    hub_status second = hub_fetch_rooms("/", 30, &rooms);
    hear("%s %zu %s %.*s;", hub_status_name(first), hub_value_count(clients), hub_status_name(second),
         (int)rooms.json.length, (const char *)rooms.json.data);
    return HUB_OK;
}

static hub_status greets(hub_client *c, hub_value auth, void *arg)
{
    (void)arg;
    last_client = hub_client_id(c);
    hub_client_join(c, hub_text("lobby"));
    hub_emit(hub_to_room("lobby"), "new", NULL);
    return hub_reply(c, "auth", "v", auth);
}

static hub_status guards(hub_client *c, hub_value auth, void *arg)
{
    (void)arg;
    if (hub_event_wait(gate, 30) != HUB_OK)
        return HUB_EFAIL;
    if (hub_equal(hub_value_text(hub_value_get(auth, "token")), hub_text("s3cret")))
        return HUB_OK;
    return hub_refuse(c, "unauthorized", "{s:i}", "code", 401);
}

static void says_bye(hub_client *c, const char *reason, void *arg)
{
    (void)c, (void)arg;
    hear("bye %s;", reason);
}

static name_spaces registered;
static sio_server server;
static engine *a, *b, *c;

static int setup(void **state)
{
    int result = world_open(state);
    heard[0] = '\0';
    gate = hub_event_new();
    registered = (name_spaces){0};
    sid_open((hash_key){1, 2});
    name_spaces *all = &registered;
    assert_int_equal(name_spaces_on(all, "/", "echo", echo, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/", "note", note_event, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/", "with \"quotes\"", note_event, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/", "*", note_event, "any "), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/", "ack", with_ack, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/", "fail", failing, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/", "later", keeps_ack, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/", "wait", waits, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/", "ask", asks, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/", "ask room", asks_room, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/", "join", joins, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/", "leave", leaves_by_itself, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/", "lists", lists, NULL), HUB_OK);
    assert_int_equal(name_spaces_on_disconnect(all, "/", says_bye, NULL), HUB_OK);
    assert_int_equal(name_spaces_on_connect(all, "/greeted", greets, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/greeted", "note", note_event, NULL), HUB_OK);
    assert_int_equal(name_spaces_on_connect(all, "/guarded", guards, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/guarded", "note", note_event, NULL), HUB_OK);
    assert_int_equal(name_spaces_on_disconnect(all, "/guarded", says_bye, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(all, "/shop-*", "note", note_event, "shop "), HUB_OK);
    server = (sio_server){.name_spaces = all,
                          .session_size = 24,
                          .max_attachments = 10,
                          .max_depth = 64,
                          .max_namespaces = 8,
                          .inbox = 65536};
    sio_open(&server, world.bus);
    a = wire_open();
    b = wire_open();
    c = wire_open();
    return result;
}

static int teardown(void **state)
{
    hub_event_set(gate);
    wire_free(a);
    wire_free(b);
    wire_free(c);
    world_turn(5);
    sio_close();
    hub_event_free(gate);
    name_spaces_free(&registered);
    return world_close(state);
}

/* Joins "/" and answers the client's socket id. */
static const char *join_main(engine *e)
{
    static char sids[8][32];
    static unsigned next;
    char *sid = sids[next++ % 8];
    wire_say(e, "0");
    const char *answer = wire_sent(e);
    assert_int_equal(strlen(answer), strlen("0{\"sid\":\"\"}|") + SID_PUBLIC_LENGTH);
    memcpy(sid, answer + strlen("0{\"sid\":\""), SID_PUBLIC_LENGTH);
    sid[SID_PUBLIC_LENGTH] = '\0';
    return sid;
}

static hub_id id_of(const char *sid)
{
    hub_id id = 0;
    assert_true(sid_read_public(hub_text(sid), &id));
    return id;
}

static void join_room(engine *e, const char *name)
{
    char text[128];
    snprintf(text, sizeof text, "27[\"join\",\"%s\"]", name);
    wire_say(e, text);
    assert_string_equal(wire_sent(e), "37[\"OK\"]|");
}

/* ---- connections and packets ---- */

static void a_client_is_answered_with_its_sid_and_nothing_else(void **state)
{
    (void)state;
    const char *sid = join_main(a);
    assert_true(id_of(sid) != 0);
    assert_string_not_equal(sid, join_main(b));
}

static void an_unknown_namespace_is_refused_in_the_protocols_words(void **state)
{
    (void)state;
    wire_say(a, "0/nobody,");
    assert_string_equal(wire_sent(a), "4/nobody,{\"message\":\"Invalid namespace\"}|");
    assert_false(a->closed);
}

static void an_event_reaches_its_handler_without_its_name(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "2[\"echo\", 1 ,{\"a\":[true]}]");
    assert_string_equal(wire_sent(a), "2[\"back\",1,{\"a\":[true]}]|");
    wire_say(a, "2[\"echo\"]");
    assert_string_equal(wire_sent(a), "2[\"back\"]|");
}

static void an_escaped_name_is_the_same_name(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "2[\"n\\u006fte\",1]");
    wire_say(a, "2[\"with \\\"quotes\\\"\",2]");
    assert_string_equal(heard, "[1];[2];");
}

static void who_takes_all_events_is_told_which(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "2[\"other\",1]");
    assert_string_equal(heard, "any [\"other\",1];");
}

static void an_event_that_nobody_takes_is_dropped(void **state)
{
    (void)state;
    wire_say(a, "0/shop-1,");
    wire_say(a, "2/shop-1,[\"unknown\"]");
    wire_say(a, "2/shop-1,[\"note\",1]");
    assert_string_equal(heard, "shop [1];");
    assert_false(a->closed);
}

static void an_event_of_a_namespace_that_was_not_joined_closes_the_connection(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "2/guarded,[\"note\"]");
    assert_true(a->closed);
    assert_int_equal(a->reason, SIO_FORCED_SERVER_CLOSE);
    world_turn(3);
    assert_string_equal(heard, "bye forced server close;");
}

static void a_second_connect_of_a_namespace_closes_the_connection(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "0");
    assert_true(a->closed);
}

static void what_is_no_packet_closes_with_a_parse_error(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "9", "2", "2{}", "2[1", "2[\"connect\"]", "4{}", "51-[\"a\"]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong - 1; i++) {
        engine *e = wire_open();
        join_main(e);
        wire_say(e, wrong[i]);
        assert_true(e->closed);
        assert_int_equal(e->reason, SIO_PARSE_ERROR);
        wire_free(e);
    }
    world_turn(3);
}

static void several_namespaces_share_a_connection(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "0/shop-1,");
    wire_say(a, "0/shop-2,");
    wire_say(a, "2/shop-2,[\"note\",2]");
    wire_say(a, "1/shop-2,");
    wire_say(a, "2/shop-1,[\"note\",1]");
    assert_string_equal(heard, "shop [2];shop [1];");
    assert_false(a->closed);
}

static void namespaces_of_one_connection_are_bounded(void **state)
{
    (void)state;
    char text[32];
    for (unsigned i = 0; i < server.max_namespaces; i++) {
        snprintf(text, sizeof text, "0/shop-%u,", i);
        wire_say(a, text);
    }
    wire_sent(a);
    wire_say(a, "0");
    assert_string_equal(wire_sent(a), "4{\"message\":\"too many namespaces\"}|");
}

static void a_connection_that_joins_nothing_is_closed_in_time(void **state)
{
    (void)state;
    server.connect_timeout = 0.05;
    engine *idle = wire_open(), *refused = wire_open(), *joined = wire_open();
    join_main(joined);
    wire_say(refused, "0/nobody,");
    assert_true(world_until(is_set, &idle->closed));
    assert_true(world_until(is_set, &refused->closed));
    assert_int_equal(idle->reason, SIO_FORCED_SERVER_CLOSE);
    assert_false(joined->closed);
    wire_free(idle);
    wire_free(refused);
    wire_free(joined);
}

static void who_sends_too_many_packets_a_second_is_closed(void **state)
{
    (void)state;
    server.packet_rate = 5;
    join_main(a);
    for (int i = 0; i < 4; i++)
        wire_say(a, "2[\"note\"]");
    assert_false(a->closed);
    wire_say(a, "2[\"note\"]");
    assert_true(a->closed);
}

/* ---- binary ---- */

static void an_event_with_attachments_comes_when_the_last_is_there(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "52-[\"echo\",{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0}]");
    wire_receive(a, HUB_BINARY, "one", 3);
    assert_string_equal(wire_sent(a), "");
    wire_receive(a, HUB_BINARY, "two", 3);
    assert_string_equal(wire_sent(a), "52-[\"back\",{\"_placeholder\":true,\"num\":0},"
                                      "{\"_placeholder\":true,\"num\":1}]|btwo|bone|");
}

static void binary_that_was_not_announced_is_a_parse_error(void **state)
{
    (void)state;
    join_main(a);
    wire_receive(a, HUB_BINARY, "x", 1);
    assert_int_equal(a->reason, SIO_PARSE_ERROR);
    join_main(b);
    wire_say(b, "51-[\"echo\",{\"_placeholder\":true,\"num\":0}]");
    wire_say(b, "2[\"echo\"]"); /* text where an attachment is due */
    assert_int_equal(b->reason, SIO_PARSE_ERROR);
    assert_true(a->closed && b->closed);
}

static void too_many_attachments_are_a_parse_error(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "511-[\"echo\"]");
    assert_true(a->closed);
}

static void a_packet_that_nests_too_deep_is_a_parse_error(void **state)
{
    (void)state;
    server.max_depth = 3;
    join_main(a);
    wire_say(a, "2[\"note\",[[1]]]");
    assert_false(a->closed);
    wire_say(a, "2[\"note\",[[[1]]]]");
    assert_int_equal(a->reason, SIO_PARSE_ERROR);
    assert_true(a->closed);
}

static void attachments_that_never_come_are_freed_with_their_connection(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "52-[\"echo\",{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0}]");
    wire_receive(a, HUB_BINARY, "one", 3);
    wire_end(a, SIO_TRANSPORT_CLOSE);
    world_turn(3);
    assert_string_equal(heard, "bye transport close;");
}

/* ---- order, waiting ---- */

static void events_wait_for_a_parked_handler_in_order(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "2[\"wait\",1]");
    wire_say(a, "2[\"note\",2]");
    wire_say(a, "2[\"note\",3]");
    assert_string_equal(heard, "begin;");
    assert_int_equal(a->held, 1); /* it goes on with its message where it lies */
    hub_event_set(gate);
    world_turn(3);
    assert_string_equal(heard, "begin;end[1];[2];[3];");
}

static void a_full_inbox_stops_the_reading(void **state)
{
    (void)state;
    server.inbox = 1000;
    join_main(a);
    wire_say(a, "2[\"wait\"]");
    for (int i = 0; i < 20; i++)
        wire_say(a, "2[\"note\"]");
    assert_true(a->paused);
    hub_event_set(gate);
    world_turn(3);
    assert_false(a->paused);
}

static void the_disconnect_handler_comes_last(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "2[\"wait\",1]");
    wire_say(a, "2[\"note\",2]");
    wire_end(a, SIO_PING_TIMEOUT);
    hub_event_set(gate);
    world_turn(3);
    assert_string_equal(heard, "begin;end[1];[2];bye ping timeout;");
}

static void a_client_can_leave_its_namespace(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "1");
    world_turn(3);
    assert_string_equal(heard, "bye client namespace disconnect;");
    assert_false(a->closed);
    join_main(a);
}

static void a_handler_can_disconnect_its_client(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "2[\"leave\",false]");
    assert_string_equal(wire_sent(a), "1|");
    assert_string_equal(heard, "bye server namespace disconnect;");
    assert_false(a->closed);
    join_main(a);
    wire_say(a, "0/shop-1,");
    wire_sent(a);
    wire_say(a, "2[\"leave\",true]");
    assert_string_equal(wire_sent(a), "1/shop-1,|1|");
    assert_true(a->closed);
}

/* ---- being let in ---- */

static void what_a_connect_handler_sends_comes_behind_the_connect_packet(void **state)
{
    (void)state;
    wire_say(a, "0/greeted,{\"x\":1}");
    world_turn(3);
    const char *sent = wire_sent(a);
    assert_memory_equal(sent, "0/greeted,{\"sid\":\"", 18);
    assert_non_null(strstr(sent, "\"}|2/greeted,[\"auth\",{\"x\":1}]|"));
    assert_int_equal(hub_emit(hub_in(hub_to_room("lobby"), "/greeted"), "hi", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "2/greeted,[\"hi\"]|");
}

static void events_wait_until_the_client_was_let_in(void **state)
{
    (void)state;
    wire_say(a, "0/guarded,{\"token\":\"s3cret\"}");
    wire_say(a, "2/guarded,[\"note\",1]");
    world_turn(3);
    assert_string_equal(wire_sent(a), "");
    assert_string_equal(heard, "");
    hub_event_set(gate);
    world_turn(3);
    assert_memory_equal(wire_sent(a), "0/guarded,{", 11);
    assert_string_equal(heard, "[1];");
}

static void a_refusal_carries_the_handlers_words(void **state)
{
    (void)state;
    hub_event_set(gate);
    wire_say(a, "0/guarded,{\"token\":\"no\"}");
    wire_say(a, "2/guarded,[\"note\",1]");
    world_turn(3);
    assert_string_equal(wire_sent(a), "4/guarded,{\"message\":\"unauthorized\",\"data\":{\"code\":401}}|");
    assert_string_equal(heard, ""); /* neither its event nor its end */
    assert_false(a->closed);
}

static void a_client_that_goes_while_it_is_let_in_has_no_disconnect_handler(void **state)
{
    (void)state;
    wire_say(a, "0/guarded,");
    world_turn(2);
    wire_end(a, SIO_TRANSPORT_CLOSE);
    hub_event_set(gate);
    world_turn(3);
    assert_string_equal(heard, "");
}

/* ---- acknowledgements ---- */

static void an_acknowledgement_is_sent_once(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "20[\"ack\",1,2]");
    assert_string_equal(wire_sent(a), "30[1,2]|");
    assert_string_equal(heard, "OK,ESTATE;");
}

static void one_that_was_not_asked_for_is_not_sent(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "2[\"ack\",1]");
    assert_string_equal(wire_sent(a), "");
    assert_string_equal(heard, "OK,OK;");
}

static void a_failing_handler_answers_with_its_error(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "25[\"fail\"]");
    assert_string_equal(wire_sent(a), "35[{\"error\":\"there is no such thing\"}]|");
    wire_say(a, "2[\"fail\"]");
    assert_string_equal(wire_sent(a), "");
}

static void an_acknowledgement_can_be_sent_later(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "212[\"later\"]");
    assert_int_equal(hub_ack_send(kept_ack, "s", "now"), HUB_OK);
    assert_string_equal(wire_sent(a), "312[\"now\"]|");
    wire_end(a, SIO_TRANSPORT_CLOSE);
    world_turn(3);
    assert_int_equal(hub_ack_send(kept_ack, "s", "now"), HUB_ECLOSED);
}

static void a_call_waits_for_the_acknowledgement(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "2[\"ask\"]");
    assert_string_equal(wire_sent(a), "20[\"question\",1]|");
    wire_say(a, "37[0]"); /* nobody asked this */
    wire_say(a, "30[1,\"x\"]");
    world_turn(3);
    assert_string_equal(heard, "OK [1,\"x\"];");
    wire_say(a, "30[2]");
    wire_say(a, "2[\"ask\"]");
    assert_string_equal(wire_sent(a), "21[\"question\",1]|");
    assert_false(a->closed);
}

static void a_call_is_answered_with_binary(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "2[\"ask\"]");
    wire_say(a, "61-0[{\"_placeholder\":true,\"num\":0}]");
    wire_receive(a, HUB_BINARY, "x", 1);
    world_turn(3);
    assert_string_equal(heard, "OK [{\"_placeholder\":true,\"num\":0}];");
}

static bool has_heard(void *arg)
{
    (void)arg;
    return heard[0] != '\0';
}

static void a_call_ends_in_time_or_with_its_client(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "2[\"ask\",0.01]");
    assert_true(world_until(has_heard, NULL));
    assert_string_equal(heard, "ETIMEDOUT -;");
    heard[0] = '\0';
    wire_say(a, "2[\"ask\"]");
    wire_end(a, SIO_TRANSPORT_CLOSE);
    world_turn(3);
    assert_string_equal(heard, "ECLOSED -;bye transport close;");
}

/* Answers the question that a client was sent, whatever its number. */
static void answer_question(engine *e, const char *value)
{
    char text[256], number[64];
    assert_int_equal(sscanf(wire_sent(e), "2%63[0-9][", number), 1);
    snprintf(text, sizeof text, "3%s[%s]", number, value);
    wire_say(e, text);
}

static void a_call_of_many_gathers_their_answers(void **state)
{
    (void)state;
    engine *all[] = {a, b, c};
    for (int i = 0; i < 3; i++) {
        join_main(all[i]);
        join_room(all[i], "r");
    }
    wire_say(a, "2[\"ask room\"]");
    answer_question(b, "\"b\",1");
    answer_question(a, "\"a\"");
    world_turn(3);
    assert_string_equal(heard, "");
    wire_say(c, "31099511627777[666]"); /* who was not asked this */
    answer_question(c, "");
    world_turn(3);
    assert_string_equal(heard, "OK [\"b\",\"a\",null];");
}

static void a_call_of_many_ends_in_time_with_what_came(void **state)
{
    (void)state;
    join_main(a);
    join_main(b);
    join_room(a, "r");
    join_room(b, "r");
    wire_say(a, "2[\"ask room\",0.3]");
    answer_question(b, "1");
    assert_true(world_until(has_heard, NULL));
    assert_string_equal(heard, "ETIMEDOUT [1];");
}

static void a_call_of_many_does_not_wait_for_who_left(void **state)
{
    (void)state;
    join_main(a);
    join_main(b);
    join_room(a, "r");
    join_room(b, "r");
    wire_say(a, "2[\"ask room\"]");
    answer_question(a, "1");
    wire_end(b, SIO_TRANSPORT_CLOSE);
    world_turn(3);
    assert_non_null(strstr(heard, "OK [1];"));
}

/* Another worker that serves and reads the log, or would, if it turned. */
static bus *open_other(unsigned *index)
{
    bus *other = NULL;
    assert_int_equal(region_claim_row(&world.shared, 1, 1, index), HUB_OK);
    assert_int_equal(bus_open(&other, &world.shared, *index, NULL), HUB_OK);
    row *theirs = &world.shared.rows[*index];
    assert_true(row_change(theirs, atomic_load(&theirs->word), ROW_READY));
    row_change(world_row(), atomic_load(&world_row()->word), ROW_READY);
    return other;
}

static void a_worker_that_hangs_is_waited_for_until_the_time_is_over(void **state)
{
    (void)state;
    unsigned index;
    bus *other = open_other(&index);
    join_main(a);
    join_room(a, "r");
    wire_say(a, "2[\"ask room\",0.3]");
    answer_question(a, "1");
    assert_string_equal(heard, "");
    assert_true(world_until(has_heard, NULL));
    assert_string_equal(heard, "ETIMEDOUT [1];");
    bus_close(other);
}

static void a_worker_that_died_is_not_waited_for(void **state)
{
    (void)state;
    unsigned index;
    bus *other = open_other(&index);
    join_main(a);
    join_room(a, "r");
    wire_say(a, "2[\"ask room\"]");
    answer_question(a, "1");
    assert_string_equal(heard, "");
    bus_close(other);
    region_sweep_row(&world.shared, index);
    assert_true(world_until(has_heard, NULL));
    assert_string_equal(heard, "OK [1];");
}

/* What the other worker would write. */
static void a_client_of_another_worker_is_asked_and_told_by_records(void **state)
{
    (void)state;
    unsigned index;
    bus *other = open_other(&index);
    uint32_t incarnation = row_incarnation(atomic_load(&world.shared.rows[index].word));
    hub_id theirs = (hub_id)(incarnation & 0xffff) << 48 | 5;
    assert_int_equal(hub_emit(hub_to_client(theirs), "e", NULL), HUB_OK);
    assert_int_equal(hub_ack_send((hub_ack){theirs, 3}, "i", 1), HUB_OK);
    bus_record record;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(bus_peek(other, &record), BUS_RECORD);
        assert_int_equal(record.message.kind, RECORD_SIO_REQUEST);
        assert_true(record.message.room_count == 1 && record.body_length > 0);
        bus_skip(other);
    }
    bus_close(other);
}

static void a_client_may_be_left_out_for_the_room_that_it_is_in(void **state)
{
    (void)state;
    const char *sid = join_main(a);
    hub_bytes except[] = {hub_text("r")};
    hub_to to = hub_except_rooms(hub_to_client(id_of(sid)), except, 1);
    assert_int_equal(hub_emit(to, "e", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "2[\"e\"]|");
    join_room(a, "r");
    assert_int_equal(hub_emit(to, "e", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "");
}

static void a_call_of_nobody_is_answered_at_once(void **state)
{
    (void)state;
    join_main(a);
    wire_say(a, "2[\"ask room\"]");
    world_turn(3);
    assert_string_equal(heard, "OK [];");
}

/* ---- rooms ---- */

static void a_room_is_reached_in_its_namespace_alone(void **state)
{
    (void)state;
    join_main(a);
    join_main(b);
    join_room(a, "r");
    wire_say(c, "0/shop-1,");
    wire_sent(c);
    assert_int_equal(hub_emit(hub_to_room("r"), "e", "i", 1), HUB_OK);
    assert_string_equal(wire_sent(a), "2[\"e\",1]|");
    assert_string_equal(wire_sent(b), "");
    assert_int_equal(hub_emit(hub_to_everyone(), "e", "i", 2), HUB_OK);
    assert_string_equal(wire_sent(a), "2[\"e\",2]|");
    assert_string_equal(wire_sent(b), "2[\"e\",2]|");
    assert_string_equal(wire_sent(c), "");
    assert_int_equal(hub_emit(hub_in(hub_to_everyone(), "/shop-1"), "e", "i", 3), HUB_OK);
    assert_string_equal(wire_sent(a), "");
    assert_string_equal(wire_sent(c), "2/shop-1,[\"e\",3]|");
}

static void a_room_and_one_who_is_left_out(void **state)
{
    (void)state;
    const char *sid = join_main(a);
    join_main(b);
    assert_int_equal(hub_emit(hub_except(hub_to_everyone(), id_of(sid)), "e", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "");
    assert_string_equal(wire_sent(b), "2[\"e\"]|");
}

static void a_sid_is_a_room_of_one(void **state)
{
    (void)state;
    const char *sid = join_main(a);
    join_main(b);
    assert_int_equal(hub_emit(hub_to_room(sid), "e", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "2[\"e\"]|");
    assert_string_equal(wire_sent(b), "");
    assert_int_equal(hub_emit(hub_in(hub_to_room(sid), "/shop-1"), "e", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), ""); /* it is in another namespace */
    assert_int_equal(hub_emit(hub_to_client(id_of(sid)), "f", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "2[\"f\"]|");
}

static void lists_may_hold_rooms_and_sids_and_reach_each_once(void **state)
{
    (void)state;
    const char *sid_a = join_main(a), *sid_b = join_main(b), *sid_c = join_main(c);
    join_room(a, "r");
    hub_bytes rooms[] = {hub_text("r"), hub_text(sid_a), hub_text(sid_b), hub_text(sid_b)};
    assert_int_equal(hub_emit(hub_to_rooms(rooms, 4), "e", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "2[\"e\"]|");
    assert_string_equal(wire_sent(b), "2[\"e\"]|");
    assert_string_equal(wire_sent(c), "");
    hub_bytes except[] = {hub_text(sid_c), hub_text("r")};
    assert_int_equal(hub_emit(hub_except_rooms(hub_to_everyone(), except, 2), "e", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "");
    assert_string_equal(wire_sent(b), "2[\"e\"]|");
    assert_string_equal(wire_sent(c), "");
}

static void volatile_events_are_dropped_for_who_is_not_writable(void **state)
{
    (void)state;
    const char *sid = join_main(a);
    a->writable = false;
    hub_to to = hub_volatile(hub_to_client(id_of(sid)));
    assert_int_equal(hub_emit(to, "e", NULL), HUB_OK);
    assert_int_equal(hub_emit(hub_volatile(hub_to_everyone()), "e", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "");
    assert_int_equal(hub_emit(hub_to_everyone(), "e", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "2[\"e\"]|");
    a->writable = true;
    assert_int_equal(hub_emit(to, "f", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "2[\"f\"]|");
}

static void local_events_stay_here(void **state)
{
    (void)state;
    join_main(a);
    uint64_t end = bus_end(world.bus);
    assert_int_equal(hub_emit(hub_local_only(hub_to_everyone()), "e", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "2[\"e\"]|");
    assert_true(bus_end(world.bus) == end);
}

static void binary_is_broadcast(void **state)
{
    (void)state;
    join_main(a);
    assert_int_equal(hub_emit(hub_to_everyone(), "e", "{s:B}", "x", hub_text("bytes")), HUB_OK);
    assert_string_equal(wire_sent(a), "51-[\"e\",{\"x\":{\"_placeholder\":true,\"num\":0}}]|bbytes|");
}

static void wrong_events_are_refused(void **state)
{
    (void)state;
    assert_int_equal(hub_emit(hub_to_everyone(), "disconnect", NULL), HUB_EINVAL);
    assert_int_equal(hub_emit(hub_to_everyone(), "", NULL), HUB_EINVAL);
    assert_int_equal(hub_emit(hub_to_everyone(), "e", "{s", "x"), HUB_EINVAL);
    assert_int_equal(hub_emit(hub_in(hub_to_everyone(), "chat"), "e", NULL), HUB_EINVAL);
    hub_bytes many[65];
    for (int i = 0; i < 65; i++)
        many[i] = hub_text("r");
    assert_int_equal(hub_emit(hub_to_rooms(many, 65), "e", NULL), HUB_EINVAL);
    assert_int_equal(hub_emit(hub_except_rooms(hub_to_everyone(), many, 65), "e", NULL), HUB_EINVAL);
}

static void many_join_leave_and_go(void **state)
{
    (void)state;
    const char *sid = join_main(a);
    join_main(b);
    assert_int_equal(hub_join_all(hub_to_everyone(), hub_text("r")), HUB_OK);
    assert_int_equal(hub_leave_all(hub_to_client(id_of(sid)), hub_text("r")), HUB_OK);
    assert_int_equal(hub_emit(hub_to_room("r"), "e", NULL), HUB_OK);
    assert_string_equal(wire_sent(a), "");
    assert_string_equal(wire_sent(b), "2[\"e\"]|");
    assert_int_equal(hub_disconnect_all(hub_to_room("r"), false), HUB_OK);
    assert_string_equal(wire_sent(b), "1|");
    world_turn(3);
    assert_string_equal(heard, "bye server namespace disconnect;");
    assert_int_equal(hub_disconnect_all(hub_to_everyone(), true), HUB_OK);
    assert_true(a->closed);
    assert_false(b->closed);
    assert_int_equal(hub_join_all(hub_to_everyone(), hub_text(sid)), HUB_EINVAL);
}

static void clients_and_rooms_are_listed(void **state)
{
    (void)state;
    join_main(a);
    join_main(b);
    join_room(a, "r");
    join_room(b, "r");
    join_room(b, "q");
    wire_say(a, "2[\"lists\"]");
    world_turn(3);
    assert_string_equal(heard, "OK 2 OK [{\"room\":\"q\",\"size\":1},{\"room\":\"r\",\"size\":2}];");
}

static void a_sender_waits_while_its_client_takes_nothing(void **state)
{
    (void)state;
    join_main(a);
    a->full = true;
    wire_say(a, "2[\"echo\",1]");
    assert_string_equal(wire_sent(a), "");
    a->full = false;
    for (int i = 0; i < 1000 && !a->sent[0]; i++) {
        usleep(1000);
        world_turn(2);
    }
    assert_string_equal(wire_sent(a), "2[\"back\",1]|");
}

static void sessions_that_are_no_clients_are_nobody(void **state)
{
    (void)state;
    assert_int_equal(hub_emit(hub_to_client(UINT64_C(0xffff) << 48 | 5), "e", NULL), HUB_OK); /* another's */
    const char *sid = join_main(a);
    hub_id id = id_of(sid);
    wire_end(a, SIO_TRANSPORT_CLOSE);
    assert_int_equal(hub_emit(hub_to_client(id), "e", NULL), HUB_ECLOSED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_client_is_answered_with_its_sid_and_nothing_else),
        T(an_unknown_namespace_is_refused_in_the_protocols_words),
        T(an_event_reaches_its_handler_without_its_name),
        T(an_escaped_name_is_the_same_name),
        T(who_takes_all_events_is_told_which),
        T(an_event_that_nobody_takes_is_dropped),
        T(an_event_of_a_namespace_that_was_not_joined_closes_the_connection),
        T(a_second_connect_of_a_namespace_closes_the_connection),
        T(what_is_no_packet_closes_with_a_parse_error),
        T(several_namespaces_share_a_connection),
        T(namespaces_of_one_connection_are_bounded),
        T(a_connection_that_joins_nothing_is_closed_in_time),
        T(who_sends_too_many_packets_a_second_is_closed),
        T(an_event_with_attachments_comes_when_the_last_is_there),
        T(binary_that_was_not_announced_is_a_parse_error),
        T(too_many_attachments_are_a_parse_error),
        T(a_packet_that_nests_too_deep_is_a_parse_error),
        T(attachments_that_never_come_are_freed_with_their_connection),
        T(events_wait_for_a_parked_handler_in_order),
        T(a_full_inbox_stops_the_reading),
        T(the_disconnect_handler_comes_last),
        T(a_client_can_leave_its_namespace),
        T(a_handler_can_disconnect_its_client),
        T(what_a_connect_handler_sends_comes_behind_the_connect_packet),
        T(events_wait_until_the_client_was_let_in),
        T(a_refusal_carries_the_handlers_words),
        T(a_client_that_goes_while_it_is_let_in_has_no_disconnect_handler),
        T(an_acknowledgement_is_sent_once),
        T(one_that_was_not_asked_for_is_not_sent),
        T(a_failing_handler_answers_with_its_error),
        T(an_acknowledgement_can_be_sent_later),
        T(a_call_waits_for_the_acknowledgement),
        T(a_call_is_answered_with_binary),
        T(a_call_ends_in_time_or_with_its_client),
        T(a_call_of_many_gathers_their_answers),
        T(a_call_of_many_ends_in_time_with_what_came),
        T(a_call_of_many_does_not_wait_for_who_left),
        T(a_worker_that_hangs_is_waited_for_until_the_time_is_over),
        T(a_worker_that_died_is_not_waited_for),
        T(a_client_of_another_worker_is_asked_and_told_by_records),
        T(a_client_may_be_left_out_for_the_room_that_it_is_in),
        T(a_call_of_nobody_is_answered_at_once),
        T(a_room_is_reached_in_its_namespace_alone),
        T(a_room_and_one_who_is_left_out),
        T(a_sid_is_a_room_of_one),
        T(lists_may_hold_rooms_and_sids_and_reach_each_once),
        T(volatile_events_are_dropped_for_who_is_not_writable),
        T(local_events_stay_here),
        T(binary_is_broadcast),
        T(wrong_events_are_refused),
        T(many_join_leave_and_go),
        T(clients_and_rooms_are_listed),
        T(a_sender_waits_while_its_client_takes_nothing),
        T(sessions_that_are_no_clients_are_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
