/* SPDX-License-Identifier: Apache-2.0 */
#include "hub_fixture.h"

typedef struct waiting {
    hub_event *event;
    double timeout;
    hub_status status;
} waiting;

static void wait_for_event(void *arg)
{
    waiting *w = arg;
    w->status = hub_event_wait(w->event, w->timeout);
}

static greenlet *start_waiting(waiting *w, hub_event *event, double timeout)
{
    *w = (waiting){.event = event, .timeout = timeout, .status = HUB_EFAIL};
    greenlet *g;
    greenlet_start(&g, "waiter", wait_for_event, w, NULL);
    return g;
}

static void setting_wakes_all_and_stays(void **state)
{
    (void)state;
    hub_event *event = hub_event_new();
    waiting w[4];
    for (int i = 0; i < 3; i++)
        start_waiting(&w[i], event, HUB_FOREVER);
    assert_false(hub_event_is_set(event));
    hub_event_set(event);
    start_waiting(&w[3], event, HUB_FOREVER);
    assert_int_equal(w[3].status, HUB_OK);
    run_all();
    for (int i = 0; i < 3; i++)
        assert_int_equal(w[i].status, HUB_OK);
    assert_true(hub_event_is_set(event));
    hub_event_free(event);
}

static void a_cleared_event_makes_wait_again(void **state)
{
    (void)state;
    hub_event *event = hub_event_new();
    waiting w;
    hub_event_set(event);
    hub_event_clear(event);
    start_waiting(&w, event, 0.01);
    assert_int_equal(w.status, HUB_EFAIL);
    run_all();
    assert_int_equal(w.status, HUB_ETIMEDOUT);
    hub_event_free(event);
}

static void a_kill_takes_out_one_waiter_only(void **state)
{
    (void)state;
    hub_event *event = hub_event_new();
    waiting w[3];
    start_waiting(&w[0], event, HUB_FOREVER);
    greenlet *middle = start_waiting(&w[1], event, HUB_FOREVER);
    start_waiting(&w[2], event, HUB_FOREVER);
    hub_kill(greenlet_id(middle));
    hub_event_set(event);
    run_all();
    assert_int_equal(w[0].status, HUB_OK);
    assert_int_equal(w[1].status, HUB_ECANCELED);
    assert_int_equal(w[2].status, HUB_OK);
    hub_event_free(event);
}

/* The killed waiter runs only after the event is gone. */
static void an_event_that_was_set_may_be_freed_at_once(void **state)
{
    (void)state;
    hub_event *event = hub_event_new();
    waiting w[2];
    hub_kill(greenlet_id(start_waiting(&w[0], event, HUB_FOREVER)));
    start_waiting(&w[1], event, HUB_FOREVER);
    hub_event_set(event);
    hub_event_free(event);
    run_all();
    assert_int_equal(w[0].status, HUB_ECANCELED);
    assert_int_equal(w[1].status, HUB_OK);
}

static void a_pending_kill_cancels_also_a_wait_that_need_not_park(void **state)
{
    (void)state;
    hub_event *event = hub_event_new();
    waiting w = {.event = event, .timeout = HUB_FOREVER, .status = HUB_EFAIL};
    hub_event_set(event);
    hub_kill(spawn(wait_for_event, &w));
    run_all();
    assert_int_equal(w.status, HUB_ECANCELED);
    hub_event_free(event);
}

static void in_the_hub_one_may_look_but_not_wait(void **state)
{
    (void)state;
    hub_event *event = hub_event_new();
    assert_int_equal(hub_event_wait(event, 0), HUB_ETIMEDOUT);
    assert_int_equal(hub_event_wait(event, HUB_FOREVER), HUB_ESTATE);
    hub_event_set(event);
    assert_int_equal(hub_event_wait(event, HUB_FOREVER), HUB_OK);
    hub_event_free(event);
    hub_event_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(setting_wakes_all_and_stays),
        TEST(a_cleared_event_makes_wait_again),
        TEST(a_kill_takes_out_one_waiter_only),
        TEST(an_event_that_was_set_may_be_freed_at_once),
        TEST(a_pending_kill_cancels_also_a_wait_that_need_not_park),
        TEST(in_the_hub_one_may_look_but_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
