/* SPDX-License-Identifier: Apache-2.0 */
#include "master/master.h"

#include "common/log.h"
#include "master/daemon.h"
#include "master/listener.h"
#include "master/note.h"
#include "master/obituary.h"
#include "master/pidfile.h"
#include "master/slot.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
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
    WOKEN_HANGUP = 1 << 3,
    WOKEN_TERMINATE = 1 << 4,
    WOKEN_QUIT = 1 << 5,
};

/* What the master does when it gets a signal, and nothing but these. */
static const struct {
    int number;
    unsigned woken;
} signals_read[] = {
    {SIGCHLD, WOKEN_CHILD}, {SIGHUP, WOKEN_HANGUP}, {SIGTERM, WOKEN_TERMINATE},
    {SIGINT, WOKEN_QUIT},   {SIGQUIT, WOKEN_QUIT},
};

typedef enum master_phase {
    MASTER_STARTING, /* slot 0 boots alone */
    MASTER_SERVING,
    MASTER_DRAINING, /* no worker is wanted; those that are left finish */
    MASTER_ENDING,   /* no worker is wanted; those that are left end at once */
} master_phase;

struct master {
    const master_options *options;
    master_phase phase;
    unsigned woken;
    int exit_code;

    listener_set listeners;
    worker_listener inherited[LISTENERS_MAX];
    region region;
    bool has_region, has_pidfile;
    int parent_pipe[2]; /* the write end is here alone: its end is the master's end */
    int keep[LISTENERS_MAX + REGION_ROWS + 3];
    size_t keep_count;

    slot *slots;
    unsigned slot_count;
    slot_limits limits;

    struct ev_loop *loop;
    int signals;
    ev_io signal_watcher, doorbell_watcher;
    ev_timer timer;
};

/* ---- slots: performing what the state machine asks for ---- */

static void step(struct master *master, slot *place, slot_event event, uint64_t now_ns);

static void step_all(struct master *master, slot_event event)
{
    uint64_t now_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < master->slot_count; i++)
        step(master, &master->slots[i], event, now_ns);
}

static bool is_stopping(const struct master *master)
{
    return master->phase == MASTER_DRAINING || master->phase == MASTER_ENDING;
}

/* Before any worker was ready there is nothing to keep going: what failed once would fail again. */
static void give_up_start(struct master *master, int exit_code)
{
    if (master->phase != MASTER_STARTING)
        return;
    /* The cause was logged as an error where it was known. */
    log_info("the first worker could not boot: the server ends; mend what is said above and start it again");
    master->exit_code = exit_code;
    master->phase = MASTER_ENDING;
    step_all(master, SLOT_QUIT);
}

static hub_status claim_and_fork(struct master *master, slot *place, error *failure)
{
    unsigned generation = place->generation + 1, index;
    if (region_claim_row(&master->region, (uint16_t)place->number, generation, &index) != HUB_OK)
        return error_set(failure, HUB_EFULL, "no row of shared memory is free for another worker");

    row *score = &master->region.rows[index];
    worker_boot boot = {
        .config = master->options->config,
        .module = master->options->module,
        .region = &master->region,
        .row = index,
        .slot = place->number,
        .generation = generation,
        .workers = master->slot_count,
        .listeners = master->inherited,
        .listener_count = master->listeners.count,
        .parent_pipe = master->parent_pipe[0],
    };
    spawn_request request = {&boot, master->options->worker, master->keep, master->keep_count};
    place->row = index;
    place->word = atomic_load(&score->word);
    hub_status status = spawn_worker(&request, &place->pid, failure);
    if (status != HUB_OK) {
        place->pid = 0;
        region_sweep_row(&master->region, index);
        return status;
    }
    place->generation = generation;
    atomic_store(&score->pid, place->pid);
    return HUB_OK;
}

static void fork_worker(struct master *master, slot *place, uint64_t now_ns)
{
    error failure = {.status = HUB_OK};
    if (claim_and_fork(master, place, &failure) == HUB_OK) {
        log_debug("worker %u (pid %d) boots", place->number, (int)place->pid);
        step(master, place, SLOT_FORKED, now_ns);
        return;
    }
    log_error("worker %u: %s", place->number, failure.text);
    step(master, place, SLOT_UNFORKED, now_ns);
    give_up_start(master, MASTER_EXIT_BOOT);
}

