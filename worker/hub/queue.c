/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/control.h"

#include <stdlib.h>

enum { RING_FIRST = 16 };

/*
 * Items lie in a ring that grows up to the capacity. While getters wait the ring is empty: an item goes from
 * hand to hand. While putters wait the ring is full, and each carries its item in its list entry.
 */
struct hub_queue {
    void **ring;
    size_t room, head, length;
    size_t capacity; /* 0: no limit */
    bool closed;
    waiters getters, putters;
};

hub_queue *hub_queue_new(size_t capacity)
{
    hub_queue *queue = calloc(1, sizeof(*queue));
    if (queue)
        queue->capacity = capacity;
    return queue;
}

void hub_queue_free(hub_queue *queue)
{
    if (!queue)
        return;
    free(queue->ring);
    free(queue);
}

/* The room is a power of two. */
static bool grow(hub_queue *queue)
{
    size_t room = queue->room ? queue->room * 2 : RING_FIRST;
    if (room > SIZE_MAX / sizeof(void *))
        return false;
    void **ring = malloc(room * sizeof(*ring));
    if (!ring)
        return false;
    for (size_t i = 0; i < queue->length; i++)
        ring[i] = queue->ring[(queue->head + i) & (queue->room - 1)];
    free(queue->ring);
    queue->ring = ring;
    queue->room = room;
    queue->head = 0;
    return true;
}

static bool push(hub_queue *queue, void *item)
{
    if (queue->length == queue->room && !grow(queue))
        return false;
    queue->ring[(queue->head + queue->length++) & (queue->room - 1)] = item;
    return true;
}

static void *pop(hub_queue *queue)
{
    void *item = queue->ring[queue->head];
    queue->head = (queue->head + 1) & (queue->room - 1);
    queue->length--;
    return item;
}

hub_status hub_queue_put(hub_queue *queue, void *item, double timeout)
{
    if (greenlet_take_kill())
        return HUB_ECANCELED;
    if (queue->closed)
        return HUB_ECLOSED;
    waiter *getter = waiters_wake_first(&queue->getters, HUB_OK);
    if (getter) {
        getter->item = item;
        return HUB_OK;
    }
    if (queue->capacity == 0 || queue->length < queue->capacity)
        return push(queue, item) ? HUB_OK : HUB_ENOMEM;
    return waiters_wait(&queue->putters, "room in a queue", timeout, &item);
}

hub_status hub_queue_get(hub_queue *queue, void **item, double timeout)
{
    if (greenlet_take_kill())
        return HUB_ECANCELED;
    if (queue->length > 0) {
        *item = pop(queue);
        waiter *putter = waiters_wake_first(&queue->putters, HUB_OK);
        if (putter)
            push(queue, putter->item); /* into the place that was just left: no memory is needed */
        return HUB_OK;
    }
    if (queue->closed)
        return HUB_ECLOSED;
    void *given = NULL;
    hub_status status = waiters_wait(&queue->getters, "item of a queue", timeout, &given);
    if (status == HUB_OK)
        *item = given;
    return status;
}

size_t hub_queue_length(const hub_queue *queue)
{
    return queue->length;
}

void hub_queue_close(hub_queue *queue)
{
    queue->closed = true;
    waiters_wake_all(&queue->getters, HUB_ECLOSED);
    waiters_wake_all(&queue->putters, HUB_ECLOSED);
}
