/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole connection: HTTP, routes, static files, streams in both directions, compressed answers, the
 * upgrade, WebSocket with permessage-deflate, and a small application, on a transport that cuts what comes
 * and takes what goes as the input says.
 *
 * The input's first three bytes are the plan, the rest is what a client sends. As a rule the same bytes are
 * sent whole, byte by byte and in random pieces, into a client that takes its answers at once or slowly, and
 * what comes back, and the connection's fate, must be the same. Other plans are wild: timers fire, the
 * socket fails or ends, queues overflow, the worker drains, at any moment; then only the end is looked at:
 * nothing may stay behind.
 */
#include "bus/bus.h"
#include "common/buffer.h"
#include "common/log.h"
#include "worker/http/server.h"
#include "worker/http/static.h"
#include "worker/hub/control.h"
#include "worker/hub/greenlet.h"
#include "worker/hub/loop.h"
#include "worker/net/connection.h"
#include "worker/rooms/fanout.h"
#include "worker/ws/websocket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Instead of the C library's: boundaries of multipart answers, and hash keys, are the same in every run. */
ssize_t getrandom(void *bytes, size_t length, unsigned flags);
ssize_t getrandom(void *bytes, size_t length, unsigned flags)
{
    (void)flags;
    memset(bytes, 0x5a, length);
    return (ssize_t)length;
}

enum { PLAN = 3, TURNS_MAX = 100000, TURNS_TO_END = 2000, BYTEWISE_MAX = 300 };

enum { PLAN_WILD = 1, PLAN_TAKEOVER = 2, PLAN_NO_DEFLATE = 4, PLAN_TIMERS_END = 8, PLAN_COMPRESS = 16 };

typedef enum cutting { CUT_WHOLE, CUT_BYTEWISE, CUT_RANDOM } cutting;

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* ---- the run in progress ---- */

static struct run {
    const uint8_t *input;
    size_t length, at;
    cutting cuts;
    uint32_t seed;
    bool wild, slow_reader, ends, broken, parked_route, cut_off, writing_ended;
    connection *client; /* valid while connections_count() is 1 */
    buffer output, fate;
    unsigned turns, turns_max;
    bool until_gone;
} run;

static uint32_t roll(uint32_t below)
{
    run.seed = run.seed * 1664525 + 1013904223;
    return (run.seed >> 8) % below;
}

static void tell(const char *word, unsigned number, hub_bytes text)
{
    require(buffer_printf(&run.fate, "%s %u ", word, number) == HUB_OK);
    require(buffer_append(&run.fate, text.data, text.length) == HUB_OK);
}

/* ---- the transport ---- */

static size_t next_cut(void)
{
    size_t left = run.length - run.at;
    size_t cut = left;
    if (run.cuts == CUT_BYTEWISE && run.at < BYTEWISE_MAX)
        cut = 1;
    else if (run.cuts != CUT_WHOLE)
        cut = 1 + roll(roll(3) == 0 ? 600 : 9);
    return cut < left ? cut : left;
}

static bool fails(void)
{
    if (run.broken || (run.wild && roll(64) == 0))
        run.broken = true;
    if (run.broken)
        errno = ECONNRESET;
    return run.broken;
}

static ssize_t fuzz_read(int fd, void *to, size_t length)
{
    (void)fd;
    if (fails())
        return -1;
    size_t cut = next_cut();
    if (cut == 0 && run.ends)
        return 0;
    if (cut == 0 || (run.cuts == CUT_RANDOM && roll(8) == 0)) {
        errno = EAGAIN;
        return -1;
    }
    cut = cut < length ? cut : length;
    memcpy(to, run.input + run.at, cut);
    run.at += cut;
    return (ssize_t)cut;
}

/* How much of `length` bytes the client takes now; 0: nothing. */
static size_t take(size_t length)
{
    if (!run.slow_reader)
        return length;
    size_t part = roll(4) == 0 ? 0 : 1 + roll(roll(4) == 0 ? 8 : 16384);
    return part < length ? part : length;
}

static ssize_t fuzz_write(int fd, struct iovec *iov, int count)
{
    size_t wanted = 0, left, taken;
    (void)fd;
    if (fails())
        return -1;
    for (int i = 0; i < count; i++)
        wanted += iov[i].iov_len;
    taken = left = take(wanted);
    for (int i = 0; i < count && left; i++) {
        size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;
        require(buffer_append(&run.output, iov[i].iov_base, part) == HUB_OK);
        left -= part;
    }
    errno = EAGAIN;
    return taken ? (ssize_t)taken : -1;
}