static void send_signal(const slot *place, int number)
{
    /* It cannot have been reaped, so the pid is still its own. */
    if (place->pid > 0 && kill(place->pid, number) < 0)
        log_error("worker %u (pid %d): cannot send %s: %s", place->number, (int)place->pid,
                  sigabbrev_np(number), strerror(errno));
}

static double in_seconds(uint64_t ns)
{
    return (double)ns / (double)CLOCK_NS_PER_S;
}

static void step(struct master *master, slot *place, slot_event event, uint64_t now_ns)
{
    const row *score = &master->region.rows[place->row];
    uint64_t heartbeat_ns = atomic_load_explicit(&score->heartbeat_ns, memory_order_relaxed);
    slot_result result = slot_step(place, &master->limits, event, now_ns, heartbeat_ns);

    note_say(result.note, place, &master->limits, score);
    switch (result.action) {
    case SLOT_NOTHING:
        break;
    case SLOT_FORK:
        fork_worker(master, place, now_ns);
        break;
    case SLOT_SEND_TERM:
        send_signal(place, SIGTERM);
        break;
    case SLOT_SEND_QUIT:
        send_signal(place, SIGQUIT);
        break;
    case SLOT_SEND_ABRT:
        send_signal(place, SIGABRT);
        break;
    case SLOT_SEND_KILL:
        send_signal(place, SIGKILL);
        break;
    }
}

/* ---- what wakes the master ---- */

/* Fair shares of connections count the workers that serve: when their number changes all look again. */
static void ring_workers(const struct master *master)
{
    for (unsigned i = 0; i < master->slot_count; i++)
        if (master->slots[i].state == SLOT_READY)
            region_ring(&master->region, master->slots[i].row);
}

/* Said only now that somebody answers there. */
static void say_listeners(const struct master *master)
{
    for (size_t i = 0; i < master->listeners.count; i++) {
        const listener *item = &master->listeners.items[i];
        log_info("listening at %s%s", item->path[0] ? "" : "http://", item->name);
    }
}

/* Reads whether a booting worker has said READY. */
static void hear_worker(struct master *master, slot *place)
{
    /* Not the caller's: to hear one worker may have meant to fork others. */
    uint64_t now_ns = clock_monotonic_ns();
    if (place->state != SLOT_BOOTING)
        return;
    row_word word = atomic_load(&master->region.rows[place->row].word);
    if (row_incarnation(word) != row_incarnation(place->word) ||
        (row_state_of(word) != ROW_READY && row_state_of(word) != ROW_DRAINING))
        return;

    step(master, place, SLOT_SAID_READY, now_ns);
    log_info("worker %u (pid %d) ready in %.0f ms", place->number, (int)place->pid,
             in_seconds(now_ns - place->forked_ns) * 1000);
    ring_workers(master);
    if (master->phase == MASTER_STARTING) {
        master->phase = MASTER_SERVING;
        say_listeners(master);
        daemon_say(MASTER_EXIT_OK);
        step_all(master, SLOT_WANTED);
    }
}

static void hear_workers(struct master *master)
{
    uint64_t ignored;
    while (read(master->region.master_doorbell, &ignored, sizeof(ignored)) < 0 && errno == EINTR)
        continue;
    for (unsigned i = 0; i < master->slot_count; i++)
        hear_worker(master, &master->slots[i]);
}

static void bury_worker(struct master *master, slot *place, int status)
{
    /* It may have been ready for a moment that nobody saw. */
    hear_worker(master, place);
    uint64_t now_ns = clock_monotonic_ns();

    char line[512];
    obituary facts = {
        .slot = place->number,
        .pid = place->pid,
        .status = status,
        .uptime_ns = now_ns - place->forked_ns,
        .told = !place->wanted,
        .was_ready = place->ready_ns != 0,
    };
    obituary_read_row(&facts, &master->region.rows[place->row]);
    if (obituary_write(&facts, line, sizeof(line)) == HUB_INFO)
        log_info("%s", line);
    else
        log_error("%s", line);

    region_sweep_row(&master->region, place->row);
    place->pid = 0;
    bool is_application = WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_APP;
    if (master->phase == MASTER_STARTING)
        place->wanted = false;
    step(master, place, SLOT_REAPED, now_ns);
    give_up_start(master, is_application ? MASTER_EXIT_APP : MASTER_EXIT_BOOT);
    if (place->state == SLOT_BACKOFF)
        log_info("worker %u is started again in %g s", place->number,
                 in_seconds(place->deadline_ns - now_ns));
    ring_workers(master);
}

