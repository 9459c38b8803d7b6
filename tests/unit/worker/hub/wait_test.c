/* SPDX-License-Identifier: Apache-2.0 */
#include "hub_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

typedef struct watch {
    int fd, events;
    double timeout;
    hub_status status;
    int ready;
    bool done;
} watch;

static void wait_once(void *arg)
{
    watch *w = arg;
    w->ready = -1;
    w->status = hub_wait_fd(w->fd, w->events, w->timeout, &w->ready);
    w->done = true;
}

static watch watched(int fd, int events, double timeout)
{
    watch w = {.fd = fd, .events = events, .timeout = timeout, .status = HUB_EFAIL};
    spawn(wait_once, &w);
    run_all();
    assert_true(w.done);
    return w;
}

static int ends[2];

static int open_pair(void **state)
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? fixture_open(state) : -1;
}

static int close_pair(void **state)
{
    close(ends[0]);
    close(ends[1]);
    return fixture_close(state);
}

static void write_a_byte(void *arg)
{
    assert_int_equal(write(*(const int *)arg, "x", 1), 1);
}

static void what_arrives_wakes_a_reader(void **state)
{
    (void)state;
    watch w = {.fd = ends[0], .events = HUB_READ, .timeout = HUB_FOREVER};
    greenlet_start(NULL, "reader", wait_once, &w, NULL);
    assert_false(w.done);
    spawn(write_a_byte, &ends[1]);
    run_all();
    assert_int_equal(w.status, HUB_OK);
    assert_int_equal(w.ready, HUB_READ);
}

static void a_socket_with_room_is_ready_to_write(void **state)
{
    (void)state;
    watch w = watched(ends[0], HUB_WRITE, HUB_FOREVER);
    assert_int_equal(w.status, HUB_OK);
    assert_int_equal(w.ready, HUB_WRITE);
}

static void of_two_events_only_those_that_came_are_told(void **state)
{
    (void)state;
    assert_int_equal(watched(ends[0], HUB_READ | HUB_WRITE, HUB_FOREVER).ready, HUB_WRITE);
    write_a_byte(&ends[1]);
    assert_int_equal(watched(ends[0], HUB_READ | HUB_WRITE, HUB_FOREVER).ready, HUB_READ | HUB_WRITE);
}

static void a_peer_that_closed_is_ready_to_read(void **state)
{
    (void)state;
    shutdown(ends[1], SHUT_RDWR);
    assert_int_equal(watched(ends[0], HUB_READ, HUB_FOREVER).ready, HUB_READ);
    assert_int_equal(watched(ends[0], HUB_READ, 0).ready, HUB_READ);
}

static void a_quiet_descriptor_times_out(void **state)
{
    (void)state;
    double before = seconds_now();
    watch w = watched(ends[0], HUB_READ, 0.02);
    assert_int_equal(w.status, HUB_ETIMEDOUT);
    assert_int_equal(w.ready, 0);
    assert_true(seconds_now() - before >= 0.02);
}

static void no_timeout_looks_once(void **state)
{
    (void)state;
    assert_int_equal(watched(ends[0], HUB_READ, 0).status, HUB_ETIMEDOUT);
    write_a_byte(&ends[1]);
    assert_int_equal(watched(ends[0], HUB_READ, 0).status, HUB_OK);
    int ready;
    assert_int_equal(hub_wait_fd(ends[0], HUB_READ, 0, &ready), HUB_OK); /* in the hub too */
    assert_int_equal(ready, HUB_READ);
}

static void several_greenlets_may_wait_for_one_descriptor(void **state)
{
    (void)state;
    watch w[3] = {{.fd = ends[0], .events = HUB_READ, .timeout = HUB_FOREVER},
                  {.fd = ends[0], .events = HUB_READ, .timeout = HUB_FOREVER},
                  {.fd = ends[0], .events = HUB_WRITE, .timeout = HUB_FOREVER}};
    for (int i = 0; i < 3; i++)
        greenlet_start(NULL, "waiter", wait_once, &w[i], NULL);
    spawn(write_a_byte, &ends[1]);
    run_all();
    for (int i = 0; i < 3; i++)
        assert_int_equal(w[i].status, HUB_OK);
    assert_int_equal(w[2].ready, HUB_WRITE);
}

