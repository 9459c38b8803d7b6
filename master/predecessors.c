/* SPDX-License-Identifier: Apache-2.0 */
#include "master/predecessors.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Neither has a function in every C library that this is built with. */
static int open_process(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int send_to(int fd, int number)
{
    return (int)syscall(SYS_pidfd_send_signal, fd, number, NULL, 0);
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void predecessors_open(predecessors *self)
{
    for (unsigned i = 0; i < PREDECESSORS_MAX; i++)
        self->fds[i] = -1;
}

void predecessors_close(predecessors *self)
{
    for (unsigned i = 0; i < PREDECESSORS_MAX; i++)
        close_one(&self->fds[i]);
}

/* Those that are gone make room. */
static unsigned sweep(predecessors *self)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < PREDECESSORS_MAX; i++) {
        int fd = self->fds[i];
        self->fds[i] = -1;
        if (fd >= 0 && send_to(fd, 0) == 0)
            self->fds[kept++] = fd;
        else
            close_one(&fd);
    }
    return kept;
}

void predecessors_add(predecessors *self, pid_t pid)
{
    unsigned count = sweep(self);
    if (count == PREDECESSORS_MAX) {
        close_one(&self->fds[0]);
        memmove(self->fds, self->fds + 1, (PREDECESSORS_MAX - 1) * sizeof self->fds[0]);
        count--;
    }
    self->fds[count] = open_process(pid);
}

void predecessors_tell(const predecessors *self, int number)
{
    for (unsigned i = 0; i < PREDECESSORS_MAX; i++)
        if (self->fds[i] >= 0)
            send_to(self->fds[i], number);
}
