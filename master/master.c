/* SPDX-License-Identifier: Apache-2.0 */
#include "master/master.h"

#include "common/log.h"
#include "master/crew.h"
#include "master/daemon.h"
#include "master/inherit.h"
#include "master/listener.h"
#include "master/logs.h"
#include "master/notify.h"
#include "master/pidfile.h"
#include "master/privileges.h"
#include "master/process.h"
#include "master/release.h"
#include "master/roll.h"
#include "master/shelf.h"
#include "master/upgrade.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Why the loop woke: set by watchers and by the signals read, taken by the table in run_loop. */
enum {
    WOKEN_SIGNAL = 1 << 0,
    WOKEN_DOORBELL = 1 << 1,
    WOKEN_CHILD = 1 << 2,
    WOKEN_RELOAD = 1 << 3,
    WOKEN_TERMINATE = 1 << 4,
    WOKEN_QUIT = 1 << 5,
    WOKEN_PAUSE = 1 << 6,
    WOKEN_MORE = 1 << 7,
    WOKEN_FEWER = 1 << 8,
    WOKEN_REOPEN = 1 << 9,
    WOKEN_UPGRADE = 1 << 10,
    WOKEN_OTHER = 1 << 11,
};

/* What the master does when it gets a signal, and nothing but these. */
static const struct {
    int number;
    unsigned woken;
} signals_read[] = {
    {SIGCHLD, WOKEN_CHILD},  {SIGHUP, WOKEN_RELOAD},   {SIGTERM, WOKEN_TERMINATE}, {SIGINT, WOKEN_QUIT},
    {SIGQUIT, WOKEN_QUIT},   {SIGWINCH, WOKEN_PAUSE},  {SIGTTIN, WOKEN_MORE},      {SIGTTOU, WOKEN_FEWER},
    {SIGUSR1, WOKEN_REOPEN}, {SIGUSR2, WOKEN_UPGRADE},
};

typedef enum master_phase {
    MASTER_SEALING,  /* the first release is made */
    MASTER_STARTING, /* slot 0 boots alone */
    MASTER_SERVING,
    MASTER_PAUSED,   /* no worker is wanted until the next reload */
    MASTER_DRAINING, /* no worker is wanted; those that are left finish */
    MASTER_ENDING,   /* no worker is wanted; those that are left end at once */
} master_phase;

/* What the pid file of a master is called more while the one before it lives. */
#define SECOND_PIDFILE ".2"

struct master {
    const master_options *options;
    master_phase phase;
    unsigned woken;
    int exit_code;

    notify notify;
    char *pidfile; /* ours; NULL: none */
    listener_set listeners;
    crew crew;
    roll roll;
    upgrade upgrade;
    bool upgrade_wanted; /* asked for while a reload was under way */

    release *next; /* being sealed; NULL: none */
    pid_t sealer;
    unsigned releases;   /* sealed so far */
    bool reload_again;   /* asked for while one was under way */
    unsigned configured; /* number of workers that the running release's configuration says */
    bool resuming;       /* the release being sealed ends a pause */
    shelf shelf;         /* releases that ran in all slots */

    struct ev_loop *loop;
    int signals;
    ev_io signal_watcher, doorbell_watcher, other_watcher;
    ev_timer timer;
};

static bool is_stopping(const struct master *master)
{
    return master->phase == MASTER_DRAINING || master->phase == MASTER_ENDING;
}

static double in_seconds(uint64_t ns)
{
    return (double)ns / (double)CLOCK_NS_PER_S;
}

/* ---- start ---- */

/* Before any worker was ready there is nothing to keep going: what failed once would fail again. */
static void give_up_start(struct master *master, int exit_code)
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

/* Said only now that somebody answers there. */
static void say_listeners(const struct master *master)
{
    for (size_t i = 0; i < master->listeners.count; i++) {
        const listener *item = &master->listeners.items[i];
        log_info("listening at %s%s", item->path[0] ? "" : "http://", item->name);
    }
}

static void on_ready(void *arg, slot *place)
{
    struct master *master = arg;
    bool is_first = master->phase == MASTER_STARTING;
    roll_ready(&master->roll, place);
    if (is_first) {
        master->phase = MASTER_SERVING;
        shelf_keep(&master->shelf, master->roll.proven);
        say_listeners(master);
        daemon_say(MASTER_EXIT_OK);
        notify_ready(&master->notify);
    }
    if (upgrade_is_taking(&master->upgrade))
        upgrade_take(&master->upgrade, place);
    else if (is_first)
        crew_want_all(&master->crew);
}

