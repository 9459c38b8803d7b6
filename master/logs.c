/* SPDX-License-Identifier: Apache-2.0 */
#include "master/logs.h"

#include "common/log.h"
#include "common/syslog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct logs {
    int console; /* the standard error that the server was started with, while a file stands in for it; else
                    -1 */
    int access;  /* -1: none */
    char *error_path, *access_path; /* what is opened anew; NULL: nothing */
    syslog_target syslog;
} logs = {.console = -1, .access = -1, .syslog = {.fd = -1}};

/* What a configuration asks for, opened and not yet in use. */
typedef struct wanted {
    int error, access;
    char *error_path, *access_path;
    syslog_target syslog;
} wanted;

static bool is_stream(const char *path)
{
    return strcmp(path, "-") == 0;
}

static bool is_regular(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* ---- opening ---- */

static hub_status open_file(int *fd, char **kept, const char *path, const char *name, error *failure)
{
    *kept = strdup(path);
    if (!*kept)
        return error_set(failure, HUB_ENOMEM, "no memory for the name of a log file");
    return logfile_open(fd, path, name, failure);
}

static hub_status open_error(wanted *to, const config *settings, error *failure)
{
    if (is_stream(settings->error_logfile))
        return HUB_OK;
    return open_file(&to->error, &to->error_path, settings->error_logfile, "error-logfile", failure);
}

static hub_status open_access(wanted *to, const config *settings, error *failure)
{
    const char *path = settings->access_logfile;
    if (!path)
        return HUB_OK;
    if (!is_stream(path))
        return open_file(&to->access, &to->access_path, path, "access-logfile", failure);
    if (settings->daemon && !is_regular(STDOUT_FILENO)) {
        log_warning("access-logfile: in the background standard output leads nowhere; name a file");
        return HUB_OK;
    }
    to->access = logfile_reopen_stream(STDOUT_FILENO);
    if (to->access >= 0)
        return HUB_OK;
    return error_set(failure, HUB_ESYSTEM, "access-logfile: cannot write to standard output: %s",
                     strerror(errno));
}

static hub_status open_syslog(wanted *to, const config *settings, error *failure)
{
    if (!settings->log_syslog)
        return HUB_OK;
    return syslog_open(&to->syslog, settings->log_syslog_to, settings->log_syslog_prefix,
                       settings->log_syslog_facility, failure);
}

static void drop(wanted *what)
{
    if (what->error >= 0)
        close(what->error);
    if (what->access >= 0)
        close(what->access);
    syslog_close(&what->syslog);
    free(what->error_path);
    free(what->access_path);
}

/* ---- use ---- */

/* Puts a file in the place of standard error, or standard error back. */
static void use_error(int fd)
{
    if (fd >= 0) {
        if (logs.console < 0)
            logs.console = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        dup2(fd, STDERR_FILENO);
    } else if (logs.console >= 0) {
        dup2(logs.console, STDERR_FILENO);
        close(logs.console);
        logs.console = -1;
    }
    log_find_journal();
}

hub_status logs_apply(const config *settings, error *failure)
{
    wanted next = {.error = -1, .access = -1, .syslog = {.fd = -1}};
    hub_status status = open_error(&next, settings, failure);
    if (status == HUB_OK)
        status = open_access(&next, settings, failure);
    if (status == HUB_OK)
        status = open_syslog(&next, settings, failure);
    if (status != HUB_OK) {
        drop(&next);
        return status;
    }
    use_error(next.error);
    syslog_use(&next.syslog);
    log_set_json(settings->log_json);
    wanted before = {.error = next.error, /* it has a second number now */
                     .access = logs.access,
                     .error_path = logs.error_path,
                     .access_path = logs.access_path,
                     .syslog = logs.syslog};
    logs.access = next.access;
    logs.error_path = next.error_path;
    logs.access_path = next.access_path;
    logs.syslog = next.syslog;
    drop(&before);
    return HUB_OK;
}

static int reopen(const char *path, const char *name)
{
    error failure = {.status = HUB_OK};
    int fd = -1;
    if (path && logfile_open(&fd, path, name, &failure) != HUB_OK)
        log_error("%s; the log goes on in the file that was open", failure.text);
    return fd;
}

void logs_reopen(logfile_set *set)
{
    int error_fd = reopen(logs.error_path, "error-logfile");
    int access_fd = reopen(logs.access_path, "access-logfile");
    *set = (logfile_set){-1, -1};
    if (error_fd >= 0) {
        dup2(error_fd, STDERR_FILENO);
        close(error_fd);
        set->error = STDERR_FILENO;
    }
    if (access_fd >= 0) {
        close(logs.access);
        set->access = logs.access = access_fd;
    }
}

size_t logs_kept(int kept[LOGS_KEPT])
{
    size_t count = 0;
    if (logs.access >= 0)
        kept[count++] = logs.access;
    if (logs.syslog.fd >= 0)
        kept[count++] = logs.syslog.fd;
    return count;
}

int logs_access_fd(void)
{
    return logs.access;
}

int logs_console(void)
{
    return logs.console;
}

void logs_inherit_console(int fd)
{
    logs.console = fd;
}

void logs_close(void)
{
    wanted all = {-1, logs.access, logs.error_path, logs.access_path, logs.syslog};
    syslog_use(&(syslog_target){.fd = -1});
    drop(&all);
    logs.access = logs.syslog.fd = -1;
    logs.error_path = logs.access_path = NULL;
}
