/* SPDX-License-Identifier: Apache-2.0 */
#include "config/checks.h"
#include "common/network.h"
#include "common/syslog.h"
#include "config/cpus.h"
#include "config/value.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

static bool only(const char *text, size_t length, const char *allowed)
{
    return strspn(text, allowed) >= length;
}

static const char digits[] = "0123456789";
static const char host_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";
static const char origin_host_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-._%:[]";
static const char any_host_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

static bool is_port(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > 5 || !only(text, length, digits))
        return false;
    unsigned port = 0;
    for (; *text; text++)
        port = port * 10 + (unsigned)(*text - '0');
    return port <= 65535;
}

static bool is_ipv6(const char *text, size_t length)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1;
}

const char *check_bind(const char *text)
{
    static const char unix_prefix[] = "unix:";
    if (strncmp(text, unix_prefix, sizeof unix_prefix - 1) == 0) {
        const char *path = text + sizeof unix_prefix - 1;
        if (*path == '\0')
            return "has no path behind unix:";
        if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
            return "has a path that is longer than the 107 bytes a socket's may have";
        return NULL;
    }
    static const char fd_prefix[] = "fd://", systemd_prefix[] = "systemd:";
    if (strncmp(text, fd_prefix, sizeof fd_prefix - 1) == 0) {
        size_t length = strlen(text) - (sizeof fd_prefix - 1);
        return length && length <= 6 && only(text + sizeof fd_prefix - 1, length, digits)
                   ? NULL
                   : "has no number of a descriptor behind fd://";
    }
    if (strncmp(text, systemd_prefix, sizeof systemd_prefix - 1) == 0)
        return strchr(text + sizeof systemd_prefix - 1, ':') || strlen(text) > 255
                   ? "has no name of a socket unit's descriptor behind systemd:"
                   : NULL;
    const char *colon = strrchr(text, ':');
    if (!colon)
        return "has no port";
    if (!is_port(colon + 1))
        return "has no port from 0 to 65535 behind its last colon";
    size_t host_length = (size_t)(colon - text);
    if (text[0] == '[') {
        if (text[host_length - 1] != ']' || !is_ipv6(text + 1, host_length - 2))
            return "has no IPv6 address between its brackets";
        return NULL;
    }
    if (memchr(text, ':', host_length))
        return "needs brackets around its IPv6 address, as in [::1]:8000";
    if (!only(text, host_length, any_host_letters))
        return "has a host that is neither an address nor a name";
    return NULL;
}

static const char *check_origin(const char *text, size_t length)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789+-.";
    /* "null" is what browsers send for pages without an origin. */
    if (length == 4 && (memcmp(text, "same", 4) == 0 || memcmp(text, "null", 4) == 0))
        return NULL;
    const char *separator = memmem(text, length, "://", 3);
    if (!separator || separator == text || !only(text, (size_t)(separator - text), letters))
        return "has an origin without a scheme such as https://, or not in lower case";
    const char *host = separator + 3;
    size_t host_length = length - (size_t)(host - text);
    if (host_length == 0)
        return "has an origin without a host";
    if (memchr(host, '/', host_length))
        return "has an origin with a path; an origin ends with its host or port";
    if (!only(host, host_length, origin_host_letters))
        return "has an origin whose host has letters that browsers do not send (they send lower case)";

    const char *end = host + host_length;
    const char *port = NULL;
    if (*host == '[') {
        const char *bracket = memchr(host, ']', host_length);
        if (!bracket || !is_ipv6(host + 1, (size_t)(bracket - host) - 1) ||
            (bracket + 1 != end && bracket[1] != ':'))
            return "has an origin without an IPv6 address between its brackets";
        port = bracket + 1 == end ? NULL : bracket + 2;
    } else {
        const char *colon = memchr(host, ':', host_length);
        size_t name_length = colon ? (size_t)(colon - host) : host_length;
        if (name_length == 0 || !only(host, name_length, host_letters))
            return "has an origin without a host";
        port = colon ? colon + 1 : NULL;
    }
    char copy[8] = "";
    if (port && (size_t)(end - port) < sizeof copy)
        memcpy(copy, port, (size_t)(end - port));
    if (port && !is_port(copy))
        return "has an origin whose port is not a number from 0 to 65535";
    return NULL;
}

