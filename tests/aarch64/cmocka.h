/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of cmocka as the unit tests need that tests/aarch64/run builds with a cross compiler, for which
 * Debian packages no cmocka. The first failure ends the program.
 */
#ifndef TESTS_AARCH64_CMOCKA_H
#define TESTS_AARCH64_CMOCKA_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
    int (*setup)(void **state), (*teardown)(void **state);
};

#define cmocka_unit_test(test)                                                                               \
    {                                                                                                        \
#test, test, NULL, NULL                                                                              \
    }
#define cmocka_unit_test_setup_teardown(test, setup, teardown)                                               \
    {                                                                                                        \
#test, test, setup, teardown                                                                         \
    }

#define fail_msg(...)              (printf("%s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), puts(""), exit(1))
#define assert_true(condition)     ((condition) ? (void)0 : fail_msg("not true: %s", #condition))
#define assert_false(condition)    ((condition) ? fail_msg("not false: %s", #condition) : (void)0)
#define assert_non_null(pointer)   assert_true((pointer) != NULL)
#define assert_null(pointer)       assert_true((pointer) == NULL)
#define assert_ptr_equal(a, b)     assert_true((const void *)(a) == (const void *)(b))
#define assert_int_equal(a, b)     assert_true((uintmax_t)(a) == (uintmax_t)(b))
#define assert_int_not_equal(a, b) assert_true((uintmax_t)(a) != (uintmax_t)(b))
#define assert_in_range(value, least, most)                                                                  \
    assert_true((uintmax_t)(value) >= (uintmax_t)(least) && (uintmax_t)(value) <= (uintmax_t)(most))
#define assert_string_equal(a, b)       assert_true(strcmp(a, b) == 0)
#define assert_memory_equal(a, b, size) assert_true(memcmp(a, b, size) == 0)

#define skip()                                                                                               \
    do {                                                                                                     \
        puts("skipped");                                                                                     \
        return;                                                                                              \
    } while (0)

static inline int run_tests(const struct CMUnitTest *tests, size_t count, int (*setup)(void **),
                            int (*teardown)(void **))
{
    void *state = NULL;
    if (setup && setup(&state) != 0)
        fail_msg("the set-up of the tests failed");
    for (size_t i = 0; i < count; i++) {
        if (tests[i].setup && tests[i].setup(&state) != 0)
            fail_msg("the set-up of %s failed", tests[i].name);
        tests[i].test(&state);
        if (tests[i].teardown)
            tests[i].teardown(&state);
        printf("[       OK ] %s\n", tests[i].name);
    }
    if (teardown)
        teardown(&state);
    return 0;
}

#define cmocka_run_group_tests(tests, setup, teardown)                                                       \
    run_tests(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

#endif
