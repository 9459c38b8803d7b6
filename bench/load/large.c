/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The echo of messages that are larger than any buffer: every connection sends one, gets it back, sends the
 * next. Nothing here holds a whole message. What is sent is one block over and over, behind a number; what
 * comes is compared as it comes, in one frame or in many (RFC 6455, section 5.4), so that this side costs
 * little and a server may begin to answer when it likes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "bench/load/handshake.h"
#include "bench/load/report.h"
#include "bench/load/run.h"

#define BLOCK  65536 /* bytes; a multiple of the mask's four */
#define BLOCKS 16    /* in one sendmsg */
#define MIB    1048576.0

typedef struct large_client {
    unsigned char
        front[FRAME_HEADER_MAX + MESSAGE_DIGITS]; /* of the frame under way: header, masked number */
    size_t front_length;
    size_t out; /* bytes of the frame that are sent */
    uint64_t posted;
    unsigned char header[10]; /* of the frame that comes */
    size_t header_length;
    uint64_t left; /* payload bytes of it that are still to come */
    size_t in;     /* bytes of the message that came */
    unsigned char digits[MESSAGE_DIGITS];
    bool final, control, begun;
} large_client;

typedef struct large_state {
    large_client *clients;
    unsigned char plain[BLOCK], masked[BLOCK];
    uint8_t opcode;
} large_state;

/* Letters in no order, so that bytes at a wrong place are seen. */
static void fill(large_state *large)
{
    uint32_t number = 1;

    for (size_t i = 0; i < BLOCK; i++) {
        number = number * 1664525 + 1013904223;
        large->plain[i] = (unsigned char)('a' + (number >> 24) % 26);
        large->masked[i] = large->plain[i] ^ HANDSHAKE_MASK[i & 3];
    }
}

static large_client *client_of(const load_run *run, const load_connection *connection)
{
    const large_state *large = run->scenario;

    return &large->clients[connection->index];
}

/* ---- sending ---------------------------------------------------------------------------------------------
 */

static size_t frame_length(const load_run *run, const large_client *client)
{
    return client->front_length - MESSAGE_DIGITS + run->options->size;
}

/* The next bytes of the frame under way. */
static int gather(const load_run *run, large_client *client, struct iovec iov[BLOCKS])
{
    const large_state *large = run->scenario;
    size_t end = frame_length(run, client), at = client->out;
    int count = 0;

    if (at < client->front_length) {
        iov[count++] = (struct iovec){client->front + at, client->front_length - at};
        at = client->front_length;
    }
    while (count < BLOCKS && at < end) {
        size_t place = (at - (client->front_length - MESSAGE_DIGITS)) % BLOCK;
        size_t length = BLOCK - place < end - at ? BLOCK - place : end - at;
        iov[count++] = (struct iovec){(void *)(uintptr_t)(large->masked + place), length};
        at += length;
    }
    return count;
}

static void send_on(void *arg, load_connection *connection)
{
    load_run *run = arg;
    large_client *client = client_of(run, connection);

    while (client->out < frame_length(run, client)) {
        struct iovec iov[BLOCKS];
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)gather(run, client, iov)};
        ssize_t sent = sendmsg(connection->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        run->pool.writes++;
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            pool_want_room(&run->pool, connection, true);
            return;
        }
        if (sent < 0) {
            pool_drop(&run->pool, connection, strerror(errno));
            return;
        }
        client->out += (size_t)sent;
    }
    pool_want_room(&run->pool, connection, false);
}

static void post(load_run *run, load_connection *connection)
{
    const large_state *large = run->scenario;
    large_client *client = client_of(run, connection);
    unsigned char *front = client->front;
    uint32_t number = connection->sent++;

    message_number_write(client->digits, number);
    front[0] = 0x80 | large->opcode;
    size_t extended = run->options->size < 126 ? 0 : run->options->size <= UINT16_MAX ? 2 : 8;
    front[1] = (unsigned char)(0x80 | (extended == 0 ? run->options->size : extended == 2 ? 126 : 127));
    for (size_t i = 0; i < extended; i++)
        front[2 + i] = (unsigned char)((uint64_t)run->options->size >> 8 * (extended - 1 - i));
    memcpy(front + 2 + extended, HANDSHAKE_MASK, 4);
    for (size_t i = 0; i < MESSAGE_DIGITS; i++)
        front[2 + extended + 4 + i] = client->digits[i] ^ HANDSHAKE_MASK[i & 3];
    client->front_length = 2 + extended + 4 + MESSAGE_DIGITS;
    client->out = 0;
    client->posted = pool_clock();
    send_on(run, connection);
}

/* ---- receiving -------------------------------------------------------------------------------------------
 */

