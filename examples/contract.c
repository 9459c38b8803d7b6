/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract application: every protocol that the server speaks, so that any client or test suite can be
 * pointed at it.
 *
 *     WebSocket  /echo           sends every message back as it came
 *                /room/NAME      sends every message to all members of the room: a receive loop
 *                /events/NAME    the same, written with event handlers
 *     HTTP       GET /hello, POST or PUT /echo-body, POST /len, GET /headers, GET /sleep/SECONDS, GET /whoami
 *                GET /crash and GET /block/SECONDS, only with HUBBUB_CONTRACT_UNSAFE=1 in the environment
 *                GET /static/… when HUBBUB_CONTRACT_ROOT names a directory
 *     Socket.IO  /socket.io/     namespaces /, /custom, and /secure for those who know the token; the events
 *                                stand in one table below
 *     Engine.IO  /engine.io/     sends every message back as it came
 */
#include <hubbub.h>

#include <ctype.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_MAX = 16 << 20, QUEUE_SOFT = 2 * MESSAGE_MAX, QUEUE_HARD = 4 * MESSAGE_MAX };

/* ---- WebSocket ---- */

static hub_status echo(hub_ws *ws, void *arg)
{
    (void)arg;
    hub_message message;
    hub_status status;
    while ((status = hub_ws_recv(ws, &message, HUB_FOREVER)) == HUB_OK)
        if ((status = hub_ws_send(ws, message.type, message.body)) != HUB_OK)
            break;
    return status;
}

/* Both kinds of members meet in the same rooms: a room is its name, whatever handler serves a member. */
static hub_status room_loop(hub_ws *ws, void *arg)
{
    (void)arg;
    hub_bytes room = hub_ws_param(ws, "name"); /* lent until this parks: so it is copied */
    char name[256];
    if (room.length >= sizeof(name))
        return HUB_ETOOBIG;
    memcpy(name, room.data, room.length);
    room = hub_bytes_of(name, room.length);

    hub_message message;
    hub_status status = hub_join_bytes(ws, room);
    while (status == HUB_OK && (status = hub_ws_recv(ws, &message, HUB_FOREVER)) == HUB_OK)
        status = hub_send(hub_to_room_bytes(room), message.type, message.body);
    return status;
}

static hub_status room_open(hub_ws *ws, void *arg)
{
    (void)arg;
    return hub_join_bytes(ws, hub_ws_param(ws, "name"));
}

static hub_status room_message(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)arg;
    return hub_send(hub_to_room_bytes(hub_ws_param(ws, "name")), message->type, message->body);
}

/* ---- HTTP ---- */

static hub_status hello(hub_http *http, void *arg)
{
    (void)arg;
    return hub_http_reply(http, 200, "text/plain", hub_text("hello\n"));
}

static hub_status echo_body(hub_http *http, void *arg)
{
    (void)arg;
    return hub_http_reply(http, 200, "application/octet-stream", hub_http_body(http));
}

static hub_status body_length(hub_http *http, void *arg)
{
    (void)arg;
    return hub_http_replyf(http, 200, "text/plain", "%zu\n", hub_http_body(http).length);
}

/* Header values are bytes; JSON is text: each byte above ASCII becomes the code point of its number. */
static void json_text(FILE *out, hub_bytes bytes, bool lower)
{
    const unsigned char *data = bytes.data;
    for (size_t i = 0; i < bytes.length; i++) {
        int c = lower ? tolower(data[i]) : data[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c > 0x7e)
            fprintf(out, "\\u%04x", (unsigned)c);
        else
            fputc(c, out);
    }
}

static bool same_name(hub_bytes a, hub_bytes b)
{
    const unsigned char *x = a.data, *y = b.data;
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        if (tolower(x[i]) != tolower(y[i]))
            return false;
    return true;
}

/* True for the first line of its name; later lines of the name are written with it. */
static bool first_of_its_name(const hub_http *http, size_t index, hub_bytes name)
{
    hub_bytes other, value;
    for (size_t i = 0; i < index && hub_http_header_at(http, i, &other, &value); i++)
        if (same_name(other, name))
            return false;
    return true;
}

