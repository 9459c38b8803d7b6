/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What greenlets cost: a switch there and back, by the number of stacks that take turns; starting one from
 * the pool; and the memory of many parked ones. Prints a table; its one argument is the number of parked
 * greenlets (100,000).
 */
#include "common/clock.h"
#include "worker/hub/greenlet.h"
#include "worker/hub/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STACK_SIZE = 256 << 10, SWITCHES = 4000000, STARTS = 2000000, ROUNDS = 5, PARKED = 100000 };

static void park_for_ever(void *arg)
{
    (void)arg;
    while (greenlet_park("resume", HUB_FOREVER) == HUB_OK)
        ;
}

static void nothing(void *arg)
{
    (void)arg;
}

static void yield_until_told(void *arg)
{
    const bool *go_on = arg;
    while (*go_on)
        hub_yield();
}

/* A figure of /proc/self/FILE in bytes: "Rss:" of smaps_rollup, "VmPTE:" of status. */
static double proc_bytes(const char *path, const char *field)
{
    char line[256];
    double kilobytes = 0;
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0)
            kilobytes = strtod(line + strlen(field), NULL);
    if (file)
        fclose(file);
    return kilobytes * 1024;
}

static void print_row(const char *what, double value, const char *unit)
{
    printf("%-58s %9.1f %s\n", what, value, unit);
}

/* The least of some rounds: what disturbs a measurement only ever makes it longer. */
static double measure(void (*run)(void *), void *arg, double operations)
{
    double least = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begin = clock_monotonic_ns();
        run(arg);
        double each = (double)(clock_monotonic_ns() - begin) / operations;
        if (round == 0 || each < least)
            least = each;
    }
    return least;
}

typedef struct circle {
    greenlet **greenlets;
    size_t count;
} circle;

static void resume_in_turn(void *arg)
{
    const circle *c = arg;
    for (size_t done = 0, i = 0; done < SWITCHES; done++) {
        greenlet_resume(c->greenlets[i], HUB_OK);
        i = i + 1 < c->count ? i + 1 : 0;
    }
}

static void start_and_end(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < STARTS; i++)
        greenlet_start(NULL, "bench", nothing, NULL, NULL);
}

static size_t turns_left;

static bool stop_after_turns(void *arg)
{
    bool *go_on = arg;
    if (turns_left == 0 || --turns_left > 0)
        return false;
    *go_on = false;
    loop_stop();
    return false;
}

static bool start_parked(circle *c, size_t count)
{
    for (; c->count < count; c->count++) {
        hub_status status;
        if (!greenlet_start(&c->greenlets[c->count], "parked", park_for_ever, NULL, &status)) {
            fprintf(stderr, "greenlets: cannot start greenlet %zu: %s\n", c->count, hub_status_text(status));
            return false;
        }
    }
    return true;
}

static void measure_switches(circle *all)
{
    static const size_t sizes[] = {1, 10, 100, 1000, 10000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && sizes[i] <= all->count; i++) {
        circle some = {.greenlets = all->greenlets, .count = sizes[i]};
        char what[80];
        snprintf(what, sizeof what, "switch there and back, %zu stacks in turn", sizes[i]);
        print_row(what, measure(resume_in_turn, &some, SWITCHES), "ns");
    }
}

/* A whole turn of the loop for one greenlet that is always ready: steps, pass, a poll that does not block. */
static bool measure_turns(void)
{
    enum { TURNS = 200000 };
    bool go_on = true;
    if (loop_add_step(LOOP_BEFORE_POLL, "stop after turns", stop_after_turns, &go_on) != HUB_OK ||
        hub_spawn(NULL, "yields", yield_until_told, &go_on) != HUB_OK)
        return false;
    turns_left = TURNS;
    uint64_t begin = clock_monotonic_ns();
    loop_run();
    print_row("turn of the loop with one yielding greenlet", (double)(clock_monotonic_ns() - begin) / TURNS,
              "ns");
    return true;
}

int main(int argc, char **argv)
{
    size_t parked = argc > 1 ? strtoul(argv[1], NULL, 10) : PARKED;
    if (parked == 0 || parked > 10000000) {
        fprintf(stderr, "usage: greenlets [NUMBER], 1 to 10000000 parked greenlets\n");
        return 2;
    }
    error why;
    if (loop_open(&(loop_options){.stack_size = STACK_SIZE}, &why) != HUB_OK) {
        fprintf(stderr, "greenlets: %s\n", why.text);
        return 1;
    }
    circle all = {.greenlets = calloc(parked, sizeof(greenlet *))};
    if (!all.greenlets) {
        fprintf(stderr, "greenlets: no memory for %zu greenlets\n", parked);
        return 1;
    }
    memset(all.greenlets, 1, parked * sizeof(greenlet *)); /* its pages are not to count */

    printf("stacks of %d KB, %s\n", STACK_SIZE >> 10, stack_guard_name());
    print_row("start from the pool, run, end", measure(start_and_end, NULL, STARTS), "ns");
    bool turned = measure_turns();

    double resident = proc_bytes("/proc/self/smaps_rollup", "Rss:");
    double tables = proc_bytes("/proc/self/status", "VmPTE:");
    uint64_t begin = clock_monotonic_ns();
    bool started = turned && start_parked(&all, parked);
    double took = (double)(clock_monotonic_ns() - begin);
    double count = (double)parked;
    if (started) {
        printf("%zu parked:\n", parked);
        print_row("  first start of each, with its page and guard", took / count, "ns");
        print_row("  memory of each", (proc_bytes("/proc/self/smaps_rollup", "Rss:") - resident) / count,
                  "bytes");
        print_row("  page tables of each", (proc_bytes("/proc/self/status", "VmPTE:") - tables) / count,
                  "bytes");
        measure_switches(&all);
    }
    for (size_t i = 0; i < all.count; i++)
        greenlet_resume(all.greenlets[i], HUB_ECANCELED);
    free(all.greenlets);
    loop_close();
    return started ? 0 : 1;
}