/* Until a new master has taken everything over, what fails in it is undone, and the old one goes on. */
static void undo_upgrade(struct master *master, unsigned number, int exit_code)
{
    char why[64];
    snprintf(why, sizeof why, "worker %u did not live", number);
    if (upgrade_give_back(&master->upgrade, why))
        master->exit_code = exit_code;
}

static void on_end(void *arg, const crew_end *end)
{
    struct master *master = arg;
    bool is_application = WIFEXITED(end->status) && WEXITSTATUS(end->status) == WORKER_EXIT_APP;
    if (master->phase == MASTER_STARTING)
        end->place->wanted = false;
    int exit_code = is_application ? MASTER_EXIT_APP : MASTER_EXIT_BOOT;
    give_up_start(master, exit_code);
    if (!end->told && !is_stopping(master) && upgrade_is_taking(&master->upgrade))
        undo_upgrade(master, end->place->number, exit_code);
    if (master->upgrade.phase == UPGRADE_RETURNING)
        end->place->wanted = false;
    if (!is_stopping(master))
        roll_ended(&master->roll, end);
}

static void on_unforked(void *arg)
{
    struct master *master = arg;
    give_up_start(master, MASTER_EXIT_BOOT);
    if (!is_stopping(master))
        roll_unforked(&master->roll);
    upgrade_give_back(&master->upgrade, "a worker could not be forked");
}

/* ---- addresses ---- */

/* A server that a socket unit starts and that is given no address listens where the unit says. */
static char *const *binds_of(const config *settings)
{
    static char all_activated[] = "systemd:";
    static char *const activated[] = {all_activated, NULL};
    return inherit_count() > 0 && !config_given(settings, "bind") ? activated : settings->bind;
}

static listener_options listener_options_of(const config *settings)
{
    return (listener_options){
        .backlog = settings->backlog,
        .reuse_port = settings->reuse_port,
        .mode = settings->socket_mode,
        .user = settings->socket_user,
        .group = settings->socket_group,
    };
}

/* Before the release is installed: what fails here changes nothing. */
static hub_status change_listeners(struct master *master, const config *settings, error *failure)
{
    const listener_options options = listener_options_of(settings);
    hub_status status = listener_change(&master->listeners, binds_of(settings), &options, failure);
    for (size_t i = 0; status == HUB_OK && i < master->listeners.count; i++)
        if (master->listeners.items[i].added)
            log_info("listening at %s, too", master->listeners.items[i].name);
    return status;
}

/* ---- releases ---- */

/* Takes the settings over. */
static hub_status begin_release(struct master *master, config *settings)
{
    error failure = {.status = HUB_OK};
    hub_status status =
        release_begin(&master->next, master->releases + 1, settings, &master->sealer, &failure);
    if (status != HUB_OK)
        log_error("%s", failure.text);
    return status;
}

static void report_fixed(void *arg, const char *line)
{
    (void)arg;
    log_warning("%s", line);
}

/* During a pause nobody is being replaced, whatever was under way when it began. */
static bool is_reloading(const struct master *master)
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

/* After WINCH it means that workers are wanted here again, as with any reload. */
static bool reload_meets_upgrade(struct master *master)
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

static void reload(struct master *master)
{
    if (is_stopping(master) || reload_meets_upgrade(master))
        return;
    if (is_reloading(master) || upgrade_is_taking(&master->upgrade)) {
        master->reload_again = true;
        log_info("a reload is under way: another one follows it");
        return;
    }
    config fresh;
    error failure = {.status = HUB_OK};
    master->reload_again = false;
    notify_reloading(&master->notify);
    if (config_reload(&master->roll.target->settings, &fresh, master->options->argc, master->options->argv,
                      report_fixed, NULL, &failure) != HUB_OK) {
        log_error("%s", failure.text);
        abandon_reload(master);
        return;
    }
    master->resuming = master->phase == MASTER_PAUSED;
    if (begin_release(master, &fresh) == HUB_OK)
        log_info("reloading: release %u is made", master->next->number);
    else
        abandon_reload(master);
}

/* A number that HUP found in the configuration replaces what TTIN and TTOU made of the last one, but only a
 * number that has changed. */
