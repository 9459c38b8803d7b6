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
    sio_connection *connection = engine_state(e);
    connection->engine = e;
    connection->timer.kind = TIMER_KIND;
    if (sio->connect_timeout > 0)
        wheel_arm(&connection->timer, sio->connect_timeout);
    return HUB_OK;
}

static void on_close(engine *e, sio_reason reason)
{
    sio_connection *connection = engine_state(e);
    wheel_cancel(&connection->timer);
    packet_drop(connection->assembly);
    connection->assembly = NULL;
    while (connection->clients)
        client_gone(connection->clients, reason);
}

/* All clients of the connection learn the reason; what they sent before is still handled. */
static void end(sio_connection *connection, sio_reason reason)
{
    engine *e = connection->engine;
    while (connection->clients)
        client_gone(connection->clients, reason);
    engine_close(e, reason);
}

/* Neither joined in time, or its turn in a drain. */
static void on_timer(wheel_timer *timer)
{
    sio_connection *connection = (sio_connection *)(void *)((char *)timer - offsetof(sio_connection, timer));
    end(connection, connection->draining ? SIO_SERVER_SHUTTING_DOWN : SIO_FORCED_SERVER_CLOSE);
}

static void on_drain(engine *e)
{
    sio_connection *connection = engine_state(e);
    bool at_once = sio->drain_time <= 0;
    if (connection->draining && !at_once)
        return;
    connection->draining = true;
    if (at_once)
        end(connection, SIO_SERVER_SHUTTING_DOWN);
    else
        wheel_arm(&connection->timer, sio->drain_time * ((double)random() / (double)RAND_MAX));
}

/* ---- packets ---- */

static hub_client *client_of(const sio_connection *connection, hub_bytes name)
{
    hub_client *c = connection->clients;
    while (c && !hub_equal(hub_text(c->name), name))
        c = c->sibling;
    return c;
}

void sio_refuse(engine *e, hub_bytes name_space, hub_bytes data)
{
    char head[PACKET_HEAD_MAX];
    buffer text = {0};
    size_t length = packet_write_head(head, PACKET_CONNECT_ERROR, 0, name_space, PACKET_NO_ID);
    if (buffer_append(&text, head, length) == HUB_OK &&
        buffer_append(&text, data.data, data.length) == HUB_OK)
        engine_send(e, &(engine_part){HUB_TEXT, buffer_bytes(&text)}, 1);
    buffer_free(&text);
}

static void on_connect(sio_connection *connection, const packet *p)
{
    const name_space *registered = name_spaces_find(sio->name_spaces, p->name_space);
    if (client_of(connection, p->name_space)) {
        end(connection, SIO_FORCED_SERVER_CLOSE); /* it is there already */
        return;
    }
    if (!registered) {
        sio_refuse(connection->engine, p->name_space, hub_text("{\"message\":\"Invalid namespace\"}"));
        return;
    }
    if (connection->client_count >= sio->max_namespaces) {
        sio_refuse(connection->engine, p->name_space, hub_text("{\"message\":\"too many namespaces\"}"));
        return;
    }
    kept_packet *auth = p->data.length && registered->on_connect
                            ? packet_keep(PACKET_CONNECT, PACKET_NO_ID, p->data, 0)
                            : NULL;
    hub_client *c = client_new(connection, registered, p->name_space);
    if (!c) {
        packet_drop(auth);
        sio_refuse(connection->engine, p->name_space, hub_text("{\"message\":\"the server is full\"}"));
        return;
    }
    c->admission->auth = auth;
    if (registered->on_connect)
        runner_wake(c);
    else
        client_let_in(c);
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
        end(client_connection(c), SIO_FORCED_SERVER_CLOSE);
    }
}

static void begin_assembly(sio_connection *connection, hub_client *c, const packet *p)
{
    connection->assembly = packet_keep(p->type, p->id, p->data, p->attachments);
    if (!connection->assembly) {
        end(connection, SIO_FORCED_SERVER_CLOSE);
        return;
    }
    connection->assembly->client = c->session.id;
    connection->assembly->handler = is_ack(p) ? NULL : handler_of(c, p);
}

static void on_attachment(sio_connection *connection, hub_bytes body)
{
    kept_packet *whole = connection->assembly;
    if (!whole) {
        end(connection, SIO_PARSE_ERROR); /* nothing was announced */
        return;
    }
    if (!packet_keep_attachment(whole, body)) {
        end(connection, SIO_FORCED_SERVER_CLOSE);
        return;
    }
    if (whole->value.binary_count < whole->announced)
        return;
    connection->assembly = NULL;
    hub_client *c = client_find(whole->client);
    if (c)
        on_whole(c, &(packet){.type = whole->type, .id = whole->id, .data = whole->value.json},
                 whole->handler, whole);
    else
        packet_drop(whole); /* it has been disconnected meanwhile */
}

static void on_packet(sio_connection *connection, const packet *p)
{
    if (p->type == PACKET_CONNECT) {
        on_connect(connection, p);
        return;
    }
    hub_client *c = client_of(connection, p->name_space);
    if (!c)
        end(connection, SIO_FORCED_SERVER_CLOSE);
    else if (p->type == PACKET_DISCONNECT)
        client_gone(c, SIO_CLIENT_DISCONNECT);
    else if (p->attachments)
        begin_assembly(connection, c, p);
    else
        on_whole(c, p, is_ack(p) ? NULL : handler_of(c, p), NULL);
}

/* True when it sent more packets in this second than it may. */
static bool is_too_fast(sio_connection *connection)
{
    if (!sio->packet_rate)
        return false;
    uint32_t now = wheel_now();
    if (now - connection->rate_since >= WHEEL_TICKS_PER_SECOND) {
        connection->rate_since = now;
        connection->rate_count = 0;
    }
    return ++connection->rate_count > sio->packet_rate;
}

static void on_message(engine *e, hub_type type, hub_bytes body)
{
    sio_connection *connection = engine_state(e);
    const packet_limits limits = {sio->max_attachments, sio->max_depth, BUS_NAME_MAX};
    packet p;
    if (is_too_fast(connection)) {
        log_warning("socket.io: a client sent more than %u packets in a second and is closed; see "
                    "--sio-packet-rate",
                    sio->packet_rate);
        end(connection, SIO_FORCED_SERVER_CLOSE);
    } else if (type == HUB_BINARY) {
        on_attachment(connection, body);
    } else if (connection->assembly || packet_read(&p, body, &limits) != HUB_OK) {
        end(connection, SIO_PARSE_ERROR);
    } else {
        on_packet(connection, &p);
    }
}

const engine_user sio_user = {
    .name = "socket.io",
    .state_size = sizeof(sio_connection),
    .on_open = on_open,
    .on_message = on_message,
    .on_drain = on_drain,
    .on_close = on_close,
};

/* ---- the worker ---- */

hub_status sio_open(const sio_server *server, bus *log)
{
    sio = server;
    wheel_handle(TIMER_KIND, on_timer);
    runner_open();
    return remote_open(log);
}

void sio_close(void)
{
    remote_close();
    emissions_trim();
}
