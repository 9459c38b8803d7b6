/* SPDX-License-Identifier: Apache-2.0 */
#include "hub_fixture.h"

static hub_local first, second;
static int destroyed;

static void count_destroyed(void *value)
{
    destroyed += *(const int *)value;
}

static int seven = 7;

/* Sets the value of another key while values are being destroyed. */
static void set_another(void *value)
{
    (void)value;
    destroyed += 100;
    hub_local_set(first, &seven);
}

static int make_keys(void **state)
{
    (void)state;
    return hub_local_new(&first, count_destroyed) == HUB_OK && hub_local_new(&second, NULL) == HUB_OK ? 0
                                                                                                      : -1;
}

typedef struct seen {
    void *before, *after;
    int value;
} seen;

static void set_park_get(void *arg)
{
    seen *s = arg;
    s->before = hub_local_get(first);
    assert_int_equal(hub_local_set(first, &s->value), HUB_OK);
    greenlet_park("test", HUB_FOREVER);
    s->after = hub_local_get(first);
}

static void each_greenlet_has_its_own_value(void **state)
{
    (void)state;
    seen s[2] = {{.value = 1}, {.value = 2}};
    greenlet *g[2];
    for (int i = 0; i < 2; i++)
        greenlet_start(&g[i], "test", set_park_get, &s[i], NULL);
    for (int i = 0; i < 2; i++)
        greenlet_resume(g[i], HUB_OK);
    for (int i = 0; i < 2; i++) {
        assert_null(s[i].before);
        assert_ptr_equal(s[i].after, &s[i].value);
    }
}

static void the_destructor_gets_the_value_at_the_end(void **state)
{
    (void)state;
    seen s = {.value = 30};
    greenlet *g;
    destroyed = 0;
    greenlet_start(&g, "test", set_park_get, &s, NULL);
    assert_int_equal(destroyed, 0);
    greenlet_resume(g, HUB_OK);
    assert_int_equal(destroyed, 30);
    s.before = &s;
    greenlet_start(&g, "next on this stack", set_park_get, &s, NULL);
    assert_null(s.before);
    greenlet_resume(g, HUB_OK);
}

static void set_and_unset(void *arg)
{
    (void)arg;
    hub_local_set(first, &seven);
    hub_local_set(first, NULL);
    hub_local_set(second, &seven);
}

static void no_destructor_is_called_for_nothing(void **state)
{
    (void)state;
    destroyed = 0;
    greenlet_start(NULL, "test", set_and_unset, NULL, NULL);
    assert_int_equal(destroyed, 0);
}

static hub_local resetting;

static void set_resetting(void *arg)
{
    (void)arg;
    hub_local_set(resetting, &seven);
}

static void what_a_destructor_sets_is_destroyed_too(void **state)
{
    (void)state;
    assert_int_equal(hub_local_new(&resetting, set_another), HUB_OK);
    destroyed = 0;
    greenlet_start(NULL, "test", set_resetting, NULL, NULL);
    assert_int_equal(destroyed, 107);
}

static hub_status statuses[2];

static void set_foreign_keys(void *arg)
{
    (void)arg;
    statuses[0] = hub_local_set(0, &seven);
    statuses[1] = hub_local_set(1000, &seven);
    assert_null(hub_local_get(0));
    assert_null(hub_local_get(1000));
}

static void keys_that_were_never_made_are_refused(void **state)
{
    (void)state;
    greenlet_start(NULL, "test", set_foreign_keys, NULL, NULL);
    assert_int_equal(statuses[0], HUB_EINVAL);
    assert_int_equal(statuses[1], HUB_EINVAL);
}

static void outside_a_greenlet_there_are_no_values(void **state)
{
    (void)state;
    assert_int_equal(hub_local_set(first, &seven), HUB_ESTATE);
    assert_null(hub_local_get(first));
}

/* Last, because it uses the keys up. */
static void the_65th_key_is_refused(void **state)
{
    (void)state;
    hub_local key;
    int made = 3;
    while (hub_local_new(&key, NULL) == HUB_OK)
        made++;
    assert_int_equal(made, 64);
    assert_int_equal(hub_local_new(&key, NULL), HUB_EFULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_greenlet_has_its_own_value),
        TEST(the_destructor_gets_the_value_at_the_end),
        TEST(no_destructor_is_called_for_nothing),
        TEST(what_a_destructor_sets_is_destroyed_too),
        TEST(keys_that_were_never_made_are_refused),
        TEST(outside_a_greenlet_there_are_no_values),
        TEST(the_65th_key_is_refused),
    };
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
