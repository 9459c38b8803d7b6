/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint of Engine.IO on the harness, a protocol above it that notes what it is told, and clients. */
#ifndef TESTS_UNIT_WORKER_SIO_ENGINE_WORLD_H
#define TESTS_UNIT_WORKER_SIO_ENGINE_WORLD_H

#include "../server.h"
#include "worker/sio/engine_app.h"
#include "worker/sio/engine_inside.h"
#include "worker/sio/sid.h"

typedef struct note_state {
    unsigned messages;
} note_state;

static struct noted {
    engine *last; /* the one that was opened last */
    unsigned opened, closed, drained, writable;
    sio_reason reason;
    char log[8192]; /* messages, each with a comma behind */
    bool echo, refuse, pause, hold, send_two;
    engine_held held;
    hub_bytes held_body;
    engine *closing; /* to be closed at the next message */
} noted;

static engine_endpoint tested;

static inline hub_status note_open(engine *e)
{
    noted.opened++;
    noted.last = e;
    return noted.refuse ? HUB_EFAIL : HUB_OK;
}

static inline hub_status send_text(engine *e, const char *text)
{
    return engine_send(e, &(engine_part){HUB_TEXT, hub_text(text)}, 1);
}

static inline void note_message(engine *e, hub_type type, hub_bytes body)
{
    note_state *state = engine_state(e);
    size_t at = strlen(noted.log);
    state->messages++;
    snprintf(noted.log + at, sizeof noted.log - at, "%s%.*s,", type == HUB_BINARY ? "b:" : "",
             (int)body.length, (const char *)body.data);
    if (noted.hold) {
        engine_hold(e, &noted.held);
        noted.held_body = body;
        noted.hold = false;
    }
    if (noted.echo)
        engine_send(e, &(engine_part){type, body}, 1);
    if (noted.pause)
        engine_pause(e, true);
    if (noted.closing == e)
        engine_close(e, SIO_FORCED_CLOSE);
}

static inline void note_writable(engine *e)
{
    (void)e;
    noted.writable++;
}

static inline void note_drain(engine *e)
{
    (void)e;
    noted.drained++;
}

static inline void note_close(engine *e, sio_reason reason)
{
    if (noted.last == e)
        noted.last = NULL;
    noted.closed++;
    noted.reason = reason;
}

static const engine_user noting = {
    .name = "noting",
    .state_size = sizeof(note_state),
    .on_open = note_open,
    .on_message = note_message,
    .on_writable = note_writable,
    .on_drain = note_drain,
    .on_close = note_close,
};

/* The endpoint may be changed until the first request. */
static inline int engine_world_open(void **state)
{
    serve_open(state);
    sid_open((hash_key){1, 2});
    sessions_open(7);
    assert_int_equal(engines_open(), HUB_OK);
    engine_app_open();
    memset(&noted, 0, sizeof noted);
    tested = (engine_endpoint){
        .user = &noting,
        .path = "/e",
        .polling = true,
        .websocket = true,
        .upgrades = true,
        .ping_interval = 25,
        .ping_timeout = 20,
        .upgrade_timeout = 10,
        .max_payload = 100000,
        .packets_a_poll = 16,
        .limits = {.soft = 1 << 20, .hard = 4 << 20, .time = 60, .policy = HUB_POLICY_CLOSE},
    };
    http_route *to = serve_http("*", "/e/", NULL, &tested);
    to->serve = engine_serve;
    to->max_body = tested.max_payload;
    serve_ws("/e/", (ws_route){.user = &engine_socket_user, .arg = &tested, .max_message = 100000});
    return 0;
}

static inline int engine_world_close(void **state)
{
    engines_close();
    world_turn(3);
    assert_int_equal(engines_count(), 0);
    serve_close(state);
    sessions_close();
    return 0;
}

/* ---- clients ---- */

/* Makes a request on a connection of its own; the answer comes when the hub has turned. */
static inline void ask(client *c, const char *method, const char *query, const char *fields, const char *body)
{
    char text[4096];
    snprintf(text, sizeof text,
             "%s /e/?%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", method,
             query, fields, strlen(body), body);
    visit(c);
    client_say(c, text);
    world_turn(4);
}

static inline const char *body_of(client *c)
{
    const char *end = strstr(client_text(c), "\r\n\r\n");
    return end ? end + 4 : "";
}

static inline void assert_answer(client *c, int status, const char *body)
{
    char line[32];
    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    assert_true(client_wait_end(c));
    if (strncmp(client_text(c), line, strlen(line)) != 0 || (body && strcmp(body_of(c), body) != 0))
        fail_msg("not %d '%s' but: %s", status, body ? body : "…", client_text(c));
    client_close(c);
}

/* A session that polls. */
typedef struct poller {
    char sid[25], query[64];
    client poll;
} poller;

static inline void poller_open(poller *p)
{
    client c;
    ask(&c, "GET", "EIO=4&transport=polling", "", "");
    assert_true(client_wait_end(&c));
    const char *sid = strstr(body_of(&c), "\"sid\":\"");
    if (!sid)
        fail_msg("no session: %s", client_text(&c));
    memcpy(p->sid, sid + 7, 24);
    p->sid[24] = '\0';
    snprintf(p->query, sizeof p->query, "EIO=4&transport=polling&sid=%s", p->sid);
    client_close(&c);
}

static inline void poller_poll(poller *p)
{
    ask(&p->poll, "GET", p->query, "", "");
}

static inline void poller_expect(poller *p, int status, const char *body)
{
    assert_answer(&p->poll, status, body);
}

/* Polls and expects. */
static inline void poller_gets(poller *p, const char *body)
{
    poller_poll(p);
    poller_expect(p, 200, body);
}

static inline void poller_posts(poller *p, const char *payload, int status)
{
    client c;
    ask(&c, "POST", p->query, "", payload);
    assert_answer(&c, status, status == 200 ? "ok" : NULL);
}

static inline void poller_is_gone(poller *p)
{
    poller_poll(p);
    poller_expect(p, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

/* A WebSocket that is open, its open packet read. */
static inline void socket_open(client *c)
{
    ws_seen seen = {0};
    ws_connect(c, "/e/?EIO=4&transport=websocket");
    assert_true(world_until(ws_has_frame, c));
    assert_true(ws_peek(c, &seen));
    assert_int_equal(seen.data[0], '0');
    client_drop(c, seen.whole);
}

/* A WebSocket for a session that polls. */
static inline void socket_for(client *c, const poller *p)
{
    char path[96];
    snprintf(path, sizeof path, "/e/?EIO=4&transport=websocket&sid=%s", p->sid);
    ws_connect(c, path);
}

static inline bool was_closed(void *arg)
{
    return noted.closed == *(unsigned *)arg;
}

static inline void expect_closed(unsigned count, sio_reason reason)
{
    assert_true(world_until(was_closed, &count));
    assert_int_equal(noted.reason, reason);
}

static inline bool was_heard(void *arg)
{
    return strcmp(noted.log, arg) == 0;
}

static inline void expect_heard(const char *log)
{
    if (!world_until(was_heard, (void *)log))
        fail_msg("heard '%s', not '%s'", noted.log, log);
}

#endif
