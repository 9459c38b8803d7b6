/* SPDX-License-Identifier: Apache-2.0 */
#include "master/control.h"

#include "common/buffer.h"
#include "common/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct control_client {
    control *owner;
    ev_io io;
    buffer input, output;
    bool busy;    /* a request is under way: the next one is not looked at */
    bool waiting; /* for the end of what has this number */
    unsigned number;
    ev_tstamp heard; /* when it last sent something */
    control_client *next;
};

struct control {
    struct ev_loop *loop;
    ev_io io;
    ev_timer pause; /* until connections are taken again */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    dev_t device; /* of the path, with its inode: whose it is when the time comes to remove it */
    ino_t inode;
    const control_command *commands;
    void *arg;
    control_client *clients;
    unsigned count;
};

static void close_client(control_client *client)
{
    control *self = client->owner;
    for (control_client **at = &self->clients; *at; at = &(*at)->next)
        if (*at == client) {
            *at = client->next;
            break;
        }
    self->count--;
    ev_io_stop(self->loop, &client->io);
    close(client->io.fd);
    buffer_free(&client->input);
    buffer_free(&client->output);
    free(client);
}

/* ---- output ---- */

static void watch(control_client *client)
{
    int events = EV_READ | (client->output.length ? EV_WRITE : 0);
    ev_io_stop(client->owner->loop, &client->io);
    ev_io_modify(&client->io, events);
    ev_io_start(client->owner->loop, &client->io);
}

/* False: the client is closed. */
static bool flush(control_client *client)
{
    while (client->output.length) {
        ssize_t sent = send(client->io.fd, client->output.data, client->output.length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0) {
            close_client(client);
            return false;
        }
        buffer_consume(&client->output, (size_t)sent);
    }
    watch(client);
    return true;
}

static bool put(buffer *to, const char *text)
{
    uint32_t length = htonl((uint32_t)strlen(text));
    return to->length < CONTROL_OUTPUT_MAX && buffer_append(to, &length, sizeof length) == HUB_OK &&
           buffer_append_text(to, text) == HUB_OK;
}

/* Takes the object over. False: the client is closed. */
static bool say(control_client *client, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(object);
    bool queued = text && put(&client->output, text);
    free(text);
    if (queued)
        return flush(client);
    close_client(client);
    return false;
}

void control_answer(control_client *client, json_t *answer)
{
    client->busy = client->waiting = false;
    if (say(client, answer) && client->input.length) /* perhaps the next request is here already */
        ev_feed_event(client->owner->loop, &client->io, EV_READ);
}

json_t *control_text(const char *text)
{
    json_t *whole = json_string(text);
    if (whole)
        return whole;
    char *plain = strdup(text);
    for (char *at = plain; at && *at; at++)
        if (*at & 0x80)
            *at = '?';
    json_t *result = plain ? json_string(plain) : NULL;
    free(plain);
    return result;
}

void control_refuse(control_client *client, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    control_answer(client, json_pack("{s:b,s:o}", "ok", 0, "error", control_text(line)));
}

void control_wait(control_client *client, unsigned number)
{
    client->waiting = true;
    client->number = number;
}

void control_tell_waiting(control *self, json_t *event)
{
    for (control_client *client = self ? self->clients : NULL, *next; client; client = next) {
        next = client->next;
        if (client->waiting)
            say(client, json_incref(event));
    }
    json_decref(event);
}

void control_answer_waiting(control *self, unsigned number, json_t *answer)
{
    for (control_client *client = self ? self->clients : NULL, *next; client; client = next) {
        next = client->next;
        if (client->waiting && client->number <= number)
            control_answer(client, json_incref(answer));
    }
    json_decref(answer);
}

/* ---- input ---- */

static void run(control_client *client, const char *text, size_t length)
{
    json_error_t problem;
    control *self = client->owner;
    json_t *request = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    const char *name = json_string_value(json_object_get(request, "command"));
    client->busy = true;
    if (!request) {
        control_refuse(client, "the request is no JSON: %s", problem.text);
    } else if (!name) {
        control_refuse(client, "the request has no command");
    } else {
        const control_command *command = self->commands;
        while (command->name && strcmp(command->name, name) != 0)
            command++;
        if (command->name)
            command->run(self->arg, client, request);
        else
            control_refuse(client, "there is no command %.60s", name);
    }
    json_decref(request);
}

/* The bytes of the first message, when all of it is there. False: it is none. */
static bool first_message(const buffer *input, size_t *length)
{
    uint32_t announced;
    *length = 0;
    if (input->length < sizeof announced)
        return true;
    memcpy(&announced, input->data, sizeof announced);
    announced = ntohl(announced);
    if (announced == 0 || announced > CONTROL_REQUEST_MAX)
        return false;
    if (input->length - sizeof announced >= announced)
        *length = announced;
    return true;
}

/* One request at a time: a command may close its client, so nothing of it is touched after it ran. */
static void take_request(control_client *client)
{
    size_t length;
    if (client->busy)
        return;
    if (!first_message(&client->input, &length)) {
        close_client(client);
        return;
    }
    if (length == 0)
        return;
    char *text = malloc(length);
    if (!text) {
        close_client(client);
        return;
    }
    memcpy(text, client->input.data + sizeof(uint32_t), length);
    buffer_consume(&client->input, sizeof(uint32_t) + length);
    run(client, text, length);
    free(text);
}

