/* SPDX-License-Identifier: Apache-2.0 */
#include "hub_fixture.h"

typedef struct worker {
    hub_queue *queue;
    intptr_t item;
    double timeout;
    hub_status status;
} worker;

static void *pointer(intptr_t number)
{
    return (void *)number; /* NOLINT(performance-no-int-to-ptr) */
}

static void get(void *arg)
{
    worker *w = arg;
    void *item = pointer(-1);
    w->status = hub_queue_get(w->queue, &item, w->timeout);
    w->item = (intptr_t)item;
}

static void put(void *arg)
{
    worker *w = arg;
    w->status = hub_queue_put(w->queue, pointer(w->item), w->timeout);
}

static greenlet *start(worker *w, greenlet_main run, hub_queue *queue, intptr_t item, double timeout)
{
    *w = (worker){.queue = queue, .item = item, .timeout = timeout, .status = HUB_EFAIL};
    greenlet *g;
    greenlet_start(&g, "worker", run, w, NULL);
    return g;
}

static intptr_t take(hub_queue *queue)
{
    void *item;
    assert_int_equal(hub_queue_get(queue, &item, 0), HUB_OK);
    return (intptr_t)item;
}

static void items_come_out_in_the_order_they_went_in(void **state)
{
    (void)state;
    hub_queue *queue = hub_queue_new(0);
    intptr_t in = 0, out = 0;
    for (int round = 0; round < 50; round++) { /* the ring grows while it is wrapped around */
        for (int i = 0; i < 7; i++)
            assert_int_equal(hub_queue_put(queue, pointer(in++), HUB_FOREVER), HUB_OK);
        for (int i = 0; i < 4; i++)
            assert_int_equal(take(queue), out++);
    }
    assert_int_equal(hub_queue_length(queue), in - out);
    while (out < in)
        assert_int_equal(take(queue), out++);
    hub_queue_free(queue);
}

static void getters_are_served_in_their_order(void **state)
{
    (void)state;
    hub_queue *queue = hub_queue_new(1);
    worker w[3];
    for (int i = 0; i < 3; i++)
        start(&w[i], get, queue, 0, HUB_FOREVER);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hub_queue_put(queue, pointer(i + 10), 0), HUB_OK);
    assert_int_equal(hub_queue_length(queue), 0);
    run_all();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w[i].status, HUB_OK);
        assert_int_equal(w[i].item, i + 10);
    }
    hub_queue_free(queue);
}

static void a_full_queue_parks_putters_and_keeps_their_order(void **state)
{
    (void)state;
    hub_queue *queue = hub_queue_new(2);
    worker w[4];
    for (int i = 0; i < 4; i++)
        start(&w[i], put, queue, i, HUB_FOREVER);
    assert_int_equal(hub_queue_length(queue), 2);
    assert_int_equal(w[1].status, HUB_OK);
    assert_int_equal(w[2].status, HUB_EFAIL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(take(queue), i);
    run_all();
    assert_int_equal(w[3].status, HUB_OK);
    hub_queue_free(queue);
}

static void a_try_on_a_full_or_empty_queue_times_out_at_once(void **state)
{
    (void)state;
    hub_queue *queue = hub_queue_new(1);
    void *item;
    assert_int_equal(hub_queue_get(queue, &item, 0), HUB_ETIMEDOUT);
    assert_int_equal(hub_queue_get(queue, &item, 1), HUB_ESTATE); /* this is hub context */
    assert_int_equal(hub_queue_put(queue, NULL, 0), HUB_OK);
    assert_int_equal(hub_queue_put(queue, NULL, 0), HUB_ETIMEDOUT);
    assert_int_equal(hub_queue_put(queue, NULL, 1), HUB_ESTATE);
    hub_queue_free(queue);
}

static void a_putter_that_gave_up_leaves_nothing(void **state)
{
    (void)state;
    hub_queue *queue = hub_queue_new(1);
    worker late, killed, in;
    start(&in, put, queue, 1, HUB_FOREVER);
    start(&late, put, queue, 2, 0.01);
    greenlet *victim = start(&killed, put, queue, 3, HUB_FOREVER);
    hub_kill(greenlet_id(victim));
    run_all();
    assert_int_equal(late.status, HUB_ETIMEDOUT);
    assert_int_equal(killed.status, HUB_ECANCELED);
    assert_int_equal(take(queue), 1);
    assert_int_equal(hub_queue_length(queue), 0);
    hub_queue_free(queue);
}

static void an_item_is_not_lost_to_a_killed_getter(void **state)
{
    (void)state;
    hub_queue *queue = hub_queue_new(0);
    worker w;
    greenlet *victim = start(&w, get, queue, 0, HUB_FOREVER);
    hub_kill(greenlet_id(victim));
    assert_int_equal(hub_queue_put(queue, pointer(5), 0), HUB_OK);
    run_all();
    assert_int_equal(w.status, HUB_ECANCELED);
    assert_int_equal(take(queue), 5);
    hub_queue_free(queue);
}

static void closing_wakes_getters(void **state)
{
    (void)state;
    hub_queue *queue = hub_queue_new(0);
    worker w[2];
    start(&w[0], get, queue, 0, HUB_FOREVER);
    start(&w[1], get, queue, 0, HUB_FOREVER);
    hub_queue_close(queue);
    run_all();
    assert_int_equal(w[0].status, HUB_ECLOSED);
    assert_int_equal(w[1].status, HUB_ECLOSED);
    hub_queue_free(queue);
}

static void closing_wakes_putters_but_what_is_in_can_be_got(void **state)
{
    (void)state;
    hub_queue *queue = hub_queue_new(1);
    worker in, waiting;
    start(&in, put, queue, 1, HUB_FOREVER);
    start(&waiting, put, queue, 2, HUB_FOREVER);
    hub_queue_close(queue);
    run_all();
    void *item;
    assert_int_equal(waiting.status, HUB_ECLOSED);
    assert_int_equal(hub_queue_put(queue, NULL, 0), HUB_ECLOSED);
    assert_int_equal(take(queue), 1);
    assert_int_equal(hub_queue_get(queue, &item, HUB_FOREVER), HUB_ECLOSED);
    hub_queue_free(queue);
    hub_queue_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(items_come_out_in_the_order_they_went_in),
        TEST(getters_are_served_in_their_order),
        TEST(a_full_queue_parks_putters_and_keeps_their_order),
        TEST(a_try_on_a_full_or_empty_queue_times_out_at_once),
        TEST(a_putter_that_gave_up_leaves_nothing),
        TEST(an_item_is_not_lost_to_a_killed_getter),
        TEST(closing_wakes_getters),
        TEST(closing_wakes_putters_but_what_is_in_can_be_got),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
