/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/routing.h"

#include "worker/http/field.h"
#include "worker/http/state.h"

#include <stdio.h>

void routing_find(hub_http *http)
{
    const http_head *head = &http->head;
    http->upgrades =
        head->upgrade && hub_equal(head->method, hub_text("GET")) &&
        http_head_has(head, "upgrade", "websocket") &&
        router_find(http_opened->router, ROUTE_WS, head->method, head->path, &http->match) == ROUTER_FOUND;
    if (!http->upgrades)
        http->found =
            (uint8_t)router_find(http_opened->router, ROUTE_HTTP, head->method, head->path, &http->match);
}

const http_route *routing_route(const hub_http *http)
{
    return !http->upgrades && http->found == ROUTER_FOUND ? http->match.value : NULL;
}

static void add_method(char *list, const char *method)
{
    size_t length = strlen(list);
    if (!field_list_has(hub_text(list), hub_text(method)))
        snprintf(list + length, ROUTING_ALLOW_ROOM - length, "%s%s", length ? ", " : "", method);
}

void routing_allow(hub_bytes path, char field[ROUTING_ALLOW_ROOM + 16])
{
    char list[ROUTING_ALLOW_ROOM];
    router_match match;
    router_allow(http_opened->router, ROUTE_HTTP, path, list, sizeof list - 24);
    if (router_find(http_opened->router, ROUTE_WS, hub_text("GET"), path, &match) == ROUTER_FOUND)
        add_method(list, "GET");
    add_method(list, "OPTIONS");
    snprintf(field, ROUTING_ALLOW_ROOM + 16, "Allow: %s\r\n", list);
}
