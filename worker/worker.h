/* SPDX-License-Identifier: Apache-2.0 */
/* A worker process, as the master starts it. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "bus/region.h"
#include "config/config.h"

/* Exit codes of a worker; the master gives them on when no worker was ever ready. */
enum { WORKER_EXIT_OK = 0, WORKER_EXIT_BOOT = 3, WORKER_EXIT_APP = 4 };

typedef struct worker_listener {
    int fd;           /* listening, non-blocking, shared by all workers */
    const char *name; /* as configured: for log lines */
    bool inherited;   /* of a service manager, who keeps the queue when the server stops */
} worker_listener;

typedef struct worker_boot {
    const config *config; /* its `app` stays what was given, so that relative folders are meant from there */
    const char *module;   /* the shared object to load: what was sealed of `config->app` */
    const region *region;
    unsigned row; /* this incarnation's row; its word is BOOTING */
    unsigned slot, generation;
    unsigned release; /* number of the release that config and module belong to */
    unsigned workers; /* configured number, never 0 */
    const worker_listener *listeners;
    size_t listener_count;
    void (*serves)(void); /* called once, just before READY is said; NULL: nothing */
    int access_fd;        /* of the access log; -1: none */
    int log_files;   /* socket over which log files that were opened anew come (common/logfile.h); -1: none */
    int parent_pipe; /* reads end-of-file when the master is gone: the worker then drains */
} worker_boot;

/*
 * Runs a worker to its end and returns its exit code; called in a freshly forked child, which then exits with
 * it. It loads the application, calls its setup and start hooks, sets its row READY, rings the master, and
 * serves. SIGTERM drains: when the server stops, connections that wait in the listeners' queues are still
 * accepted and their first requests answered, else they are left to the others; then no more accepting,
 * WebSockets closed with 1001 spread over config.graceful_timeout, requests in progress finished; then it
 * returns WORKER_EXIT_OK. SIGINT and SIGQUIT end it at once. Other signals keep their defaults. A failed boot
 * has been logged in one line: WORKER_EXIT_APP when the application could not be loaded, compiled or set up,
 * else WORKER_EXIT_BOOT.
 */
int worker_main(const worker_boot *boot);

/* worker_main, or what stands in for it in tests of the master. */
typedef int (*worker_entry)(const worker_boot *boot);

#endif
