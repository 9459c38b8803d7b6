/* SPDX-License-Identifier: Apache-2.0 */
#include "../harness.h"

#include <sys/mman.h>

/* A protocol that notes what it is called for. */
typedef struct probe {
    connection *c;
    client peer;
    char heard[256];
    unsigned ends, timers, overflows, kicks, drains, gone;
    bool close_when_heard, close_when_kicked, close_when_drained;
    size_t a_turn;                /* bytes that it takes in one turn; 0: all */
    struct probe *tell_when_gone; /* gets "gone" then */
} probe;

static connection_limits limits;

static probe *of(connection *c)
{
    return c->state;
}

static void probe_on_bytes(connection *c, unsigned char *data, size_t length)
{
    size_t take = of(c)->a_turn && of(c)->a_turn < length ? of(c)->a_turn : length;
    strncat(of(c)->heard, (const char *)data, take);
    connection_defer(c, data + take, length - take);
    if (of(c)->close_when_heard)
        connection_close(c);
}

static void probe_on_end(connection *c)
{
    of(c)->ends++;
    connection_close(c);
}

static void probe_on_timer(connection *c)
{
    of(c)->timers++;
}

static void probe_on_overflow(connection *c)
{
    of(c)->overflows++;
    output_cut(&c->out);
    connection_finish(c);
}

static void probe_on_kick(connection *c)
{
    of(c)->kicks++;
    if (of(c)->close_when_kicked)
        connection_close(c);
}

static void probe_on_drain(connection *c)
{
    of(c)->drains++;
    if (of(c)->close_when_drained)
        connection_close(c);
}

static void probe_on_gone(connection *c)
{
    probe *p = of(c);
    p->gone++;
    if (p->tell_when_gone)
        connection_write(p->tell_when_gone->c, hub_text("gone"));
}

static const protocol probe_protocol = {
    .name = "probe",
    .on_bytes = probe_on_bytes,
    .on_end = probe_on_end,
    .on_timer = probe_on_timer,
    .on_overflow = probe_on_overflow,
    .on_kick = probe_on_kick,
    .on_drain = probe_on_drain,
    .on_gone = probe_on_gone,
};

static void probe_open(probe *p)
{
    *p = (probe){0};
    int fd = client_open(&p->peer);
    assert_int_equal(connection_new(&p->c, fd, &transport_fake, &probe_protocol, &limits, p), HUB_OK);
}

static int setup(void **state)
{
    fake_reset();
    limits = (connection_limits){.soft = 1000, .hard = 4000, .time = 60, .policy = HUB_POLICY_CLOSE};
    return world_open(state);
}

static hub_status send_text(probe *p, const char *text)
{
    return connection_send(p->c, hub_bytes_of(NULL, 0), hub_text(text));
}

static hub_status send_length(probe *p, size_t length)
{
    static char bytes[1 << 20];
    memset(bytes, 'x', sizeof bytes);
    return connection_send(p->c, hub_bytes_of(NULL, 0), hub_bytes_of(bytes, length));
}

static void probe_close(probe *p)
{
    if (!p->gone) {
        connection_close(p->c);
        world_turn(1);
    }
    assert_int_equal(p->gone, 1);
    client_close(&p->peer);
}

static bool is_gone(void *arg)
{
    return ((probe *)arg)->gone > 0;
}

/* ---- reading ---- */

static void bytes_handed_back_come_again_in_order_some_each_turn(void **state)
{
    (void)state;
    static probe p, other;
    probe_open(&p);
    probe_open(&other);
    p.a_turn = 2;
    client_say(&p.peer, "abcdefghijklmnopqrstuvwxyz");
    world_turn(1);
    assert_true(strlen(p.heard) < 26);
    client_say(&p.peer, "0123"); /* not read before the rest was used */
    client_say(&other.peer, "x");
    world_turn(1);
    assert_string_equal(other.heard, "x");
    assert_true(strlen(p.heard) < 26);
    world_turn(20);
    assert_string_equal(p.heard, "abcdefghijklmnopqrstuvwxyz0123");
    probe_close(&p);
    probe_close(&other);
}

