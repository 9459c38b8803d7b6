/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/percent.h"
#include "worker/sio/engine_inside.h"
#include "worker/sio/relay.h"
#include "worker/sio/sid.h"
#include "worker/ws/handshake.h"

#include <stdio.h>

static hub_bytes parameter(const hub_http *http, const char *name)
{
    hub_bytes value;
    return query_find(http->head.query, hub_text(name), &value) ? value : hub_bytes_of(NULL, 0);
}

static bool is_method(const hub_http *http, const char *name)
{
    return hub_equal(http->head.method, hub_text(name));
}

/* ---- what is asked ---- */

/* A request to a session that is there. */
static request_error check_session(const engine *e, const engine_endpoint *endpoint, bool websocket)
{
    if (!websocket)
        return e->polling ? REQUEST_FINE : REQUEST_BAD;
    return endpoint->upgrades ? REQUEST_FINE : REQUEST_BAD;
}

request_error request_read(const engine_endpoint *endpoint, const hub_http *http, bool upgrade, engine **e)
{
    hub_bytes named = parameter(http, "transport"), sid = parameter(http, "sid");
    bool websocket = hub_equal(named, hub_text("websocket")) && endpoint->websocket;
    bool polls = hub_equal(named, hub_text("polling")) && endpoint->polling;
    *e = NULL;
    if (!websocket && !polls)
        return REQUEST_UNKNOWN_TRANSPORT;
    if (endpoint->origins && !handshake_origin_allowed(&http->head, hub_text(endpoint->origins)))
        return REQUEST_FORBIDDEN;
    if (!is_method(http, "GET") && (!is_method(http, "POST") || !sid.length))
        return REQUEST_BAD_METHOD;
    if (sid.length) {
        engine *found = engine_of_sid(sid);
        if (found && found->polling && !found->closed && engine_is_overdue(found))
            engine_close(found, SIO_PING_TIMEOUT);
        if (!found || found->endpoint != endpoint || (found->closed && !found->lingers))
            return REQUEST_UNKNOWN_SID;
        *e = found;
        return websocket == upgrade ? check_session(found, endpoint, websocket) : REQUEST_BAD;
    }
    if (websocket != upgrade)
        return REQUEST_BAD;
    return hub_equal(parameter(http, "EIO"), hub_text("4")) ? REQUEST_FINE : REQUEST_UNSUPPORTED_VERSION;
}

bool engine_claim(hub_http *http, void *arg)
{
    (void)arg;
    hub_id id;
    return sid_read(parameter(http, "sid"), &id) && !session_is_local(id) &&
           relay_to_owner(http, session_id_incarnation(id));
}

/* ---- answers ---- */

void request_allow(const engine_endpoint *endpoint, hub_http *http)
{
    hub_bytes origin = http_head_get(&http->head, "origin");
    if (!endpoint->origins || !origin.data)
        return;
    if (strcmp(endpoint->origins, "*") == 0) {
        hub_http_set(http, "Access-Control-Allow-Origin", hub_text("*"));
        return;
    }
    hub_http_set(http, "Vary", hub_text("Origin"));
    if (!handshake_origin_allowed(&http->head, hub_text(endpoint->origins)))
        return;
    hub_http_set(http, "Access-Control-Allow-Origin", origin);
    if (endpoint->credentials)
        hub_http_set(http, "Access-Control-Allow-Credentials", hub_text("true"));
}

void request_preflight(const engine_endpoint *endpoint, hub_http *http)
{
    hub_bytes asked = http_head_get(&http->head, "access-control-request-headers");
    request_allow(endpoint, http);
    hub_http_set(http, "Access-Control-Allow-Methods", hub_text("GET, POST, OPTIONS"));
    if (asked.length)
        hub_http_set(http, "Access-Control-Allow-Headers", asked);
    hub_http_set(http, "Access-Control-Max-Age", hub_text("600"));
    hub_http_reply(http, 204, NULL, hub_bytes_of(NULL, 0));
}

void request_refuse(const engine_endpoint *endpoint, hub_http *http, request_error problem)
{
    static const char *const messages[] = {
        "Transport unknown", "Session ID unknown", "Bad handshake method",
        "Bad request",       "Forbidden",          "Unsupported protocol version",
    };
    request_allow(endpoint, http);
    hub_http_replyf(http, problem == REQUEST_FORBIDDEN ? 403 : 400, "application/json",
                    "{\"code\":%d,\"message\":\"%s\"}", (int)problem, messages[problem]);
}

void request_set_cookie(const engine *e, hub_http *http)
{
    char value[256], sid[SID_LENGTH + 1];
    if (!e->endpoint->cookie)
        return;
    sid_make(e->session.id, sid);
    int length =
        snprintf(value, sizeof value, "%s=%s; Path=/; HttpOnly; SameSite=Lax", e->endpoint->cookie, sid);
    if (length > 0 && (size_t)length < sizeof value)
        hub_http_set(http, "Set-Cookie", hub_bytes_of(value, (size_t)length));
}
