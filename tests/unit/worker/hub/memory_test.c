/* SPDX-License-Identifier: Apache-2.0 */
/* What greenlets cost: pages of stacks, and allocations. */
#include "hub_fixture.h"
#include "memory.h"

#include "worker/hub/switch.h"

#include <stdlib.h>

/* A sanitizer has an allocator and shadow pages of its own, and ucontext keeps a larger frame. */
#define EXACT (!FIBRE_ASAN && !SWITCH_IS_UCONTEXT)

enum { MANY = FIBRE_ASAN ? 5000 : 100000 };

static size_t allocations;

#if !FIBRE_ASAN
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    allocations++;
    return __libc_realloc(old, size);
}
#endif

static hub_event *release;
static size_t through;

static void wait_for_release(void *arg)
{
    (void)arg;
    if (hub_event_wait(release, HUB_FOREVER) == HUB_OK)
        through++;
}

static void a_hundred_thousand_parked_cost_a_page_each(void **state)
{
    (void)state;
    release = hub_event_new();
    through = 0;
    size_t before = memory_resident();
    for (int i = 0; i < MANY; i++)
        assert_true(greenlet_start(NULL, "parked", wait_for_release, NULL, NULL));
    assert_int_equal(greenlet_count().parked, MANY);
    size_t each = (memory_resident() - before) / MANY;
    if (EXACT)
        assert_in_range(each, 4096, 4608);
    hub_event_set(release);
    run_all();
    assert_int_equal(through, MANY);
    /* All but a thousand of the pooled stacks gave back all that they had. */
    if (EXACT)
        assert_true(memory_resident() < before + ((size_t)16 << 20));
    hub_event_free(release);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void sleep_a_little(void *arg)
{
    (void)arg;
    hub_sleep(0.0001);
}

static void spawning_from_the_pool_allocates_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        spawn(sleep_a_little, NULL);
    run_all();
    size_t before = allocations;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 100; i++)
            greenlet_spawn("pooled", sleep_a_little, NULL, NULL);
        loop_run();
    }
    assert_int_equal(allocations, before);
    assert_int_equal(greenlet_count().stacks_mapped, 100);
}

static void use_much_stack(void *arg)
{
    char much[150 << 10];
    memset(much, 1, sizeof much);
    __asm__ volatile("" : : "r"(much) : "memory");
    *(size_t *)arg = memory_resident();
}

static void a_pooled_stack_that_was_deep_gives_its_pages_back(void **state)
{
    (void)state;
    if (!EXACT)
        skip();
    size_t deep = 0;
    greenlet_start(NULL, "deep", use_much_stack, &deep, NULL);
    greenlet_start(NULL, "shallow", nothing, NULL, NULL); /* buries the one before */
    assert_true(memory_resident() + (140 << 10) < deep);
}

static void touch_one_deep_page(void *arg)
{
    volatile char much[100 << 10];
    much[0] = 1;
    *(size_t *)arg = (size_t)(uintptr_t)&much[0];
}

/* A deep frame may leave untouched what lies between it and the top, so now and then pages go unasked. */
static void a_deep_page_that_left_no_trace_goes_back_in_time(void **state)
{
    (void)state;
    size_t address = 0;
    greenlet_start(NULL, "deep", touch_one_deep_page, &address, NULL);
    for (int i = 0; i < 70 * 1000; i++)
        greenlet_start(NULL, "shallow", nothing, NULL, NULL);
    assert_int_equal(*(volatile char *)address, 0); /* NOLINT(performance-no-int-to-ptr) */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_hundred_thousand_parked_cost_a_page_each),
        TEST(spawning_from_the_pool_allocates_nothing),
        TEST(a_pooled_stack_that_was_deep_gives_its_pages_back),
        TEST(a_deep_page_that_left_no_trace_goes_back_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
