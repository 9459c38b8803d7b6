/* SPDX-License-Identifier: Apache-2.0 */
/* How many CPUs a process may use, and which. */
#ifndef CONFIG_CPUS_H
#define CONFIG_CPUS_H

#include <sched.h>
#include <stdbool.h>

/* CPUs in the affinity mask of this thread; 1 when it cannot be told. */
unsigned cpus_in_mask(void);

/*
 * The smallest quota of the process's control group and those above it, in CPUs, rounded up; 0
 * when there is none. Both versions of control groups are read. `membership` is /proc/self/cgroup and `mount`
 * /sys/fs/cgroup, or a test's files.
 */
unsigned cpus_in_quota(const char *membership, const char *mount);

/* "0, 2, 4-7": numbers and ranges below CPU_SETSIZE, in any order. False for anything else. */
bool cpus_parse_list(const char *text, cpu_set_t *set);

#endif
