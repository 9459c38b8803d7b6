/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/engine_app.h"

#include "common/log.h"
#include "worker/hub/greenlet.h"
#include "worker/net/wheel.h"

#include <stdlib.h>

enum {
    RETRY_KIND = 6,        /* of wheel timers */
    BATCH = 64,            /* messages taken from the queue before others get their turn */
    INBOX_MIN = 64 * 1024, /* bytes that may wait for a parked handler, at least */
};

typedef struct waiting_message {
    struct waiting_message *next;
    hub_type type;
    size_t length;
    unsigned char bytes[];
} waiting_message;

struct hub_engine {
    engine *engine; /* NULL: the client is gone */
    const engine_app_route *route;
    greenlet *greenlet;            /* that runs its handlers; NULL: none */
    waiting_message *first, *last; /* for the next handlers */
    size_t inbox_bytes;
    hub_message current;           /* with the handler … */
    engine_held held;              /* … in here, once it has parked, … */
    waiting_message *current_kept; /* … or here */
    hub_id id;
    const char *transport, *reason;
    hub_engine *next_waiting;
    char sid[25];
    bool lent, opened, close_due;
};

/* Clients that are gone and whose last handlers wait for a greenlet. */
static struct {
    hub_engine *first;
    wheel_timer retry;
} waiting = {.retry.kind = RETRY_KIND};
static const double retry_seconds = 0.25;

static hub_engine **place_of(engine *e)
{
    return engine_state(e);
}

/* ---- memory ---- */

static void release(hub_engine *h)
{
    h->lent = false;
    engine_unhold(&h->held);
    free(h->current_kept);
    h->current_kept = NULL;
}

static size_t limit_of(const hub_engine *h)
{
    return h->route->max_payload > INBOX_MIN ? h->route->max_payload : INBOX_MIN;
}

/* The oldest message becomes `current`. */
static void lend_next(hub_engine *h)
{
    waiting_message *oldest = h->first;
    h->first = oldest->next;
    if (!h->first)
        h->last = NULL;
    h->inbox_bytes -= sizeof *oldest + oldest->length;
    if (h->engine && h->inbox_bytes <= limit_of(h) / 2)
        engine_pause(h->engine, false);
    h->current = (hub_message){oldest->type, hub_bytes_of(oldest->bytes, oldest->length)};
    h->current_kept = oldest;
    h->lent = true;
}

static void drop_inbox(hub_engine *h)
{
    while (h->first) {
        waiting_message *next = h->first->next;
        free(h->first);
        h->first = next;
    }
    h->last = NULL;
    h->inbox_bytes = 0;
}

static void done(hub_engine *h)
{
    h->greenlet = NULL;
    if (h->engine)
        return;
    release(h);
    drop_inbox(h);
    free(h);
}

/* ---- handlers ---- */

/* The application wants no more of this client when a handler failed. */
static void judge(hub_engine *h, hub_status status)
{
    if (status == HUB_OK)
        return;
    if (status != HUB_ECLOSED)
        log_error("%s: handler failed: %s", h->route->name, hub_status_text(status));
    drop_inbox(h);
    if (h->engine)
        engine_close(h->engine, SIO_FORCED_CLOSE);
}

/* The next event of a client, in order. False: none waits. */
static bool run_event(hub_engine *h)
{
    const hub_engine_route *to = &h->route->handlers;
    if (!h->opened) {
        h->opened = true;
        judge(h, to->on_open ? to->on_open(h, to->arg) : HUB_OK);
        return true;
    }
    if (h->lent || h->first) {
        if (!h->lent)
            lend_next(h);
        hub_status status = to->on_message ? to->on_message(h, &h->current, to->arg) : HUB_OK;
        release(h);
        judge(h, status);
        return true;
    }
    if (h->close_due) {
        h->close_due = false;
        if (to->on_close)
            to->on_close(h, h->reason, to->arg);
        return true;
    }
    return false;
}

static void events_main(void *arg)
{
    hub_engine *h = arg;
    h->greenlet = greenlet_current();
    for (unsigned batch = 1; run_event(h); batch++)
        if (batch % BATCH == 0)
            hub_yield();
    done(h);
}

/* Starts the greenlet of a client's handlers; it runs at once. Hub context. */
static hub_status start(hub_engine *h)
{
    hub_status status;
    greenlet_start(NULL, h->route->name, events_main, h, &status);
    return status;
}

