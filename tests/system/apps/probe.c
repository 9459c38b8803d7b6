/* SPDX-License-Identifier: Apache-2.0 */
/* Routes through which the system tests see what the examples do not show: policies, order, sessions, hooks.
 */
#include <hubbub.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef struct session {
    uint32_t messages;
} session;

/* ---- WebSocket ---- */

static hub_status tell_subprotocol(hub_ws *ws, void *arg)
{
    (void)arg;
    return hub_ws_send(ws, HUB_TEXT, hub_ws_subprotocol(ws));
}

static hub_status echo(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)arg;
    return hub_ws_send(ws, message->type, message->body);
}

/* Sends back how many messages this client has sent. */
static hub_status count(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)message, (void)arg;
    session *own = hub_ws_session(ws);
    char text[32];
    snprintf(text, sizeof(text), "%u", ++own->messages);
    return hub_ws_send(ws, HUB_TEXT, hub_text(text));
}

static unsigned number(hub_bytes digits)
{
    char text[16] = "";
    size_t length = digits.length < sizeof(text) - 1 ? digits.length : sizeof(text) - 1;
    memcpy(text, digits.data, length);
    return (unsigned)strtoul(text, NULL, 10);
}

/* "N": sends N numbered messages of 16 KB, and says in the log how many were taken. */
static hub_status flood(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)arg;
    static char body[16384];
    unsigned wanted = number(message->body), taken = 0;
    hub_status status = HUB_OK;
    for (unsigned i = 0; i < wanted; i++) {
        memset(body, 'x', sizeof(body));
        snprintf(body, 16, "%u ", i);
        status = hub_ws_send(ws, HUB_TEXT, hub_bytes_of(body, sizeof(body)));
        if (status == HUB_OK)
            taken++;
        else if (status != HUB_EFULL)
            break;
        if (i % 16 == 15)
            hub_yield();
    }
    hub_log(HUB_INFO, "flood of %u: %u taken, then %s", wanted, taken, hub_status_name(status));
    return HUB_OK;
}

/* A message m becomes "b m" for the room and "d m" for its sender, in this order. */
static hub_status ordered(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)arg;
    char line[256];
    int length =
        snprintf(line, sizeof(line), "b %.*s", (int)message->body.length, (const char *)message->body.data);
    hub_status status =
        hub_send(hub_to_room_bytes(hub_ws_param(ws, "room")), HUB_TEXT, hub_bytes_of(line, (size_t)length));
    line[0] = 'd';
    return status != HUB_OK ? status : hub_ws_send(ws, HUB_TEXT, hub_bytes_of(line, (size_t)length));
}

static hub_status join(hub_ws *ws, void *arg)
{
    (void)arg;
    return hub_join_bytes(ws, hub_ws_param(ws, "room"));
}

/* "leave" leaves the room and says so; anything else goes to the room without its sender. */
static hub_status others(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)arg;
    hub_bytes room = hub_ws_param(ws, "room");
    if (!hub_equal(message->body, hub_text("leave")))
        return hub_send(hub_except(hub_to_room_bytes(room), hub_ws_id(ws)), message->type, message->body);
    hub_status status = hub_leave_bytes(ws, room);
    return status != HUB_OK ? status : hub_ws_send(ws, HUB_TEXT, hub_text("left"));
}

/* "ID TEXT" (decimal) goes to that client, wherever it is; "?" asks for one's own id. */
static hub_status letters(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)arg;
    char text[256], *rest;
    snprintf(text, sizeof(text), "%.*s", (int)message->body.length, (const char *)message->body.data);
    if (strcmp(text, "?") == 0) {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)hub_ws_id(ws));
        return hub_ws_send(ws, HUB_TEXT, hub_text(text));
    }
    hub_id to = strtoull(text, &rest, 10);
    return hub_send(hub_to_client(to), HUB_TEXT, hub_text(rest + (*rest == ' ')));
}

static hub_status to_everyone(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)ws, (void)arg;
    return hub_send(hub_to_everyone(), message->type, message->body);
}

/* Tells the room how a member ended. */
static void farewell(hub_ws *ws, uint16_t code, hub_bytes reason, void *arg)
{
    (void)arg;
    char line[256];
    int length = snprintf(line, sizeof(line), "%u %.*s", code, (int)reason.length,
                          reason.length ? (const char *)reason.data : "");
    hub_send(hub_to_room_bytes(hub_ws_param(ws, "room")), HUB_TEXT, hub_bytes_of(line, (size_t)length));
}

/* "CODE" closes with it and the reason "as asked". */
static hub_status close_as_asked(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)arg;
    hub_status status = hub_ws_close(ws, (uint16_t)number(message->body), "as asked");
    return status == HUB_EINVAL ? hub_ws_send(ws, HUB_TEXT, hub_text("EINVAL")) : status;
}

