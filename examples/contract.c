/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract application: every protocol that the server speaks, so that any client or test suite can be
 * pointed at it.
 *
 *     WebSocket  /echo           sends every message back as it came
 *                /room/NAME      sends every message to all members of the room: a receive loop
 *                /events/NAME    the same, written with event handlers
 *     Engine.IO  /engine.io/     sends every message back as it came
 *     HTTP       GET /hello, POST or PUT /echo-body, POST /len, GET /headers, GET /sleep/SECONDS, GET /whoami
 *                GET /crash and GET /block/SECONDS, only with HUBBUB_CONTRACT_UNSAFE=1 in the environment
 *                GET /static/… when HUBBUB_CONTRACT_ROOT names a directory
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Engine.IO ---- */

static hub_status engine_echo(hub_engine *engine, const hub_message *message, void *arg)
{
    (void)arg;
    return hub_engine_send(engine, message->type, message->body);
}

static const hub_engine_route engine_route = {
    .endpoint = {.path = "/engine.io/", .origins = "*"},
    .on_message = engine_echo,
};

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
    if (status == HUB_OK)
        status = hub_on_engine(app, &engine_route);
    if (unsafe != NULL && strcmp(unsafe, "1") == 0)
        for (size_t i = 0; i < COUNT(unsafe_routes) && status == HUB_OK; i++)
            status = hub_on_http(app, unsafe_routes[i].method, unsafe_routes[i].pattern,
                                 unsafe_routes[i].handler, NULL);
    if (status == HUB_OK && root != NULL && root[0] != '\0')
        status = hub_static(app, "/static", root);
    return status;
}

HUB_MODULE(.name = "contract", .setup = setup);