/* The same for a client that is there: it is sent away when there is no greenlet. */
static hub_status start_or_close(hub_engine *h)
{
    engine *e = h->engine;
    hub_status status = start(h);
    if (status == HUB_OK)
        return HUB_OK;
    log_warning("%s: no greenlet for a client: %s; see --max-greenlets", h->route->name,
                hub_status_text(status));
    release(h);
    engine_close(e, SIO_FORCED_SERVER_CLOSE);
    return status;
}

/* The last handlers of a client that is gone; they must run, however long it takes to get a greenlet. */
static void finish(hub_engine *h)
{
    if (start(h) == HUB_OK)
        return;
    h->next_waiting = waiting.first;
    waiting.first = h;
    wheel_arm(&waiting.retry, retry_seconds);
}

static void on_retry(wheel_timer *timer)
{
    (void)timer;
    hub_engine *list = waiting.first;
    waiting.first = NULL;
    while (list) {
        hub_engine *h = list;
        list = h->next_waiting;
        finish(h);
    }
}

/* ---- the engine's calls ---- */

static hub_status on_open(engine *e)
{
    const engine_app_route *route = engine_arg(e);
    hub_engine *h = calloc(1, sizeof *h);
    if (!h)
        return HUB_ENOMEM;
    h->engine = e;
    h->route = route;
    h->id = engine_id(e);
    h->transport = engine_transport(e);
    engine_sid(e, h->sid);
    *place_of(e) = h;
    if (!route->handlers.on_open) {
        h->opened = true;
        return HUB_OK;
    }
    return start_or_close(h);
}

/* Keeps a copy for the next handler. */
static void push(hub_engine *h, hub_type type, hub_bytes body)
{
    waiting_message *message = malloc(sizeof *message + body.length);
    if (!message) {
        engine_close(h->engine, SIO_TRANSPORT_ERROR);
        return;
    }
    *message = (waiting_message){.type = type, .length = body.length};
    if (body.length)
        memcpy(message->bytes, body.data, body.length);
    if (h->last)
        h->last->next = message;
    else
        h->first = message;
    h->last = message;
    h->inbox_bytes += sizeof *message + body.length;
    if (h->inbox_bytes > limit_of(h))
        engine_pause(h->engine, true);
}

static void on_message(engine *e, hub_type type, hub_bytes body)
{
    hub_engine *h = *place_of(e);
    if (h->greenlet) {
        push(h, type, body);
        return;
    }
    h->current = (hub_message){type, body};
    h->lent = true;
    if (start_or_close(h) == HUB_OK && h->greenlet && h->lent && !h->current_kept)
        engine_hold(e, &h->held); /* the handler has parked with it */
}

static void on_close(engine *e, sio_reason reason)
{
    hub_engine *h = *place_of(e);
    if (!h)
        return; /* there was no memory for it */
    h->transport = engine_transport(e);
    h->reason = sio_reason_text(reason);
    h->engine = NULL;
    h->close_due = h->opened && h->route->handlers.on_close;
    if (h->greenlet)
        return; /* which frees it */
    if (h->close_due)
        finish(h);
    else
        done(h);
}

const engine_user engine_app_user = {
    .name = "engine",
    .state_size = sizeof(hub_engine *),
    .on_open = on_open,
    .on_message = on_message,
    .on_close = on_close,
};

void engine_app_open(void)
{
    waiting.first = NULL;
    wheel_handle(RETRY_KIND, on_retry);
}

/* ---- for handlers ---- */

hub_status hub_engine_send(hub_engine *h, hub_type type, hub_bytes body)
{
    if (type != HUB_TEXT && type != HUB_BINARY)
        return HUB_EINVAL;
    for (;;) {
        if (!h->engine)
            return HUB_ECLOSED;
        hub_status status = engine_send(h->engine, &(engine_part){type, body}, 1);
        if (status != HUB_EAGAIN)
            return status;
        status = engine_wait(h->engine, HUB_FOREVER);
        if (status == HUB_ESTATE)
            return HUB_EFULL; /* nothing can be parked here */
        if (status != HUB_OK)
            return status;
    }
}

hub_status hub_engine_close(hub_engine *h)
{
    if (!h->engine)
        return HUB_ECLOSED;
    engine_close(h->engine, SIO_FORCED_CLOSE);
    return HUB_OK;
}

hub_bytes hub_engine_sid(const hub_engine *h)
{
    return hub_text(h->sid);
}

const char *hub_engine_transport(const hub_engine *h)
{
    return h->engine ? engine_transport(h->engine) : h->transport;
}

hub_id hub_engine_id(const hub_engine *h)
{
    return h->id;
}
