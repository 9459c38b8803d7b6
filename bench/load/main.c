/* SPDX-License-Identifier: Apache-2.0 */
/* The load generator: see `load --help` and bench/README.md. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/load/run.h"

static const struct {
    const char *name;
    int (*run)(const load_options *options);
} SCENARIOS[] = {
    {"echo", scenario_echo},     {"sparse", scenario_sparse},   {"fanout", scenario_fanout},
    {"large", scenario_large},   {"latency", scenario_latency}, {"idle", scenario_idle},
    {"spread", scenario_spread},
};

/* As many descriptors as may be had; too few show when connections are opened. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    load_options options;

    if (!options_read(&options, argc, argv))
        return 2;
    raise_descriptors();
    for (size_t i = 0; i < sizeof SCENARIOS / sizeof SCENARIOS[0]; i++)
        if (strcmp(options.scenario, SCENARIOS[i].name) == 0)
            return SCENARIOS[i].run(&options);
    fprintf(stderr, "load: there is no scenario `%s`; see load --help\n", options.scenario);
    return 2;
}