static void apply_worker_count(struct master *master, const config *settings)
{
    unsigned count = config_worker_count(settings);
    bool changed = count != master->configured;
    master->configured = count;
    if (changed && crew_resize(&master->crew, count, master->roll.target) != HUB_OK)
        log_error("no memory for %u workers", count);
}

/* The number that TTIN and TTOU made under the last master stays until the configuration changes. */
static void inherit_worker_count(struct master *master)
{
    const handover *from = master->upgrade.inherited;
    if (!from || master->crew.count)
        return;
    if (crew_resize(&master->crew, from->count, master->roll.target) == HUB_OK)
        master->configured = from->configured;
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
    inherit_worker_count(master);
    if (master->phase != MASTER_SERVING) /* else once it runs everywhere: until then it may be abandoned */
        apply_worker_count(master, settings);
    if (master->phase == MASTER_SEALING) {
        log_info("hubbub %s: %s, %u worker%s", HUB_VERSION, settings->app, master->crew.count,
                 master->crew.count == 1 ? "" : "s");
        process_raise_file_limit(settings);
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

/* The sealer has ended. */
static void finish_release(struct master *master, int status)
{
    error failure = {.status = HUB_OK};
    release *what = master->next;
    master->next = NULL;
    master->sealer = 0;
    if (is_stopping(master)) {
        /* nobody needs it any more */
    } else if (release_seal(what, status, &failure) == HUB_OK &&
               (master->phase == MASTER_SEALING ||
                change_listeners(master, &what->settings, &failure) == HUB_OK)) {
        install(master, what);
    } else if (master->phase == MASTER_SEALING) {
        give_up_start(master, failure.status == HUB_EFAIL ? MASTER_EXIT_APP : MASTER_EXIT_SYSTEM);
    } else {
        log_error("the reload is abandoned: %s; release %u goes on", failure.text,
                  master->roll.target->number);
        notify_ready(&master->notify);
    }
    release_drop(what);
}

/* What an abandoned release brought with it goes with it. */
static void on_rolled(void *arg, bool reached)
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
    apply_worker_count(master, settings);
    if (master->crew.count == before)
        return;
    log_info("%u worker%s from now on", master->crew.count, master->crew.count == 1 ? "" : "s");
    crew_want_all(&master->crew);
}

/* ---- upgrades ---- */

static upgrade_facts upgrade_facts_of(const struct master *master)
{
    return (upgrade_facts){master->roll.target, master->releases, master->configured,
                           master->phase == MASTER_PAUSED};
}

static void begin_upgrade(struct master *master)
{
    upgrade_facts facts = upgrade_facts_of(master);
    if (is_stopping(master))
        return;
    if (is_reloading(master)) {
        log_info("a reload is under way: the upgrade follows it");
        master->upgrade_wanted = true;
        return;
    }
    master->upgrade_wanted = false;
    upgrade_begin(&master->upgrade, &facts);
}

static void hear_other(struct master *master)
{
    upgrade_hear(&master->upgrade);
    if (master->upgrade.phase == UPGRADE_RESTORING && master->phase == MASTER_PAUSED)
        master->phase = MASTER_SERVING;
}

static void leave_for(struct master *master)
{
    master->phase = MASTER_DRAINING;
    listener_close_all(&master->listeners);
    crew_tell_all(&master->crew, SLOT_TERMINATE, FAREWELL_REPLACED);
}

/* The new master has everything. */
static void on_given(void *arg)
{
    leave_for(arg);
}

/* The old master has everything back. */
static void on_returned(void *arg)
{
    struct master *master = arg;
    if (!is_stopping(master))
        leave_for(master);
}

/* The old master is gone: from now on this is the server's main process. */
static void on_alone(void *arg, pid_t before)
{
    struct master *master = arg;
    error failure = {.status = HUB_OK};
    if (is_stopping(master))
        return;
    log_info("this master is alone: the upgrade is complete");
    if (!master->pidfile)
        return;
    char *path = strndup(master->pidfile, strlen(master->pidfile) - strlen(SECOND_PIDFILE));
    if (path) /* one that was killed has left it */
        pidfile_remove_of(path, before);
    if (path && pidfile_rename(master->pidfile, path, &failure) == HUB_OK) {
        free(master->pidfile);
        master->pidfile = path;
        return;
    }
    log_error("%s; the pid file stays %s", path ? failure.text : "no memory for the name of the pid file",
              master->pidfile);
    free(path);
}

/* A new master that was killed cannot remove its pid file. */
static void remove_second_pidfile(const struct master *master, pid_t pid)
{
    char *path;
    if (!master->pidfile || asprintf(&path, "%s%s", master->pidfile, SECOND_PIDFILE) < 0)
        return;
    pidfile_remove_of(path, pid);
    free(path);
}

static bool finish_upgrade(struct master *master, pid_t pid, int status)
{
    upgrade_facts facts = upgrade_facts_of(master);
    if (!upgrade_reaped(&master->upgrade, pid, status, &facts))
        return false;
    remove_second_pidfile(master, pid);
    return true;
}

/* ---- numbers ---- */

static void resize(struct master *master, int change)
{
    if (master->phase != MASTER_SERVING && master->phase != MASTER_PAUSED)
        return;
    if (upgrade_is_giving(&master->upgrade) || upgrade_is_taking(&master->upgrade)) {
        log_warning("an upgrade is under way: the number of workers stays %u", master->crew.count);
        return;
    }
    unsigned count = master->crew.count + (unsigned)change;
    if (count < 1 || count > CONFIG_WORKERS_MAX) {
        log_warning("there %s: %u workers is the %s", count < 1 ? "is one worker left" : "are enough workers",
                    master->crew.count, count < 1 ? "least" : "most");
        return;
    }
    if (crew_resize(&master->crew, count, master->roll.target) != HUB_OK) {
        log_error("no memory for another worker");
        return;
    }
    log_info("%u worker%s from now on", count, count == 1 ? "" : "s");
    if (change > 0 && master->phase == MASTER_SERVING)
        crew_tell(&master->crew, master->crew.slots[count - 1], SLOT_WANTED);
}

static void pause_workers(struct master *master)
{
    if (master->phase != MASTER_SERVING || master->upgrade.phase == UPGRADE_RESTORING)
        return;
    if (upgrade_is_taking(&master->upgrade)) {
        log_warning("an upgrade is under way: SIGWINCH changes nothing");
        return;
    }
    log_info("the workers finish and the master stays; SIGHUP starts workers again");
    master->phase = MASTER_PAUSED;
    master->resuming = false;
    master->reload_again = false;
    notify_ready(&master->notify); /* a reload that was under way is over */
    roll_to(&master->roll, master->roll.target);
    crew_vacate(&master->crew, master->roll.target);
}

/* ---- logs ---- */

static void reopen_logs(struct master *master)
{
    logfile_set opened;
    logs_reopen(&opened);
    crew_hand_logs(&master->crew, &opened);
    log_info("log files were opened anew");
}

/* ---- what wakes the master ---- */

static void say_signal(const struct signalfd_siginfo *taken)
{
    const char *name = sigabbrev_np((int)taken->ssi_signo);
    if (taken->ssi_code == SI_KERNEL)
        log_info("SIG%s from the terminal", name);
    else if (taken->ssi_pid == 0)
        log_info("SIG%s from outside this process name space", name);
    else
        log_info("SIG%s from process %u", name, taken->ssi_pid);
}

/* A terminal sends WINCH whenever its window changes: only a process means it. */
static bool is_meant(const struct signalfd_siginfo *taken)
{
    return taken->ssi_signo != SIGWINCH || taken->ssi_code != SI_KERNEL;
}

static void read_signals(struct master *master)
{
    struct signalfd_siginfo taken;
    while (read(master->signals, &taken, sizeof(taken)) == (ssize_t)sizeof(taken)) {
        if (!is_meant(&taken))
            continue;
        for (size_t i = 0; i < sizeof(signals_read) / sizeof(signals_read[0]); i++)
            if ((int)taken.ssi_signo == signals_read[i].number)
                master->woken |= signals_read[i].woken;
        if (taken.ssi_signo != SIGCHLD)
            say_signal(&taken);
    }
}

/* From now on nobody new is let in: those who wait are served by the workers, and the sockets close for good
 * when the last worker has closed its own. */
static void drain(struct master *master)
{
    if (is_stopping(master) || upgrade_give_back(&master->upgrade, NULL))
        return;
    upgrade_leave(&master->upgrade);
    if (master->roll.target)
        log_info("finishing: workers have %g s (graceful-timeout)",
                 in_seconds(master->roll.target->limits.graceful_ns));
    master->phase = MASTER_DRAINING;
    notify_stopping(&master->notify);
    bool others_serve = upgrade_others_serve(&master->upgrade);
    if (!others_serve)
        listener_shut(&master->listeners);
    listener_close_all(&master->listeners);
    crew_tell_all(&master->crew, SLOT_TERMINATE, others_serve ? FAREWELL_REPLACED : FAREWELL_STOP);
}

static void end_at_once(struct master *master)
{
    if (master->phase == MASTER_ENDING)
        return;
    log_info("ending at once");
    notify_stopping(&master->notify);
    upgrade_leave(&master->upgrade);
    master->phase = MASTER_ENDING;
    listener_close_all(&master->listeners);
    crew_tell_all(&master->crew, SLOT_QUIT, FAREWELL_STOP);
}

static bool take(struct master *master, unsigned woken)
{
    bool is_set = (master->woken & woken) != 0;
    master->woken &= ~woken;
    return is_set;
}

/* Before any child is reaped: one that ended by a signal which the whole process group got is not replaced.
 */
static void obey(struct master *master)
{
    read_signals(master);
    if (take(master, WOKEN_TERMINATE))
        drain(master);
    if (take(master, WOKEN_QUIT))
        end_at_once(master);
}

/* All that ended: several share one SIGCHLD, and as process 1 the master inherits strangers. */
static void reap_children(struct master *master)
{
    siginfo_t ended = {0};
    int status;
    while (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid > 0) {
        obey(master); /* it may have ended after the signals were read */
        pid_t pid = waitpid(ended.si_pid, &status, WNOHANG);
        if (pid > 0 && pid == master->sealer)
            finish_release(master, status);
        else if (pid > 0 && finish_upgrade(master, pid, status))
            continue;
        else if (pid > 0 && !crew_bury(&master->crew, pid, status))
            log_debug("reaped process %d, which is no worker", (int)pid);
        ended.si_pid = 0;
    }
}

/* ---- the loop ---- */

static void on_signal(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)watcher, (void)events;
    ((struct master *)ev_userdata(loop))->woken |= WOKEN_SIGNAL;
}

