/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attacker: a few connections that do as much harm as they can, until standard input ends. Then it writes
 * one line of JSON: how much it got rid of.
 *
 *     flood KIND PORT PATH CONNECTIONS
 *
 *     pings       pings of one byte, as fast as they are taken; pongs are read
 *     tiny        messages of one byte; the echoes are read
 *     fragments   one message in fragments of one byte, up to the server's limit, and again
 *     deaf        messages of 1 KB; nothing is read
 *     handshakes  connect, upgrade, reset, and again
 *     silent      connect, send nothing, reset when all connections are open, and again
 *     requests    pipelined HTTP requests; the answers are read
 *
 * A connection that the server closes is opened again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 10000, BLOCK = 65536 };

typedef enum flood_kind { FRAMES, HANDSHAKES, SILENT, REQUESTS } flood_kind;

typedef struct attacker {
    bool asked, upgraded; /* the upgrade was sent, was answered */
    size_t at;            /* in the block */
} attacker;

static struct {
    flood_kind kind;
    bool reads;
    unsigned char first[16]; /* a frame in front of the block, once */
    size_t first_length;
    unsigned char block[BLOCK];
    size_t length;
    char request[512];
    size_t request_length;
    struct sockaddr_in to;
    attacker attackers[CONNECTIONS_MAX];
    struct pollfd fds[CONNECTIONS_MAX + 1]; /* and standard input */
    size_t count;
    uint64_t opened, closed, bytes;
} flood;

/* ---- what is sent ---- */

/* Repeats a frame with an empty mask until the block is full. */
static void fill(unsigned char opcode, size_t length)
{
    unsigned char frame[2048] = {opcode};
    size_t header = 2;
    if (length < 126) {
        frame[1] = (unsigned char)(0x80 | length);
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = (unsigned char)(length >> 8);
        frame[3] = (unsigned char)length;
        header = 4;
    }
    memset(frame + header, 0, 4);
    memset(frame + header + 4, 'x', length);
    size_t whole = header + 4 + length;
    for (flood.length = 0; flood.length + whole <= BLOCK; flood.length += whole)
        memcpy(flood.block + flood.length, frame, whole);
}

static void fill_requests(const char *path)
{
    char request[512];
    size_t whole =
        (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    for (flood.length = 0; flood.length + whole <= BLOCK; flood.length += whole)
        memcpy(flood.block + flood.length, request, whole);
}

static bool prepare(const char *kind, const char *path)
{
    static const unsigned char beginning[] = {0x01, 0x80, 0, 0, 0, 0};
    flood.reads = true;
    flood.request_length =
        (size_t)snprintf(flood.request, sizeof flood.request,
                         "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                         path);
    if (strcmp(kind, "pings") == 0) {
        fill(0x89, 1);
    } else if (strcmp(kind, "tiny") == 0) {
        fill(0x81, 1);
    } else if (strcmp(kind, "fragments") == 0) {
        fill(0x00, 1);
        memcpy(flood.first, beginning, flood.first_length = sizeof beginning);
    } else if (strcmp(kind, "deaf") == 0) {
        fill(0x82, 1024);
        flood.reads = false;
    } else if (strcmp(kind, "handshakes") == 0) {
        flood.kind = HANDSHAKES;
    } else if (strcmp(kind, "silent") == 0) {
        flood.kind = SILENT;
    } else if (strcmp(kind, "requests") == 0) {
        fill_requests(path);
        flood.kind = REQUESTS;
    } else {
        return false;
    }
    return true;
}

/* ---- connections ---- */

static void open_at(size_t i)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    flood.attackers[i] = (attacker){.asked = flood.kind == REQUESTS, .upgraded = flood.kind == REQUESTS};
    flood.fds[i] = (struct pollfd){.fd = fd, .events = POLLIN | POLLOUT};
    if (fd < 0)
        return; /* poll passes it over; the next round tries again */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&flood.to, sizeof flood.to) < 0 && errno != EINPROGRESS) {
        close(fd);
        flood.fds[i].fd = -1;
        return;
    }
    flood.opened++;
}

/* By a reset: no port is left waiting. */
static void open_again(size_t i)
{
    struct linger at_once = {.l_onoff = 1};
    if (flood.fds[i].fd >= 0) {
        setsockopt(flood.fds[i].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(flood.fds[i].fd);
        flood.closed++;
    }
    open_at(i);
}

/* False: the connection is no more. */
static bool read_from(size_t i)
{
    static char sink[BLOCK];
    attacker *a = &flood.attackers[i];
    if (a->upgraded && !flood.reads) {
        flood.fds[i].events = POLLOUT;
        return true;
    }
    ssize_t n = recv(flood.fds[i].fd, sink, a->upgraded ? sizeof sink : 4096, 0);
    if (n > 0 && !a->upgraded) {
        a->upgraded = true; /* the answer comes in one piece */
        flood.fds[i].events = POLLIN | POLLOUT;
        return flood.kind != HANDSHAKES;
    }
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool send_to(size_t i)
{
    attacker *a = &flood.attackers[i];
    int fd = flood.fds[i].fd;
    if (flood.kind == SILENT) {
        flood.fds[i].events = POLLIN;
        return true;
    }
    if (!a->asked) {
        a->asked = true;
        flood.fds[i].events = POLLIN;
        return send(fd, flood.request, flood.request_length, MSG_NOSIGNAL) > 0;
    }
    if (flood.first_length && a->at == 0)
        if (send(fd, flood.first, flood.first_length, MSG_NOSIGNAL) < 0)
            return errno == EAGAIN;
    size_t at = a->at % flood.length;
    ssize_t n = send(fd, flood.block + at, flood.length - at, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN;
    a->at += (size_t)n;
    flood.bytes += (uint64_t)n;
    return true;
}

static void turn(void)
{
    static size_t oldest;
    int n = poll(flood.fds, flood.count + 1, 10);
    if (n <= 0)
        return;
    for (size_t i = 0; i < flood.count; i++) {
        short events = flood.fds[i].revents;
        bool lives = flood.fds[i].fd >= 0 && !(events & (POLLERR | POLLHUP));
        if (lives && events & POLLIN)
            lives = read_from(i);
        if (lives && events & POLLOUT)
            lives = send_to(i);
        if (!lives)
            open_again(i);
    }
    if (flood.kind == SILENT)
        for (int i = 0; i < 16; i++)
            open_again(oldest++ % flood.count);
}

int main(int argc, char **argv)
{
    if (argc != 5 || !prepare(argv[1], argv[3])) {
        fputs("usage: flood pings|tiny|fragments|deaf|handshakes|silent|requests PORT PATH CONNECTIONS\n",
              stderr);
        return 2;
    }
    flood.to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    flood.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    flood.count = (size_t)atoi(argv[4]);
    if (flood.count < 1 || flood.count > CONNECTIONS_MAX) {
        fprintf(stderr, "flood: 1 to %d connections\n", CONNECTIONS_MAX);
        return 2;
    }
    for (size_t i = 0; i < flood.count; i++)
        open_at(i);
    flood.fds[flood.count] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    while (!flood.fds[flood.count].revents)
        turn();
    printf("{\"opened\": %" PRIu64 ", \"closed\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n", flood.opened,
           flood.closed, flood.bytes);
    return 0;
}
