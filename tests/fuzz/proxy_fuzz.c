/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a proxy says about its client: a header of the PROXY protocol, and the same bytes as the values of
 * X-Forwarded-For and Forwarded, and as a list of networks.
 */
#include "worker/http/forwarded.h"
#include "worker/net/proxy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* A client's text is an address and a port that can be read again. */
static void require_endpoint(const char *text)
{
    network_address address;
    int port;
    char again[64];
    require(network_parse_endpoint(text, strlen(text), &address, &port));
    network_format_endpoint(&address, port, again);
    require(strcmp(text, again) == 0);
}

static void read_header(hub_bytes bytes)
{
    proxy_header header, part;
    proxy_result result = proxy_parse(bytes, &header);
    if (result == PROXY_DONE) {
        require(header.length > 0 && header.length <= bytes.length && header.length <= PROXY_HEADER_MAX);
        if (header.known)
            require_endpoint(header.client);
        /* Less of it is the beginning of a header; what follows it changes nothing. */
        require(proxy_parse(hub_bytes_of(bytes.data, header.length - 1), &part) == PROXY_MORE);
        require(proxy_parse(hub_bytes_of(bytes.data, header.length), &part) == PROXY_DONE);
    }
    require(result != PROXY_MORE || bytes.length < PROXY_HEADER_MAX);
}

static void read_field(const char *name, hub_bytes value)
{
    char text[64];
    http_field field = {.name = hub_text(name), .value = value};
    http_head head = {.fields = &field, .field_count = 1};
    const char *client = forwarded_client(&head, "127.0.0.1:1", text);
    if (client == text)
        require_endpoint(client);
    forwarded_scheme(&head, "127.0.0.1:1");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Of its own memory, so that the sanitizer sees every step beyond it. */
    char *copy = malloc(size + 1);
    networks list;
    require(copy != NULL);
    memcpy(copy, data, size);
    copy[size] = '\0';
    require(networks_parse(&list, "127.0.0.1, 10.0.0.0/8") == NULL);
    forwarded_open(&list);
    read_field("X-Forwarded-For", hub_bytes_of(copy, size));
    read_field("X-Forwarded-Proto", hub_bytes_of(copy, size));
    read_field("Forwarded", hub_bytes_of(copy, size));
    networks_parse(&list, copy);
    char *exact = realloc(copy, size ? size : 1);
    require(exact != NULL);
    read_header(hub_bytes_of(exact, size));
    free(exact);
    return 0;
}
