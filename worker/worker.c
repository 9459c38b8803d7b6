/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include "bus/bus.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/logfile.h"
#include "worker/app/app.h"
#include "worker/drain.h"
#include "worker/http/access.h"
#include "worker/http/server.h"
#include "worker/hub/backtrace.h"
#include "worker/hub/crash.h"
#include "worker/hub/greenlet.h"
#include "worker/hub/loop.h"
#include "worker/net/acceptor.h"
#include "worker/net/connection.h"
#include "worker/net/post.h"
#include "worker/retirement.h"
#include "worker/rooms/fanout.h"
#include "worker/sio/engine_app.h"
#include "worker/sio/relay.h"
#include "worker/sio/sid.h"
#include "worker/sio/socketio.h"
#include "worker/ws/websocket.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const double heartbeat_seconds = 0.25;
static const double send_timeout = 30.0;

static struct worker {
    const worker_boot *boot;
    row *row;
    bus *bus;
    hub_app *app;
    http_server http;
    networks proxies, forwarders;
    ws_server ws;
    sio_server sio;
    ev_signal terminate, interrupt, quit;
    ev_io master_gone, log_files;
    ev_timer heartbeat, grace, poll_end;
    retirement retirement;
    bool draining, stopping, aborted;
    double drain_began;
    size_t drain_step; /* the next */
    int exit_code;
    error failure;
} worker;

/* ---- the end ---- */

static void stop_main(void *arg)
{
    (void)arg;
    app_stop(worker.app);
    loop_stop();
}

/* The last step of a drain: the application's stop hooks, then the loop's end. */
static void stop(void)
{
    if (worker.stopping)
        return;
    worker.stopping = true;
    ev_timer_stop(loop_ev(), &worker.poll_end);
    if (!greenlet_spawn("stop hooks", stop_main, NULL, NULL))
        loop_stop();
}

static void on_poll_end(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    connections_drain(); /* also those that were accepted at the last moment */
    engines_drain(worker.ws.drain_time);
    if (connections_count() == 0 && post_count().waiting == 0)
        stop();
}

/* Everybody who was not told yet is told now. */
static void call_last(void)
{
    worker.ws.drain_time = 0;
    worker.http.patient = false;
    connections_drain();
    engines_drain(0);
}

static void cut_off(void)
{
    if (connections_count())
        log_warning("the graceful time is over: closing %zu connection(s)", connections_count());
    connections_abort();
    stop();
}

static void leave_hooks(void)
{
    log_warning("the graceful time is over, and stop hooks still run: leaving them");
    loop_stop();
}

/* The steps of a drain and their times (drain.h); it ends earlier when the last client has gone. */
static const struct drain_step {
    void (*run)(void);
    size_t when; /* a field of the plan */
} drain_steps[] = {
    {call_last, offsetof(drain_plan, last_call)},
    {cut_off, offsetof(drain_plan, abort)},
    {leave_hooks, offsetof(drain_plan, leave)},
};
enum { DRAIN_STEPS = sizeof drain_steps / sizeof *drain_steps };

static double time_of(const drain_plan *plan, const struct drain_step *at)
{
    double when;
    memcpy(&when, (const char *)plan + at->when, sizeof when);
    return when;
}

static void arm_drain_step(double now)
{
    const drain_plan plan = drain_plan_of(worker.boot->config->graceful_timeout);
    if (worker.drain_step == DRAIN_STEPS)
        return;
    double when = time_of(&plan, &drain_steps[worker.drain_step]) - now;
    ev_timer_set(&worker.grace, when > 0 ? when : 0., 0.);
    ev_timer_start(loop_ev(), &worker.grace);
}

static void on_grace(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    drain_steps[worker.drain_step++].run();
    arm_drain_step(loop_now() - worker.drain_began);
}

/* Whoever waits in the queue of a server that stops is served before it closes: nobody else would. The queue
 * of a service manager's socket stays with the manager, for the server's next start. */
static void leave_listener(const worker_listener *from, bool replaced)
{
    if (!replaced && !from->inherited)
        acceptor_empty(from->fd, worker.boot->config->backlog);
}

