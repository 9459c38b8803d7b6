/* SPDX-License-Identifier: Apache-2.0 */
#include "master/birth.h"

#include "master/logs.h"

#include <stdio.h>
#include <unistd.h>

/* While addresses change, each worker serves those of its own release: an address that is given up can be
 * closed once the last worker of the release before is gone. */
static size_t list_listeners(const crew *self, const release *what, worker_listener inherited[])
{
    size_t count = 0;
    char *const *binds = self->binds_of(&what->settings);
    for (size_t i = 0; i < self->listeners->count; i++) {
        const listener *item = &self->listeners->items[i];
        if (listener_is_of(item, binds))
            inherited[count++] = (worker_listener){item->fd, item->name, item->inherited};
    }
    return count;
}

/* The descriptors that a worker may have; nothing else of the master's is its business. */
static size_t list_kept(const crew *self, const release *what, const worker_boot *boot, int kept[])
{
    size_t count = 0;
    for (size_t i = 0; i < boot->listener_count; i++)
        kept[count++] = boot->listeners[i].fd;
    for (unsigned i = 0; i < REGION_ROWS; i++) {
        kept[count++] = self->region.doorbells[i];
        kept[count++] = self->region.mailboxes[i].writer;
    }
    kept[count++] = self->region.mailboxes[boot->row].reader; /* two that read one would split its letters */
    kept[count++] = self->region.memory_fd;
    kept[count++] = self->region.master_doorbell;
    kept[count++] = self->parent_pipe[0];
    kept[count++] = what->module;
    return count + logs_kept(kept + count);
}

typedef struct birth {
    worker_entry worker;
    worker_boot boot;
} birth;

static int be_worker(void *arg)
{
    const birth *mine = arg;
    return mine->worker(&mine->boot);
}

hub_status birth_fork(crew *self, slot *place, error *failure)
{
    unsigned generation = self->generations[place->number] + 1, index;
    if (region_claim_row(&self->region, (uint16_t)place->number, generation, &index) != HUB_OK)
        return error_set(failure, HUB_EFULL, "no row of shared memory is free for another worker");

    int ends[2];
    hub_status status = logfile_channel(ends, failure);
    if (status != HUB_OK) {
        region_sweep_row(&self->region, index);
        return status;
    }
    crew_close_logs(place);
    place->logs = ends[0];

    const release *what = place->release;
    row *score = &self->region.rows[index];
    atomic_store(&score->release, what->number);
    atomic_store(&score->farewell, self->orphan_farewell);
    worker_listener inherited[LISTENERS_MAX];
    birth mine = {
        self->worker,
        {
            .config = &what->settings,
            .module = what->path,
            .region = &self->region,
            .row = index,
            .slot = place->number,
            .generation = generation,
            .release = what->number,
            .workers = self->count,
            .listeners = inherited,
            .listener_count = list_listeners(self, what, inherited),
            .access_fd = logs_access_fd(),
            .log_files = ends[1],
            .parent_pipe = self->parent_pipe[0],
        },
    };
    int kept[LISTENERS_MAX + 2 * REGION_ROWS + 6 + LOGS_KEPT];
    char label[32];
    snprintf(label, sizeof label, "worker %u", place->number);
    size_t kept_count = list_kept(self, what, &mine.boot, kept);
    kept[kept_count++] = ends[1];
    spawn_request request = {
        .label = label, .run = be_worker, .arg = &mine, .keep = kept, .keep_count = kept_count};
    place->row = index;
    place->word = atomic_load(&score->word);
    status = spawn_process(&request, &place->pid, failure);
    close(ends[1]);
    if (status != HUB_OK) {
        crew_close_logs(place);
        place->pid = 0;
        region_sweep_row(&self->region, index);
        return status;
    }
    place->generation = self->generations[place->number] = generation;
    atomic_store(&score->pid, place->pid);
    return HUB_OK;
}
