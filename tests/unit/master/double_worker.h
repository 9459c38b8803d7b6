/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server whose workers are doubles: they do what a test's script says, and leave what they met on a stage
 * that all processes share. The master is the real one, in a process of its own.
 */
#ifndef TESTS_DOUBLE_WORKER_H
#define TESTS_DOUBLE_WORKER_H

#include "common/clock.h"
#include "common/log.h"
#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { STAGE_SLOTS = 8, STAGE_GENERATIONS = 40 };

typedef enum act {
    ACT_SERVE,         /* READY at once, ends when it is told to */
    ACT_WAIT_TO_BOOT,  /* READY when the test lets it */
    ACT_HANG_AT_BOOT,  /* never READY */
    ACT_EXIT_AT_BOOT,  /* with the script's code */
    ACT_CRASH_AT_BOOT, /* SIGSEGV before READY */
    ACT_CRASH_READY,   /* SIGSEGV right after READY */
    ACT_STOP_TURNING,  /* READY, and no heartbeat after it */
    ACT_FINISH_SLOWLY, /* told to drain, it waits for the test's leave */
    ACT_DEAF,          /* turns, and hears neither TERM nor QUIT */
    ACT_ONLY_PIPE,     /* hears no signal, only the parent pipe */
    ACT_ORPHAN,        /* forks a process that outlives it */
} act;

/* What one worker left. */
typedef struct trace {
    _Atomic int pid;
    _Atomic uint64_t forked_ns; /* when it ran first */
    _Atomic bool ready, drained, quit, alone;
    _Atomic int child; /* ACT_ORPHAN: the process that it forked */
} trace;

typedef struct stage {
    trace traces[STAGE_SLOTS][STAGE_GENERATIONS]; /* by generation, from 1 */
    _Atomic bool leave;                           /* what waits may go on */
    _Atomic int port;                             /* of the first listener */
    _Atomic int saw_eof;                          /* workers that saw the parent pipe end */
} stage;

typedef act (*script)(unsigned slot, unsigned generation);

static stage *on;       /* shared by all processes of a test */
static script play;     /* what workers do; set before the master is forked */
static int exit_script; /* the code of ACT_EXIT_AT_BOOT */

static act everybody_serves(unsigned slot, unsigned generation)
{
    (void)slot, (void)generation;
    return ACT_SERVE;
}

/* ---- the worker ---- */

static trace *trace_of(unsigned slot, unsigned generation)
{
    assert_true(slot < STAGE_SLOTS && generation < STAGE_GENERATIONS);
    return &on->traces[slot][generation];
}

static void stamp(const worker_boot *boot)
{
    atomic_store(&boot->region->rows[boot->row].heartbeat_ns, clock_monotonic_ns());
}

static void say_ready(const worker_boot *boot, trace *mine)
{
    row *score = &boot->region->rows[boot->row];
    stamp(boot);
    snprintf(score->running, sizeof(score->running), "act %u", boot->slot);
    atomic_store(&score->connections, 3);
    atomic_store(&mine->ready, true);
    row_change(score, atomic_load(&score->word), ROW_READY);
    region_ring_master(boot->region);
}

static bool parent_is_gone(const worker_boot *boot)
{
    struct pollfd pipe = {.fd = boot->parent_pipe, .events = POLLIN};
    return poll(&pipe, 1, 0) == 1 && (pipe.revents & POLLHUP);
}

/* One turn of a hub that has nothing to do: what it was told within 20 ms, or 0. */
static int turn(const worker_boot *boot, const sigset_t *told)
{
    struct timespec limit = {.tv_nsec = 20 * 1000 * 1000};
    int number = sigtimedwait(told, NULL, &limit);
    stamp(boot);
    return number > 0 ? number : 0;
}

static void wait_for_leave(const worker_boot *boot, const sigset_t *told)
{
    while (!atomic_load(&on->leave) && !parent_is_gone(boot))
        if (turn(boot, told) == SIGQUIT)
            break;
}