static void on_doorbell(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)watcher, (void)events;
    ((struct master *)ev_userdata(loop))->woken |= WOKEN_DOORBELL;
}

static void on_other(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)watcher, (void)events;
    ((struct master *)ev_userdata(loop))->woken |= WOKEN_OTHER;
}

static void watch_other(void *arg, int channel)
{
    struct master *master = arg;
    ev_io_stop(master->loop, &master->other_watcher);
    if (channel < 0)
        return;
    ev_io_init(&master->other_watcher, on_other, channel, EV_READ);
    ev_io_start(master->loop, &master->other_watcher);
}

/* The deadlines are looked at in every turn; the timer only makes the turn come. */
static void on_time(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a ? a : b;
    return a < b ? a : b;
}

static void set_timer(struct master *master)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t next_ns = earlier(crew_deadline_ns(&master->crew), roll_deadline_ns(&master->roll));
    next_ns = earlier(next_ns, notify_deadline_ns(&master->notify));
    next_ns = earlier(next_ns, upgrade_deadline_ns(&master->upgrade));
    ev_timer_stop(master->loop, &master->timer);
    if (next_ns == 0)
        return;
    ev_now_update(master->loop);
    ev_timer_set(&master->timer, next_ns > now_ns ? in_seconds(next_ns - now_ns) : 0., 0.);
    ev_timer_start(master->loop, &master->timer);
}

