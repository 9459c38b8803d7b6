/* SPDX-License-Identifier: Apache-2.0 */
#include "common/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_mapped(const network_address *address)
{
    return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

bool network_parse_address(const char *text, size_t length, network_address *address)
{
    char copy[INET6_ADDRSTRLEN];
    if (length == 0 || length >= sizeof copy || memchr(text, '\0', length))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    memcpy(address->bytes, mapped, sizeof mapped);
    return inet_pton(AF_INET, copy, address->bytes + sizeof mapped) == 1 ||
           inet_pton(AF_INET6, copy, address->bytes) == 1;
}

/* At most `digits` decimal digits and nothing else; -1 for anything else. */
static int parse_number(const char *text, size_t length, size_t digits)
{
    int number = 0;
    if (length == 0 || length > digits)
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

static bool parse_port(const char *text, size_t length, int *port)
{
    *port = parse_number(text, length, 5);
    return *port >= 0 && *port <= 65535;
}

bool network_parse_endpoint(const char *text, size_t length, network_address *address, int *port)
{
    const char *end = text + length;
    *port = -1;
    if (length && *text == '[') {
        const char *bracket = memchr(text, ']', length);
        if (!bracket || !network_parse_address(text + 1, (size_t)(bracket - text) - 1, address) ||
            !memchr(text, ':', (size_t)(bracket - text)))
            return false;
        return bracket + 1 == end ||
               (bracket[1] == ':' && parse_port(bracket + 2, (size_t)(end - bracket) - 2, port));
    }
    const char *colon = memchr(text, ':', length);
    if (colon && !memchr(colon + 1, ':', (size_t)(end - colon) - 1))
        return network_parse_address(text, (size_t)(colon - text), address) &&
               parse_port(colon + 1, (size_t)(end - colon) - 1, port);
    return network_parse_address(text, length, address);
}

void network_format_endpoint(const network_address *address, int port, char text[64])
{
    char host[INET6_ADDRSTRLEN];
    bool is_v4 = is_mapped(address);
    inet_ntop(is_v4 ? AF_INET : AF_INET6, address->bytes + (is_v4 ? sizeof mapped : 0), host, sizeof host);
    if (port < 0)
        snprintf(text, 64, "%s", host);
    else
        snprintf(text, 64, is_v4 ? "%s:%d" : "[%s]:%d", host, port);
}

static bool parse_network(const char *text, size_t length, network *item)
{
    const char *slash = memchr(text, '/', length);
    size_t address_length = slash ? (size_t)(slash - text) : length;
    if (!network_parse_address(text, address_length, &item->base))
        return false;
    int skipped = memchr(text, ':', address_length) ? 0 : 96; /* IPv4 stands behind 96 bits */
    int bits = slash ? parse_number(slash + 1, length - address_length - 1, 3) : 128 - skipped;
    if (bits < 0 || bits > 128 - skipped)
        return false;
    item->bits = (unsigned)(bits + skipped);
    return true;
}

const char *networks_parse(networks *list, const char *text)
{
    *list = (networks){0};
    if (strcmp(text, "*") == 0)
        list->any = true;
    if (list->any || strcmp(text, "none") == 0)
        return NULL;
    for (text += strspn(text, ", "); *text; text += strspn(text, ", ")) {
        size_t length = strcspn(text, ", ");
        if (list->count == NETWORKS_MAX)
            return "has more than 64 networks";
        if (length == 1 && *text == '*')
            return "has * in a list; it stands alone, because it means all";
        if (!parse_network(text, length, &list->items[list->count++]))
            return "has an item that is neither an IP address nor a network such as 10.0.0.0/8";
        text += length;
    }
    return list->count ? NULL : "is empty; none means nobody";
}

static bool is_in(const network *item, const network_address *address)
{
    unsigned whole = item->bits / 8, rest = item->bits % 8;
    if (memcmp(item->base.bytes, address->bytes, whole) != 0)
        return false;
    unsigned char mask = (unsigned char)(0xff00 >> rest);
    return rest == 0 || ((item->base.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

bool networks_have(const networks *list, const network_address *address)
{
    if (list->any)
        return true;
    for (size_t i = 0; i < list->count; i++)
        if (is_in(&list->items[i], address))
            return true;
    return false;
}

bool networks_have_peer(const networks *list, const char *peer)
{
    network_address address;
    int port;
    if (strncmp(peer, "unix:", 5) == 0)
        return list->any || list->count > 0;
    return network_parse_endpoint(peer, strlen(peer), &address, &port) ? networks_have(list, &address)
                                                                       : list->any;
}
