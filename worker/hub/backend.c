/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/backend.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    bool expecting, open;
    pthread_t owner;
    int fd;
    unsigned rebuilds;
} backend = {.fd = -1};

void backend_expect(void)
{
    backend.expecting = true;
    backend.open = false;
    backend.owner = pthread_self();
    backend.fd = -1;
    backend.rebuilds = 0;
}

int backend_descriptor(void)
{
    return backend.open ? backend.fd : -1;
}

void backend_close(void)
{
    backend.open = backend.expecting = false;
    backend.fd = -1;
}

unsigned backend_rebuilds(void)
{
    return backend.rebuilds;
}

/* libev has just closed its descriptor when it rebuilds; nobody else closes it. */
static bool is_rebuilding(void)
{
    return backend.open && pthread_equal(backend.owner, pthread_self()) && fcntl(backend.fd, F_GETFD) < 0;
}

__attribute__((visibility("default"))) int epoll_create1(int flags)
{
    bool rebuilding = is_rebuilding();
    int fd = (int)syscall(SYS_epoll_create1, flags);
    if (fd < 0)
        return fd;
    if (rebuilding)
        backend.rebuilds++;
    if (rebuilding || backend.expecting) {
        backend.fd = fd;
        backend.open = true;
        backend.expecting = false;
    }
    return fd;
}
