/* SPDX-License-Identifier: Apache-2.0 */
#include "master/inherit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void give(const char *count, const char *names)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    if (names)
        setenv("LISTEN_FDNAMES", names, 1);
}

static void what_is_meant_for_another_process_counts_as_nothing(void **state)
{
    (void)state;
    give("2", NULL);
    setenv("LISTEN_PID", "1", 1);
    inherit_read_environment();
    assert_int_equal(inherit_count(), 0);
    assert_null(getenv("LISTEN_FDS"));
}

static void what_is_no_number_counts_as_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "-1", "0", "x", "2x", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        give(wrong[i], NULL);
        inherit_read_environment();
        assert_int_equal(inherit_count(), 0);
    }
}

static void descriptors_are_found_by_name_and_no_child_hears_of_them(void **state)
{
    (void)state;
    give("3", "web:admin");
    inherit_read_environment();
    assert_int_equal(inherit_count(), 3);
    assert_int_equal(inherit_find(0, "web"), 3);
    assert_int_equal(inherit_find(1, "web"), -1);
    assert_int_equal(inherit_find(1, "admin"), 4);
    assert_int_equal(inherit_find(2, ""), 5);
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_FDNAMES"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_meant_for_another_process_counts_as_nothing),
        cmocka_unit_test(what_is_no_number_counts_as_nothing),
        cmocka_unit_test(descriptors_are_found_by_name_and_no_child_hears_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
