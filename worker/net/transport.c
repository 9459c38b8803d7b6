/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/transport.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

static ssize_t plain_read(int fd, void *to, size_t length)
{
    return recv(fd, to, length, 0);
}

static ssize_t plain_write(int fd, struct iovec *iov, int count)
{
    if (count == 1)
        return send(fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL);
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)count};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static ssize_t plain_send_file(int fd, int file, off_t offset, size_t length)
{
    return sendfile(fd, file, &offset,
                    length); /* SIGPIPE: ignored in workers, as sendfile has no flag for it */
}

static int plain_end_writing(int fd)
{
    return shutdown(fd, SHUT_WR);
}

const transport transport_plain = {
    .name = "plain",
    .read = plain_read,
    .write = plain_write,
    .send_file = plain_send_file,
    .end_writing = plain_end_writing,
};
