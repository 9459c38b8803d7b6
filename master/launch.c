/* SPDX-License-Identifier: Apache-2.0 */
#include "master/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    char *program, *folder;
    char **arguments, **environment;
} started;

static char **copy_list(char *const list[])
{
    size_t count = 0;
    while (list[count])
        count++;
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = strdup(list[i]);
        if (!copy[i]) {
            while (i > 0)
                free(copy[--i]);
            free(copy);
            return NULL;
        }
    }
    return copy;
}

/* The first file of that name that could be executed, as a shell would find it. */
static char *search_path(const char *name)
{
    const char *path = getenv("PATH");
    char *candidate = NULL;
    for (const char *at = path ? path : "/usr/local/bin:/usr/bin:/bin"; *at;) {
        size_t length = strcspn(at, ":");
        if (length && asprintf(&candidate, "%.*s/%s", (int)length, at, name) < 0)
            return NULL;
        if (length && access(candidate, X_OK) == 0)
            return candidate;
        if (length)
            free(candidate);
        at += length + (at[length] == ':');
    }
    return NULL;
}

/* What was typed may be a name that is no file at all: then the file that runs is. */
static char *find_program(const char *name, const char *folder)
{
    char *path = NULL, self[PATH_MAX];
    if (name && strchr(name, '/')) {
        if (name[0] == '/')
            return strdup(name);
        return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
    }
    path = name ? search_path(name) : NULL;
    if (path)
        return path;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        return NULL;
    self[length] = '\0';
    return strdup(self);
}

static int take_variable(const char *variable)
{
    const char *text = getenv(variable);
    if (!text)
        return LAUNCH_NONE;
    char *end;
    long number = strtol(text, &end, 10);
    int fd = *text == '\0' || *end != '\0' || number <= STDERR_FILENO || number > INT_MAX ? -1 : (int)number;
    unsetenv(variable);
    return fd;
}

hub_status launch_remember(char *const argv[], const char *variable, int *fd, error *failure)
{
    *fd = take_variable(variable);
    started.folder = getcwd(NULL, 0);
    if (!started.folder)
        return error_set(failure, HUB_ESYSTEM, "cannot tell the working folder: %s", strerror(errno));
    started.arguments = copy_list(argv);
    started.environment = copy_list(environ);
    started.program = find_program(argv[0], started.folder);
    if (!started.arguments || !started.environment || !started.program)
        return error_set(failure, HUB_ENOMEM, "no memory for how the server was started");
    return HUB_OK;
}

const char *launch_program(void)
{
    return started.program ? started.program : "";
}

hub_status launch_check(error *failure)
{
    if (!started.program || !started.arguments || !started.environment || !started.folder)
        return error_set(failure, HUB_ESYSTEM, "it is not known how this server was started");
    if (access(started.program, X_OK) < 0)
        return error_set(failure, errno == ENOENT ? HUB_ENOENT : HUB_ESYSTEM, "cannot execute %s: %s",
                         started.program, strerror(errno));
    return HUB_OK;
}

static bool is_named(const char *entry, const char *variable)
{
    size_t length = strlen(variable);
    return strncmp(entry, variable, length) == 0 && entry[length] == '=';
}

/* A service manager's sockets are for the process that it names. */
static const char listen_pid[] = "LISTEN_PID";

typedef struct own_entries {
    char variable[64], listen_pid[32];
} own_entries;

/* The list is to be freed, its strings are the start's and `own`. NULL without memory. */
static char **make_environment(const handover *what, const char *variable, int fd, own_entries *own)
{
    size_t count = 0, kept = 0;
    while (started.environment[count])
        count++;
    char **list = calloc(count + 3, sizeof *list);
    if (!list)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!is_named(started.environment[i], variable) && !is_named(started.environment[i], listen_pid))
            list[kept++] = started.environment[i];
    snprintf(own->variable, sizeof own->variable, "%s=%d", variable, fd);
    list[kept++] = own->variable;
    if (what->activated) {
        snprintf(own->listen_pid, sizeof own->listen_pid, "%s=%d", listen_pid, (int)getpid());
        list[kept++] = own->listen_pid;
    }
    return list;
}

void launch_execute(const handover *what, const char *variable, int fd)
{
    own_entries own;
    char **environment = make_environment(what, variable, fd, &own);
    if (!environment) {
        errno = ENOMEM;
        return;
    }
    int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fflush(NULL);
    if (chdir(started.folder) == 0 && handover_set_cloexec(what, false) && fcntl(fd, F_SETFD, 0) == 0)
        execve(started.program, started.arguments, environment);
    int cause = errno;
    handover_set_cloexec(what, true);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (before >= 0) {
        if (fchdir(before) < 0)
            cause = errno;
        close(before);
    }
    free(environment);
    errno = cause;
}
