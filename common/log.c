/* SPDX-License-Identifier: Apache-2.0 */
#include "common/log.h"
#include "common/clock.h"
#include "common/escape.h"
#include "common/syslog.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE_MAX = 2000, /* bytes of a message before it is escaped */
    LABEL_MAX = 31,
    HEAD_MAX = 256, /* time, process, level, escaped label */
};

static atomic_int threshold = HUB_INFO;
static char label[LABEL_MAX + 1];
static bool as_json, to_journal;

static const char *const lower_names[] = {"debug", "info", "warning", "error", "critical"};
static const char *const upper_names[] = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};
static const int priorities[] = {7, 6, 4, 3, 2}; /* RFC 5424, table 2 */
enum { LEVELS = sizeof lower_names / sizeof lower_names[0] };

/* An application may give any number. */
static hub_level clamp(hub_level level)
{
    return (unsigned)level < LEVELS ? level : HUB_CRITICAL;
}

void log_set_level(hub_level level)
{
    atomic_store_explicit(&threshold, (int)clamp(level), memory_order_relaxed);
}

hub_level log_level(void)
{
    return (hub_level)atomic_load_explicit(&threshold, memory_order_relaxed);
}

void log_set_label(const char *text)
{
    snprintf(label, sizeof label, "%s", text ? text : "");
}

void log_set_json(bool on)
{
    as_json = on;
}

void log_find_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    to_journal = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
                 fstat(STDERR_FILENO, &status) == 0 && (unsigned long long)status.st_dev == device &&
                 (unsigned long long)status.st_ino == inode;
}

const char *log_label(void)
{
    return label;
}

bool log_level_parse(const char *text, hub_level *level)
{
    for (unsigned i = 0; i < LEVELS; i++) {
        if (strcmp(text, lower_names[i]) == 0) {
            *level = (hub_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(hub_level level)
{
    return lower_names[clamp(level)];
}

/* What happened, and when. */
typedef struct event {
    hub_level level;
    unsigned milliseconds;
    char date[64], zone[16];
} event;

static event event_now(hub_level level)
{
    uint64_t now = clock_wall_ns();
    time_t seconds = (time_t)(now / CLOCK_NS_PER_S);
    struct tm local;
    event found = {.level = level, .milliseconds = (unsigned)(now % CLOCK_NS_PER_S / CLOCK_NS_PER_MS)};
    if (localtime_r(&seconds, &local)) {
        strftime(found.date, sizeof found.date, as_json ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &local);
        strftime(found.zone, sizeof found.zone, "%z", &local);
    }
    return found;
}

/* "[2026-11-23 11:04:53.123 +0000] [1234] [INFO] "; its length. */
static size_t format_head(char *to, size_t capacity, const event *what)
{
    int length = snprintf(to, capacity, "[%s.%03u %s] [%ld] [%s] ", what->date, what->milliseconds,
                          what->zone, (long)getpid(), upper_names[what->level]);
    return length > 0 ? (size_t)length : 0;
}

/* {"time":"2026-11-23T11:04:53.123+00:00","level":"info","pid":1234,"label":"worker 2","message":" */
static size_t format_json_head(char *to, size_t capacity, const event *what)
{
    int length =
        snprintf(to, capacity, "{\"time\":\"%s.%03u%.3s:%s\",\"level\":\"%s\",\"pid\":%ld,", what->date,
                 what->milliseconds, what->zone, what->zone + 3, lower_names[what->level], (long)getpid());
    size_t used = length > 0 ? (size_t)length : 0;
    if (label[0] != '\0') {
        used += (size_t)snprintf(to + used, capacity - used, "\"label\":\"");
        used += escape_json(to + used, capacity - used - 32, label, strlen(label));
        used += (size_t)snprintf(to + used, capacity - used, "\",");
    }
    return used + (size_t)snprintf(to + used, capacity - used, "\"message\":\"");
}

/* A line that does not fit ends with dots that say so. */
static size_t format_message(char *to, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static size_t format_message(char *to, const char *format, va_list arguments)
{
    static const char dots[] = "...";
    int wanted = vsnprintf(to, MESSAGE_MAX + 1, format, arguments);
    if (wanted < 0)
        wanted = snprintf(to, MESSAGE_MAX + 1, "%s", format);
    if (wanted < 0)
        return 0;
    if (wanted <= MESSAGE_MAX)
        return (size_t)wanted;
    size_t length = MESSAGE_MAX - (sizeof dots - 1);
    while (length > 0 && ((unsigned char)to[length] & 0xc0) == 0x80) /* not inside a character */
        length--;
    memcpy(to + length, dots, sizeof dots - 1);
    return length + sizeof dots - 1;
}

/* One write, so that lines of several processes do not mix; more only when the first took a part of it. */
static void write_line(const char *line, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, line, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        line += written;
        length -= (size_t)written;
    }
}

void hub_logv(hub_level level, const char *format, va_list arguments)
{
    level = clamp(level);
    if (level < log_level())
        return;
    int saved_errno = errno; /* %m below means the caller's, and the caller keeps it */
    char message[MESSAGE_MAX + 1];
    char line[HEAD_MAX + 4 * MESSAGE_MAX + 4];
    event what = event_now(level);
    size_t message_length = format_message(message, format, arguments), length = 0, text_at = 0;
    if (to_journal)
        length = text_at = (size_t)snprintf(line, HEAD_MAX, "<%d>", priorities[level]);
    if (as_json) {
        length += format_json_head(line + length, HEAD_MAX - length, &what);
        length += escape_json(line + length, sizeof line - length - 3, message, message_length);
        memcpy(line + length, "\"}", 2);
        length += 2;
    } else {
        length += format_head(line + length, HEAD_MAX - length, &what);
        text_at = length;
        if (label[0] != '\0') {
            length += escape_text(line + length, HEAD_MAX - length - 2, label, strlen(label));
            memcpy(line + length, ": ", 2);
            length += 2;
        }
        length += escape_text(line + length, sizeof line - length - 1, message, message_length);
    }
    if (syslog_is_used())
        syslog_send(level, "error", line + text_at, length - text_at);
    line[length++] = '\n';
    write_line(line, length);
    errno = saved_errno;
}

void hub_log(hub_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    hub_logv(level, format, arguments);
    va_end(arguments);
}

void log_debug(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    hub_logv(HUB_DEBUG, format, arguments);
    va_end(arguments);
}

void log_info(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    hub_logv(HUB_INFO, format, arguments);
    va_end(arguments);
}

void log_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    hub_logv(HUB_WARNING, format, arguments);
    va_end(arguments);
}

void log_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    hub_logv(HUB_ERROR, format, arguments);
    va_end(arguments);
}

void log_critical(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    hub_logv(HUB_CRITICAL, format, arguments);
    va_end(arguments);
}