static slot *slot_of(struct master *master, pid_t pid)
{
    for (unsigned i = 0; i < master->slot_count; i++)
        if (master->slots[i].pid == pid)
            return &master->slots[i];
    return NULL;
}

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

static void read_signals(struct master *master)
{
    struct signalfd_siginfo taken;
    while (read(master->signals, &taken, sizeof(taken)) == (ssize_t)sizeof(taken)) {
        for (size_t i = 0; i < sizeof(signals_read) / sizeof(signals_read[0]); i++)
            if ((int)taken.ssi_signo == signals_read[i].number)
                master->woken |= signals_read[i].woken;
        if (taken.ssi_signo != SIGCHLD)
            say_signal(&taken);
    }
}

static void refuse_hangup(void)
{
    log_warning("SIGHUP changes nothing: start the server again to change its configuration or application");
}

/* From now on nobody new is let in: the sockets close for good when the last worker has closed its own. */
static void drain(struct master *master)
{
    if (is_stopping(master))
        return;
    log_info("finishing: workers have %g s (graceful-timeout)", in_seconds(master->limits.graceful_ns));
    master->phase = MASTER_DRAINING;
    listener_close_all(&master->listeners);
    step_all(master, SLOT_TERMINATE);
}

static void end_at_once(struct master *master)
{
    if (master->phase == MASTER_ENDING)
        return;
    log_info("ending at once");
    master->phase = MASTER_ENDING;
    listener_close_all(&master->listeners);
    step_all(master, SLOT_QUIT);
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
        slot *place = pid > 0 ? slot_of(master, pid) : NULL;
        if (place)
            bury_worker(master, place, status);
        else
            log_debug("reaped process %d, which is no worker", (int)pid);
        ended.si_pid = 0;
    }
}

/* ---- the loop ---- */

static bool has_workers(const struct master *master)
{
    for (unsigned i = 0; i < master->slot_count; i++)
        if (slot_filled(&master->slots[i]))
            return true;
    return false;
}

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

/* The deadlines are looked at in every turn; the timer only makes the turn come. */
static void on_time(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
}

static void set_timer(struct master *master)
{
    uint64_t next_ns = 0, now_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < master->slot_count; i++) {
        uint64_t deadline_ns = master->slots[i].deadline_ns;
        if (deadline_ns && (next_ns == 0 || deadline_ns < next_ns))
            next_ns = deadline_ns;
    }
    ev_timer_stop(master->loop, &master->timer);
    if (next_ns == 0)
        return;
    ev_now_update(master->loop);
    ev_timer_set(&master->timer, next_ns > now_ns ? in_seconds(next_ns - now_ns) : 0., 0.);
    ev_timer_start(master->loop, &master->timer);
}

