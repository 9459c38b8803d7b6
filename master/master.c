/* SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

#include "common/log.h"
#include "master/logs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what wakes the master ---- */

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

void master_watch_other(void *arg, int channel)
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

static void set_timer(struct master *master)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t next_ns = clock_earlier(crew_deadline_ns(&master->crew), roll_deadline_ns(&master->roll));
    next_ns = clock_earlier(next_ns, notify_deadline_ns(&master->notify));
    next_ns = clock_earlier(next_ns, upgrade_deadline_ns(&master->upgrade));
    next_ns = clock_earlier(next_ns, reload_deadline_ns(master));
    ev_timer_stop(master->loop, &master->timer);
    if (next_ns == 0)
        return;
    ev_now_update(master->loop);
    ev_timer_set(&master->timer, next_ns > now_ns ? clock_in_seconds(next_ns - now_ns) : 0., 0.);
    ev_timer_start(master->loop, &master->timer);
}

hub_status master_open_loop(struct master *master, error *failure)
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
        master_watch_other(master, master->upgrade.channel);
    return HUB_OK;
}

/* ---- what it does then ---- */

void master_reopen_logs(struct master *master)
{
    logfile_set opened;
    logs_reopen(&opened);
    crew_hand_logs(&master->crew, &opened);
    upgrade_forward(&master->upgrade, SIGUSR1);
    log_info("log files were opened anew");
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
    signals_read(master);
    if (take(master, WOKEN_TERMINATE))
        workers_drain(master);
    if (take(master, WOKEN_QUIT))
        workers_end(master);
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
            reload_sealed(master, status);
        else if (pid > 0 && !takeover_reaped(master, pid, status) && !crew_bury(&master->crew, pid, status))
            log_debug("reaped process %d, which is no worker", (int)pid);
        ended.si_pid = 0;
    }
}

/* Slots that should have another worker get one. */
static void roll_on(struct master *master)
{
    if (upgrade_is_giving(&master->upgrade) || upgrade_is_taking(&master->upgrade) ||
        master->upgrade.phase == UPGRADE_RETURNING)
        return;
    if (master->phase == MASTER_SERVING)
        roll_turn(&master->roll);
    if (master->phase != MASTER_SEALING && master->reload_again && !reload_is_busy(master))
        reload_begin(master);
    if (master->upgrade_wanted && !reload_is_busy(master))
        takeover_begin(master);
}

const char *master_phase_text(const struct master *master)
{
    static const char *const phases[] = {
        [MASTER_SEALING] = "starting", [MASTER_STARTING] = "starting",  [MASTER_SERVING] = "serving",
        [MASTER_PAUSED] = "paused",    [MASTER_DRAINING] = "finishing", [MASTER_ENDING] = "ending",
    };
    return phases[master->phase];
}

/* What a service manager shows of the server. */
static void say_state(struct master *master)
{
    const release *target = master->roll.target;
    unsigned ready = 0;
    for (unsigned i = 0; i < master->crew.count; i++)
        ready += master->crew.slots[i]->state == SLOT_READY;
    notify_status(&master->notify, "%s: release %u, %u of %u workers ready", master_phase_text(master),
                  target ? target->number : 0, ready, master->crew.count);
    notify_pass_time(&master->notify, clock_monotonic_ns());
}

/* ---- the loop ---- */

static bool is_over(const struct master *master)
{
    if (master->phase == MASTER_DRAINING && upgrade_is_waited_for(&master->upgrade))
        return false;
    return master_is_stopping(master) && !crew_is_manned(&master->crew);
}

static void run_loop(struct master *master)
{
    while (!is_over(master)) {
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
            master_reopen_logs(master);
        if (take(master, WOKEN_OTHER))
            takeover_hear(master);
        if (take(master, WOKEN_RELOAD))
            reload_begin(master);
        if (take(master, WOKEN_PAUSE))
            workers_pause(master);
        if (take(master, WOKEN_MORE))
            workers_resize(master, 1);
        if (take(master, WOKEN_FEWER))
            workers_resize(master, -1);
        if (take(master, WOKEN_UPGRADE))
            takeover_begin(master);
        crew_pass_time(&master->crew);
        upgrade_turn(&master->upgrade);
        reload_pass_time(master);
        roll_on(master);
    }
}

/* The master that comes lets the one that goes speak, until that one names it. */
static void open_notify(struct master *master)
{
    bool is_daemon = master->options->config->daemon, is_beside = upgrade_is_beside();
    notify_open(&master->notify, is_daemon || is_beside);
    if (is_beside)
        notify_be_silent(&master->notify);
    else if (is_daemon)
        notify_main_pid(&master->notify, getpid());
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
    master->begun_ns = clock_monotonic_ns();
    open_notify(master);
    master->upgrade.channel = master->upgrade.owners_fd = -1;
    predecessors_open(&master->upgrade.before);

    fflush(NULL); /* else every child would write again what is still buffered */
    if (start_open(master, &failure) != HUB_OK ||
        (takeover_is_in_place(master) &&
         takeover_adopt_workers(master, options->config, &failure) != HUB_OK)) {
        log_error("%s", failure.text);
    } else if (reload_seal(master, options->config, &failure) != HUB_OK) {
        log_error("%s", failure.text);
    } else {
        master->exit_code = MASTER_EXIT_OK;
        run_loop(master);
        if (master->releases)
            log_info("ended");
    }
    int exit_code = master->exit_code;
    start_close(master);
    free(master);
    return exit_code;
}
