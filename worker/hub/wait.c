/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a descriptor. */
#include "worker/hub/control.h"
#include "worker/hub/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

/* In the frame of the function that waits. */
typedef struct descriptor_wait {
    ev_io watcher;
    greenlet *greenlet;
    int events; /* of libev: what came */
} descriptor_wait;

static void on_ready(struct ev_loop *ev, ev_io *watcher, int events)
{
    descriptor_wait *wait = watcher->data;
    wait->events |= events;
    ev_io_stop(ev, watcher);
    greenlet_wake(wait->greenlet, HUB_OK);
}

/* libev ends the process when epoll does not know a descriptor, so one that is not open must never reach it.
 */
static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static hub_status look_once(int fd, int events, int *ready)
{
    struct pollfd poll_fd = {
        .fd = fd, .events = (short)((events & HUB_READ ? POLLIN : 0) | (events & HUB_WRITE ? POLLOUT : 0))};
    int count = poll(&poll_fd, 1, 0);
    if (count < 0 && errno != EINTR)
        return HUB_ENOMEM; /* the one error left: ours is one descriptor and a valid pointer */
    if (count <= 0)
        return HUB_ETIMEDOUT;
    if (poll_fd.revents & POLLNVAL)
        return HUB_EINVAL;
    /* A hang-up or an error is news for whoever waits, whatever it waits for; libev says the same. */
    bool ended = poll_fd.revents & (POLLHUP | POLLERR);
    *ready = (ended || poll_fd.revents & POLLIN ? HUB_READ : 0) |
             (ended || poll_fd.revents & POLLOUT ? HUB_WRITE : 0);
    *ready &= events;
    return HUB_OK;
}

static const char *waits_for(int events)
{
    switch (events) {
    case HUB_READ:
        return "descriptor to read";
    case HUB_WRITE:
        return "descriptor to write";
    default:
        return "descriptor";
    }
}

static hub_status wait_parked(int fd, int events, double timeout, int *ready)
{
    struct ev_loop *ev = loop_ev();
    descriptor_wait wait = {.greenlet = greenlet_current()};
    ev_io_init(&wait.watcher, on_ready, fd,
               (events & HUB_READ ? EV_READ : 0) | (events & HUB_WRITE ? EV_WRITE : 0));
    wait.watcher.data = &wait;
    ev_io_start(ev, &wait.watcher);
    hub_status status = greenlet_park(waits_for(events), timeout);
    ev_io_stop(ev, &wait.watcher);
    if (status != HUB_OK)
        return status;
    if (wait.events & EV_ERROR)
        return HUB_EINVAL; /* libev gave it up */
    *ready = (wait.events & EV_READ ? HUB_READ : 0) | (wait.events & EV_WRITE ? HUB_WRITE : 0);
    return HUB_OK;
}

hub_status hub_wait_fd(int fd, int events, double timeout, int *ready)
{
    int came = 0;
    if (!(events & (HUB_READ | HUB_WRITE)) || events & ~(HUB_READ | HUB_WRITE) || !is_open(fd))
        return HUB_EINVAL;
    if (greenlet_take_kill())
        return HUB_ECANCELED;
    hub_status status = timeout == 0          ? look_once(fd, events, &came)
                        : !greenlet_current() ? HUB_ESTATE
                                              : wait_parked(fd, events, timeout, &came);
    if (ready)
        *ready = came;
    return status;
}
