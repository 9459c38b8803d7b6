/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include "bus/record.h"

static region shared;
static unsigned row_a, row_b;
static bus *a, *b;

static int open_bus(void **state)
{
    (void)state;
    host_open(&shared);
    row_a = host_row(&shared);
    row_b = host_row(&shared);
    a = host_join(&shared, row_a);
    b = host_join(&shared, row_b);
    return a && b ? 0 : -1;
}

static int close_bus(void **state)
{
    (void)state;
    bus_close(a);
    bus_close(b);
    region_close(&shared);
    return 0;
}

static uint64_t gaps_of(unsigned index)
{
    return atomic_load(&shared.rows[index].gaps);
}

static void what_one_publishes_all_read_in_order(void **state)
{
    (void)state;
    assert_int_equal(host_say(a, "one"), HUB_OK);
    assert_int_equal(host_say(b, "two"), HUB_OK);
    assert_int_equal(host_say(a, "three"), HUB_OK);
    bus *readers[] = {a, b};
    for (int i = 0; i < 2; i++) {
        host_expect(readers[i], "one");
        host_expect(readers[i], "two");
        host_expect(readers[i], "three");
        host_expect_outcome(readers[i], BUS_NOTHING);
    }
}

static void a_record_is_what_its_publisher_gave(void **state)
{
    (void)state;
    hub_bytes rooms[] = {hub_text("r1"), hub_bytes_of("a\0b", 3)}, except[] = {hub_text("x")};
    bus_message message = {.kind = 300,
                           .flags = 2,
                           .hole = 9,
                           .name_space = hub_text("/ns"),
                           .rooms = rooms,
                           .room_count = 2,
                           .except = except,
                           .except_count = 1,
                           .sender = 5,
                           .target = 6,
                           .collector = 7};
    struct iovec parts[] = {{(void *)(uintptr_t) "head|", 5}, {NULL, 0}, {(void *)(uintptr_t) "tail", 4}};
    uint64_t position = 0;
    assert_int_equal(bus_publish(a, &message, parts, 3, &position), HUB_OK);

    bus_record record;
    assert_int_equal(bus_peek(b, &record), BUS_RECORD);
    assert_int_equal(record.position, position);
    assert_int_equal(record.origin, row_incarnation(atomic_load(&shared.rows[row_a].word)));
    assert_int_equal(record.message.kind, 300);
    assert_int_equal(record.message.flags, 2);
    assert_int_equal(record.message.hole, 9);
    assert_true(hub_equal(record.message.name_space, hub_text("/ns")));
    assert_int_equal(record.message.room_count, 2);
    assert_true(hub_equal(record.message.rooms[1], rooms[1]));
    assert_int_equal(record.message.except_count, 1);
    assert_true(hub_equal(record.message.except[0], except[0]));
    assert_int_equal(record.message.sender, 5);
    assert_int_equal(record.message.target, 6);
    assert_int_equal(record.message.collector, 7);
    assert_int_equal(record.body_length, 9);
    char body[9];
    assert_int_equal(bus_take(b, body), HUB_OK);
    assert_memory_equal(body, "head|tail", 9);
}

static void a_record_may_be_empty(void **state)
{
    (void)state;
    bus_message message = {.kind = 1};
    bus_record record;
    assert_int_equal(bus_publish(a, &message, NULL, 0, NULL), HUB_OK);
    assert_int_equal(bus_peek(b, &record), BUS_RECORD);
    assert_int_equal(record.body_length, 0);
    assert_int_equal(bus_take(b, NULL), HUB_OK);
    host_expect_outcome(b, BUS_NOTHING);
}

static void peeking_again_gives_the_same_record(void **state)
{
    (void)state;
    host_say(a, "one");
    host_expect_outcome(b, BUS_RECORD);
    host_expect(b, "one");
    char byte;
    assert_int_equal(bus_take(b, &byte), HUB_ESTATE);
    bus_skip(b);
    host_expect_outcome(b, BUS_NOTHING);
}

static void a_reader_starts_where_the_log_ends(void **state)
{
    (void)state;
    host_say(a, "before");
    bus *late = host_bus(&shared);
    host_say(a, "after");
    host_expect(late, "after");
    bus_close(late);
}

static void records_of_all_lengths_pass_around_the_ring(void **state)
{
    (void)state;
    static char body[40000], got[40000];
    uint64_t random = 3;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)host_random(&random);
    uint64_t goal = bus_end(a) + 20 * HOST_RING;
    while (bus_end(a) < goal) {
        size_t length = host_random(&random) % (host_random(&random) % 4 ? 600 : sizeof body);
        bus_record record;
        assert_int_equal(host_publish(a, "lobby", body, length, NULL), HUB_OK);
        assert_int_equal(bus_peek(b, &record), BUS_RECORD);
        assert_int_equal(record.body_length, length);
        assert_int_equal(bus_take(b, got), HUB_OK);
        assert_memory_equal(got, body, length);
        assert_int_equal(host_drain(a), 1);
    }
    assert_int_equal(gaps_of(row_b), 0);
}

