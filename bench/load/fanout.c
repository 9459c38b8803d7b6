/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenarios in which a message goes to everybody: fanout and latency. All connections are members of a
 * room, the first --senders of them send, one after the other; the message with number i is sent by sender
 * i modulo senders. One sender's messages must arrive in order, each once, at every member.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/load/report.h"
#include "bench/load/run.h"

/* Numbers from here on are probes: they find out whether everybody has joined, and are counted nowhere. */
#define PROBE        UINT32_C(0xf0000000)
#define POSTED_TIMES 65536 /* a power of two */

typedef struct fanout_state {
    uint32_t senders, burst;
    uint32_t next;      /* number of the next message */
    uint32_t *expected; /* [connection * senders + sender]: the number that must come next */
    uint64_t posted[POSTED_TIMES];
    uint64_t wanted;        /* deliveries that the posted messages make */
    uint64_t due, interval; /* with a rate */
    uint32_t joined;
    bool *has_joined;
    uint64_t progress; /* when a delivery came last */
} fanout_state;

static void on_message(load_run *run, load_connection *connection, uint32_t sequence)
{
    fanout_state *fanout = run->scenario;

    if (sequence >= PROBE) {
        if (!fanout->has_joined[connection->index]) {
            fanout->has_joined[connection->index] = true;
            fanout->joined++;
        }
        return;
    }
    uint32_t *expected = &fanout->expected[connection->index * fanout->senders + sequence % fanout->senders];
    if (sequence >= fanout->next) {
        run->wrong++;
        return;
    }
    if (sequence < *expected) {
        run->twice++;
        return;
    }
    uint32_t skipped = (sequence - *expected) / fanout->senders;
    run->lost += skipped;
    fanout->wanted -= skipped;
    *expected = sequence + fanout->senders;
    run->messages++;
    fanout->progress = run->pool.now;
    histogram_add(&run->latency, run->pool.now - fanout->posted[sequence % POSTED_TIMES]);
}

static uint64_t outstanding(const load_run *run)
{
    const fanout_state *fanout = run->scenario;

    return fanout->wanted - run->messages;
}

static void post(load_run *run)
{
    fanout_state *fanout = run->scenario;
    uint64_t now = pool_clock();

    for (uint32_t i = 0; i < fanout->burst; i++)
        fanout->posted[(fanout->next + i) % POSTED_TIMES] = now;
    pool_post(&run->pool, &run->pool.connections[fanout->next % fanout->senders], fanout->next);
    pool_flush(&run->pool);
    fanout->next += fanout->burst;
    fanout->wanted += (uint64_t)fanout->burst * run->options->connections;
}

/* The next message when everybody has the last one. Five seconds without any delivery are a loss, not a wait.
 */
static uint64_t step_one_by_one(load_run *run)
{
    fanout_state *fanout = run->scenario;

    if (outstanding(run) == 0) {
        fanout->progress = pool_clock();
        post(run);
    } else if (pool_clock() > fanout->progress + UINT64_C(5000000000)) {
        run->lost += outstanding(run);
        fanout->wanted = run->messages;
    }
    return 100000000;
}

static uint64_t step_rate(load_run *run)
{
    fanout_state *fanout = run->scenario;
    uint64_t now = pool_clock();

    while (fanout->due <= now) {
        post(run);
        fanout->due += fanout->interval;
        now = pool_clock();
    }
    return fanout->due - now;
}

/* A handshake's answer may leave before the server has put the client into the room. */
static bool wait_for_all(load_run *run)
{
    fanout_state *fanout = run->scenario;
    uint64_t deadline = pool_clock() + UINT64_C(30000000000), again = 0;

    while (fanout->joined < run->options->connections) {
        if (pool_clock() > deadline || run->closed > 0) {
            fprintf(stderr, "load: a message reached %u of %u connections of %s; %s\n", fanout->joined,
                    run->options->connections, run->options->path,
                    run->closed > 0 ? run->why : "is it a room that sends to all, its sender included?");
            return false;
        }
        if (pool_clock() > again) {
            for (uint32_t i = 0; i < fanout->senders; i++)
                pool_post(&run->pool, &run->pool.connections[i], PROBE);
            pool_flush(&run->pool);
            again = pool_clock() + UINT64_C(500000000);
        }
        pool_turn(&run->pool, 10000000);
    }
    return true;
}

static int fan_out(const load_options *options, double rate)
{
    static load_run run;
    static fanout_state fanout;
    int status = 1;

    fanout.senders = options->senders;
    fanout.burst = options->burst;
    fanout.interval = rate > 0 ? (uint64_t)(1e9 / rate) : 0;
    fanout.expected = calloc((size_t)options->connections * options->senders, sizeof *fanout.expected);
    fanout.has_joined = calloc(options->connections, sizeof *fanout.has_joined);
    if (!fanout.expected || !fanout.has_joined) {
        fputs("load: no memory for the counters\n", stderr);
        goto out;
    }
    for (size_t i = 0; i < (size_t)options->connections * options->senders; i++)
        fanout.expected[i] = (uint32_t)(i % options->senders);
    if (!run_open(&run, options, on_message, &fanout))
        goto out;
    if (!wait_for_all(&run))
        goto close;
    fanout.due = fanout.progress = pool_clock();
    run.step = rate > 0 ? step_rate : step_one_by_one;
    if (!run_measure(&run))
        goto close;
    run_drain(&run, outstanding);
    run.lost += outstanding(&run);
    report_begin(options->scenario);
    report_count("senders", options->senders);
    report_count("burst", options->burst);
    run_report(&run);
    report_end();
    status = run_clean(&run) ? 0 : 1;
close:
    run_close(&run);
out:
    free(fanout.expected);
    free(fanout.has_joined);
    return status;
}

int scenario_fanout(const load_options *options)
{
    return fan_out(options, options->rate);
}

int scenario_latency(const load_options *options)
{
    return fan_out(options, options->rate > 0 ? options->rate : 1000);
}