static void run_loop(struct master *master)
{
    step(master, &master->slots[0], SLOT_WANTED, clock_monotonic_ns());
    while (!is_stopping(master) || has_workers(master)) {
        set_timer(master);
        ev_run(master->loop, EVRUN_ONCE);

        if (take(master, WOKEN_SIGNAL))
            obey(master);
        if (take(master, WOKEN_DOORBELL))
            hear_workers(master);
        if (take(master, WOKEN_CHILD))
            reap_children(master);
        if (take(master, WOKEN_HANGUP))
            refuse_hangup();
        step_all(master, SLOT_TIME);
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

static hub_status open_listeners(struct master *master, error *failure)
{
    const config *settings = master->options->config;
    for (size_t i = 0; settings->bind[i]; i++) {
        hub_status status = listener_open(&master->listeners, settings->bind[i], settings->backlog, failure);
        if (status != HUB_OK)
            return status;
    }
    for (size_t i = 0; i < master->listeners.count; i++) {
        const listener *item = &master->listeners.items[i];
        master->inherited[i] = (worker_listener){item->fd, item->name};
    }
    return HUB_OK;
}

/* Written once the addresses are bound: by then no other server of them can be there. */
static hub_status write_pidfile(struct master *master, error *failure)
{
    const char *path = master->options->config->pid;
    if (!path)
        return HUB_OK;
    hub_status status = pidfile_write(path, failure);
    master->has_pidfile = status == HUB_OK;
    return status;
}

static hub_status open_shared_memory(struct master *master, error *failure)
{
    hub_status status = region_create(&master->region, master->options->config->log_size, failure);
    master->has_region = status == HUB_OK;
    if (status != HUB_OK)
        return status;
    if (pipe2(master->parent_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return error_set(failure, HUB_ESYSTEM, "cannot make a pipe: %s", strerror(errno));
    return HUB_OK;
}

/* The descriptors that a worker may have; nothing else of the master's is its business. */
static void list_kept(struct master *master)
{
    size_t count = 0;
    for (size_t i = 0; i < master->listeners.count; i++)
        master->keep[count++] = master->listeners.items[i].fd;
    for (unsigned i = 0; i < REGION_ROWS; i++)
        master->keep[count++] = master->region.doorbells[i];
    master->keep[count++] = master->region.memory_fd;
    master->keep[count++] = master->region.master_doorbell;
    master->keep[count++] = master->parent_pipe[0];
    master->keep_count = count;
}

static uint64_t in_ns(double seconds)
{
    return seconds > 0 ? (uint64_t)(seconds * (double)CLOCK_NS_PER_S) : 0;
}

static hub_status make_slots(struct master *master, error *failure)
{
    const config *settings = master->options->config;
    master->limits = (slot_limits){
        .boot_ns = in_ns(settings->boot_timeout),
        .timeout_ns = in_ns(settings->timeout),
        .graceful_ns = in_ns(settings->graceful_timeout),
    };
    unsigned count = config_worker_count(settings);
    master->slots = calloc(count, sizeof(slot));
    if (!master->slots)
        return error_set(failure, HUB_ENOMEM, "no memory for %u slots", count);
    for (unsigned i = 0; i < count; i++)
        slot_init(&master->slots[i], i);
    master->slot_count = count;
    return HUB_OK;
}

static hub_status open_loop(struct master *master, error *failure)
{
    /* Not the default loop: it would reap the children before reap_children sees them. */
    master->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (!master->loop)
        return error_set(failure, HUB_ESYSTEM, "cannot make the master's event loop: %s", strerror(errno));
    ev_set_userdata(master->loop, master);
    ev_io_init(&master->signal_watcher, on_signal, master->signals, EV_READ);
    ev_io_init(&master->doorbell_watcher, on_doorbell, master->region.master_doorbell, EV_READ);
    ev_timer_init(&master->timer, on_time, 0., 0.);
    ev_io_start(master->loop, &master->signal_watcher);
    ev_io_start(master->loop, &master->doorbell_watcher);
    return HUB_OK;
}

static hub_status open_master(struct master *master, error *failure)
{
    hub_status status;
    if ((status = open_signals(master, failure)) != HUB_OK)
        return status;
    if ((status = open_listeners(master, failure)) != HUB_OK)
        return status;
    if ((status = write_pidfile(master, failure)) != HUB_OK)
        return status;
    if ((status = open_shared_memory(master, failure)) != HUB_OK)
        return status;
    if ((status = make_slots(master, failure)) != HUB_OK)
        return status;
    list_kept(master);
    return open_loop(master, failure);
}

static void close_descriptor(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void close_master(struct master *master)
{
    if (master->loop)
        ev_loop_destroy(master->loop);
    listener_close_all(&master->listeners);
    if (master->has_region)
        region_close(&master->region);
    if (master->has_pidfile)
        pidfile_remove(master->options->config->pid);
    close_descriptor(master->parent_pipe[0]);
    close_descriptor(master->parent_pipe[1]);
    close_descriptor(master->signals);
    free(master->slots);
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
    master->exit_code = MASTER_EXIT_OK;
    master->parent_pipe[0] = master->parent_pipe[1] = master->signals = -1;

    unsigned workers = config_worker_count(options->config);
    log_info("hubbub %s: %s, %u worker%s", HUB_VERSION, options->config->app, workers,
             workers == 1 ? "" : "s");
    fflush(NULL); /* else every child would write again what is still buffered */
    if (open_master(master, &failure) == HUB_OK) {
        run_loop(master);
        log_info("ended");
    } else {
        log_error("%s", failure.text);
        master->exit_code = MASTER_EXIT_SYSTEM;
    }
    int exit_code = master->exit_code;
    close_master(master);
    free(master);
    return exit_code;
}
