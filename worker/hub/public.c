/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a greenlet, as hubbub.h offers it to applications. */
#include "worker/hub/control.h"

hub_status hub_spawn(hub_greenlet *id, const char *name, hub_greenlet_main run, void *arg)
{
    hub_status status;
    greenlet *g = greenlet_spawn(name, run, arg, &status);
    if (id)
        *id = g ? g->id : 0;
    return status;
}

hub_greenlet hub_current(void)
{
    const greenlet *g = greenlet_current();
    return g ? g->id : 0;
}

void hub_yield(void)
{
    greenlet_yield();
}

hub_status hub_sleep(double seconds)
{
    hub_status status = greenlet_park("sleep", seconds);
    return status == HUB_ETIMEDOUT ? HUB_OK : status;
}

hub_status hub_join_greenlet(hub_greenlet id, double timeout)
{
    const greenlet *self = greenlet_current();
    if (!self)
        return HUB_ESTATE;
    if (self->id == id)
        return HUB_EINVAL;
    if (greenlet_take_kill())
        return HUB_ECANCELED;
    greenlet *g = greenlet_find(id);
    return g ? waiters_wait(&g->joiners, "greenlet's end", timeout, NULL) : HUB_OK;
}

hub_status hub_kill(hub_greenlet id)
{
    return greenlet_kill(id);
}
