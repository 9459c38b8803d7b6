/* SPDX-License-Identifier: Apache-2.0 */
#include "master/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NAME_ROOM = 256 }; /* sd_listen_fds(3): names have at most 255 bytes */

static struct {
    size_t count;
    char names[INHERIT_MAX][NAME_ROOM];
} given;

/* A whole decimal number, or -1. */
static long number_of(const char *text)
{
    char *end;
    if (!text || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    long number = strtol(text, &end, 10);
    return *end == '\0' && errno == 0 ? number : -1;
}

static void read_names(const char *text)
{
    for (size_t i = 0; i < given.count; i++) {
        size_t length = text ? strcspn(text, ":") : 0;
        size_t kept = length < NAME_ROOM ? length : NAME_ROOM - 1;
        if (kept)
            memcpy(given.names[i], text, kept);
        given.names[i][kept] = '\0';
        if (text)
            text = text[length] == ':' ? text + length + 1 : NULL;
    }
}

void inherit_read_environment(void)
{
    long count = number_of(getenv("LISTEN_FDS"));
    if (number_of(getenv("LISTEN_PID")) == (long)getpid() && count > 0) {
        given.count = count < INHERIT_MAX ? (size_t)count : INHERIT_MAX;
        read_names(getenv("LISTEN_FDNAMES"));
        for (size_t i = 0; i < given.count; i++)
            fcntl(INHERIT_FIRST + (int)i, F_SETFD, FD_CLOEXEC);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

size_t inherit_count(void)
{
    return given.count;
}

int inherit_find(size_t index, const char *name)
{
    return *name == '\0' || strcmp(name, given.names[index]) == 0 ? INHERIT_FIRST + (int)index : -1;
}

hub_status inherit_check(int fd, const char *text, error *failure)
{
    int type = 0, domain = 0, listens = 0, on = 1;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0)
        return error_set(failure, HUB_EINVAL,
                         "%s: descriptor %d %s; start the server with a listening socket there", text, fd,
                         errno == ENOTSOCK ? "is no socket" : "is not open");
    if (type != SOCK_STREAM || (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX))
        return error_set(failure, HUB_EINVAL, "%s: descriptor %d is no stream socket of TCP or unix kind",
                         text, fd);
    if (!listens)
        return error_set(failure, HUB_EINVAL,
                         "%s: descriptor %d does not listen; who made the socket must call listen(2), in "
                         "systemd with Accept=no",
                         text, fd);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return error_set(failure, HUB_ESYSTEM, "%s: cannot set up descriptor %d: %s", text, fd,
                         strerror(errno));
    if (domain != AF_UNIX) /* as for our own sockets; without it answers are only later */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return HUB_OK;
}