static hub_status headers(hub_http *http, void *arg)
{
    (void)arg;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return HUB_ENOMEM;

    hub_bytes name, value, other;
    bool comma = false;
    fputc('{', out);
    for (size_t i = 0; hub_http_header_at(http, i, &name, &value); i++) {
        if (!first_of_its_name(http, i, name))
            continue;
        fputs(comma ? ", \"" : "\"", out);
        comma = true;
        json_text(out, name, true);
        fputs("\": \"", out);
        json_text(out, value, false);
        for (size_t j = i + 1; hub_http_header_at(http, j, &other, &value); j++)
            if (same_name(other, name)) {
                fputs(", ", out);
                json_text(out, value, false);
            }
        fputc('"', out);
    }
    fputs("}\n", out);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        return HUB_ENOMEM;
    }
    hub_status status = hub_http_reply(http, 200, "application/json", hub_bytes_of(text, length));
    free(text);
    return status;
}

/* The parameter `seconds` as a number; false for anything that is none, or is negative or above an hour. */
static bool seconds_of(const hub_http *http, double *seconds)
{
    char text[32], *end;
    hub_bytes parameter = hub_http_param(http, "seconds");
    if (parameter.length == 0 || parameter.length >= sizeof(text))
        return false;
    memcpy(text, parameter.data, parameter.length);
    text[parameter.length] = '\0';
    *seconds = strtod(text, &end);
    return end == text + parameter.length && isfinite(*seconds) && *seconds >= 0 && *seconds <= 3600;
}

static hub_status sleep_for(hub_http *http, void *arg)
{
    (void)arg;
    double seconds;
    if (!seconds_of(http, &seconds))
        return hub_http_reply(http, 400, "text/plain", hub_text("seconds: a number from 0 to 3600\n"));
    hub_status status = hub_sleep(seconds);
    return status != HUB_OK ? status : hub_http_reply(http, 200, "text/plain", hub_text("slept\n"));
}

static hub_status whoami(hub_http *http, void *arg)
{
    (void)arg;
    hub_worker_info worker = hub_worker();
    return hub_http_replyf(http, 200, "application/json",
                           "{\"pid\": %ld, \"slot\": %u, \"generation\": %u}\n", (long)getpid(), worker.slot,
                           worker.generation);
}

static hub_status crash(hub_http *http, void *arg)
{
    (void)http, (void)arg;
    signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would turn it into an exit */
    raise(SIGSEGV);
    return HUB_EFAIL;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static hub_status block(hub_http *http, void *arg)
{
    (void)arg;
    double seconds;
    if (!seconds_of(http, &seconds))
        return hub_http_reply(http, 400, "text/plain", hub_text("seconds: a number from 0 to 3600\n"));
    for (double end = now() + seconds; now() < end;)
        continue;
    return hub_http_reply(http, 200, "text/plain", hub_text("blocked\n"));
}

/* ---- Socket.IO ---- */

enum { ROOMS_MAX = 64, NAME_MAX_BYTES = 255, ITEM_MAX = 1 << 20 };

/* What a broadcast event of the table does with its request; its handler gets a pointer to it. */
typedef struct flavour {
    bool to_room;    /* to those in `room`, else to all of the namespace */
    bool except;     /* less the members of `except` */
    bool but_sender; /* less the one who asks */
    bool is_volatile;
} flavour;

/* Names of rooms as requests give them: one, or a list. */
typedef struct room_list {
    hub_bytes names[ROOMS_MAX];
    size_t count;
} room_list;

/* A request such as {"room": "a", "event": "news", "data": 1}. */
typedef struct request {
    room_list rooms, except;
    char event[NAME_MAX_BYTES + 1];
    hub_value data;
} request;

static bool copy_text(hub_value value, char out[NAME_MAX_BYTES + 1])
{
    hub_bytes text = hub_value_text(value);
    if (text.data == NULL || text.length > NAME_MAX_BYTES)
        return false;
    memcpy(out, text.data, text.length);
    out[text.length] = '\0';
    return true;
}

static bool add_room(room_list *rooms, hub_value name)
{
    if (rooms->count == ROOMS_MAX || hub_value_kind(name) != HUB_STRING)
        return false;
    rooms->names[rooms->count++] = hub_value_text(name);
    return true;
}

static bool read_rooms(hub_value value, room_list *rooms)
{
    hub_value name;
    size_t at = 0;
    rooms->count = 0;
    if (hub_value_kind(value) != HUB_ARRAY)
        return add_room(rooms, value);
    while (hub_value_next(value, &at, NULL, &name))
        if (!add_room(rooms, name))
            return false;
    return rooms->count > 0; /* no rooms would mean everybody */
}

static bool read_request(hub_value args, flavour what, request *out)
{
    hub_value given = hub_value_at(args, 0);
    out->data = hub_value_get(given, "data");
    return copy_text(hub_value_get(given, "event"), out->event) &&
           (!what.to_room || read_rooms(hub_value_get(given, "room"), &out->rooms)) &&
           (!what.except || read_rooms(hub_value_get(given, "except"), &out->except));
}

static hub_to here(hub_to to, const hub_client *client)
{
    return hub_in(to, hub_client_namespace(client));
}

static hub_status acknowledge(hub_ack ack, hub_status status)
{
    return status == HUB_OK ? hub_ack_send(ack, "{s:b}", "ok", true) : status;
}

static hub_status enter(hub_client *client, hub_value auth, void *token)
{
    hub_bytes given = hub_value_text(hub_value_get(auth, "token"));
    if (token != NULL && !hub_equal(given, hub_text(token)))
        return hub_refuse(client, "unauthorized", "{s:i}", "code", 401);
    if (hub_value_kind(auth) == HUB_MISSING)
        return hub_reply(client, "auth", "{}");
    return hub_reply(client, "auth", "v", auth);
}

static hub_status message(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)ack, (void)arg;
    return hub_reply(client, "message-back", "V", args);
}

