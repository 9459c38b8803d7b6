/* SPDX-License-Identifier: Apache-2.0 */
#include "config/options.h"
#include "config/checks.h"

#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define DAY 86400.0

enum { ORIGINS_MAX = 64 };

static const char group_server[] = "What runs, and where";
static const char group_supervision[] = "Supervision of workers";
static const char group_http[] = "Connections and HTTP";
static const char group_websocket[] = "WebSocket";
static const char group_queue[] = "Output queue of one client";
static const char group_memory[] = "Memory";

const option options[] = {
    {
        .group = group_server,
        .name = "app",
        .kind = OPTION_STRING,
        .offset = offsetof(config, app),
        .changed_by_hup = true,
        .value_name = "FILE",
        .form = "the path of a shared object or a C file",
        .help =
            "The application: a shared object (chat.so), or a C file (chat.c) that is compiled on the spot. "
            "On the command line it is the one argument that is no option. A relative path is meant from "
            "the working directory.",
    },
    {
        .group = group_server,
        .name = "workers",
        .flag = 'w',
        .kind = OPTION_WORKERS,
        .offset = offsetof(config, workers),
        .initial = "auto",
        .minimum = 1,
        .maximum = CONFIG_WORKERS_MAX,
        .changed_by_hup = true,
        .value_name = "N|auto",
        .help = "Number of worker processes. auto: one for each CPU that the process may use.",
    },
    {
        .group = group_server,
        .name = "bind",
        .flag = 'b',
        .kind = OPTION_LIST,
        .offset = offsetof(config, bind),
        .initial = "127.0.0.1:8000",
        .maximum = CONFIG_BINDS_MAX,
        .value_name = "ADDRESS",
        .form = "HOST:PORT, :PORT, [V6]:PORT or unix:PATH",
        .check = check_bind,
        .help = "Where to listen: HOST:PORT, :PORT (every address), [V6]:PORT or unix:PATH. May be given "
                "several times, or as a list with commas. Port 0 takes a free one.",
    },
    {
        .group = group_server,
        .name = "backlog",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, backlog),
        .initial = "2048",
        .minimum = 1,
        .maximum = 65535,
        .value_name = "N",
        .help = "Connections that may wait to be accepted, for each address. The kernel's net.core.somaxconn "
                "caps it.",
    },
    {
        .group = group_server,
        .name = "log-level",
        .kind = OPTION_LEVEL,
        .offset = offsetof(config, log_level),
        .initial = "info",
        .changed_by_hup = true,
        .value_name = "LEVEL",
        .help = "The least important lines to log: debug, info, warning, error or critical.",
    },
    {
        .group = group_supervision,
        .name = "timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, timeout),
        .initial = "30",
        .minimum = 0,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "A worker whose hub has not turned for so long is killed and replaced. 0: never.",
    },
    {
        .group = group_supervision,
        .name = "boot-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, boot_timeout),
        .initial = "30",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help =
            "A new worker that is not ready to serve after so long is killed; its application's setup and "
            "start hooks must fit into it.",
    },
    {
        .group = group_supervision,
        .name = "graceful-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, graceful_timeout),
        .initial = "30",
        .minimum = 0,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "From SIGTERM to the end of a worker: requests in progress finish and WebSocket clients are "
                "closed spread over this time. 0: at once.",
    },
    {
        .group = group_http,
        .name = "worker-connections",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, worker_connections),
        .initial = "65535",
        .minimum = 1,
        .maximum = 1000000,
        .changed_by_hup = true,
        .value_name = "N",
        .help = "A worker stops accepting at so many connections. The default is high because an idle client "
                "costs little memory; the limit on open files (ulimit -n) must be above it to matter.",
    },
    {
        .group = group_http,
        .name = "keep-alive",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, keep_alive),
        .initial = "75",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "An HTTP connection without a request is closed after so long. The default is above the 60 "
                "seconds for which common proxies keep theirs, so that the proxy closes first and no request "
                "meets a closing connection.",
    },
    {
        .group = group_http,
        .name = "header-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, header_timeout),
        .initial = "10",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "From a request's first byte to the end of its headers; answered with 408.",
    },
    {
        .group = group_http,
        .name = "body-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, body_timeout),
        .initial = "30",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "Between two pieces of a request's body; answered with 408.",
    },
    {
        .group = group_http,
        .name = "limit-request-line",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, limit_request_line),
        .initial = "8190",
        .minimum = 256,
        .maximum = MIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help = "Bytes of a request line; a longer one is answered with 414.",
    },
    {
        .group = group_http,
        .name = "limit-request-fields",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, limit_request_fields),
        .initial = "100",
        .minimum = 1,
        .maximum = 10000,
        .changed_by_hup = true,
        .value_name = "N",
        .help = "Header lines of a request; more are answered with 431.",
    },
    {
        .group = group_http,
        .name = "limit-request-head",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, limit_request_head),
        .initial = "32K",
        .minimum = 256,
        .maximum = 16 * MIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help = "Bytes of request line and headers together, at least limit-request-line; more are answered "
                "with 431.",
    },
    {
        .group = group_http,
        .name = "max-body",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, max_body),
        .initial = "1M",
        .minimum = 0,
        .maximum = GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help = "Bytes of a request's body, which is held in memory; a larger one is answered with 413.",
    },
    {
        .group = group_http,
        .name = "static-cache",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, static_cache),
        .initial = "0",
        .minimum = 0,
        .maximum = 31536000,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "For so long clients and caches may use a static file without asking whether it has changed "
                "(Cache-Control: max-age). 0: they ask each time (no-cache), which costs a 304 when it has "
                "not.",
    },
    {
        .group = group_websocket,
        .name = "ws-origins",
        .kind = OPTION_WORDS,
        .offset = offsetof(config, ws_origins),
        .initial = "same",
        .maximum = ORIGINS_MAX,
        .changed_by_hup = true,
        .value_name = "ORIGINS",
        .form = "\"same\", \"*\", or origins such as https://a.example, https://b.example:8443",
        .check = check_origins,
        .help =
            "Which web pages may open a WebSocket, by the Origin header that browsers send: \"same\" (pages "
            "of the host and port in the Host header), origins in lower case as browsers send them, or "
            "several of these as a list; or \"*\" (pages of any site, which then act with their visitor's "
            "cookies). Clients without an Origin header are no browsers and always allowed.",
    },
    {
        .group = group_websocket,
        .name = "max-message",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, max_message),
        .initial = "1M",
        .minimum = 1,
        .maximum = GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help =
            "Bytes of one whole message; a larger one closes its client with 1009. What is broadcast must "
            "also fit into a quarter of log-size.",
    },
    {
        .group = group_websocket,
        .name = "ws-ping-interval",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, ws_ping_interval),
        .initial = "25",
        .minimum = 0,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "A client that was silent for so long gets a ping. 0: never, and silent clients stay.",
    },
    {
        .group = group_websocket,
        .name = "ws-ping-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, ws_ping_timeout),
        .initial = "20",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "A client that stays silent for so long after a ping is closed.",
    },
    {
        .group = group_websocket,
        .name = "ws-close-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, ws_close_timeout),
        .initial = "5",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "From the server's close frame to the end of the connection, answered or not.",
    },
    {
        .group = group_websocket,
        .name = "ws-deflate",
        .kind = OPTION_STRING,
        .offset = offsetof(config, ws_deflate),
        .initial = "on",
        .changed_by_hup = true,
        .value_name = "MODE",
        .form = "off, on or takeover",
        .check = check_deflate,
        .help =
            "Compression of messages (permessage-deflate) with clients that offer it, as browsers do. on: "
            "each message for itself, so that a client needs no memory for it and a broadcast is "
            "compressed once for all. takeover: messages refer to those before them, which makes similar "
            "ones much smaller, but each client that uses it costs up to 210K of memory and its own "
            "compression of every broadcast. off: never; so where secrets and what an attacker "
            "chooses may meet in one message (with takeover: on one connection), as its length can then "
            "tell about the secret.",
    },
    {
        .group = group_websocket,
        .name = "ws-deflate-threshold",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, ws_deflate_threshold),
        .initial = "1000",
        .minimum = 0,
        .maximum = GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help = "Shorter messages are sent as they are. Below about 1000 bytes a message fills one packet "
                "either way, and compressing it costs the server about as much as sending it. A message that "
                "does not get smaller is sent as it is, too.",
    },
    {
        .group = group_queue,
        .name = "queue-soft",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, queue_soft),
        .initial = "1M",
        .minimum = KIB,
        .maximum = 4 * GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help =
            "Bytes that may wait for a slow client for any time. Above it for longer than queue-time, the "
            "route's policy applies.",
    },
    {
        .group = group_queue,
        .name = "queue-hard",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, queue_hard),
        .initial = "16M",
        .minimum = KIB,
        .maximum = 4 * GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help =
            "Bytes that may wait for a slow client at all: above it the route's policy applies at once. At "
            "least queue-soft, and more than max-message, so that the largest message has room.",
    },
    {
        .group = group_queue,
        .name = "queue-time",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, queue_time),
        .initial = "10",
        .minimum = 0,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "How long a client's queue may stay above queue-soft. 0: not at all.",
    },
    {
        .group = group_memory,
        .name = "stack-size",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, stack_size),
        .initial = "256K",
        .minimum = 64 * KIB,
        .maximum = 64 * MIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help = "Address space of a greenlet's stack. Memory is used only for the pages that are touched.",
    },
    {
        .group = group_memory,
        .name = "max-greenlets",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, max_greenlets),
        .initial = "100000",
        .minimum = 16,
        .maximum = 10000000,
        .changed_by_hup = true,
        .value_name = "N",
        .help =
            "Greenlets that may live at once in one worker: running handlers, receive loops and those that "
            "the application starts.",
    },
    {
        .group = group_memory,
        .name = "log-size",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, log_size),
        .initial = "64M",
        .minimum = MIB,
        .maximum = 4 * GIB,
        .power_of_two = true,
        .value_name = "SIZE",
        .help =
            "Shared memory of the host log, through which broadcasts reach all workers; a power of two. A "
            "worker that falls behind by so many bytes misses broadcasts. One broadcast may use a quarter "
            "of it.",
    },
};

const size_t option_count = sizeof options / sizeof options[0];

const command commands[] = {
    {
        .name = "config",
        .flag = 'c',
        .value_name = "FILE",
        .action = CONFIG_RUN,
        .help =
            "Read options from a file: INI (.ini, .conf, .cfg) or YAML (.yaml, .yml). Keys are the names of "
            "the long options.",
    },
    {
        .name = "help",
        .flag = 'h',
        .action = CONFIG_HELP,
        .help = "Print this text.",
    },
    {
        .name = "version",
        .flag = 'V',
        .action = CONFIG_VERSION,
        .help = "Print the version.",
    },
    {
        .name = "print-config",
        .action = CONFIG_PRINT,
        .help = "Print the configuration as YAML that -c reads, with where each value came from.",
    },
    {
        .name = "check-config",
        .action = CONFIG_CHECK,
        .help = "Check the configuration and start nothing.",
    },
    {
        .name = "print-reference",
        .action = CONFIG_REFERENCE,
    },
};

const size_t command_count = sizeof commands / sizeof commands[0];
