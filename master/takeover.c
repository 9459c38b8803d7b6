/* SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

#include "common/log.h"
#include "master/inventory.h"
#include "master/pidfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- in the master that goes ---- */

static upgrade_facts upgrade_facts_of(const struct master *master)
{
    return (upgrade_facts){master->roll.target, master->releases, master->configured,
                           master->phase == MASTER_PAUSED};
}

void takeover_begin(struct master *master)
{
    upgrade_facts facts = upgrade_facts_of(master);
    if (master_is_stopping(master))
        return;
    if (reload_is_busy(master)) {
        log_info("a reload is under way: the upgrade follows it");
        master->upgrade_wanted = true;
        return;
    }
    master->upgrade_wanted = false;
    upgrade_begin(&master->upgrade, &facts);
}

/* After WINCH it means that workers are wanted here again, as with any reload. */
bool takeover_meets_reload(struct master *master)
{
    if (!upgrade_is_giving(&master->upgrade))
        return false;
    if (master->phase == MASTER_PAUSED && master->upgrade.phase == UPGRADE_GIVING)
        upgrade_take_back(&master->upgrade);
    else
        log_warning("an upgrade is under way: SIGHUP changes nothing; send it to process %d when that has "
                    "taken over",
                    (int)master->upgrade.other);
    return true;
}

void takeover_hear(struct master *master)
{
    upgrade_hear(&master->upgrade);
    if (master->upgrade.phase == UPGRADE_RESTORING && master->phase == MASTER_PAUSED)
        master->phase = MASTER_SERVING;
}

static void leave_for(struct master *master)
{
    master->phase = MASTER_DRAINING;
    reload_cancel(master, "another master serves from now on");
    listener_close_all(&master->listeners);
    crew_tell_all(&master->crew, SLOT_TERMINATE, FAREWELL_REPLACED);
}

/* The new master has everything. */
static void on_given(void *arg)
{
    leave_for(arg);
}

/* A new master that was killed cannot remove its pid file. */
static void remove_second_pidfile(const struct master *master, pid_t pid)
{
    char *path;
    if (!master->pidfile || asprintf(&path, "%s%s", master->pidfile, TAKEOVER_SUFFIX) < 0)
        return;
    pidfile_remove_of(path, pid);
    free(path);
}

bool takeover_reaped(struct master *master, pid_t pid, int status)
{
    upgrade_facts facts = upgrade_facts_of(master);
    if (!upgrade_reaped(&master->upgrade, pid, status, &facts))
        return false;
    remove_second_pidfile(master, pid);
    return true;
}

/* ---- in the master that comes ---- */

/* A service manager is told who the server is. */
static void on_named(void *arg, pid_t pid)
{
    struct master *master = arg;
    notify_main_pid(&master->notify, pid);
}

/* The old master has everything back. */
static void on_returned(void *arg)
{
    struct master *master = arg;
    if (!master_is_stopping(master))
        leave_for(master);
}

/* The old master leaves, or is gone: from now on this is the server. */
static void on_alone(void *arg, pid_t before)
{
    struct master *master = arg;
    error failure = {.status = HUB_OK};
    if (master_is_stopping(master))
        return;
    log_info("the upgrade is complete: this master is the server");
    commands_alone(master);
    if (!master->pidfile)
        return;
    char *path = strndup(master->pidfile, strlen(master->pidfile) - strlen(TAKEOVER_SUFFIX));
    if (path && pidfile_rename(master->pidfile, path, before, &failure) == HUB_OK) {
        free(master->pidfile);
        master->pidfile = path;
        return;
    }
    log_error("%s; the pid file stays %s", path ? failure.text : "no memory for the name of the pid file",
              master->pidfile);
    free(path);
}

void takeover_undo(struct master *master, unsigned number, int exit_code)
{
    char why[64];
    snprintf(why, sizeof why, "worker %u did not live", number);
    if (upgrade_give_back(&master->upgrade, why))
        master->exit_code = exit_code;
}

/* Only this master's slots are filled; a new one boots its workers beside those of the old. */
static bool may_fill(void *arg, unsigned number)
{
    const struct master *master = arg;
    return upgrade_owns(&master->upgrade, number);
}

hub_status takeover_inherit(struct master *master, const config *settings, region *shared, error *failure)
{
    master->crew.may_fill = may_fill;
    master->upgrade.crew = &master->crew;
    master->upgrade.listeners = &master->listeners;
    master->upgrade.watch = master_watch_other;
    master->upgrade.given = on_given;
    master->upgrade.returned = on_returned;
    master->upgrade.alone = on_alone;
    master->upgrade.named = on_named;
    master->upgrade.arg = master;
    if (!upgrade_found())
        return HUB_OK;
    master->releases = upgrade_found()->releases;
    return upgrade_inherit(&master->upgrade, upgrade_found(), settings, shared, failure);
}

hub_status takeover_write_pidfile(struct master *master, const config *settings, error *failure)
{
    if (!settings->pid)
        return HUB_OK;
    char *path = NULL;
    if (asprintf(&path, "%s%s", settings->pid, upgrade_is_second(&master->upgrade) ? TAKEOVER_SUFFIX : "") <
        0)
        return error_set(failure, HUB_ENOMEM, "no memory for the name of the pid file");
    hub_status status = pidfile_write(path, failure);
    if (status == HUB_OK)
        master->pidfile = path;
    else
        free(path);
    return status;
}

/* ---- in place ---- */

bool takeover_is_in_place(const struct master *master)
{
    return master->upgrade.inherited && master->upgrade.inherited->mode == HANDOVER_IN_PLACE;
}

hub_status takeover_adopt_workers(struct master *master, config *settings, error *failure)
{
    const handover *from = master->upgrade.inherited;
    config fresh;
    release *running;
    hub_status status = config_reload(settings, &fresh, master->options->argc, master->options->argv,
                                      reload_report_fixed, NULL, failure);
    if (status == HUB_OK)
        status = release_adopt(&running, from->release, &fresh, from->module, failure);
    if (status != HUB_OK)
        return status;
    roll_adopt(&master->roll, running);
    shelf_keep(&master->shelf, running);
    for (uint32_t i = 0; status == HUB_OK && i < from->worker_count; i++) {
        slot facts = inventory_slot(&from->workers[i]);
        status = crew_adopt(&master->crew, &facts, from->workers[i].leaving, running);
        if (status != HUB_OK)
            error_set(failure, status, "the workers that run cannot be adopted: %s", hub_status_text(status));
    }
    release_drop(running);
    master->configured = from->configured;
    master->phase = from->paused ? MASTER_PAUSED : MASTER_SERVING;
    master->woken = WOKEN_SIGNAL | WOKEN_DOORBELL | WOKEN_CHILD;
    log_info("hubbub %s has taken over in place, with %u workers", HUB_VERSION, master->crew.count);
    return status;
}