static int serve(const worker_boot *boot, trace *mine, act what, const sigset_t *told)
{
    for (;;) {
        int number = turn(boot, told);
        if (parent_is_gone(boot)) {
            atomic_fetch_add(&on->saw_eof, 1);
            return WORKER_EXIT_OK;
        }
        if (what == ACT_DEAF || what == ACT_ONLY_PIPE)
            continue;
        if (number == SIGTERM) {
            atomic_store(&mine->drained, true);
            if (what != ACT_FINISH_SLOWLY)
                return WORKER_EXIT_OK;
        }
        if (number == SIGQUIT || number == SIGINT) {
            atomic_store(&mine->quit, true);
            return WORKER_EXIT_OK;
        }
        if (what == ACT_FINISH_SLOWLY && atomic_load(&mine->drained) && atomic_load(&on->leave))
            return WORKER_EXIT_OK;
    }
}

static _Noreturn void crash(void)
{
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    abort();
}

static void fork_orphan(trace *mine)
{
    pid_t child = fork();
    if (child == 0) {
        while (!atomic_load(&on->leave))
            poll(NULL, 0, 5);
        _exit(0);
    }
    atomic_store(&mine->child, child);
}

static int double_worker(const worker_boot *boot)
{
    act what = play(boot->slot, boot->generation);
    trace *mine = trace_of(boot->slot, boot->generation);
    sigset_t told;

    sigemptyset(&told);
    sigaddset(&told, SIGTERM);
    sigaddset(&told, SIGQUIT);
    sigaddset(&told, SIGINT);
    sigprocmask(SIG_BLOCK, &told, NULL);

    atomic_store(&mine->forked_ns, clock_monotonic_ns());
    atomic_store(&mine->alone, !atomic_load(&on->traces[0][1].ready));
    if (boot->listener_count) {
        struct sockaddr_in address = {0};
        socklen_t size = sizeof(address);
        if (getsockname(boot->listeners[0].fd, (struct sockaddr *)&address, &size) == 0)
            atomic_store(&on->port, ntohs(address.sin_port));
    }
    atomic_store(&mine->pid, getpid());

    switch (what) {
    case ACT_HANG_AT_BOOT:
        sigprocmask(SIG_UNBLOCK, &told, NULL);
        for (;;)
            pause();
    case ACT_EXIT_AT_BOOT:
        return exit_script;
    case ACT_CRASH_AT_BOOT:
        crash();
    case ACT_WAIT_TO_BOOT:
        wait_for_leave(boot, &told);
        break;
    case ACT_ORPHAN:
        fork_orphan(mine);
        break;
    default:
        break;
    }
    say_ready(boot, mine);
    if (what == ACT_CRASH_READY)
        crash();
    if (what == ACT_STOP_TURNING)
        for (;;)
            pause();
    return serve(boot, mine, what, &told);
}

/* ---- the server ---- */

typedef struct server {
    pid_t pid;
    int log;    /* the master's standard error */
    int status; /* once it was waited for */
    config config;
    char path[64]; /* of a unix socket, when a test uses one */
} server;

static uint64_t deadline_in(double seconds)
{
    return clock_monotonic_ns() + (uint64_t)(seconds * (double)CLOCK_NS_PER_S);
}

/* Polls a condition, which may have an effect, for at most 20 s. */
#define assert_soon(condition)                                                                               \
    do {                                                                                                     \
        uint64_t until = deadline_in(20);                                                                    \
        bool came = false;                                                                                   \
        while (!(came = (condition)) && clock_monotonic_ns() < until)                                        \
            poll(NULL, 0, 2);                                                                                \
        assert_true(came);                                                                                   \
    } while (0)