static void bytes_handed_back_wait_while_the_connection_is_paused(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    p.a_turn = 2;
    client_say(&p.peer, "abcdefgh");
    world_turn(1);
    connection_pause(p.c, true);
    size_t heard = strlen(p.heard);
    world_turn(5);
    assert_int_equal(strlen(p.heard), heard);
    connection_defer(p.c, "older", 5); /* more than has been used: goes in front */
    connection_pause(p.c, false);
    world_turn(8);
    assert_memory_equal(p.heard + heard, "older", 5);
    assert_string_equal(p.heard + heard + 5, &"abcdefgh"[heard]);
    probe_close(&p);
}

static void bytes_handed_back_go_with_their_connection(void **state)
{
    (void)state;
    static probe p, finished;
    probe_open(&p);
    probe_open(&finished);
    p.a_turn = finished.a_turn = 1;
    client_say(&p.peer, "abcdefgh");
    client_say(&finished.peer, "abcdefgh");
    world_turn(1);
    size_t heard = strlen(finished.heard);
    connection_close(p.c);
    connection_finish(finished.c);
    world_turn(3);
    assert_int_equal(strlen(finished.heard), heard);
    assert_null(finished.c->backlog);
    probe_close(&p);
    probe_close(&finished);
}

/* ---- writing ---- */

static void fifty_messages_of_one_turn_leave_in_one_write(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    limits.soft = limits.hard = 1 << 20;
    chunk *shared = chunk_new(CHUNK_SHARED, 4);
    assert_non_null(shared);
    memcpy(shared->bytes, "abcd", 4);
    shared->length = 4;
    for (int i = 0; i < 50; i++)
        assert_int_equal(connection_send_shared(p.c, shared), HUB_OK);
    chunk_drop(shared);
    assert_true(client_wait(&p.peer, 200));
    assert_int_equal(fake.writes, 1);
    assert_int_equal(fake.entries, 50);
    probe_close(&p);
}

static void direct_messages_of_one_turn_leave_as_one_run_of_bytes(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    for (int i = 0; i < 50; i++)
        assert_int_equal(send_text(&p, "message"), HUB_OK);
    assert_true(client_wait(&p.peer, 350));
    assert_int_equal(fake.writes, 1);
    assert_int_equal(fake.entries, 1);
    probe_close(&p);
}

static void what_shared_and_direct_messages_say_keeps_its_order(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    chunk *shared = chunk_new(CHUNK_SHARED, 1);
    assert_non_null(shared);
    shared->bytes[0] = '-';
    shared->length = 1;
    for (int i = 0; i < 40; i++) {
        char text[2] = {(char)('A' + i), 0};
        assert_int_equal(send_text(&p, text), HUB_OK);
        assert_int_equal(connection_send_shared(p.c, shared), HUB_OK);
    }
    chunk_drop(shared);
    fake.takes = 3;
    assert_true(client_wait(&p.peer, 80));
    for (int i = 0; i < 40; i++) {
        assert_int_equal(p.peer.data[2 * i], 'A' + i);
        assert_int_equal(p.peer.data[2 * i + 1], '-');
    }
    probe_close(&p);
}

static void a_short_write_goes_on_where_it_stopped(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    fake.takes = 2;
    assert_int_equal(send_text(&p, "one two three"), HUB_OK);
    assert_true(client_wait(&p.peer, 13));
    assert_string_equal(client_text(&p.peer), "one two three");
    assert_int_equal(fake.writes, 7);
    probe_close(&p);
}

static void an_interrupted_write_is_tried_again(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    fake.interrupts = 2;
    assert_int_equal(send_text(&p, "hello"), HUB_OK);
    assert_true(client_wait(&p.peer, 5));
    probe_close(&p);
}

static void a_full_socket_is_written_to_when_it_takes_again(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    fake.room = 4;
    assert_int_equal(send_text(&p, "hello "), HUB_OK);
    world_turn(3);
    assert_string_equal(client_text(&p.peer), "hell");
    assert_int_equal(send_text(&p, "world"), HUB_OK);
    world_turn(3);
    assert_string_equal(client_text(&p.peer), "hell");
    fake.room = SIZE_MAX;
    assert_true(client_wait(&p.peer, 11));
    assert_string_equal(client_text(&p.peer), "hello world");
    probe_close(&p);
}

static void a_failed_write_closes_the_connection(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    fake.error = EPIPE;
    assert_int_equal(send_text(&p, "hello"), HUB_OK);
    assert_true(world_until(is_gone, &p));
    assert_int_equal(connections_count(), 0);
    probe_close(&p);
}

