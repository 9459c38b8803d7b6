/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/logged.h"

#include "worker/http/access.h"
#include "worker/http/state.h"

const char *logged_client(connection *c)
{
    http_state *h = c->state;
    if (!h->client) {
        char text[64], *at = text;
        connection_peer(c, text);
        char *port = strrchr(text, ':');
        if (port)
            *port = '\0';
        if (*at == '[') {
            at++;
            at[strcspn(at, "]")] = '\0';
        }
        h->client = strdup(at);
    }
    return h->client;
}

void logged_request(hub_http *http, int status, uint64_t bytes, hub_bytes answer)
{
    access_add(&(access_record){.head = &http->head,
                                .answer = answer,
                                .client = http->connection ? logged_client(http->connection) : http->client,
                                .began_ns = http->began_ns,
                                .bytes = bytes,
                                .status = status});
}

void logged_refusal(connection *c, int status, uint64_t bytes, hub_bytes answer)
{
    static const http_head unknown = {0};
    hub_http *http = ((http_state *)c->state)->exchange;
    if (http)
        logged_request(http, status, bytes, answer);
    else
        access_add(&(access_record){.head = &unknown,
                                    .answer = answer,
                                    .client = logged_client(c),
                                    .bytes = bytes,
                                    .status = status});
}
