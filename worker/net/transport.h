/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How bytes get into and out of a socket: plain, or one day encrypted. A connection knows its transport only
 * through these calls. None blocks or parks; each answers as the system call it is named after, with errno.
 */
#ifndef WORKER_NET_TRANSPORT_H
#define WORKER_NET_TRANSPORT_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef struct transport {
    const char *name;
    ssize_t (*read)(int fd, void *to, size_t length);
    ssize_t (*write)(int fd, struct iovec *iov, int count);
    ssize_t (*send_file)(int fd, int file, off_t offset, size_t length);
    int (*end_writing)(int fd); /* the peer reads end-of-file behind what was written */
} transport;

extern const transport transport_plain;

#endif
