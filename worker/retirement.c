/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/retirement.h"

#include "common/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define LOOK_NS (1 * CLOCK_NS_PER_S)

static uint64_t limit_of(double limit, double jitter, double chance)
{
    return limit > 0 ? (uint64_t)(limit + jitter * chance) : 0;
}

void retirement_plan(retirement *self, const retirement_limits *limits, double chance, uint64_t now_ns)
{
    double second = (double)CLOCK_NS_PER_S;
    uint64_t life_ns = limit_of(limits->lifetime * second, limits->lifetime_jitter * second, chance);
    *self = (retirement){
        .requests = limit_of((double)limits->requests, (double)limits->requests_jitter, chance),
        .memory = limit_of((double)limits->memory, (double)limits->memory_jitter, chance),
        .end_ns = life_ns ? now_ns + life_ns : 0,
        .looked_ns = now_ns,
    };
}

uint64_t retirement_memory_of(const char *statm)
{
    unsigned long size, resident, shared;
    if (sscanf(statm, "%lu %lu %lu", &size, &resident, &shared) != 3 || resident < shared)
        return 0;
    return (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t own_memory(void)
{
    char text[128];
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = '\0';
    return retirement_memory_of(text);
}

static uint64_t counted(const row *score)
{
    return atomic_load_explicit(&score->requests, memory_order_relaxed) +
           atomic_load_explicit(&score->messages_in, memory_order_relaxed) +
           atomic_load_explicit(&score->accepted, memory_order_relaxed);
}

static bool is_too_large(retirement *self, uint64_t now_ns)
{
    if (!self->memory || now_ns - self->looked_ns < LOOK_NS)
        return false;
    self->looked_ns = now_ns;
    return own_memory() > self->memory;
}

row_wish retirement_due(retirement *self, const row *score, uint64_t now_ns)
{
    if (self->requests && counted(score) >= self->requests)
        return WISH_REQUESTS;
    if (self->end_ns && now_ns >= self->end_ns)
        return WISH_LIFETIME;
    return is_too_large(self, now_ns) ? WISH_MEMORY : WISH_NONE;
}
