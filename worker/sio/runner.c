/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/client.h"

#include "common/log.h"
#include "worker/sio/lent.h"

enum {
    RETRY_KIND = 5, /* of wheel timers */
    BATCH = 64,     /* events of one client before others get their turn */
};

/* Clients that wait for a greenlet. */
static struct {
    hub_client *first;
    wheel_timer retry;
} waiting = {.retry.kind = RETRY_KIND};
static const double retry_seconds = 0.25;

/* ---- the inbox ---- */

static kept_packet *take(hub_client *c)
{
    kept_packet *oldest = c->inbox->next;
    if (oldest == c->inbox)
        c->inbox = NULL;
    else
        c->inbox->next = oldest->next;
    c->inbox_bytes -= oldest->bytes;
    if (c->inbox_full && c->inbox_bytes <= sio->inbox / 2) {
        c->inbox_full = false;
        if (--sio_connection_of(c)->full_inboxes == 0)
            engine_pause(c->engine, false);
    }
    return oldest;
}

static void put(hub_client *c, kept_packet *kept)
{
    if (c->inbox) {
        kept->next = c->inbox->next;
        c->inbox->next = kept;
    } else {
        kept->next = kept;
    }
    c->inbox = kept;
    c->inbox_bytes += kept->bytes;
    if (!c->inbox_full && c->inbox_bytes > sio->inbox) {
        c->inbox_full = true;
        if (sio_connection_of(c)->full_inboxes++ == 0)
            engine_pause(c->engine, true);
    }
}

void runner_drop_inbox(hub_client *c)
{
    while (c->inbox)
        packet_drop(take(c));
}

/* ---- running handlers ---- */

/* The arguments of an event: its array without the name, but with it for who takes all events. The array's
 * memory is written to. */
static hub_value arguments_of(const event_handler *handler, hub_value array)
{
    if (handler->name)
        array.json = packet_arguments((char *)(uintptr_t)array.json.data, array.json.length);
    return array;
}

static void release(running_event *r)
{
    packet_drop(r->kept);
    engine_unhold(&r->held);
    if (r->origin)
        r->origin->copy = NULL;
    *r = (running_event){0};
}

static bool failed(hub_status status)
{
    return status != HUB_OK && status != HUB_ECLOSED;
}

static void run_event(hub_client *c, running_event *r)
{
    r->args = arguments_of(r->handler, r->args);
    c->running = r;
    hub_status status = r->handler->run(c, r->args, r->ack, r->handler->arg);
    if (failed(status)) {
        log_error("%s: the handler of '%s' failed: %s", c->registered->label,
                  r->handler->name ? r->handler->name : "*", hub_status_text(status));
        if (!r->answered)
            hub_ack_send(r->ack, "{s:s}", "error", hub_status_text(status));
    }
    c->running = NULL;
    lent_release_all();
    release(r);
}

static void run_connect(hub_client *c)
{
    hub_value auth = c->admission->auth ? c->admission->auth->value : hub_value_of(hub_bytes_of(NULL, 0));
    hub_status status = c->registered->on_connect(c, auth, c->registered->connect_arg);
    lent_release_all();
    if (!c->engine)
        return; /* gone meanwhile */
    if (status == HUB_OK) {
        sio_let_in(c);
        return;
    }
    if (failed(status) && !c->admission->refusal.length)
        log_error("%s: the connect handler failed: %s", c->registered->label, hub_status_text(status));
    sio_turn_away(c);
}

/* The next thing to do for a client, in order. False: nothing. */
static bool run_next(hub_client *c)
{
    if (c->admission && c->engine) {
        run_connect(c);
    } else if (c->inbox) {
        kept_packet *kept = take(c);
        running_event r = {.handler = kept->handler,
                           .args = kept->value,
                           .ack = {kept->id == PACKET_NO_ID ? 0 : c->session.id, kept->id},
                           .kept = kept};
        run_event(c, &r);
    } else if (c->close_due) {
        c->close_due = false;
        c->registered->on_disconnect(c, sio_reason_text((sio_reason)c->reason),
                                     c->registered->disconnect_arg);
        lent_release_all();
    } else {
        return false;
    }
    return true;
}

static void run_all(hub_client *c)
{
    for (unsigned batch = 1; run_next(c); batch++)
        if (batch % BATCH == 0)
            hub_yield();
    c->greenlet = NULL;
    if (!c->engine)
        sio_client_free(c);
}

/* ---- their greenlets ---- */

static void waiting_main(void *arg)
{
    hub_client *c = arg;
    c->greenlet = greenlet_current();
    run_all(c);
}

/* The same with an event that is lent for as long as this does not park. */
static void lent_main(void *arg)
{
    running_event *origin = arg;
    hub_client *c = origin->client;
    running_event r = *origin;
    r.origin = origin;
    origin->copy = &r;
    c->greenlet = greenlet_current();
    run_event(c, &r);
    run_all(c);
}

static void wait_for_greenlet(hub_client *c, hub_status status)
{
    log_warning("%s: no greenlet for a client's handler: %s; see --max-greenlets", c->registered->label,
                hub_status_text(status));
    c->waiting = true;
    c->next_waiting = waiting.first;
    waiting.first = c;
    wheel_arm(&waiting.retry, retry_seconds);
}

void runner_wake(hub_client *c)
{
    hub_status status;
    if (c->greenlet || c->waiting)
        return;
    c->greenlet = greenlet_spawn(c->registered->label, waiting_main, c, &status);
    if (!c->greenlet)
        wait_for_greenlet(c, status);
}

static void on_retry(wheel_timer *timer)
{
    (void)timer;
    hub_client *list = waiting.first;
    waiting.first = NULL;
    while (list) {
        hub_client *c = list;
        list = c->next_waiting;
        c->running = NULL;
        c->waiting = false;
        if (!c->engine && !c->inbox && !c->close_due)
            sio_client_free(c);
        else
            runner_wake(c);
    }
}

/* False: there is no greenlet, nothing has been done. */
static bool run_at_once(hub_client *c, running_event *origin)
{
    hub_status status;
    engine *e = c->engine;
    greenlet_start(NULL, c->registered->label, lent_main, origin, &status);
    if (status != HUB_OK)
        return false;
    running_event *parked = origin->copy;
    if (parked) { /* its handler goes on with the event where it is */
        parked->origin = NULL;
        if (!parked->kept)
            engine_hold(e, &parked->held);
    }
    return true;
}

bool runner_event(hub_client *c, const event_handler *handler, const packet *event, kept_packet *kept)
{
    if (!c->greenlet && !c->waiting && !c->inbox && !greenlet_current()) {
        hub_value array = kept ? kept->value : (hub_value){.json = event->data, .checked = true};
        hub_ack ack = {event->id == PACKET_NO_ID ? 0 : c->session.id, event->id};
        if (run_at_once(c, &(running_event){
                               .client = c, .handler = handler, .args = array, .ack = ack, .kept = kept}))
            return true;
    }
    if (!kept && !(kept = packet_keep(PACKET_EVENT, event->id, event->data, 0)))
        return false;
    kept->handler = handler;
    put(c, kept);
    runner_wake(c);
    return true;
}

void runner_open(void)
{
    waiting.first = NULL;
    wheel_handle(RETRY_KIND, on_retry);
}
