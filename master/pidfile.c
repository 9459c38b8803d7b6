/* SPDX-License-Identifier: Apache-2.0 */
#include "master/pidfile.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONTENT_MAX = 32 }; /* bytes of a pid file; more is something else */

typedef enum holder {
    HOLDER_NOBODY, /* no file, or an empty one */
    HOLDER_PROCESS,
    HOLDER_UNKNOWN, /* no pid file */
    HOLDER_ERROR,   /* errno says why */
} holder;

static holder parse(const char *text, pid_t *pid)
{
    char *end;
    if (*text == '\0')
        return HOLDER_NOBODY;
    long number = strtol(text, &end, 10);
    if (end == text || end[strspn(end, " \n")] != '\0' || number <= 0 || number > INT_MAX)
        return HOLDER_UNKNOWN;
    *pid = (pid_t)number;
    return HOLDER_PROCESS;
}

static holder read_holder(const char *path, pid_t *pid)
{
    struct stat status;
    char text[CONTENT_MAX + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT ? HOLDER_NOBODY : HOLDER_ERROR;
    holder who = HOLDER_ERROR;
    ssize_t length = -1;
    if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode))
        who = HOLDER_UNKNOWN;
    else
        length = read(fd, text, sizeof text);
    int cause = errno;
    close(fd);
    errno = cause;
    if (length < 0)
        return who;
    if ((size_t)length == sizeof text)
        return HOLDER_UNKNOWN;
    text[length] = '\0';
    return parse(text, pid);
}

/* Whether it lives and is a master, as far as can be told: in doubt it is. One that has ended and was not
 * reaped (by a process 1 that reaps nobody, say) still has its name. */
static bool is_hubbub(pid_t pid)
{
    char path[64], line[128];
    if (kill(pid, 0) < 0 && errno != EPERM)
        return false;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return errno != ENOENT || access("/proc/self/stat", R_OK) < 0;
    bool is_read = fgets(line, sizeof line, file) != NULL; /* "123 (hubbub) S …" */
    fclose(file);
    char *name = is_read ? strchr(line, '(') : NULL, *end = is_read ? strrchr(line, ')') : NULL;
    if (!name || !end || end < name || strlen(end) < 3)
        return false;
    *end = '\0';
    return strcmp(name + 1, PIDFILE_NAME) == 0 && end[2] != 'Z' && end[2] != 'X';
}

static hub_status cannot_write(const char *path, int cause, error *failure)
{
    return error_set(failure, HUB_ESYSTEM, "cannot write the pid file %s: %s; check the path of --pid", path,
                     strerror(cause));
}

static hub_status refuse_holder(const char *path, pid_t before, error *failure)
{
    pid_t pid = 0;
    switch (read_holder(path, &pid)) {
    case HOLDER_NOBODY:
        return HUB_OK;
    case HOLDER_PROCESS:
        if (pid == getpid() || pid == before || !is_hubbub(pid))
            return HUB_OK;
        return error_set(failure, HUB_EFULL,
                         "the pid file %s is held by a hubbub that runs (pid %d); stop that one, or give "
                         "another --pid",
                         path, (int)pid);
    case HOLDER_UNKNOWN:
        return error_set(failure, HUB_EINVAL,
                         "%s is no pid file, and is left as it is; give another --pid, or remove it", path);
    case HOLDER_ERROR:
        break;
    }
    return cannot_write(path, errno, failure);
}

/* A file of its own beside the path, with this process's id in it. */
static bool write_beside(const char *beside)
{
    char text[CONTENT_MAX];
    int length = snprintf(text, sizeof text, "%d\n", (int)getpid());
    unlink(beside); /* of a process that had this id and was killed here */
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    ssize_t written = write(fd, text, (size_t)length);
    int cause = written < 0 ? errno : ENOSPC;
    if (close(fd) == 0 && written == length)
        return true;
    unlink(beside);
    errno = cause;
    return false;
}

/*
 * By link(2) while nobody has the name, so that of two servers which start at once one sees the other; by
 * rename(2) over a stale one, and where there are no links.
 */
static hub_status place(const char *beside, const char *path, error *failure)
{
    if (link(beside, path) == 0)
        return HUB_OK;
    hub_status status = refuse_holder(path, 0, failure);
    if (status == HUB_OK && rename(beside, path) < 0)
        status = cannot_write(path, errno, failure);
    return status;
}

hub_status pidfile_write(const char *path, error *failure)
{
    char beside[PATH_MAX];
    hub_status status = refuse_holder(path, 0, failure);
    if (status != HUB_OK)
        return status;
    if (snprintf(beside, sizeof beside, "%s.%d", path, (int)getpid()) >= (int)sizeof beside)
        return cannot_write(path, ENAMETOOLONG, failure);
    if (!write_beside(beside))
        return cannot_write(path, errno, failure);
    status = place(beside, path, failure);
    unlink(beside);
    return status;
}

hub_status pidfile_rename(const char *from, const char *to, pid_t before, error *failure)
{
    hub_status status = refuse_holder(to, before, failure);
    if (status == HUB_OK && rename(from, to) < 0)
        status = cannot_write(to, errno, failure);
    return status;
}

void pidfile_remove_of(const char *path, pid_t pid)
{
    pid_t named = 0;
    if (read_holder(path, &named) != HOLDER_PROCESS || named != pid)
        return;
    if (unlink(path) < 0)
        log_warning("cannot remove the pid file %s: %s", path, strerror(errno));
}

void pidfile_remove(const char *path)
{
    pidfile_remove_of(path, getpid());
}
