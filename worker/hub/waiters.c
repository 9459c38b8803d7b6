/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/waiters.h"

#include "worker/hub/control.h"

static void append(waiters *list, waiter *entry)
{
    entry->next = NULL;
    entry->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = entry;
    list->last = entry;
    entry->queued = true;
}

static void take_out(waiters *list, waiter *entry)
{
    if (!entry->queued)
        return;
    *(entry->previous ? &entry->previous->next : &list->first) = entry->next;
    *(entry->next ? &entry->next->previous : &list->last) = entry->previous;
    entry->queued = false;
}

hub_status waiters_wait(waiters *list, const char *waits_for, double timeout, void **item)
{
    /* Not waiting at all is possible everywhere, in hub context too. */
    if (timeout == 0)
        return HUB_ETIMEDOUT;
    waiter self = {.greenlet = greenlet_current(), .item = item ? *item : NULL};
    if (!self.greenlet)
        return HUB_ESTATE;
    append(list, &self);
    hub_status status = greenlet_park(waits_for, timeout);
    take_out(list, &self);
    if (item)
        *item = self.item;
    return status;
}

waiter *waiters_wake_first(waiters *list, hub_status status)
{
    /* One that was killed or timed out is still in the list until it runs; what is given must not go to it.
     */
    for (waiter *entry = list->first; entry; entry = entry->next) {
        if (greenlet_wake_parked(entry->greenlet, status)) {
            take_out(list, entry);
            return entry;
        }
    }
    return NULL;
}

/* All leave the list, also those that were killed and have not run yet: the list may be gone when they do. */
void waiters_wake_all(waiters *list, hub_status status)
{
    while (list->first) {
        waiter *entry = list->first;
        take_out(list, entry);
        greenlet_wake(entry->greenlet, status);
    }
}
