/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory this process has, for tests that see to it that stacks give theirs back. */
#ifndef TESTS_UNIT_WORKER_HUB_MEMORY_H
#define TESTS_UNIT_WORKER_HUB_MEMORY_H

#include <stdio.h>
#include <string.h>

/* Resident bytes, exactly: the figure of statm lags behind. 0 when it cannot be read. */
static inline size_t memory_resident(void)
{
    size_t kilobytes = 0;
    char line[256];
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Rss: %zu kB", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes << 10;
}

#endif
