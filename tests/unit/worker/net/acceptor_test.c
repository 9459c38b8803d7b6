/* SPDX-License-Identifier: Apache-2.0 */
#include "../harness.h"
#include "worker/net/acceptor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>

enum { CLIENTS = 40 };

static int listening = -1;
static struct sockaddr_in address;
static int clients[CLIENTS];
static unsigned accepted;
static acceptor_options options;
static row *peer; /* another worker's row, filled in by the test */

static void probe_on_bytes(connection *c, unsigned char *data, size_t length)
{
    (void)c, (void)data, (void)length;
}

static void probe_nothing(connection *c)
{
    (void)c;
}

static const protocol probe_protocol = {
    .name = "probe",
    .on_bytes = probe_on_bytes,
    .on_end = connection_close,
    .on_timer = probe_nothing,
    .on_overflow = connection_close,
    .on_drain = connection_close,
    .on_gone = probe_nothing,
};

static void on_accepted(int fd, void *arg)
{
    connection *c;
    assert_ptr_equal(arg, &accepted);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(connection_new(&c, fd, &transport_plain, &probe_protocol, NULL, NULL), HUB_OK);
    accepted++;
}

static int setup(void **state)
{
    int result = world_open(state);
    socklen_t length = sizeof address;
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(listening >= 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listening, 128), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &length), 0);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = -1;
    accepted = 0;
    unsigned index;
    assert_int_equal(region_claim_row(&world.shared, 1, 1, &index), HUB_OK);
    peer = &world.shared.rows[index];
    assert_true(row_change(world_row(), atomic_load(&world_row()->word), ROW_READY));
    loop_publish_turns(&world_row()->turns);
    options = (acceptor_options){.region = &world.shared,
                                 .row = world.row,
                                 .connections = 1000,
                                 .accepted = on_accepted,
                                 .arg = &accepted};
    return result;
}

static int teardown(void **state)
{
    acceptor_close();
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i] >= 0)
            close(clients[i]);
    close(listening);
    return world_close(state);
}

static void open_acceptor(void)
{
    acceptor_listener listener = {.fd = listening, .name = "test"};
    assert_int_equal(acceptor_open(&options, &listener, 1, NULL), HUB_OK);
}

static void connect_clients(int from, int to)
{
    for (int i = from; i < to; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(clients[i] >= 0);
        if (connect(clients[i], (struct sockaddr *)&address, sizeof address) < 0)
            assert_int_equal(errno, EINPROGRESS);
    }
}

static bool so_many_accepted(void *arg)
{
    return accepted >= *(unsigned *)arg;
}

static bool accepts(unsigned count)
{
    return world_until(so_many_accepted, &count);
}

static void turn_for(double seconds)
{
    uint64_t until = clock_monotonic_ns() + (uint64_t)(seconds * 1e9);
    while (clock_monotonic_ns() < until)
        world_turn(1);
}

static void make_peer(row_state to, uint32_t connections)
{
    atomic_store(&peer->connections, connections);
    atomic_store(&peer->accepting, 1);
    if (to == ROW_READY)
        assert_true(row_change(peer, atomic_load(&peer->word), ROW_READY));
}

static void a_worker_may_accept_up_to_a_little_above_the_mean(void **state)
{
    (void)state;
    assert_true(acceptor_may(0, 0, 1));
    assert_true(acceptor_may(1000000, 1000000, 1));
    assert_true(acceptor_may(10, 20, 2));
    assert_true(acceptor_may(12, 20, 2));
    assert_false(acceptor_may(13, 20, 2));
    assert_true(acceptor_may(1031, 2000, 2));
    assert_false(acceptor_may(1034, 2000, 2));
    assert_true(acceptor_may(5, 5, 0));
}

static void there_is_always_one_who_may_accept(void **state)
{
    (void)state;
    for (uint32_t a = 0; a < 60; a++)
        for (uint32_t b = 0; b < 60; b++)
            for (uint32_t c = 0; c < 60; c++) {
                uint64_t total = (uint64_t)a + b + c;
                assert_true(acceptor_may(a, total, 3) || acceptor_may(b, total, 3) ||
                            acceptor_may(c, total, 3));
            }
}

static void one_worker_accepts_everybody(void **state)
{
    (void)state;
    atomic_store(&peer->booted_ns, 0); /* long enough ago to be nobody's concern */
    open_acceptor();
    connect_clients(0, CLIENTS);
    assert_true(accepts(CLIENTS));
    assert_int_equal(atomic_load(&world_row()->accepting), 1);
}

static void the_limit_on_connections_is_kept_and_left_again(void **state)
{
    (void)state;
    atomic_store(&peer->booted_ns, 0); /* long enough ago to be nobody's concern */
    options.connections = 5;
    open_acceptor();
    connect_clients(0, 8);
    assert_true(accepts(5));
    turn_for(0.1);
    assert_int_equal(accepted, 5);
    assert_int_equal(atomic_load(&world_row()->accepting), 0);
    connections_abort();
    assert_true(accepts(8));
}

static void above_its_share_it_leaves_clients_to_another_that_turns(void **state)
{
    (void)state;
    make_peer(ROW_READY, 0);
    open_acceptor();
    connect_clients(0, CLIENTS);
    assert_true(accepts(3));
    uint64_t until = clock_monotonic_ns() + CLOCK_NS_PER_S / 5;
    while (clock_monotonic_ns() < until) {
        atomic_fetch_add(&peer->turns, 1);
        world_turn(1);
    }
    unsigned now = accepted;
    assert_true(now < 10);
    /* The other takes his: so this one goes on up to the mean. */
    atomic_store(&peer->connections, 10);
    until = clock_monotonic_ns() + CLOCK_NS_PER_S / 5;
    while (clock_monotonic_ns() < until) {
        atomic_fetch_add(&peer->turns, 1);
        world_turn(1);
    }
    assert_true(accepted >= 10 && accepted <= 16);
}