static ssize_t fuzz_send_file(int fd, int file, off_t offset, size_t length)
{
    char bytes[4096];
    (void)fd;
    if (fails())
        return -1;
    size_t taken = take(length < sizeof bytes ? length : sizeof bytes);
    errno = EAGAIN;
    if (taken == 0)
        return -1;
    ssize_t n = pread(file, bytes, taken, offset);
    require(n < 0 || buffer_append(&run.output, bytes, (size_t)n) == HUB_OK);
    return n;
}

static int fuzz_end_writing(int fd)
{
    (void)fd;
    run.writing_ended = true;
    return 0;
}

static const transport transport_fuzz = {
    .name = "fuzz",
    .read = fuzz_read,
    .write = fuzz_write,
    .send_file = fuzz_send_file,
    .end_writing = fuzz_end_writing,
};

/* ---- the application ---- */

/* FNV-1a of what `sum` is the hash of, and these. */
static uint32_t hash(uint32_t sum, hub_bytes more)
{
    const unsigned char *bytes = more.data;
    for (size_t i = 0; i < more.length; i++)
        sum = (sum ^ bytes[i]) * 16777619U;
    return sum;
}

static const uint32_t hash_of_nothing = 2166136261U;

/* Answers what would be mistaken for nothing else in the output. */
static hub_status digest(hub_http *http, void *arg)
{
    hub_bytes body = hub_http_body(http), name = hub_http_param(http, "name");
    uint32_t sum = hash(hash_of_nothing, body);
    (void)arg;
    return hub_http_replyf(http, 200, "text/plain", "%zu %08x %zu %zu\n", body.length, sum, name.length,
                           hub_http_query(http, "q").length);
}

static hub_status digest_later(hub_http *http, void *arg)
{
    hub_yield();
    hub_status status = digest(http, arg);
    hub_yield();
    return status;
}

static hub_status no_answer(hub_http *http, void *arg)
{
    (void)http, (void)arg;
    return HUB_OK;
}

/* The next of a body that the handler reads itself. False: it ended, or cannot be read. */
static bool next_piece(hub_http *http, hub_bytes *piece, hub_status *status)
{
    *status = hub_http_read(http, piece, HUB_FOREVER);
    return *status == HUB_OK && piece->length > 0;
}

static hub_status take_all(hub_http *http, void *arg)
{
    uint32_t sum = hash_of_nothing;
    size_t length = 0;
    hub_bytes piece;
    hub_status status;
    for (; next_piece(http, &piece, &status); length += piece.length)
        sum = hash(sum, piece);
    (void)arg;
    return status != HUB_OK ? status : hub_http_replyf(http, 200, "text/plain", "%zu %08x\n", length, sum);
}

/* Leaves the rest of its body. */
static hub_status take_some(hub_http *http, void *arg)
{
    hub_bytes piece;
    hub_status status;
    bool some = next_piece(http, &piece, &status);
    (void)arg;
    return status != HUB_OK ? status
                            : hub_http_replyf(http, 200, "text/plain", some ? "some\n" : "nothing\n");
}

/* An answer that was begun. Of one that is reset, how much has left is a matter of the client. */
static hub_status ended(hub_status status)
{
    run.cut_off |= status != HUB_OK;
    return status;
}

/* Sends a letter for each byte of its body, so that nothing of it is mistaken for an answer's head; in
 * blocks, whose chunks do not depend on the pieces. */
static hub_status send_back(hub_http *http, void *arg)
{
    char block[64];
    size_t filled = 0;
    hub_bytes piece;
    hub_status status;
    bool more = next_piece(http, &piece, &status);
    (void)arg;
    if (status == HUB_OK)
        status = hub_http_start(http, 200, "text/plain", -1);
    while (more && status == HUB_OK) {
        for (size_t i = 0; i < piece.length && status == HUB_OK; i++) {
            block[filled++] = (char)('a' + ((const unsigned char *)piece.data)[i] % 16);
            if (filled == sizeof block) {
                status = hub_http_write(http, hub_bytes_of(block, filled));
                filled = 0;
            }
        }
        more = status == HUB_OK && next_piece(http, &piece, &status);
    }
    return ended(status == HUB_OK ? hub_http_write(http, hub_bytes_of(block, filled)) : status);
}