static hub_status message_with_ack(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)client, (void)arg;
    return hub_ack_send(ack, "V", args);
}

static int by_text(const void *left, const void *right)
{
    const hub_bytes *a = left, *b = right;
    int order = memcmp(a->data, b->data, a->length < b->length ? a->length : b->length);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static void write_text(FILE *out, hub_bytes text)
{
    const unsigned char *data = text.data;
    fputc('"', out);
    for (size_t i = 0; i < text.length; i++)
        if (data[i] < 0x20 || data[i] == '"' || data[i] == '\\')
            fprintf(out, "\\u%04x", data[i]);
        else
            fputc(data[i], out);
    fputc('"', out);
}

/* The client's rooms as a sorted JSON array, which the caller frees; NULL without memory. */
static char *rooms_of(const hub_client *client)
{
    size_t count = 0, length;
    while (hub_client_room(client, count).data != NULL)
        count++;
    hub_bytes *rooms = calloc(count + 1, sizeof(*rooms));
    char *json = NULL;
    FILE *out = rooms ? open_memstream(&json, &length) : NULL;
    if (out != NULL) {
        for (size_t i = 0; i < count; i++)
            rooms[i] = hub_client_room(client, i);
        qsort(rooms, count, sizeof(*rooms), by_text);
        for (size_t i = 0; i < count; i++) {
            fputc(i == 0 ? '[' : ',', out);
            write_text(out, rooms[i]);
        }
        fputs(count == 0 ? "[]" : "]", out);
        bool failed = ferror(out) != 0;
        if (fclose(out) != 0 || failed) {
            free(json);
            json = NULL;
        }
    }
    free(rooms);
    return json;
}

static hub_status who_am_i(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)args, (void)arg;
    char *rooms = rooms_of(client);
    if (rooms == NULL)
        return HUB_ENOMEM;
    hub_status status = hub_ack_send(
        ack, "{s:t, s:I, s:s, s:s, s:v, s:b}", "id", hub_client_sid(client), "pid", (int64_t)getpid(), "nsp",
        hub_client_namespace(client), "transport", hub_client_transport(client), "rooms",
        hub_value_of(hub_text(rooms)), "recovered", hub_client_recovered(client));
    free(rooms);
    return status;
}

static hub_status acknowledge_rooms(hub_client *client, hub_ack ack)
{
    char *rooms = rooms_of(client);
    if (rooms == NULL)
        return HUB_ENOMEM;
    hub_status status = hub_ack_send(ack, "{s:b, s:v}", "ok", true, "rooms", hub_value_of(hub_text(rooms)));
    free(rooms);
    return status;
}

static hub_status join(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)arg;
    hub_status status = hub_client_join(client, hub_value_text(hub_value_at(args, 0)));
    return status == HUB_OK ? acknowledge_rooms(client, ack) : status;
}

static hub_status leave(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)arg;
    hub_status status = hub_client_leave(client, hub_value_text(hub_value_at(args, 0)));
    return status == HUB_OK ? acknowledge_rooms(client, ack) : status;
}

static hub_status publish(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    const flavour what = *(const flavour *)arg;
    request asked;
    if (!read_request(args, what, &asked))
        return HUB_EINVAL;
    hub_to to = what.to_room ? hub_to_rooms(asked.rooms.names, asked.rooms.count) : hub_to_everyone();
    if (what.except)
        to = hub_except_rooms(to, asked.except.names, asked.except.count);
    if (what.but_sender)
        to = hub_except(to, hub_client_id(client));
    if (what.is_volatile)
        to = hub_volatile(to);
    return acknowledge(ack, hub_emit(here(to, client), asked.event, "v", asked.data));
}

