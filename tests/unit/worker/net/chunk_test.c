/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/chunk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int trim(void **state)
{
    (void)state;
    chunk_trim();
    return 0;
}

static void a_chunk_has_at_least_the_room_that_was_asked_for(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 512, 513, 4096, 4097, 16384, 16385, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        chunk *c = chunk_new(CHUNK_PRIVATE, sizes[i]);
        assert_non_null(c);
        assert_true(c->capacity >= sizes[i]);
        assert_int_equal(c->length, 0);
        assert_int_equal(c->references, 1);
        memset(c->bytes, 0xff, c->capacity);
        chunk_drop(c);
    }
}

static void a_size_that_no_object_can_have_is_no_memory(void **state)
{
    (void)state;
    assert_null(chunk_new(CHUNK_PRIVATE, SIZE_MAX - 8));
}

static void the_last_reference_frees(void **state)
{
    (void)state;
    chunk *c = chunk_new(CHUNK_SHARED, 10);
    assert_non_null(c);
    chunk_hold(c);
    chunk_drop(c);
    assert_int_equal(c->references, 1);
    memset(c->bytes, 'x', 10);
    chunk_drop(c);
}

static void freed_memory_is_used_again(void **state)
{
    (void)state;
    chunk *first = chunk_new(CHUNK_SHARED, 100);
    assert_non_null(first);
    first->length = 50;
    chunk_drop(first);
    chunk *second = chunk_new(CHUNK_PRIVATE, 200);
    assert_ptr_equal(second, first);
    assert_int_equal(second->length, 0);
    assert_int_equal(second->kind, CHUNK_PRIVATE);
    chunk_drop(second);
}

static void large_memory_is_not_kept(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        chunk *c = chunk_new(CHUNK_PRIVATE, 1 << 20);
        assert_non_null(c);
        chunk_drop(c);
    }
    chunk *small = chunk_new(CHUNK_PRIVATE, 16384);
    assert_non_null(small);
    assert_int_equal(small->capacity, 16384);
    chunk_drop(small);
}

static void a_file_is_closed_with_its_last_reference(void **state)
{
    (void)state;
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    chunk *c = chunk_new_file(fd, 3, 5);
    assert_non_null(c);
    assert_int_equal(c->offset, 3);
    assert_int_equal(c->length, 5);
    chunk_drop(c);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(errno, EBADF);
}

#define TEST(name) cmocka_unit_test_teardown(name, trim)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_chunk_has_at_least_the_room_that_was_asked_for),
        TEST(a_size_that_no_object_can_have_is_no_memory),
        TEST(the_last_reference_frees),
        TEST(freed_memory_is_used_again),
        TEST(large_memory_is_not_kept),
        TEST(a_file_is_closed_with_its_last_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