/* Slots that should have another worker get one. */
static void roll_on(struct master *master)
{
    if (upgrade_is_giving(&master->upgrade) || upgrade_is_taking(&master->upgrade) ||
        master->upgrade.phase == UPGRADE_RETURNING)
        return;
    if (master->phase == MASTER_SERVING)
        roll_turn(&master->roll);
    if (master->phase != MASTER_SEALING && master->reload_again && !is_reloading(master))
        reload(master);
    if (master->upgrade_wanted && !is_reloading(master))
        begin_upgrade(master);
}

/* What a service manager shows of the server. */
static void say_state(struct master *master)
{
    static const char *const phases[] = {
        [MASTER_SEALING] = "starting", [MASTER_STARTING] = "starting",  [MASTER_SERVING] = "serving",
        [MASTER_PAUSED] = "paused",    [MASTER_DRAINING] = "finishing", [MASTER_ENDING] = "ending",
    };
    unsigned ready = 0;
    for (unsigned i = 0; i < master->crew.count; i++)
        ready += master->crew.slots[i]->state == SLOT_READY;
    notify_status(&master->notify, "%s: release %u, %u of %u workers ready", phases[master->phase],
                  master->releases, ready, master->crew.count);
    notify_pass_time(&master->notify, clock_monotonic_ns());
}

