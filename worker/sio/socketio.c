/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/socketio.h"

#include "common/log.h"
#include "worker/sio/client.h"
#include "worker/sio/json.h"
#include "worker/sio/remote.h"

#include <stdlib.h>

enum {
    TIMER_KIND = 4,         /* of wheel timers */
    NAME_ESCAPED_MAX = 512, /* bytes of an event's name that has escapes; longer ones fit no registration */
};

const sio_server *sio;

/* ---- the connection's end ---- */

static hub_status on_open(engine *e)
{
    sio_connection *wire = engine_state(e);
    wire->engine = e;
    wire->timer.kind = TIMER_KIND;
    if (sio->connect_timeout > 0)
        wheel_arm(&wire->timer, sio->connect_timeout);
    return HUB_OK;
}

static void on_close(engine *e, sio_reason reason)
{
    sio_connection *wire = engine_state(e);
    wheel_cancel(&wire->timer);
    packet_drop(wire->assembly);
    wire->assembly = NULL;
    while (wire->clients)
        sio_gone(wire->clients, reason);
}

/* All clients of the connection learn the reason; what they sent before is still handled. */
static void end(sio_connection *wire, sio_reason reason)
{
    engine *e = wire->engine;
    while (wire->clients)
        sio_gone(wire->clients, reason);
    engine_close(e, reason);
}

/* It did not join a namespace in time. */
static void on_timer(wheel_timer *timer)
{
    sio_connection *wire = (sio_connection *)(void *)((char *)timer - offsetof(sio_connection, timer));
    end(wire, SIO_FORCED_SERVER_CLOSE);
}

/* ---- packets ---- */

static hub_client *client_of(const sio_connection *wire, hub_bytes name)
{
    hub_client *c = wire->clients;
    while (c && !hub_equal(hub_text(c->name), name))
        c = c->sibling;
    return c;
}

void sio_refuse(engine *e, hub_bytes name, hub_bytes data)
{
    char head[PACKET_HEAD_MAX];
    buffer text = {0};
    size_t length = packet_write_head(head, PACKET_CONNECT_ERROR, 0, name, PACKET_NO_ID);
    if (buffer_append(&text, head, length) == HUB_OK &&
        buffer_append(&text, data.data, data.length) == HUB_OK)
        engine_send(e, &(engine_part){HUB_TEXT, buffer_bytes(&text)}, 1);
    buffer_free(&text);
}

static void on_connect(sio_connection *wire, const packet *p)
{
    const name_space *registered = name_spaces_find(sio->name_spaces, p->name_space);
    if (client_of(wire, p->name_space)) {
        end(wire, SIO_FORCED_SERVER_CLOSE); /* it is there already */
        return;
    }
    if (!registered) {
        sio_refuse(wire->engine, p->name_space, hub_text("{\"message\":\"Invalid namespace\"}"));
        return;
    }
    if (wire->client_count >= sio->max_namespaces) {
        sio_refuse(wire->engine, p->name_space, hub_text("{\"message\":\"too many namespaces\"}"));
        return;
    }
    kept_packet *auth = p->data.length && registered->on_connect
                            ? packet_keep(PACKET_CONNECT, PACKET_NO_ID, p->data, 0)
                            : NULL;
    hub_client *c = sio_client_new(wire, registered, p->name_space);
    if (!c) {
        packet_drop(auth);
        sio_refuse(wire->engine, p->name_space, hub_text("{\"message\":\"the server is full\"}"));
        return;
    }
    c->admission->auth = auth;
    if (registered->on_connect)
        runner_wake(c);
    else
        sio_let_in(c);
}

/* Who handles an event; NULL: nobody. */
static const event_handler *handler_of(const hub_client *c, const packet *event)
{
    char plain[NAME_ESCAPED_MAX];
    hub_bytes name = event->name;
    if (event->name_has_escapes)
        name = name.length <= sizeof plain ? hub_bytes_of(plain, json_unescape(plain, name))
                                           : hub_bytes_of(NULL, 0); /* the name of no registration */
    const event_handler *found = name_space_event(c->registered, name);
    if (!found)
        log_debug("%s: nobody handles the event '%.*s'", c->registered->label, (int)event->name.length,
                  (const char *)event->name.data);
    return found;
}

