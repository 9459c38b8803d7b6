/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/hub/switch.h"

#include <fenv.h>
#include <stdlib.h>

enum { STACK = 64 << 10 };

static switch_context hub, other;
static char *stack;

static int make_stack(void **state)
{
    (void)state;
    stack = aligned_alloc(4096, STACK);
    return stack ? 0 : -1;
}

static int free_stack(void **state)
{
    (void)state;
    free(stack);
    return 0;
}

static void prepare(void (*run)(void *), void *arg)
{
    switch_prepare(&other, stack, stack + STACK, run, arg);
}

static hub_status got[3];

static void answer_thrice(void *arg)
{
    bool *reached = arg;
    *reached = true;
    got[0] = switch_out(&other, &hub, true);
    got[1] = switch_out(&other, &hub, true);
    got[2] = switch_out(&other, &hub, false);
}

static void values_travel_both_ways(void **state)
{
    (void)state;
    bool reached = false;
    prepare(answer_thrice, &reached);
    assert_true(switch_in(&hub, &other, HUB_OK));
    assert_true(reached);
    assert_true(switch_in(&hub, &other, HUB_EFAIL));
    assert_false(switch_in(&hub, &other, HUB_EAGAIN));
    assert_int_equal(got[0], HUB_EFAIL);
    assert_int_equal(got[1], HUB_EAGAIN);
}

/* So many live values that the compiler keeps them in every register that a call preserves. */
static uint64_t mix(uint64_t seed, void (*between)(void))
{
    uint64_t a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11, e = seed * 13, f = seed * 17;
    uint64_t g = seed * 19, h = seed * 23, i = seed * 29, j = seed * 31, k = seed * 37;
    double x = (double)seed, y = x * 1.5, z = x * 2.5, w = x * 3.5;
    for (int round = 0; round < 50; round++) {
        between();
        a ^= b + 1, b += c, c ^= d, d += e, e ^= f, f += g, g ^= h, h += i, i ^= j, j += k, k ^= a;
        x += y, y -= z, z += w, w -= x * 0.001;
    }
    return a ^ b ^ c ^ d ^ e ^ f ^ g ^ h ^ i ^ j ^ k ^ (uint64_t)(int64_t)(x + y + z + w);
}

static void nothing(void)
{
}

static void to_hub(void)
{
    switch_out(&other, &hub, true);
}

static void to_other(void)
{
    switch_in(&hub, &other, HUB_OK);
}

static uint64_t mixed_there;

static void mix_there(void *arg)
{
    mixed_there = mix(*(const uint64_t *)arg, to_hub);
    for (;;)
        to_hub();
}

static void both_sides_keep_their_registers(void **state)
{
    (void)state;
    uint64_t seed = 999;
    prepare(mix_there, &seed);
    uint64_t here = mix(123, to_other);
    to_other();
    assert_int_equal(here, mix(123, nothing));
    assert_int_equal(mixed_there, mix(999, nothing));
}

static int mode_at_start, mode_at_end;

static void change_rounding(void *arg)
{
    (void)arg;
    mode_at_start = fegetround();
    fesetround(FE_DOWNWARD);
    to_hub();
    mode_at_end = fegetround();
    to_hub();
}

static void each_side_keeps_its_rounding_mode(void **state)
{
    (void)state;
    prepare(change_rounding, NULL);
    to_other();
    assert_int_equal(mode_at_start, FE_TONEAREST);
    assert_int_equal(fegetround(), FE_TONEAREST);
    fesetround(FE_UPWARD);
    to_other();
    assert_int_equal(mode_at_end, FE_DOWNWARD);
    assert_int_equal(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
}

static uintptr_t local_address;

static void look_at_alignment(void *arg)
{
    (void)arg;
    _Alignas(16) volatile char local[16];
    local[0] = 1;
    local_address = (uintptr_t)&local[0];
    to_hub();
}

static void the_first_frame_is_aligned_and_on_the_stack(void **state)
{
    (void)state;
    prepare(look_at_alignment, NULL);
    to_other();
    assert_int_equal(local_address % 16, 0);
    assert_in_range(local_address, (uintptr_t)stack, (uintptr_t)stack + STACK);
}

static void a_saved_context_tells_where_it_stands(void **state)
{
    (void)state;
    uintptr_t pc, frame;
    prepare(look_at_alignment, NULL);
    to_other();
    if (!switch_frame(&other, &pc, &frame))
        skip();
    assert_int_not_equal(pc, 0);
    assert_in_range(frame, (uintptr_t)stack, (uintptr_t)stack + STACK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_stack, free_stack)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_travel_both_ways),
        TEST(both_sides_keep_their_registers),
        TEST(each_side_keeps_its_rounding_mode),
        TEST(the_first_frame_is_aligned_and_on_the_stack),
        TEST(a_saved_context_tells_where_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
