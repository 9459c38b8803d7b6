/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hubbub.h: the application interface of the hubbub server.
 *
 * An application is one shared object (or one C file that hubbub compiles on the spot). Every worker process
 * loads it, calls its setup function once, and from then on calls the handlers that setup registered.
 *
 * A worker is one thread. Handlers run in greenlets: they are written in plain blocking style, and each call
 * here that is said to *park* lets the other greenlets of the worker run meanwhile. A call that is not said
 * to park never does. Between two parking calls a handler is alone, so an application needs no locks.
 *
 * Unless a function says otherwise it is called from a greenlet or from setup, never from another thread.
 *
 * Memory: what a function is given is read before it returns and stays the caller's. What a function lends
 * (a message, a header's value, a room's name) is valid until the moment that its comment names.
 *
 * Text is length-counted (hub_bytes), because what arrives from a network may hold a NUL. Where a parameter
 * is a `const char *`, it is text that the application itself wrote: a path, a room's name, a format.
 *
 * Time is in seconds, as double. HUB_FOREVER means no limit; 0 means do not wait.
 */
#ifndef HUBBUB_H
#define HUBBUB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Both the server and applications may be built with -fvisibility=hidden. */
#pragma GCC visibility push(default)

#define HUB_VERSION "0.1.0"

/* Changes whenever a compiled application would misread this header. hubbub refuses a module of another
 * number. */
#define HUB_ABI 2

#define HUB_FOREVER (-1.0)

/* ---- Status ----
 *
 * Functions that can fail return one of these. A handler returns one too: HUB_OK and HUB_ECLOSED are normal
 * ends, any other is logged with the handler's name.
 */
#define HUB_STATUS_MAP(X)                                                                                    \
    X(OK, "success")                                                                                         \
    X(ECLOSED, "the connection, queue or client is closed")                                                  \
    X(ETIMEDOUT, "the time given to a wait is over")                                                         \
    X(ECANCELED, "the greenlet was killed while it waited")                                                  \
    X(EINVAL, "an argument is not allowed")                                                                  \
    X(ENOMEM, "memory could not be had")                                                                     \
    X(EFULL, "a queue or table is at its limit")                                                             \
    X(ETOOBIG, "a message or name is larger than its limit")                                                 \
    X(ENOENT, "there is no such thing")                                                                      \
    X(EEXIST, "it exists already")                                                                           \
    X(EAGAIN, "it cannot be done now, later it may")                                                         \
    X(ESTATE, "not allowed in this state or from this context")                                              \
    X(EPROTO, "the peer broke the protocol")                                                                 \
    X(ESYSTEM, "a system call failed; errno tells which way")                                                \
    X(EFAIL, "the application says that it failed")

typedef enum hub_status {
#define HUB_STATUS_ENUM(name, text) HUB_##name,
    HUB_STATUS_MAP(HUB_STATUS_ENUM)
#undef HUB_STATUS_ENUM
} hub_status;

/* The name without its prefix ("ECLOSED"), and the text of the map above. Never NULL, also for a foreign
 * number. */
const char *hub_status_name(hub_status status);
const char *hub_status_text(hub_status status);

/* ---- Bytes, identifiers ---- */

typedef struct hub_bytes {
    const void *data; /* may be NULL when length is 0 */
    size_t length;
} hub_bytes;

static inline hub_bytes hub_bytes_of(const void *data, size_t length)
{
    hub_bytes bytes = {data, length};
    return bytes;
}

/* The bytes of a C string, without its NUL. NULL gives the empty bytes. */
static inline hub_bytes hub_text(const char *text)
{
    return hub_bytes_of(text, text ? strlen(text) : 0);
}

