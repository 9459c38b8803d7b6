/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's log: one line an event, one write(2) a line, to standard error. A line reads
 *     [2026-11-23 11:04:53.123 +0000] [1234] [INFO] worker 2: ready
 * with the process id; `worker 2: ` is a label that a process sets once. hub_log() of the public header
 * writes here too. Lines go to the syslog daemon as well when there is one (syslog.h).
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <hubbub.h>

/* Lines below this level are not written. HUB_INFO at first. */
void log_set_level(hub_level level);
hub_level log_level(void);

/* Puts "label: " before each further line of this process; copied, 31 bytes at most. NULL or "" for none. */
void log_set_label(const char *label);
const char *log_label(void); /* as set; "" for none. Async-signal-safe */

/*
 * True: each line is an object of JSON, with time (RFC 3339), level, pid, label, message. A label is left out
 * when there is none.
 */
void log_set_json(bool on);

/* Looks whether standard error leads to the journal (JOURNAL_STREAM): then each line begins with its
 * priority,
 * "<3>", which the journal takes off (sd-daemon(3)). */
void log_find_journal(void);

/*
 * Each writes one line. Control characters in it, a newline among them, come out as \xNN, so that what a
 * client sent can never forge a line. A failing write is not reported. Any thread; not from a signal handler.
 */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_critical(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "debug", "info", "warning", "error", "critical" to its level; false for any other text. */
bool log_level_parse(const char *text, hub_level *level);
const char *log_level_name(hub_level level);

#endif
