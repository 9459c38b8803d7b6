/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/control.h"

#include <stdlib.h>

struct hub_event {
    bool set;
    waiters waiters;
};

hub_event *hub_event_new(void)
{
    return calloc(1, sizeof(hub_event));
}

void hub_event_free(hub_event *event)
{
    free(event);
}

void hub_event_set(hub_event *event)
{
    event->set = true;
    waiters_wake_all(&event->waiters, HUB_OK);
}

void hub_event_clear(hub_event *event)
{
    event->set = false;
}

bool hub_event_is_set(const hub_event *event)
{
    return event->set;
}

hub_status hub_event_wait(hub_event *event, double timeout)
{
    if (greenlet_take_kill())
        return HUB_ECANCELED;
    return event->set ? HUB_OK : waiters_wait(&event->waiters, "event", timeout, NULL);
}
