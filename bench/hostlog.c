/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host log alone: processes that publish to each other and read, woken by their doorbells.
 *
 *     hostlog [-p PROCESSES] [-r RECORDS_A_SECOND] [-b BODY_BYTES] [-s SECONDS] [-m LOG_MIB]
 *
 * Each process publishes its share of the rate at random times and reads everything; -r 0 publishes as fast
 * as the slowest reader takes it. Printed are the time from just before bus_publish to the end of bus_take in
 * another process, the deliveries a second, and how many records were lost or came twice.
 */
#include "bus/bus.h"
#include "common/clock.h"

#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES_MAX = 32, BODY_MAX = 65536, SLOTS = 1 << 14, SLOT_NS = 250 };

typedef struct options {
    unsigned processes, rate, body, log_mib;
    double seconds;
} options;

/* What one process counted. Times fall into slots of SLOT_NS; the last one holds all that took longer. */
typedef struct tally {
    uint64_t published, read, lost, twice, gaps, sleeps, cpu_ns;
    uint64_t slots[SLOTS];
} tally;

typedef struct bench {
    options with;
    region shared;
    unsigned rows[PROCESSES_MAX];
    _Atomic unsigned joined, finished;
    _Atomic uint64_t published;
    uint64_t begin, end;
    tally tallies[PROCESSES_MAX];
} bench;

typedef struct letter {
    uint64_t sent_ns, number;
    uint32_t from;
} letter;

typedef struct player {
    bench *in;
    unsigned number;
    bus *mine;
    tally *counts;
    uint64_t next[PROCESSES_MAX]; /* number of the next letter of each */
    uint64_t random;
    char body[BODY_MAX];
} player;

static double random_part(player *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return (double)(self->random >> 11) / (double)(UINT64_C(1) << 53);
}

static void count_letter(player *self, letter which)
{
    uint64_t *next = &self->next[which.from];
    if (which.number < *next)
        self->counts->twice++;
    else
        self->counts->lost += which.number - *next;
    *next = which.number + 1;
    self->counts->read++;
    if (which.from == self->number)
        return;
    uint64_t slot = (clock_monotonic_ns() - which.sent_ns) / SLOT_NS;
    self->counts->slots[slot < SLOTS ? slot : SLOTS - 1]++;
}

static bool read_all(player *self)
{
    static char body[BODY_MAX];
    bus_record record;
    bool any = false;
    for (bus_outcome outcome; (outcome = bus_peek(self->mine, &record)) != BUS_NOTHING; any = true) {
        letter which;
        if (outcome != BUS_RECORD || bus_take(self->mine, body) != HUB_OK) {
            self->counts->gaps++;
            continue;
        }
        memcpy(&which, body, sizeof which);
        count_letter(self, which);
    }
    return any;
}

static bool publish(player *self, uint64_t number)
{
    hub_bytes room = hub_text("lobby");
    bus_message message = {.kind = 1, .name_space = hub_text("/"), .rooms = &room, .room_count = 1};
    letter which = {clock_monotonic_ns(), number, self->number};
    memcpy(self->body, &which, sizeof which);
    struct iovec part = {self->body, self->in->with.body};
    return bus_publish(self->mine, &message, &part, 1, NULL) == HUB_OK;
}

/* Sleeps until it is rung, or until `until`. */
static void wait_until(player *self, uint64_t until)
{
    if (bus_doze(self->mine))
        return;
    uint64_t now = clock_monotonic_ns(), wait = until > now ? until - now : 0;
    double after = bus_retry_after(self->mine);
    if (after >= 0 && after * 1e9 < (double)wait)
        wait = (uint64_t)(after * 1e9);
    struct timespec timeout = {(time_t)(wait / CLOCK_NS_PER_S), (long)(wait % CLOCK_NS_PER_S)};
    struct pollfd bell = {bus_doorbell(self->mine), POLLIN, 0};
    if (ppoll(&bell, 1, &timeout, NULL) > 0)
        bus_hush(self->mine);
    bus_wake(self->mine);
    self->counts->sleeps++;
}

static uint64_t next_time(player *self, uint64_t last)
{
    double mean = 1e9 * self->in->with.processes / self->in->with.rate;
    return last + (uint64_t)(-log(1 - random_part(self)) * mean);
}

static void play_at_rate(player *self)
{
    uint64_t due = next_time(self, self->in->begin), end = self->in->end;
    for (uint64_t now; (now = clock_monotonic_ns()) < end;) {
        if (now >= due && publish(self, self->counts->published)) {
            self->counts->published++;
            due = next_time(self, due);
        }
        if (!read_all(self))
            wait_until(self, due < end ? due : end);
    }
}

static void play_at_full_rate(player *self)
{
    while (clock_monotonic_ns() < self->in->end) {
        for (int batch = 0; batch < 32 && publish(self, self->counts->published); batch++)
            self->counts->published++;
        if (!read_all(self))
            sched_yield();
    }
}

/* Everybody published what they will; read the rest. */
static void finish(player *self)
{
    bench *in = self->in;
    atomic_fetch_add(&in->published, self->counts->published);
    atomic_fetch_add(&in->finished, 1);
    uint64_t deadline = clock_monotonic_ns() + 5 * CLOCK_NS_PER_S;
    while ((atomic_load(&in->finished) < in->with.processes ||
            self->counts->read < atomic_load(&in->published)) &&
           clock_monotonic_ns() < deadline) {
        if (!read_all(self))
            sched_yield();
    }
    uint64_t all = atomic_load(&in->published);
    if (self->counts->read < all)
        self->counts->lost += all - self->counts->read;
}