static hub_status volatile_numbers(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)arg;
    char event[NAME_MAX_BYTES + 1];
    hub_value given = hub_value_at(args, 0);
    int64_t count = hub_value_int(hub_value_get(given, "count"), 0);
    hub_to me = here(hub_volatile(hub_to_client(hub_client_id(client))), client);
    hub_status status = copy_text(hub_value_get(given, "event"), event) ? HUB_OK : HUB_EINVAL;
    for (int64_t i = 0; i < count && status == HUB_OK; i++)
        status = hub_emit(me, event, "I", i);
    if (status == HUB_OK)
        status = hub_reply(client, "volatile-done", "I", count);
    return acknowledge(ack, status);
}

static hub_status push_many(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)arg;
    hub_value given = hub_value_at(args, 0);
    int64_t count = hub_value_int(hub_value_get(given, "count"), 0);
    int64_t size = hub_value_int(hub_value_get(given, "size"), 0);
    if (size < 0 || size > ITEM_MAX)
        return HUB_EINVAL;
    char *text = malloc((size_t)size + 1);
    if (text == NULL)
        return HUB_ENOMEM;
    memset(text, 'x', (size_t)size);
    hub_status status = HUB_OK;
    for (int64_t i = 0; i < count && status == HUB_OK; i++)
        status = hub_reply(client, "item", "I, t", i, hub_bytes_of(text, (size_t)size));
    free(text);
    if (status == HUB_OK)
        status = hub_reply(client, "items-done", "I", count);
    return acknowledge(ack, status);
}

static hub_status ask(hub_client *client, const char *event, hub_value args, double timeout)
{
    hub_value answer;
    hub_status status = hub_call(hub_client_id(client), timeout, &answer, event, "V", args);
    if (status == HUB_ETIMEDOUT)
        return hub_reply(client, "ask-result", "{s:s}", "error", "timeout");
    return status == HUB_OK ? hub_reply(client, "ask-result", "V", answer) : status;
}

static hub_status ask_me(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)ack, (void)arg;
    char event[NAME_MAX_BYTES + 1];
    if (!copy_text(hub_value_at(args, 0), event))
        return HUB_EINVAL;
    return ask(client, event, hub_value_rest(args, 1), HUB_FOREVER);
}

static hub_status ask_timeout(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)ack, (void)arg;
    char event[NAME_MAX_BYTES + 1];
    if (!copy_text(hub_value_at(args, 0), event))
        return HUB_EINVAL;
    double timeout = hub_value_double(hub_value_at(args, 1), 0) / 1000;
    return ask(client, event, hub_value_of(hub_text("[]")), timeout);
}

static hub_status ask_room(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    request asked;
    hub_value answers;
    if (!read_request(args, *(const flavour *)arg, &asked))
        return HUB_EINVAL;
    double timeout = hub_value_double(hub_value_get(hub_value_at(args, 0), "timeout"), 0) / 1000;
    hub_to to = here(hub_to_rooms(asked.rooms.names, asked.rooms.count), client);
    hub_status status = hub_call_many(to, timeout, &answers, asked.event, "v", asked.data);
    if (status != HUB_OK && status != HUB_ETIMEDOUT)
        return status;
    return hub_ack_send(ack, "{s:v, s:b}", "responses", answers, "timeout", status == HUB_ETIMEDOUT);
}

static hub_status kick(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)args, (void)ack, (void)arg;
    return hub_client_disconnect(client, false);
}

static hub_status kick_close(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)args, (void)ack, (void)arg;
    return hub_client_disconnect(client, true);
}

static hub_status drop(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)args, (void)ack, (void)arg;
    return hub_client_drop(client);
}

static hub_status sever(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)arg;
    room_list rooms;
    if (!read_rooms(hub_value_get(hub_value_at(args, 0), "room"), &rooms))
        return HUB_EINVAL;
    return acknowledge(ack, hub_disconnect_all(here(hub_to_rooms(rooms.names, rooms.count), client), false));
}

/* ---- Engine.IO ---- */

static hub_status engine_echo(hub_engine *engine, const hub_message *got, void *arg)
{
    (void)arg;
    return hub_engine_send(engine, got->type, got->body);
}

/* ---- setup ---- */

typedef struct http_route {
    const char *method, *pattern;
    hub_http_handler handler;
} http_route;

