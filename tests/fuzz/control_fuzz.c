/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients send to the control socket. The first byte of the input says how: its lowest bit, whether the
 * rest is sent as it is or each line as a whole message; the next one, whether in turn by two clients; and
 * the others, in pieces of how many bytes. Whatever is sent, what comes back are whole answers, no more than
 * there were requests; and clients that send whole messages get an answer to each.
 */
#include "common/buffer.h"
#include "master/control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS = 2, SIZE_MAX_HELD = 32 * 1024 }; /* of what the server keeps while a request is under way */

typedef struct client {
    int fd; /* -1: the server has closed the connection */
    buffer input;
    unsigned requests, answers;
} client;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/hubbub-control-fuzz-XXXXXX", path[64];
static struct ev_loop *loop;
static control *server;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void run_echo(void *arg, control_client *to, const json_t *request)
{
    (void)arg;
    control_answer(to, json_pack("{s:b,s:O}", "ok", 1, "request", request));
}

static void run_wait(void *arg, control_client *to, const json_t *request)
{
    (void)arg;
    control_wait(to, (unsigned)json_integer_value(json_object_get(request, "number")));
}

static void run_refuse(void *arg, control_client *to, const json_t *request)
{
    (void)arg;
    const char *why = json_string_value(json_object_get(request, "why"));
    control_refuse(to, "refused: %s", why ? why : "");
}

static const control_command commands[] = {
    {"echo", run_echo}, {"wait", run_wait}, {"refuse", run_refuse}, {NULL, NULL}};

static void close_server(void)
{
    control_close(server);
    ev_loop_destroy(loop);
    rmdir(folder);
}

static void open_server(void)
{
    error failure = {.status = HUB_OK};
    require(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/socket", folder);
    loop = ev_loop_new(EVFLAG_AUTO);
    require(loop && control_open(&server, loop, path, commands, NULL, &failure) == HUB_OK);
    atexit(close_server);
}

static void turn(void)
{
    for (int i = 0; i < 3; i++)
        ev_run(loop, EVRUN_NOWAIT);
}

static void open_client(client *self)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    *self = (client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    require(self->fd >= 0);
    require(connect(self->fd, (const struct sockaddr *)&address, sizeof address) == 0);
    turn();
}

static void close_client(client *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

/* An answer says whether it went well; an event does not. */
static void read_message(client *self, const char *text, size_t length)
{
    json_t *message = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    require(json_is_object(message));
    const json_t *ok = json_object_get(message, "ok");
    require(ok ? json_is_boolean(ok) : json_is_string(json_object_get(message, "event")));
    require(!json_is_false(ok) || json_is_string(json_object_get(message, "error")));
    self->answers += ok != NULL;
    json_decref(message);
}

static void read_messages(client *self)
{
    uint32_t length;
    while (self->input.length >= sizeof length) {
        memcpy(&length, self->input.data, sizeof length);
        length = ntohl(length);
        require(length > 0 && length <= 2 * CONTROL_OUTPUT_MAX);
        if (self->input.length < sizeof length + length)
            break;
        read_message(self, self->input.data + sizeof length, length);
        buffer_consume(&self->input, sizeof length + length);
    }
}

static void hear(client *self)
{
    char bytes[65536];
    ssize_t count;
    while (self->fd >= 0 && (count = recv(self->fd, bytes, sizeof bytes, 0)) >= 0) {
        if (count == 0)
            close_client(self);
        else
            require(buffer_append(&self->input, bytes, (size_t)count) == HUB_OK);
    }
    require(self->fd < 0 || errno == EAGAIN || errno == ECONNRESET);
    if (self->fd >= 0 && errno == ECONNRESET)
        close_client(self);
    read_messages(self);
}

static void say(client *self, const char *bytes, size_t length, size_t piece)
{
    for (size_t at = 0; at < length && self->fd >= 0;) {
        size_t now = length - at < piece ? length - at : piece;
        ssize_t sent = send(self->fd, bytes + at, now, MSG_NOSIGNAL);
        require(sent > 0 || errno == EPIPE || errno == ECONNRESET);
        if (sent <= 0)
            close_client(self);
        else
            at += (size_t)sent;
        turn();
        hear(self);
    }
}

static void say_message(client *self, const char *text, size_t length, size_t piece)
{
    uint32_t announced = htonl((uint32_t)length);
    buffer message = {0};
    require(buffer_append(&message, &announced, sizeof announced) == HUB_OK);
    require(buffer_append(&message, text, length) == HUB_OK);
    say(self, message.data, message.length, piece);
    self->requests++;
    buffer_free(&message);
}

/* Lines or halves, by one client or in turn. */
static void say_all(client clients[], bool in_turn, bool in_lines, const char *text, size_t size,
                    size_t piece)
{
    size_t half = in_turn ? size / 2 : size;
    if (!in_lines) {
        say(&clients[0], text, half, piece);
        say(&clients[1], text + half, size - half, piece);
        return;
    }
    for (unsigned count = 0; size; count++) {
        const char *newline = memchr(text, '\n', size);
        size_t length = newline ? (size_t)(newline - text) : size;
        if (length)
            say_message(&clients[in_turn ? count % CLIENTS : 0], text, length, piece);
        size -= length + (newline != NULL);
        text += length + (newline != NULL);
    }
}

/* Whoever waits is told and answered, and then the requests behind those are looked at. */
static void answer_all(client clients[])
{
    unsigned before, after = 0;
    do {
        before = after;
        control_tell_waiting(server, json_pack("{s:s}", "event", "something"));
        control_answer_waiting(server, UINT32_MAX, json_pack("{s:b}", "ok", 1));
        turn();
        after = 0;
        for (int i = 0; i < CLIENTS; i++) {
            hear(&clients[i]);
            after += clients[i].answers;
        }
    } while (after != before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!server)
        open_server();
    if (size == 0)
        return 0;
    bool in_lines = data[0] & 1, in_turn = data[0] & 2;
    size_t piece = data[0] >> 2 ? data[0] >> 2 : SIZE_MAX_HELD;
    client clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        open_client(&clients[i]);
    say_all(clients, in_turn, in_lines, (const char *)data + 1, size - 1, piece);
    answer_all(clients);
    for (int i = 0; i < CLIENTS; i++) {
        if (in_lines && size < SIZE_MAX_HELD)
            require(clients[i].fd >= 0 && clients[i].answers == clients[i].requests &&
                    clients[i].input.length == 0);
        require(clients[i].answers <= size);
        close_client(&clients[i]);
        buffer_free(&clients[i].input);
    }
    turn(); /* the server closes its ends, too */
    return 0;
}
