/* SPDX-License-Identifier: Apache-2.0 */
#include "master/shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Freed by whoever drops it last: the sanitizers tell when that is nobody. */
static release *make(unsigned number)
{
    release *made = calloc(1, sizeof *made);
    assert_non_null(made);
    made->number = number;
    made->module = -1;
    made->holders = 1;
    return made;
}

static void keep(shelf *self, unsigned number)
{
    release *made = make(number);
    shelf_keep(self, made);
    release_drop(made);
}

static void the_last_three_are_kept(void **state)
{
    (void)state;
    shelf self = {0};
    for (unsigned number = 1; number <= 5; number++)
        keep(&self, number);
    assert_null(shelf_find(&self, 1));
    assert_null(shelf_find(&self, 2));
    for (unsigned number = 3; number <= 5; number++) {
        assert_int_equal(shelf_find(&self, number)->number, number);
        assert_int_equal(shelf_find(&self, number)->holders, 1);
    }
    shelf_clear(&self);
    assert_null(shelf_find(&self, 5));
}

static void one_that_was_gone_back_to_is_the_newest_and_is_there_once(void **state)
{
    (void)state;
    shelf self = {0};
    for (unsigned number = 1; number <= 3; number++)
        keep(&self, number);
    shelf_keep(&self, shelf_find(&self, 1));
    assert_int_equal(shelf_find(&self, 1)->holders, 1);
    keep(&self, 4);
    assert_null(shelf_find(&self, 2));
    assert_non_null(shelf_find(&self, 1));
    assert_non_null(shelf_find(&self, 3));
    assert_non_null(shelf_find(&self, 4));
    shelf_clear(&self);
}

static void one_that_leaves_the_shelf_lives_while_it_runs(void **state)
{
    (void)state;
    shelf self = {0};
    release *running = make(1);
    shelf_keep(&self, running);
    for (unsigned number = 2; number <= 4; number++)
        keep(&self, number);
    assert_null(shelf_find(&self, 1));
    assert_int_equal(running->holders, 1);
    release_drop(running);
    shelf_clear(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_three_are_kept),
        cmocka_unit_test(one_that_was_gone_back_to_is_the_newest_and_is_there_once),
        cmocka_unit_test(one_that_leaves_the_shelf_lives_while_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
