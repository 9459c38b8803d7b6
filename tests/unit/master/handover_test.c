/* SPDX-License-Identifier: Apache-2.0 */
#include "master/handover.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { VERSION_AT = 8, HEAD = 24 };

static handover *make_sample(void)
{
    handover *sample = handover_new();
    assert_non_null(sample);
    sample->mode = HANDOVER_IN_PLACE;
    sample->master = 17;
    sample->releases = 5;
    sample->count = sample->configured = 2;
    sample->listener_count = 1;
    sample->listeners[0].fd = 9;
    snprintf(sample->listeners[0].bind, sizeof sample->listeners[0].bind, "unix:/run/a.sock");
    snprintf(sample->listeners[0].path, sizeof sample->listeners[0].path, "/run/a.sock");
    sample->worker_count = 1;
    sample->workers[0] = (handover_worker){.number = 1, .state = 3, .pid = 4711, .logs = -1, .row = 7};
    return sample;
}

/* A copy of what was written that can be written to; the sealed one cannot. */
static int copy_of(const handover *sample, size_t *length)
{
    int sealed;
    struct stat status;
    assert_int_equal(handover_write(sample, &sealed, NULL), HUB_OK);
    assert_int_equal(fstat(sealed, &status), 0);
    *length = (size_t)status.st_size;
    char *bytes = malloc(*length);
    assert_non_null(bytes);
    assert_int_equal(pread(sealed, bytes, *length, 0), (ssize_t)*length);
    int copy = memfd_create("copy", MFD_CLOEXEC);
    assert_int_equal(pwrite(copy, bytes, *length, 0), (ssize_t)*length);
    free(bytes);
    close(sealed);
    return copy;
}

static void assert_refused(int fd, const char *words)
{
    error failure = {.status = HUB_OK};
    handover *got = handover_new();
    assert_int_equal(handover_read(fd, got, &failure), HUB_EPROTO);
    assert_non_null(strstr(failure.text, words));
    free(got);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    int fd;
    handover *sample = make_sample(), *got = handover_new();
    assert_int_equal(handover_write(sample, &fd, NULL), HUB_OK);
    assert_int_equal(handover_read(fd, got, NULL), HUB_OK);
    assert_memory_equal(got, sample, sizeof *got);
    close(fd);
    free(got);
    free(sample);
}

static void what_is_written_cannot_be_changed(void **state)
{
    (void)state;
    int fd;
    handover *sample = make_sample();
    assert_int_equal(handover_write(sample, &fd, NULL), HUB_OK);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(fd, 1), -1);
    close(fd);
    free(sample);
}

static void another_version_is_refused_with_what_to_do(void **state)
{
    (void)state;
    size_t length;
    handover *sample = make_sample();
    int fd = copy_of(sample, &length);
    uint32_t version = HANDOVER_VERSION + 1;
    assert_int_equal(pwrite(fd, &version, sizeof version, VERSION_AT), sizeof version);
    assert_refused(fd, "end that server and start this one");
    close(fd);
    free(sample);
}

static void a_changed_byte_anywhere_is_found(void **state)
{
    (void)state;
    size_t length;
    handover *sample = make_sample();
    int fd = copy_of(sample, &length);
    for (size_t at = HEAD; at < length; at += 997) {
        unsigned char byte, other;
        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        other = byte ^ 0x40;
        assert_int_equal(pwrite(fd, &other, 1, (off_t)at), 1);
        assert_refused(fd, "checksum");
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    }
    close(fd);
    free(sample);
}

static void every_shorter_one_is_refused(void **state)
{
    (void)state;
    size_t length;
    handover *sample = make_sample();
    int fd = copy_of(sample, &length);
    for (size_t shorter = length - 1; shorter > HEAD; shorter -= shorter / 7 + 1) {
        assert_int_equal(ftruncate(fd, (off_t)shorter), 0);
        assert_refused(fd, "too short");
    }
    assert_int_equal(ftruncate(fd, HEAD - 1), 0);
    assert_refused(fd, "holds nothing");
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_refused(fd, "holds nothing");
    close(fd);
    free(sample);
}

static void assert_unsound(handover *sample, const char *words)
{
    int fd;
    assert_int_equal(handover_write(sample, &fd, NULL), HUB_OK);
    assert_refused(fd, words);
    close(fd);
    free(sample);
}

static void values_out_of_their_bounds_are_refused(void **state)
{
    (void)state;
    handover *sample = make_sample();
    sample->mode = HANDOVER_IN_PLACE + 1;
    assert_unsound(sample, "kind");
    sample = make_sample();
    sample->count = CONFIG_WORKERS_MAX + 1;
    assert_unsound(sample, "number of workers");
    sample = make_sample();
    sample->listener_count = LISTENERS_MAX + 1;
    assert_unsound(sample, "number of entries");
    sample = make_sample();
    memset(sample->listeners[0].path, 'x', sizeof sample->listeners[0].path);
    assert_unsound(sample, "listening socket");
    sample = make_sample();
    sample->workers[0].row = REGION_ROWS;
    assert_unsound(sample, "a worker");
    sample = make_sample();
    sample->workers[0].number = CONFIG_WORKERS_MAX;
    assert_unsound(sample, "a worker");
}

static void a_descriptor_that_is_not_open_is_an_error(void **state)
{
    (void)state;
    handover *sample = handover_new(), *got = handover_new();
    assert_int_equal(handover_read(-1, got, NULL), HUB_ESYSTEM);
    free(got);
    free(sample);
}

static void close_on_exec_is_changed_for_its_descriptors_alone(void **state)
{
    (void)state;
    handover *sample = handover_new();
    int named = memfd_create("named", MFD_CLOEXEC), other = memfd_create("other", MFD_CLOEXEC);
    int found[HANDOVER_DESCRIPTORS_MAX];
    sample->worker_count = 1;
    sample->workers[0].logs = named;
    assert_int_equal(handover_descriptors(sample, found), 1);
    assert_int_equal(found[0], named);
    assert_true(handover_set_cloexec(sample, false));
    assert_int_equal(fcntl(named, F_GETFD), 0);
    assert_int_equal(fcntl(other, F_GETFD), FD_CLOEXEC);
    assert_true(handover_set_cloexec(sample, true));
    assert_int_equal(fcntl(named, F_GETFD), FD_CLOEXEC);
    close(named);
    assert_false(handover_set_cloexec(sample, false));
    close(other);
    free(sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_written_cannot_be_changed),
        cmocka_unit_test(another_version_is_refused_with_what_to_do),
        cmocka_unit_test(a_changed_byte_anywhere_is_found),
        cmocka_unit_test(every_shorter_one_is_refused),
        cmocka_unit_test(values_out_of_their_bounds_are_refused),
        cmocka_unit_test(a_descriptor_that_is_not_open_is_an_error),
        cmocka_unit_test(close_on_exec_is_changed_for_its_descriptors_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
