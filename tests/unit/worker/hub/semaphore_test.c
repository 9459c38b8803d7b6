/* SPDX-License-Identifier: Apache-2.0 */
#include "hub_fixture.h"

typedef struct acquirer {
    hub_semaphore *semaphore;
    double timeout;
    hub_status status;
    int place; /* in the order of being served, from 1 */
} acquirer;

static int served;

static void acquire(void *arg)
{
    acquirer *a = arg;
    a->status = hub_semaphore_acquire(a->semaphore, a->timeout);
    if (a->status == HUB_OK)
        a->place = ++served;
}

static greenlet *start_acquiring(acquirer *a, hub_semaphore *semaphore, double timeout)
{
    *a = (acquirer){.semaphore = semaphore, .timeout = timeout, .status = HUB_EFAIL};
    greenlet *g;
    greenlet_start(&g, "acquirer", acquire, a, NULL);
    return g;
}

static void units_are_given_until_there_are_none(void **state)
{
    (void)state;
    hub_semaphore *semaphore = hub_semaphore_new(2);
    assert_int_equal(hub_semaphore_acquire(semaphore, 0), HUB_OK);
    assert_int_equal(hub_semaphore_acquire(semaphore, 0), HUB_OK);
    assert_int_equal(hub_semaphore_acquire(semaphore, 0), HUB_ETIMEDOUT);
    hub_semaphore_release(semaphore);
    assert_int_equal(hub_semaphore_acquire(semaphore, 0), HUB_OK);
    hub_semaphore_free(semaphore);
}

static void waiters_are_served_in_their_order(void **state)
{
    (void)state;
    hub_semaphore *semaphore = hub_semaphore_new(0);
    acquirer a[3];
    served = 0;
    for (int i = 0; i < 3; i++)
        start_acquiring(&a[i], semaphore, HUB_FOREVER);
    for (int i = 0; i < 3; i++)
        hub_semaphore_release(semaphore);
    run_all();
    for (int i = 0; i < 3; i++)
        assert_int_equal(a[i].place, i + 1);
    hub_semaphore_free(semaphore);
}

/* The unit belongs to the waiter from the release on, although it has not run yet. */
static void nobody_overtakes_a_waiter(void **state)
{
    (void)state;
    hub_semaphore *semaphore = hub_semaphore_new(0);
    acquirer first;
    start_acquiring(&first, semaphore, HUB_FOREVER);
    hub_semaphore_release(semaphore);
    assert_int_equal(hub_semaphore_acquire(semaphore, 0), HUB_ETIMEDOUT);
    run_all();
    assert_int_equal(first.status, HUB_OK);
    hub_semaphore_free(semaphore);
}

static void a_unit_is_not_lost_to_a_killed_waiter(void **state)
{
    (void)state;
    hub_semaphore *semaphore = hub_semaphore_new(0);
    acquirer a[2];
    greenlet *victim = start_acquiring(&a[0], semaphore, HUB_FOREVER);
    start_acquiring(&a[1], semaphore, HUB_FOREVER);
    hub_kill(greenlet_id(victim));
    hub_semaphore_release(semaphore);
    hub_semaphore_release(semaphore);
    run_all();
    assert_int_equal(a[0].status, HUB_ECANCELED);
    assert_int_equal(a[1].status, HUB_OK);
    assert_int_equal(hub_semaphore_acquire(semaphore, 0), HUB_OK);
    assert_int_equal(hub_semaphore_acquire(semaphore, 0), HUB_ETIMEDOUT);
    hub_semaphore_free(semaphore);
}

static void a_wait_times_out_and_leaves_the_line(void **state)
{
    (void)state;
    hub_semaphore *semaphore = hub_semaphore_new(0);
    acquirer a;
    start_acquiring(&a, semaphore, 0.01);
    run_all();
    assert_int_equal(a.status, HUB_ETIMEDOUT);
    hub_semaphore_release(semaphore);
    assert_int_equal(hub_semaphore_acquire(semaphore, 0), HUB_OK);
    hub_semaphore_free(semaphore);
    hub_semaphore_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(units_are_given_until_there_are_none),
        TEST(waiters_are_served_in_their_order),
        TEST(nobody_overtakes_a_waiter),
        TEST(a_unit_is_not_lost_to_a_killed_waiter),
        TEST(a_wait_times_out_and_leaves_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
