/* SPDX-License-Identifier: Apache-2.0 */
#include "config/cpus.h"
#include "config/config.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { CPUS_LARGEST = 1 << 16 }; /* more than a kernel can have */

unsigned cpus_in_mask(void)
{
    /* A mask that is too small for the kernel is refused with EINVAL. */
    for (size_t size = 1024; size <= CPUS_LARGEST; size *= 2) {
        cpu_set_t *mask = CPU_ALLOC(size);
        if (!mask)
            return 1;
        int failure = sched_getaffinity(0, CPU_ALLOC_SIZE(size), mask) == 0 ? 0 : errno;
        int count = failure == 0 ? CPU_COUNT_S(CPU_ALLOC_SIZE(size), mask) : 0;
        CPU_FREE(mask);
        if (failure == 0 && count > 0)
            return (unsigned)count;
        if (failure != EINVAL)
            return 1;
    }
    return 1;
}

/* The path of the group in the unified hierarchy: the line "0::/path". False when there is none. */
static bool read_group(const char *membership, char *path, size_t capacity)
{
    FILE *file = fopen(membership, "re");
    if (!file)
        return false;
    bool found = false;
    char line[PATH_MAX + 16];
    while (!found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::/", 4) == 0)
            found = snprintf(path, capacity, "%s", line + 3) < (int)capacity;
    }
    fclose(file);
    return found;
}

/* "QUOTA PERIOD" in microseconds, or "max PERIOD" for none: 0. */
static unsigned read_quota(const char *mount, const char *group)
{
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s%s/cpu.max", mount, group);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    unsigned long long quota = 0, period = 0;
    int fields = fscanf(file, "%20llu %20llu", &quota, &period);
    fclose(file);
    if (fields != 2 || quota == 0 || period == 0)
        return 0;
    unsigned long long cpus = quota / period + (quota % period != 0);
    return cpus < CPUS_LARGEST ? (unsigned)cpus : CPUS_LARGEST;
}

unsigned cpus_in_quota(const char *membership, const char *mount)
{
    char group[PATH_MAX];
    if (!read_group(membership, group, sizeof group))
        return 0;
    unsigned smallest = 0;
    for (;;) {
        unsigned quota = read_quota(mount, group);
        if (quota != 0 && (smallest == 0 || quota < smallest))
            smallest = quota;
        char *slash = strrchr(group, '/');
        if (!slash)
            return smallest;
        *slash = '\0'; /* the group above; "" is the mount itself */
    }
}

/* A number below CPU_SETSIZE; moves *text behind it. */
static bool read_cpu(const char **text, unsigned *number)
{
    const char *at = *text;
    unsigned sum = 0;
    for (; *at >= '0' && *at <= '9' && sum < CPU_SETSIZE; at++)
        sum = sum * 10 + (unsigned)(*at - '0');
    bool is_number = at != *text && sum < CPU_SETSIZE;
    *text = at;
    *number = sum;
    return is_number;
}

bool cpus_parse_list(const char *text, cpu_set_t *set)
{
    CPU_ZERO(set);
    for (;;) {
        unsigned first, last;
        text += strspn(text, " ");
        if (!read_cpu(&text, &first))
            return false;
        last = first;
        if (*text == '-') {
            text++;
            if (!read_cpu(&text, &last) || last < first)
                return false;
        }
        for (unsigned i = first; i <= last; i++)
            CPU_SET(i, set);
        text += strspn(text, " ");
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
}

unsigned config_worker_count(const config *values)
{
    unsigned count = values->workers;
    if (count == 0) {
        count = cpus_in_mask();
        unsigned quota = cpus_in_quota("/proc/self/cgroup", "/sys/fs/cgroup");
        if (quota != 0 && quota < count)
            count = quota;
    }
    return count < CONFIG_WORKERS_MAX ? count : CONFIG_WORKERS_MAX;
}