static int temporary_file(size_t length)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t i = 0; i < length; i++) {
        char c = (char)('a' + i % 26);
        assert_int_equal(pwrite(fd, &c, 1, (off_t)i), 1);
    }
    return fd;
}

static void a_file_leaves_in_parts_between_the_bytes_around_it(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    fake.takes = 7;
    limits.soft = limits.hard = 1 << 20;
    chunk *file = chunk_new_file(temporary_file(100), 10, 60);
    assert_non_null(file);
    assert_int_equal(connection_write(p.c, hub_text("head ")), HUB_OK);
    assert_int_equal(connection_write_chunk(p.c, file), HUB_OK);
    assert_int_equal(connection_write(p.c, hub_text(" tail")), HUB_OK);
    assert_true(client_wait(&p.peer, 70));
    assert_memory_equal(p.peer.data, "head klmnop", 11);
    assert_memory_equal(p.peer.data + 65, " tail", 5);
    assert_int_equal(fake.files, 9);
    probe_close(&p);
}

static void a_file_that_shrank_ends_the_connection(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    chunk *file = chunk_new_file(temporary_file(10), 0, 60);
    assert_non_null(file);
    assert_int_equal(connection_write_chunk(p.c, file), HUB_OK);
    assert_true(world_until(is_gone, &p));
    assert_true(client_wait_end(&p.peer));
    assert_int_equal(p.peer.length, 10);
    probe_close(&p);
}

/* ---- limits ---- */

static void over_the_hard_limit_policy_close_calls_overflow_and_counts(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    fake.room = 0;
    assert_int_equal(send_length(&p, 3000), HUB_OK);
    assert_int_equal(send_length(&p, 1001), HUB_EFULL);
    assert_int_equal(p.overflows, 1);
    assert_int_equal(atomic_load(&world_row()->closed_slow), 1);
    assert_int_equal(send_length(&p, 1), HUB_ECLOSED);
    probe_close(&p);
}

static void over_the_hard_limit_policy_skip_drops_and_counts(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    limits.policy = HUB_POLICY_SKIP;
    fake.room = 0;
    assert_int_equal(send_length(&p, 3000), HUB_OK);
    assert_int_equal(send_length(&p, 1001), HUB_EFULL);
    assert_int_equal(send_length(&p, 1000), HUB_OK);
    assert_int_equal(p.overflows, 0);
    assert_int_equal(atomic_load(&world_row()->dropped), 1);
    fake.room = SIZE_MAX;
    assert_true(client_wait(&p.peer, 4000));
    assert_int_equal(p.peer.length, 4000);
    probe_close(&p);
}

static void over_the_hard_limit_policy_block_asks_the_sender_to_wait(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    limits.policy = HUB_POLICY_BLOCK;
    fake.room = 0;
    assert_int_equal(send_length(&p, 3000), HUB_OK);
    assert_int_equal(send_length(&p, 1001), HUB_EAGAIN);
    assert_int_equal(p.overflows, 0);
    probe_close(&p);
}

static void a_broadcast_over_the_limit_of_policy_block_closes(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    limits.policy = HUB_POLICY_BLOCK;
    fake.room = 0;
    assert_int_equal(send_length(&p, 4000), HUB_OK);
    chunk *shared = chunk_new(CHUNK_SHARED, 1);
    assert_non_null(shared);
    shared->length = 1;
    assert_int_equal(connection_send_shared(p.c, shared), HUB_EFULL);
    assert_int_equal(shared->references, 1);
    chunk_drop(shared);
    assert_int_equal(p.overflows, 1);
    probe_close(&p);
}

static void an_empty_queue_takes_a_message_above_every_limit(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    assert_int_equal(send_length(&p, 100000), HUB_OK);
    assert_true(client_wait(&p.peer, 100000));
    probe_close(&p);
}

static bool tick_is_even(void *arg)
{
    (void)arg;
    return wheel_now() % 2 == 0 && wheel_now() > 0;
}

static bool tick_is_odd(void *arg)
{
    (void)arg;
    return wheel_now() % 2 == 1;
}

static void send_twice_over_the_soft_limit(bool (*tick)(void *arg))
{
    static probe p;
    probe_open(&p);
    connection_time(p.c, 60); /* so that the hub wakes at each tick */
    assert_true(world_until(tick, NULL));
    fake.room = 0;
    assert_int_equal(send_length(&p, 1001), HUB_OK);
    assert_int_equal(send_length(&p, 1), HUB_OK);
    assert_int_equal(p.overflows, 0);
    probe_close(&p);
}

