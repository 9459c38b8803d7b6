/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that do nothing: what opening one costs the server, and what it keeps for one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/load/report.h"
#include "bench/load/run.h"

static void on_message(load_run *run, load_connection *connection, uint32_t sequence)
{
    (void)connection;
    (void)sequence;
    run->messages++;
}

static bool read_memory(const load_run *run, uint64_t *bytes)
{
    if (process_memory_read(&run->processes, bytes))
        return true;
    fprintf(stderr, "load: the server's memory cannot be read: %s\n", strerror(errno));
    return false;
}

/* Opens one connection and uses it, so that what the server allocates once is there before the measurement.
 */
static bool prime(load_run *run, const load_options *options)
{
    load_options one = *options;

    one.connections = 1;
    if (!run_open(run, &one, on_message, NULL))
        return false;
    for (int i = 0; i < 100; i++)
        pool_post(&run->pool, &run->pool.connections[0], 0);
    pool_flush(&run->pool);
    run_serve(run, 1, 100);
    run_close(run);
    return true;
}

int scenario_idle(const load_options *options)
{
    static load_run first, run;
    uint64_t memory_before, memory_after;
    load_moment begin, opened, held;
    process_list processes;
    int status = 1;

    if (!run_processes(options, &processes))
        return 1;
    if (processes.length == 0) {
        fputs("load: idle measures processes: name them with --pid or --master\n", stderr);
        return 1;
    }
    if (!prime(&first, options))
        return 1;
    run.processes = processes;
    if (!read_memory(&run, &memory_before) || !run_moment(&run, &begin) ||
        !run_open(&run, options, on_message, NULL))
        return 1;
    if (!run_moment(&run, &opened))
        goto out;
    run_serve(&run, options->hold, UINT64_MAX);
    if (!run_moment(&run, &held) || !read_memory(&run, &memory_after))
        goto out;

    double connections = options->connections;
    report_begin("idle");
    report_count("connections", options->connections);
    report_count("memory_before", memory_before);
    report_count("memory_after", memory_after);
    report_number("memory_each", ((double)memory_after - (double)memory_before) / connections);
    report_number("open_us", (double)(opened.usage.cpu_ns - begin.usage.cpu_ns) / connections / 1e3);
    report_number("open_p50_us", (double)histogram_quantile(&run.pool.opening, 0.5) / 1e3);
    report_number("open_p99_us", (double)histogram_quantile(&run.pool.opening, 0.99) / 1e3);
    report_number("held_busy", (double)(held.usage.cpu_ns - opened.usage.cpu_ns) / (options->hold * 1e9));
    report_count("closed", run.closed);
    report_end();
    status = run_clean(&run) ? 0 : 1;
out:
    run_close(&run);
    return status;
}