/* A piece of the message's payload is what stands there in the message that was sent. */
static bool compare(const load_run *run, large_client *client, const unsigned char *data, size_t length)
{
    const large_state *large = run->scenario;

    if (length > run->options->size - client->in)
        return false;
    while (length > 0) {
        size_t place = client->in % BLOCK, run_length = BLOCK - place;
        const unsigned char *expected = large->plain + place;
        if (client->in < MESSAGE_DIGITS) {
            expected = client->digits + client->in;
            run_length = MESSAGE_DIGITS - client->in;
        }
        if (run_length > length)
            run_length = length;
        if (memcmp(data, expected, run_length) != 0)
            return false;
        client->in += run_length;
        data += run_length;
        length -= run_length;
    }
    return true;
}

/* Reads a header byte by byte; NULL, or what is wrong with it. */
static const char *take_header(const load_run *run, large_client *client, unsigned char byte)
{
    const large_state *large = run->scenario;

    client->header[client->header_length++] = byte;
    if (client->header_length < 2)
        return NULL;
    unsigned first = client->header[0], short_length = client->header[1];
    if (first & 0x70 || short_length & 0x80)
        return "a frame with a mask or a reserved bit came";
    size_t extended = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
    if (client->header_length < 2 + extended)
        return NULL;
    client->left = extended == 0 ? short_length : 0;
    for (size_t i = 0; i < extended; i++)
        client->left = client->left << 8 | client->header[2 + i];
    client->header_length = 0;
    client->begun = true;
    client->control = (first & 0x08) != 0;
    if (client->control)
        return (first & 0x0f) == FRAME_CLOSE ? "the server closed" : NULL;
    client->final = (first & 0x80) != 0;
    return (first & 0x0f) == (client->in > 0 ? 0 : large->opcode) ? NULL : "a frame of a wrong opcode came";
}

/* A frame is whole. */
static void end_frame(load_run *run, load_connection *connection)
{
    large_client *client = client_of(run, connection);

    client->begun = false;
    if (client->control || !client->final)
        return;
    if (client->in != run->options->size) {
        run->wrong++;
        pool_drop(&run->pool, connection, "a message of a wrong length came");
        return;
    }
    client->in = 0;
    connection->received++;
    run->messages++;
    histogram_add(&run->latency, pool_clock() - client->posted);
    if (!run->draining)
        post(run, connection);
}

static void take_bytes(void *arg, load_connection *connection, const unsigned char *data, size_t length)
{
    load_run *run = arg;
    large_client *client = client_of(run, connection);

    while (length > 0 && connection->state == CONNECTION_OPEN) {
        if (!client->begun) {
            const char *fault = take_header(run, client, *data++);
            length--;
            if (fault)
                pool_drop(&run->pool, connection, fault);
        } else {
            size_t part = length < client->left ? length : (size_t)client->left;
            if (!client->control && !compare(run, client, data, part)) {
                run->wrong++;
                pool_drop(&run->pool, connection, "other bytes came than were sent");
                return;
            }
            client->left -= part;
            data += part;
            length -= part;
        }
        if (client->begun && client->left == 0 && connection->state == CONNECTION_OPEN)
            end_frame(run, connection);
    }
}

/* ---- the scenario ----------------------------------------------------------------------------------------
 */

static void on_message(load_run *run, load_connection *connection, uint32_t sequence)
{
    (void)connection;
    (void)sequence;
    run->wrong++; /* before the first is sent */
}

static uint64_t outstanding(const load_run *run)
{
    uint64_t missing = 0;

    for (uint32_t i = 0; i < run->options->connections; i++)
        missing += run->pool.connections[i].sent - run->pool.connections[i].received;
    return missing;
}

static void report(const load_run *run)
{
    const load_moment *a = &run->begin, *b = &run->end;
    double mib = (double)(b->messages - a->messages) * run->options->size / MIB;

    report_begin(run->options->scenario);
    report_number("mib_per_s", mib / ((double)(b->time - a->time) / 1e9));
    if (run->processes.length > 0)
        report_number("cpu_us_mib", mib > 0 ? (double)(b->usage.cpu_ns - a->usage.cpu_ns) / 1e3 / mib : 0);
    run_report(run);
    report_end();
}

int scenario_large(const load_options *options)
{
    static load_run run;
    static large_state large;
    int status = 1;

    large.opcode = options->binary ? FRAME_BINARY : FRAME_TEXT;
    fill(&large);
    large.clients = calloc(options->connections, sizeof *large.clients);
    if (!large.clients) {
        fputs("load: no memory for the clients\n", stderr);
        return 1;
    }
    if (!run_open(&run, options, on_message, &large))
        goto out;
    run.pool.events.bytes = take_bytes;
    run.pool.events.room = send_on;
    for (uint32_t i = 0; i < options->connections; i++)
        post(&run, &run.pool.connections[i]);
    if (run_measure(&run)) {
        run_drain(&run, outstanding);
        run.lost += outstanding(&run);
        report(&run);
        status = run_clean(&run) ? 0 : 1;
    }
    run_close(&run);
out:
    free(large.clients);
    return status;
}
