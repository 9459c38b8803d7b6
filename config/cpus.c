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

/* "7:cpu,cpuacct:/path": whether the list between the colons has the controller; "0::/path" is the line of
 * the unified hierarchy, whose list is empty. */
static bool is_of(const char *list, const char *end, const char *controller)
{
    size_t length = strlen(controller);
    while (list <= end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *stop = comma ? comma : end;
        if ((size_t)(stop - list) == length && memcmp(list, controller, length) == 0)
            return true;
        list = stop + 1;
    }
    return false;
}

/* The path of the group of a controller. False when there is none. */
static bool read_group(const char *membership, const char *controller, char *path, size_t capacity)
{
    FILE *file = fopen(membership, "re");
    if (!file)
        return false;
    bool found = false;
    char line[PATH_MAX + 64];
    while (!found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        const char *list = strchr(line, ':'), *end = list ? strchr(list + 1, ':') : NULL;
        if (end && end[1] == '/' && is_of(list + 1, end, controller))
            found = snprintf(path, capacity, "%s", end + 1) < (int)capacity;
    }
    fclose(file);
    return found;
}

/* The numbers in a file of a group; how many there were. */
static int read_numbers(const char *mount, const char *group, const char *name, long long *first,
                        long long *second)
{
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s%s/%s", mount, group, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int count = fscanf(file, "%18lld %18lld", first, second);
    fclose(file);
    return count;
}

typedef bool (*quota_reader)(const char *mount, const char *group, long long *quota, long long *period);

/* "QUOTA PERIOD" in microseconds, or "max PERIOD" for none. */
static bool read_second_version(const char *mount, const char *group, long long *quota, long long *period)
{
    return read_numbers(mount, group, "cpu.max", quota, period) == 2;
}

/* A file for each of them; -1 for no quota. */
static bool read_first_version(const char *mount, const char *group, long long *quota, long long *period)
{
    long long none;
    return read_numbers(mount, group, "cpu.cfs_quota_us", quota, &none) >= 1 &&
           read_numbers(mount, group, "cpu.cfs_period_us", period, &none) >= 1;
}

/* 0: there is no quota here. */
static unsigned whole_cpus(quota_reader read, const char *mount, const char *group)
{
    long long quota = 0, period = 0;
    if (!read(mount, group, &quota, &period) || quota <= 0 || period <= 0)
        return 0;
    long long cpus = quota / period + (quota % period != 0);
    return cpus < CPUS_LARGEST ? (unsigned)cpus : CPUS_LARGEST;
}

/* The smaller of two, of which 0 is none. */
static unsigned smaller_quota(unsigned a, unsigned b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static unsigned smallest_in_tree(quota_reader read, const char *mount, char *group)
{
    unsigned smallest = 0;
    for (;;) {
        smallest = smaller_quota(smallest, whole_cpus(read, mount, group));
        char *slash = strrchr(group, '/');
        if (!slash)
            return smallest;
        *slash = '\0'; /* the group above; "" is the mount itself */
    }
}

unsigned cpus_in_quota(const char *membership, const char *mount)
{
    char group[PATH_MAX], mount_of_cpu[PATH_MAX];
    unsigned smallest = 0;
    if (read_group(membership, "", group, sizeof group))
        smallest = smallest_in_tree(read_second_version, mount, group);
    if (read_group(membership, "cpu", group, sizeof group) &&
        snprintf(mount_of_cpu, sizeof mount_of_cpu, "%s/cpu", mount) < (int)sizeof mount_of_cpu)
        smallest = smaller_quota(smallest, smallest_in_tree(read_first_version, mount_of_cpu, group));
    return smallest;
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