static void one_that_does_not_turn_stops_nobody(void **state)
{
    (void)state;
    make_peer(ROW_READY, 0);
    open_acceptor();
    connect_clients(0, CLIENTS);
    uint64_t from = clock_monotonic_ns();
    assert_true(accepts(CLIENTS));
    assert_true(clock_monotonic_ns() - from < CLOCK_NS_PER_S / 2);
}

static void one_that_boots_is_waited_for_only_so_long(void **state)
{
    (void)state;
    make_peer(ROW_BOOTING, 0);
    atomic_store(&peer->booted_ns, clock_monotonic_ns());
    open_acceptor();
    connect_clients(0, CLIENTS);
    turn_for(0.1);
    assert_true(accepted < 10);
    assert_true(accepts(CLIENTS));
}

static void one_that_boots_where_another_serves_is_not_waited_for(void **state)
{
    (void)state;
    unsigned index;
    uint16_t slot = row_slot(atomic_load(&world_row()->word));
    atomic_store(&peer->booted_ns, 0);
    assert_int_equal(region_claim_row(&world.shared, slot, 2, &index), HUB_OK);
    open_acceptor();
    connect_clients(0, CLIENTS);
    /* Kept young, so that only its slot can be the reason. */
    uint64_t until = clock_monotonic_ns() + 5 * CLOCK_NS_PER_S;
    while (accepted < CLIENTS && clock_monotonic_ns() < until) {
        atomic_store(&world.shared.rows[index].booted_ns, clock_monotonic_ns());
        world_turn(1);
    }
    assert_int_equal(accepted, CLIENTS);
}

static void a_worker_that_came_later_gets_its_share(void **state)
{
    (void)state;
    atomic_store(&peer->booted_ns, 0);
    open_acceptor();
    connect_clients(0, 10);
    assert_true(accepts(10));
    make_peer(ROW_READY, 0);
    turn_for(0.05); /* who accepts is looked at now and then */
    connect_clients(10, CLIENTS);
    uint64_t until = clock_monotonic_ns() + CLOCK_NS_PER_S / 5;
    while (clock_monotonic_ns() < until) {
        atomic_fetch_add(&peer->turns, 1);
        world_turn(1);
    }
    assert_true(accepted < 20);
}

static void those_that_do_not_accept_have_no_share(void **state)
{
    (void)state;
    make_peer(ROW_READY, 0);
    atomic_store(&peer->accepting, 0);
    open_acceptor();
    connect_clients(0, CLIENTS);
    assert_true(accepts(CLIENTS));
}

static bool does_not_accept(void *arg)
{
    (void)arg;
    return atomic_load(&world_row()->accepting) == 0;
}

static void without_descriptors_it_tries_again_in_a_moment(void **state)
{
    (void)state;
    atomic_store(&peer->booted_ns, 0); /* long enough ago to be nobody's concern */
    open_acceptor();
    connect_clients(0, 3);
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool looked_away = world_until(does_not_accept, NULL);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_true(looked_away);
    assert_int_equal(accepted, 0);
    assert_true(accepts(3));
    assert_int_equal(atomic_load(&world_row()->accepting), 1);
}

static void a_closed_acceptor_leaves_the_socket_to_others(void **state)
{
    (void)state;
    atomic_store(&peer->booted_ns, 0); /* long enough ago to be nobody's concern */
    open_acceptor();
    acceptor_close();
    acceptor_close();
    connect_clients(0, 1);
    turn_for(0.05);
    assert_int_equal(accepted, 0);
    assert_int_equal(atomic_load(&world_row()->accepting), 0);
    int fd = accept(listening, NULL, NULL);
    assert_true(fd >= 0);
    close(fd);
}

static void it_opens_once_and_with_a_bounded_number_of_listeners(void **state)
{
    (void)state;
    acceptor_listener many[ACCEPTOR_LISTENERS_MAX + 1] = {{.fd = listening, .name = "test"}};
    error why;
    assert_int_equal(acceptor_open(&options, many, ACCEPTOR_LISTENERS_MAX + 1, &why), HUB_EFULL);
    open_acceptor();
    assert_int_equal(acceptor_open(&options, many, 1, &why), HUB_ESTATE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_worker_may_accept_up_to_a_little_above_the_mean),
        TEST(there_is_always_one_who_may_accept),
        TEST(one_worker_accepts_everybody),
        TEST(the_limit_on_connections_is_kept_and_left_again),
        TEST(above_its_share_it_leaves_clients_to_another_that_turns),
        TEST(one_that_does_not_turn_stops_nobody),
        TEST(one_that_boots_is_waited_for_only_so_long),
        TEST(one_that_boots_where_another_serves_is_not_waited_for),
        TEST(a_worker_that_came_later_gets_its_share),
        TEST(those_that_do_not_accept_have_no_share),
        TEST(without_descriptors_it_tries_again_in_a_moment),
        TEST(a_closed_acceptor_leaves_the_socket_to_others),
        TEST(it_opens_once_and_with_a_bounded_number_of_listeners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
