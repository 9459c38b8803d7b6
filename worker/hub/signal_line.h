/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of the log that is put together and written where neither printf nor memory nor a lock may be had:
 * in a signal handler. It looks like the others (common/log.h), the process's label included.
 */
#ifndef WORKER_HUB_SIGNAL_LINE_H
#define WORKER_HUB_SIGNAL_LINE_H

#include <hubbub.h>

enum { SIGNAL_LINE_MAX = 512 };

typedef struct signal_line {
    char text[SIGNAL_LINE_MAX];
    size_t length;
} signal_line;

/* Learns the time zone, which a handler cannot. Before any of the others; not in a handler. */
void signal_line_prepare(void);

/* Begins a line: "[2026-11-23 11:04:53.123 +0000] [1234] [CRITICAL] worker 2: ". */
void signal_line_begin(signal_line *line, hub_level level);

/* What does not fit is left out. Control characters become '?'. NULL is nothing. */
void signal_line_text(signal_line *line, const char *text);
void signal_line_number(signal_line *line, uint64_t number, unsigned digits); /* with zeros in front */
void signal_line_hex(signal_line *line, uint64_t number);                     /* 0x7f… */
void signal_line_seconds(signal_line *line, double seconds);                  /* "12.345 s" */

/* One write(2) to standard error. errno is left as it was. */
void signal_line_end(signal_line *line);

#endif