static void a_record_above_a_quarter_of_the_log_is_too_big(void **state)
{
    (void)state;
    char *body = calloc(1, HOST_LOG / 4);
    assert_int_equal(host_publish(a, "lobby", body, HOST_LOG / 4, NULL), HUB_ETOOBIG);
    assert_int_equal(host_publish(a, "lobby", body, HOST_LOG / 4 - 128, NULL), HUB_OK);
    free(body);
}

static void wrong_messages_are_refused_and_leave_nothing_in_the_log(void **state)
{
    (void)state;
    char name[BUS_NAME_MAX + 1] = {0};
    hub_bytes rooms[BUS_ROOMS_MAX + 1];
    for (int i = 0; i <= BUS_ROOMS_MAX; i++)
        rooms[i] = hub_text("r");
    uint64_t end = bus_end(a);
    bus_message message = {.rooms = rooms, .room_count = BUS_ROOMS_MAX + 1};
    assert_int_equal(bus_publish(a, &message, NULL, 0, NULL), HUB_EINVAL);
    rooms[0] = hub_bytes_of(NULL, 0);
    message.room_count = 1;
    assert_int_equal(bus_publish(a, &message, NULL, 0, NULL), HUB_EINVAL);
    rooms[0] = hub_bytes_of(name, sizeof name);
    assert_int_equal(bus_publish(a, &message, NULL, 0, NULL), HUB_ETOOBIG);
    assert_int_equal(bus_end(a), end);
}

static void opening_needs_a_row_that_boots_or_is_ready_and_reads_nothing(void **state)
{
    (void)state;
    bus *other = NULL;
    error why = {HUB_OK, ""};
    assert_int_equal(bus_open(&other, &shared, REGION_ROWS, &why), HUB_EINVAL);
    assert_int_equal(bus_open(&other, &shared, row_a, &why), HUB_ESTATE);
    assert_int_equal(bus_open(&other, &shared, row_b + 1, &why), HUB_ESTATE);
    unsigned index = host_row(&shared);
    assert_true(row_change(&shared.rows[index], atomic_load(&shared.rows[index].word), ROW_READY));
    assert_int_equal(bus_open(&other, &shared, index, &why), HUB_OK);
    bus_close(other);
    assert_int_equal(bus_open(&other, &shared, index, &why), HUB_OK);
    bus_close(other);
}

static void a_swept_incarnation_cannot_publish(void **state)
{
    (void)state;
    region_sweep_row(&shared, row_a);
    assert_int_equal(host_say(a, "ghost"), HUB_ECLOSED);
    assert_int_equal(host_row(&shared), row_a); /* its successor */
    assert_int_equal(host_say(a, "ghost"), HUB_ECLOSED);
    host_expect_outcome(b, BUS_NOTHING);
}

static void closing_after_a_sweep_takes_nothing_from_the_successor(void **state)
{
    (void)state;
    uint64_t rings, hash = bus_room_hash(a, hub_text("/"), hub_text("lobby"));
    bus_interest_add(a, hash);
    region_sweep_row(&shared, row_a);
    assert_int_equal(host_row(&shared), row_a);
    bus *successor = host_join(&shared, row_a);
    bus_interest_add(successor, hash);
    bus_close(a);
    a = successor;
    assert_false(bus_doze(a));
    assert_int_equal(host_say(b, "x"), HUB_OK);
    assert_int_equal(read(bus_doorbell(a), &rings, sizeof rings), sizeof rings);
    host_expect(a, "x");
}

static void a_closed_reader_holds_nothing_up(void **state)
{
    (void)state;
    bus *other = host_bus(&shared);
    bus_close(other);
    for (uint64_t goal = bus_end(a) + 2 * HOST_RING; bus_end(a) < goal;) {
        assert_int_equal(host_say(a, "on"), HUB_OK);
        host_drain(a);
        host_drain(b);
    }
}

/* Publishes by a, which keeps up, until the log is full. */
static unsigned fill_up(void)
{
    unsigned count = 0;
    while (host_say(a, "filling") == HUB_OK) {
        host_drain(a);
        count++;
    }
    return count;
}

static void a_full_ring_asks_to_wait_and_names_the_laggard(void **state)
{
    (void)state;
    assert_int_equal(bus_laggard(a), -1);
    assert_true(fill_up() > 1000);
    assert_int_equal(host_say(a, "more"), HUB_EAGAIN);
    assert_int_equal(bus_laggard(a), (int)row_b);
    assert_true(host_drain(b) > 1000);
    assert_int_equal(host_say(a, "more"), HUB_OK);
    assert_int_equal(gaps_of(row_b), 0);
}

