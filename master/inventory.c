/* SPDX-License-Identifier: Apache-2.0 */
#include "master/inventory.h"

#include "master/inherit.h"
#include "master/logs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void list_listeners(const listener_set *set, handover *to)
{
    to->listener_count = (uint32_t)set->count;
    for (size_t i = 0; i < set->count; i++) {
        const listener *from = &set->items[i];
        handover_listener *item = &to->listeners[i];
        item->fd = from->fd;
        item->device = from->device;
        item->inode = from->inode;
        item->inherited = from->inherited;
        snprintf(item->bind, sizeof item->bind, "%s", from->bind);
        snprintf(item->name, sizeof item->name, "%s", from->name);
        memcpy(item->path, from->path, sizeof item->path);
    }
}

static void add_worker(const slot *place, bool leaving, handover *to)
{
    if (to->worker_count == REGION_ROWS)
        return;
    to->workers[to->worker_count++] = (handover_worker){
        .number = place->number,
        .state = place->state,
        .wanted = place->wanted,
        .degraded = place->degraded,
        .leaving = leaving,
        .pid = place->pid,
        .logs = place->logs,
        .row = place->row,
        .generation = place->generation,
        .failures = place->failures,
        .word = place->word,
        .deadline_ns = place->deadline_ns,
        .forked_ns = place->forked_ns,
        .ready_ns = place->ready_ns,
        .look_ns = place->look_ns,
    };
}

static void list_workers(const crew *all, handover *to)
{
    for (unsigned i = 0; i < all->count; i++)
        add_worker(all->slots[i], false, to);
    for (const slot *place = all->leaving; place; place = place->next)
        if (slot_filled(place))
            add_worker(place, true, to);
}

void inventory_write(handover *to, handover_mode mode, const crew *all, const listener_set *listeners,
                     const upgrade_facts *facts)
{
    to->mode = mode;
    to->master = getpid();
    to->releases = facts->releases;
    to->configured = facts->configured;
    to->count = all->count;
    to->region = all->region.memory_fd;
    to->activated = (uint32_t)inherit_count();
    to->console = logs_console();
    memcpy(to->doorbells, all->region.doorbells, sizeof to->doorbells);
    memcpy(to->mailboxes, all->region.mailboxes, sizeof to->mailboxes);
    memcpy(to->generations, all->generations, sizeof to->generations);
    list_listeners(listeners, to);
    if (mode == HANDOVER_BESIDE)
        return;
    to->master_doorbell = all->region.master_doorbell;
    to->parent_pipe[0] = all->parent_pipe[0];
    to->parent_pipe[1] = all->parent_pipe[1];
    to->module = facts->running->module;
    to->release = facts->running->number;
    to->paused = facts->paused;
    list_workers(all, to);
}

listener inventory_listener(const handover_listener *from)
{
    listener one = {
        .fd = from->fd,
        .inherited = from->inherited,
        .device = (dev_t)from->device,
        .inode = (ino_t)from->inode,
    };
    snprintf(one.bind, sizeof one.bind, "%s", from->bind);
    snprintf(one.name, sizeof one.name, "%s", from->name);
    memcpy(one.path, from->path, sizeof one.path);
    return one;
}

slot inventory_slot(const handover_worker *from)
{
    return (slot){.number = from->number,
                  .state = (slot_state)from->state,
                  .wanted = from->wanted,
                  .degraded = from->degraded,
                  .deadline_ns = from->deadline_ns,
                  .forked_ns = from->forked_ns,
                  .ready_ns = from->ready_ns,
                  .look_ns = from->look_ns,
                  .failures = from->failures,
                  .pid = from->pid,
                  .logs = from->logs,
                  .row = from->row,
                  .word = from->word,
                  .generation = from->generation};
}
