/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load/pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/load/handshake.h"

#define EVENTS       512
#define READ_SIZE    65536
#define READ_LARGE   262144 /* when messages are longer than a read */
#define FAILURES_MAX 100

#define PACKET_LONGEST 1024 /* of Engine.IO's open and Socket.IO's CONNECT */

#define DEFLATE_OFFER                                                                                        \
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "                             \
    "client_no_context_takeover\r\n"

uint64_t pool_clock(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static bool keep(load_bytes *bytes, const unsigned char *data, size_t length)
{
    if (bytes->capacity - bytes->length < length) {
        size_t capacity = bytes->length + length;
        unsigned char *grown = realloc(bytes->data, capacity);
        if (!grown)
            return false;
        bytes->data = grown;
        bytes->capacity = capacity;
    }
    memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
    return true;
}

static void forget(load_bytes *bytes)
{
    free(bytes->data);
    memset(bytes, 0, sizeof *bytes);
}

/* Of Socket.IO the packets that open a session are longer than small messages. */
static size_t longest_of(const load_pool *pool)
{
    return pool->options.socketio && pool->message->length < PACKET_LONGEST ? PACKET_LONGEST
                                                                            : pool->message->length;
}

bool pool_make(load_pool *pool, const pool_options *options, const pool_events *events,
               const load_message *message)
{
    char host[INET_ADDRSTRLEN];

    memset(pool, 0, sizeof *pool);
    pool->options = *options;
    pool->events = *events;
    pool->message = message;
    inet_ntop(AF_INET, &options->address.sin_addr, host, sizeof host);
    pool->request_length = (size_t)snprintf(pool->request, sizeof pool->request,
                                            "GET %s HTTP/1.1\r\n"
                                            "Host: %s:%u\r\n"
                                            "Upgrade: websocket\r\n"
                                            "Connection: Upgrade\r\n"
                                            "Sec-WebSocket-Key: " HANDSHAKE_KEY "\r\n"
                                            "Sec-WebSocket-Version: 13\r\n%s\r\n",
                                            options->path, host, ntohs(options->address.sin_port),
                                            options->deflate ? DEFLATE_OFFER : "");
    pool->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (pool->epoll < 0)
        return false;
    if (pool->request_length >= sizeof pool->request) {
        close(pool->epoll);
        errno = ENAMETOOLONG;
        return false;
    }
    /* A read begins behind what was kept, which is less than one frame. */
    pool->read_size = message->length > READ_SIZE ? READ_LARGE : READ_SIZE;
    pool->input_capacity = pool->read_size + FRAME_HEADER_MAX + longest_of(pool);
    pool->input = malloc(pool->input_capacity);
    pool->gathered_capacity = READ_SIZE + message->frame_length;
    pool->gathered = malloc(pool->gathered_capacity);
    pool->connections = calloc(options->connections, sizeof *pool->connections);
    if (!pool->input || !pool->gathered || !pool->connections) {
        pool_free(pool);
        errno = ENOMEM;
        return false;
    }
    for (uint32_t i = 0; i < options->connections; i++) {
        pool->connections[i].index = i;
        pool->connections[i].fd = -1;
    }
    pool->now = pool_clock();
    return true;
}

void pool_free(load_pool *pool)
{
    for (uint32_t i = 0; pool->connections && i < pool->options.connections; i++) {
        load_connection *connection = &pool->connections[i];
        if (connection->fd >= 0)
            close(connection->fd);
        forget(&connection->input);
        forget(&connection->output);
    }
    free(pool->connections);
    free(pool->input);
    free(pool->gathered);
    close(pool->epoll);
}

/* Ends a connection in any state. An open one is the scenario's loss, one that was opening is tried again. */
static void drop(load_pool *pool, load_connection *connection, const char *why)
{
    connection_state state = connection->state;

    close(connection->fd);
    connection->fd = -1;
    connection->state = CONNECTION_CLOSED;
    forget(&connection->input);
    forget(&connection->output);
    if (pool->gathering == connection) {
        pool->gathering = NULL;
        pool->gathered_length = 0;
    }
    if (state == CONNECTION_OPEN) {
        pool->open--;
        if (pool->events.closed)
            pool->events.closed(pool->events.arg, connection, why);
    } else {
        pool->under_way--;
        pool->failures++;
        snprintf(pool->failure, sizeof pool->failure, "connection %u: %s", connection->index, why);
    }
}

void pool_drop(load_pool *pool, load_connection *connection, const char *why)
{
    if (connection->state != CONNECTION_CLOSED)
        drop(pool, connection, why);
}

static void watch(const load_pool *pool, const load_connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = (void *)(uintptr_t)connection};

    epoll_ctl(pool->epoll, EPOLL_CTL_MOD, connection->fd, &event);
}

