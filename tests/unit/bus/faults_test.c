/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process is killed or stopped at each step that it takes in the log. The others must go on, and whatever
 * it published successfully must have been read by them exactly once.
 *
 * The victim is a child; two other incarnations, `near` and `far`, are played by the test itself. Where a
 * step is only taken because of another stopped process, a second child stops first, inside a record.
 */
#include "host.h"

typedef enum phase { PHASE_ALONE, PHASE_TOGETHER } phase;

typedef struct letter {
    char from; /* 'v'ictim or 'n'ear */
    uint32_t number;
} letter;

typedef struct stage {
    region shared;
    hostlog_step step;
    int signal;         /* SIGKILL or SIGSTOP */
    unsigned countdown; /* hit when the step is taken for the so many-th time */
    bool evicts;        /* the victim, while it is alone, cuts off who does not read */
    unsigned victim_row, blocker_row;
    _Atomic unsigned phase;
    _Atomic uint32_t published; /* by the victim, successfully */
    _Atomic uint64_t gaps_told; /* to the victim by bus_peek or bus_take */
    _Atomic bool hit, joined, go;
} stage;

static stage *now;

/* ---- reading and checking --------------------------------------------------------------------------------
 */

typedef struct ear {
    bus *mine;
    uint32_t last_victim, last_near;
    uint64_t order;
    unsigned gaps, wrong;
    bool after_gap;
} ear;

static void check_number(ear *self, uint32_t number, uint32_t *last)
{
    bool right = number == *last + 1 || (self->after_gap && number > *last);
    self->wrong += !right;
    *last = number;
}

static void hear_body(ear *self, const char *body, size_t length)
{
    letter which;
    memcpy(&which, body, sizeof which);
    for (size_t i = sizeof which; i < length; i++)
        self->wrong += (unsigned char)body[i] != which.number % 251;
    check_number(self, which.number, which.from == 'v' ? &self->last_victim : &self->last_near);
    self->order = (self->order ^ ((uint64_t)which.from << 32 | which.number)) * UINT64_C(0x100000001b3);
}

static bool listen_to_all(ear *self)
{
    char body[512];
    bus_record record;
    bool any = false;
    for (bus_outcome outcome; (outcome = bus_peek(self->mine, &record)) != BUS_NOTHING; any = true) {
        if (outcome == BUS_RECORD && bus_take(self->mine, body) == HUB_OK) {
            hear_body(self, body, record.body_length);
        } else {
            self->gaps++;
            self->after_gap = true;
        }
    }
    return any;
}

static hub_status tell(bus *mine, char from, uint32_t number)
{
    char body[512];
    letter which = {from, number};
    size_t length = sizeof which + number * 7 % 450;
    memset(body, (int)(number % 251), length);
    memcpy(body, &which, sizeof which);
    return host_publish(mine, "lobby", body, length, NULL);
}

/* ---- the children ----------------------------------------------------------------------------------------
 */

static void hit_me(hostlog_step step)
{
    if (step == now->step && now->countdown > 0 && --now->countdown == 0) {
        atomic_store(&now->hit, true);
        kill(getpid(), now->signal);
    }
}

static void victim_publishes(ear *self, uint32_t number)
{
    while (tell(self->mine, 'v', number) != HUB_OK) {
        listen_to_all(self);
        if (atomic_load(&now->phase) == PHASE_ALONE && now->evicts)
            bus_evict_laggards(self->mine);
        else
            sched_yield();
    }
    atomic_store(&now->published, number);
}

/* Publishes and reads until it is hit; when it lives on, a little more together with the others. */
static int be_victim(void *arg)
{
    (void)arg;
    ear self = {.after_gap = true};
    hostlog_on_step = hit_me;
    self.mine = host_join(&now->shared, now->victim_row);
    if (!self.mine)
        return 2;
    atomic_store(&now->joined, true);
    while (!atomic_load(&now->go))
        sched_yield();
    uint32_t number = 0, more = 300;
    while (atomic_load(&now->phase) == PHASE_ALONE || more-- > 0) {
        victim_publishes(&self, ++number);
        listen_to_all(&self);
        if (!bus_doze(self.mine))
            bus_wake(self.mine);
        atomic_store(&now->gaps_told, self.gaps);
    }
    for (uint64_t deadline = host_deadline(10); self.last_victim < number && host_before(deadline);)
        listen_to_all(&self);
    atomic_store(&now->gaps_told, self.gaps);
    if (self.last_victim != number)
        return 3;
    return self.wrong == 0 ? 0 : 4;
}

static void stop_in_record(hostlog_step step)
{
    if (step == HOSTLOG_STEP_BODY) {
        hostlog_on_step = NULL;
        kill(getpid(), SIGSTOP);
    }
}

static int be_blocker(void *arg)
{
    (void)arg;
    bus *mine = host_join(&now->shared, now->blocker_row);
    if (!mine)
        return 2;
    hostlog_on_step = stop_in_record;
    host_say(mine, "never finished");
    return 0;
}

/* ---- the play --------------------------------------------------------------------------------------------
 */

static bool takes_a_blocker(hostlog_step step)
{
    return step == HOSTLOG_STEP_GIVE_UP || step == HOSTLOG_STEP_GAVE_UP || step == HOSTLOG_STEP_FILLER;
}

static bool takes_an_eviction(hostlog_step step)
{
    return step == HOSTLOG_STEP_EVICT || step == HOSTLOG_STEP_EVICTED || step == HOSTLOG_STEP_FILLER;
}