static void drain(void)
{
    if (worker.draining)
        return;
    worker.draining = true;
    worker.drain_began = loop_now();
    row_change(worker.row, atomic_load(&worker.row->word), ROW_DRAINING);
    bool replaced = atomic_load(&worker.row->farewell) == FAREWELL_REPLACED;
    worker.http.patient = replaced;
    worker.ws.restarting = replaced;
    for (size_t i = 0; i < worker.boot->listener_count; i++)
        leave_listener(&worker.boot->listeners[i], replaced);
    acceptor_close();
    for (size_t i = 0; i < worker.boot->listener_count; i++)
        close(worker.boot->listeners[i].fd);
    connections_drain(); /* before any of them is read: what is asked from here on is answered with a close */
    engines_drain(worker.ws.drain_time);
    arm_drain_step(0.);
    ev_timer_set(&worker.poll_end, 0., 0.1);
    ev_timer_start(loop_ev(), &worker.poll_end);
}

static void on_terminate(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
    drain();
}

static void on_abort(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
    worker.aborted = true;
    loop_stop();
}

static void on_master_gone(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    char byte;
    if (read(io->fd, &byte, 1) != 0)
        return;
    ev_io_stop(loop, io);
    log_warning("the master is gone: draining");
    drain();
}

/* Files that were opened anew take the numbers of those before them. */
static void on_log_files(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    logfile_set set;
    if (!logfile_take(io->fd, &set)) {
        if (errno != EAGAIN && errno != EINTR) /* the master is gone */
            ev_io_stop(loop, io);
        return;
    }
    if (set.error >= 0) {
        dup2(set.error, STDERR_FILENO);
        close(set.error);
    }
    if (set.access >= 0) {
        if (worker.boot->access_fd >= 0)
            dup3(set.access, worker.boot->access_fd, O_CLOEXEC);
        close(set.access);
    }
}

/* ---- serving ---- */

static void on_heartbeat(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    uint64_t now_ns = clock_monotonic_ns();
    atomic_store_explicit(&worker.row->heartbeat_ns, now_ns, memory_order_relaxed);
    if (worker.draining || atomic_load_explicit(&worker.row->wish, memory_order_relaxed))
        return;
    row_wish wish = retirement_due(&worker.retirement, worker.row, now_ns);
    if (wish) {
        atomic_store(&worker.row->wish, wish);
        region_ring_master(worker.boot->region);
    }
}

static hub_status start_accepting(error *why)
{
    acceptor_listener listeners[ACCEPTOR_LISTENERS_MAX];
    size_t count = worker.boot->listener_count;
    for (size_t i = 0; i < count && i < ACCEPTOR_LISTENERS_MAX; i++)
        listeners[i] = (acceptor_listener){worker.boot->listeners[i].fd, worker.boot->listeners[i].name};
    return acceptor_open(&(acceptor_options){.region = worker.boot->region,
                                             .row = worker.boot->row,
                                             .connections = worker.boot->config->worker_connections,
                                             .accepted = http_accepted},
                         listeners, count, why);
}

/* The boot's last steps, in a greenlet: start hooks may park. */
static void start_main(void *arg)
{
    (void)arg;
    if (app_start(worker.app, &worker.failure) != HUB_OK) {
        worker.exit_code = WORKER_EXIT_APP;
    } else if (start_accepting(&worker.failure) != HUB_OK) {
        worker.exit_code = WORKER_EXIT_BOOT;
    } else if (!worker.draining) {
        if (worker.boot->serves)
            worker.boot->serves();
        row_change(worker.row, atomic_load(&worker.row->word), ROW_READY);
        post_start();
        region_ring_master(worker.boot->region);
        return;
    }
    loop_stop();
}

hub_worker_info hub_worker(void)
{
    const worker_boot *boot = worker.boot;
    return (hub_worker_info){boot->slot, boot->generation, boot->workers, boot->release};
}

/* ---- boot, step by step ---- */

typedef hub_status (*boot_step)(const worker_boot *boot, error *why);

static hub_status open_loop(const worker_boot *boot, error *why)
{
    hub_status status = loop_open(
        &(loop_options){.stack_size = boot->config->stack_size, .max_greenlets = boot->config->max_greenlets},
        why);
    if (status != HUB_OK)
        return status;
    loop_publish_turns(&worker.row->turns);
    greenlet_publish_running(worker.row);
    if (boot->slot == 0 && boot->generation == 1) /* the same for all */
        log_info("greenlets have stacks of %zu KB with %s", boot->config->stack_size / 1024,
                 stack_guard_name());
    return HUB_OK;
}