static void the_time_over_the_soft_limit_begins_at_nothing(void **state)
{
    (void)state;
    send_twice_over_the_soft_limit(tick_is_even);
    send_twice_over_the_soft_limit(tick_is_odd);
}

static bool may_not_send(void *arg)
{
    probe *p = arg;
    return send_length(p, 1) != HUB_OK;
}

static void a_queue_that_stays_over_its_soft_limit_runs_out_of_time(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    limits.time = 0.3;
    limits.hard = SIZE_MAX;
    connection_time(p.c, 60);
    fake.room = 0;
    assert_int_equal(send_length(&p, 1001), HUB_OK);
    uint64_t from = clock_monotonic_ns();
    assert_true(world_until(may_not_send, &p));
    assert_true(clock_monotonic_ns() - from > 200 * CLOCK_NS_PER_MS);
    assert_int_equal(p.overflows, 1);
    probe_close(&p);
}

static void a_client_that_does_not_take_its_answers_is_not_read(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    fake.room = 0;
    assert_int_equal(send_length(&p, 1500), HUB_OK);
    client_say(&p.peer, "more");
    world_turn(5);
    assert_string_equal(p.heard, "");
    fake.room = 900; /* 600 wait: more than half of soft */
    world_turn(5);
    assert_string_equal(p.heard, "");
    fake.room = SIZE_MAX;
    assert_true(client_wait(&p.peer, 1500));
    world_turn(5);
    assert_string_equal(p.heard, "more");
    assert_true(p.kicks > 0);
    probe_close(&p);
}

/* ---- senders that wait ---- */

typedef struct sender {
    probe *p;
    hub_status status;
    unsigned tries;
    size_t length;
    bool done;
} sender;

static void send_patiently(void *arg)
{
    sender *s = arg;
    while ((s->status = send_length(s->p, s->length)) == HUB_EAGAIN) {
        s->tries++;
        if ((s->status = connection_wait_writable(s->p->c, HUB_FOREVER)) != HUB_OK)
            break;
    }
    s->done = true;
}

static void a_parked_sender_goes_on_when_the_client_reads(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    limits.policy = HUB_POLICY_BLOCK;
    fake.room = 0;
    assert_int_equal(send_length(&p, 4000), HUB_OK);
    static sender s;
    s = (sender){.p = &p, .length = 2000};
    assert_non_null(greenlet_spawn("sender", send_patiently, &s, NULL));
    world_turn(5);
    assert_false(s.done);
    fake.room = SIZE_MAX;
    assert_true(world_until(is_set, &s.done));
    assert_int_equal(s.status, HUB_OK);
    assert_true(client_wait(&p.peer, 6000));
    probe_close(&p);
}

static void a_parked_sender_goes_on_though_the_queue_was_never_over_its_soft_limit(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    limits.policy = HUB_POLICY_BLOCK;
    fake.room = 0;
    assert_int_equal(send_length(&p, 900), HUB_OK);
    static sender s;
    s = (sender){.p = &p, .length = 3500};
    assert_non_null(greenlet_spawn("sender", send_patiently, &s, NULL));
    world_turn(5);
    assert_false(s.done);
    fake.room = SIZE_MAX;
    assert_true(world_until(is_set, &s.done));
    assert_int_equal(s.status, HUB_OK);
    assert_true(client_wait(&p.peer, 4400));
    probe_close(&p);
}

static void a_sender_parks_once_for_each_time_the_queue_gets_shorter(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    limits.policy = HUB_POLICY_BLOCK;
    fake.room = 0;
    assert_int_equal(send_length(&p, 400), HUB_OK); /* below half of soft all the time */
    static sender s;
    s = (sender){.p = &p, .length = 3900};
    assert_non_null(greenlet_spawn("sender", send_patiently, &s, NULL));
    world_turn(20);
    assert_int_equal(s.tries, 1);
    fake.room = SIZE_MAX;
    assert_true(world_until(is_set, &s.done));
    assert_int_equal(s.status, HUB_OK);
    probe_close(&p);
}

static void a_parked_sender_learns_that_the_client_is_gone(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    limits.policy = HUB_POLICY_BLOCK;
    fake.room = 0;
    assert_int_equal(send_length(&p, 4000), HUB_OK);
    static sender s;
    s = (sender){.p = &p, .length = 2000};
    assert_non_null(greenlet_spawn("sender", send_patiently, &s, NULL));
    world_turn(3);
    connection_close(p.c);
    assert_true(world_until(is_set, &s.done));
    assert_int_equal(s.status, HUB_ECLOSED);
    probe_close(&p);
}