static unsigned query_number(hub_http *http, const char *name)
{
    hub_bytes digits = hub_http_query(http, name);
    unsigned number = 0;
    for (size_t i = 0; i < digits.length && i < 4; i++)
        number = number * 10 + ((const unsigned char *)digits.data)[i] % 10;
    return number;
}

/* ?n: so many rows; ?length: so long, which need not be so. */
static hub_status rows(hub_http *http, void *arg)
{
    static const char row_text[] = "{\"row\": \"like all the others\"}\n";
    unsigned count = query_number(http, "n") % 400, length = query_number(http, "length");
    bool tells = hub_http_query(http, "length").data;
    hub_status status = hub_http_start(http, 200, "application/json", tells ? (int64_t)length : -1);
    (void)arg;
    for (unsigned i = 0; i < count && status == HUB_OK; i++) {
        status = hub_http_write(http, hub_text(row_text));
        if (i % 16 == 15)
            hub_yield();
    }
    run.cut_off |= tells && length > count * strlen(row_text);
    return ended(status);
}

static hub_status ticks(hub_http *http, void *arg)
{
    static const hub_sse_event events[] = {{.event = {"tick", 4}, .data = {"two\r\nlines", 10}},
                                           {.id = {"7", 1}, .retry = 100},
                                           {.data = {"", 0}}};
    unsigned count = query_number(http, "n") % 100;
    hub_status status = hub_sse_start(http);
    (void)arg;
    for (unsigned i = 0; i < count && status == HUB_OK; i++) {
        status = hub_sse_send(http, &events[i % 3]);
        if (i % 8 == 7)
            hub_yield();
    }
    return ended(status == HUB_OK ? hub_sse_comment(http, "enough") : status);
}

static hub_status echo_loop(hub_ws *ws, void *arg)
{
    hub_message message;
    hub_status status;
    (void)arg;
    while ((status = hub_ws_recv(ws, &message, HUB_FOREVER)) == HUB_OK)
        if ((status = hub_ws_send(ws, message.type, message.body)) != HUB_OK)
            break;
    tell("loop ended", status, hub_bytes_of(NULL, 0));
    return status;
}

static hub_status echo_later(hub_ws *ws, void *arg)
{
    hub_message message;
    hub_status status;
    run.parked_route = true;
    (void)arg;
    while ((status = hub_ws_recv(ws, &message, HUB_FOREVER)) == HUB_OK) {
        hub_yield();
        if ((status = hub_ws_send(ws, message.type, message.body)) != HUB_OK)
            break;
    }
    return status;
}

static hub_status greet(hub_ws *ws, void *arg)
{
    (void)arg;
    return hub_ws_send(ws, HUB_TEXT, hub_ws_subprotocol(ws));
}

/* "!" closes, "?" fails, everything else comes back. */
static hub_status echo(hub_ws *ws, const hub_message *message, void *arg)
{
    const char *text = message->body.data;
    (void)arg;
    if (message->body.length && *text == '!')
        return hub_ws_close(ws, 4000, "as you wish");
    if (message->body.length && *text == '?')
        return HUB_EINVAL;
    return hub_ws_send(ws, message->type, message->body);
}

static hub_status enter(hub_ws *ws, void *arg)
{
    (void)arg;
    return hub_join_bytes(ws, hub_ws_param(ws, "name"));
}

static hub_status tell_room(hub_ws *ws, const hub_message *message, void *arg)
{
    (void)arg;
    hub_status status = hub_ws_send(ws, HUB_TEXT, hub_text("before"));
    if (status == HUB_OK)
        status = hub_send(hub_to_room_bytes(hub_ws_param(ws, "name")), message->type, message->body);
    return status == HUB_OK ? hub_ws_send(ws, HUB_TEXT, hub_text("after")) : status;
}

static void left(hub_ws *ws, uint16_t code, hub_bytes reason, void *arg)
{
    (void)ws, (void)arg;
    if (run.turns_max) /* else between runs */
        tell("left", code, reason);
}

/* ---- the worker ---- */

static const connection_limits calm = {
    .soft = 4096, .hard = SIZE_MAX / 2, .time = 1e9, .policy = HUB_POLICY_CLOSE};

