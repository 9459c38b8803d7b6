/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/retirement.h"

#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#define S(count) ((uint64_t)(count)*CLOCK_NS_PER_S)

static const uint64_t start_ns = S(1000);

static retirement plan(retirement_limits limits, double chance)
{
    retirement made;
    retirement_plan(&made, &limits, chance, start_ns);
    return made;
}

static void without_limits_nothing_is_ever_due(void **state)
{
    (void)state;
    retirement never = plan((retirement_limits){.requests_jitter = 10, .lifetime_jitter = 10}, 1);
    row score = {.requests = UINT64_MAX / 4};
    assert_int_equal(retirement_due(&never, &score, UINT64_MAX), WISH_NONE);
}

static void requests_messages_and_connections_count_together(void **state)
{
    (void)state;
    retirement at = plan((retirement_limits){.requests = 30}, 0);
    row score = {.requests = 10, .messages_in = 10, .accepted = 9};
    assert_int_equal(retirement_due(&at, &score, start_ns), WISH_NONE);
    score.accepted = 10;
    assert_int_equal(retirement_due(&at, &score, start_ns), WISH_REQUESTS);
}

static void the_jitter_adds_a_part_of_itself(void **state)
{
    (void)state;
    retirement at = plan((retirement_limits){.requests = 100, .requests_jitter = 50}, 0.5);
    row score = {.requests = 124};
    assert_int_equal(retirement_due(&at, &score, start_ns), WISH_NONE);
    score.requests = 125;
    assert_int_equal(retirement_due(&at, &score, start_ns), WISH_REQUESTS);
}

static void an_old_worker_is_due(void **state)
{
    (void)state;
    retirement at = plan((retirement_limits){.lifetime = 60, .lifetime_jitter = 20}, 1);
    row score = {0};
    assert_int_equal(retirement_due(&at, &score, start_ns + S(79)), WISH_NONE);
    assert_int_equal(retirement_due(&at, &score, start_ns + S(80)), WISH_LIFETIME);
}

static void a_large_worker_is_due_at_the_next_look(void **state)
{
    (void)state;
    retirement at = plan((retirement_limits){.memory = 1}, 0);
    row score = {0};
    assert_int_equal(retirement_due(&at, &score, start_ns), WISH_NONE);
    assert_int_equal(retirement_due(&at, &score, start_ns + S(1)), WISH_MEMORY);
}

static void memory_is_what_is_resident_and_not_shared(void **state)
{
    (void)state;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(retirement_memory_of("9000 500 200 30 0 100 0\n"), 300 * page);
    assert_int_equal(retirement_memory_of("9000 100 200 30 0 100 0\n"), 0);
    assert_int_equal(retirement_memory_of(""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_nothing_is_ever_due),
        cmocka_unit_test(requests_messages_and_connections_count_together),
        cmocka_unit_test(the_jitter_adds_a_part_of_itself),
        cmocka_unit_test(an_old_worker_is_due),
        cmocka_unit_test(a_large_worker_is_due_at_the_next_look),
        cmocka_unit_test(memory_is_what_is_resident_and_not_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