static hub_status loop_once(hub_ws *ws, void *arg)
{
    hub_message message;
    hub_status status = hub_ws_recv(ws, &message, HUB_FOREVER);
    return status == HUB_OK && arg ? HUB_EFAIL : status;
}

static hub_status impatient(hub_ws *ws, void *arg)
{
    (void)arg;
    hub_message message;
    hub_status status = hub_ws_recv(ws, &message, 0.05);
    return hub_ws_send(ws, HUB_TEXT, hub_text(hub_status_name(status)));
}

/* Takes its time over each message, then sends it back. */
static hub_status slow(hub_ws *ws, const hub_message *message, void *arg)
{
    char copy[64];
    (void)arg;
    size_t length = message->body.length < sizeof(copy) ? message->body.length : sizeof(copy);
    memcpy(copy, message->body.data, length);
    hub_sleep(length > 0 && copy[0] == '0' ? 0.1 : 0.001);
    return hub_ws_send(ws, HUB_TEXT, hub_bytes_of(copy, length));
}

/* ---- HTTP ---- */

static hub_status whoami(hub_http *http, void *arg)
{
    (void)arg;
    hub_worker_info worker = hub_worker();
    return hub_http_replyf(http, 200, "application/json", "{\"pid\": %ld, \"slot\": %u, \"generation\": %u}",
                           (long)getpid(), worker.slot, worker.generation);
}

static hub_status parts(hub_http *http, void *arg)
{
    hub_bytes parameter = hub_http_param(http, arg), query = hub_http_query(http, "q");
    return hub_http_replyf(http, 200, "text/plain", "%s=%.*s q=%.*s", (const char *)arg,
                           (int)parameter.length, parameter.length ? (const char *)parameter.data : "",
                           (int)query.length, query.length ? (const char *)query.data : "");
}

static hub_status literal(hub_http *http, void *arg)
{
    return hub_http_reply(http, 200, "text/plain", hub_text(arg));
}

static hub_status no_reply(hub_http *http, void *arg)
{
    (void)http, (void)arg;
    return HUB_OK;
}

static hub_status set_header(hub_http *http, void *arg)
{
    (void)arg;
    hub_status split = hub_http_set(http, "X-Bad", hub_text("a\r\nX-Injected: b"));
    hub_status server = hub_http_set(http, "Content-Length", hub_text("7"));
    hub_http_set(http, "X-Good", hub_text("yes"));
    return hub_http_replyf(http, 201, NULL, "%s %s", hub_status_name(split), hub_status_name(server));
}

static hub_status reply_twice(hub_http *http, void *arg)
{
    (void)arg;
    hub_status first = hub_http_reply(http, 200, NULL, hub_text("first"));
    hub_status second = hub_http_reply(http, 200, NULL, hub_text("second"));
    hub_log(HUB_INFO, "replies: %s %s", hub_status_name(first), hub_status_name(second));
    return first;
}

static hub_status peer(hub_http *http, void *arg)
{
    (void)arg;
    return hub_http_reply(http, 200, "text/plain", hub_http_peer(http));
}

static hub_status scheme(hub_http *http, void *arg)
{
    (void)arg;
    return hub_http_reply(http, 200, "text/plain", hub_http_scheme(http));
}

typedef struct sum {
    hub_queue *numbers;
    unsigned total;
} sum;

static void add_up(void *arg)
{
    sum *own = arg;
    void *item;
    while (hub_queue_get(own->numbers, &item, HUB_FOREVER) == HUB_OK)
        own->total += (unsigned)(uintptr_t)item;
}

