/* SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

#include "common/log.h"
#include "master/logs.h"
#include "master/process.h"

hub_status reload_seal(struct master *master, config *settings)
{
    error failure = {.status = HUB_OK};
    hub_status status =
        release_begin(&master->next, master->releases + 1, settings, &master->sealer, &failure);
    if (status != HUB_OK)
        log_error("%s", failure.text);
    return status;
}

void reload_report_fixed(void *arg, const char *line)
{
    (void)arg;
    log_warning("%s", line);
}

bool reload_is_busy(const struct master *master)
{
    return master->next || master->phase == MASTER_STARTING ||
           (master->phase == MASTER_SERVING && roll_is_busy(&master->roll));
}

/* Whoever waits for a reload is told that it has ended, one way or the other. */
static void abandon_reload(struct master *master)
{
    log_error("the reload is abandoned: release %u goes on", master->roll.target->number);
    notify_ready(&master->notify);
}

void reload_begin(struct master *master)
{
    if (master_is_stopping(master) || takeover_meets_reload(master))
        return;
    if (reload_is_busy(master) || upgrade_is_taking(&master->upgrade)) {
        master->reload_again = true;
        log_info("a reload is under way: another one follows it");
        return;
    }
    config fresh;
    error failure = {.status = HUB_OK};
    master->reload_again = false;
    notify_reloading(&master->notify);
    if (config_reload(&master->roll.target->settings, &fresh, master->options->argc, master->options->argv,
                      reload_report_fixed, NULL, &failure) != HUB_OK) {
        log_error("%s", failure.text);
        abandon_reload(master);
        return;
    }
    master->resuming = master->phase == MASTER_PAUSED;
    if (reload_seal(master, &fresh) == HUB_OK)
        log_info("reloading: release %u is made", master->next->number);
    else
        abandon_reload(master);
}

/* The release is sealed: workers may boot it. */
static void install(struct master *master, release *what)
{
    const config *settings = &what->settings;
    error failure = {.status = HUB_OK};
    master->releases = what->number;
    process_become_master(settings);
    if (master->phase != MASTER_SEALING && logs_apply(settings, &failure) != HUB_OK)
        log_error("%s; the logs go on as they were", failure.text);
    roll_to(&master->roll, what);
    workers_inherit_count(master);
    if (master->phase != MASTER_SERVING) /* else once it runs everywhere: until then it may be abandoned */
        workers_apply_count(master, settings);
    if (master->phase == MASTER_SEALING) {
        log_info("hubbub %s: %s, %u worker%s", HUB_VERSION, settings->app, master->crew.count,
                 master->crew.count == 1 ? "" : "s");
        process_say_file_limit(settings);
        master->phase = MASTER_STARTING;
        crew_tell(&master->crew, master->crew.slots[0], SLOT_WANTED);
        return;
    }
    log_info("release %u: %s replaces release %u in %u worker%s", what->number, settings->app,
             master->roll.proven->number, master->crew.count, master->crew.count == 1 ? "" : "s");
    if (master->phase == MASTER_PAUSED) {
        for (unsigned i = 0; i < master->crew.count; i++)
            crew_assign(master->crew.slots[i], what);
        if (!master->resuming) {
            notify_ready(&master->notify);
            return;
        }
    }
    master->phase = MASTER_SERVING;
    crew_want_all(&master->crew);
}

void reload_sealed(struct master *master, int status)
{
    error failure = {.status = HUB_OK};
    release *what = master->next;
    master->next = NULL;
    master->sealer = 0;
    if (master_is_stopping(master)) {
        /* nobody needs it any more */
    } else if (release_seal(what, status, &failure) == HUB_OK &&
               (master->phase == MASTER_SEALING ||
                addresses_change(master, &what->settings, &failure) == HUB_OK)) {
        install(master, what);
    } else if (master->phase == MASTER_SEALING) {
        workers_give_up_start(master, failure.status == HUB_EFAIL ? MASTER_EXIT_APP : MASTER_EXIT_SYSTEM);
    } else {
        log_error("the reload is abandoned: %s; release %u goes on", failure.text,
                  master->roll.target->number);
        notify_ready(&master->notify);
    }
    release_drop(what);
}

/* What an abandoned release brought with it goes with it. */
void reload_rolled(void *arg, bool reached)
{
    struct master *master = arg;
    const config *settings = &master->roll.target->settings;
    listener_settle(&master->listeners, reached);
    notify_ready(&master->notify);
    if (!reached) {
        process_become_master(settings);
        return;
    }
    shelf_keep(&master->shelf, master->roll.target);
    unsigned before = master->crew.count;
    workers_apply_count(master, settings);
    if (master->crew.count == before)
        return;
    log_info("%u worker%s from now on", master->crew.count, master->crew.count == 1 ? "" : "s");
    crew_want_all(&master->crew);
}