/* From here on whatever ends the worker leaves behind what it was doing. */
static hub_status watch_crashes(const worker_boot *boot, error *why)
{
    backtrace_call_module(boot->module, boot->config->app);
    return crash_install(why);
}

static void watch_signal(ev_signal *watcher, void (*callback)(struct ev_loop *, ev_signal *, int), int number)
{
    ev_signal_init(watcher, callback, number);
    ev_set_priority(watcher, EV_MAXPRI);
    ev_signal_start(loop_ev(), watcher);
}

static void quit_boot(int number)
{
    (void)number;
    _exit(WORKER_EXIT_OK);
}

static hub_status ignore_signals(const worker_boot *boot, error *why)
{
    (void)boot, (void)why;
    signal(SIGPIPE, SIG_IGN); /* sendfile(2) has no flag against it */
    signal(SIGHUP, SIG_IGN);  /* meant for the master */
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGQUIT, quit_boot); /* whose default action leaves a core file */
    return HUB_OK;
}

/*
 * The signals that end a worker are watched once the application is set up: until then nobody turns the loop
 * that would hear them, and there is nothing to finish, so it ends at once by their default action.
 */
static hub_status watch_supervision(const worker_boot *boot, error *why)
{
    (void)why;
    watch_signal(&worker.terminate, on_terminate, SIGTERM);
    watch_signal(&worker.interrupt, on_abort, SIGINT);
    watch_signal(&worker.quit, on_abort, SIGQUIT);
    ev_io_init(&worker.master_gone, on_master_gone, boot->parent_pipe, EV_READ);
    ev_io_start(loop_ev(), &worker.master_gone);
    if (boot->log_files >= 0) {
        ev_io_init(&worker.log_files, on_log_files, boot->log_files, EV_READ);
        ev_io_start(loop_ev(), &worker.log_files);
    }
    ev_timer_init(&worker.grace, on_grace, 0., 0.);
    ev_timer_init(&worker.poll_end, on_poll_end, 0., 0.);
    ev_timer_init(&worker.heartbeat, on_heartbeat, 0., heartbeat_seconds);
    ev_timer_start(loop_ev(), &worker.heartbeat);
    on_heartbeat(loop_ev(), &worker.heartbeat, 0);
    return HUB_OK;
}

static hub_status open_connections(const worker_boot *boot, error *why)
{
    (void)boot;
    return connections_open(worker.row, why);
}

static hub_status open_bus(const worker_boot *boot, error *why)
{
    hub_status status = bus_open(&worker.bus, boot->region, boot->row, why);
    if (status != HUB_OK)
        return status;
    sid_open(region_secret_key(boot->region));
    status = fanout_open(worker.bus, row_incarnation(atomic_load(&worker.row->word)), why);
    return status == HUB_OK ? post_open(boot->region, boot->row, why) : status;
}

static hub_status load_application(const worker_boot *boot, error *why)
{
    hub_status status = app_load(&worker.app, boot->module, boot->config, why);
    if (status == HUB_OK)
        status = app_setup(worker.app, why);
    if (status != HUB_OK)
        worker.exit_code = WORKER_EXIT_APP;
    return status;
}

/* config/checks.h lets nothing else through. */
static deflate_mode deflate_mode_of(const char *text)
{
    return strcmp(text, "off") == 0        ? DEFLATE_OFF
           : strcmp(text, "takeover") == 0 ? DEFLATE_TAKEOVER
                                           : DEFLATE_ON;
}

