/* SPDX-License-Identifier: Apache-2.0 */
/* What the log says when a worker has ended. */
#ifndef MASTER_OBITUARY_H
#define MASTER_OBITUARY_H

#include "bus/row.h"

#include <stdio.h>
#include <sys/types.h>

typedef struct obituary {
    unsigned slot;
    pid_t pid;
    int status; /* as waitpid gave it */
    uint64_t uptime_ns;
    bool told; /* it was told to end: then a plain end is no trouble */
    bool was_ready;
    uint32_t connections; /* that were open when it ended */
    bool running_now;     /* a greenlet ran at that moment, else the hub did */
    uint32_t greenlets;   /* that it had when a greenlet last ran */
    uint64_t silent_ns;   /* since its last heartbeat; 0: it never had one */
    char running[32];     /* the last greenlet that ran; "" for none */
} obituary;

/* Takes from a worker's row what is said of it; the row must not be swept yet. */
void obituary_read_row(obituary *obituary, const row *row);

/*
 * Writes the line, without a newline, and returns its level: HUB_INFO for an end that was asked for or went
 * by the rules, or when the worker has logged itself why it could not boot, else HUB_ERROR.
 *     worker 2 (pid 411) was killed by SIGSEGV after 12.3 s; 14 connections lost; it was running ws /chat,
 * one of 1204 greenlets, and its hub had not turned for 31.2 s
 */
hub_level obituary_write(const obituary *obituary, char *line, size_t size);

/* Writes "; it runs ws /chat, one of 1204 greenlets", in present or past, or nothing when nothing ran. */
void obituary_write_running(const obituary *obituary, bool is_dead, FILE *out);

#endif
