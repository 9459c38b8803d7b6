/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char HELP[] =
    "usage: load SCENARIO --address HOST:PORT --path PATH [--option value …]\n"
    "\n"
    "Opens WebSocket connections to a server, sends, checks what comes back, and writes one line of JSON to\n"
    "standard output and one for people to standard error. Times are in seconds, sizes in bytes.\n"
    "\n"
    "scenarios\n"
    "  echo     every connection keeps --outstanding messages under way\n"
    "  large    the same with one message each, sent and checked in pieces: for messages of many MB\n"
    "  sparse   every connection sends one message each --interval, evenly spread\n"
    "  fanout   a sender posts to a room and every connection must get it; the next is posted when all have\n"
    "           it, or --rate times a second; with --burst N one message makes the server publish N\n"
    "  latency  the same, the rotating --senders and their times in the foreground: 1,000 a second\n"
    "  idle     connections are opened and held: memory and CPU of each\n"
    "  spread   which worker holds how many connections; with --kill also after one of them was killed\n"
    "\n"
    "options\n"
    "  --address HOST:PORT   an IPv4 address and a port\n"
    "  --path PATH           what to ask for (/echo)\n"
    "  --connections N       (100)\n"
    "  --pace N              handshakes under way at one time (64)\n"
    "  --outstanding N       messages of a connection that are not answered yet (1)\n"
    "  --rounds              send the next --outstanding messages when all are answered, not one for one\n"
    "  --binary              large: binary messages, not text\n"
    "  --deflate             agree on permessage-deflate; what comes compressed is inflated or compared\n"
    "  --socketio            clients of Socket.IO: messages are events with a string of --size; PATH is "
    "like\n"
    "                        /socket.io/?EIO=4&transport=websocket; not with large, spread, --deflate, "
    "--json\n"
    "  --event NAME          what is sent with --socketio; what comes back is always `message` (message)\n"
    "  --json                messages look like JSON, behind their number\n"
    "  --size BYTES          of a message's payload, 8 at least (64)\n"
    "  --warmup SECONDS      before the measurement (1)\n"
    "  --seconds SECONDS     of the measurement (5)\n"
    "  --count N             ends the measurement after so many messages\n"
    "  --interval SECONDS    of sparse (5)\n"
    "  --rate N              messages a second of fanout (0: one after the other) and latency (1000)\n"
    "  --senders N           of fanout and latency, taking turns (1)\n"
    "  --burst N             (1)\n"
    "  --hold SECONDS        of idle, before memory is read (2)\n"
    "  --pid N[,N…]          processes of the server, whose CPU and memory are measured\n"
    "  --master N            the process whose children are the workers; stands in for --pid\n"
    "  --kill                spread: kill -9 one worker, open its connections again\n"
    "  --stop                spread: stop one worker, measure new connections, continue it\n"
    "  --pause               writes `ready` to standard error and waits for a line on standard input before\n"
    "                        the measurement, and `done` and another line after it\n";

enum option_id {
    OPTION_ADDRESS = 1,
    OPTION_PATH,
    OPTION_CONNECTIONS,
    OPTION_PACE,
    OPTION_OUTSTANDING,
    OPTION_ROUNDS,
    OPTION_BINARY,
    OPTION_DEFLATE,
    OPTION_JSON,
    OPTION_SOCKETIO,
    OPTION_EVENT,
    OPTION_SIZE,
    OPTION_WARMUP,
    OPTION_SECONDS,
    OPTION_COUNT,
    OPTION_INTERVAL,
    OPTION_RATE,
    OPTION_SENDERS,
    OPTION_BURST,
    OPTION_HOLD,
    OPTION_PID,
    OPTION_MASTER,
    OPTION_KILL,
    OPTION_STOP,
    OPTION_PAUSE,
    OPTION_HELP,
};

static const struct option OPTIONS[] = {
    {"address", required_argument, NULL, OPTION_ADDRESS},
    {"path", required_argument, NULL, OPTION_PATH},
    {"connections", required_argument, NULL, OPTION_CONNECTIONS},
    {"pace", required_argument, NULL, OPTION_PACE},
    {"outstanding", required_argument, NULL, OPTION_OUTSTANDING},
    {"rounds", no_argument, NULL, OPTION_ROUNDS},
    {"binary", no_argument, NULL, OPTION_BINARY},
    {"deflate", no_argument, NULL, OPTION_DEFLATE},
    {"json", no_argument, NULL, OPTION_JSON},
    {"socketio", no_argument, NULL, OPTION_SOCKETIO},
    {"event", required_argument, NULL, OPTION_EVENT},
    {"size", required_argument, NULL, OPTION_SIZE},
    {"warmup", required_argument, NULL, OPTION_WARMUP},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"count", required_argument, NULL, OPTION_COUNT},
    {"interval", required_argument, NULL, OPTION_INTERVAL},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"senders", required_argument, NULL, OPTION_SENDERS},
    {"burst", required_argument, NULL, OPTION_BURST},
    {"hold", required_argument, NULL, OPTION_HOLD},
    {"pid", required_argument, NULL, OPTION_PID},
    {"master", required_argument, NULL, OPTION_MASTER},
    {"kill", no_argument, NULL, OPTION_KILL},
    {"stop", no_argument, NULL, OPTION_STOP},
    {"pause", no_argument, NULL, OPTION_PAUSE},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static bool read_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-' && *number >= least && *number <= most;
}

