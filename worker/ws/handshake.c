/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/handshake.h"
#include "worker/http/field.h"
#include "worker/ws/sha1.h"

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { KEY_LENGTH = 24 };

/* ---- key ---- */

/* The value of a base64 digit, or -1. */
static int base64_digit(char c)
{
    const char *at = c != '\0' ? strchr(base64_alphabet, c) : NULL;
    return at ? (int)(at - base64_alphabet) : -1;
}

bool handshake_key_valid(hub_bytes key)
{
    const char *text = key.data;
    if (key.length != KEY_LENGTH || text[22] != '=' || text[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++)
        if (base64_digit(text[i]) < 0)
            return false;
    /* 22 digits hold 132 bits for 128: RFC 4648, section 3.5 lets a decoder refuse spare bits that are set.
     */
    return (base64_digit(text[21]) & 0x0F) == 0;
}

void handshake_accept_key(hub_bytes key, char out[HANDSHAKE_ACCEPT_LENGTH + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, section 1.3 */
    unsigned char text[KEY_LENGTH + sizeof guid - 1];
    size_t key_length = key.length < KEY_LENGTH ? key.length : KEY_LENGTH;
    unsigned char digest[SHA1_SIZE + 1];

    if (key_length > 0)
        memcpy(text, key.data, key_length);
    memcpy(text + key_length, guid, sizeof guid - 1);
    sha1_digest(text, key_length + sizeof guid - 1, digest);
    digest[SHA1_SIZE] = 0; /* 20 bytes are six groups of three and one of two */

    char *p = out;
    for (size_t i = 0; i < sizeof digest; i += 3) {
        unsigned group = (unsigned)digest[i] << 16 | (unsigned)digest[i + 1] << 8 | digest[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *p++ = base64_alphabet[group >> shift & 0x3F];
    }
    out[HANDSHAKE_ACCEPT_LENGTH - 1] = '=';
    out[HANDSHAKE_ACCEPT_LENGTH] = '\0';
}

/* ---- the request ---- */

static handshake_verdict refuse(int status, const char *reason)
{
    return (handshake_verdict){.status = status, .reason = reason};
}

handshake_verdict handshake_check(const http_head *head)
{
    if (!hub_equal(head->method, hub_text("GET")))
        return refuse(405, "a WebSocket handshake is a GET request");
    if (!http_head_has(head, "upgrade", "websocket"))
        return refuse(426, "this resource speaks WebSocket: send Upgrade: websocket");
    if (head->minor < 1)
        return refuse(400, "a WebSocket handshake needs HTTP/1.1");
    if (!http_head_has(head, "connection", "upgrade"))
        return refuse(400, "a WebSocket handshake needs Connection: Upgrade");
    if (head->framing == HTTP_BODY_CHUNKED || head->content_length > 0)
        return refuse(400, "a WebSocket handshake has no body");
    if (http_head_count(head, "sec-websocket-version") > 1)
        return refuse(400, "Sec-WebSocket-Version is repeated");
    if (!hub_equal(http_head_get(head, "sec-websocket-version"), hub_text("13")))
        return refuse(426, "only version 13 of WebSocket is spoken here");
    if (http_head_count(head, "sec-websocket-key") != 1)
        return refuse(400, "Sec-WebSocket-Key must be there once");

    hub_bytes key = http_head_get(head, "sec-websocket-key");
    if (!handshake_key_valid(key))
        return refuse(400, "Sec-WebSocket-Key is not 16 bytes in base64");
    return (handshake_verdict){.key = key};
}

/* ---- subprotocol ---- */

static bool list_has_exactly(hub_bytes list, hub_bytes name)
{
    hub_bytes element;
    while (field_list_next(&list, &element))
        if (hub_equal(element, name))
            return true;
    return false;
}

hub_bytes handshake_subprotocol(const http_head *head, hub_bytes supported)
{
    const hub_bytes field = hub_text("sec-websocket-protocol");
    hub_bytes name;
    while (field_list_next(&supported, &name))
        for (size_t i = 0; i < head->field_count; i++)
            if (field_name_equal(head->fields[i].name, field) &&
                list_has_exactly(head->fields[i].value, name))
                return name;
    return (hub_bytes){0};
}

/* ---- origin ---- */

typedef struct authority {
    hub_bytes host; /* with the brackets of an IPv6 address */
    unsigned port;  /* 0: none was given */
} authority;

typedef struct origin_parts {
    hub_bytes scheme;
    authority at;
} origin_parts;

/* "host", "host:port", "[v6]:port"; an empty port counts as none. */
static bool split_authority(hub_bytes text, authority *out)
{
    if (text.length == 0) /* and perhaps no address either: a request of HTTP/1.0 needs no Host */
        return false;
    const char *start = text.data, *end = start + text.length;
    const char *host_end;
    if (*start == '[') {
        host_end = memchr(start, ']', text.length);
        if (!host_end)
            return false;
        host_end++;
    } else {
        host_end = memchr(start, ':', text.length);
        if (!host_end)
            host_end = end;
    }
    if (host_end == start || (host_end < end && *host_end != ':'))
        return false;

    unsigned port = 0;
    for (const char *p = host_end < end ? host_end + 1 : end; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        port = port * 10 + (unsigned)(*p - '0');
        if (port > 65535)
            return false;
    }
    *out = (authority){hub_bytes_of(start, (size_t)(host_end - start)), port};
    return true;
}

/* "scheme://authority" (RFC 6454, section 6.2). "null" and anything else is no such origin. */
static bool split_origin(hub_bytes text, origin_parts *out)
{
    if (text.length == 0)
        return false;
    const char *start = text.data;
    const char *separator = memmem(start, text.length, "://", 3);
    if (!separator || separator == start)
        return false;
    out->scheme = hub_bytes_of(start, (size_t)(separator - start));
    size_t skipped = out->scheme.length + 3;
    return split_authority(hub_bytes_of(start + skipped, text.length - skipped), &out->at);
}

static unsigned default_port(hub_bytes scheme)
{
    if (field_name_equal(scheme, hub_text("http")))
        return 80;
    if (field_name_equal(scheme, hub_text("https")))
        return 443;
    return 0;
}

static bool same_place(const authority *a, const authority *b, unsigned port)
{
    return field_name_equal(a->host, b->host) && (a->port ? a->port : port) == (b->port ? b->port : port);
}

/*
 * A Host without a port means the default port of the origin's scheme: behind a proxy that ends TLS the
 * server itself cannot know which scheme the browser used.
 */
static bool matches_host(const origin_parts *origin, hub_bytes host)
{
    authority at;
    unsigned port = default_port(origin->scheme);
    return port != 0 && split_authority(host, &at) && same_place(&origin->at, &at, port);
}

static bool matches_listed(hub_bytes text, const origin_parts *origin, hub_bytes listed)
{
    origin_parts entry;
    if (!origin || !split_origin(listed, &entry))
        return hub_equal(text, listed); /* "null", or a form that only its owner understands */
    return field_name_equal(origin->scheme, entry.scheme) &&
           same_place(&origin->at, &entry.at, default_port(origin->scheme));
}

bool handshake_origin_matches(hub_bytes origin, hub_bytes host, hub_bytes policy)
{
    origin_parts parts;
    const origin_parts *known = split_origin(origin, &parts) ? &parts : NULL;
    hub_bytes entry;
    while (field_list_next(&policy, &entry)) {
        if (hub_equal(entry, hub_text("*")))
            return true;
        if (hub_equal(entry, hub_text("same"))) {
            if (known && matches_host(known, host))
                return true;
        } else if (matches_listed(origin, known, entry)) {
            return true;
        }
    }
    return false;
}

bool handshake_origin_allowed(const http_head *head, hub_bytes policy)
{
    switch (http_head_count(head, "origin")) {
    case 0:
        return true;
    case 1:
        return handshake_origin_matches(http_head_get(head, "origin"), head->host, policy);
    default:
        return false;
    }
}