static void a_full_ring_evicts_the_laggard(void **state)
{
    (void)state;
    fill_up();
    assert_int_equal(bus_evict_laggards(a), 1);
    assert_int_equal(host_say(a, "goes on"), HUB_OK);
    assert_true(bus_pending(b));
    host_expect_outcome(b, BUS_GAP);
    assert_int_equal(gaps_of(row_b), 1);
    assert_true(atomic_load(&shared.rows[row_b].gap_cells) >= HOST_RING);
    host_expect_outcome(b, BUS_NOTHING);
    host_say(a, "after the gap");
    host_expect(b, "after the gap");
    assert_int_equal(gaps_of(row_b), 1);
}

static void a_reader_evicted_while_it_reads_uses_nothing_of_the_record(void **state)
{
    (void)state;
    host_say(a, "precious");
    host_expect_outcome(b, BUS_RECORD);
    fill_up();
    assert_int_equal(bus_evict_laggards(a), 1);
    char text[64];
    assert_int_equal(bus_take(b, text), HUB_EPROTO);
    assert_int_equal(gaps_of(row_b), 1);
    host_say(a, "next");
    host_expect(b, "next");
}

static void a_reader_evicted_while_it_skips_reads_a_gap(void **state)
{
    (void)state;
    host_say(a, "precious");
    host_expect_outcome(b, BUS_RECORD);
    fill_up();
    assert_int_equal(bus_evict_laggards(a), 1);
    bus_skip(b);
    host_expect_outcome(b, BUS_GAP);
    assert_int_equal(gaps_of(row_b), 1);
}

static void an_evicted_publisher_publishes_and_reads_a_gap(void **state)
{
    (void)state;
    fill_up();
    assert_int_equal(bus_evict_laggards(a), 1);
    assert_int_equal(host_say(b, "still here"), HUB_OK);
    host_expect(a, "still here");
    host_expect_outcome(b, BUS_GAP);
    host_expect(b, "still here");
}

static void a_publisher_that_does_not_read_must_drain_itself(void **state)
{
    (void)state;
    hub_status status;
    while ((status = host_say(a, "x")) == HUB_OK)
        host_drain(b);
    assert_int_equal(status, HUB_EAGAIN);
    assert_int_equal(bus_laggard(a), (int)row_a);
    assert_int_equal(bus_evict_laggards(a), 0);
    host_drain(a);
    assert_int_equal(host_say(a, "x"), HUB_OK);
}

static void what_is_for_rooms_of_no_interest_is_not_wanted(void **state)
{
    (void)state;
    uint64_t hash = bus_room_hash(b, hub_text("/"), hub_text("lobby"));
    bus_record record;
    host_say(a, "one");
    assert_int_equal(bus_peek(b, &record), BUS_RECORD);
    assert_false(record.wanted);
    bus_interest_add(b, hash);
    assert_int_equal(bus_peek(b, &record), BUS_RECORD);
    assert_true(record.wanted);
    bus_interest_drop(b, hash);
    assert_int_equal(bus_peek(b, &record), BUS_RECORD);
    assert_false(record.wanted);
}

static void a_record_without_rooms_is_for_the_name_space(void **state)
{
    (void)state;
    bus_message message = {.name_space = hub_text("/chat")};
    bus_record record;
    bus_publish(a, &message, NULL, 0, NULL);
    assert_int_equal(bus_peek(b, &record), BUS_RECORD);
    assert_false(record.wanted);
    bus_interest_add(b, bus_room_hash(b, hub_text("/chat"), hub_bytes_of(NULL, 0)));
    assert_int_equal(bus_peek(b, &record), BUS_RECORD);
    assert_true(record.wanted);
}

static void a_record_for_one_client_is_wanted_by_all(void **state)
{
    (void)state;
    bus_message message = {.name_space = hub_text("/"), .target = 9};
    bus_record record;
    bus_publish(a, &message, NULL, 0, NULL);
    assert_int_equal(bus_peek(b, &record), BUS_RECORD);
    assert_true(record.wanted);
}

static void room_hashes_keep_name_space_and_room_apart(void **state)
{
    (void)state;
    uint64_t hash = bus_room_hash(a, hub_text("ab"), hub_text("c"));
    assert_true(hash == bus_room_hash(b, hub_text("ab"), hub_text("c")));
    assert_true(hash != bus_room_hash(a, hub_text("a"), hub_text("bc")));
    assert_true(hash != bus_room_hash(a, hub_text("c"), hub_text("ab")));
    assert_true(bus_room_hash(a, hub_text(""), hub_text("a")) !=
                bus_room_hash(a, hub_text("a"), hub_text("")));
}