static void a_parked_sender_can_be_killed(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    limits.policy = HUB_POLICY_BLOCK;
    fake.room = 0;
    assert_int_equal(send_length(&p, 4000), HUB_OK);
    static sender s;
    s = (sender){.p = &p, .length = 2000};
    greenlet *g = greenlet_spawn("sender", send_patiently, &s, NULL);
    assert_non_null(g);
    world_turn(3);
    assert_int_equal(hub_kill(greenlet_id(g)), HUB_OK);
    assert_true(world_until(is_set, &s.done));
    assert_int_equal(s.status, HUB_ECANCELED);
    assert_null(p.c->waiters);
    probe_close(&p);
}

/* ---- kicks, timers, the turn ---- */

static bool was_kicked(void *arg)
{
    return ((probe *)arg)->kicks > 0;
}

static void a_kick_that_comes_of_flushing_does_not_wait_for_the_next_event(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    assert_int_equal(send_length(&p, 2000), HUB_OK); /* pauses now, and the flush ends the pause */
    assert_true(p.c->paused_output);
    assert_true(world_until(was_kicked, &p));
    probe_close(&p);
}

static void what_is_said_when_a_client_is_buried_leaves_at_once(void **state)
{
    (void)state;
    static probe p, other;
    probe_open(&p);
    probe_open(&other);
    p.tell_when_gone = &other;
    connection_close(p.c);
    assert_true(client_wait(&other.peer, 4));
    assert_string_equal(client_text(&other.peer), "gone");
    probe_close(&p);
    probe_close(&other);
}

static void a_kicked_connection_that_closes_is_buried_once(void **state)
{
    (void)state;
    static probe p, q;
    probe_open(&p);
    probe_open(&q);
    p.close_when_kicked = true;
    connection_kick(p.c);
    connection_kick(p.c);
    connection_kick(q.c);
    connection_close(q.c);
    assert_true(world_until(no_connections, NULL));
    world_turn(1);
    assert_int_equal(p.kicks, 1);
    assert_int_equal(q.kicks, 0);
    probe_close(&p);
    probe_close(&q);
}

static bool timer_fired(void *arg)
{
    return ((probe *)arg)->timers > 0;
}

static void the_timer_fires_once_and_not_before_its_time(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    uint64_t from = clock_monotonic_ns();
    connection_time(p.c, 0.2);
    assert_true(world_until(timer_fired, &p));
    assert_true(clock_monotonic_ns() - from >= 200 * CLOCK_NS_PER_MS);
    assert_false(wheel_is_armed(&p.c->timer));
    probe_close(&p);
}

/* ---- ends ---- */

static void finish_sends_what_waits_then_ends_the_stream(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    fake.takes = 2;
    assert_int_equal(send_text(&p, "last words"), HUB_OK);
    connection_finish(p.c);
    assert_int_equal(send_text(&p, "more"), HUB_ECLOSED);
    assert_true(client_wait_end(&p.peer));
    assert_string_equal(client_text(&p.peer), "last words");
    assert_false(p.peer.cut);
    assert_int_equal(p.gone, 0); /* it waits for the client's end */
    close(p.peer.fd);
    p.peer.fd = -1;
    assert_true(world_until(is_gone, &p));
    probe_close(&p);
}

static void a_client_that_never_ends_is_left_after_a_while(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    connection_finish(p.c);
    client_say(&p.peer, "still talking");
    assert_true(world_until(is_gone, &p));
    assert_string_equal(p.heard, "");
    probe_close(&p);
}

static void finish_of_a_client_that_has_ended_its_side_sends_the_rest(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    fake.room = 4;
    assert_int_equal(send_text(&p, "last words"), HUB_OK);
    connection_finish(p.c);
    shutdown(p.peer.fd, SHUT_WR);
    world_turn(5);
    assert_int_equal(p.gone, 0);
    fake.room = SIZE_MAX;
    assert_true(world_until(is_gone, &p));
    assert_string_equal(client_text(&p.peer), "last words");
    assert_int_equal(p.ends, 0);
    probe_close(&p);
}