/* Publishes from near, both read; evicts a stopped victim that is in the way. */
static void go_on(ear *near, ear *far, uint32_t count)
{
    uint64_t deadline = host_deadline(20);
    for (uint32_t i = 0; i < count;) {
        hub_status status = tell(near->mine, 'n', near->last_near + 1);
        listen_to_all(near);
        listen_to_all(far);
        if (status == HUB_OK) {
            /* The record may stand behind one that is not given up yet. */
            while (near->last_near < i + 1 || far->last_near < i + 1) {
                listen_to_all(near);
                listen_to_all(far);
                assert_true(host_before(deadline));
            }
            i++;
        } else {
            assert_int_equal(status, HUB_EAGAIN);
            bus_evict_laggards(near->mine);
        }
        assert_true(host_before(deadline));
    }
}

static void read_until_quiet(ear *near, ear *far)
{
    uint64_t deadline = host_deadline(5);
    while ((listen_to_all(near) || listen_to_all(far) || bus_pending(near->mine) || bus_pending(far->mine)) &&
           host_before(deadline))
        ;
    assert_false(bus_pending(near->mine));
    assert_false(bus_pending(far->mine));
}

static void expect_same(const ear *near, const ear *far)
{
    assert_int_equal(near->wrong, 0);
    assert_int_equal(far->wrong, 0);
    assert_int_equal(near->last_near, far->last_near);
    assert_true(near->order == far->order);
}

/* The victim is dead. */
static void after_kill(pid_t victim, ear *near, ear *far)
{
    assert_int_equal(host_reap(victim), -SIGKILL);
    uint64_t start = clock_monotonic_ns();
    region_sweep_row(&now->shared, now->victim_row);
    read_until_quiet(near, far);
    assert_true(clock_monotonic_ns() - start < 4 * HOSTLOG_PATIENCE_NS);
    near->order = far->order = 0;
    unsigned gaps = near->gaps + far->gaps;
    go_on(near, far, 400);
    assert_int_equal(near->gaps + far->gaps, gaps);
    expect_same(near, far);
}

/* The victim is stopped, the others go around the ring, it goes on. */
static void after_stop(pid_t victim, ear *near, ear *far)
{
    read_until_quiet(near, far);
    near->order = far->order = 0;
    unsigned gaps = near->gaps + far->gaps;
    go_on(near, far, 9000); /* about four laps */
    row *r = &now->shared.rows[now->victim_row];
    bool was_evicted = atomic_load(&r->cursor) & HOSTLOG_EVICTED;
    uint64_t gaps_before = atomic_load(&r->gaps);
    atomic_store(&now->phase, PHASE_TOGETHER);
    kill(victim, SIGCONT);

    int status = 0;
    uint64_t deadline = host_deadline(20);
    while (waitpid(victim, &status, WNOHANG) == 0) {
        listen_to_all(near);
        listen_to_all(far);
        assert_true(host_before(deadline));
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    if (was_evicted && now->step != HOSTLOG_STEP_JOIN) { /* who has not joined yet lost nothing */
        assert_true(atomic_load(&r->gaps) > gaps_before);
        assert_int_equal(atomic_load(&r->gaps), atomic_load(&now->gaps_told));
    }
    read_until_quiet(near, far);
    assert_int_equal(near->gaps + far->gaps, gaps);
    expect_same(near, far);
    assert_int_equal(near->last_victim, atomic_load(&now->published));
}

static void play(hostlog_step step, int signal_number, unsigned countdown)
{
    now = host_shared(sizeof *now);
    now->step = step;
    now->signal = signal_number;
    now->countdown = countdown;
    now->evicts = takes_an_eviction(step);
    host_open(&now->shared);
    now->victim_row = host_row(&now->shared);
    now->blocker_row = host_row(&now->shared);
    ear near = {.mine = host_bus(&now->shared)}, far = {.mine = host_bus(&now->shared)};

    pid_t victim = host_fork(be_victim, NULL), blocker = 0;
    if (takes_a_blocker(step)) {
        while (!atomic_load(&now->joined)) /* first, to meet the record */
            sched_yield();
        blocker = host_fork(be_blocker, NULL);
        assert_true(host_wait_stopped(blocker));
    }
    atomic_store(&now->go, true);
    if (signal_number == SIGSTOP) {
        assert_true(host_wait_stopped(victim));
        after_stop(victim, &near, &far);
    } else {
        after_kill(victim, &near, &far);
    }
    assert_true(atomic_load(&now->hit));
    if (!now->evicts) {
        assert_int_equal(near.gaps + far.gaps, 0);
        assert_int_equal(near.last_victim, far.last_victim);
        assert_true(near.last_victim >= atomic_load(&now->published));
        assert_true(near.last_victim <= atomic_load(&now->published) + 1);
    }
    if (blocker != 0) {
        kill(blocker, SIGKILL);
        host_reap(blocker);
    }
    bus_close(near.mine);
    bus_close(far.mine);
    region_close(&now->shared);
    munmap(now, sizeof *now);
}

static bool is_taken_once(hostlog_step step)
{
    return takes_a_blocker(step) || takes_an_eviction(step) || step == HOSTLOG_STEP_JOIN;
}

static void play_all(int signal_number)
{
    for (int step = 0; step < HOSTLOG_STEPS; step++) {
        play((hostlog_step)step, signal_number, 1);
        if (!is_taken_once((hostlog_step)step)) {
            play((hostlog_step)step, signal_number, 2);
            play((hostlog_step)step, signal_number, 77);
        }
    }
}

static void a_process_killed_at_any_step_costs_the_others_nothing(void **state)
{
    (void)state;
    play_all(SIGKILL);
}

static void a_process_stopped_at_any_step_costs_only_itself_a_gap(void **state)
{
    (void)state;
    play_all(SIGSTOP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_killed_at_any_step_costs_the_others_nothing),
        cmocka_unit_test(a_process_stopped_at_any_step_costs_only_itself_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
