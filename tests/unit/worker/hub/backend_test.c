/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/backend.h"
#include "worker/hub/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
    (void)state;
    error why = {HUB_OK, ""};
    if (loop_open(&(loop_options){.stack_size = 64 * 1024}, &why) != HUB_OK)
        fail_msg("%s", why.text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_close();
    return 0;
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    ++*(unsigned *)io->data;
}

static void turn(unsigned times)
{
    while (times--)
        ev_run(loop_ev(), EVRUN_NOWAIT);
}

/* Watches a socket, closes it here while it is open elsewhere, and lets something come. */
static void leave_one_behind(bool forget)
{
    int ends[2];
    unsigned seen = 0;
    ev_io io;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ev_io_init(&io, on_readable, ends[0], EV_READ);
    io.data = &seen;
    ev_io_start(loop_ev(), &io);
    turn(1);
    ev_io_stop(loop_ev(), &io);
    if (forget)
        loop_forget(ends[0]);
    int elsewhere = dup(ends[0]);
    assert_true(elsewhere >= 0);
    close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), 1);
    turn(3);
    assert_int_equal(seen, 0);
    close(elsewhere);
    close(ends[1]);
}

static void a_descriptor_that_is_forgotten_does_not_trouble_the_loop(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        leave_one_behind(true);
    assert_int_equal(backend_rebuilds(), 0);
}

static void one_that_is_not_forgotten_has_the_set_rebuilt_and_the_new_one_is_known(void **state)
{
    (void)state;
    int low = dup(0); /* so that the new set gets another number */
    assert_true(low >= 0);
    leave_one_behind(false);
    assert_true(backend_rebuilds() > 0);
    close(low);
    leave_one_behind(false);
    unsigned rebuilds = backend_rebuilds();
    for (int i = 0; i < 10; i++)
        leave_one_behind(true);
    assert_int_equal(backend_rebuilds(), rebuilds);
}

static void a_forgotten_descriptor_can_be_watched_again(void **state)
{
    (void)state;
    int ends[2];
    unsigned seen = 0;
    ev_io io;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    for (unsigned i = 0; i < 4; i++) {
        ev_io_init(&io, on_readable, ends[0], EV_READ);
        io.data = &seen;
        ev_io_start(loop_ev(), &io);
        if (i % 2)
            turn(1);
        ev_io_stop(loop_ev(), &io);
        loop_forget(ends[0]);
    }
    ev_io_set(&io, ends[0], EV_READ);
    ev_io_start(loop_ev(), &io);
    assert_int_equal(write(ends[1], "x", 1), 1);
    turn(2);
    assert_true(seen > 0);
    ev_io_stop(loop_ev(), &io);
    close(ends[0]);
    close(ends[1]);
}

static void other_sets_are_not_taken_for_the_loops(void **state)
{
    (void)state;
    int before = backend_descriptor();
    assert_true(before >= 0);
    int other = epoll_create1(EPOLL_CLOEXEC);
    assert_true(other >= 0);
    assert_int_equal(backend_descriptor(), before);
    close(other);
    loop_close();
    assert_int_equal(backend_descriptor(), -1);
    other = epoll_create1(EPOLL_CLOEXEC);
    assert_int_equal(backend_descriptor(), -1);
    close(other);
    setup(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_descriptor_that_is_forgotten_does_not_trouble_the_loop),
        TEST(one_that_is_not_forgotten_has_the_set_rebuilt_and_the_new_one_is_known),
        TEST(a_forgotten_descriptor_can_be_watched_again),
        TEST(other_sets_are_not_taken_for_the_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
