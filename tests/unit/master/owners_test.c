/* SPDX-License-Identifier: Apache-2.0 */
#include "master/owners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void both_masters_see_whose_a_slot_is(void **state)
{
    (void)state;
    owners *old, *next;
    int fd;
    assert_int_equal(owners_create(&old, 100, &fd, NULL), HUB_OK);
    assert_int_equal(owners_attach(&next, fd, NULL), HUB_OK);
    assert_int_equal(owners_of(next, 3), 100);
    assert_true(owners_move(next, 3, 100, 200));
    assert_int_equal(owners_of(old, 3), 200);
    assert_int_equal(owners_of(old, 4), 100);
    owners_close(next);
    owners_close(old);
    close(fd);
}

static void a_slot_is_taken_only_from_its_owner(void **state)
{
    (void)state;
    owners *table;
    int fd;
    assert_int_equal(owners_create(&table, 100, &fd, NULL), HUB_OK);
    assert_true(owners_move(table, 0, 100, 200));
    assert_false(owners_move(table, 0, 100, 300));
    assert_int_equal(owners_of(table, 0), 200);
    owners_close(table);
    close(fd);
}

static void a_descriptor_without_a_table_is_refused(void **state)
{
    (void)state;
    owners *table;
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_int_equal(owners_attach(&table, fd, NULL), HUB_EPROTO);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(owners_attach(&table, fd, NULL), HUB_EPROTO);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_masters_see_whose_a_slot_is),
        cmocka_unit_test(a_slot_is_taken_only_from_its_owner),
        cmocka_unit_test(a_descriptor_without_a_table_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
