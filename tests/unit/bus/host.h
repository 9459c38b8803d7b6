/* SPDX-License-Identifier: Apache-2.0 */
/* A host for tests of the bus: a region, incarnations in it, and processes that play them. */
#ifndef TESTS_UNIT_BUS_HOST_H
#define TESTS_UNIT_BUS_HOST_H

#include "bus/bus.h"
#include "bus/hostlog.h"
#include "bus/layout.h"
#include "common/clock.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { HOST_LOG = 1 << 20, HOST_RING = HOST_LOG / REGION_CELL };

static inline void host_open(region *shared)
{
    error why = {HUB_OK, ""};
    if (region_create(shared, HOST_LOG, &why) != HUB_OK)
        fail_msg("%s", why.text);
}

static inline unsigned host_row(const region *shared)
{
    unsigned index = 0;
    assert_int_equal(region_claim_row(shared, 0, 1, &index), HUB_OK);
    return index;
}

/* Joins in this process; NULL when it cannot. Several may live in one process as long as they take turns. */
static inline bus *host_join(const region *shared, unsigned index)
{
    bus *joined = NULL;
    return bus_open(&joined, shared, index, NULL) == HUB_OK ? joined : NULL;
}

static inline bus *host_bus(const region *shared)
{
    bus *joined = host_join(shared, host_row(shared));
    assert_non_null(joined);
    return joined;
}

/* A message to one room of "/". The body is made by the caller. */
static inline hub_status host_publish(bus *from, const char *room, const void *body, size_t length,
                                      uint64_t *position)
{
    hub_bytes name = hub_text(room);
    bus_message message = {.kind = 7, .name_space = hub_text("/"), .rooms = &name, .room_count = 1};
    struct iovec part = {(void *)(uintptr_t)body, length};
    return bus_publish(from, &message, &part, 1, position);
}

static inline hub_status host_say(bus *from, const char *text)
{
    return host_publish(from, "lobby", text, strlen(text), NULL);
}

/* Reads the next record as text; the outcome is BUS_RECORD only when its body was sound. */
static inline bus_outcome host_hear(bus *by, char *text, size_t size)
{
    bus_record record;
    bus_outcome outcome = bus_peek(by, &record);
    if (outcome != BUS_RECORD)
        return outcome;
    assert_true(record.body_length < size);
    text[record.body_length] = 0;
    return bus_take(by, text) == HUB_OK ? BUS_RECORD : BUS_GAP;
}

static inline void host_expect(bus *by, const char *expected)
{
    char text[4096];
    assert_int_equal(host_hear(by, text, sizeof text), BUS_RECORD);
    assert_string_equal(text, expected);
}

static inline void host_expect_outcome(bus *by, bus_outcome expected)
{
    bus_record record;
    assert_int_equal(bus_peek(by, &record), expected);
}

/* Skips everything; how many records there were. */
static inline unsigned host_drain(bus *by)
{
    bus_record record;
    unsigned count = 0;
    for (bus_outcome outcome; (outcome = bus_peek(by, &record)) != BUS_NOTHING;) {
        if (outcome == BUS_RECORD) {
            bus_skip(by);
            count++;
        }
    }
    return count;
}

/* ---- processes ------------------------------------------------------------------------------------------
 */

/* Memory that a test shares with its processes. */
static inline void *host_shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

/* Runs a function in a child that ends with what it returns, with the test, or after a minute. */
static inline pid_t host_fork(int (*run)(void *arg), void *arg)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(60);
        _exit(run(arg));
    }
    return pid;
}

/* Waits for a child's end and returns its exit code, or minus the signal that ended it. */
static inline int host_reap(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Waits until a child is stopped; false when it ended instead. */
static inline bool host_wait_stopped(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, WUNTRACED) < 0)
        assert_int_equal(errno, EINTR);
    return WIFSTOPPED(status);
}

static inline bool host_before(uint64_t deadline)
{
    return clock_monotonic_ns() < deadline;
}

static inline uint64_t host_deadline(double seconds)
{
    return clock_monotonic_ns() + (uint64_t)(seconds * 1e9);
}

/* A small generator, so that a seed names a run. */
static inline uint64_t host_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#endif
