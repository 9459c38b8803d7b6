/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The physical limit on this machine: a server that does nothing but its system calls. A message from a
 * client of /echo is sent back with one send(); a message from a client of any other path is sent to all
 * clients of such paths by a bare loop of send(). It knows the load generator's handshake only, keeps no
 * queues and drops what a socket does not take: the load generator would then report a loss.
 *
 *     send_loop PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/frame.h"
#include "bench/load/handshake.h"

#define EVENTS      512
#define READ_SIZE   65536
#define CLIENTS_MAX 65536 /* by descriptor */

typedef enum client_state { CLIENT_NONE, CLIENT_NEW, CLIENT_ECHO, CLIENT_MEMBER } client_state;

static client_state states[CLIENTS_MAX];
static int places[CLIENTS_MAX];  /* of a member, in members */
static int members[CLIENTS_MAX]; /* descriptors of the one room */
static int member_count;
static unsigned char input[READ_SIZE];
static unsigned char output[READ_SIZE];

static void leave(int fd)
{
    if (states[fd] == CLIENT_MEMBER) {
        int last = members[--member_count];
        members[places[fd]] = last;
        places[last] = places[fd];
    }
    states[fd] = CLIENT_NONE;
    close(fd);
}

static void transmit(int fd, size_t length)
{
    (void)!send(fd, output, length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void accept_handshake(int fd, const unsigned char *data, size_t length)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Accept: " HANDSHAKE_ACCEPT "\r\n\r\n";

    if (!memmem(data, length, HANDSHAKE_KEY, sizeof HANDSHAKE_KEY - 1)) {
        leave(fd);
        return;
    }
    if (memmem(data, length, "GET /echo ", 10)) {
        states[fd] = CLIENT_ECHO;
    } else {
        states[fd] = CLIENT_MEMBER;
        places[fd] = member_count;
        members[member_count++] = fd;
    }
    memcpy(output, answer, sizeof answer - 1);
    transmit(fd, sizeof answer - 1);
}

/* All frames of one read are answered by one send, to each member as to the sender of an echo. */
static void take_frames(int fd, unsigned char *data, size_t length)
{
    size_t ready = 0;

    while (length > 0) {
        load_frame frame;
        size_t taken;
        if (frame_parse(data, length, &frame, &taken) != FRAME_WHOLE || frame.opcode == FRAME_CLOSE) {
            leave(fd);
            return;
        }
        if (frame.opcode == FRAME_TEXT || frame.opcode == FRAME_BINARY)
            ready += frame_write(output + ready, frame.opcode, NULL, frame.payload, frame.length);
        data += taken;
        length -= taken;
    }
    if (states[fd] == CLIENT_ECHO) {
        transmit(fd, ready);
        return;
    }
    for (int i = 0; i < member_count; i++)
        transmit(members[i], ready);
}

static void receive(int fd)
{
    ssize_t got = recv(fd, input, sizeof input, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        leave(fd);
    else if (states[fd] == CLIENT_NEW)
        accept_handshake(fd, input, (size_t)got);
    else
        take_frames(fd, input, (size_t)got);
}

static void accept_clients(int epoll, int listener)
{
    const int on = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (fd >= CLIENTS_MAX || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            close(fd);
        else
            states[fd] = CLIENT_NEW;
    }
}

static int listen_at(uint16_t port)
{
    const int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (listener < 0)
        return -1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 4096) != 0) {
        close(listener);
        return -1;
    }
    return listener;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    struct rlimit limit;
    int port = argc == 2 ? atoi(argv[1]) : 0;

    if (port <= 0 || port > 65535) {
        fputs("usage: send_loop PORT\n", stderr);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    int listener = listen_at((uint16_t)port);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (listener < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0) {
        fprintf(stderr, "send_loop: cannot listen at 127.0.0.1:%d: %s\n", port, strerror(errno));
        return 1;
    }
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_clients(epoll, listener);
            else if (states[events[i].data.fd] != CLIENT_NONE)
                receive(events[i].data.fd);
        }
    }
}
