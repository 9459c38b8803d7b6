/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load/process.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static FILE *open_proc(pid_t pid, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return fopen(path, "re");
}

bool process_list_parse(const char *text, process_list *list)
{
    list->length = 0;
    for (;;) {
        char *end;
        long pid = strtol(text, &end, 10);
        if (end == text || pid <= 0 || pid > INT32_MAX || list->length == PROCESS_MAX)
            return false;
        list->pid[list->length++] = (pid_t)pid;
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
        text = end + 1;
    }
}

bool process_children(pid_t parent, process_list *list)
{
    char name[64];
    int pid;

    snprintf(name, sizeof name, "task/%d/children", (int)parent);
    FILE *file = open_proc(parent, name);
    if (!file)
        return false;
    list->length = 0;
    while (list->length < PROCESS_MAX && fscanf(file, "%d", &pid) == 1)
        list->pid[list->length++] = (pid_t)pid;
    fclose(file);
    return true;
}

static bool cpu_clock(pid_t pid, uint64_t *ns)
{
    clockid_t clock;
    struct timespec time;
    int failure = clock_getcpuclockid(pid, &clock);

    if (failure != 0) {
        errno = failure;
        return false;
    }
    if (clock_gettime(clock, &time) != 0)
        return false;
    *ns = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
    return true;
}

/* Fields 14 and 15 of /proc/PID/stat, behind the name, which may hold spaces and parentheses. */
static bool user_and_system(pid_t pid, uint64_t *user_ns, uint64_t *system_ns)
{
    char line[1024];
    uint64_t user, system;
    uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
    FILE *file = open_proc(pid, "stat");

    if (!file)
        return false;
    char *read = fgets(line, sizeof line, file);
    fclose(file);
    char *rest = read ? strrchr(line, ')') : NULL;
    if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user,
                        &system) != 2) {
        errno = EPROTO;
        return false;
    }
    *user_ns = user * tick_ns;
    *system_ns = system * tick_ns;
    return true;
}

bool process_usage_read(const process_list *list, process_usage *usage)
{
    memset(usage, 0, sizeof *usage);
    for (size_t i = 0; i < list->length; i++) {
        process_usage one;
        if (!cpu_clock(list->pid[i], &one.cpu_ns) ||
            !user_and_system(list->pid[i], &one.user_ns, &one.system_ns))
            return false;
        usage->cpu_ns += one.cpu_ns;
        usage->user_ns += one.user_ns;
        usage->system_ns += one.system_ns;
    }
    return true;
}

static bool memory_of(pid_t pid, uint64_t *bytes)
{
    char line[256];
    bool found = false;
    FILE *file = open_proc(pid, "smaps_rollup");

    if (!file)
        return false;
    while (!found && fgets(line, sizeof line, file)) {
        uint64_t kilobytes;
        if (sscanf(line, "Pss: %" SCNu64 " kB", &kilobytes) == 1) {
            *bytes = kilobytes * 1024;
            found = true;
        }
    }
    fclose(file);
    if (!found)
        errno = EPROTO;
    return found;
}

bool process_memory_read(const process_list *list, uint64_t *bytes)
{
    *bytes = 0;
    for (size_t i = 0; i < list->length; i++) {
        uint64_t one;
        if (!memory_of(list->pid[i], &one))
            return false;
        *bytes += one;
    }
    return true;
}

bool process_sockets(pid_t pid, size_t *count)
{
    char path[64], target[64];
    const struct dirent *entry;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    if (!directory)
        return false;
    *count = 0;
    while ((entry = readdir(directory)) != NULL) {
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target);
        if (length > 7 && memcmp(target, "socket:", 7) == 0)
            ++*count;
    }
    closedir(directory);
    return true;
}
