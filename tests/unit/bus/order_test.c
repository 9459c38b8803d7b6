/* SPDX-License-Identifier: Apache-2.0 */
/* Several processes publish and read at once: everything arrives everywhere, exactly once and in one order.
 */
#include "host.h"

enum { PLAYERS_MAX = 4 };

typedef struct letter {
    uint32_t player;
    uint32_t number;
} letter;

typedef struct player_report {
    uint64_t order; /* a hash over all letters in the order in which they were read */
    uint64_t read, wrong, gaps;
} player_report;

typedef struct game {
    region shared;
    unsigned players, rows[PLAYERS_MAX];
    uint32_t letters; /* of each player */
    size_t length_most;
    bool sleeps; /* between two letters */
    _Atomic unsigned ready;
    player_report reports[PLAYERS_MAX];
} game;

typedef struct player {
    game *in;
    unsigned number;
    bus *mine;
    uint32_t last[PLAYERS_MAX];
    char body[60000];
} player;

static size_t length_of(const game *in, letter which)
{
    uint64_t seed = (uint64_t)which.player << 32 | which.number;
    return sizeof which + host_random(&seed) % (in->length_most - sizeof which);
}

static void write_body(char *body, size_t length, letter which)
{
    memset(body, (int)(which.number % 251), length);
    memcpy(body, &which, sizeof which);
}

static bool is_whole(const char *body, size_t length, letter which)
{
    for (size_t i = sizeof which; i < length; i++) {
        if ((unsigned char)body[i] != which.number % 251)
            return false;
    }
    return true;
}

static void read_one(player *self, player_report *report, const bus_record *record)
{
    letter which;
    size_t length = record->body_length;
    if (bus_take(self->mine, self->body) != HUB_OK) {
        report->wrong++;
        return;
    }
    memcpy(&which, self->body, sizeof which);
    bool right = which.player < self->in->players && which.number == self->last[which.player] + 1 &&
                 length == length_of(self->in, which) && is_whole(self->body, length, which);
    report->wrong += !right;
    report->read++;
    report->order = (report->order ^ ((uint64_t)which.player << 32 | which.number)) * UINT64_C(0x100000001b3);
    if (which.player < PLAYERS_MAX)
        self->last[which.player] = which.number;
}

static bool read_all(player *self)
{
    player_report *report = &self->in->reports[self->number];
    bus_record record;
    bool any = false;
    for (bus_outcome outcome; (outcome = bus_peek(self->mine, &record)) != BUS_NOTHING; any = true) {
        if (outcome == BUS_RECORD)
            read_one(self, report, &record);
        else
            report->gaps++;
    }
    return any;
}

static void rest(player *self)
{
    if (!self->in->sleeps || bus_doze(self->mine)) {
        sched_yield();
        return;
    }
    struct pollfd bell = {bus_doorbell(self->mine), POLLIN, 0};
    double after = bus_retry_after(self->mine);
    if (poll(&bell, 1, after < 0 ? 20 : (int)(after * 1000) + 1) > 0)
        bus_hush(self->mine);
    bus_wake(self->mine);
}

/* `ready` counts who has a number in its low byte, and who has joined above it. */
static int play(void *arg)
{
    static player self;
    game *in = arg;
    self.in = in;
    self.mine = host_join(&in->shared, in->rows[self.number = atomic_fetch_add(&in->ready, 1) % 256]);
    if (!self.mine)
        return 2;
    bus_interest_add(self.mine, bus_room_hash(self.mine, hub_text("/"), hub_text("lobby")));
    atomic_fetch_add(&in->ready, 256);
    while (atomic_load(&in->ready) / 256 < in->players)
        sched_yield();
    uint64_t deadline = host_deadline(40), all = (uint64_t)in->players * in->letters;
    for (uint32_t number = 1; number <= in->letters && host_before(deadline);) {
        letter which = {self.number, number};
        size_t length = length_of(in, which);
        write_body(self.body, length, which);
        if (host_publish(self.mine, "lobby", self.body, length, NULL) == HUB_OK)
            number++;
        if (!read_all(&self) && in->sleeps)
            rest(&self);
    }
    while (in->reports[self.number].read < all && host_before(deadline)) {
        if (!read_all(&self))
            rest(&self);
    }
    bus_close(self.mine);
    return 0;
}

static void expect_one_order(unsigned players, uint32_t letters, size_t length_most, bool sleeps)
{
    game *in = host_shared(sizeof *in);
    pid_t pids[PLAYERS_MAX];
    host_open(&in->shared);
    in->players = players;
    in->letters = letters;
    in->length_most = length_most;
    in->sleeps = sleeps;
    for (unsigned i = 0; i < players; i++)
        in->rows[i] = host_row(&in->shared);
    for (unsigned i = 0; i < players; i++)
        pids[i] = host_fork(play, in);
    for (unsigned i = 0; i < players; i++)
        assert_int_equal(host_reap(pids[i]), 0);
    for (unsigned i = 0; i < players; i++) {
        assert_int_equal(in->reports[i].wrong, 0);
        assert_int_equal(in->reports[i].gaps, 0);
        assert_int_equal(in->reports[i].read, (uint64_t)players * letters);
        assert_true(in->reports[i].order == in->reports[0].order);
    }
    region_close(&in->shared);
    munmap(in, sizeof *in);
}

static void four_processes_read_the_same_over_many_laps(void **state)
{
    (void)state;
    expect_one_order(4, 30000, 300, false);
}

static void four_processes_that_sleep_in_between_read_the_same(void **state)
{
    (void)state;
    expect_one_order(4, 5000, 300, true);
}

static void large_records_fill_the_ring_and_lose_nothing(void **state)
{
    (void)state;
    expect_one_order(3, 1500, 50000, false);
}

static void two_processes_with_tiny_records_read_the_same(void **state)
{
    (void)state;
    expect_one_order(2, 100000, 16, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_processes_read_the_same_over_many_laps),
        cmocka_unit_test(four_processes_that_sleep_in_between_read_the_same),
        cmocka_unit_test(large_records_fill_the_ring_and_lose_nothing),
        cmocka_unit_test(two_processes_with_tiny_records_read_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
