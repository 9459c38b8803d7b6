/* SPDX-License-Identifier: Apache-2.0 */
#include "common/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_holds(const buffer *bytes, const char *text)
{
    assert_true(hub_equal(buffer_bytes(bytes), hub_text(text)));
}

static void appended_bytes_stand_in_order(void **state)
{
    (void)state;
    buffer bytes = {0};
    assert_int_equal(buffer_append(&bytes, "one\0", 4), HUB_OK);
    assert_int_equal(buffer_append_text(&bytes, "two"), HUB_OK);
    assert_int_equal(buffer_append(&bytes, NULL, 0), HUB_OK);
    assert_int_equal(bytes.length, 7);
    assert_memory_equal(bytes.data, "one\0two", 7);
    buffer_free(&bytes);
}

static void growth_at_least_doubles(void **state)
{
    (void)state;
    buffer bytes = {0};
    size_t capacity = 0;
    unsigned growths = 0;
    for (size_t i = 0; i < 100000; i++) {
        assert_int_equal(buffer_append(&bytes, "x", 1), HUB_OK);
        if (bytes.capacity == capacity)
            continue;
        assert_true(bytes.capacity >= 2 * capacity);
        capacity = bytes.capacity;
        growths++;
    }
    assert_true(growths <= 17);
    assert_int_equal(bytes.length, 100000);
    buffer_free(&bytes);
}

static void a_reservation_that_cannot_be_had_changes_nothing(void **state)
{
    (void)state;
    buffer bytes = {0};
    buffer_append_text(&bytes, "kept");
    assert_int_equal(buffer_reserve(&bytes, SIZE_MAX), HUB_ENOMEM);
    assert_int_equal(buffer_reserve(&bytes, SIZE_MAX - 4), HUB_ENOMEM);
    assert_holds(&bytes, "kept");
    buffer_free(&bytes);
}

static void reserved_room_is_used_without_moving(void **state)
{
    (void)state;
    buffer bytes = {0};
    assert_int_equal(buffer_reserve(&bytes, 1000), HUB_OK);
    const char *data = bytes.data;
    for (int i = 0; i < 1000; i++)
        buffer_append(&bytes, "x", 1);
    assert_ptr_equal(bytes.data, data);
    buffer_free(&bytes);
}

static void printf_appends_short_and_long_texts(void **state)
{
    (void)state;
    buffer bytes = {0};
    assert_int_equal(buffer_printf(&bytes, "%d-%s;", 42, "x"), HUB_OK);
    assert_int_equal(buffer_printf(&bytes, "%s", ""), HUB_OK);
    assert_holds(&bytes, "42-x;");
    assert_int_equal(buffer_printf(&bytes, "%500s", "end"), HUB_OK);
    assert_int_equal(bytes.length, 505);
    assert_memory_equal(bytes.data + 502, "end", 3);
    buffer_free(&bytes);
}

static void printf_fits_at_every_fill(void **state)
{
    (void)state;
    for (size_t fill = 0; fill < 130; fill++) {
        buffer bytes = {0};
        for (size_t i = 0; i < fill; i++)
            buffer_append(&bytes, "a", 1);
        assert_int_equal(buffer_printf(&bytes, "%s", "bcd"), HUB_OK);
        assert_int_equal(bytes.length, fill + 3);
        assert_memory_equal(bytes.data + fill, "bcd", 3);
        buffer_free(&bytes);
    }
}

static void consuming_drops_the_front(void **state)
{
    (void)state;
    buffer bytes = {0};
    buffer_append_text(&bytes, "abcdef");
    buffer_consume(&bytes, 0);
    assert_holds(&bytes, "abcdef");
    buffer_consume(&bytes, 2);
    assert_holds(&bytes, "cdef");
    buffer_consume(&bytes, 100);
    assert_int_equal(bytes.length, 0);
    buffer_free(&bytes);
}

static void a_cleared_buffer_keeps_its_memory_and_a_freed_one_can_be_used_again(void **state)
{
    (void)state;
    buffer bytes = {0};
    buffer_append_text(&bytes, "abc");
    size_t capacity = bytes.capacity;
    buffer_clear(&bytes);
    assert_int_equal(bytes.length, 0);
    assert_int_equal(bytes.capacity, capacity);
    buffer_free(&bytes);
    assert_int_equal(bytes.capacity, 0);
    buffer_append_text(&bytes, "again");
    assert_holds(&bytes, "again");
    buffer_free(&bytes);
}

static void an_untouched_buffer_can_be_consumed_and_freed(void **state)
{
    (void)state;
    buffer bytes = {0};
    buffer_consume(&bytes, 5);
    assert_int_equal(buffer_bytes(&bytes).length, 0);
    buffer_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_bytes_stand_in_order),
        cmocka_unit_test(growth_at_least_doubles),
        cmocka_unit_test(a_reservation_that_cannot_be_had_changes_nothing),
        cmocka_unit_test(reserved_room_is_used_without_moving),
        cmocka_unit_test(printf_appends_short_and_long_texts),
        cmocka_unit_test(printf_fits_at_every_fill),
        cmocka_unit_test(consuming_drops_the_front),
        cmocka_unit_test(a_cleared_buffer_keeps_its_memory_and_a_freed_one_can_be_used_again),
        cmocka_unit_test(an_untouched_buffer_can_be_consumed_and_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