static bool read_count(const char *text, uint32_t least, uint32_t most, uint32_t *count)
{
    uint64_t number;

    if (!read_number(text, least, most, &number))
        return false;
    *count = (uint32_t)number;
    return true;
}

static bool read_seconds(const char *text, double *seconds)
{
    char *end;

    *seconds = strtod(text, &end);
    return end != text && *end == '\0' && *seconds >= 0 && *seconds < 1e6;
}

static bool read_address(const char *text, struct sockaddr_in *address)
{
    char host[INET_ADDRSTRLEN];
    uint64_t port;
    const char *colon = strrchr(text, ':');

    if (!colon || (size_t)(colon - text) >= sizeof host || !read_number(colon + 1, 1, 65535, &port))
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

static bool read_option(load_options *options, int id, const char *value)
{
    uint64_t number;

    switch (id) {
    case OPTION_ADDRESS:
        return read_address(value, &options->address);
    case OPTION_PATH:
        options->path = value;
        return value[0] == '/' && strlen(value) <= 512;
    case OPTION_CONNECTIONS:
        return read_count(value, 1, 1000000, &options->connections);
    case OPTION_PACE:
        return read_count(value, 1, 4096, &options->pace);
    case OPTION_OUTSTANDING:
        return read_count(value, 1, 1024, &options->outstanding);
    case OPTION_ROUNDS:
        options->rounds = true;
        return true;
    case OPTION_BINARY:
        options->binary = true;
        return true;
    case OPTION_DEFLATE:
        options->deflate = true;
        return true;
    case OPTION_JSON:
        options->json = true;
        return true;
    case OPTION_SOCKETIO:
        options->socketio = true;
        return true;
    case OPTION_EVENT:
        options->event = value;
        return value[0] != '\0' && strpbrk(value, "\"\\") == NULL;
    case OPTION_SIZE:
        return read_count(value, 8, 64 << 20, &options->size);
    case OPTION_WARMUP:
        return read_seconds(value, &options->warmup);
    case OPTION_SECONDS:
        return read_seconds(value, &options->seconds);
    case OPTION_COUNT:
        return read_number(value, 1, UINT32_MAX, &options->count);
    case OPTION_INTERVAL:
        return read_seconds(value, &options->interval) && options->interval > 0;
    case OPTION_RATE:
        return read_seconds(value, &options->rate);
    case OPTION_SENDERS:
        return read_count(value, 1, 256, &options->senders);
    case OPTION_BURST:
        return read_count(value, 1, 65536, &options->burst);
    case OPTION_HOLD:
        return read_seconds(value, &options->hold);
    case OPTION_PID:
        return process_list_parse(value, &options->pids);
    case OPTION_MASTER:
        if (!read_number(value, 1, INT32_MAX, &number))
            return false;
        options->master = (pid_t)number;
        return true;
    case OPTION_KILL:
        options->kill = true;
        return true;
    case OPTION_STOP:
        options->stop = true;
        return true;
    case OPTION_PAUSE:
        options->pause = true;
        return true;
    default:
        return false;
    }
}

/* What only shows when all options are known. */
static const char *check(const load_options *options)
{
    if (!options->scenario)
        return "name a scenario";
    if (options->address.sin_port == 0)
        return "--address is missing";
    if (options->senders > options->connections)
        return "--senders is more than --connections";
    if (options->burst > 1 && options->senders > 1)
        return "--burst goes with one sender";
    if (options->socketio && (options->deflate || options->json || strcmp(options->scenario, "large") == 0 ||
                              strcmp(options->scenario, "spread") == 0))
        return "--socketio does not go with large, spread, --deflate, --json";
    return NULL;
}

bool options_read(load_options *options, int argc, char **argv)
{
    int id, index = 0;

    *options = (struct load_options){
        .path = "/echo",
        .event = "message",
        .connections = 100,
        .pace = 64,
        .outstanding = 1,
        .size = 64,
        .warmup = 1,
        .seconds = 5,
        .interval = 5,
        .hold = 2,
        .senders = 1,
        .burst = 1,
        .count = UINT64_MAX,
    };
    while ((id = getopt_long(argc, argv, "h", OPTIONS, &index)) != -1) {
        if (id == OPTION_HELP || id == 'h') {
            fputs(HELP, stdout);
            exit(0);
        }
        if (id == '?') {
            fputs("load: see load --help\n", stderr);
            return false;
        }
        if (!read_option(options, id, optarg)) {
            fprintf(stderr, "load: --%s does not take `%s`; see load --help\n", OPTIONS[index].name, optarg);
            return false;
        }
    }
    if (optind == argc - 1)
        options->scenario = argv[optind];
    const char *complaint = check(options);
    if (complaint) {
        fprintf(stderr, "load: %s; see load --help\n", complaint);
        return false;
    }
    return true;
}
