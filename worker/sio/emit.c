/* SPDX-License-Identifier: Apache-2.0 */
/* Events to one client and to many, and what else is done with many: the public header's hub_emit and its
 * like. */
#include "worker/rooms/audience.h"
#include "worker/rooms/room.h"
#include "worker/sio/client.h"
#include "worker/sio/gather.h"
#include "worker/sio/parcel.h"
#include "worker/sio/remote.h"

/* The parts of an event for other workers. */
typedef struct packed {
    parcel_head head;
    struct iovec parts[PARCEL_PARTS_MAX];
    int count;
} packed;

static void pack(packed *out, const emission *m)
{
    out->count = parcel_parts(emission_text(m), m->values.attachments, m->values.attachment_count, &out->head,
                              out->parts);
}

static const char *name_space_of(const hub_to *to)
{
    return to->name_space ? to->name_space : "/";
}

static hub_status emit_here(hub_client *c, emission *m, bool is_volatile)
{
    emission_address(m, PACKET_EVENT, c->name, PACKET_NO_ID);
    return sio_send_parking(c, m->parts, m->part_count, is_volatile);
}

static hub_status emit_remote(const bus_message *about, const emission *m, bool local)
{
    packed p;
    pack(&p, m);
    return remote_publish(&(remote_request){.action = REMOTE_EMIT, .parts = p.parts, .part_count = p.count},
                          about, true, local);
}

/* ---- records ---- */

typedef struct emitting {
    emission *event;
    hub_bytes frames;
    bool local;
} emitting;

static hub_status deliver_here(const bus_message *message, hub_bytes frames)
{
    chunk *body = chunk_new(CHUNK_SHARED, frames.length);
    if (!body)
        return HUB_ENOMEM;
    memcpy(body->bytes, frames.data, frames.length);
    body->length = frames.length;
    hub_status status = fanout_publish_here(message, body);
    chunk_drop(body);
    return status;
}

static hub_status emit_record(const bus_message *audience, void *arg)
{
    const emitting *e = arg;
    if (audience->target)
        return emit_remote(audience, e->event, e->local || session_is_local(audience->target));
    bus_message message = *audience;
    message.kind = RECORD_SIO;
    if (e->local)
        return deliver_here(&message, e->frames);
    const struct iovec body = {(void *)(uintptr_t)e->frames.data, e->frames.length};
    return fanout_publish(&message, &body, 1);
}

/* ---- one client ---- */

/* Unless it is in one of the rooms that are left out: its worker knows. */
static hub_status emit_to_client_outside(const hub_to *to, emission *m)
{
    emitting e = {.event = m, .local = to->local};
    return audience_each(to, hub_text(name_space_of(to)), sid_read_public, emit_record, &e);
}

static hub_status emit_to_client(const hub_to *to, emission *m)
{
    hub_client *c = sio_client_find(to->client);
    if (to->client == to->except)
        return HUB_OK;
    if (to->except_count)
        return emit_to_client_outside(to, m);
    if (c)
        return to->name_space && strcmp(to->name_space, c->name) != 0 ? HUB_OK
                                                                      : emit_here(c, m, to->is_volatile);
    if (session_is_local(to->client))
        return HUB_ECLOSED;
    hub_bytes space = hub_text(to->name_space);
    uint16_t flags = to->is_volatile ? RECORD_VOLATILE : 0;
    return to->local ? HUB_OK
                     : emit_remote(&(bus_message){.target = to->client, .name_space = space, .flags = flags},
                                   m, false);
}

/* ---- many ---- */

static hub_status emit_to_many(const hub_to *to, emission *m)
{
    const char *space = name_space_of(to);
    emission_address(m, PACKET_EVENT, space, PACKET_NO_ID);
    emitting e = {m, emission_frames(m), to->local};
    return e.frames.data ? audience_each(to, hub_text(space), sid_read_public, emit_record, &e) : HUB_ENOMEM;
}

static bool is_name(const char *space)
{
    return !space || (space[0] == '/' && strlen(space) <= BUS_NAME_MAX);
}

hub_status hub_emitv(hub_to to, const char *event, const char *format, va_list values)
{
    if (!is_name(to.name_space))
        return HUB_EINVAL;
    emission *m = emission_take();
    if (!m)
        return HUB_ENOMEM;
    hub_status status = emission_event(m, event, format, values);
    if (status == HUB_OK)
        status = to.client ? emit_to_client(&to, m) : emit_to_many(&to, m);
    emission_give(m);
    return status;
}

hub_status hub_emit(hub_to to, const char *event, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    hub_status status = hub_emitv(to, event, format, values);
    va_end(values);
    return status;
}

hub_status hub_reply(hub_client *c, const char *event, const char *format, ...)
{
    if (!c->engine)
        return HUB_ECLOSED;
    emission *m = emission_take();
    if (!m)
        return HUB_ENOMEM;
    va_list values;
    va_start(values, format);
    hub_status status = emission_event(m, event, format, values);
    va_end(values);
    if (status == HUB_OK)
        status = emit_here(c, m, false);
    emission_give(m);
    return status;
}

/* ---- requests ---- */

typedef struct asking {
    remote_request request;
    bool local;
    unsigned count; /* of records so far */
} asking;

static hub_status ask_record(const bus_message *audience, void *arg)
{
    asking *a = arg;
    a->count++;
    return remote_publish(&a->request, audience, false, a->local);
}

static hub_status count_record(const bus_message *audience, void *arg)
{
    (void)audience;
    ++*(unsigned *)arg;
    return HUB_OK;
}

