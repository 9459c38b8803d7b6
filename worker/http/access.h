/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The access log of a worker: a line for each request, gathered during a turn of the hub and written by one
 * write(2) at its end. Nothing that a client sent can end a line or a quoted part of it. What cannot be
 * written at once is dropped and counted, and the error log says so.
 */
#ifndef WORKER_HTTP_ACCESS_H
#define WORKER_HTTP_ACCESS_H

#include "common/error.h"
#include "worker/http/parser.h"

/* True while requests are logged: the one thing that is asked about each request when they are not. */
extern bool access_on;

/* True when the format has fields of answers, so that their heads must be kept. */
extern bool access_wants_answer;

typedef struct access_options {
    const char *format; /* valid by access_format_check; must outlive the log */
    int fd;             /* where lines are written; stays the caller's; -1: nowhere */
    bool to_syslog;
    bool json;
} access_options;

/*
 * Opens the log and adds its step to the loop, behind that which flushes connections. Without fd and syslog
 * it does nothing. Errors: HUB_ENOMEM, HUB_EFULL.
 */
hub_status access_open(const access_options *options, error *error);

/* Writes what is gathered, and forgets the rest. */
void access_close(void);

/* A request and its answer. Whatever is not known is 0 or NULL. */
typedef struct access_record {
    const http_head *head; /* as far as it could be read */
    hub_bytes answer;      /* head of the answer; empty unless access_wants_answer */
    const char *client;    /* its address, without a port */
    uint64_t began_ns;     /* monotonic: when its head was whole */
    uint64_t bytes;        /* of the answer's body, queued */
    int status;
} access_record;

/* Gathers a line. */
void access_add(const access_record *record);

/* Writes what is gathered. The step of the loop; false. */
bool access_flush(void *arg);

/* Lines dropped so far. */
uint64_t access_dropped(void);

#endif
