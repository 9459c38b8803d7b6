/* SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

#include "common/log.h"
#include "common/names.h"
#include "master/logs.h"
#include "master/process.h"

#include <signal.h>
#include <stdio.h>

/* A worker of a new release that boots for longer than this is given up for a newer release. */
#define PATIENCE_NS (5 * CLOCK_NS_PER_S)

hub_status reload_seal(struct master *master, config *settings, error *failure)
{
    return release_begin(&master->next, master->releases + 1, settings, &master->sealer, failure);
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
static void end_reload(struct master *master, const char *why)
{
    reload_outcome *last = &master->last;
    last->reached = !why;
    last->ended_ns = clock_monotonic_ns();
    snprintf(last->why, sizeof last->why, "%s", why ? why : "");
    notify_ready(&master->notify);
    commands_reload_ended(master);
}

/* Before anything of it runs. */
static void abandon_reload(struct master *master, const char *why)
{
    unsigned number = master->roll.target->number;
    char whole[sizeof master->last.why];
    log_error("the reload is abandoned: %s; release %u goes on", why, number);
    snprintf(whole, sizeof whole, "the reload is abandoned: %.400s; release %u goes on", why, number);
    end_reload(master, whole);
}

static void count_reload(struct master *master, unsigned number)
{
    master->reloads++;
    master->last = (reload_outcome){.release = number};
    notify_reloading(&master->notify);
}

/* And has not ended, as it has while an abandoned release is still taken out of the slots. */
static bool is_under_way(const struct master *master)
{
    return master->reloads && !master->last.ended_ns;
}

void reload_cancel(struct master *master, const char *why)
{
    if (master->reload_again && is_under_way(master))
        master->reloads++; /* the one that was to follow is never begun */
    if (master->reload_again || is_under_way(master))
        end_reload(master, why);
    master->reload_again = false;
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
    count_reload(master, 0);
    if (config_reload(&master->roll.target->settings, &fresh, master->options->argc, master->options->argv,
                      reload_report_fixed, NULL, &failure) != HUB_OK) {
        abandon_reload(master, failure.text);
        return;
    }
    master->resuming = master->phase == MASTER_PAUSED;
    if (reload_seal(master, &fresh, &failure) != HUB_OK) {
        abandon_reload(master, failure.text);
        return;
    }
    master->last.release = master->next->number;
    log_info("reloading: release %u is made", master->next->number);
}

/* Hosts of its configuration were looked up when it was sealed: what happens until names_use(NULL) does not
 * wait for the resolver. */
static void use_names_of(const release *what)
{
    static const names_table none;
    names_use(what->sealing ? &what->sealing->names : &none);
}

/* The release is sealed: workers may boot it. */
static void install(struct master *master, release *what)
{
    const config *settings = &what->settings;
    error failure = {.status = HUB_OK};
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
    master->last.release = what->number;
    log_info("release %u: %s replaces release %u in %u worker%s", what->number, settings->app,
             master->roll.proven->number, master->crew.count, master->crew.count == 1 ? "" : "s");
    if (master->phase == MASTER_PAUSED) {
        for (unsigned i = 0; i < master->crew.count; i++)
            crew_assign(master->crew.slots[i], what);
        if (!master->resuming)
            return;
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
    use_names_of(what);
    if (master_is_stopping(master)) {
        /* nobody needs it any more */
    } else if (release_seal(what, status, &failure) == HUB_OK &&
               (master->phase == MASTER_SEALING ||
                addresses_change(master, &what->settings, &failure) == HUB_OK)) {
        master->releases = what->number;
        install(master, what);
        commands_tell(master, "release %u is made", what->number);
    } else if (master->phase == MASTER_SEALING) {
        workers_give_up_start(master, failure.status == HUB_EFAIL ? MASTER_EXIT_APP : MASTER_EXIT_SYSTEM);
    } else {
        abandon_reload(master, failure.text);
    }
    names_use(NULL);
    release_drop(what);
}

/* A release that is being made, and addresses that came with one that did not stay, are not wanted any more.
 */
static void drop_next(struct master *master)
{
    if (master->sealer)
        kill(master->sealer, SIGKILL); /* it is reaped as nobody's child */
    release_drop(master->next);
    master->next = NULL;
    master->sealer = 0;
    listener_settle(&master->listeners, false);
}

void reload_go_back(struct master *master, release *what)
{
    error failure = {.status = HUB_OK};
    drop_next(master);
    count_reload(master, what->number);
    log_info("going back to release %u", what->number);
    master->resuming = master->phase == MASTER_PAUSED;
    use_names_of(what);
    if (addresses_change(master, &what->settings, &failure) == HUB_OK) {
        install(master, what);
        roll_promise(&master->roll);
    } else {
        abandon_reload(master, failure.text);
    }
    names_use(NULL);
}

uint64_t reload_deadline_ns(const struct master *master)
{
    const slot *successor = master->crew.successor;
    bool on_probation = master->phase == MASTER_SERVING && master->roll.target != master->roll.proven;
    bool boots = successor && successor->state == SLOT_BOOTING;
    return master->reload_again && on_probation && boots ? successor->forked_ns + PATIENCE_NS : 0;
}

void reload_pass_time(struct master *master)
{
    uint64_t deadline_ns = reload_deadline_ns(master);
    if (deadline_ns && clock_monotonic_ns() >= deadline_ns)
        roll_abandon(&master->roll, "a worker still boots, and another reload was asked for");
}

/* What an abandoned release brought with it goes with it. */
void reload_rolled(void *arg, const char *why)
{
    struct master *master = arg;
    const release *target = master->roll.target;
    const config *settings = &target->settings;
    listener_settle(&master->listeners, !why);
    if (why) {
        char whole[sizeof master->last.why];
        snprintf(whole, sizeof whole,
                 "release %u is abandoned: %s, and the log says more; release %u goes on",
                 master->last.release, why, target->number);
        end_reload(master, whole);
        process_become_master(settings);
        return;
    }
    master->last.replaced = master->roll.replaced;
    shelf_keep(&master->shelf, master->roll.target);
    end_reload(master, NULL);
    unsigned before = master->crew.count;
    workers_apply_count(master, settings);
    if (master->crew.count == before)
        return;
    log_info("%u worker%s from now on", master->crew.count, master->crew.count == 1 ? "" : "s");
    crew_want_all(&master->crew);
}