static hub_status ask(const hub_to *to, const remote_request *request)
{
    asking a = {*request, to->local, 0};
    /* A single client is meant in whichever namespace it is, unless one is named. */
    hub_bytes space = hub_text(to->client ? to->name_space : name_space_of(to));
    return audience_each(to, space, sid_read_public, ask_record, &a);
}

static hub_status act(const hub_to *to, remote_action action, hub_bytes body)
{
    if (!is_name(to->name_space))
        return HUB_EINVAL;
    const struct iovec part = {(void *)(uintptr_t)body.data, body.length};
    return ask(to, &(remote_request){.action = action, .parts = &part, .part_count = 1});
}

static hub_status check_room(hub_bytes name)
{
    hub_id id;
    if (!name.length || sid_read_public(name, &id))
        return HUB_EINVAL;
    return name.length > BUS_NAME_MAX ? HUB_ETOOBIG : HUB_OK;
}

hub_status hub_join_all(hub_to to, hub_bytes name)
{
    hub_status status = check_room(name);
    return status == HUB_OK ? act(&to, REMOTE_JOIN, name) : status;
}

hub_status hub_leave_all(hub_to to, hub_bytes name)
{
    hub_status status = check_room(name);
    return status == HUB_OK ? act(&to, REMOTE_LEAVE, name) : status;
}

hub_status hub_disconnect_all(hub_to to, bool close)
{
    const char byte = close;
    return act(&to, REMOTE_DISCONNECT, hub_bytes_of(&byte, 1));
}

/* Asks, and waits for what the workers say. HUB_ETIMEDOUT with what came. */
static hub_status ask_and_wait(const hub_to *to, remote_request *request, double timeout, hub_value *answers)
{
    hub_status status;
    unsigned count = 0;
    if (!is_name(to->name_space))
        return HUB_EINVAL;
    if (!greenlet_current())
        return HUB_ESTATE;
    gathering *g = gather_begin(to->local ? GATHER_HERE : GATHER_ALL, &status);
    if (!g)
        return status;
    status = audience_each(to, hub_text(name_space_of(to)), sid_read_public, count_record, &count);
    gather_requests(g, count);
    request->collector = gather_collector(g);
    if (status == HUB_OK)
        status = ask(to, request);
    if (status == HUB_OK)
        status = gather_wait(g, timeout);
    if (status == HUB_OK || status == HUB_ETIMEDOUT) {
        hub_status made = answers ? gather_result(g, answers) : HUB_OK;
        status = made == HUB_OK ? status : made;
    }
    gather_end(g);
    return status;
}

hub_status hub_fetch_clients(hub_to to, double timeout, hub_value *clients)
{
    return ask_and_wait(&to, &(remote_request){.action = REMOTE_CLIENTS}, timeout, clients);
}

hub_status hub_fetch_rooms(const char *space, double timeout, hub_value *rooms)
{
    hub_to to = {.name_space = space};
    return ask_and_wait(&to, &(remote_request){.action = REMOTE_ROOMS}, timeout, rooms);
}

static hub_status call_many(const hub_to *to, double timeout, hub_value *answers, const emission *m)
{
    packed p;
    pack(&p, m);
    remote_request request = {.action = REMOTE_CALL, .parts = p.parts, .part_count = p.count};
    return ask_and_wait(to, &request, timeout, answers);
}

hub_status hub_call_many(hub_to to, double timeout, hub_value *answers, const char *event, const char *format,
                         ...)
{
    emission *m = emission_take();
    if (!m)
        return HUB_ENOMEM;
    va_list values;
    va_start(values, format);
    hub_status status = emission_event(m, event, format, values);
    va_end(values);
    if (status == HUB_OK)
        status = call_many(&to, timeout, answers, m);
    emission_give(m);
    return status;
}

/* ---- a call of one client ---- */

static hub_status call_here(hub_client *c, double timeout, hub_value *answer, emission *m)
{
    kept_packet *kept = NULL;
    hub_status status = ack_call(c, m, timeout, &kept);
    if (status == HUB_OK && answer)
        status = value_lend(kept->value.json, kept->value.binary, kept->value.binary_count, answer);
    packet_drop(kept);
    return status;
}

static hub_status call_remote(hub_id client, double timeout, hub_value *answer, const emission *m)
{
    hub_status status;
    gathering *g = gather_begin((int32_t)session_id_incarnation(client), &status);
    if (!g)
        return status;
    packed p;
    pack(&p, m);
    status = remote_publish(
        &(remote_request){
            .action = REMOTE_CALL, .collector = gather_collector(g), .parts = p.parts, .part_count = p.count},
        &(bus_message){.target = client}, true, false);
    if (status == HUB_OK)
        status = gather_wait(g, timeout);
    if (status == HUB_OK && !gather_count(g))
        status = HUB_ECLOSED;
    if (status == HUB_OK && answer)
        status = gather_first(g, answer);
    gather_end(g);
    return status;
}

hub_status hub_call(hub_id client, double timeout, hub_value *answer, const char *event, const char *format,
                    ...)
{
    emission *m = emission_take();
    if (!m)
        return HUB_ENOMEM;
    va_list values;
    va_start(values, format);
    hub_status status = emission_event(m, event, format, values);
    va_end(values);
    hub_client *c = sio_client_find(client);
    if (status == HUB_OK && !greenlet_current())
        status = HUB_ESTATE;
    if (status == HUB_OK)
        status = c                          ? call_here(c, timeout, answer, m)
                 : session_is_local(client) ? HUB_ECLOSED
                                            : call_remote(client, timeout, answer, m);
    emission_give(m);
    return status;
}
