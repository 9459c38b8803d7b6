/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/load/report.h"

#define NS 1000000000.0

static void take_message(void *arg, load_connection *connection, const unsigned char *payload, size_t length)
{
    load_run *run = arg;
    uint32_t sequence;

    if (message_read(&run->message, payload, length, &sequence))
        run->on_message(run, connection, sequence);
    else
        run->wrong++;
}

static void take_compressed(void *arg, load_connection *connection, const unsigned char *payload,
                            size_t length)
{
    load_run *run = arg;
    size_t inflated;
    const unsigned char *message = inflater_read(&run->inflater, payload, length, &inflated);

    if (message)
        take_message(run, connection, message, inflated);
    else
        run->wrong++;
}

static void take_closed(void *arg, load_connection *connection, const char *why)
{
    load_run *run = arg;

    if (run->closed++ == 0)
        snprintf(run->why, sizeof run->why, "connection %u: %s", connection->index, why);
}

bool run_processes(const load_options *options, process_list *processes)
{
    *processes = options->pids;
    if (options->master > 0 && !process_children(options->master, processes)) {
        fprintf(stderr, "load: process %d has no children to be read: %s\n", (int)options->master,
                strerror(errno));
        return false;
    }
    return true;
}

bool run_open(load_run *run, const load_options *options, run_message on_message, void *scenario)
{
    memset(run, 0, sizeof *run);
    run->options = options;
    run->scenario = scenario;
    run->on_message = on_message;
    if (!run_processes(options, &run->processes))
        return false;
    if (!(options->socketio ? message_make_event(&run->message, options->event, options->size)
                            : message_make(&run->message, options->size, options->json))) {
        fputs("load: no memory for the message\n", stderr);
        return false;
    }
    if (options->deflate && !inflater_make(&run->inflater, options->size)) {
        fputs("load: no memory to inflate\n", stderr);
        message_free(&run->message);
        return false;
    }
    const pool_options wanted = {options->address, options->path,    options->connections,
                                 options->pace,    options->deflate, options->socketio};
    const pool_events events = {
        .message = take_message, .compressed = take_compressed, .closed = take_closed, .arg = run};
    if (!pool_make(&run->pool, &wanted, &events, &run->message)) {
        fprintf(stderr, "load: no memory or descriptors for %u connections: %s\n", options->connections,
                strerror(errno));
        inflater_free(&run->inflater);
        message_free(&run->message);
        return false;
    }
    if (!pool_open(&run->pool, 60)) {
        fprintf(stderr, "load: %s\n", run->pool.failure);
        run_close(run);
        return false;
    }
    return true;
}

void run_close(load_run *run)
{
    pool_free(&run->pool);
    inflater_free(&run->inflater);
    message_free(&run->message);
}

void run_serve(load_run *run, double seconds, uint64_t count)
{
    uint64_t until = pool_clock() + (uint64_t)(seconds * NS);

    for (;;) {
        uint64_t wait = run->step ? run->step(run) : 100000000;
        pool_flush(&run->pool);
        uint64_t now = pool_clock();
        if (now >= until || run->messages >= count || run->closed > 0)
            return;
        pool_turn(&run->pool, wait < until - now ? wait : until - now);
    }
}

bool run_moment(const load_run *run, load_moment *moment)
{
    moment->time = pool_clock();
    moment->messages = run->messages;
    moment->reads = run->pool.reads;
    moment->writes = run->pool.writes;
    if (!process_usage_read(&run->processes, &moment->usage)) {
        fprintf(stderr, "load: the server's processes cannot be measured: %s\n", strerror(errno));
        return false;
    }
    return true;
}

/* Tells whoever started this program that it may look at the server now, and waits until it has. */
static void pause_at(const load_run *run, const char *word)
{
    char line;

    if (!run->options->pause)
        return;
    fprintf(stderr, "%s\n", word);
    while (read(STDIN_FILENO, &line, 1) == 1 && line != '\n')
        ;
}

bool run_measure(load_run *run)
{
    run_serve(run, run->options->warmup, UINT64_MAX);
    pause_at(run, "ready");
    histogram_clear(&run->latency);
    if (!run_moment(run, &run->begin))
        return false;
    uint64_t count = run->options->count;
    run_serve(run, run->options->seconds, count == UINT64_MAX ? count : run->messages + count);
    if (!run_moment(run, &run->end))
        return false;
    pause_at(run, "done");
    return true;
}

void run_drain(load_run *run, uint64_t (*outstanding)(const load_run *run))
{
    uint64_t seen = run->messages, deadline = pool_clock() + (uint64_t)(2 * NS);

    run->draining = true;
    while (outstanding(run) > 0 && pool_clock() < deadline && run->closed == 0) {
        pool_turn(&run->pool, 10000000);
        if (run->messages != seen) {
            seen = run->messages;
            deadline = pool_clock() + (uint64_t)(2 * NS);
        }
    }
}

void run_report(const load_run *run)
{
    const load_moment *a = &run->begin, *b = &run->end;
    double seconds = (double)(b->time - a->time) / NS;
    double messages = (double)(b->messages - a->messages);
    double divisor = messages > 0 ? messages : 1;

    report_count("connections", run->options->connections);
    report_count("size", run->options->size);
    report_number("seconds", seconds);
    report_count("messages", b->messages - a->messages);
    report_number("rate", messages / seconds);
    if (run->processes.length > 0) {
        report_number("cpu_us", (double)(b->usage.cpu_ns - a->usage.cpu_ns) / divisor / 1e3);
        report_number("user_us", (double)(b->usage.user_ns - a->usage.user_ns) / divisor / 1e3);
        report_number("system_us", (double)(b->usage.system_ns - a->usage.system_ns) / divisor / 1e3);
        report_number("busy", (double)(b->usage.cpu_ns - a->usage.cpu_ns) / (seconds * NS));
    }
    report_number("p50_us", (double)histogram_quantile(&run->latency, 0.5) / 1e3);
    report_number("p99_us", (double)histogram_quantile(&run->latency, 0.99) / 1e3);
    report_number("max_us", (double)run->latency.maximum / 1e3);
    report_number("per_read", messages / (double)(b->reads > a->reads ? b->reads - a->reads : 1));
    if (run->options->deflate)
        report_count("compressed_bytes", run->inflater.kept_length);
    report_count("lost", run->lost);
    report_count("twice", run->twice);
    report_count("wrong", run->wrong);
    report_count("closed", run->closed);
}

bool run_clean(const load_run *run)
{
    if (run->options->deflate && run->inflater.kept_length == 0) {
        fputs("load: compression was agreed on and nothing came compressed\n", stderr);
        return false;
    }
    if (run->closed > 0)
        fprintf(stderr, "load: %lu connections were closed; the first: %s\n", (unsigned long)run->closed,
                run->why);
    return run->lost == 0 && run->twice == 0 && run->wrong == 0 && run->closed == 0;
}
