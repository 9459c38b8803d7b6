/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/client.h"

#include "common/log.h"
#include "worker/ws/close.h"

enum {
    RETRY_KIND = 1, /* of wheel timers; connections have 0 */
    BATCH = 64,     /* messages taken from the inbox before others get their turn */
};

/* Clients that are gone and whose close handlers wait for a greenlet. */
static struct {
    hub_ws *first;
    wheel_timer retry;
} waiting_closes = {.retry.kind = RETRY_KIND};
static const double retry_seconds = 0.25;

/* A handler has ended. */
static void handler_done(hub_ws *ws)
{
    ws->greenlet = NULL;
    if (!ws->connection)
        client_free(ws);
}

/* The handler wants no more of this client. */
static void close_after(hub_ws *ws, hub_status status)
{
    inbox_drop(ws);
    if (status != HUB_OK && status != HUB_ECLOSED)
        log_error("%s: handler failed: %s", ws->route->name, hub_status_text(status));
    bool failed = status != HUB_OK && status != HUB_ECLOSED;
    send_close(ws, failed ? CLOSE_INTERNAL : CLOSE_NORMAL, hub_text(NULL));
}

static void loop_main(void *arg)
{
    hub_ws *ws = arg;
    ws->greenlet = greenlet_current();
    hub_status status = ws->route->handler(ws, ws->route->arg);
    client_release(ws);
    close_after(ws, status);
    handler_done(ws);
}

/* The next event of a client, in order. False: none waits. */
static bool run_event(hub_ws *ws)
{
    const ws_route *to = ws->route;
    if (!ws->opened) {
        ws->opened = true;
        hub_status status = to->on_open ? to->on_open(ws, to->arg) : HUB_OK;
        if (status != HUB_OK)
            close_after(ws, status);
        return true;
    }
    if (ws->lent || ws->inbox) {
        if (!ws->lent)
            inbox_lend(ws);
        hub_status status = to->on_message ? to->on_message(ws, &ws->current, to->arg) : HUB_OK;
        client_release(ws);
        if (status != HUB_OK)
            close_after(ws, status);
        return true;
    }
    if (ws->close_due) {
        ws->close_due = false;
        uint16_t code = ws->close_code ? ws->close_code : CLOSE_ABNORMAL;
        if (to->on_close)
            to->on_close(ws, code, hub_text(ws->close_reason), to->arg);
        return true;
    }
    return false;
}

static void events_main(void *arg)
{
    hub_ws *ws = arg;
    ws->greenlet = greenlet_current();
    for (unsigned batch = 1; run_event(ws); batch++)
        if (batch % BATCH == 0)
            hub_yield();
    handler_done(ws);
}

/* Starts the greenlet of a client's handlers; it runs at once, in hub context. */
static hub_status try_handler(hub_ws *ws)
{
    hub_status status;
    greenlet_start(NULL, ws->route->name, ws->route->handler ? loop_main : events_main, ws, &status);
    return status;
}

/* The same for a client that is there: it is sent away when there is no greenlet. */
void handler_start(hub_ws *ws)
{
    hub_status status = try_handler(ws);
    if (status == HUB_OK)
        return;
    log_warning("%s: no greenlet for a client: %s; see --max-greenlets", ws->route->name,
                hub_status_text(status));
    send_failure(ws, CLOSE_TRY_LATER, hub_text("the server is busy"));
}

/* The last handlers of a client that is gone; they must run, however long it takes to get a greenlet. */
void handler_finish(hub_ws *ws)
{
    if (try_handler(ws) == HUB_OK)
        return;
    ws->next_waiting = waiting_closes.first;
    waiting_closes.first = ws;
    wheel_arm(&waiting_closes.retry, retry_seconds);
}

static void on_retry(wheel_timer *timer)
{
    (void)timer;
    hub_ws *list = waiting_closes.first;
    waiting_closes.first = NULL;
    while (list) {
        hub_ws *ws = list;
        list = ws->next_waiting;
        handler_finish(ws);
    }
}

bool handler_is_free(const hub_ws *ws)
{
    if (!ws->route->handler)
        return !ws->greenlet;
    /* A loop whose wait has just timed out is not parked any more, though it has not run yet. */
    return ws->receiving && greenlet_is_parked(ws->greenlet);
}

/* Wakes a loop that waits for messages which will not come. */
void handler_end_receiving(hub_ws *ws)
{
    if (ws->receiving)
        greenlet_wake(ws->greenlet, HUB_ECLOSED);
}

/*
 * The message lies in `current` and is lent for as long as the handler does not park. When it did, and still
 * has it, the bytes stay where they are: the read buffer is held, or the parser's memory taken over.
 */
bool handler_lend(hub_ws *ws, const message_event *event)
{
    if (!client_take_large(ws, event, &ws->current_chunk))
        return false;
    ws->current = (hub_message){event->type, event->bytes};
    ws->lent = true;
    if (ws->route->handler) {
        ws->receiving = false;
        greenlet_resume(ws->greenlet, HUB_OK);
    } else {
        handler_start(ws);
    }
    if (!ws->lent)
        return true; /* given back */
    if (!ws->greenlet)
        client_release(ws); /* the handler could not be started */
    else if (ws->current_memory || ws->current_chunk)
        return true; /* a large one, or it has gone on to a message of the queue */
    else if (event->borrowed)
        ws->current_block = input_hold((const unsigned char *)event->bytes.data + event->bytes.length);
    else
        ws->current_memory = message_take(&ws->parser);
    return true;
}

hub_status hub_ws_recv(hub_ws *ws, hub_message *message, double timeout)
{
    if (!ws->route->handler || ws->greenlet != greenlet_current())
        return HUB_ESTATE;
    client_release(ws);
    if (!ws->inbox) {
        if (!ws->connection || ws->close_sent || ws->close_received || ws->connection->closed)
            return HUB_ECLOSED;
        ws->receiving = true;
        hub_status status = greenlet_park("a message", timeout);
        ws->receiving = false;
        if (status != HUB_OK)
            return status;
    } else {
        static unsigned taken;
        /* A client that always has a next message must not keep the others waiting, nor its handler from
         * being killed. */
        if (++taken % BATCH == 0 && hub_sleep(0) == HUB_ECANCELED)
            return HUB_ECANCELED;
        inbox_lend(ws);
    }
    *message = ws->current;
    return HUB_OK;
}

void handler_open(void)
{
    wheel_handle(RETRY_KIND, on_retry);
}
