/* SPDX-License-Identifier: Apache-2.0 */
/* A loop for tests of the hub. Includes what cmocka wants before it. */
#ifndef TESTS_UNIT_WORKER_HUB_HUB_FIXTURE_H
#define TESTS_UNIT_WORKER_HUB_HUB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/hub/fibre.h"
#include "worker/hub/greenlet.h"
#include "worker/hub/loop.h"

#include <time.h>
#include <unistd.h>

enum { FIXTURE_STACK = 256 << 10 };

static inline double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A step that ends loop_run as soon as no greenlet is alive. */
static inline bool stop_when_all_ended(void *arg)
{
    (void)arg;
    if (greenlet_count().alive == 0)
        loop_stop();
    return false;
}

static inline int fixture_open_as(loop_options options)
{
    error why;
    if (loop_open(&options, &why) != HUB_OK) {
        print_error("%s\n", why.text);
        return -1;
    }
    return loop_add_step(LOOP_BEFORE_POLL, "stop when all ended", stop_when_all_ended, NULL) == HUB_OK ? 0
                                                                                                       : -1;
}

static inline int fixture_open(void **state)
{
    (void)state;
    return fixture_open_as((loop_options){.stack_size = FIXTURE_STACK});
}

static inline int fixture_close(void **state)
{
    (void)state;
    loop_close();
    return 0;
}

/* Spawns it and answers its id. */
static inline hub_greenlet spawn(greenlet_main run, void *arg)
{
    hub_greenlet id = 0;
    assert_int_equal(hub_spawn(&id, "test", run, arg), HUB_OK);
    return id;
}

/* Turns until every greenlet has ended. */
static inline void run_all(void)
{
    assert_int_equal(loop_run(), HUB_OK);
    assert_int_equal(greenlet_count().alive, 0);
}

#endif
