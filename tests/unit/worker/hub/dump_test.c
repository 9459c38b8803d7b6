/* SPDX-License-Identifier: Apache-2.0 */
#include "hub_fixture.h"

#include "worker/hub/control.h"

#include <stdio.h>
#include <stdlib.h>

static char *text;

static void dump(void)
{
    size_t length;
    free(text);
    text = NULL;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    greenlet_dump(out);
    fclose(out);
}

static int free_text(void **state)
{
    free(text);
    text = NULL;
    return fixture_close(state);
}

/* Whether a frame of the dump lies in the first bytes of a function. */
static bool has_frame_in(uintptr_t function)
{
    const char *line = text;
    while ((line = strstr(line, "    #"))) {
        unsigned number;
        unsigned long pc;
        if (sscanf(line, " #%u 0x%lx", &number, &pc) == 2 && pc > function && pc < function + 512)
            return true;
        line++;
    }
    return false;
}

/* Two frames of our own on the stack; not static, so that they are not merged into one. */
__attribute__((noinline)) void dump_test_inner(void);
__attribute__((noinline)) void dump_test_outer(void *arg);

void dump_test_inner(void)
{
    volatile int after = 0;
    greenlet_park("the end of days", HUB_FOREVER);
    after = 1; /* not a tail call, so that the frame stays */
    (void)after;
}

void dump_test_outer(void *arg)
{
    dump_test_inner();
    *(int *)arg = 1;
}

static void a_parked_greenlet_is_shown_with_its_wait_and_frames(void **state)
{
    (void)state;
    int done = 0;
    greenlet *g;
    greenlet_start(&g, "lonely", dump_test_outer, &done, NULL);
    dump();
    assert_non_null(strstr(text, "'lonely' parked, waits for the end of days since 0."));
    assert_non_null(strstr(text, "1 alive, 0 ready, 1 parked"));
    char id[32];
    snprintf(id, sizeof id, "greenlet %#lx ", (unsigned long)greenlet_id(g));
    assert_non_null(strstr(text, id));
    assert_true(has_frame_in((uintptr_t)dump_test_inner));
    assert_true(has_frame_in((uintptr_t)dump_test_outer));
    greenlet_resume(g, HUB_OK);
    assert_int_equal(done, 1);
}

static void dump_inside(void *arg)
{
    dump();
    *(volatile int *)arg = 1; /* not a tail call, so that the frame stays */
}

static void the_running_greenlet_is_shown_from_inside(void **state)
{
    (void)state;
    int done = 0;
    greenlet_start(NULL, "self", dump_inside, &done, NULL);
    assert_non_null(strstr(text, "'self' running"));
    assert_true(has_frame_in((uintptr_t)dump_inside));
}

static void a_ready_and_killed_greenlet_is_shown_as_such(void **state)
{
    (void)state;
    int done = 0;
    hub_greenlet id = spawn(dump_inside, &done);
    hub_kill(id);
    dump();
    assert_non_null(strstr(text, "'test' ready, killed"));
    run_all();
}

static void ended_greenlets_are_not_shown(void **state)
{
    (void)state;
    int done = 0;
    greenlet_start(NULL, "gone", dump_inside, &done, NULL);
    dump();
    assert_null(strstr(text, "gone"));
    assert_non_null(strstr(text, "1 stacks, 1 of them pooled"));
}

static void the_steps_of_the_loop_are_shown(void **state)
{
    (void)state;
    dump();
    assert_non_null(strstr(text, "loop: turn 0, in nothing; after the poll: nothing; before it: "
                                 "stop when all ended\n"));
}

/* Frame pointers are any value in code that uses the register for something else. */
static void garbage_in_a_frame_pointer_does_no_harm(void **state)
{
    (void)state;
    int done = 0;
    greenlet *g;
    greenlet_start(&g, "odd", dump_test_outer, &done, NULL);
    uintptr_t pc, frame;
    if (!switch_frame(&g->context, &pc, &frame))
        skip();
    uintptr_t *chain = (uintptr_t *)frame, saved = chain[0];
    uintptr_t top = (uintptr_t)g;
    const uintptr_t bad[] = {1, 8, UINTPTR_MAX, UINTPTR_MAX - 7, frame, frame - 64, top - 8, top, frame + 3};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        chain[0] = bad[i];
        dump();
        assert_non_null(strstr(text, "'odd' parked"));
    }
    chain[0] = saved;
    greenlet_resume(g, HUB_OK);
    assert_int_equal(done, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, free_text)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_parked_greenlet_is_shown_with_its_wait_and_frames),
        TEST(the_running_greenlet_is_shown_from_inside),
        TEST(a_ready_and_killed_greenlet_is_shown_as_such),
        TEST(ended_greenlets_are_not_shown),
        TEST(the_steps_of_the_loop_are_shown),
        TEST(garbage_in_a_frame_pointer_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
