/* SPDX-License-Identifier: Apache-2.0 */
#include "master/listener.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define UNIX_PREFIX    "unix:"
#define FD_PREFIX      "fd://"
#define SYSTEMD_PREFIX "systemd:"

static hub_status parse_path(const char *text, listener_address *address, error *failure)
{
    const char *path = text + strlen(UNIX_PREFIX);
    size_t length = strlen(path);

    if (length == 0)
        return error_set(failure, HUB_EINVAL, "bind address \"%s\": a path must follow \"unix:\"", text);
    if (length >= sizeof(address->path))
        return error_set(failure, HUB_EINVAL,
                         "bind address \"%s\": the path has %zu bytes, a unix socket's may have %zu", text,
                         length, sizeof(address->path) - 1);
    address->local = true;
    memcpy(address->path, path, length + 1);
    return HUB_OK;
}

static hub_status parse_port(const char *text, const char *port, listener_address *address, error *failure)
{
    size_t digits = strspn(port, "0123456789");
    if (digits == 0 || port[digits] != '\0' || digits > 5 || strtoul(port, NULL, 10) > 65535)
        return error_set(failure, HUB_EINVAL, "bind address \"%s\": \"%s\" is no port; 0 to 65535 is allowed",
                         text, port);
    memcpy(address->port, port, digits + 1);
    return HUB_OK;
}

static hub_status parse_host(const char *text, const char *host, size_t length, listener_address *address,
                             error *failure)
{
    if (length >= sizeof(address->host))
        return error_set(failure, HUB_EINVAL, "bind address \"%s\": the host name is longer than %zu bytes",
                         text, sizeof(address->host) - 1);
    memcpy(address->host, host, length);
    address->host[length] = '\0';
    return HUB_OK;
}

static hub_status parse_descriptor(const char *text, listener_address *address, error *failure)
{
    const char *number = text + strlen(FD_PREFIX);
    size_t digits = strspn(number, "0123456789");
    address->inherited = true;
    if (digits == 0 || number[digits] != '\0' || digits > 6)
        return error_set(failure, HUB_EINVAL,
                         "bind address \"%s\": the number of an open descriptor must follow \"fd://\"", text);
    address->fd = (int)strtol(number, NULL, 10);
    return HUB_OK;
}

static hub_status parse_activated(const char *text, listener_address *address, error *failure)
{
    const char *name = text + strlen(SYSTEMD_PREFIX);
    address->inherited = true;
    address->fd = -1;
    return parse_host(text, name, strlen(name), address, failure);
}

hub_status listener_parse(const char *text, listener_address *address, error *failure)
{
    *address = (listener_address){0};
    if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        return parse_path(text, address, failure);
    if (strncmp(text, FD_PREFIX, strlen(FD_PREFIX)) == 0)
        return parse_descriptor(text, address, failure);
    if (strncmp(text, SYSTEMD_PREFIX, strlen(SYSTEMD_PREFIX)) == 0)
        return parse_activated(text, address, failure);

    const char *host = text, *colon;
    size_t length;
    if (*text == '[') {
        const char *bracket = strchr(text, ']');
        if (!bracket || bracket[1] != ':')
            return error_set(failure, HUB_EINVAL,
                             "bind address \"%s\": write an IPv6 address as [ADDRESS]:PORT", text);
        host = text + 1;
        length = (size_t)(bracket - host);
        colon = bracket + 1;
    } else {
        colon = strrchr(text, ':');
        if (!colon)
            return error_set(
                failure, HUB_EINVAL,
                "bind address \"%s\": the port is missing; write HOST:PORT, :PORT, [IPV6]:PORT or "
                "unix:PATH",
                text);
        length = (size_t)(colon - host);
        if (memchr(host, ':', length))
            return error_set(failure, HUB_EINVAL,
                             "bind address \"%s\": write an IPv6 address in brackets, as [ADDRESS]:PORT",
                             text);
    }
    hub_status status = parse_host(text, host, length, address, failure);
    if (status != HUB_OK)
        return status;
    if (*text == '[') {
        struct in6_addr ignored;
        if (strchr(address->host, '%') == NULL && inet_pton(AF_INET6, address->host, &ignored) != 1)
            return error_set(failure, HUB_EINVAL, "bind address \"%s\": \"%s\" is no IPv6 address", text,
                             address->host);
    }
    return parse_port(text, colon + 1, address, failure);
}
