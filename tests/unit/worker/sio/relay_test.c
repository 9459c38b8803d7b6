/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/relay.h"

#include "../server.h"
#include "common/log.h"
#include "worker/net/post.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/*
 * This worker, and another one of the host: at first only its mailbox, which the test reads; in one test a
 * process. "/owner" is for the other one, or for nobody, as `owner` says.
 */
static struct seen {
    uint32_t owner;
    unsigned served, relayed;
} seen;

static unsigned other_row;
static mailbox *other;

static uint32_t low_of(unsigned index)
{
    return row_incarnation(atomic_load(&world.shared.rows[index].word)) & 0xffff;
}

static bool claim(hub_http *http, void *arg)
{
    (void)arg;
    if (!relay_to_owner(http, seen.owner))
        return false;
    seen.relayed++;
    return true;
}

/* As the owner does, or as whoever does not know the session. */
static void serve(hub_http *http, void *arg)
{
    (void)arg;
    char text[64];
    seen.served++;
    int length =
        snprintf(text, sizeof text, "row %u of %d bytes", world.row, (int)hub_http_body(http).length);
    hub_http_reply(http, seen.owner == low_of(world.row) ? 200 : 400, NULL,
                   hub_bytes_of(text, (size_t)length));
}

static hub_status hello(hub_http *http, void *arg)
{
    (void)arg;
    return hub_http_reply(http, 200, NULL, hub_text("hello"));
}

static void routes(void)
{
    http_route *to = serve_http("*", "/owner", NULL, NULL);
    to->serve = serve;
    to->claim = claim;
    serve_http("GET", "/hello", hello, NULL);
}

static void open_post(void)
{
    assert_int_equal(post_open(&world.shared, world.row, NULL), HUB_OK);
    assert_int_equal(relay_open(NULL), HUB_OK);
    post_start();
}

static int setup(void **state)
{
    (void)state;
    seen = (struct seen){0};
    serve_open_with(0);
    routes();
    assert_int_equal(region_claim_row(&world.shared, 1, 1, &other_row), HUB_OK);
    assert_int_equal(mailbox_open(&other, &world.shared, other_row, NULL), HUB_OK);
    seen.owner = low_of(other_row);
    open_post();
    return 0;
}

static int teardown(void **state)
{
    mailbox_close(other);
    post_close();
    return serve_close(state);
}

static const char request[] = "POST /owner HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nthe body";

static bool other_has_letters(void *arg)
{
    (void)arg;
    return mailbox_has_letters(&world.shared, other_row);
}

static void expect_letter(letter *got)
{
    assert_true(world_until(other_has_letters, NULL));
    assert_int_equal(mailbox_receive(other, got), HUB_OK);
    assert_int_equal(got->kind, POST_REQUEST);
    assert_true(got->fd >= 0);
}

/* Puts what the other worker has got into this one's mailbox, as if it were the owner. */
static void send_on(letter *got)
{
    mailbox_address self = {world.row, row_incarnation(atomic_load(&world_row()->word))};
    struct iovec part = {(void *)(uintptr_t)got->bytes.data, got->bytes.length};
    assert_int_equal(mailbox_send(&world.shared, self, 1, POST_REQUEST, &part, 1, got->fd), HUB_OK);
    letter_close(got);
}

/* So that a relayed request waits in this worker; how many letters lie in the mailbox. */
static void fill_other(void)
{
    char text[1000] = {0};
    struct iovec part = {text, sizeof text};
    while (post_count().waiting == 0)
        assert_int_equal(post_send(seen.owner, POST_REQUEST, &part, 1, -1), HUB_OK);
}

static bool nobody_is_here(void *arg)
{
    (void)arg;
    return connections_count() == 0;
}

static void a_request_of_another_worker_goes_there_with_its_socket(void **state)
{
    (void)state;
    static client c;
    letter got;
    visit(&c);
    client_say(&c, request);
    expect_letter(&got);
    assert_int_equal(connections_count(), 0);
    assert_true(memmem(got.bytes.data, got.bytes.length, request, strlen(request)) != NULL);
    assert_int_equal(send(got.fd, "from there", 10, 0), 10);
    letter_close(&got);
    assert_true(client_wait_end(&c));
    assert_string_equal(client_text(&c), "from there");
    assert_int_equal(relay_count().handed, 1);
    assert_int_equal(seen.served, 0);
    client_close(&c);
}

