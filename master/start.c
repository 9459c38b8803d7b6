/* SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

#include "master/pidfile.h"
#include "master/privileges.h"
#include "master/process.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void connect_crew(struct master *master)
{
    master->crew.binds_of = addresses_of;
    master->crew.worker = master->options->worker;
    master->crew.listeners = &master->listeners;
    master->crew.on_ready = workers_ready;
    master->crew.on_end = workers_ended;
    master->crew.on_unforked = workers_unforked;
    master->crew.arg = master;
    master->roll.crew = &master->crew;
    master->roll.done = reload_rolled;
    master->roll.arg = master;
}

static hub_status open_crew(struct master *master, const config *settings, const region *shared,
                            error *failure)
{
    if (!shared->header)
        return crew_open(&master->crew, settings->log_size, failure);
    return crew_open_on(&master->crew, shared,
                        takeover_is_in_place(master) ? master->upgrade.inherited->parent_pipe : NULL,
                        failure);
}

hub_status start_open(struct master *master, error *failure)
{
    const config *settings = master->options->config;
    region shared = {.header = NULL};
    hub_status status;
    connect_crew(master);
    if ((status = signals_open(master, failure)) != HUB_OK)
        return status;
    if ((status = takeover_inherit(master, settings, &shared, failure)) != HUB_OK)
        return status;
    if ((status = addresses_open(master, settings, failure)) != HUB_OK)
        return status;
    if ((status = takeover_write_pidfile(master, settings, failure)) != HUB_OK)
        return status;
    process_raise_file_limit();
    if ((status = open_crew(master, settings, &shared, failure)) != HUB_OK)
        return status;
    if ((status = master_open_loop(master, failure)) != HUB_OK)
        return status;
    if ((status = commands_open(master, settings, failure)) != HUB_OK)
        return status;
    /* From here on nothing is opened that only root may open. */
    return privileges_settle_master(settings, failure);
}

void start_close(struct master *master)
{
    commands_close(master);
    if (master->loop)
        ev_loop_destroy(master->loop);
    listener_close_all(&master->listeners);
    if (master->sealer) {
        kill(master->sealer, SIGKILL);
        waitpid(master->sealer, NULL, 0);
    }
    release_drop(master->next);
    crew_close(&master->crew);
    shelf_clear(&master->shelf);
    roll_close(&master->roll);
    if (master->signals >= 0)
        close(master->signals);
    notify_close(&master->notify);
    if (master->pidfile)
        pidfile_remove(master->pidfile);
    free(master->pidfile);
    upgrade_close(&master->upgrade);
}