static bool is_ack(const packet *p)
{
    return p->type == PACKET_ACK || p->type == PACKET_BINARY_ACK;
}

/* An event or acknowledgement, whole. `kept` is its memory when it is not the engine's. */
static void on_whole(hub_client *c, const packet *p, const event_handler *handler, kept_packet *kept)
{
    if (is_ack(p)) {
        ack_arrived(c, p, kept);
    } else if (!handler) {
        packet_drop(kept);
    } else if (!runner_event(c, handler, p, kept)) {
        log_error("%s: no memory for an event", c->registered->label);
        end(sio_connection_of(c), SIO_FORCED_SERVER_CLOSE);
    }
}

static void begin_assembly(sio_connection *wire, hub_client *c, const packet *p)
{
    wire->assembly = packet_keep(p->type, p->id, p->data, p->attachments);
    if (!wire->assembly) {
        end(wire, SIO_FORCED_SERVER_CLOSE);
        return;
    }
    wire->assembly->client = c->session.id;
    wire->assembly->handler = is_ack(p) ? NULL : handler_of(c, p);
}

static void on_attachment(sio_connection *wire, hub_bytes body)
{
    kept_packet *whole = wire->assembly;
    if (!whole) {
        end(wire, SIO_PARSE_ERROR); /* nothing was announced */
        return;
    }
    if (!packet_keep_attachment(whole, body)) {
        end(wire, SIO_FORCED_SERVER_CLOSE);
        return;
    }
    if (whole->value.binary_count < whole->announced)
        return;
    wire->assembly = NULL;
    hub_client *c = sio_client_find(whole->client);
    if (c)
        on_whole(c, &(packet){.type = whole->type, .id = whole->id, .data = whole->value.json},
                 whole->handler, whole);
    else
        packet_drop(whole); /* it has been disconnected meanwhile */
}

static void on_packet(sio_connection *wire, const packet *p)
{
    if (p->type == PACKET_CONNECT) {
        on_connect(wire, p);
        return;
    }
    hub_client *c = client_of(wire, p->name_space);
    if (!c)
        end(wire, SIO_FORCED_SERVER_CLOSE);
    else if (p->type == PACKET_DISCONNECT)
        sio_gone(c, SIO_CLIENT_DISCONNECT);
    else if (p->attachments)
        begin_assembly(wire, c, p);
    else
        on_whole(c, p, is_ack(p) ? NULL : handler_of(c, p), NULL);
}

/* True when it sent more packets in this second than it may. */
static bool is_too_fast(sio_connection *wire)
{
    if (!sio->packet_rate)
        return false;
    uint32_t now = wheel_now();
    if (now - wire->rate_since >= WHEEL_TICKS_PER_SECOND) {
        wire->rate_since = now;
        wire->rate_count = 0;
    }
    return ++wire->rate_count > sio->packet_rate;
}

static void on_message(engine *e, hub_type type, hub_bytes body)
{
    sio_connection *wire = engine_state(e);
    const packet_limits limits = {sio->max_attachments, sio->max_depth, BUS_NAME_MAX};
    packet p;
    if (is_too_fast(wire)) {
        log_warning("socket.io: a client sent more than %u packets in a second and is closed; see "
                    "--sio-packet-rate",
                    sio->packet_rate);
        end(wire, SIO_FORCED_SERVER_CLOSE);
    } else if (type == HUB_BINARY) {
        on_attachment(wire, body);
    } else if (wire->assembly || packet_read(&p, body, &limits) != HUB_OK) {
        end(wire, SIO_PARSE_ERROR);
    } else {
        on_packet(wire, &p);
    }
}

const engine_user sio_user = {
    .name = "socket.io",
    .state_size = sizeof(sio_connection),
    .on_open = on_open,
    .on_message = on_message,
    .on_close = on_close,
};

/* ---- the worker ---- */

void sio_open(const sio_server *server, bus *log)
{
    sio = server;
    wheel_handle(TIMER_KIND, on_timer);
    runner_open();
    remote_open(log);
}

void sio_close(void)
{
    remote_close();
    emissions_trim();
}