const char *check_origins(const char *text)
{
    if (strcmp(text, "*") == 0)
        return NULL;
    while (*text) {
        size_t length = strcspn(text, ",");
        if (length == 1 && *text == '*')
            return "has * in a list; it stands alone, because it allows any";
        const char *wrong = check_origin(text, length);
        if (wrong)
            return wrong;
        text += length;
        text += strspn(text, ", ");
    }
    return NULL;
}

const char *check_networks(const char *text)
{
    networks ignored;
    return networks_parse(&ignored, text);
}

const char *check_compress(const char *text)
{
    return strcmp(text, "off") == 0 || strcmp(text, "on") == 0 ? NULL : "is neither off nor on";
}

const char *check_deflate(const char *text)
{
    static const char *const modes[] = {"off", "on", "takeover"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(text, modes[i]) == 0)
            return NULL;
    return "is no way to compress messages";
}

const char *check_worker_class(const char *text)
{
    static const struct {
        const char *name, *wrong;
    } known[] = {
        {"green", NULL},
        {"gevent", NULL},
        {"sync", "serves one client at a time, which no hubbub worker does: leave the option out"},
        {"gthread", "is a pool of threads; hubbub runs each handler as a greenlet: leave the option out"},
        {"eventlet",
         "is a library for Python; every hubbub worker is a hub of greenlets: leave the option out"},
        {"tornado",
         "is a library for Python; every hubbub worker is a hub of greenlets: leave the option out"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(text, known[i].name) == 0)
            return known[i].wrong;
    return "is no class of workers here; every hubbub worker is a hub of greenlets: leave the option out";
}

const char *check_variable(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    size_t length = strcspn(text, "=");
    if (text[length] == '\0')
        return "has no = behind a name";
    if (length == 0 || !only(text, length, letters) || (text[0] >= '0' && text[0] <= '9'))
        return "has a name that is not made of letters, digits and _, with no digit first";
    return NULL;
}

const char *check_account(const char *text)
{
    if (*text == '\0')
        return "is empty";
    return strpbrk(text, ":/ \t\n") ? "is neither a name nor a number" : NULL;
}

/* NULL, or `wrong`. */
static const char *check_permissions(const char *text, const char *wrong)
{
    size_t length = strlen(text);
    while (length > 1 && *text == '0') {
        text++;
        length--;
    }
    return length > 0 && length <= 3 && only(text, length, "01234567") ? NULL : wrong;
}

const char *check_umask(const char *text)
{
    return check_permissions(text, "is no mask of permissions in octal digits");
}

const char *check_socket_mode(const char *text)
{
    return check_permissions(text, "is no set of permissions in octal digits");
}

const char *check_cpu_affinity(const char *text)
{
    cpu_set_t ignored;
    if (strcmp(text, "off") == 0 || strcmp(text, "auto") == 0 || cpus_parse_list(text, &ignored))
        return NULL;
    return "is no list of CPUs";
}

const char *check_core_dump(const char *text)
{
    uint64_t size;
    if (strcmp(text, "off") == 0 || strcmp(text, "on") == 0 || value_parse_size(text, &size))
        return NULL;
    return "is no size";
}

const char *check_syslog_address(const char *text)
{
    return syslog_check_address(text);
}

const char *check_syslog_prefix(const char *text)
{
    enum { PREFIX_MAX = 48 };
    size_t length = strlen(text);
    if (length == 0 || length > PREFIX_MAX)
        return "is empty, or longer than 48 letters";
    return only(text, length, any_host_letters) ? NULL
                                                : "has letters that a program's name may not have there";
}

const char *check_syslog_facility(const char *text)
{
    return syslog_facility(text) >= 0 ? NULL : "is no facility of syslog";
}

const char *check_transports(const char *text)
{
    static const char *const allowed[] = {"polling", "websocket", "polling, websocket", "websocket, polling"};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (strcmp(text, allowed[i]) == 0)
            return NULL;
    return "names another transport than polling and websocket, or one twice";
}

const char *check_token(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
    return strlen(text) <= 64 && only(text, strlen(text), letters)
               ? NULL
               : "is no name of a cookie: at most 64 letters, digits and some of !#$%&'*+-.^_`|~";
}