static ws_route ws_routes[] = {
    {.name = "/loop", .handler = echo_loop, .max_message = 1 << 16},
    {.name = "/later", .handler = echo_later, .max_message = 1 << 16},
    {.name = "/events",
     .on_open = greet,
     .on_message = echo,
     .on_close = left,
     .max_message = 1 << 16,
     .subprotocols = "chat, echo"},
    {.name = "/small", .on_message = echo, .on_close = left, .max_message = 100},
    {.name = "/room/:name",
     .on_open = enter,
     .on_message = tell_room,
     .on_close = left,
     .max_message = 1 << 12,
     .has_parameters = true},
};
enum { WS_ROUTES = sizeof ws_routes / sizeof *ws_routes };

static http_route http_routes[] = {
    {.name = "/digest/:name", .handler = digest},
    {.name = "/later", .handler = digest_later},
    {.name = "/none", .handler = no_answer},
    {.name = "/take", .handler = take_all, .stream_body = true},
    {.name = "/some", .handler = take_some, .stream_body = true, .max_body = 2000},
    {.name = "/back", .handler = send_back, .stream_body = true},
    {.name = "/rows", .handler = rows},
    {.name = "/ticks", .handler = ticks},
    {.name = "/files/*", .handler = static_serve}, /* the last */
};
enum { HTTP_ROUTES = sizeof http_routes / sizeof *http_routes, FILES = HTTP_ROUTES - 1 };

static http_server http = {
    .limits = {.request_line = 300, .fields = 16, .head = 1500, .body = 3000},
    .keep_alive = 60,
    .header_timeout = 60,
    .body_timeout = 60,
    .send_timeout = 60,
    .upgrade = ws_upgrade,
};

static ws_server ws = {
    .session_size = 16,
    .ping_interval = 20,
    .ping_timeout = 20,
    .close_timeout = 5,
    .drain_time = 1,
    .deflate_threshold = 16,
};

static bool run_step(void *arg);

/* The folder beside this source. */
static static_root *open_files(void)
{
    char path[4096];
    static_root *root;
    error why;
    const char *slash = strrchr(__FILE__, '/');
    require(slash != NULL);
    snprintf(path, sizeof path, "%.*s/files", (int)(slash - __FILE__), __FILE__);
    require(static_open(&root, path, 0, &why) == HUB_OK);
    return root;
}

static void open_worker(void)
{
    static region shared;
    static bus *bus;
    unsigned row;
    error why;
    log_set_level(HUB_CRITICAL);
    require(region_create(&shared, 1 << 20, &why) == HUB_OK);
    require(region_claim_row(&shared, 0, 1, &row) == HUB_OK);
    require(loop_open(&(loop_options){.stack_size = 256 * 1024}, &why) == HUB_OK);
    require(connections_open(&shared.rows[row], &why) == HUB_OK);
    require(bus_open(&bus, &shared, row, &why) == HUB_OK);
    require(fanout_open(bus, row_incarnation(atomic_load(&shared.rows[row].word)), &why) == HUB_OK);
    require(loop_add_step(LOOP_BEFORE_POLL, "fuzz", run_step, NULL) == HUB_OK);

    router *routes = router_new();
    require(routes != NULL);
    for (size_t i = 0; i < WS_ROUTES; i++) {
        ws_routes[i].origins = "*";
        require(router_add(routes, "GET", ws_routes[i].name, ROUTE_WS, &ws_routes[i]) == HUB_OK);
    }
    http_routes[FILES].arg = open_files();
    for (size_t i = 0; i < HTTP_ROUTES; i++)
        require(router_add(routes, i == FILES ? "GET" : "*", http_routes[i].name, ROUTE_HTTP,
                           &http_routes[i]) == HUB_OK);
    http.router = ws.router = routes;
    http_open(&http);
    ws_open(&ws);
}

/* ---- turning ---- */

static bool gone(void)
{
    return connections_count() == 0;
}

/* Nothing can happen any more without the client or the time. */
static bool quiet(void)
{
    const connection *c = run.client;
    if (greenlet_any_ready())
        return false;
    return gone() || (run.at == run.length && !c->out.first && !c->kicked && !c->dirty && !c->backlog &&
                      !c->paused_output && run.turns > 2);
}

static void fire_timer(void)
{
    connection *c = run.client;
    if (gone() || !wheel_is_armed(&c->timer))
        return;
    wheel_cancel(&c->timer);
    c->last_seen -= 60 * WHEEL_TICKS_PER_SECOND;
    if (c->lingering)
        connection_close(c);
    else
        c->protocol->on_timer(c);
}