/* Position of the record that a link of the next record points to. */
static uint64_t previous_of(bus *by, size_t link)
{
    bus_record record;
    assert_int_equal(bus_peek(by, &record), BUS_RECORD);
    /* links lie behind the header in the cells */
    region_layout layout = region_layout_of(HOST_LOG);
    const unsigned char *cell =
        (unsigned char *)shared.header + layout.cells + record.position % HOST_RING * REGION_CELL;
    record_link found;
    memcpy(&found, cell + sizeof(record_header) + link * sizeof found, sizeof found);
    return found.previous;
}

static void records_of_a_room_link_back(void **state)
{
    (void)state;
    uint64_t first, second, other;
    assert_int_equal(host_publish(a, "lobby", "1", 1, &first), HUB_OK);
    assert_int_equal(host_publish(a, "other", "2", 1, &other), HUB_OK);
    assert_int_equal(host_publish(b, "lobby", "3", 1, &second), HUB_OK);
    assert_int_equal(previous_of(a, 0), 0);
    bus_skip(a);
    assert_int_equal(previous_of(a, 0), 0);
    bus_skip(a);
    assert_int_equal(previous_of(a, 0), first);
}

static void a_room_named_twice_does_not_link_to_itself(void **state)
{
    (void)state;
    uint64_t first;
    hub_bytes rooms[] = {hub_text("lobby"), hub_text("lobby")};
    bus_message message = {.name_space = hub_text("/"), .rooms = rooms, .room_count = 2};
    assert_int_equal(host_publish(a, "lobby", "1", 1, &first), HUB_OK);
    assert_int_equal(bus_publish(a, &message, NULL, 0, NULL), HUB_OK);
    host_expect(a, "1");
    assert_int_equal(previous_of(a, 0), first);
    assert_int_equal(previous_of(a, 1), first);
}

/* The hook aborts the record that is being written, once, as a reader that lost patience would. */
static bool give_up_armed;
static void give_up_once(hostlog_step step)
{
    if (step != HOSTLOG_STEP_HEADER || !give_up_armed)
        return;
    give_up_armed = false;
    hostlog log;
    hostlog_open(&log, &shared, row_b);
    uint64_t position = atomic_load(&shared.rows[row_a].writing);
    hostlog_give_up(&log, position, hostlog_look(&log, position), false);
}

static void a_record_that_was_given_up_is_published_again_once(void **state)
{
    (void)state;
    uint64_t before, position;
    host_publish(a, "lobby", "0", 1, &before);
    host_drain(b);
    give_up_armed = true;
    hostlog_on_step = give_up_once;
    assert_int_equal(host_publish(a, "lobby", "once", 4, &position), HUB_OK);
    hostlog_on_step = NULL;
    assert_false(give_up_armed);
    assert_int_equal(previous_of(b, 0), before); /* not the attempt that failed */
    host_expect(b, "once");
    host_expect_outcome(b, BUS_NOTHING);
    assert_int_equal(gaps_of(row_b), 0);
}

#define BUS_TEST(test) cmocka_unit_test_setup_teardown(test, open_bus, close_bus)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(what_one_publishes_all_read_in_order),
        BUS_TEST(a_record_is_what_its_publisher_gave),
        BUS_TEST(a_record_may_be_empty),
        BUS_TEST(peeking_again_gives_the_same_record),
        BUS_TEST(a_reader_starts_where_the_log_ends),
        BUS_TEST(records_of_all_lengths_pass_around_the_ring),
        BUS_TEST(a_record_above_a_quarter_of_the_log_is_too_big),
        BUS_TEST(wrong_messages_are_refused_and_leave_nothing_in_the_log),
        BUS_TEST(opening_needs_a_row_that_boots_or_is_ready_and_reads_nothing),
        BUS_TEST(a_swept_incarnation_cannot_publish),
        BUS_TEST(closing_after_a_sweep_takes_nothing_from_the_successor),
        BUS_TEST(a_closed_reader_holds_nothing_up),
        BUS_TEST(a_full_ring_asks_to_wait_and_names_the_laggard),
        BUS_TEST(a_full_ring_evicts_the_laggard),
        BUS_TEST(a_reader_evicted_while_it_reads_uses_nothing_of_the_record),
        BUS_TEST(a_reader_evicted_while_it_skips_reads_a_gap),
        BUS_TEST(an_evicted_publisher_publishes_and_reads_a_gap),
        BUS_TEST(a_publisher_that_does_not_read_must_drain_itself),
        BUS_TEST(what_is_for_rooms_of_no_interest_is_not_wanted),
        BUS_TEST(a_record_without_rooms_is_for_the_name_space),
        BUS_TEST(a_record_for_one_client_is_wanted_by_all),
        BUS_TEST(room_hashes_keep_name_space_and_room_apart),
        BUS_TEST(records_of_a_room_link_back),
        BUS_TEST(a_room_named_twice_does_not_link_to_itself),
        BUS_TEST(a_record_that_was_given_up_is_published_again_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