static void cut_keeps_what_is_half_sent(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    chunk *shared = chunk_new(CHUNK_SHARED, 10);
    assert_non_null(shared);
    memcpy(shared->bytes, "0123456789", 10);
    shared->length = 10;
    assert_int_equal(connection_send_shared(p.c, shared), HUB_OK);
    assert_int_equal(connection_send_shared(p.c, shared), HUB_OK);
    chunk_drop(shared);
    fake.room = 4;
    world_turn(2);
    output_cut(&p.c->out);
    connection_finish(p.c);
    fake.room = SIZE_MAX;
    assert_true(client_wait_end(&p.peer));
    assert_string_equal(client_text(&p.peer), "0123456789");
    probe_close(&p);
}

static bool has_heard(void *arg)
{
    return ((probe *)arg)->heard[0] != '\0';
}

static void a_detached_socket_lives_on_without_its_connection(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    client_say(&p.peer, "x");
    assert_true(world_until(has_heard, &p));
    assert_int_equal(connection_write(p.c, hub_text("never sent")), HUB_OK);
    connection_defer(p.c, "never seen", 10);
    int fd = connection_detach(p.c);
    assert_true(fd >= 0);
    assert_int_equal(connection_detach(p.c), -1);
    assert_int_equal(connections_count(), 0);
    assert_int_equal(p.gone, 0);
    assert_int_equal(connection_write(p.c, hub_text("no")), HUB_ECLOSED);
    world_turn(2);
    assert_int_equal(p.gone, 1);
    char text[8];
    client_say(&p.peer, "later");
    world_turn(2);
    assert_string_equal(p.heard, "x");
    assert_int_equal(recv(fd, text, sizeof text, 0), 5);
    assert_int_equal(send(fd, "on", 2, 0), 2);
    assert_true(client_wait(&p.peer, 2));
    assert_string_equal(client_text(&p.peer), "on");
    assert_false(p.peer.ended);
    close(fd);
    client_close(&p.peer);
}

static void an_adopted_socket_is_not_accepted_once_more(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    connection *c;
    int fd = connection_detach(p.c);
    world_turn(2);
    p.gone = 0;
    assert_int_equal(connection_adopt(&c, fd, &transport_fake, &probe_protocol, &limits, &p), HUB_OK);
    p.c = c;
    assert_int_equal(atomic_load(&world_row()->accepted), 1);
    assert_int_equal(atomic_load(&world_row()->connections), 1);
    client_say(&p.peer, "x");
    assert_true(world_until(has_heard, &p));
    probe_close(&p);
}

static void who_waits_for_an_empty_queue_is_kicked_when_it_is(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    fake.room = 4;
    connection_write(p.c, hub_text("0123456789"));
    connection_kick_when_empty(p.c);
    assert_true(client_wait(&p.peer, 4));
    world_turn(3);
    assert_int_equal(p.kicks, 0);
    fake.room = SIZE_MAX;
    assert_true(world_until(was_kicked, &p));
    assert_null(p.c->out.first);
    connection_write(p.c, hub_text("more"));
    world_turn(3);
    assert_int_equal(p.kicks, 1);
    connection_kick_when_empty(p.c);
    world_turn(2);
    assert_int_equal(p.kicks, 2);
    probe_close(&p);
}

static void closing_while_bytes_are_handled_is_safe(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    p.close_when_heard = true;
    assert_int_equal(send_text(&p, "hello"), HUB_OK);
    client_say(&p.peer, "bytes");
    assert_true(world_until(is_gone, &p));
    assert_string_equal(p.heard, "bytes");
    probe_close(&p);
}

static void a_closed_connection_says_so_and_takes_nothing(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    connection_close(p.c);
    assert_int_equal(send_text(&p, "hello"), HUB_ECLOSED);
    assert_int_equal(connection_write(p.c, hub_text("hello")), HUB_ECLOSED);
    chunk *piece = chunk_new(CHUNK_PRIVATE, 1);
    assert_non_null(piece);
    assert_int_equal(connection_write_chunk(p.c, piece), HUB_ECLOSED);
    assert_int_equal(connection_wait_writable(p.c, 1), HUB_ECLOSED);
    connection_finish(p.c);
    connection_time(p.c, 1);
    connection_kick(p.c);
    probe_close(&p);
}