static void be_wild(void)
{
    switch (roll(32)) {
    case 0:
        fire_timer();
        break;
    case 1:
        run.ends = run.at == run.length;
        break;
    case 2:
        connections_drain();
        break;
    case 3:
        hub_send(hub_to_everyone(), HUB_TEXT, hub_text("to everyone, so that it is deflated, too"));
        break;
    case 4:
        if (roll(8) == 0)
            connections_abort();
        break;
    default:
        break;
    }
}

/* No time passes but by fire_timer, however long the machine keeps this process waiting. */
static void hold_time(void)
{
    if (!gone() && wheel_is_armed(&run.client->timer))
        wheel_arm(&run.client->timer, 1e6);
}

static bool run_step(void *arg)
{
    (void)arg;
    run.turns++;
    hold_time();
    if (run.until_gone ? gone() && greenlet_count().alive == 0 : quiet())
        loop_stop();
    else if (run.turns > run.turns_max)
        abort(); /* stuck */
    else if (run.wild && !gone())
        be_wild();
    return true;
}

static void turn(unsigned turns_max, bool until_gone)
{
    run.turns = 0;
    run.turns_max = turns_max;
    run.until_gone = until_gone;
    loop_run();
}

/* ---- what came of it ---- */

typedef struct result {
    buffer http, data, pong, fate; /* answers and upgrade; messages and close frame; the last pong */
    bool parked_route, cut_off;
} result;

static void result_free(result *r)
{
    buffer_free(&r->http);
    buffer_free(&r->data);
    buffer_free(&r->pong);
    buffer_free(&r->fate);
}

static void mask_dates(buffer *text)
{
    static const char field[] = "\r\nDate: ";
    if (text->length == 0)
        return;
    char *at = text->data, *end = text->data + text->length;
    while ((at = memmem(at, (size_t)(end - at), field, sizeof field - 1)) != NULL) {
        at += sizeof field - 1;
        memset(at, '-', (size_t)(end - at) < 29 ? (size_t)(end - at) : 29);
    }
}

/* Whether a client is told to go on depends on whether it did already (RFC 9110, 10.1.1). */
static void drop_interim_answers(buffer *text)
{
    static const char answer[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const size_t length = sizeof answer - 1;
    for (char *at; text->length && (at = memmem(text->data, text->length, answer, length)) != NULL;) {
        memmove(at, at + length, (size_t)(text->data + text->length - at) - length);
        text->length -= length;
    }
}

/* Length of the frame in front, and where its payload starts; it must be whole. */
static size_t frame_length(const unsigned char *at, size_t left, size_t *header)
{
    require(left >= 2 && at[1] < 0x80);
    size_t length = at[1];
    *header = 2;
    if (length == 126) {
        require(left >= 4);
        length = (size_t)at[2] << 8 | at[3];
        *header = 4;
    } else if (length == 127) {
        require(left >= 10);
        length = 0;
        for (int i = 2; i < 10; i++)
            length = length << 8 | at[i];
        *header = 10;
    }
    require(length <= left && *header + length <= left);
    return *header + length;
}

/*
 * Splits the output. Of several pings that wait only the last need be answered (RFC 6455, 5.5.3), and where a
 * pong stands among messages is nobody's matter: the last one is told.
 */
static result split(void)
{
    static const char upgraded[] = "HTTP/1.1 101 ";
    result r = {.fate = run.fate, .parked_route = run.parked_route, .cut_off = run.cut_off};
    buffer *out = &run.output;
    const char *head = out->length ? memmem(out->data, out->length, upgraded, sizeof upgraded - 1) : NULL;
    const char *end = head ? memmem(head, out->length - (size_t)(head - out->data), "\r\n\r\n", 4) : NULL;
    size_t at = out->length;
    if (end)
        at = (size_t)(end + 4 - out->data);
    require(buffer_append(&r.http, out->data, at) == HUB_OK);
    mask_dates(&r.http);
    drop_interim_answers(&r.http);
    for (size_t header, whole; at < out->length; at += whole) {
        const unsigned char *frame = (const unsigned char *)out->data + at;
        whole = frame_length(frame, out->length - at, &header);
        if (frame[0] == 0x8a)
            buffer_clear(&r.pong);
        require(buffer_append(frame[0] == 0x8a ? &r.pong : &r.data, frame, whole) == HUB_OK);
    }
    buffer_free(out);
    run.fate = (buffer){0};
    return r;
}

static void open_client(const uint8_t *data, size_t size, cutting cuts, uint32_t seed)
{
    run = (struct run){.input = data, .length = size, .cuts = cuts, .seed = seed};
    int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC); /* ready to be read and written, always */
    require(fd >= 0);
    run.client = http_start(fd, &transport_fuzz);
    require(run.client != NULL);
}