static inline bool hub_equal(hub_bytes a, hub_bytes b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/*
 * Names one client of this host, in any of its workers. May be kept, copied, put into a table, sent to
 * another worker: once its client is gone it names nobody for ever. 0 is never a client.
 */
typedef uint64_t hub_id;

/* Names one greenlet of this worker. The same rule: it may be kept, and 0 is never one. */
typedef uint64_t hub_greenlet;

/* ---- The application ---- */

typedef struct hub_app hub_app;

typedef struct hub_module {
    uint32_t abi;                      /* HUB_ABI; HUB_MODULE fills it in */
    uint32_t module_size;              /* sizeof(hub_module); HUB_MODULE fills it in */
    const char *name;                  /* appears in log lines */
    hub_status (*setup)(hub_app *app); /* registers routes; called once in each worker, before it serves */
    size_t session_size;      /* bytes of session data that each WebSocket client gets, zeroed; 0 for none */
    uint32_t session_version; /* raise it when the layout of the session data changes */
} hub_module;

/*
 * Declares the application of a shared object; exactly one in each. Takes designated initialisers:
 *     HUB_MODULE(.name = "chat", .setup = setup);
 */
#define HUB_MODULE(...)                                                                                      \
    __attribute__((visibility("default")))                                                                   \
    const hub_module hub_module_declared = {.abi = HUB_ABI, .module_size = sizeof(hub_module), __VA_ARGS__}

/*
 * A hook that runs in a greenlet of each worker: `on_start` before the worker serves (a status other than
 * HUB_OK fails the worker's boot), `on_stop` after its last client is gone or its graceful time is over. A
 * hook may park. Several are called in the order of registration. Errors: HUB_ESTATE outside setup,
 * HUB_ENOMEM.
 */
typedef hub_status (*hub_hook)(void *arg);
hub_status hub_on_start(hub_app *app, hub_hook hook, void *arg);
hub_status hub_on_stop(hub_app *app, hub_hook hook, void *arg);

/* Who runs this: numbers for log lines and "which worker am I on" pages. */
typedef struct hub_worker_info {
    unsigned slot;       /* 0 … workers-1: the place that this worker fills */
    unsigned generation; /* how many workers filled this slot before, plus 1 */
    unsigned workers;    /* number of workers when this one began */
    unsigned release;    /* number of the configuration and application that it runs: 1 at the server's start,
                            and one more with each reload */
} hub_worker_info;
hub_worker_info hub_worker(void);

/* ---- Log ---- */

typedef enum hub_level { HUB_DEBUG, HUB_INFO, HUB_WARNING, HUB_ERROR, HUB_CRITICAL } hub_level;

/* Writes one line to the server's log, cut at 2,000 bytes; control characters are escaped. Any thread. */
void hub_log(hub_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void hub_logv(hub_level level, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

/* ---- HTTP ---- */

typedef struct hub_http hub_http; /* one request and its answer; lives as long as its handler runs */

/*
 * Answers one request. Runs in a greenlet of its own and may park. It should call one of the reply functions
 * once; returning without one answers 500 (HUB_OK included: a forgotten reply is a defect worth seeing).
 */
typedef hub_status (*hub_http_handler)(hub_http *http, void *arg);

/*
 * Whether a route's answers are compressed with gzip for clients that accept it. Only ON where they hold no
 * secret, or nothing that somebody else chose: from the length of what is compressed together one can tell
 * about the other (BREACH). docs/api.md has the rules.
 */
typedef enum hub_compress {
    HUB_COMPRESS_AS_CONFIGURED, /* --http-compress, which is off by default */
    HUB_COMPRESS_ON,
    HUB_COMPRESS_OFF
} hub_compress;

/*
 * Routes METHOD and PATTERN to a handler. Method "*" takes all; a GET route answers HEAD too, without a body.
 * A pattern is a path of segments: `/users/:id` takes any one segment as parameter `id`; a last segment `*`
 * takes the rest of the path, also an empty one, as parameter `*`. Literal segments win over parameters,
 * parameters over `*`. The path is matched after percent-decoding each segment, so an encoded slash stays
 * inside its segment. Errors: HUB_ESTATE outside setup, HUB_EINVAL (pattern without a leading slash, `*` not
 * last, empty parameter name), HUB_EEXIST (same method and pattern registered before), HUB_ENOMEM.
 */
hub_status hub_on_http(hub_app *app, const char *method, const char *pattern, hub_http_handler handler,
                       void *arg);

/*
 * The same with everything that a route can have; a field left 0 or NULL takes the default in its comment.
 * A body above max_body is answered 413: before any of it is read when Content-Length says so.
 */
typedef struct hub_http_route {
    const char *method, *pattern;
    hub_http_handler handler;
    void *arg;
    bool stream_body;      /* the handler starts as soon as the head is there, and reads with hub_http_read */
    uint64_t max_body;     /* bytes; --max-body */
    hub_compress compress; /* --http-compress */
} hub_http_route;
hub_status hub_on_http_route(hub_app *app, const hub_http_route *route);

/*
 * Serves the files of a directory below the path prefix: GET and HEAD, content type by extension, index.html
 * for a directory, conditional requests, ranges, and FILE.br or FILE.gz for FILE where the client accepts it.
 * Nothing outside the directory is ever opened, by dots or by links.
 * A relative directory is meant from the application's own folder, else from the working directory.
 * Errors: HUB_ESTATE outside setup, HUB_EINVAL (prefix without a leading slash), HUB_ENOENT (no such
 * directory), HUB_ENOMEM.
 */
hub_status hub_static(hub_app *app, const char *prefix, const char *directory);

/* Parts of the request. All are lent until the handler returns. A missing part has data NULL and length 0. */
hub_bytes hub_http_method(const hub_http *http);
hub_bytes hub_http_path(const hub_http *http);                     /* as sent, without the query */
hub_bytes hub_http_param(const hub_http *http, const char *name);  /* of the pattern, decoded */
hub_bytes hub_http_query(const hub_http *http, const char *name);  /* first of that name, decoded */
hub_bytes hub_http_header(const hub_http *http, const char *name); /* any case; the first line of that name */
hub_bytes hub_http_body(const hub_http *http); /* whole; empty on a route with stream_body */

/*
 * Who the client is: "192.0.2.7:51000", "[2001:db8::1]:51000" or "unix:". Behind a proxy that the options
 * proxy-protocol and forwarded-allow-ips name, who the proxy says, without a port where it says none
 * ("192.0.2.7"). And how the client speaks to the outermost server: "http" or "https".
 */
hub_bytes hub_http_peer(const hub_http *http);
hub_bytes hub_http_scheme(const hub_http *http);

/*
 * Header lines in the order they came: sets *name and *value and returns true, or returns false when `index`
 * is past the last one. Names come as sent.
 */
bool hub_http_header_at(const hub_http *http, size_t index, hub_bytes *name, hub_bytes *value);

/*
 * Adds a header line to the answer. Content-Length, Transfer-Encoding, Connection and Date belong to the
 * server, Content-Type to the reply. When a handler fails without a reply, what it set is dropped with it.
 * Errors: HUB_EINVAL (a name that is no token or one of these, CR, LF or NUL in the value), HUB_ESTATE
 * (answered already), HUB_ENOMEM.
 */
hub_status hub_http_set(hub_http *http, const char *name, hub_bytes value);

/*
 * Answers the request: status 200 … 599, a content type (NULL for none) and the whole body, which is copied.
 * Does not park: bytes that the client does not take yet wait in the connection's queue.
 * Errors: HUB_ESTATE (answered already), HUB_EINVAL (status out of range, or a content type with control
 * characters), HUB_ENOMEM, HUB_ECLOSED (the client is gone; nothing is to be done).
 */
hub_status hub_http_reply(hub_http *http, int status, const char *content_type, hub_bytes body);

/* The same with a body made as printf makes it. */
hub_status hub_http_replyf(hub_http *http, int status, const char *content_type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * Lends the next piece of the body, as it came, until the next call or the handler's return; parks while none
 * is there. HUB_OK with length 0 is the end of the body, and is answered again after it. Only on a route with
 * stream_body. A client that sends faster than the handler reads is paused: at most 64 KB wait in memory,
 * besides what came in one read with the head. A client that asked for it (Expect: 100-continue) is told to
 * send its body by the first call; when the handler answers without one, the connection ends with the answer.
 * What the handler leaves unread is read and dropped when it is short; else the connection ends.
 * Errors, the same at each later call but for the first two: HUB_ETIMEDOUT, HUB_ECANCELED; HUB_ECLOSED (the
 * client is gone, or ended before its body did, or sent nothing for --body-timeout), HUB_ETOOBIG (the body is
 * above max_body), HUB_EPROTO (a malformed chunk); HUB_ESTATE (not such a route, or another greenlet waits
 * here). After these a handler just returns: a request without an answer is answered by 408, 413 or 400, and
 * the connection ends.
 */
hub_status hub_http_read(hub_http *http, hub_bytes *piece, double timeout);

/*
 * Begins an answer whose body follows by hub_http_write: its length, or -1 when it is not known. The answer
 * ends when the handler returns HUB_OK. When it returns anything else, or wrote less than the length, the
 * connection is cut off, so that the client sees that the answer is not whole. Does not park. A body of
 * unknown length, or one that is compressed, is chunked; for a client of HTTP/1.0 it ends with the
 * connection. Errors: as hub_http_reply.
 */
hub_status hub_http_start(hub_http *http, int status, const char *content_type, int64_t length);

/*
 * Queues a piece of the body, copied; what is written in one turn of the hub leaves in one write. Parks while
 * more than --queue-soft waits for the client, until half of that is gone; a client that takes nothing for 30
 * seconds is cut off. An answer that is compressed parks for a turn every 64 KB too; the client can read each
 * piece at once. An empty piece writes nothing. For HEAD, 204 and 304 pieces are counted and dropped.
 * Errors: HUB_ESTATE (not begun by hub_http_start), HUB_ECLOSED (the client is gone), HUB_ETOOBIG (more than
 * the length: nothing of the piece is sent), HUB_ECANCELED (part of the piece may have been sent), HUB_ENOMEM
 * (the client is cut off).
 */
hub_status hub_http_write(hub_http *http, hub_bytes piece);

/* ---- Server-Sent Events ----
 *
 * An answer of events, for EventSource in browsers (WHATWG HTML, section 9.2). A client that comes again
 * names the last id it saw: hub_http_header(http, "Last-Event-ID").
 */
typedef struct hub_sse_event {
    hub_bytes event; /* its name; data NULL: "message" */
    hub_bytes id;    /* data NULL: none, the client's last id stays; empty: it forgets it */
    hub_bytes data;  /* UTF-8, lines end with LF, CR or CR LF; data NULL: no event, only id and retry count */
    unsigned retry;  /* milliseconds until the client comes again when the connection is lost; 0: as it was */
} hub_sse_event;

/*
 * Begins an answer of events: 200, text/event-stream, neither cached nor collected by proxies. As
 * hub_http_start with length -1. The handler then sends until it returns, or a send answers HUB_ECLOSED: a
 * client that is gone shows only so, so an idle stream sends a comment now and then.
 */
hub_status hub_sse_start(hub_http *http);

/* Sends one event, or a comment, which clients pass over. Parks and fails as hub_http_write; HUB_EINVAL (CR,
 * LF or NUL in a name or id, CR or LF in a comment). */
hub_status hub_sse_send(hub_http *http, const hub_sse_event *event);
hub_status hub_sse_comment(hub_http *http, const char *text);

/* ---- WebSocket ---- */

typedef struct hub_ws
    hub_ws; /* the client that a handler was called for; lives as long as the handler runs */

typedef enum hub_type { HUB_TEXT = 1, HUB_BINARY = 2 } hub_type; /* the opcodes of RFC 6455, section 5.2 */

typedef struct hub_message {
    hub_type type;
    hub_bytes body; /* text is valid UTF-8 */
} hub_message;

/*
 * A receive loop: runs in a greenlet that the client keeps until the handler returns, which closes the
 * connection with 1000 (1011 when the status is neither HUB_OK nor HUB_ECLOSED). A client parked in one costs
 * a stack, about one page; event handlers cost nothing while idle.
 */
typedef hub_status (*hub_ws_handler)(hub_ws *ws, void *arg);

/* Event handlers. Each runs in a pooled greenlet while it runs; those of one client never overlap and keep
 * order. */
typedef hub_status (*hub_ws_open_handler)(hub_ws *ws, void *arg);
typedef hub_status (*hub_ws_message_handler)(hub_ws *ws, const hub_message *message, void *arg);
typedef void (*hub_ws_close_handler)(hub_ws *ws, uint16_t code, hub_bytes reason, void *arg);

/* What happens to a client whose output queue is over its limits. */
typedef enum hub_policy {
    HUB_POLICY_CLOSE, /* closed with 1013 (try again later) */
    HUB_POLICY_SKIP,  /* the newest message is dropped for this client and counted */
    HUB_POLICY_BLOCK, /* a direct send parks its sender; for broadcasts the same as HUB_POLICY_CLOSE */
} hub_policy;

/*
 * A WebSocket route. Either `handler` or some of the `on_` functions; path as in hub_on_http. A field left 0
 * or NULL takes the configured value of the option in its comment.
 */
typedef struct hub_ws_route {
    const char *path;
    hub_ws_handler handler;      /* a receive loop … */
    hub_ws_open_handler on_open; /* … or events: a status other than HUB_OK closes with 1011 */
    hub_ws_message_handler on_message;
    hub_ws_close_handler
        on_close; /* once for every client that was opened, unless its worker is killed or ended at once */
    void *arg;
    const char *subprotocols; /* offered ones that the route takes, "a, b", best first; NULL chooses none */
    const char *origins;      /* --ws-origins: "same", "*", or "https://a.example, https://b.example" */
    size_t max_message;       /* --max-message: bytes of one whole message; above it 1009 */
    hub_policy policy;
    size_t queue_soft, queue_hard; /* --queue-soft, --queue-hard: bytes waiting for one client */
    double queue_time;             /* --queue-time: how long it may stay over the soft limit */
} hub_ws_route;

/* Errors of both: as hub_on_http; HUB_EINVAL also when a route has both a loop and events, or neither. */
hub_status hub_on_ws(hub_app *app, const char *path, hub_ws_handler handler, void *arg);
hub_status hub_on_ws_route(hub_app *app, const hub_ws_route *route);

/*
 * Waits for the client's next message and lends it until the next call of hub_ws_recv or the handler's end.
 * Only in a receive loop. Parks.
 * Errors: HUB_ECLOSED (the client closed or is gone, or the server drains: the normal end), HUB_ETIMEDOUT,
 * HUB_ECANCELED, HUB_ESTATE (called in an event handler or by another greenlet).
 */
hub_status hub_ws_recv(hub_ws *ws, hub_message *message, double timeout);

/*
 * Queues a message for this client; everything queued in one turn of the hub leaves in one write. Text is
 * sent as it is: that it be UTF-8 is the caller's part. Parks only under HUB_POLICY_BLOCK. Errors:
 * HUB_EINVAL (a type that is neither), HUB_ECLOSED, HUB_EFULL (over its limits: dropped or closed, by
 * policy), HUB_ENOMEM, HUB_ECANCELED (killed while parked).
 */
hub_status hub_ws_send(hub_ws *ws, hub_type type, hub_bytes body);

/*
 * Starts the closing handshake (RFC 6455, section 7.1.2) with a code and at most 123 bytes of reason. What
 * was queued before still goes out. Does not wait for the peer's answer. Errors: HUB_EINVAL (a code outside
 * 1000-1003, 1007-1014 and 3000-4999, or a reason that is too long), HUB_ECLOSED (closing
 * or closed already).
 */
hub_status hub_ws_close(hub_ws *ws, uint16_t code, const char *reason);

hub_id hub_ws_id(const hub_ws *ws);
void *hub_ws_session(
    const hub_ws *ws); /* this client's session data, also when it is gone; NULL when session_size is 0 */
hub_bytes hub_ws_param(const hub_ws *ws,
                       const char *name); /* of the route's path; lent until the handler parks or returns */
hub_bytes hub_ws_subprotocol(const hub_ws *ws); /* the one chosen, or empty */

/* ---- Rooms and sending to many ----
 *
 * A room is a name, up to 255 bytes. It exists while somebody is in it, on any worker. A client leaves its
 * rooms when it closes. One client sees direct sends and broadcasts in the order in which they were made
 * here.
 */

/*
 * Joins or leaves. After hub_join returns, every message published to the room from then on, on any worker,
 * reaches the client. Joining twice, or leaving a room one is not in, changes nothing and succeeds. Neither
 * parks. Errors: HUB_ECLOSED, HUB_ETOOBIG (name), HUB_EINVAL (empty name), HUB_EFULL (65535 rooms),
 * HUB_ENOMEM.
 */
hub_status hub_join(hub_ws *ws, const char *room);
hub_status hub_leave(hub_ws *ws, const char *room);
hub_status hub_join_bytes(hub_ws *ws, hub_bytes room);
hub_status hub_leave_bytes(hub_ws *ws, hub_bytes room);

/* Members of a room in this worker. */
size_t hub_room_size(hub_bytes room);

/*
 * Whom a message is for. Made by the functions below; a value, not an object. What it points to must stay
 * until the call that takes it has returned.
 */
typedef struct hub_to {
    hub_bytes room;                /* length 0: everybody, or `client`, or `rooms` */
    hub_id client;                 /* 0: not a single client */
    hub_id except;                 /* 0: nobody is left out */
    const char *name_space;        /* of Socket.IO; NULL: "/" for hub_emit and its like. Not for hub_send */
    const hub_bytes *rooms;        /* more rooms: who is in several is reached once */
    size_t room_count;             /* at most 64, `room` included */
    const hub_bytes *except_rooms; /* who is in one of them is left out */
    size_t except_count;           /* at most 64 */
    bool is_volatile;              /* dropped for a client that cannot take it at once */
    bool local;                    /* clients of this worker alone */
} hub_to;

static inline hub_to hub_to_everyone(void)
{
    hub_to to = {.room = {NULL, 0}};
    return to;
}

static inline hub_to hub_to_room_bytes(hub_bytes room)
{
    hub_to to = {.room = room};
    return to;
}

static inline hub_to hub_to_room(const char *room)
{
    return hub_to_room_bytes(hub_text(room));
}

static inline hub_to hub_to_rooms(const hub_bytes *rooms, size_t count)
{
    hub_to to = {.rooms = rooms, .room_count = count};
    return to;
}

static inline hub_to hub_to_client(hub_id client)
{
    hub_to to = {.client = client};
    return to;
}

/* The same without one client, as a rule the sender: hub_except(hub_to_room("lobby"), hub_ws_id(ws)). */
static inline hub_to hub_except(hub_to to, hub_id client)
{
    to.except = client;
    return to;
}

/* The same without the members of some rooms. */
static inline hub_to hub_except_rooms(hub_to to, const hub_bytes *rooms, size_t count)
{
    to.except_rooms = rooms;
    to.except_count = count;
    return to;
}

/* The same in a namespace of Socket.IO: hub_in(hub_to_room("lobby"), "/chat"). */
static inline hub_to hub_in(hub_to to, const char *name_space)
{
    to.name_space = name_space;
    return to;
}

static inline hub_to hub_volatile(hub_to to)
{
    to.is_volatile = true;
    return to;
}

static inline hub_to hub_local_only(hub_to to)
{
    to.local = true;
    return to;
}

/*
 * Publishes a message: on success every worker of this host that lives and keeps up hands it to its clients
 * exactly once, and all see one order. What a slow client's queue then does with it, its route's policy says.
 * Parks only while the host's log is full, at most 0.1 s (then the worker that held it up is cut off, not the
 * caller), or while another worker's message in front of it is unfinished, as a rule not at all. Errors:
 * HUB_EINVAL (a type that is neither), HUB_ETOOBIG (a body above a quarter of the log, or a room's name above
 * 255 bytes), HUB_EFULL (the log stayed full), HUB_ECANCELED (killed while parked: the message may have been
 * published), HUB_ECLOSED (a single client of this worker that is gone), HUB_ENOMEM.
 */
hub_status hub_send(hub_to to, hub_type type, hub_bytes body);

/* ---- Values ----
 *
 * What Socket.IO clients send and are sent: JSON, in which binary may stand at any depth. A value is the text
 * of one JSON value inside a message that was checked when it came, so reading one never fails: what is not
 * there, or of another kind, is HUB_MISSING or the given fallback. A value made by an application from text
 * of its own (hub_value_of) is checked when it is sent.
 *
 * Values are lent with what they came in, as a rule until the handler returns. They are not a tree: who wants
 * one gives `json` to a JSON library (json_loadb of jansson, say).
 */
typedef struct hub_value {
    hub_bytes json;          /* binary inside it stands as {"_placeholder":true,"num":N} … */
    const hub_bytes *binary; /* … for the N-th of these */
    size_t binary_count;
    bool checked; /* by the server, when it came: leave it false */
} hub_value;

typedef enum hub_kind {
    HUB_MISSING,
    HUB_NULL,
    HUB_BOOL,
    HUB_NUMBER,
    HUB_STRING,
    HUB_ARRAY,
    HUB_OBJECT,
    HUB_BLOB /* binary */
} hub_kind;

/* A value from an application's own JSON text, UTF-8. */
static inline hub_value hub_value_of(hub_bytes json)
{
    hub_value value = {json, NULL, 0, false};
    return value;
}

hub_kind hub_value_kind(hub_value value);

/* Items of an array, members of an object, else 0. Walks over all of it, as the next three do. */
size_t hub_value_count(hub_value value);

/* HUB_MISSING where there is none. Of several members of one name the last counts, as in JavaScript. */
hub_value hub_value_at(hub_value array, size_t index);
hub_value hub_value_get(hub_value object, const char *key);

/* An array without its first `from` items; lent until the handler returns. HUB_MISSING without memory, or
 * outside a greenlet. */
hub_value hub_value_rest(hub_value array, size_t from);

/*
 * The value, or the fallback when it is of another kind. A number is an integer whatever its form, so 1e2 and
 * 100.0 are 100; the fallback for 1.5 and for what 64 bits do not hold. As a double: the fallback for what is
 * larger than any, 1e999.
 */
bool hub_value_bool(hub_value value, bool fallback);
int64_t hub_value_int(hub_value value, int64_t fallback);
double hub_value_double(hub_value value, double fallback);

/* The bytes of a HUB_BLOB; empty, data NULL, when it is none. */
hub_bytes hub_value_blob(hub_value value);

/*
 * A string's text, unescaped, UTF-8; it may hold a NUL, and half of a surrogate pair becomes U+FFFD. Lent
 * until the handler returns. data NULL when it is no string, or without memory, or outside a greenlet when it
 * has escapes.
 */
hub_bytes hub_value_text(hub_value value);

/* Walks an array or an object: `at` begins at 0; *key (a string; HUB_MISSING in arrays) may be NULL. False
 * behind the last, and of any other kind. */
bool hub_value_next(hub_value container, size_t *at, hub_value *key, hub_value *item);

/*
 * Formats, for functions that take `format, ...`: what they send, a list of values, written as JSON is.
 * Blanks and commas are for the reader. Letters, and the arguments that they take:
 *
 * s  const char *, UTF-8; NULL is null
 * t  hub_bytes, UTF-8 text
 * B  hub_bytes, binary
 * i  int
 * I  int64_t
 * u  uint64_t
 * f  double; null when it is not finite
 * b  bool (as int)
 * n  none: null
 * v  hub_value, binary and all; null when it is HUB_MISSING
 * V  hub_value, an array: each of its items; not as the value of a member
 * {} an object: its keys are s (not NULL) or t, with a colon behind each; "_placeholder" is no key
 * [] an array
 *
 * So hub_emit(to, "news", "s{s:i,s:v}", "today", "count", 3, "item", value) sends two arguments. NULL or ""
 * is no value.
 *
 * HUB_EINVAL for a wrong format, text that is not UTF-8, a value that is not JSON, a placeholder without its
 * binary, and nesting above 64; HUB_EFULL for more than 63 pieces of binary. One that is referred to several
 * times is sent once.
 */

/* ---- Socket.IO ----
 *
 * Socket.IO protocol 5 over Engine.IO protocol 4. Registering anything here opens the endpoint /socket.io/,
 * unless hub_on_socketio says where. Which worker a client's requests reach does not matter.
 */

/* A client in one namespace; lives as long as the handler that was called for it. What is kept is its id. */
typedef struct hub_client hub_client;

/*
 * An acknowledgement that a client asked for, or, with `client` 0, did not; a value that may be kept and
 * answered later, once.
 */
typedef struct hub_ack {
    hub_id client;
    uint64_t number;
} hub_ack;

/*
 * Handlers run in pooled greenlets and may park. Those of one client in one namespace never overlap and keep
 * the order in which the events came; its acknowledgements, heartbeats and other namespaces go on meanwhile.
 * `args` is an array. A status other than HUB_OK and HUB_ECLOSED is logged, and, when the client waits for an
 * acknowledgement that was not sent, answered by one: {"error": hub_status_text}.
 */
typedef hub_status (*hub_event_handler)(hub_client *client, hub_value args, hub_ack ack, void *arg);

/*
 * Called when a client asks to join a namespace, before it has: HUB_OK lets it in, and what the handler
 * emitted to it and which rooms it joined takes effect behind the CONNECT packet. Anything else refuses it
 * with CONNECT_ERROR, which hub_refuse words; {"message":"refused"} without it. `auth` is what the client
 * sent, or HUB_MISSING.
 */
typedef hub_status (*hub_connect_handler)(hub_client *client, hub_value auth, void *arg);

/* Called once for each client that was let in, after its last event. `reason` is the protocol's word:
 * "transport close", "client namespace disconnect", "ping timeout" … */
typedef void (*hub_disconnect_handler)(hub_client *client, const char *reason, void *arg);

/*
 * Register for a namespace: "/", "/chat", or a pattern in which `*` stands for any characters, "/shop-*": the
 * first that fits, in the order of registration, but an exact name before all patterns. A namespace exists
 * when something is registered for it. Event "*" takes those without a handler of their own; its args begin
 * with the event's name. An event that nobody takes is dropped, with a line at level debug. Errors:
 * HUB_ESTATE outside setup, HUB_EINVAL (a namespace without a leading slash, one of the reserved event names
 * connect, connect_error, disconnect, disconnecting, newListener, removeListener), HUB_EEXIST, HUB_ENOMEM.
 */
hub_status hub_on(hub_app *app, const char *name_space, const char *event, hub_event_handler handler,
                  void *arg);
hub_status hub_on_connect(hub_app *app, const char *name_space, hub_connect_handler handler, void *arg);
hub_status hub_on_disconnect(hub_app *app, const char *name_space, hub_disconnect_handler handler, void *arg);

/* What an endpoint can have; a field left 0 or NULL takes the configured value of the option in its comment.
 */
typedef struct hub_socketio_endpoint {
    const char *path;         /* "/socket.io/": where it answers, with and without the last slash */
    const char *transports;   /* --sio-transports: "polling, websocket" */
    bool no_upgrades;         /* polling clients stay with polling */
    const char *origins;      /* --sio-origins: "same", "*", or "https://a.example, https://b.example" */
    bool credentials;         /* with cookies, for origins that are named */
    const char *cookie;       /* --sio-cookie: name of a cookie with the session's id; none */
    const char *keep_headers; /* of the opening request, for hub_client_header: "cookie, authorization" */
    double ping_interval, ping_timeout; /* --sio-ping-interval (25), --sio-ping-timeout (20): seconds */
    size_t max_payload; /* --sio-max-payload: bytes of one message or one polling body, 1000000 */
    hub_policy policy;  /* for a client whose queue is over --queue-soft, --queue-hard, --queue-time */
} hub_socketio_endpoint;
hub_status hub_on_socketio(hub_app *app, const hub_socketio_endpoint *endpoint);

/* In a connect handler: words the refusal, and returns HUB_EFAIL for the handler to return. `format` makes
 * `data`, one value; NULL: none. */
hub_status hub_refuse(hub_client *client, const char *message, const char *format, ...);

hub_id hub_client_id(const hub_client *client);
hub_bytes hub_client_sid(const hub_client *client); /* what the client calls socket.id; also the name of a
                                                       room in which it is alone */
const char *hub_client_namespace(const hub_client *client); /* lent as the client is */
const char *hub_client_transport(const hub_client *client); /* "polling" or "websocket", now; "" when gone */
bool hub_client_recovered(const hub_client *client); /* it continues a session after a lost connection */
void *hub_client_session(const hub_client *client);  /* as hub_ws_session: one for each namespace */
hub_bytes hub_client_header(const hub_client *client,
                            const char *name); /* one of the kept headers; until it is gone */
hub_bytes hub_client_query(const hub_client *client, const char *name); /* of the opening request; in connect
                                                                           handlers only */
hub_bytes hub_client_peer(const hub_client *client); /* as hub_http_peer; until it is gone */

/* Rooms of its namespace. As hub_join and hub_leave. hub_client_room gives the index-th room it joined, data
 * NULL behind the last; its own sid is not among them. */
hub_status hub_client_join(hub_client *client, hub_bytes room);
hub_status hub_client_leave(hub_client *client, hub_bytes room);
hub_bytes hub_client_room(const hub_client *client, size_t index);

/* Disconnects the client from its namespace; with `close` also its connection, all namespaces with it. */
hub_status hub_client_disconnect(hub_client *client, bool close);

/* Ends the client's connection, all namespaces with it, without a word of Socket.IO: it takes this for a
 * failure of the network and connects again by itself. */
hub_status hub_client_drop(hub_client *client);

/*
 * Sends an event to whom `to` names, on any worker; the values as Formats says. Order and errors as hub_send;
 * HUB_EINVAL also for a wrong format or a reserved event name. hub_reply is the same for the handler's own
 * client.
 */
hub_status hub_emit(hub_to to, const char *event, const char *format, ...);
hub_status hub_emitv(hub_to to, const char *event, const char *format, va_list values);
hub_status hub_reply(hub_client *client, const char *event, const char *format, ...);

/* Answers an acknowledgement. HUB_OK without sending anything when the client did not ask for one. Errors:
 * HUB_ECLOSED (the client is gone), HUB_ESTATE (answered before, as far as can be told), HUB_EINVAL,
 * HUB_ENOMEM. */
hub_status hub_ack_send(hub_ack ack, const char *format, ...);

/*
 * Emits an event to one client, of any worker, and parks until it acknowledges: *answer is the array of what
 * it sent, lent until the handler returns; may be NULL. Errors: HUB_ETIMEDOUT, HUB_ECLOSED (the client is
 * gone, or went meanwhile), HUB_ECANCELED, HUB_ESTATE (outside a greenlet, and in the connect handler of this
 * client, which cannot answer before it was let in), those of hub_emit.
 */
hub_status hub_call(hub_id client, double timeout, hub_value *answer, const char *event, const char *format,
                    ...);

/*
 * The same for many: *answers is an array of the first value of each acknowledgement, in the order in which
 * they came, from all workers. HUB_OK when all have answered; HUB_ETIMEDOUT when some have not, and *answers
 * is what came.
 */
hub_status hub_call_many(hub_to to, double timeout, hub_value *answers, const char *event, const char *format,
                         ...);

/* Act on all clients that `to` names, on any worker, as hub_client_join, _leave and _disconnect do on one.
 * Errors: those of hub_emit. */
hub_status hub_join_all(hub_to to, hub_bytes room);
hub_status hub_leave_all(hub_to to, hub_bytes room);
hub_status hub_disconnect_all(hub_to to, bool close);

/*
 * Asks all workers who is there: *clients is an array of {"id": sid, "rooms": [...], "handle": hub_id as a
 * string, "slot": n}, *rooms one of {"room": name, "size": n}; lent until the handler returns. HUB_ETIMEDOUT
 * when a worker did not answer in time; what came is there.
 */
hub_status hub_fetch_clients(hub_to to, double timeout, hub_value *clients);
hub_status hub_fetch_rooms(const char *name_space, double timeout, hub_value *rooms);

/* ---- Engine.IO alone ---- */

typedef struct hub_engine hub_engine; /* a client; lives as long as the handler that was called for it */

typedef struct hub_engine_route {
    hub_socketio_endpoint endpoint;                       /* its path must be given */
    hub_status (*on_open)(hub_engine *engine, void *arg); /* a status other than HUB_OK closes it */
    hub_status (*on_message)(hub_engine *engine, const hub_message *message, void *arg);
    void (*on_close)(hub_engine *engine, const char *reason, void *arg);
    void *arg;
} hub_engine_route;
hub_status hub_on_engine(hub_app *app, const hub_engine_route *route);

/* As hub_ws_send. */
hub_status hub_engine_send(hub_engine *engine, hub_type type, hub_bytes body);
hub_status hub_engine_close(hub_engine *engine);
hub_bytes hub_engine_sid(const hub_engine *engine);
const char *hub_engine_transport(const hub_engine *engine);
hub_id hub_engine_id(const hub_engine *engine);

/* ---- Greenlets ---- */

typedef void (*hub_greenlet_main)(void *arg);

/*
 * Starts a greenlet; it runs first when the caller parks. `name` is copied (31 bytes at most are kept) and
 * appears in dumps and log lines. `id` may be NULL. Errors: HUB_ENOMEM, HUB_EFULL (--max-greenlets).
 */
hub_status hub_spawn(hub_greenlet *id, const char *name, hub_greenlet_main run, void *arg);

hub_greenlet hub_current(void); /* 0 outside a greenlet */
void hub_yield(void);           /* parks until every other ready greenlet has run; nothing outside one */

/*
 * Parks for so long. HUB_OK after it, or HUB_ECANCELED. Outside a greenlet, in setup say, nothing can park: a
 * wait that would have to answers HUB_ESTATE, and one that need not does its work. The same for all waits
 * below.
 */
hub_status hub_sleep(double seconds);

/* Parks until the greenlet has ended; at once when it has. HUB_ETIMEDOUT, HUB_ECANCELED, HUB_EINVAL (joins
 * itself). */
hub_status hub_join_greenlet(hub_greenlet id, double timeout);

/*
 * Makes the wait in progress of a greenlet, or its next one, return HUB_ECANCELED, once. Does not wait for
 * its end. HUB_ENOENT when it has ended.
 */
hub_status hub_kill(hub_greenlet id);

/*
 * Parks until a descriptor is ready. `events` is HUB_READ, HUB_WRITE or both; *ready (may be NULL) tells
 * which. The descriptor must stay open until the call returns. Errors: HUB_ETIMEDOUT, HUB_ECANCELED,
 * HUB_EINVAL (not open, or no events).
 */
enum { HUB_READ = 1, HUB_WRITE = 2 };
hub_status hub_wait_fd(int fd, int events, double timeout, int *ready);

/* An event: unset at first; waiters park until it is set; set wakes all of them and stays set until cleared.
 */
typedef struct hub_event hub_event;
hub_event *hub_event_new(void);        /* NULL without memory */
void hub_event_free(hub_event *event); /* nobody may wait on it; NULL is fine */
void hub_event_set(hub_event *event);
void hub_event_clear(hub_event *event);
bool hub_event_is_set(const hub_event *event);
hub_status hub_event_wait(hub_event *event, double timeout); /* HUB_ETIMEDOUT, HUB_ECANCELED */

/* A counting semaphore; waiters are served in the order in which they came. */
typedef struct hub_semaphore hub_semaphore;
hub_semaphore *hub_semaphore_new(unsigned value);
void hub_semaphore_free(hub_semaphore *semaphore);
hub_status hub_semaphore_acquire(hub_semaphore *semaphore, double timeout); /* HUB_ETIMEDOUT, HUB_ECANCELED */
void hub_semaphore_release(hub_semaphore *semaphore);

/*
 * A first-in-first-out queue of pointers with a capacity (0: without a limit). put parks while it is full,
 * get while it is empty. close wakes everybody: put then fails with HUB_ECLOSED, get does so once the queue
 * is empty.
 */
typedef struct hub_queue hub_queue;
hub_queue *hub_queue_new(size_t capacity);
void hub_queue_free(hub_queue *queue); /* what is still in it stays the caller's */
hub_status
hub_queue_put(hub_queue *queue, void *item,
              double timeout); /* HUB_ETIMEDOUT (0: full), HUB_ECLOSED, HUB_ECANCELED, HUB_ENOMEM */
hub_status hub_queue_get(hub_queue *queue, void **item,
                         double timeout); /* HUB_ETIMEDOUT (0: empty), HUB_ECLOSED, HUB_ECANCELED */
size_t hub_queue_length(const hub_queue *queue);
void hub_queue_close(hub_queue *queue);

/*
 * Greenlet-local storage: a key made once, a value in each greenlet. The destructor (may be NULL) is called
 * with a value that is not NULL when its greenlet ends. Errors of set: HUB_ESTATE (outside a greenlet),
 * HUB_EINVAL (no such key), HUB_ENOMEM; of new: HUB_EFULL (64 keys).
 */
typedef unsigned hub_local;
hub_status hub_local_new(hub_local *key, void (*destructor)(void *value));
hub_status hub_local_set(hub_local key, void *value);
void *hub_local_get(hub_local key); /* NULL when never set */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
