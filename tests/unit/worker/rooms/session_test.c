/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rooms/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const session_kind kind = {.name = "test"};

static int setup(void **state)
{
    (void)state;
    sessions_open(7);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sessions_close();
    return 0;
}

static void open_one(session *s)
{
    assert_int_equal(session_open(s, &kind), HUB_OK);
}

static void an_id_finds_its_session(void **state)
{
    (void)state;
    session a, b;
    open_one(&a);
    open_one(&b);
    assert_true(a.id != b.id && a.id != 0 && b.id != 0);
    assert_ptr_equal(session_find(a.id), &a);
    assert_ptr_equal(session_find(b.id), &b);
    assert_int_equal(sessions_count(), 2);
}

static void an_id_names_the_worker_that_gave_it(void **state)
{
    (void)state;
    session a;
    open_one(&a);
    assert_int_equal(session_id_incarnation(a.id), 7);
    assert_true(session_is_local(a.id));
    assert_false(session_is_local(a.id ^ UINT64_C(1) << 48));
}

static void an_id_of_a_closed_session_names_nobody_for_ever(void **state)
{
    (void)state;
    session s;
    hub_id old[1000];
    for (int i = 0; i < 1000; i++) {
        open_one(&s);
        old[i] = s.id;
        session_close(&s);
        assert_int_equal(s.id, old[i]); /* it goes on to know it */
        assert_false(session_is_open(&s));
    }
    open_one(&s);
    for (int i = 0; i < 1000; i++)
        assert_null(session_find(old[i]));
    assert_true(session_is_local(old[0]));
}

static void what_was_never_an_id_finds_nobody(void **state)
{
    (void)state;
    assert_null(session_find(0));
    session a;
    open_one(&a);
    assert_null(session_find(0));
    assert_null(session_find(UINT64_MAX));
    assert_null(session_find(a.id + 1));
    assert_null(session_find(a.id ^ UINT64_C(1) << 60)); /* another worker's */
}

static void closing_twice_changes_nothing(void **state)
{
    (void)state;
    session a, b;
    open_one(&a);
    session_close(&a);
    session_close(&a);
    open_one(&b);
    assert_int_equal(sessions_count(), 1);
    assert_ptr_equal(session_find(b.id), &b);
}

static void add_one(session *s, void *arg)
{
    assert_true(session_is_open(s));
    ++*(int *)arg;
}

static void each_visits_those_that_are_open(void **state)
{
    (void)state;
    static session all[300];
    for (int i = 0; i < 300; i++)
        open_one(&all[i]);
    for (int i = 0; i < 300; i += 3)
        session_close(&all[i]);
    int visited = 0;
    sessions_each(add_one, &visited);
    assert_int_equal(visited, 200);
    for (int i = 0; i < 300; i++)
        assert_ptr_equal(session_find(all[i].id), i % 3 ? &all[i] : NULL);
}

static void the_table_has_a_limit(void **state)
{
    (void)state;
    session *all = calloc(SESSIONS_MAX + 1, sizeof *all);
    assert_non_null(all);
    for (int i = 0; i < SESSIONS_MAX; i++)
        assert_int_equal(session_open(&all[i], &kind), HUB_OK);
    assert_int_equal(session_open(&all[SESSIONS_MAX], &kind), HUB_EFULL);
    session_close(&all[5]);
    assert_int_equal(session_open(&all[SESSIONS_MAX], &kind), HUB_OK);
    assert_ptr_equal(session_find(all[SESSIONS_MAX].id), &all[SESSIONS_MAX]);
    free(all);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_id_finds_its_session),
        TEST(an_id_names_the_worker_that_gave_it),
        TEST(an_id_of_a_closed_session_names_nobody_for_ever),
        TEST(what_was_never_an_id_finds_nobody),
        TEST(closing_twice_changes_nothing),
        TEST(each_visits_those_that_are_open),
        TEST(the_table_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
