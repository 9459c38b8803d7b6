/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How connections are shared out among the workers: counted as sockets that each process has open, so that it
 * needs nothing of the server but its processes.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/report.h"
#include "bench/load/run.h"

typedef struct share_table {
    process_list workers;
    double share[PROCESS_MAX]; /* of all connections; sums up to 1 */
} share_table;

static void on_message(load_run *run, load_connection *connection, uint32_t sequence)
{
    (void)connection;
    (void)sequence;
    run->messages++;
}

/* Sockets of each worker less those that it has without clients. */
static bool read_shares(const load_options *options, size_t own, share_table *shares)
{
    double total = 0;

    if (!run_processes(options, &shares->workers))
        return false;
    for (size_t i = 0; i < shares->workers.length; i++) {
        size_t sockets;
        if (!process_sockets(shares->workers.pid[i], &sockets)) {
            fprintf(stderr, "load: the descriptors of process %d cannot be read: %s\n",
                    (int)shares->workers.pid[i], strerror(errno));
            return false;
        }
        shares->share[i] = sockets > own ? (double)(sockets - own) : 0;
        total += shares->share[i];
    }
    for (size_t i = 0; i < shares->workers.length; i++)
        shares->share[i] /= total > 0 ? total : 1;
    return true;
}

/* The fewest sockets of any worker while there are no clients: listeners, mailboxes and so on. */
static bool read_own_sockets(const load_options *options, size_t *own)
{
    process_list workers;

    if (!run_processes(options, &workers))
        return false;
    if (workers.length == 0) {
        fputs("load: spread counts workers: name them with --pid or --master\n", stderr);
        return false;
    }
    *own = SIZE_MAX;
    for (size_t i = 0; i < workers.length; i++) {
        size_t sockets;
        if (!process_sockets(workers.pid[i], &sockets)) {
            fprintf(stderr, "load: the descriptors of process %d cannot be read: %s\n", (int)workers.pid[i],
                    strerror(errno));
            return false;
        }
        if (sockets < *own)
            *own = sockets;
    }
    return true;
}

/* Kills a worker, waits until its clients were cut and as many workers are there again, and reconnects them.
 */
static bool kill_one(load_run *run, const share_table *before, uint64_t *cut, double *back_seconds)
{
    pid_t victim = before->workers.pid[0];
    uint64_t began = pool_clock();
    process_list workers;
    bool back = false;

    if (kill(victim, SIGKILL) != 0) {
        fprintf(stderr, "load: process %d cannot be killed: %s\n", (int)victim, strerror(errno));
        return false;
    }
    while (!back && pool_clock() < began + UINT64_C(10000000000)) {
        pool_turn(&run->pool, 10000000);
        if (!run_processes(run->options, &workers))
            return false;
        back = workers.length == before->workers.length;
        for (size_t i = 0; i < workers.length; i++)
            back = back && workers.pid[i] != victim;
    }
    if (!back) {
        fputs("load: the killed worker was not replaced within 10 seconds\n", stderr);
        return false;
    }
    *cut = run->closed;
    *back_seconds = (double)(pool_clock() - began) / 1e9;
    if (!pool_open(&run->pool, 60)) {
        fprintf(stderr, "load: %s\n", run->pool.failure);
        return false;
    }
    return true;
}

/* Stops a worker and opens further connections: the others must take them. */
static bool stop_one(const load_options *options, pid_t victim, load_histogram *opening)
{
    const pool_options wanted = {options->address, options->path, 100, 1, false, false};
    const pool_events events = {0};
    load_message message;
    load_pool pool;
    bool opened = false;

    if (!message_make(&message, options->size, false))
        return false;
    if (pool_make(&pool, &wanted, &events, &message)) {
        if (kill(victim, SIGSTOP) == 0) {
            opened = pool_open(&pool, 30);
            if (!opened)
                fprintf(stderr, "load: with process %d stopped: %s\n", (int)victim, pool.failure);
            kill(victim, SIGCONT);
        }
        *opening = pool.opening;
        pool_free(&pool);
    }
    message_free(&message);
    return opened;
}

int scenario_spread(const load_options *options)
{
    static load_run run;
    static load_histogram stopped;
    share_table shares;
    uint64_t cut;
    double back_seconds;
    size_t own;
    int status = 1;

    if (!read_own_sockets(options, &own) || !run_open(&run, options, on_message, NULL))
        return 1;
    report_begin("spread");
    report_count("connections", options->connections);
    if (!read_shares(options, own, &shares))
        goto out;
    report_numbers("shares", shares.share, (unsigned)shares.workers.length);
    if (options->kill) {
        if (!kill_one(&run, &shares, &cut, &back_seconds) || !read_shares(options, own, &shares))
            goto out;
        report_count("cut", cut);
        report_number("back_seconds", back_seconds);
        report_numbers("shares_after_kill", shares.share, (unsigned)shares.workers.length);
    }
    if (options->stop) {
        if (!stop_one(options, shares.workers.pid[0], &stopped))
            goto out;
        report_number("stopped_open_p50_us", (double)histogram_quantile(&stopped, 0.5) / 1e3);
        report_number("stopped_open_max_us", (double)stopped.maximum / 1e3);
    }
    status = 0;
out:
    report_end();
    run_close(&run);
    return status;
}
