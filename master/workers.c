/* SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

#include "common/log.h"
#include "master/daemon.h"

#include <sys/wait.h>

/* ---- the first boot, and ends ---- */

void workers_give_up_start(struct master *master, int exit_code)
{
    if (master->phase != MASTER_STARTING && master->phase != MASTER_SEALING)
        return;
    /* The cause was logged as an error where it was known. */
    if (master->phase == MASTER_STARTING)
        log_info(
            "the first worker could not boot: the server ends; mend what is said above and start it again");
    master->exit_code = exit_code;
    master->phase = MASTER_ENDING;
    crew_tell_all(&master->crew, SLOT_QUIT, FAREWELL_STOP);
}

void workers_ready(void *arg, slot *place)
{
    struct master *master = arg;
    bool is_first = master->phase == MASTER_STARTING;
    roll_ready(&master->roll, place);
    if (is_first) {
        master->phase = MASTER_SERVING;
        shelf_keep(&master->shelf, master->roll.proven);
        addresses_say(master);
        daemon_say(MASTER_EXIT_OK);
        notify_ready(&master->notify);
    }
    if (place == master->crew.successor)
        commands_tell(master, "worker %u (pid %d) of release %u is ready", place->number, (int)place->pid,
                      place->release->number);
    if (upgrade_is_taking(&master->upgrade))
        upgrade_take(&master->upgrade, place);
    else if (is_first)
        crew_want_all(&master->crew);
}

void workers_ended(void *arg, const crew_end *end)
{
    struct master *master = arg;
    bool is_application = WIFEXITED(end->status) && WEXITSTATUS(end->status) == WORKER_EXIT_APP;
    if (master->phase == MASTER_STARTING)
        end->place->wanted = false;
    int exit_code = is_application ? MASTER_EXIT_APP : MASTER_EXIT_BOOT;
    workers_give_up_start(master, exit_code);
    if (!end->told && !master_is_stopping(master) && upgrade_is_taking(&master->upgrade))
        takeover_undo(master, end->place->number, exit_code);
    if (master->upgrade.phase == UPGRADE_RETURNING)
        end->place->wanted = false;
    if (!master_is_stopping(master))
        roll_ended(&master->roll, end);
}

void workers_unforked(void *arg)
{
    struct master *master = arg;
    workers_give_up_start(master, MASTER_EXIT_BOOT);
    if (!master_is_stopping(master))
        roll_unforked(&master->roll);
    upgrade_give_back(&master->upgrade, "a worker could not be forked");
}

/* ---- numbers ---- */

void workers_apply_count(struct master *master, const config *settings)
{
    unsigned count = config_worker_count(settings);
    bool changed = count != master->configured;
    master->configured = count;
    if (changed && crew_resize(&master->crew, count, master->roll.target) != HUB_OK)
        log_error("no memory for %u workers", count);
}

void workers_inherit_count(struct master *master)
{
    const handover *from = master->upgrade.inherited;
    if (!from || master->crew.count)
        return;
    if (crew_resize(&master->crew, from->count, master->roll.target) == HUB_OK)
        master->configured = from->configured;
}

hub_status workers_scale(struct master *master, unsigned count, error *failure)
{
    unsigned before = master->crew.count;
    if (master->phase != MASTER_SERVING && master->phase != MASTER_PAUSED)
        return error_set(failure, HUB_ESTATE, "the server is %s: the number of workers stays %u",
                         master_phase_text(master), before);
    if (upgrade_is_giving(&master->upgrade) || upgrade_is_taking(&master->upgrade))
        return error_set(failure, HUB_ESTATE, "an upgrade is under way: the number of workers stays %u",
                         before);
    if (count < 1 || count > CONFIG_WORKERS_MAX)
        return error_set(failure, HUB_EINVAL, "there cannot be %u workers: one is the least, %d are the most",
                         count, CONFIG_WORKERS_MAX);
    hub_status status = crew_resize(&master->crew, count, master->roll.target);
    for (unsigned i = before; i < master->crew.count && master->phase == MASTER_SERVING; i++)
        crew_tell(&master->crew, master->crew.slots[i], SLOT_WANTED);
    if (status != HUB_OK)
        return error_set(failure, status, "no memory for another worker");
    log_info("%u worker%s from now on", count, count == 1 ? "" : "s");
    return HUB_OK;
}

void workers_resize(struct master *master, int change)
{
    error failure = {.status = HUB_OK};
    unsigned count = master->crew.count + (unsigned)change;
    if (master->phase != MASTER_SERVING && master->phase != MASTER_PAUSED)
        return;
    if (workers_scale(master, count, &failure) != HUB_OK)
        log_warning("%s", failure.text);
}

/* ---- pause and end ---- */

void workers_pause(struct master *master)
{
    if (master->phase != MASTER_SERVING || master->upgrade.phase == UPGRADE_RESTORING)
        return;
    if (upgrade_is_taking(&master->upgrade)) {
        log_warning("an upgrade is under way: SIGWINCH changes nothing");
        return;
    }
    log_info("the workers finish and the master stays; SIGHUP starts workers again");
    reload_cancel(master, "the workers were told to finish (SIGWINCH)");
    master->phase = MASTER_PAUSED;
    master->resuming = false;
    roll_to(&master->roll, master->roll.target);
    crew_vacate(&master->crew, master->roll.target);
}

/* From now on nobody new is let in: those who wait are served by the workers, and the sockets close for good
 * when the last worker has closed its own. */
void workers_drain(struct master *master)
{
    if (master_is_stopping(master) || upgrade_give_back(&master->upgrade, NULL))
        return;
    upgrade_leave(&master->upgrade);
    if (master->roll.target)
        log_info("finishing: workers have %g s (graceful-timeout)",
                 clock_in_seconds(master->roll.target->limits.graceful_ns));
    reload_cancel(master, "the server ends");
    master->phase = MASTER_DRAINING;
    notify_stopping(&master->notify);
    bool others_serve = upgrade_others_serve(&master->upgrade);
    if (!others_serve)
        listener_shut(&master->listeners);
    listener_close_all(&master->listeners);
    crew_tell_all(&master->crew, SLOT_TERMINATE, others_serve ? FAREWELL_REPLACED : FAREWELL_STOP);
}

void workers_end(struct master *master)
{
    if (master->phase == MASTER_ENDING)
        return;
    log_info("ending at once");
    predecessors_tell(&master->upgrade.before, SIGINT);
    reload_cancel(master, "the server ends");
    notify_stopping(&master->notify);
    upgrade_leave(&master->upgrade);
    master->phase = MASTER_ENDING;
    listener_close_all(&master->listeners);
    crew_tell_all(&master->crew, SLOT_QUIT, FAREWELL_STOP);
}
