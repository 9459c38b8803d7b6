/* SPDX-License-Identifier: Apache-2.0 */
#include "common/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOGFILES = 2 };

/* FIFOs and terminals: O_NONBLOCK makes open(2) answer at once; on a regular file it does nothing. */
enum { LOG_FLAGS = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK };

hub_status logfile_open(int *fd, const char *path, const char *name, error *failure)
{
    *fd = open(path, LOG_FLAGS | O_CREAT, 0644);
    if (*fd >= 0)
        return HUB_OK;
    const char *more = errno == ENXIO    ? " (it is a FIFO that nobody reads)"
                       : errno == ENOENT ? " (its folder is not there)"
                                         : "";
    return error_set(failure, HUB_ESYSTEM, "%s: cannot open %s: %s%s", name, path, strerror(errno), more);
}

int logfile_reopen_stream(int from)
{
    struct stat status;
    char path[32];
    if (fstat(from, &status) < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", from);
    int fd = S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode) ? open(path, LOG_FLAGS) : -1;
    return fd >= 0 ? fd : fcntl(from, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

hub_status logfile_channel(int ends[2], error *failure)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0)
        return HUB_OK;
    return error_set(failure, HUB_ESYSTEM, "cannot make a pair of sockets: %s", strerror(errno));
}

/* ---- over a socket ---- */

/* A byte a descriptor says which it is. */
static const char kinds[LOGFILES] = {'e', 'a'};

typedef union control {
    struct cmsghdr aligned;
    char bytes[CMSG_SPACE(LOGFILES * sizeof(int))];
} control;

bool logfile_pass(int channel, const logfile_set *set)
{
    const int given[LOGFILES] = {set->error, set->access};
    int fds[LOGFILES];
    char said[LOGFILES];
    size_t count = 0;
    for (size_t i = 0; i < LOGFILES; i++) {
        if (given[i] < 0)
            continue;
        said[count] = kinds[i];
        fds[count++] = given[i];
    }
    if (count == 0)
        return true;
    control space = {0};
    struct iovec piece = {said, count};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = space.bytes,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(head), fds, count * sizeof(int));
    return sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)count;
}

bool logfile_take(int channel, logfile_set *set)
{
    control space = {0};
    char said[LOGFILES];
    int fds[LOGFILES];
    struct iovec piece = {said, sizeof said};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = space.bytes, .msg_controllen = sizeof space.bytes};
    *set = (logfile_set){-1, -1};
    ssize_t length = recvmsg(channel, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (length == 0)
        errno = EPIPE; /* the other end is closed */
    const struct cmsghdr *head = length > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
        return false;
    size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(head), count * sizeof(int));
    for (size_t i = 0; i < count; i++) {
        int *to = i >= (size_t)length ? NULL : said[i] == kinds[0] ? &set->error : &set->access;
        if (to && *to < 0)
            *to = fds[i];
        else
            close(fds[i]);
    }
    return true;
}