static void a_kill_ends_the_wait(void **state)
{
    (void)state;
    watch w = {.fd = ends[0], .events = HUB_READ, .timeout = HUB_FOREVER};
    greenlet *g;
    greenlet_start(&g, "reader", wait_once, &w, NULL);
    assert_int_equal(hub_kill(greenlet_id(g)), HUB_OK);
    run_all();
    assert_int_equal(w.status, HUB_ECANCELED);
    write_a_byte(&ends[1]); /* and nothing is left that it could wake */
    assert_int_equal(watched(ends[0], HUB_READ, HUB_FOREVER).status, HUB_OK);
}

static void a_regular_file_is_always_ready(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(watched(fileno(file), HUB_READ, HUB_FOREVER).ready, HUB_READ);
    assert_int_equal(watched(fileno(file), HUB_READ | HUB_WRITE, 5).ready, HUB_READ | HUB_WRITE);
    fclose(file);
}

static void a_closed_descriptor_is_refused(void **state)
{
    (void)state;
    int copy = dup(ends[0]);
    write_a_byte(&ends[1]);
    assert_int_equal(watched(copy, HUB_READ, HUB_FOREVER).status, HUB_OK);
    close(copy);
    assert_int_equal(watched(copy, HUB_READ, HUB_FOREVER).status, HUB_EINVAL);
    assert_int_equal(watched(copy, HUB_READ, 0).status, HUB_EINVAL);
}

static void a_number_that_was_never_open_is_refused(void **state)
{
    (void)state;
    assert_int_equal(watched(-1, HUB_READ, HUB_FOREVER).status, HUB_EINVAL);
    assert_int_equal(watched(2000000000, HUB_READ, HUB_FOREVER).status, HUB_EINVAL);
}

static void no_events_or_unknown_ones_are_refused(void **state)
{
    (void)state;
    assert_int_equal(watched(ends[0], 0, HUB_FOREVER).status, HUB_EINVAL);
    assert_int_equal(watched(ends[0], 4, HUB_FOREVER).status, HUB_EINVAL);
}

static void a_number_that_was_closed_and_opened_again_works(void **state)
{
    (void)state;
    int other[2], copy = dup(ends[0]);
    write_a_byte(&ends[1]);
    assert_int_equal(watched(copy, HUB_READ, HUB_FOREVER).status, HUB_OK);
    close(copy);
    assert_int_equal(pipe(other), 0);
    int again = dup2(other[0], copy);
    assert_int_equal(again, copy);
    assert_int_equal(watched(again, HUB_READ, 0.01).status, HUB_ETIMEDOUT);
    write_a_byte(&other[1]);
    assert_int_equal(watched(again, HUB_READ, HUB_FOREVER).status, HUB_OK);
    if (again != other[0])
        close(again);
    close(other[0]);
    close(other[1]);
}

static void waiting_in_the_hub_is_refused(void **state)
{
    (void)state;
    assert_int_equal(hub_wait_fd(ends[0], HUB_READ, HUB_FOREVER, NULL), HUB_ESTATE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_arrives_wakes_a_reader),
        TEST(a_socket_with_room_is_ready_to_write),
        TEST(of_two_events_only_those_that_came_are_told),
        TEST(a_peer_that_closed_is_ready_to_read),
        TEST(a_quiet_descriptor_times_out),
        TEST(no_timeout_looks_once),
        TEST(several_greenlets_may_wait_for_one_descriptor),
        TEST(a_kill_ends_the_wait),
        TEST(a_regular_file_is_always_ready),
        TEST(a_closed_descriptor_is_refused),
        TEST(a_number_that_was_never_open_is_refused),
        TEST(no_events_or_unknown_ones_are_refused),
        TEST(a_number_that_was_closed_and_opened_again_works),
        TEST(waiting_in_the_hub_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
