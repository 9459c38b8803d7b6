/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/control.h"

#include <limits.h>
#include <stdlib.h>

/* While somebody waits the value is 0: a release gives its unit to the first waiter and not to whoever comes
 * next. */
struct hub_semaphore {
    unsigned value;
    waiters waiters;
};

hub_semaphore *hub_semaphore_new(unsigned value)
{
    hub_semaphore *semaphore = calloc(1, sizeof(*semaphore));
    if (semaphore)
        semaphore->value = value;
    return semaphore;
}

void hub_semaphore_free(hub_semaphore *semaphore)
{
    free(semaphore);
}

hub_status hub_semaphore_acquire(hub_semaphore *semaphore, double timeout)
{
    if (greenlet_take_kill())
        return HUB_ECANCELED;
    if (semaphore->value == 0)
        return waiters_wait(&semaphore->waiters, "semaphore", timeout, NULL);
    semaphore->value--;
    return HUB_OK;
}

void hub_semaphore_release(hub_semaphore *semaphore)
{
    if (!waiters_wake_first(&semaphore->waiters, HUB_OK) && semaphore->value < UINT_MAX)
        semaphore->value++;
}