static const http_route http_routes[] = {
    {"GET", "/hello", hello},
    {"POST", "/echo-body", echo_body},
    {"PUT", "/echo-body", echo_body},
    {"POST", "/len", body_length},
    {"GET", "/headers", headers},
    {"GET", "/whoami", whoami},
    {"GET", "/sleep/:seconds", sleep_for},
};

static const http_route unsafe_routes[] = {{"GET", "/crash", crash}, {"GET", "/block/:seconds", block}};

static const hub_ws_route ws_routes[] = {
    {.path = "/echo",
     .handler = echo,
     .max_message = MESSAGE_MAX,
     .queue_soft = QUEUE_SOFT,
     .queue_hard = QUEUE_HARD},
    {.path = "/room/:name",
     .handler = room_loop,
     .max_message = MESSAGE_MAX,
     .queue_soft = QUEUE_SOFT,
     .queue_hard = QUEUE_HARD},
    {.path = "/events/:name",
     .on_open = room_open,
     .on_message = room_message,
     .max_message = MESSAGE_MAX,
     .queue_soft = QUEUE_SOFT,
     .queue_hard = QUEUE_HARD},
};

typedef struct event {
    const char *name;
    hub_event_handler handler;
    flavour what; /* for the handlers that read a request */
} event;

static event events[] = {
    {"message", message, {0}},
    {"message-with-ack", message_with_ack, {0}},
    {"whoami", who_am_i, {0}},
    {"join", join, {0}},
    {"leave", leave, {0}},
    {"room", publish, {.to_room = true}},
    {"room-except", publish, {.to_room = true, .except = true}},
    {"broadcast", publish, {.but_sender = true}},
    {"broadcast-room", publish, {.to_room = true, .but_sender = true}},
    {"everyone", publish, {0}},
    {"room-volatile", publish, {.to_room = true, .is_volatile = true}},
    {"volatile", volatile_numbers, {0}},
    {"push-many", push_many, {0}},
    {"ask-me", ask_me, {0}},
    {"ask-timeout", ask_timeout, {0}},
    {"ask-room", ask_room, {.to_room = true}},
    {"kick", kick, {0}},
    {"kick-close", kick_close, {0}},
    {"drop", drop, {0}},
    {"sever", sever, {0}},
};

static const hub_socketio_endpoint socketio = {
    .path = "/socket.io/", .origins = "*", .max_payload = 1000000, .policy = HUB_POLICY_BLOCK};

static const hub_engine_route engineio = {
    .endpoint = {.path = "/engine.io/", .origins = "*", .max_payload = 1000000, .policy = HUB_POLICY_BLOCK},
    .on_message = engine_echo};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static hub_status serve_namespace(hub_app *app, const char *name, void *token)
{
    hub_status status = hub_on_connect(app, name, enter, token);
    for (size_t i = 0; i < COUNT(events) && status == HUB_OK; i++)
        status = hub_on(app, name, events[i].name, events[i].handler, &events[i].what);
    return status;
}

static hub_status setup_socketio(hub_app *app)
{
    hub_status status = hub_on_socketio(app, &socketio);
    if (status == HUB_OK)
        status = serve_namespace(app, "/", NULL);
    if (status == HUB_OK)
        status = serve_namespace(app, "/custom", NULL);
    if (status == HUB_OK)
        status = serve_namespace(app, "/secure", "s3cret");
    return status == HUB_OK ? hub_on_engine(app, &engineio) : status;
}

static hub_status setup(hub_app *app)
{
    const char *unsafe = getenv("HUBBUB_CONTRACT_UNSAFE");
    const char *root = getenv("HUBBUB_CONTRACT_ROOT");
    hub_status status = HUB_OK;

    for (size_t i = 0; i < COUNT(ws_routes) && status == HUB_OK; i++)
        status = hub_on_ws_route(app, &ws_routes[i]);
    for (size_t i = 0; i < COUNT(http_routes) && status == HUB_OK; i++)
        status =
            hub_on_http(app, http_routes[i].method, http_routes[i].pattern, http_routes[i].handler, NULL);
    if (unsafe != NULL && strcmp(unsafe, "1") == 0)
        for (size_t i = 0; i < COUNT(unsafe_routes) && status == HUB_OK; i++)
            status = hub_on_http(app, unsafe_routes[i].method, unsafe_routes[i].pattern,
                                 unsafe_routes[i].handler, NULL);
    if (status == HUB_OK && root != NULL && root[0] != '\0')
        status = hub_static(app, "/static", root);
    return status == HUB_OK ? setup_socketio(app) : status;
}

HUB_MODULE(.name = "contract", .setup = setup);
