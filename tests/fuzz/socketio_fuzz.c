/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection of Socket.IO that is fed with arbitrary messages, beside one that is not: several namespaces,
 * events whose handlers wait, fail, join rooms, ask and disconnect, binary that comes or does not.
 *
 * The input is split at line ends. A line is a text message; after a byte below 8 it is something else: 1 a
 * binary message, 2 some turns of the hub, 3 what waits is let go, 4 the connection ends and another begins,
 * 5 its queue is full or not, 6 a broadcast. At the end nothing may be left behind, and the neighbour must
 * be there.
 */
#include "bus/bus.h"
#include "common/log.h"
#include "worker/hub/greenlet.h"
#include "worker/hub/loop.h"
#include "worker/net/connection.h"
#include "worker/rooms/fanout.h"
#include "worker/rooms/room.h"
#include "worker/sio/sid.h"

#include "../unit/worker/sio/fake_engine.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TURNS_TO_END = 4000, PATIENT_TURNS = 100 };

static void require(bool condition)
{
    wire_require(condition);
}

/* ---- an application ---- */

static hub_event *gate;

static hub_status echo(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)arg;
    hub_status status = hub_reply(c, "back", "V", args);
    return status == HUB_OK ? hub_ack_send(ack, "V", args) : status;
}

static hub_status waits(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)arg;
    hub_status status = hub_event_wait(gate, HUB_FOREVER);
    hub_reply(c, "waited", "v", hub_value_at(args, 0));
    hub_ack_send(ack, "b", true);
    return status;
}

static hub_status joins(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)ack, (void)arg;
    hub_status status = hub_client_join(c, hub_value_text(hub_value_at(args, 0)));
    return hub_value_bool(hub_value_at(args, 1), false) ? hub_client_leave(c, hub_text("r")) : status;
}

static hub_status asks(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)args, (void)ack, (void)arg;
    hub_value answer = {0};
    hub_status status = hub_call(hub_client_id(c), 0.001, &answer, "q", NULL);
    return status == HUB_OK ? hub_reply(c, "answer", "v", answer) : status;
}

static hub_status asks_many(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)arg;
    hub_value answers = {0};
    hub_call_many(hub_in(hub_to_room("r"), hub_client_namespace(c)), 0.001, &answers, "q", "V", args);
    return hub_ack_send(ack, "v", answers);
}

static hub_status lists(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)args, (void)arg;
    hub_value clients = {0}, rooms = {0};
    hub_fetch_clients(hub_in(hub_to_everyone(), hub_client_namespace(c)), 1, &clients);
    hub_fetch_rooms(hub_client_namespace(c), 1, &rooms);
    return hub_ack_send(ack, "v v", clients, rooms);
}

static hub_status goes(hub_client *c, hub_value args, hub_ack ack, void *arg)
{
    (void)ack, (void)arg;
    return hub_client_disconnect(c, hub_value_bool(hub_value_at(args, 0), false));
}

static hub_status guards(hub_client *c, hub_value auth, void *arg)
{
    (void)arg;
    hub_reply(c, "auth", "v", auth);
    hub_client_join(c, hub_text("r"));
    if (hub_event_wait(gate, HUB_FOREVER) != HUB_OK || !hub_value_bool(hub_value_get(auth, "in"), false))
        return hub_refuse(c, "no", "v", auth);
    return HUB_OK;
}

static void says_bye(hub_client *c, const char *reason, void *arg)
{
    (void)arg;
    hub_reply(c, reason, NULL); /* it is gone */
}

/* ---- the worker ---- */

static name_spaces registered;
static bus *log_bus;
static unsigned turns_left;

static bool count_turns(void *arg)
{
    (void)arg;
    if (turns_left && --turns_left == 0)
        loop_stop();
    return true;
}

static void turn(unsigned turns)
{
    turns_left = turns + 1;
    loop_run();
}

static void open_worker(void)
{
    static region shared;
    static const sio_server server = {.name_spaces = &registered,
                                      .max_attachments = 4,
                                      .max_depth = 16,
                                      .max_namespaces = 4,
                                      .inbox = 2000};
    unsigned row;
    log_set_level(HUB_CRITICAL);
    require(region_create(&shared, 1 << 20, NULL) == HUB_OK);
    require(region_claim_row(&shared, 0, 1, &row) == HUB_OK);
    require(loop_open(&(loop_options){.stack_size = 256 * 1024}, NULL) == HUB_OK);
    require(connections_open(&shared.rows[row], NULL) == HUB_OK);
    require(bus_open(&log_bus, &shared, row, NULL) == HUB_OK);
    require(fanout_open(log_bus, 1, NULL) == HUB_OK);
    require(loop_add_step(LOOP_BEFORE_POLL, "turns", count_turns, NULL) == HUB_OK);
    sid_open((hash_key){1, 2});
    static const struct {
        const char *event;
        hub_event_handler run;
    } events[] = {{"e", echo},      {"w", waits}, {"j", joins}, {"a", asks},
                  {"m", asks_many}, {"l", lists}, {"g", goes},  {"*", echo}};
    static const char *const names[] = {"/", "/g", "/p*"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        for (size_t i = 0; i < sizeof events / sizeof *events; i++)
            require(name_spaces_on(&registered, names[n], events[i].event, events[i].run, NULL) == HUB_OK);
        require(name_spaces_on_disconnect(&registered, names[n], says_bye, NULL) == HUB_OK);
    }
    require(name_spaces_on_connect(&registered, "/g", guards, NULL) == HUB_OK);
    sio_open(&server, log_bus);
}

/* ---- the input ---- */

static engine *act(engine *e, unsigned what, const char *text, size_t length)
{
    switch (what) {
    case 1:
        wire_receive(e, HUB_BINARY, text, length);
        break;
    case 2:
        turn(2);
        break;
    case 3:
        hub_event_set(gate);
        turn(3);
        hub_event_clear(gate);
        break;
    case 4:
        wire_free(e);
        return wire_open();
    case 5:
        e->writable = !e->writable;
        break;
    case 6:
        hub_emit(hub_in(hub_to_everyone(), length % 2 ? "/g" : "/"), "all", "B", hub_bytes_of(text, length));
        break;
    default:
        wire_receive(e, HUB_TEXT, text, length);
    }
    /* As the engine does before its turn ends. */
    if (e->closed)
        wire_end(e, e->reason);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool opened;
    if (!opened)
        open_worker();
    opened = true;
    gate = hub_event_new();
    engine *neighbour = wire_open(), *e = wire_open();
    wire_say(neighbour, "0");
    wire_say(neighbour, "2[\"j\",\"r\"]");
    while (size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) : size;
        bool is_command = length && *data < 8;
        e = act(e, is_command ? *data : 0, (const char *)data + is_command, length - is_command);
        size -= end ? length + 1 : length;
        data += end ? length + 1 : length;
    }
    require(!neighbour->closed);
    wire_free(e);
    hub_event_set(gate);
    for (unsigned i = 0; i < TURNS_TO_END && greenlet_count().alive; i++) {
        turn(1);
        if (i > PATIENT_TURNS)
            usleep(500); /* somebody waits for a millisecond */
    }
    require(greenlet_count().alive == 0);
    neighbour->sent[0] = '\0';
    wire_say(neighbour, "2[\"e\"]");
    require(strcmp(neighbour->sent, "2[\"back\"]|") == 0);
    wire_free(neighbour);
    turn(3);
    require(greenlet_count().alive == 0 && sessions_count() == 0 && rooms_count() == 0);
    hub_event_free(gate);
    return 0;
}
