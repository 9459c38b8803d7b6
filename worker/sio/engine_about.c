/* SPDX-License-Identifier: Apache-2.0 */
#include "common/buffer.h"
#include "worker/http/field.h"
#include "worker/http/percent.h"
#include "worker/sio/engine_inside.h"
#include "worker/sio/sid.h"

#include <stdlib.h>

void *engine_state(engine *e)
{
    return e->state;
}

void *engine_arg(const engine *e)
{
    return e->endpoint->arg;
}

hub_id engine_id(const engine *e)
{
    return e->session.id;
}

const char *engine_sid(const engine *e, char text[static 25])
{
    _Static_assert(SID_LENGTH + 1 == 25, "what the header promises");
    sid_make(e->session.id, text);
    return text;
}

const char *engine_transport(const engine *e)
{
    return e->polling ? "polling" : "websocket";
}

/* ---- what is kept of the opening request ---- */

static bool is_the_protocols(hub_bytes name)
{
    static const char *const names[] = {"EIO", "transport", "sid", "t", "b64", "j"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (hub_equal(name, hub_text(names[i])))
            return true;
    return false;
}

/* The application's own parameters, raw. False without memory. */
static bool keep_query(engine *e, hub_bytes query)
{
    buffer kept = {0};
    hub_bytes name, value;
    hub_status status = HUB_OK;
    while (status == HUB_OK && query_next(&query, &name, &value))
        if (!is_the_protocols(name))
            status = buffer_printf(&kept, "&%.*s=%.*s", (int)name.length, (const char *)name.data,
                                   (int)value.length, (const char *)value.data);
    e->query = status == HUB_OK && kept.length ? strndup(kept.data, kept.length) : NULL;
    bool done = status == HUB_OK && (!kept.length || e->query);
    buffer_free(&kept);
    return done;
}

static hub_status add_header(buffer *kept, hub_bytes name, hub_bytes value)
{
    hub_status status = buffer_reserve(kept, name.length + value.length + 3);
    if (status != HUB_OK)
        return status;
    buffer_append(kept, name.data, name.length);
    buffer_append(kept, "", 1);
    buffer_append(kept, value.data, value.length);
    return buffer_append(kept, "", 1);
}

static bool keep_headers(engine *e, const http_head *head)
{
    buffer kept = {0};
    hub_bytes list = hub_text(e->endpoint->keep_headers), wanted;
    while (field_list_next(&list, &wanted))
        for (size_t i = 0; i < head->field_count; i++)
            if (field_name_equal(head->fields[i].name, wanted)) {
                if (add_header(&kept, wanted, head->fields[i].value) != HUB_OK) {
                    buffer_free(&kept);
                    return false;
                }
                break;
            }
    if (kept.length)
        buffer_append(&kept, "", 1); /* add_header has made room for it */
    e->headers = kept.data;
    return true;
}

/* Of a WebSocket only what its connection does not know. */
static bool keep_peer(engine *e, const hub_http *http, bool polls)
{
    char own[64] = "?";
    hub_bytes peer = hub_http_peer(http);
    if (http->connection)
        connection_peer(http->connection, own);
    if (!polls && hub_equal(peer, hub_text(own)))
        return true;
    e->peer = strndup(peer.data ? peer.data : own, peer.data ? peer.length : strlen(own));
    return e->peer != NULL;
}

bool engine_remember(engine *e, const hub_http *http)
{
    return keep_query(e, http->head.query) && keep_headers(e, &http->head) &&
           keep_peer(e, http, !http->upgrades);
}

hub_bytes engine_header(const engine *e, const char *name)
{
    for (const char *at = e->headers; at && *at;) {
        const char *value = at + strlen(at) + 1;
        if (field_name_equal(hub_text(at), hub_text(name)))
            return hub_text(value);
        at = value + strlen(value) + 1;
    }
    return hub_bytes_of(NULL, 0);
}

hub_bytes engine_query(const engine *e, const char *name)
{
    static char decoded[8192];
    hub_bytes raw;
    size_t length;
    if (!e->query || !query_find(hub_text(e->query), hub_text(name), &raw) || raw.length > sizeof decoded ||
        percent_decode_form(raw, decoded, &length) == PERCENT_BAD)
        return hub_bytes_of(NULL, 0);
    return hub_bytes_of(decoded, length);
}

hub_bytes engine_peer(const engine *e)
{
    static char text[64];
    if (e->peer)
        return hub_text(e->peer);
    return hub_text(e->ws ? ws_user_peer(e->ws, text) : "?");
}
