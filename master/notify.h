/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the master tells a service manager (sd_notify(3)): datagrams with lines of NAME=VALUE to the socket
 * that NOTIFY_SOCKET names. Without that variable nothing is told. Nothing here waits: a manager that does
 * not read misses what is told.
 */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

#include "common/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct notify {
    int fd;               /* -1: nobody is told */
    bool silent;          /* another process speaks for the server */
    uint64_t watchdog_ns; /* between two signs of life; 0: none are wanted */
    uint64_t next_ns;     /* when the next one is due */
    char status[160];     /* the last that was told */
} notify;

/*
 * Reads NOTIFY_SOCKET (a path, or an abstract name behind @), WATCHDOG_USEC and WATCHDOG_PID, and takes them
 * out of the environment, so that no child speaks for the server. `moved`: this is not the process that the
 * manager started but a descendant, so WATCHDOG_PID does not name it. A name that cannot be a socket's, or
 * one that is not there, is a warning in the log.
 */
void notify_open(notify *self, bool moved);
void notify_close(notify *self);

/* READY=1: it serves; also after a reload. RELOADING=1 with MONOTONIC_USEC. STOPPING=1. */
void notify_ready(notify *self);
void notify_reloading(notify *self);
void notify_stopping(notify *self);

/* STATUS=…, one line for people; what was told last is not told again. */
void notify_status(notify *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* MAINPID: this process is the master from now on. Or another one: then nothing more is told here. */
void notify_main_pid(notify *self, pid_t pid);

/* Nothing is told until notify_main_pid names this process: so far another one speaks for the server. */
void notify_be_silent(notify *self);

/* WATCHDOG=1 when it is due: at half of the time that the manager allows. In every turn. */
void notify_pass_time(notify *self, uint64_t now_ns);
uint64_t notify_deadline_ns(const notify *self); /* 0: none */

#endif
