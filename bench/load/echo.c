/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenarios in which each connection gets its own messages back: echo, as fast as the server answers, and
 * sparse, where every connection is idle most of the time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/load/report.h"
#include "bench/load/run.h"

typedef struct echo_state {
    uint64_t *posted; /* when; [connection * outstanding + number % outstanding] */
    uint32_t outstanding;
    bool refill;       /* an answer is followed by the next message */
    uint64_t due;      /* sparse: when the next connection's turn is */
    uint64_t interval; /* sparse: ns between two connections' turns */
    uint32_t next;     /* sparse: whose turn it is */
} echo_state;

static uint64_t *posted_at(echo_state *echo, const load_connection *connection, uint32_t sequence)
{
    return &echo->posted[(size_t)connection->index * echo->outstanding + sequence % echo->outstanding];
}

static void post(load_run *run, load_connection *connection)
{
    uint32_t sequence = connection->sent++;

    *posted_at(run->scenario, connection, sequence) = pool_clock();
    pool_post(&run->pool, connection, sequence);
}

static void post_all(load_run *run, load_connection *connection)
{
    for (uint32_t i = 0; i < run->options->outstanding; i++)
        post(run, connection);
}

static void on_message(load_run *run, load_connection *connection, uint32_t sequence)
{
    const echo_state *echo = run->scenario;

    if (sequence != connection->received) {
        if ((int32_t)(sequence - connection->received) < 0 || sequence >= connection->sent) {
            run->twice++;
            return;
        }
        run->lost += sequence - connection->received;
    }
    connection->received = sequence + 1;
    run->messages++;
    histogram_add(&run->latency, run->pool.now - *posted_at(run->scenario, connection, sequence));
    if (!echo->refill || run->draining)
        return;
    if (!run->options->rounds)
        post(run, connection);
    else if (connection->received == connection->sent)
        post_all(run, connection);
}

static uint64_t outstanding(const load_run *run)
{
    uint64_t missing = 0;

    for (uint32_t i = 0; i < run->options->connections; i++)
        missing += run->pool.connections[i].sent - run->pool.connections[i].received;
    return missing;
}

/* Gives every connection whose turn has come its message. One that waits for its answer still is passed over.
 */
static uint64_t step_sparse(load_run *run)
{
    echo_state *echo = run->scenario;
    uint64_t now = pool_clock();

    while (echo->due <= now) {
        load_connection *connection = &run->pool.connections[echo->next];
        if (connection->sent == connection->received) {
            post(run, connection);
            pool_flush(&run->pool);
        }
        echo->next = (echo->next + 1) % run->options->connections;
        echo->due += echo->interval;
        now = pool_clock();
    }
    return echo->due - now;
}

static int finish(load_run *run, echo_state *echo, bool measured)
{
    int status = 1;

    if (measured) {
        run_drain(run, outstanding);
        run->lost += outstanding(run);
        report_begin(run->options->scenario);
        report_count("outstanding", echo->outstanding);
        run_report(run);
        report_end();
        status = run_clean(run) ? 0 : 1;
    }
    run_close(run);
    free(echo->posted);
    return status;
}

static bool open_echo(load_run *run, echo_state *echo, const load_options *options, uint32_t outstanding_each)
{
    echo->outstanding = outstanding_each;
    echo->posted = calloc((size_t)options->connections * outstanding_each, sizeof *echo->posted);
    if (!echo->posted) {
        fputs("load: no memory for the times of the messages\n", stderr);
        return false;
    }
    if (!run_open(run, options, on_message, echo)) {
        free(echo->posted);
        return false;
    }
    return true;
}

int scenario_echo(const load_options *options)
{
    static load_run run;
    echo_state echo = {.refill = true};

    if (!open_echo(&run, &echo, options, options->outstanding))
        return 1;
    for (uint32_t i = 0; i < options->connections; i++) {
        post_all(&run, &run.pool.connections[i]);
        pool_flush(&run.pool);
    }
    return finish(&run, &echo, run_measure(&run));
}

int scenario_sparse(const load_options *options)
{
    static load_run run;
    echo_state echo = {.interval = (uint64_t)(options->interval * 1e9 / options->connections)};

    if (!open_echo(&run, &echo, options, 1))
        return 1;
    echo.due = pool_clock();
    run.step = step_sparse;
    return finish(&run, &echo, run_measure(&run));
}