static void open_stage(script acts, unsigned workers, server *at)
{
    if (!on)
        on = mmap(NULL, sizeof(*on), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(on, MAP_FAILED);
    memset(on, 0, sizeof(*on));
    play = acts;

    *at = (server){.log = memfd_create("log", MFD_CLOEXEC)};
    assert_true(at->log >= 0);
    assert_int_equal(config_defaults(&at->config), HUB_OK);
    at->config.workers = workers;
    for (size_t i = 0; at->config.bind[i]; i++) {
        free(at->config.bind[i]);
        at->config.bind[i] = NULL;
    }
    at->config.bind[0] = strdup("127.0.0.1:0");
    at->config.log_level = HUB_DEBUG;
    at->config.log_size = 1 << 20;
    at->config.reload_verify = 0;
    free(at->config.app);
    at->config.app = strdup("/bin/true"); /* workers are doubles: any file will do */
}

static void start_master(server *at)
{
    fflush(NULL);
    at->pid = fork();
    assert_true(at->pid >= 0);
    if (at->pid != 0)
        return;
    setpgid(0, 0); /* as a shell gives a command a process group */
    dup2(at->log, STDERR_FILENO);
    log_set_level(HUB_DEBUG);
    /* What loses its parent becomes the master's, as it is for process 1. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* What is read again at a reload: the same. */
    char workers[32], bind[160], verify[64];
    snprintf(workers, sizeof(workers), "--workers=%u", at->config.workers);
    snprintf(bind, sizeof(bind), "--bind=%s", at->config.bind[0]);
    snprintf(verify, sizeof(verify), "--reload-verify=%g", at->config.reload_verify);
    char *arguments[] = {"hubbub",       workers, bind, verify, "--log-size=1M", "--log-level=debug",
                         at->config.app, NULL};
    master_options options = {.config = &at->config, .argc = 7, .argv = arguments, .worker = double_worker};
    int code = master_run(&options);
    exit(code);
}

static bool has_ended(server *at)
{
    if (at->pid && waitpid(at->pid, &at->status, WNOHANG) == at->pid)
        at->pid = 0;
    return at->pid == 0;
}

static void assert_exit(server *at, int code)
{
    assert_soon(has_ended(at));
    assert_true(WIFEXITED(at->status));
    assert_int_equal(WEXITSTATUS(at->status), code);
}

/* How often a text is in the master's log. */
static unsigned count_in_log(const server *at, const char *text)
{
    struct stat status;
    unsigned count = 0;
    assert_int_equal(fstat(at->log, &status), 0);
    char *all = calloc(1, (size_t)status.st_size + 1);
    assert_non_null(all);
    assert_int_equal(pread(at->log, all, (size_t)status.st_size, 0), status.st_size);
    for (const char *found = all; (found = strstr(found, text)) != NULL; found++)
        count++;
    free(all);
    return count;
}

static void close_stage(server *at)
{
    if (at->pid) {
        kill(at->pid, SIGKILL);
        waitpid(at->pid, &at->status, 0);
    }
    for (unsigned slot = 0; slot < STAGE_SLOTS; slot++)
        for (unsigned generation = 0; generation < STAGE_GENERATIONS; generation++) {
            int pid = atomic_load(&on->traces[slot][generation].pid);
            if (pid > 1 && waitpid(pid, NULL, WNOHANG) == 0) {
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
            }
        }
    close(at->log);
    config_free(&at->config);
}

static bool is_ready(unsigned slot, unsigned generation)
{
    return atomic_load(&trace_of(slot, generation)->ready);
}

static int pid_of(unsigned slot, unsigned generation)
{
    return atomic_load(&trace_of(slot, generation)->pid);
}

/* Ended, and not yet reaped. */
static __attribute__((unused)) bool is_zombie(int pid)
{
    char path[32], text[256] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t length = read(file, text, sizeof(text) - 1);
    close(file);
    const char *name_end = length > 0 ? strrchr(text, ')') : NULL;
    return name_end && strncmp(name_end, ") Z", 3) == 0;
}

/* Neither running nor waiting to be reaped. */
static bool is_gone(int pid)
{
    return kill(pid, 0) < 0 && errno == ESRCH;
}

#endif