static hub_status open_protocols(const worker_boot *boot, error *why)
{
    const config *settings = boot->config;
    /* config/checks.h lets nothing else through than what can be parsed. */
    networks_parse(&worker.proxies, settings->proxy_allow_from);
    networks_parse(&worker.forwarders, settings->forwarded_allow_ips);
    worker.http = (http_server){
        .router = app_router(worker.app),
        .limits = {.request_line = settings->limit_request_line,
                   .fields = settings->limit_request_fields,
                   .field = settings->limit_request_field_size,
                   .head = settings->limit_request_head,
                   .body = settings->max_body},
        .output = {.soft = settings->queue_soft,
                   .hard = SIZE_MAX,
                   .time = settings->queue_time,
                   .policy = HUB_POLICY_CLOSE},
        .keep_alive = settings->keep_alive,
        .header_timeout = settings->header_timeout,
        .body_timeout = settings->body_timeout,
        .send_timeout = send_timeout,
        .proxies = settings->proxy_protocol ? &worker.proxies : NULL,
        .forwarders = &worker.forwarders,
        .compress = {.on = strcmp(settings->http_compress, "on") == 0,
                     .threshold = settings->http_compress_threshold},
        .upgrade = ws_upgrade,
    };
    worker.ws = (ws_server){
        .router = app_router(worker.app),
        .session_size = app_session_size(worker.app),
        .ping_interval = settings->ws_ping_interval,
        .ping_timeout = settings->ws_ping_timeout,
        .close_timeout = settings->ws_close_timeout,
        .drain_time = drain_plan_of(settings->graceful_timeout).spread,
        .deflate = deflate_mode_of(settings->ws_deflate),
        .deflate_threshold = settings->ws_deflate_threshold,
    };
    worker.sio = (sio_server){
        .name_spaces = app_name_spaces(worker.app),
        .session_size = app_session_size(worker.app),
        .connect_timeout = settings->sio_connect_timeout,
        .max_attachments = settings->sio_max_attachments,
        .max_depth = settings->sio_max_depth,
        .max_namespaces = settings->sio_max_namespaces,
        .packet_rate = settings->sio_packet_rate,
        .inbox = settings->sio_max_payload > SIO_INBOX_MIN ? settings->sio_max_payload : SIO_INBOX_MIN,
    };
    http_open(&worker.http);
    ws_open(&worker.ws);
    sio_open(&worker.sio, worker.bus);
    srandom((unsigned)clock_monotonic_ns() ^ (unsigned)getpid());
    engine_app_open();
    hub_status status = engines_open();
    return status == HUB_OK ? relay_open(why) : error_set(why, status, "the hub's table of steps is full");
}

static hub_status open_access_log(const worker_boot *boot, error *why)
{
    const config *settings = boot->config;
    return access_open(
        &(access_options){.format = settings->access_logformat,
                          .fd = boot->access_fd,
                          .to_syslog = settings->log_syslog && !settings->disable_redirect_access_to_syslog,
                          .json = settings->log_json},
        why);
}

static hub_status spawn_start(const worker_boot *boot, error *why)
{
    (void)boot;
    hub_status status;
    if (!greenlet_spawn("start hooks", start_main, NULL, &status))
        return error_set(why, status, "no greenlet for the start hooks: %s", hub_status_text(status));
    return HUB_OK;
}

static hub_status plan_retirement(const worker_boot *boot, error *why)
{
    (void)why;
    const config *settings = boot->config;
    retirement_plan(&worker.retirement,
                    &(retirement_limits){
                        .requests = settings->max_requests,
                        .requests_jitter = settings->max_requests_jitter,
                        .memory = settings->max_worker_memory,
                        .memory_jitter = settings->max_worker_memory_jitter,
                        .lifetime = settings->max_worker_lifetime,
                        .lifetime_jitter = settings->max_worker_lifetime_jitter,
                    },
                    (double)random() / (double)RAND_MAX, clock_monotonic_ns());
    return HUB_OK;
}

static const boot_step boot_steps[] = {
    ignore_signals,    open_loop,      watch_crashes,   open_connections, open_bus,    load_application,
    watch_supervision, open_protocols, open_access_log, plan_retirement,  spawn_start,
};

int worker_main(const worker_boot *boot)
{
    worker.boot = boot;
    worker.row = &boot->region->rows[boot->row];
    worker.exit_code = WORKER_EXIT_BOOT;
    for (size_t i = 0; i < sizeof boot_steps / sizeof *boot_steps; i++)
        if (boot_steps[i](boot, &worker.failure) != HUB_OK)
            goto failed;
    worker.exit_code = WORKER_EXIT_OK;
    loop_run();
    post_close(); /* letters that were not read go to another worker */
    access_close();
    if (worker.exit_code != WORKER_EXIT_OK)
        goto failed;
    bus_close(worker.bus);
    return WORKER_EXIT_OK;
failed:
    log_error("%s", worker.failure.text);
    return worker.exit_code;
}