static void run_loop(struct master *master)
{
    while (!is_stopping(master) || crew_is_manned(&master->crew)) {
        say_state(master);
        set_timer(master);
        ev_run(master->loop, EVRUN_ONCE);

        if (take(master, WOKEN_SIGNAL))
            obey(master);
        if (take(master, WOKEN_DOORBELL))
            crew_hear(&master->crew);
        if (take(master, WOKEN_CHILD))
            reap_children(master);
        if (take(master, WOKEN_REOPEN))
            reopen_logs(master);
        if (take(master, WOKEN_OTHER))
            hear_other(master);
        if (take(master, WOKEN_RELOAD))
            reload(master);
        if (take(master, WOKEN_PAUSE))
            pause_workers(master);
        if (take(master, WOKEN_MORE))
            resize(master, 1);
        if (take(master, WOKEN_FEWER))
            resize(master, -1);
        if (take(master, WOKEN_UPGRADE))
            begin_upgrade(master);
        crew_pass_time(&master->crew);
        upgrade_turn(&master->upgrade);
        roll_on(master);
    }
}

/* ---- start and end ---- */

/* Signals are blocked from here to the end; what was ignored when the server was started is so no more. */
static hub_status open_signals(struct master *master, error *failure)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(signals_read) / sizeof(signals_read[0]); i++) {
        signal(signals_read[i].number, SIG_DFL);
        sigaddset(&set, signals_read[i].number);
    }
    /* The reader of the log may go; that is no reason to end. */
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    master->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (master->signals < 0)
        return error_set(failure, HUB_ESYSTEM, "cannot read signals: %s", strerror(errno));
    return HUB_OK;
}

static hub_status open_listeners(struct master *master, const config *settings, error *failure)
{
    const listener_options options = listener_options_of(settings);
    char *const *binds = binds_of(settings);
    hub_status status = HUB_OK;
    for (size_t i = 0; binds[i] && status == HUB_OK; i++)
        if (!upgrade_has(&master->upgrade, binds[i]))
            status = listener_open(&master->listeners, binds[i], &options, failure);
    return status;
}

/* Written once the addresses are bound: by then no other server of them can be there. */
static hub_status write_pidfile(struct master *master, const config *settings, error *failure)
{
    if (!settings->pid)
        return HUB_OK;
    char *path = NULL;
    if (asprintf(&path, "%s%s", settings->pid, upgrade_is_second(&master->upgrade) ? SECOND_PIDFILE : "") < 0)
        return error_set(failure, HUB_ENOMEM, "no memory for the name of the pid file");
    hub_status status = pidfile_write(path, failure);
    if (status == HUB_OK)
        master->pidfile = path;
    else
        free(path);
    return status;
}

/* Only this master's slots are filled; a new one boots its workers beside those of the old. */
static bool may_fill(void *arg, unsigned number)
{
    const struct master *master = arg;
    return upgrade_owns(&master->upgrade, number);
}

/* What another master has left, if any; before anything is opened. */
static hub_status inherit(struct master *master, const config *settings, region *shared, error *failure)
{
    master->crew.binds_of = binds_of;
    master->upgrade.crew = &master->crew;
    master->upgrade.listeners = &master->listeners;
    master->upgrade.watch = watch_other;
    master->upgrade.given = on_given;
    master->upgrade.returned = on_returned;
    master->upgrade.alone = on_alone;
    master->upgrade.arg = master;
    if (!upgrade_found())
        return HUB_OK;
    master->releases = upgrade_found()->releases;
    return upgrade_inherit(&master->upgrade, upgrade_found(), settings, shared, failure);
}

static bool is_in_place(const struct master *master)
{
    return master->upgrade.inherited && master->upgrade.inherited->mode == HANDOVER_IN_PLACE;
}