static void the_peer_of_a_closed_connection_is_not_that_of_its_successor(void **state)
{
    (void)state;
    static probe p, q;
    char text[64];
    probe_open(&p);
    assert_string_equal(connection_peer(p.c, text), "unix:");
    connection_close(p.c);
    probe_open(&q); /* may get the descriptor that was free */
    assert_string_equal(connection_peer(p.c, text), "?");
    world_turn(1);
    probe_close(&p);
    probe_close(&q);
}

static void draining_reaches_each_though_some_close_meanwhile(void **state)
{
    (void)state;
    static probe p[5];
    for (int i = 0; i < 5; i++) {
        probe_open(&p[i]);
        p[i].close_when_drained = i % 2 == 0;
    }
    connections_drain();
    assert_int_equal(connections_count(), 2);
    assert_int_equal(atomic_load(&world_row()->connections), 2);
    world_turn(1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(p[i].drains, 1);
        probe_close(&p[i]);
    }
}

static void bytes_and_connections_are_counted(void **state)
{
    (void)state;
    static probe p;
    probe_open(&p);
    client_say(&p.peer, "12345");
    assert_int_equal(send_text(&p, "123"), HUB_OK);
    assert_true(client_wait(&p.peer, 3));
    world_turn(2);
    assert_int_equal(atomic_load(&world_row()->accepted), 1);
    assert_int_equal(atomic_load(&world_row()->connections), 1);
    assert_int_equal(atomic_load(&world_row()->bytes_in), 5);
    assert_int_equal(atomic_load(&world_row()->bytes_out), 3);
    probe_close(&p);
    assert_int_equal(atomic_load(&world_row()->connections), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_handed_back_come_again_in_order_some_each_turn),
        TEST(bytes_handed_back_wait_while_the_connection_is_paused),
        TEST(bytes_handed_back_go_with_their_connection),
        TEST(fifty_messages_of_one_turn_leave_in_one_write),
        TEST(direct_messages_of_one_turn_leave_as_one_run_of_bytes),
        TEST(what_shared_and_direct_messages_say_keeps_its_order),
        TEST(a_short_write_goes_on_where_it_stopped),
        TEST(an_interrupted_write_is_tried_again),
        TEST(a_full_socket_is_written_to_when_it_takes_again),
        TEST(a_failed_write_closes_the_connection),
        TEST(a_file_leaves_in_parts_between_the_bytes_around_it),
        TEST(a_file_that_shrank_ends_the_connection),
        TEST(over_the_hard_limit_policy_close_calls_overflow_and_counts),
        TEST(over_the_hard_limit_policy_skip_drops_and_counts),
        TEST(over_the_hard_limit_policy_block_asks_the_sender_to_wait),
        TEST(a_broadcast_over_the_limit_of_policy_block_closes),
        TEST(an_empty_queue_takes_a_message_above_every_limit),
        TEST(the_time_over_the_soft_limit_begins_at_nothing),
        TEST(a_queue_that_stays_over_its_soft_limit_runs_out_of_time),
        TEST(a_client_that_does_not_take_its_answers_is_not_read),
        TEST(a_parked_sender_goes_on_when_the_client_reads),
        TEST(a_parked_sender_goes_on_though_the_queue_was_never_over_its_soft_limit),
        TEST(a_sender_parks_once_for_each_time_the_queue_gets_shorter),
        TEST(a_parked_sender_learns_that_the_client_is_gone),
        TEST(a_parked_sender_can_be_killed),
        TEST(a_kick_that_comes_of_flushing_does_not_wait_for_the_next_event),
        TEST(what_is_said_when_a_client_is_buried_leaves_at_once),
        TEST(a_kicked_connection_that_closes_is_buried_once),
        TEST(the_timer_fires_once_and_not_before_its_time),
        TEST(finish_sends_what_waits_then_ends_the_stream),
        TEST(a_client_that_never_ends_is_left_after_a_while),
        TEST(finish_of_a_client_that_has_ended_its_side_sends_the_rest),
        TEST(cut_keeps_what_is_half_sent),
        TEST(a_detached_socket_lives_on_without_its_connection),
        TEST(an_adopted_socket_is_not_accepted_once_more),
        TEST(who_waits_for_an_empty_queue_is_kicked_when_it_is),
        TEST(closing_while_bytes_are_handled_is_safe),
        TEST(a_closed_connection_says_so_and_takes_nothing),
        TEST(the_peer_of_a_closed_connection_is_not_that_of_its_successor),
        TEST(draining_reaches_each_though_some_close_meanwhile),
        TEST(bytes_and_connections_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