static void end_client(void)
{
    run.ends = true;
    turn(TURNS_TO_END, true);
    require(gone() && greenlet_count().alive == 0);
}

static result follow(const uint8_t *data, size_t size, cutting cuts, uint32_t seed, unsigned plan)
{
    open_client(data, size, cuts, seed);
    run.slow_reader = cuts == CUT_RANDOM;
    turn(TURNS_MAX, false);
    tell(gone() ? "closed" : "open", run.writing_ended, hub_bytes_of(NULL, 0));
    for (int i = 0; i < 3 && plan & PLAN_TIMERS_END; i++) {
        fire_timer();
        turn(TURNS_MAX, false);
    }
    end_client();
    return split();
}

/* The prefix of the same: how far a handler that parks came before a close, and what of an answer left before
 * a reset, is a matter of time. */
static bool agree(const buffer *a, const buffer *b, bool prefix)
{
    size_t shorter = a->length < b->length ? a->length : b->length;
    return (prefix || a->length == b->length) && (shorter == 0 || memcmp(a->data, b->data, shorter) == 0);
}

static void complain(const char *what, const buffer *a, const buffer *b)
{
    fprintf(stderr, "%s differs by the cuts:\n<<<%.*s>>>\n<<<%.*s>>>\n", what, (int)a->length,
            a->length ? a->data : "", (int)b->length, b->length ? b->data : "");
    abort();
}

static void compare(const result *a, const result *b)
{
    bool parked = a->parked_route;
    if (!agree(&a->http, &b->http, a->cut_off || b->cut_off))
        complain("HTTP", &a->http, &b->http);
    if (!parked && !agree(&a->data, &b->data, false))
        complain("what was sent", &a->data, &b->data);
    if (!parked && !agree(&a->pong, &b->pong, false))
        complain("the last pong", &a->pong, &b->pong);
    if (!parked && !agree(&a->fate, &b->fate, false))
        complain("the end", &a->fate, &b->fate);
}

static void be_wild_with(const uint8_t *data, size_t size, uint32_t seed)
{
    open_client(data, size, CUT_RANDOM, seed);
    run.wild = run.slow_reader = true;
    turn(TURNS_MAX, false);
    run.wild = false;
    end_client();
    buffer_free(&run.output);
    buffer_free(&run.fate);
}

static void set_limits(bool wild, uint32_t seed)
{
    static const hub_policy policies[] = {HUB_POLICY_CLOSE, HUB_POLICY_SKIP, HUB_POLICY_BLOCK};
    const connection_limits tight = {
        .soft = 40, .hard = 40 + seed % 500, .time = seed % 7 ? 60 : 0, .policy = policies[seed % 3]};
    for (size_t i = 0; i < WS_ROUTES; i++)
        ws_routes[i].limits = wild ? tight : calm;
    http.output = wild ? (connection_limits){100, SIZE_MAX, 60, HUB_POLICY_CLOSE} : calm;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool opened;
    if (!opened)
        open_worker();
    opened = true;
    if (size < PLAN)
        return 0;
    unsigned plan = data[0];
    uint32_t seed = (uint32_t)data[1] | (uint32_t)data[2] << 8;
    ws.deflate = plan & PLAN_NO_DEFLATE ? DEFLATE_OFF : plan & PLAN_TAKEOVER ? DEFLATE_TAKEOVER : DEFLATE_ON;
    set_limits(plan & PLAN_WILD, seed);
    http.body_timeout = http.send_timeout = plan & PLAN_TIMERS_END ? 0 : 60; /* streams look how long it is */
    compress_open((compress_settings){.on = plan & PLAN_COMPRESS, .threshold = 16});
    data += PLAN;
    size -= PLAN;
    if (plan & PLAN_WILD) {
        be_wild_with(data, size, seed);
        return 0;
    }
    result whole = follow(data, size, CUT_WHOLE, seed, plan);
    for (cutting cuts = CUT_BYTEWISE; cuts <= CUT_RANDOM; cuts++) {
        result cut = follow(data, size, cuts, seed, plan);
        compare(&whole, &cut);
        result_free(&cut);
    }
    result_free(&whole);
    return 0;
}