static void the_owner_answers_and_keeps_the_connection(void **state)
{
    (void)state;
    static client c;
    letter got;
    visit(&c);
    client_say(&c, request);
    expect_letter(&got);
    seen.owner = low_of(world.row);
    send_on(&got);
    expect_times(&c, "HTTP/1.1 200 ", 1);
    assert_non_null(strstr(client_text(&c), "of 8 bytes"));
    client_say(&c, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_times(&c, "hello", 1);
    assert_int_equal(relay_count().taken, 1);
    client_close(&c);
}

static void what_a_proxy_said_of_the_client_goes_too(void **state)
{
    (void)state;
    static client c;
    letter got;
    connection *first = http_start(client_open(&c), &transport_plain);
    assert_int_equal(connection_set_peer(first, "192.0.2.7:51000"), HUB_OK);
    client_say(&c, request);
    expect_letter(&got);
    assert_true(memmem(got.bytes.data, got.bytes.length, "192.0.2.7:51000", 15) != NULL);
    seen.owner = low_of(world.row);
    send_on(&got);
    expect_times(&c, "HTTP/1.1 200 ", 1);
    client_close(&c);
}

static void an_incarnation_that_is_gone_or_this_one_is_not_relayed_to(void **state)
{
    (void)state;
    static client c;
    visit(&c);
    seen.owner = 0x7777;
    client_say(&c, request);
    expect_times(&c, "HTTP/1.1 400 ", 1);
    seen.owner = low_of(world.row);
    client_say(&c, request);
    expect_times(&c, "HTTP/1.1 200 ", 1);
    assert_int_equal(seen.relayed, 0);
    client_close(&c);
}

static void a_request_whose_owner_ended_on_the_way_is_answered_where_its_letter_comes(void **state)
{
    (void)state;
    static client c;
    visit(&c);
    client_say(&c, request);
    assert_true(world_until(other_has_letters, NULL));
    /* The master sweeps the row, and this worker, which serves, gets what it left. */
    assert_true(row_change(world_row(), atomic_load(&world_row()->word), ROW_READY));
    region_sweep_row(&world.shared, other_row);
    expect_times(&c, "HTTP/1.1 400 ", 1);
    assert_int_equal(seen.served, 1);
    assert_int_equal(seen.relayed, 1);
    assert_int_equal(region_claim_row(&world.shared, 1, 1, &other_row), HUB_OK);
    client_close(&c);
}

static bool request_waits(void *arg)
{
    return post_count().waiting >= *(unsigned *)arg;
}

static void a_request_that_waits_for_an_owner_who_ends_is_answered_here(void **state)
{
    (void)state;
    static client c;
    fill_other();
    visit(&c);
    client_say(&c, request);
    unsigned two = 2;
    assert_true(world_until(request_waits, &two));
    row *r = &world.shared.rows[other_row];
    assert_true(row_change(r, atomic_load(&r->word), ROW_ENDED));
    expect_times(&c, "HTTP/1.1 400 ", 1);
    assert_int_equal(relay_count().returned, 1);
    client_close(&c);
}

static void an_owner_without_room_is_answered_for_with_503(void **state)
{
    (void)state;
    static client c;
    char text[1000] = {0};
    struct iovec part = {text, sizeof text};
    fill_other();
    while (post_send(seen.owner, POST_REQUEST, &part, 1, -1) == HUB_OK)
        ;
    log_set_level(HUB_CRITICAL);
    visit(&c);
    client_say(&c, request);
    expect_times(&c, "HTTP/1.1 503 ", 1);
    assert_non_null(strstr(client_text(&c), "\r\nRetry-After: 1\r\n"));
    assert_non_null(strstr(client_text(&c), "\r\nConnection: close\r\n"));
    client_say(&c, "more of it");
    assert_true(client_wait_end(&c));
    assert_false(c.cut); /* it read its answer to the end */
    log_set_level(HUB_INFO);
    assert_int_equal(relay_count().refused, 1);
    client_close(&c);
    assert_true(world_until(nobody_is_here, NULL));
}

static void letters_that_hold_no_request_are_dropped(void **state)
{
    (void)state;
    mailbox_address self = {world.row, row_incarnation(atomic_load(&world_row()->word))};
    const unsigned char peer_too_long[] = {1, 64, 'x'}, peer_cut[] = {1, 5, 'x'};
    struct iovec parts[] = {
        {NULL, 0}, {(void *)(uintptr_t)peer_too_long, 3}, {(void *)(uintptr_t)peer_cut, 3}};
    static client c;
    log_set_level(HUB_CRITICAL);
    for (int i = 0; i < 3; i++) {
        int fd = client_open(&c);
        assert_int_equal(mailbox_send(&world.shared, self, 1, POST_REQUEST, &parts[i], 1, fd), HUB_OK);
        close(fd);
        assert_true(client_wait_end(&c)); /* the last copy of its socket is closed */
        client_close(&c);
    }
    struct iovec head = {(void *)(uintptr_t) "\0\0GET", 5};
    assert_int_equal(mailbox_send(&world.shared, self, 1, POST_REQUEST, &head, 1, -1), HUB_OK);
    world_turn(3);
    log_set_level(HUB_INFO);
    assert_int_equal(relay_count().taken, 0);
    assert_int_equal(connections_count(), 0);
}

/* ---- two processes ---- */

static bool never(void *arg)
{
    (void)arg;
    return false;
}

/* What another process does wakes nobody here: the loop turns to look. */
static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
}

