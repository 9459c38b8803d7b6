/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rooms/room.h"
#include "worker/sio/client.h"

hub_id hub_client_id(const hub_client *c)
{
    return c->session.id;
}

hub_bytes hub_client_sid(const hub_client *c)
{
    return hub_bytes_of(c->sid, SID_PUBLIC_LENGTH);
}

const char *hub_client_namespace(const hub_client *c)
{
    return c->name;
}

const char *hub_client_transport(const hub_client *c)
{
    return c->engine ? engine_transport(c->engine) : "";
}

bool hub_client_recovered(const hub_client *c)
{
    (void)c;
    return false; /* sessions end with their connections */
}

void *hub_client_session(const hub_client *c)
{
    return sio->session_size ? (void *)(uintptr_t)c->data : NULL;
}

hub_bytes hub_client_header(const hub_client *c, const char *name)
{
    return c->engine ? engine_header(c->engine, name) : hub_bytes_of(NULL, 0);
}

hub_bytes hub_client_query(const hub_client *c, const char *name)
{
    return c->engine ? engine_query(c->engine, name) : hub_bytes_of(NULL, 0);
}

hub_bytes hub_client_peer(const hub_client *c)
{
    return c->engine ? engine_peer(c->engine) : hub_bytes_of(NULL, 0);
}

/* The client's own name is a room in which it is anyway; those of others are nobody else's to join. */
static hub_status check_room(const hub_client *c, hub_bytes name, bool *is_own)
{
    hub_id id;
    *is_own = hub_equal(name, hub_client_sid(c));
    if (!c->engine)
        return HUB_ECLOSED;
    return !name.length || (!*is_own && sid_read_public(name, &id)) ? HUB_EINVAL : HUB_OK;
}

hub_status hub_client_join(hub_client *c, hub_bytes name)
{
    bool is_own;
    hub_status status = check_room(c, name, &is_own);
    return status != HUB_OK || is_own ? status : fanout_join(&c->session, hub_text(c->name), name);
}

hub_status hub_client_leave(hub_client *c, hub_bytes name)
{
    bool is_own;
    hub_status status = check_room(c, name, &is_own);
    if (status == HUB_OK && !is_own)
        room_leave(&c->session, hub_text(c->name), name);
    return status;
}

/* The first membership is that of everybody in the namespace. */
hub_bytes hub_client_room(const hub_client *c, size_t index)
{
    return index + 1 < c->session.rooms ? room_name_at(&c->session, index + 1) : hub_bytes_of(NULL, 0);
}

hub_status hub_client_disconnect(hub_client *c, bool close)
{
    if (!c->engine)
        return HUB_ECLOSED;
    sio_disconnect(c, close);
    return HUB_OK;
}

hub_status hub_refuse(hub_client *c, const char *message, const char *format, ...)
{
    if (!c->admission)
        return HUB_ESTATE;
    emission *m = emission_take();
    if (!m)
        return HUB_ENOMEM;
    va_list values;
    va_start(values, format);
    hub_status status = emission_refusal(m, message, format, values);
    va_end(values);
    hub_bytes text = emission_text(m);
    buffer_clear(&c->admission->refusal);
    if (status == HUB_OK)
        status = buffer_append(&c->admission->refusal, text.data, text.length);
    emission_give(m);
    return status == HUB_OK ? HUB_EFAIL : status;
}

hub_status hub_client_drop(hub_client *c)
{
    if (!c->engine)
        return HUB_ECLOSED;
    engine_drop(c->engine);
    return HUB_OK;
}
