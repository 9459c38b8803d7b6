/* SPDX-License-Identifier: Apache-2.0 */
#include "hub_fixture.h"
#include "memory.h"

#include "worker/hub/stack.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

static void open_stacks(stack_guard guard, unsigned limit)
{
    error why;
    assert_int_equal(stacks_open(FIXTURE_STACK, limit, guard, &why), HUB_OK);
}

static int close_stacks(void **state)
{
    (void)state;
    stacks_close();
    return 0;
}

static uint32_t take(void)
{
    uint32_t index = UINT32_MAX;
    assert_int_equal(stack_take(&index), HUB_OK);
    return index;
}

static void nothing_is_mapped_before_the_first_stack(void **state)
{
    (void)state;
    open_stacks(STACK_GUARD_BEST, 0);
    assert_int_equal(stack_count(), 0);
    take();
    assert_int_equal(stack_count(), 1);
}

static void sizes_are_rounded_up_to_pages_and_a_least_size(void **state)
{
    (void)state;
    assert_int_equal(stacks_open(1, 0, STACK_GUARD_BEST, NULL), HUB_OK);
    assert_int_equal(stack_size(), 16 << 10);
    stacks_close();
    assert_int_equal(stacks_open((64 << 10) + 1, 0, STACK_GUARD_BEST, NULL), HUB_OK);
    assert_int_equal(stack_size(), (64 << 10) + 4096);
}

static void a_size_above_a_gigabyte_is_refused(void **state)
{
    (void)state;
    error why;
    assert_int_equal(stacks_open((size_t)2 << 30, 0, STACK_GUARD_BEST, &why), HUB_EINVAL);
    assert_non_null(strstr(why.text, "1 GB"));
}

static void stacks_larger_than_an_arena_work(void **state)
{
    (void)state;
    assert_int_equal(stacks_open((size_t)100 << 20, 0, STACK_GUARD_BEST, NULL), HUB_OK);
    uint32_t first = take(), second = take();
    stack_low(first)[0] = 1;
    stack_top(second)[-1] = 1;
    assert_true(stack_top(second) - stack_low(second) > 90 << 20);
}

static void stacks_do_not_overlap(void **state)
{
    (void)state;
    open_stacks(STACK_GUARD_BEST, 0);
    for (uint32_t i = 0; i < 600; i++) { /* three arenas */
        uint32_t index = take();
        assert_int_equal(index, i);
        memset(stack_top(index) - 64, (int)(i % 251), 64);
        stack_low(index)[0] = (char)(i % 251);
    }
    for (uint32_t i = 0; i < 600; i++) {
        assert_int_equal((unsigned char)stack_top(i)[-1], i % 251);
        assert_int_equal((unsigned char)stack_low(i)[0], i % 251);
    }
}

static void the_limit_holds_and_given_stacks_come_again(void **state)
{
    (void)state;
    open_stacks(STACK_GUARD_BEST, 2);
    uint32_t first = take(), index;
    take();
    assert_int_equal(stack_take(&index), HUB_EFULL);
    stack_give(first);
    assert_int_equal(take(), first);
    assert_int_equal(stack_count(), 2);
}

static void a_given_stack_gives_its_pages_back(void **state)
{
    (void)state;
    open_stacks(STACK_GUARD_BEST, 0);
    uint32_t index = take();
    memset(stack_low(index), 1, (size_t)(stack_top(index) - stack_low(index)));
    stack_give(index);
    assert_int_equal(take(), index);
    for (char *byte = stack_low(index); byte < stack_top(index); byte += 512)
        assert_int_equal(*byte, 0);
}

static bool faults(const volatile char *address)
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        (void)*address;
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void check_guard(stack_guard guard)
{
    open_stacks(guard, 0);
    uint32_t found = UINT32_MAX;
    take();
    uint32_t index = take(); /* not the first, which has nothing below it */
    assert_true(stack_has_guard(index));
    assert_true(faults(stack_low(index) - 1));
    assert_false(faults(stack_low(index)));
    assert_true(stack_of_guard(stack_low(index) - 1, &found));
    assert_int_equal(found, index);
    assert_false(stack_of_guard(stack_low(index), &found));
    assert_false(stack_of_guard(stack_top(index), &found)); /* a stack that was never carved */
    assert_false(stack_of_guard(&found, &found));
}

static void guard_pages_by_madvise_fault(void **state)
{
    (void)state;
    if (stacks_open(FIXTURE_STACK, 0, STACK_GUARD_MADVISE, NULL) == HUB_EINVAL)
        skip(); /* a kernel before 6.13 */
    stacks_close();
    check_guard(STACK_GUARD_MADVISE);
    assert_string_equal(stack_guard_name(), "guard pages (madvise)");
}

static void guard_pages_by_mprotect_fault(void **state)
{
    (void)state;
    check_guard(STACK_GUARD_MPROTECT);
    assert_non_null(strstr(stack_guard_name(), "mprotect"));
}

/* The kernel allows a process so many mappings, and each such guard takes two. */
static void beyond_the_share_of_mappings_stacks_have_canaries(void **state)
{
    (void)state;
    open_stacks(STACK_GUARD_MPROTECT, 0);
    unsigned long guards = strtoul(strpbrk(stack_guard_name(), "0123456789"), NULL, 10);
    if (guards > 100000)
        skip(); /* a host that allows very many */
    for (unsigned long i = 0; i <= guards; i++)
        take();
    uint32_t last = (uint32_t)guards;
    assert_true(stack_has_guard(last - 1));
    assert_false(stack_has_guard(last));
    assert_false(stack_canary_is_dead(stack_low(last)));
    stack_low(last)[3] = 1;
    assert_true(stack_canary_is_dead(stack_low(last)));
}

#define TEST(name) cmocka_unit_test_teardown(name, close_stacks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_mapped_before_the_first_stack),
        TEST(sizes_are_rounded_up_to_pages_and_a_least_size),
        TEST(a_size_above_a_gigabyte_is_refused),
        TEST(stacks_larger_than_an_arena_work),
        TEST(stacks_do_not_overlap),
        TEST(the_limit_holds_and_given_stacks_come_again),
        TEST(a_given_stack_gives_its_pages_back),
        TEST(guard_pages_by_madvise_fault),
        TEST(guard_pages_by_mprotect_fault),
        TEST(beyond_the_share_of_mappings_stacks_have_canaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