/* The other worker: a process with a loop of its own, in the same region. */
static pid_t fork_other(const region *shared, unsigned index)
{
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(60);
        serve_open_with(0); /* a region that is not used, then the one that is shared */
        routes();
        world.shared = *shared;
        world.row = index;
        seen.owner = low_of(index);
        open_post();
        if (write(ready[1], "r", 1) == 1)
            while (!world_until(never, NULL))
                ;
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void two_workers_share_the_connections_of_a_session(void **state)
{
    (void)state;
    region shared;
    unsigned own, others;
    static client clients[20];
    char text[32];
    seen = (struct seen){0};
    assert_int_equal(region_create(&shared, 1 << 20, NULL), HUB_OK);
    assert_int_equal(region_claim_row(&shared, 0, 1, &own), HUB_OK);
    assert_int_equal(region_claim_row(&shared, 1, 1, &others), HUB_OK);
    pid_t pid = fork_other(&shared, others);

    serve_open_with(0);
    routes();
    region unused = world.shared;
    unsigned unused_row = world.row;
    world.shared = shared;
    world.row = own;
    seen.owner = low_of(others);
    open_post();
    ev_timer tick;
    ev_timer_init(&tick, on_tick, 0.001, 0.001);
    ev_timer_start(loop_ev(), &tick);
    snprintf(text, sizeof text, "row %u of 8 bytes", others);
    for (int i = 0; i < 20; i++) {
        visit(&clients[i]);
        client_say(&clients[i], request);
    }
    for (int i = 0; i < 20; i++) {
        expect_times(&clients[i], text, 1);
        client_say(&clients[i], request); /* the connection is there now */
        expect_times(&clients[i], text, 2);
        client_close(&clients[i]);
    }
    assert_int_equal(relay_count().handed, 20);
    assert_int_equal(seen.served, 0);

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    ev_timer_stop(loop_ev(), &tick);
    post_close();
    region_close(&shared);
    world.shared = unused;
    world.row = unused_row;
    serve_close(state);
}

#define with_relay(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_relay(a_request_of_another_worker_goes_there_with_its_socket),
        with_relay(the_owner_answers_and_keeps_the_connection),
        with_relay(what_a_proxy_said_of_the_client_goes_too),
        with_relay(an_incarnation_that_is_gone_or_this_one_is_not_relayed_to),
        with_relay(a_request_whose_owner_ended_on_the_way_is_answered_where_its_letter_comes),
        with_relay(a_request_that_waits_for_an_owner_who_ends_is_answered_here),
        with_relay(an_owner_without_room_is_answered_for_with_503),
        with_relay(letters_that_hold_no_request_are_dropped),
        cmocka_unit_test(two_workers_share_the_connections_of_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