static hub_status open_crew(struct master *master, const config *settings, const region *shared,
                            error *failure)
{
    master->crew.may_fill = may_fill;
    master->crew.worker = master->options->worker;
    master->crew.listeners = &master->listeners;
    master->crew.on_ready = on_ready;
    master->crew.on_end = on_end;
    master->crew.on_unforked = on_unforked;
    master->crew.arg = master;
    master->roll.crew = &master->crew;
    master->roll.done = on_rolled;
    master->roll.arg = master;
    if (!shared->header)
        return crew_open(&master->crew, settings->log_size, failure);
    return crew_open_on(&master->crew, shared,
                        is_in_place(master) ? master->upgrade.inherited->parent_pipe : NULL, failure);
}

static hub_status open_loop(struct master *master, error *failure)
{
    /* Not the default loop: it would reap the children before reap_children sees them. */
    master->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (!master->loop)
        return error_set(failure, HUB_ESYSTEM, "cannot make the master's event loop: %s", strerror(errno));
    ev_set_userdata(master->loop, master);
    ev_io_init(&master->signal_watcher, on_signal, master->signals, EV_READ);
    ev_io_init(&master->doorbell_watcher, on_doorbell, master->crew.region.master_doorbell, EV_READ);
    ev_timer_init(&master->timer, on_time, 0., 0.);
    ev_io_start(master->loop, &master->signal_watcher);
    ev_io_start(master->loop, &master->doorbell_watcher);
    ev_init(&master->other_watcher, on_other);
    if (master->upgrade.channel >= 0)
        watch_other(master, master->upgrade.channel);
    return HUB_OK;
}

static hub_status open_master(struct master *master, error *failure)
{
    const config *settings = master->options->config;
    region shared = {.header = NULL};
    hub_status status;
    if ((status = open_signals(master, failure)) != HUB_OK)
        return status;
    if ((status = inherit(master, settings, &shared, failure)) != HUB_OK)
        return status;
    if ((status = open_listeners(master, settings, failure)) != HUB_OK)
        return status;
    if ((status = write_pidfile(master, settings, failure)) != HUB_OK)
        return status;
    if ((status = open_crew(master, settings, &shared, failure)) != HUB_OK)
        return status;
    /* From here on nothing is opened that only root may open. */
    if ((status = privileges_settle_master(settings, failure)) != HUB_OK)
        return status;
    return open_loop(master, failure);
}

static slot slot_of(const handover_worker *from)
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
                  .quick_ends = from->quick_ends,
                  .pid = from->pid,
                  .logs = from->logs,
                  .row = from->row,
                  .word = from->word,
                  .generation = from->generation};
}

/* The workers of the image before: they run the release before, with what the configuration says by now. */
static hub_status adopt_workers(struct master *master, config *settings, error *failure)
{
    const handover *from = master->upgrade.inherited;
    config fresh;
    release *running;
    hub_status status = config_reload(settings, &fresh, master->options->argc, master->options->argv,
                                      report_fixed, NULL, failure);
    if (status == HUB_OK)
        status = release_adopt(&running, from->release, &fresh, from->module, failure);
    if (status != HUB_OK)
        return status;
    roll_adopt(&master->roll, running);
    shelf_keep(&master->shelf, running);
    for (uint32_t i = 0; status == HUB_OK && i < from->worker_count; i++) {
        slot facts = slot_of(&from->workers[i]);
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

static void close_master(struct master *master)
{
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

int master_run(const master_options *options)
{
    error failure = {.status = HUB_OK};
    struct master *master = calloc(1, sizeof(*master));
    if (!master) {
        log_error("no memory for the master");
        return MASTER_EXIT_SYSTEM;
    }
    master->options = options;
    master->exit_code = MASTER_EXIT_SYSTEM;
    master->signals = -1;
    notify_open(&master->notify, options->config->daemon);
    master->upgrade.channel = master->upgrade.owners_fd = -1;

    fflush(NULL); /* else every child would write again what is still buffered */
    if (open_master(master, &failure) != HUB_OK ||
        (is_in_place(master) && adopt_workers(master, options->config, &failure) != HUB_OK)) {
        log_error("%s", failure.text);
    } else if (begin_release(master, options->config) == HUB_OK) {
        master->exit_code = MASTER_EXIT_OK;
        run_loop(master);
        if (master->releases)
            log_info("ended");
    }
    int exit_code = master->exit_code;
    close_master(master);
    free(master);
    return exit_code;
}
