/* SPDX-License-Identifier: Apache-2.0 */
#include "master/ctl/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE_MAX = 16 * 1024 * 1024 };

hub_status link_open(int *fd, const char *path, error *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return error_set(failure, HUB_EINVAL, "%s is longer than the 107 bytes a socket's path may have",
                         path);
    strcpy(address.sun_path, path);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd >= 0 && connect(*fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return HUB_OK;
    int cause = errno;
    if (*fd >= 0)
        close(*fd);
    return error_set(failure, cause == ENOENT ? HUB_ENOENT : HUB_ESYSTEM,
                     "cannot reach the server at %s: %s; is it started with --control-socket?", path,
                     strerror(cause));
}

static hub_status gone(error *failure)
{
    return error_set(failure, HUB_ECLOSED, "the server is gone, or has turned this client away");
}

static hub_status send_all(int fd, const void *data, size_t length, error *failure)
{
    while (length) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return gone(failure);
        data = (const char *)data + sent;
        length -= (size_t)sent;
    }
    return HUB_OK;
}

hub_status link_send(int fd, const json_t *request, error *failure)
{
    char *text = json_dumps(request, JSON_COMPACT);
    if (!text)
        return error_set(failure, HUB_ENOMEM, "no memory for the request");
    uint32_t length = htonl((uint32_t)strlen(text));
    hub_status status = send_all(fd, &length, sizeof length, failure);
    if (status == HUB_OK)
        status = send_all(fd, text, strlen(text), failure);
    free(text);
    return status;
}

static hub_status receive_all(int fd, void *data, size_t length, error *failure)
{
    while (length) {
        ssize_t got = recv(fd, data, length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return gone(failure);
        data = (char *)data + got;
        length -= (size_t)got;
    }
    return HUB_OK;
}

hub_status link_receive(int fd, json_t **message, error *failure)
{
    uint32_t length;
    hub_status status = receive_all(fd, &length, sizeof length, failure);
    if (status != HUB_OK)
        return status;
    length = ntohl(length);
    if (length > MESSAGE_MAX)
        return error_set(failure, HUB_EPROTO, "what answers is no hubbub");
    char *text = malloc(length + 1);
    if (!text)
        return error_set(failure, HUB_ENOMEM, "no memory for the answer");
    status = receive_all(fd, text, length, failure);
    if (status == HUB_OK) {
        *message = json_loadb(text, length, 0, NULL);
        if (!json_is_object(*message)) {
            json_decref(*message);
            status = error_set(failure, HUB_EPROTO, "what answers is no hubbub");
        }
    }
    free(text);
    return status;
}
