/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of the load generator. */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/load/process.h"

typedef struct load_options {
    const char *scenario;
    struct sockaddr_in address;
    const char *path;
    uint32_t connections;
    uint32_t pace;
    uint32_t outstanding;
    bool rounds, binary, deflate, json, socketio;
    const char *event;
    uint32_t size;
    double warmup, seconds, interval, hold, rate;
    uint64_t count;
    uint32_t senders;
    uint32_t burst;
    process_list pids;
    pid_t master;
    bool kill, stop, pause;
} load_options;

/*
 * Reads the command line. False when it is wrong: then one line has been written to standard error. With
 * --help it writes the help to standard output and exits with 0.
 */
bool options_read(load_options *options, int argc, char **argv);

#endif
