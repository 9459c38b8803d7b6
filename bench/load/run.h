/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the scenarios share: a pool, the counters of what came, the measurement between two moments, and the
 * loop that serves the pool and lets the scenario post what is due.
 */
#ifndef BENCH_LOAD_RUN_H
#define BENCH_LOAD_RUN_H

#include "bench/load/inflater.h"
#include "bench/load/options.h"
#include "bench/load/pool.h"
#include "bench/load/process.h"

typedef struct load_run load_run;

typedef void (*run_message)(load_run *run, load_connection *connection, uint32_t sequence);

/* The state of a run at one moment; a measurement is the difference of two. */
typedef struct load_moment {
    uint64_t time, messages, reads, writes;
    process_usage usage;
} load_moment;

struct load_run {
    const load_options *options;
    process_list processes; /* the server's, as --pid or --master tell */
    load_message message;
    load_pool pool;
    uint64_t messages; /* right ones that came: echoes or deliveries */
    uint64_t lost, twice, wrong, closed;
    char why[256]; /* the first of the closed */
    load_histogram latency;
    load_inflater inflater;
    bool draining; /* nothing new is posted */
    run_message on_message;
    uint64_t (*step)(load_run *run); /* posts what is due; returns ns until it wants to be called again */
    void *scenario;                  /* the scenario's own state */
    load_moment begin, end;
};

/*
 * Makes the pool and opens every connection. `on_message` gets the messages whose content is right; others
 * are counted. False after one line on standard error.
 */
bool run_open(load_run *run, const load_options *options, run_message on_message, void *scenario);
void run_close(load_run *run);

/* Serves the pool for so long, or until `count` messages have come in all. */
void run_serve(load_run *run, double seconds, uint64_t count);

/* Warm-up, measurement (run->begin to run->end, run->latency) and the pauses that --pause asks for. */
bool run_measure(load_run *run);

/* Stops posting and serves until `outstanding` returns 0, or nothing has come for two seconds. */
void run_drain(load_run *run, uint64_t (*outstanding)(const load_run *run));

bool run_moment(const load_run *run, load_moment *moment);

/* Writes the figures of the measurement into the report. */
void run_report(const load_run *run);

/* True when all that came was right and nothing was missing. */
bool run_clean(const load_run *run);

/* Fills run->processes; for spread, which has no run. False after one line on standard error. */
bool run_processes(const load_options *options, process_list *processes);

/* The scenarios: each returns the exit status. */
int scenario_echo(const load_options *options);
int scenario_large(const load_options *options);
int scenario_sparse(const load_options *options);
int scenario_fanout(const load_options *options);
int scenario_latency(const load_options *options);
int scenario_idle(const load_options *options);
int scenario_spread(const load_options *options);

#endif
