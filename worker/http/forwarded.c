/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/forwarded.h"

#include "worker/http/field.h"

#include <string.h>

static const networks *trusted_networks;

void forwarded_open(const networks *trusted)
{
    trusted_networks = trusted;
}

/* ---- lists, from their right ---- */

/* Walks the elements of all lines of a field backwards. */
typedef struct walk {
    const http_head *head;
    hub_bytes name;
    size_t next_line; /* lines before this one are still to come */
    hub_bytes rest;   /* of the present line */
    bool in_line;
} walk;

static walk walk_of(const http_head *head, const char *name)
{
    return (walk){.head = head, .name = hub_text(name), .next_line = head->field_count};
}

/* Commas in quoted strings split, too: a proxy has no use for them, and a client's quote that never ends must
 * not hide what proxies wrote behind it. */
static bool walk_next(walk *at, hub_bytes *element)
{
    while (!at->in_line) {
        if (at->next_line == 0)
            return false;
        const http_field *line = &at->head->fields[--at->next_line];
        at->in_line = field_name_equal(line->name, at->name);
        at->rest = line->value;
    }
    const char *text = at->rest.data;
    const char *comma = at->rest.length ? memrchr(text, ',', at->rest.length) : NULL;
    size_t start = comma ? (size_t)(comma - text) + 1 : 0;
    *element = field_trim(hub_bytes_of(text + start, at->rest.length - start));
    at->rest = hub_bytes_of(text, comma ? start - 1 : 0);
    at->in_line = comma != NULL;
    return true;
}

/* The value of a parameter of an element of Forwarded, without quotes; empty without it. */
static hub_bytes parameter(hub_bytes element, const char *name)
{
    const char *at = element.data, *end = at + element.length;
    while (at < end) {
        const char *semicolon = memchr(at, ';', (size_t)(end - at));
        const char *stop = semicolon ? semicolon : end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        if (equals && field_name_equal(field_trim(hub_bytes_of(at, (size_t)(equals - at))), hub_text(name))) {
            hub_bytes value = field_trim(hub_bytes_of(equals + 1, (size_t)(stop - equals) - 1));
            const char *text = value.data;
            if (value.length >= 2 && text[0] == '"' && text[value.length - 1] == '"')
                value = hub_bytes_of(text + 1, value.length - 2);
            return value;
        }
        at = semicolon ? semicolon + 1 : end;
    }
    return hub_bytes_of(NULL, 0);
}

/* ---- what is believed ---- */

static bool is_trusted(const char *peer)
{
    return trusted_networks && networks_have_peer(trusted_networks, peer);
}

const char *forwarded_client(const http_head *head, const char *peer, char text[64])
{
    bool listed = http_head_count(head, "x-forwarded-for") > 0;
    walk at = walk_of(head, listed ? "x-forwarded-for" : "forwarded");
    const char *client = peer;
    hub_bytes element;
    if (!is_trusted(peer))
        return peer;
    while (walk_next(&at, &element)) {
        network_address address;
        int port;
        hub_bytes said = listed ? element : parameter(element, "for");
        if (said.length == 0 || !network_parse_endpoint(said.data, said.length, &address, &port))
            break; /* a name, "unknown" or nonsense: what stands left of it cannot be judged */
        network_format_endpoint(&address, port, text);
        client = text;
        if (!networks_have(trusted_networks, &address))
            break;
    }
    return client;
}

const char *forwarded_scheme(const http_head *head, const char *peer)
{
    hub_bytes element, said = {0};
    bool is_listed = http_head_count(head, "x-forwarded-proto") > 0;
    walk at = walk_of(head, is_listed ? "x-forwarded-proto" : "forwarded");
    if (!is_trusted(peer))
        return "http";
    if ((is_listed || http_head_count(head, "x-forwarded-for") == 0) && walk_next(&at, &element))
        said = is_listed ? element : parameter(element, "proto");
    return field_name_equal(said, hub_text("https")) || field_name_equal(said, hub_text("wss")) ? "https"
                                                                                                : "http";
}