/* A greenlet that adds what another puts into a queue of two places. */
static hub_status greenlets(hub_http *http, void *arg)
{
    (void)arg;
    sum own = {hub_queue_new(2), 0};
    hub_greenlet adder;
    hub_status status = own.numbers ? hub_spawn(&adder, "adder", add_up, &own) : HUB_ENOMEM;
    if (status == HUB_OK) {
        for (uintptr_t i = 1; i <= 100; i++)
            hub_queue_put(own.numbers, (void *)i, HUB_FOREVER);
        hub_queue_close(own.numbers);
        status = hub_join_greenlet(adder, 5);
    }
    hub_queue_free(own.numbers);
    return status != HUB_OK ? status : hub_http_replyf(http, 200, "text/plain", "%u", own.total);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/*
 * Publishes :count messages of 2000 bytes, as fast as it can, to a room where nobody is. Answers how long the
 * longest took, how many took above 50 ms, and how long the longest of those after the longest took.
 */
static hub_status burst(hub_http *http, void *arg)
{
    (void)arg;
    static char body[2000];
    unsigned wanted = number(hub_http_param(http, "count")), sent = 0, waits = 0;
    double longest = 0, after = 0;
    hub_status status = HUB_OK;
    for (; sent < wanted && status == HUB_OK; sent++) {
        double begun = seconds();
        status = hub_send(hub_to_room("nobody is here"), HUB_BINARY, hub_bytes_of(body, sizeof(body)));
        double took = seconds() - begun;
        waits += took > 0.05;
        after = took > longest ? 0 : took > after ? took : after;
        longest = took > longest ? took : longest;
    }
    return hub_http_replyf(http, 200, "application/json",
                           "{\"status\": \"%s\", \"sent\": %u, \"longest\": %.6f, \"waits\": %u, "
                           "\"after\": %.6f}",
                           hub_status_name(status), sent, longest, waits, after);
}

/* Leaves a process behind whose parent ends before it. */
static hub_status orphan(hub_http *http, void *arg)
{
    (void)arg;
    return hub_http_replyf(http, 200, NULL, "%d", system("sleep 0.05 >/dev/null 2>&1 &"));
}

/* ---- setup ---- */

static hub_status hook(void *arg)
{
    hub_status status = hub_sleep(0.001);
    hub_log(HUB_INFO, "the %s hook ran", (const char *)arg);
    return status;
}

#define TRY(call)                                                                                            \
    do {                                                                                                     \
        hub_status status = (call);                                                                          \
        if (status != HUB_OK)                                                                                \
            return status;                                                                                   \
    } while (0)

static hub_status setup(hub_app *app)
{
    static const hub_ws_route routes[] = {
        {.path = "/subprotocols", .on_open = tell_subprotocol, .subprotocols = "chat.v2, chat.v1"},
        {.path = "/origins",
         .on_message = echo,
         .origins = "https://good.example, https://also.example:8443"},
        {.path = "/any-origin", .on_message = echo, .origins = "*"},
        {.path = "/default-origins", .on_message = echo},
        {.path = "/small", .on_message = echo, .max_message = 100},
        {.path = "/count", .on_message = count},
        {.path = "/flood-close",
         .on_message = flood,
         .policy = HUB_POLICY_CLOSE,
         .queue_soft = 65536,
         .queue_hard = 262144,
         .queue_time = 0.2},
        {.path = "/flood-skip",
         .on_message = flood,
         .policy = HUB_POLICY_SKIP,
         .queue_soft = 65536,
         .queue_hard = 262144,
         .queue_time = 0.2},
        {.path = "/flood-block",
         .on_message = flood,
         .policy = HUB_POLICY_BLOCK,
         .queue_soft = 65536,
         .queue_hard = 262144,
         .queue_time = 30},
        {.path = "/slow-reader/:room",
         .on_open = join,
         .on_message = others,
         .policy = HUB_POLICY_CLOSE,
         .queue_soft = 65536,
         .queue_hard = 262144,
         .queue_time = 0.2},
        {.path = "/ordered/:room", .on_open = join, .on_message = ordered},
        {.path = "/others/:room", .on_open = join, .on_message = others},
        {.path = "/letters", .on_message = letters},
        {.path = "/everyone", .on_message = to_everyone},
        {.path = "/farewell/:room", .on_open = join, .on_close = farewell},
        {.path = "/close", .on_message = close_as_asked},
        {.path = "/loop-ok", .handler = loop_once},
        {.path = "/loop-fails", .handler = loop_once, .arg = "fail"},
        {.path = "/impatient", .handler = impatient},
        {.path = "/slow", .on_message = slow},
    };
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        TRY(hub_on_ws_route(app, &routes[i]));

    TRY(hub_on_http(app, "GET", "/whoami", whoami, NULL));
    TRY(hub_on_http(app, "GET", "/users/:id", parts, "id"));
    TRY(hub_on_http(app, "GET", "/users/me", literal, "literal"));
    TRY(hub_on_http(app, "GET", "/files/*", parts, "*"));
    TRY(hub_on_http(app, "*", "/any-method", literal, "any"));
    TRY(hub_on_http(app, "GET", "/no-reply", no_reply, NULL));
    TRY(hub_on_http(app, "GET", "/set-header", set_header, NULL));
    TRY(hub_on_http(app, "GET", "/reply-twice", reply_twice, NULL));
    TRY(hub_on_http(app, "GET", "/peer", peer, NULL));
    TRY(hub_on_http(app, "GET", "/scheme", scheme, NULL));
    TRY(hub_on_http(app, "GET", "/greenlets", greenlets, NULL));
    TRY(hub_on_http(app, "GET", "/orphan", orphan, NULL));
    TRY(hub_on_http(app, "GET", "/burst/:count", burst, NULL));
    TRY(hub_on_start(app, hook, "start"));
    return hub_on_stop(app, hook, "stop");
}

HUB_MODULE(.name = "probe", .setup = setup, .session_size = sizeof(session), .session_version = 1);