void pool_want_room(const load_pool *pool, const load_connection *connection, bool wanted)
{
    watch(pool, connection, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* ---- output ----------------------------------------------------------------------------------------------
 */

static void transmit(load_pool *pool, load_connection *connection, const unsigned char *data, size_t length)
{
    ssize_t sent = 0;

    if (connection->output.length == 0) {
        pool->writes++;
        sent = send(connection->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            drop(pool, connection, strerror(errno));
            return;
        }
        if (sent == (ssize_t)length)
            return;
        watch(pool, connection, EPOLLIN | EPOLLOUT);
    }
    size_t taken = sent > 0 ? (size_t)sent : 0;
    if (!keep(&connection->output, data + taken, length - taken))
        drop(pool, connection, "no memory for its output");
}

static void transmit_rest(load_pool *pool, load_connection *connection)
{
    load_bytes *output = &connection->output;

    pool->writes++;
    ssize_t sent = send(connection->fd, output->data, output->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN)
            drop(pool, connection, strerror(errno));
        return;
    }
    output->length -= (size_t)sent;
    memmove(output->data, output->data + sent, output->length);
    if (output->length == 0) {
        forget(output);
        watch(pool, connection, EPOLLIN);
    }
}

void pool_flush(load_pool *pool)
{
    load_connection *connection = pool->gathering;
    size_t length = pool->gathered_length;

    pool->gathering = NULL;
    pool->gathered_length = 0;
    if (connection && length > 0)
        transmit(pool, connection, pool->gathered, length);
}

void pool_post(load_pool *pool, load_connection *connection, uint32_t sequence)
{
    size_t length = pool->message->frame_length;

    if (connection->state != CONNECTION_OPEN)
        return;
    if (pool->gathering != connection || pool->gathered_capacity - pool->gathered_length < length) {
        pool_flush(pool);
        if (connection->state != CONNECTION_OPEN)
            return;
        pool->gathering = connection;
    }
    message_write(pool->message, pool->gathered + pool->gathered_length, sequence);
    pool->gathered_length += length;
}

/* ---- input -----------------------------------------------------------------------------------------------
 */

/* Whether it is there and has got through the handshake of HTTP. */
static bool takes_frames(const load_connection *connection)
{
    return connection->state == CONNECTION_JOINING || connection->state == CONNECTION_OPEN;
}

static void opened(load_pool *pool, load_connection *connection)
{
    connection->state = CONNECTION_OPEN;
    pool->under_way--;
    pool->open++;
    histogram_add(&pool->opening, pool_clock() - connection->opening);
}

static bool begins(const unsigned char *payload, size_t length, const char *with)
{
    return length >= strlen(with) && memcmp(payload, with, strlen(with)) == 0;
}

static void send_packet(load_pool *pool, load_connection *connection, const char *packet)
{
    unsigned char frame[FRAME_HEADER_MAX + 8];

    transmit(pool, connection, frame, frame_write(frame, FRAME_TEXT, HANDSHAKE_MASK, packet, strlen(packet)));
}

/*
 * A packet of Engine.IO 4: open, then Socket.IO's CONNECT and its answer, heartbeats; anything else is the
 * scenario's.
 */
static void take_packet(load_pool *pool, load_connection *connection, const unsigned char *payload,
                        size_t length)
{
    char why[160];

    if (length == 1 && payload[0] == '2') {
        send_packet(pool, connection, "3");
    } else if (connection->state == CONNECTION_OPEN) {
        if (begins(payload, length, "1") || begins(payload, length, "41"))
            drop(pool, connection, "the server disconnected it");
        else if (pool->events.message)
            pool->events.message(pool->events.arg, connection, payload, length);
    } else if (begins(payload, length, "0{")) {
        send_packet(pool, connection, "40");
    } else if (begins(payload, length, "40{\"sid\":")) {
        opened(pool, connection);
    } else {
        snprintf(why, sizeof why, "Socket.IO's CONNECT was answered with: %.*s",
                 length < 80 ? (int)length : 80, (const char *)payload);
        drop(pool, connection, why);
    }
}

/* Handles one frame; false when the connection is gone with it. */
static bool take_frame(load_pool *pool, load_connection *connection, const load_frame *frame)
{
    unsigned char pong[FRAME_HEADER_MAX + 125];
    char why[64];

    switch (frame->opcode) {
    case FRAME_TEXT:
    case FRAME_BINARY:
        if (frame->masked || !frame->final) {
            drop(pool, connection, "a masked or fragmented frame came");
            return false;
        }
        if (frame->compressed && !pool->options.deflate) {
            drop(pool, connection, "a compressed frame came");
            return false;
        }
        if (pool->options.socketio)
            take_packet(pool, connection, frame->payload, frame->length);
        else if (frame->compressed && pool->events.compressed)
            pool->events.compressed(pool->events.arg, connection, frame->payload, frame->length);
        else if (!frame->compressed && pool->events.message)
            pool->events.message(pool->events.arg, connection, frame->payload, frame->length);
        return takes_frames(connection);
    case FRAME_PING:
        if (frame->length <= 125)
            transmit(pool, connection, pong,
                     frame_write(pong, FRAME_PONG, HANDSHAKE_MASK, frame->payload, frame->length));
        return takes_frames(connection);
    case FRAME_PONG:
        return true;
    case FRAME_CLOSE:
        snprintf(why, sizeof why, "closed with %d",
                 frame->length >= 2 ? frame->payload[0] << 8 | frame->payload[1] : 1005);
        drop(pool, connection, why);
        return false;
    default:
        drop(pool, connection, "a frame of an unknown opcode came");
        return false;
    }
}

static void take_frames(load_pool *pool, load_connection *connection, unsigned char *data, size_t length)
{
    if (pool->events.bytes) {
        pool->events.bytes(pool->events.arg, connection, data, length);
        return;
    }
    while (length > 0) {
        load_frame frame;
        size_t taken;
        frame_result result = frame_parse(data, length, &frame, &taken);
        if (result == FRAME_BROKEN) {
            drop(pool, connection, "a broken frame came");
            return;
        }
        if (result == FRAME_PARTIAL) {
            if (length >= FRAME_HEADER_MAX + longest_of(pool))
                drop(pool, connection, "a frame longer than any message came");
            else if (!keep(&connection->input, data, length))
                drop(pool, connection, "no memory for its input");
            return;
        }
        if (!take_frame(pool, connection, &frame))
            return;
        data += taken;
        length -= taken;
    }
}

/* The answer to the handshake; what is behind it are frames already. */
static void take_answer(load_pool *pool, load_connection *connection, unsigned char *data, size_t length)
{
    const unsigned char *end = memmem(data, length, "\r\n\r\n", 4);

    if (!end) {
        if (length > 4096)
            drop(pool, connection, "the answer to its handshake does not end");
        else if (!keep(&connection->input, data, length))
            drop(pool, connection, "no memory for its input");
        return;
    }
    size_t head = (size_t)(end - data) + 4;
    if (head < 12 || memcmp(data, "HTTP/1.1 101", 12) != 0 || !memmem(data, head, HANDSHAKE_ACCEPT, 28) ||
        (pool->options.deflate && !memmem(data, head, "permessage-deflate", 18))) {
        char why[160];
        const unsigned char *line = memchr(data, '\r', length);
        snprintf(why, sizeof why, "the handshake for %.64s was answered with: %.*s", pool->options.path,
                 (int)(line - data) < 80 ? (int)(line - data) : 80, (const char *)data);
        drop(pool, connection, why);
        return;
    }
    if (pool->options.socketio)
        connection->state = CONNECTION_JOINING;
    else
        opened(pool, connection);
    take_frames(pool, connection, data + head, length - head);
}

static void receive(load_pool *pool, load_connection *connection)
{
    size_t kept = connection->input.length;

    if (kept > pool->input_capacity - pool->read_size) {
        drop(pool, connection, "too much input was left over");
        return;
    }
    ssize_t got = recv(connection->fd, pool->input + kept, pool->read_size, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        drop(pool, connection, got == 0 ? "the server closed the socket" : strerror(errno));
        return;
    }
    pool->reads++;
    if (kept > 0) {
        memcpy(pool->input, connection->input.data, kept);
        connection->input.length = 0;
    }
    if (takes_frames(connection))
        take_frames(pool, connection, pool->input, kept + (size_t)got);
    else
        take_answer(pool, connection, pool->input, kept + (size_t)got);
    pool_flush(pool);
}

/* ---- opening ---------------------------------------------------------------------------------------------
 */

static void shake(load_pool *pool, load_connection *connection)
{
    int failure = 0;
    socklen_t size = sizeof failure;

    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure != 0) {
        drop(pool, connection, strerror(failure));
        return;
    }
    connection->state = CONNECTION_SHAKING;
    watch(pool, connection, EPOLLIN);
    transmit(pool, connection, (const unsigned char *)pool->request, pool->request_length);
}