static int play(bench *in, unsigned number)
{
    static player self;
    self = (player){.in = in, .number = number, .counts = &in->tallies[number], .random = number * 77 + 1};
    error why;
    if (bus_open(&self.mine, &in->shared, in->rows[number], &why) != HUB_OK) {
        fprintf(stderr, "hostlog: %s\n", why.text);
        return 1;
    }
    bus_interest_add(self.mine, bus_room_hash(self.mine, hub_text("/"), hub_text("lobby")));
    if (atomic_fetch_add(&in->joined, 1) + 1 == in->with.processes) {
        in->end = clock_monotonic_ns() + (uint64_t)(in->with.seconds * 1e9);
        in->begin = clock_monotonic_ns();
        atomic_fetch_add(&in->joined, 1);
    }
    while (atomic_load(&in->joined) <= in->with.processes)
        sched_yield();
    if (in->with.rate > 0)
        play_at_rate(&self);
    else
        play_at_full_rate(&self);
    finish(&self);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    self.counts->cpu_ns = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * CLOCK_NS_PER_S +
                          (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000;
    bus_close(self.mine);
    return 0;
}

/* ---- result ----------------------------------------------------------------------------------------------
 */

static double percentile_us(const tally *sum, double part)
{
    uint64_t all = 0, seen = 0;
    for (int i = 0; i < SLOTS; i++)
        all += sum->slots[i];
    for (int i = 0; i < SLOTS; i++) {
        seen += sum->slots[i];
        if ((double)seen >= part * (double)all)
            return (i + 0.5) * SLOT_NS / 1000;
    }
    return 0;
}

static int print_result(const bench *in)
{
    static tally sum;
    for (unsigned i = 0; i < in->with.processes; i++) {
        const tally *one = &in->tallies[i];
        sum.published += one->published;
        sum.read += one->read;
        sum.lost += one->lost;
        sum.twice += one->twice;
        sum.gaps += one->gaps;
        sum.sleeps += one->sleeps;
        sum.cpu_ns += one->cpu_ns;
        for (int slot = 0; slot < SLOTS; slot++)
            sum.slots[slot] += one->slots[slot];
    }
    double seconds = in->with.seconds;
    printf("processes %u, body %u bytes, %.0f records/s published, %.0f deliveries/s\n", in->with.processes,
           in->with.body, (double)sum.published / seconds, (double)sum.read / seconds);
    if (in->with.rate > 0) /* else it is only how long the ring is */
        printf("publish to taken by another process: p50 %.1f us, p90 %.1f us, p99 %.1f us, p99.9 %.1f us\n",
               percentile_us(&sum, 0.5), percentile_us(&sum, 0.9), percentile_us(&sum, 0.99),
               percentile_us(&sum, 0.999));
    printf("lost %llu, twice %llu, gaps %llu, sleeps %llu, cpu %.0f ns a delivery\n",
           (unsigned long long)sum.lost, (unsigned long long)sum.twice, (unsigned long long)sum.gaps,
           (unsigned long long)sum.sleeps, sum.read ? (double)sum.cpu_ns / (double)sum.read : 0);
    return sum.lost || sum.twice || sum.gaps ? 1 : 0;
}

static int run(bench *in)
{
    error why;
    if (region_create(&in->shared, (size_t)in->with.log_mib << 20, &why) != HUB_OK) {
        fprintf(stderr, "hostlog: %s\n", why.text);
        return 2;
    }
    for (unsigned i = 0; i < in->with.processes; i++) {
        if (region_claim_row(&in->shared, (uint16_t)i, 1, &in->rows[i]) != HUB_OK)
            return 2;
    }
    int failed = 0;
    for (unsigned i = 0; i < in->with.processes; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(play(in, i));
        failed |= pid < 0;
    }
    for (int status; wait(&status) > 0;)
        failed |= status != 0;
    return failed ? 2 : print_result(in);
}

static int usage(void)
{
    fprintf(stderr,
            "usage: hostlog [-p PROCESSES 2-%d] [-r RECORDS_A_SECOND, 0: all it takes] "
            "[-b BODY_BYTES %zu-%d] [-s SECONDS] [-m LOG_MIB]\n",
            PROCESSES_MAX, sizeof(letter), BODY_MAX);
    return 2;
}

int main(int argc, char **argv)
{
    options with = {.processes = 4, .rate = 1000, .body = 100, .log_mib = 64, .seconds = 5};
    for (int option; (option = getopt(argc, argv, "p:r:b:s:m:")) != -1;) {
        switch (option) {
        case 'p':
            with.processes = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            with.rate = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'b':
            with.body = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 's':
            with.seconds = strtod(optarg, NULL);
            break;
        case 'm':
            with.log_mib = (unsigned)strtoul(optarg, NULL, 10);
            break;
        default:
            return usage();
        }
    }
    if (with.processes < 2 || with.processes > PROCESSES_MAX || with.body < sizeof(letter) ||
        with.body > BODY_MAX || with.seconds <= 0)
        return usage();
    bench *in = mmap(NULL, sizeof *in, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (in == MAP_FAILED) {
        perror("hostlog: mmap");
        return 2;
    }
    in->with = with;
    return run(in);
}