static void readable(control_client *client)
{
    char bytes[4096];
    ssize_t count = recv(client->io.fd, bytes, sizeof bytes, 0);
    if (count < 0 && errno == EINTR)
        return;
    if (count < 0 && errno == EAGAIN) {
        take_request(client);
        return;
    }
    bool full = client->input.length > CONTROL_REQUEST_MAX + sizeof(uint32_t);
    client->heard = ev_now(client->owner->loop);
    if (count <= 0 || full || buffer_append(&client->input, bytes, (size_t)count) != HUB_OK)
        close_client(client);
    else
        take_request(client);
}

static void on_client(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    control_client *client = (control_client *)((char *)io - offsetof(control_client, io));
    if ((events & EV_WRITE) && !flush(client))
        return;
    if (events & EV_READ)
        readable(client);
}

/* The mode of the path keeps others out; this holds whatever became of it. */
static bool may_control(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

/* Those who wait for an answer stay. */
static void make_room(control *self)
{
    control_client *silent = NULL;
    for (control_client *client = self->clients; client; client = client->next)
        if (!client->waiting && (!silent || client->heard <= silent->heard))
            silent = client;
    if (silent)
        close_client(silent);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    control *self = (control *)((char *)timer - offsetof(control, pause));
    ev_io_start(loop, &self->io);
}

/* Without a descriptor or memory the connection stays in the queue, and would be told of in every turn. */
static void pause_accepting(control *self)
{
    ev_io_stop(self->loop, &self->io);
    ev_timer_set(&self->pause, 1., 0.);
    ev_timer_start(self->loop, &self->pause);
}

static void on_connection(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    control *self = (control *)((char *)io - offsetof(control, io));
    int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(self);
        return;
    }
    control_client *client = NULL;
    if (may_control(fd)) {
        if (self->count == CONTROL_CLIENTS_MAX)
            make_room(self);
        if (self->count < CONTROL_CLIENTS_MAX)
            client = calloc(1, sizeof *client);
    }
    if (!client) {
        close(fd);
        return;
    }
    client->owner = self;
    client->heard = ev_now(loop);
    client->next = self->clients;
    self->clients = client;
    self->count++;
    ev_io_init(&client->io, on_client, fd, EV_READ);
    ev_io_start(loop, &client->io);
}

/* ---- open and close ---- */

static bool somebody_listens(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool listens = fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
                               errno != ECONNREFUSED);
    if (fd >= 0)
        close(fd);
    return listens;
}

static hub_status clear_path(const struct sockaddr_un *address, error *failure)
{
    struct stat status;
    if (lstat(address->sun_path, &status) < 0)
        return HUB_OK;
    if (!S_ISSOCK(status.st_mode))
        return error_set(failure, HUB_EEXIST,
                         "control-socket: %s is no socket; move it away or give another path",
                         address->sun_path);
    if (somebody_listens(address))
        return error_set(failure, HUB_EEXIST,
                         "control-socket: somebody listens at %s already; is another server running?",
                         address->sun_path);
    unlink(address->sun_path);
    return HUB_OK;
}

static hub_status listen_at(control *self, const struct sockaddr_un *address, int *fd, error *failure)
{
    struct stat status;
    mode_t before = umask(0177);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool bound = *fd >= 0 && bind(*fd, (const struct sockaddr *)address, sizeof *address) == 0;
    int cause = errno;
    umask(before);
    if (!bound || listen(*fd, CONTROL_CLIENTS_MAX) < 0 || lstat(address->sun_path, &status) < 0) {
        if (bound)
            cause = errno;
        if (*fd >= 0)
            close(*fd);
        return error_set(failure, HUB_ESYSTEM, "control-socket: cannot listen at %s: %s", address->sun_path,
                         strerror(cause));
    }
    self->device = status.st_dev;
    self->inode = status.st_ino;
    return HUB_OK;
}

static hub_status too_long(const char *path, error *failure)
{
    return error_set(failure, HUB_EINVAL,
                     "control-socket: %s is longer than the 107 bytes a socket's path may have", path);
}

hub_status control_open(control **out, struct ev_loop *loop, const char *path,
                        const control_command *commands, void *arg, error *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;
    if (strlen(path) >= sizeof address.sun_path)
        return too_long(path, failure);
    strcpy(address.sun_path, path);
    control *self = calloc(1, sizeof *self);
    if (!self)
        return error_set(failure, HUB_ENOMEM, "no memory for the control socket");
    hub_status status = clear_path(&address, failure);
    if (status == HUB_OK)
        status = listen_at(self, &address, &fd, failure);
    if (status != HUB_OK) {
        free(self);
        return status;
    }
    strcpy(self->path, path);
    self->loop = loop;
    self->commands = commands;
    self->arg = arg;
    ev_init(&self->pause, on_pause_over);
    ev_io_init(&self->io, on_connection, fd, EV_READ);
    ev_io_start(loop, &self->io);
    *out = self;
    return HUB_OK;
}

hub_status control_move(control *self, const char *path, error *failure)
{
    if (strlen(path) >= sizeof self->path)
        return too_long(path, failure);
    if (rename(self->path, path) < 0)
        return error_set(failure, HUB_ESYSTEM, "control-socket: cannot rename %s to %s: %s", self->path, path,
                         strerror(errno));
    strcpy(self->path, path);
    return HUB_OK;
}

void control_close(control *self)
{
    struct stat status;
    if (!self)
        return;
    while (self->clients)
        close_client(self->clients);
    ev_io_stop(self->loop, &self->io);
    ev_timer_stop(self->loop, &self->pause);
    close(self->io.fd);
    if (lstat(self->path, &status) == 0 && status.st_dev == self->device && status.st_ino == self->inode)
        unlink(self->path);
    free(self);
}