static void start(load_pool *pool, load_connection *connection)
{
    const int on = 1;
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = connection};

    connection->state = CONNECTION_CONNECTING;
    connection->opening = pool_clock();
    pool->under_way++;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) {
        drop(pool, connection, strerror(errno));
        return;
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if ((connect(connection->fd, (const struct sockaddr *)&pool->options.address,
                 sizeof pool->options.address) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(pool->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        drop(pool, connection, strerror(errno));
}

bool pool_open(load_pool *pool, double seconds)
{
    uint64_t deadline = pool_clock() + (uint64_t)(seconds * 1e9);
    uint32_t next = 0;

    pool->failures = 0;
    while (pool->open < pool->options.connections) {
        /* The scan starts again at the front only when a pass is over: failed ones are found by the next. */
        while (pool->under_way < pool->options.pace && next < pool->options.connections) {
            if (pool->connections[next].state == CONNECTION_CLOSED)
                start(pool, &pool->connections[next]);
            next++;
        }
        if (pool->failures > FAILURES_MAX)
            return false;
        if (pool_clock() > deadline) {
            if (pool->failures == 0)
                snprintf(pool->failure, sizeof pool->failure, "only %u of %u connections opened in %.0f s",
                         pool->open, pool->options.connections, seconds);
            return false;
        }
        if (next == pool->options.connections && pool->under_way == 0)
            next = 0;
        pool_turn(pool, 100000000);
    }
    return true;
}

/* ---- the turn --------------------------------------------------------------------------------------------
 */

static void handle(load_pool *pool, load_connection *connection, uint32_t events)
{
    if (connection->state == CONNECTION_CONNECTING) {
        shake(pool, connection);
        return;
    }
    if (events & EPOLLOUT && connection->output.length > 0)
        transmit_rest(pool, connection);
    else if (events & EPOLLOUT && pool->events.room)
        pool->events.room(pool->events.arg, connection);
    if (connection->state != CONNECTION_CLOSED && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive(pool, connection);
}

void pool_turn(load_pool *pool, uint64_t timeout_ns)
{
    struct epoll_event events[EVENTS];
    const struct timespec timeout = {(time_t)(timeout_ns / 1000000000u), (long)(timeout_ns % 1000000000u)};
    int count = epoll_pwait2(pool->epoll, events, EVENTS, &timeout, NULL);

    pool->now = pool_clock();
    for (int i = 0; i < count; i++)
        handle(pool, events[i].data.ptr, events[i].events);
}
