/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the public header, and the memory that is lent for them. */
#include "worker/sio/lent.h"
#include "worker/sio/value.h"

#include "../hub/hub_fixture.h"

#include <stdlib.h>
#include <string.h>

static hub_value of(const char *json)
{
    return hub_value_of(hub_text(json));
}

static void assert_json(hub_value value, const char *expected)
{
    assert_int_equal(value.json.length, strlen(expected));
    if (value.json.length > 0)
        assert_memory_equal(value.json.data, expected, value.json.length);
}

static void assert_text(hub_value value, const char *expected, size_t length)
{
    hub_bytes text = hub_value_text(value);
    assert_non_null(text.data);
    assert_int_equal(text.length, length);
    assert_memory_equal(text.data, expected, length);
}

static const hub_bytes attachments[] = {{"\1\2\3", 3}, {"\4", 1}, {NULL, 0}};

static hub_value with_binary(const char *json)
{
    return value_checked(hub_text(json), attachments, 3);
}

static void the_kind_is_told_by_the_first_character(void **state)
{
    (void)state;
    assert_int_equal(hub_value_kind(of("null")), HUB_NULL);
    assert_int_equal(hub_value_kind(of("true")), HUB_BOOL);
    assert_int_equal(hub_value_kind(of("false")), HUB_BOOL);
    assert_int_equal(hub_value_kind(of("-1")), HUB_NUMBER);
    assert_int_equal(hub_value_kind(of(" 9.5 ")), HUB_NUMBER);
    assert_int_equal(hub_value_kind(of("\"\"")), HUB_STRING);
    assert_int_equal(hub_value_kind(of("\n[]")), HUB_ARRAY);
    assert_int_equal(hub_value_kind(of("{}")), HUB_OBJECT);
    assert_int_equal(hub_value_kind(of("")), HUB_MISSING);
    assert_int_equal(hub_value_kind(of("  ")), HUB_MISSING);
    assert_int_equal(hub_value_kind(of("?")), HUB_MISSING);
    assert_int_equal(hub_value_kind(hub_value_of(hub_bytes_of(NULL, 0))), HUB_MISSING);
}

static void binary_is_a_kind_of_its_own(void **state)
{
    (void)state;
    hub_value value = with_binary("{\"num\":1,\"_placeholder\":true}");
    assert_int_equal(hub_value_kind(value), HUB_BLOB);
    assert_true(hub_equal(hub_value_blob(value), attachments[1]));
    assert_int_equal(hub_value_count(value), 0);
    assert_int_equal(hub_value_kind(hub_value_get(value, "num")), HUB_MISSING);
    assert_int_equal(hub_value_kind(with_binary("{\"_placeholder\":true,\"num\":3}")), HUB_OBJECT);
    assert_int_equal(hub_value_kind(of("{\"_placeholder\":true,\"num\":0}")), HUB_OBJECT);
    assert_null(hub_value_blob(of("{\"_placeholder\":true,\"num\":0}")).data);
    assert_null(hub_value_blob(of("7")).data);
}

static void binary_is_found_at_any_depth(void **state)
{
    (void)state;
    hub_value value =
        with_binary("[1,{\"a\":[{\"_placeholder\":true,\"num\":2},{\"_placeholder\":true,\"num\":0}]}]");
    hub_value list = hub_value_get(hub_value_at(value, 1), "a");
    assert_int_equal(hub_value_count(list), 2);
    assert_int_equal(hub_value_kind(hub_value_at(list, 0)), HUB_BLOB);
    assert_int_equal(hub_value_blob(hub_value_at(list, 0)).length, 0);
    assert_true(hub_equal(hub_value_blob(hub_value_at(list, 1)), attachments[0]));
    assert_true(list.checked);
}

static void items_are_counted_and_found(void **state)
{
    (void)state;
    hub_value array = of(" [ 1 , \"a,]\" , [2,3] , {\"b\":[4,5]} ] ");
    assert_int_equal(hub_value_count(array), 4);
    assert_json(hub_value_at(array, 0), "1");
    assert_json(hub_value_at(array, 1), "\"a,]\"");
    assert_json(hub_value_at(array, 2), "[2,3]");
    assert_json(hub_value_at(array, 3), "{\"b\":[4,5]}");
    assert_int_equal(hub_value_kind(hub_value_at(array, 4)), HUB_MISSING);
    assert_int_equal(hub_value_kind(hub_value_at(array, SIZE_MAX)), HUB_MISSING);
    assert_int_equal(hub_value_count(of("[]")), 0);
    assert_int_equal(hub_value_count(of("{}")), 0);
    assert_int_equal(hub_value_count(of("{\"a\":{\"b\":1,\"c\":2},\"d\":3}")), 2);
    assert_int_equal(hub_value_count(of("\"[1,2]\"")), 0);
    assert_int_equal(hub_value_kind(hub_value_at(of("{\"a\":1}"), 0)), HUB_MISSING);
}

static void members_are_found_by_their_names(void **state)
{
    (void)state;
    hub_value object = of("{ \"a\" : 1, \"ab\":2, \"\":3, \"x\\u0041\":4, \"d\\\"q\":{\"a\":5}, \"ab\":6 }");
    assert_json(hub_value_get(object, "a"), "1");
    assert_json(hub_value_get(object, "ab"), "6"); /* the last of that name */
    assert_json(hub_value_get(object, ""), "3");
    assert_json(hub_value_get(object, "xA"), "4");
    assert_json(hub_value_get(object, "d\"q"), "{\"a\":5}");
    assert_int_equal(hub_value_kind(hub_value_get(object, "b")), HUB_MISSING);
    assert_int_equal(hub_value_kind(hub_value_get(object, "x\\u0041")), HUB_MISSING);
    assert_int_equal(hub_value_kind(hub_value_get(of("[\"a\",1]"), "a")), HUB_MISSING);
    assert_int_equal(hub_value_kind(hub_value_get(of(""), "a")), HUB_MISSING);
}

static void walking_gives_keys_and_items(void **state)
{
    (void)state;
    hub_value object = of("{\"a\":1,\"b\":[2]}"), key, item;
    size_t at = 0;
    assert_true(hub_value_next(object, &at, &key, &item));
    assert_json(key, "\"a\"");
    assert_json(item, "1");
    assert_true(hub_value_next(object, &at, &key, &item));
    assert_text(key, "b", 1);
    assert_json(item, "[2]");
    assert_false(hub_value_next(object, &at, &key, &item));
    assert_false(hub_value_next(object, &at, NULL, NULL));
    at = 0;
    assert_true(hub_value_next(of("[7]"), &at, &key, &item));
    assert_int_equal(hub_value_kind(key), HUB_MISSING);
    assert_json(item, "7");
    at = 0;
    assert_false(hub_value_next(of("7"), &at, &key, &item));
}

static void scalars_of_another_kind_are_the_fallback(void **state)
{
    (void)state;
    assert_true(hub_value_bool(of("true"), false));
    assert_false(hub_value_bool(of(" false "), true));
    assert_true(hub_value_bool(of("1"), true));
    assert_true(hub_value_bool(of(""), true));
    assert_int_equal(hub_value_int(of(" 1e2 "), -1), 100);
    assert_int_equal(hub_value_int(of("100.0"), -1), 100);
    assert_int_equal(hub_value_int(of("1.5"), -1), -1);
    assert_int_equal(hub_value_int(of("1e300"), -1), -1);
    assert_int_equal(hub_value_int(of("\"7\""), -1), -1);
    assert_int_equal(hub_value_int(of("true"), -1), -1);
    assert_true(hub_value_double(of("2.5"), -1) == 2.5);
    assert_true(hub_value_double(of("3"), -1) == 3);
    assert_true(hub_value_double(of("1e999"), -1) == -1);
    assert_true(hub_value_double(of("null"), -1) == -1);
}

static void text_without_escapes_is_lent_where_it_stands(void **state)
{
    (void)state;
    hub_value value = of(" \"h\xC3\xA9\" ");
    assert_text(value, "h\xC3\xA9", 3);
    assert_ptr_equal(hub_value_text(value).data, (const char *)value.json.data + 2);
    assert_text(of("\"\""), "", 0);
    assert_null(hub_value_text(of("7")).data);
    assert_null(hub_value_text(of("[\"a\"]")).data);
    assert_null(hub_value_text(of("")).data);
    assert_null(hub_value_text(of("\"\\n\"")).data); /* outside a greenlet */
}

static void read_text_with_escapes(void *arg)
{
    (void)arg;
    hub_value array = of("[\"a\\nb\",\"\\u0000\",\"\\ud83d\\ude00\",\"\\ud83d\"]");
    assert_text(hub_value_at(array, 0), "a\nb", 3);
    assert_text(hub_value_at(array, 1), "\0", 1);
    assert_text(hub_value_at(array, 2), "\xF0\x9F\x98\x80", 4);
    assert_text(hub_value_at(array, 3), "\xEF\xBF\xBD", 3);
    lent_release_all();
}

static void text_with_escapes_is_lent_in_a_greenlet(void **state)
{
    (void)state;
    spawn(read_text_with_escapes, NULL);
    run_all();
}

static void read_rest(void *arg)
{
    (void)arg;
    hub_value array = with_binary(" [ 1 , [2] ,{\"_placeholder\":true,\"num\":0} ] ");
    assert_json(hub_value_rest(array, 1), "[ [2] ,{\"_placeholder\":true,\"num\":0} ] ");
    hub_value last = hub_value_rest(array, 2);
    assert_int_equal(hub_value_count(last), 1);
    assert_true(last.checked);
    assert_true(hub_equal(hub_value_blob(hub_value_at(last, 0)), attachments[0]));
    assert_int_equal(hub_value_count(hub_value_rest(hub_value_rest(array, 1), 1)), 1);
    assert_json(hub_value_rest(array, 3), "[]");
    assert_json(hub_value_rest(array, 4), "[]");
    assert_json(hub_value_rest(of("[]"), 0), "[]");
    assert_json(hub_value_rest(of("[]"), 1), "[]");
    assert_int_equal(hub_value_kind(hub_value_rest(of("{\"a\":1}"), 1)), HUB_MISSING);
    assert_int_equal(hub_value_kind(hub_value_rest(of("7"), 0)), HUB_MISSING);
}

static void the_rest_of_an_array_is_an_array(void **state)
{
    (void)state;
    spawn(read_rest, NULL);
    run_all();
}

/* Every end of it, and every byte of it changed: nothing is read behind the end, and every walk ends. */
static void text_that_was_never_checked_does_no_harm(void **state)
{
    (void)state;
    static const char text[] =
        "[{\"a\":[1,\"b\\n\",{\"_placeholder\":true,\"num\":0}],\"c\":-1.5e7},true,\"\\u0041\"]";
    static const char changes[] = "\"\\[]{},: x0-u";
    for (size_t length = 0; length < sizeof text; length++) {
        for (size_t change = 0; change < sizeof changes; change++) {
            char *copy = malloc(length ? length : 1);
            assert_non_null(copy);
            memcpy(copy, text, length);
            if (length > 0)
                copy[(change * 7) % length] = changes[change];
            hub_value value = {hub_bytes_of(copy, length), attachments, 3, false}, key, item;
            size_t steps = 0;
            for (size_t at = 0; hub_value_next(value, &at, &key, &item); steps++) {
                hub_value_text(key);
                hub_value_count(item);
                hub_value_get(item, "a");
                hub_value_int(item, 0);
                hub_value_double(item, 0);
                hub_value_blob(item);
            }
            assert_true(steps <= length);
            hub_value_rest(value, 9);
            free(copy);
        }
    }
}

/* ---- lent memory ---- */

enum { PIECES = 300 };

static void take_many(void *arg)
{
    (void)arg;
    unsigned char *pieces[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        size_t size = i % 50 == 49 ? 10000 : i * 3; /* some larger than a block */
        pieces[i] = lent_take(size);
        assert_non_null(pieces[i]);
        assert_true((uintptr_t)pieces[i] % _Alignof(max_align_t) == 0);
        memset(pieces[i], (int)i, size);
        if (i % 10 == 0)
            hub_yield(); /* others take meanwhile */
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t at = 0; at < i * 3 && i % 50 != 49; at++)
            assert_int_equal(pieces[i][at], (unsigned char)i);
    lent_release_all();
}

static void what_is_lent_to_greenlets_stays_apart(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        spawn(take_many, NULL);
    run_all();
}

static void take_twice(void *arg)
{
    (void)arg;
    void *first = lent_take(100);
    assert_non_null(first);
    lent_release_all();
    assert_ptr_equal(lent_take(100), first);
    lent_release_all();
}

static void what_was_given_back_is_lent_again(void **state)
{
    (void)state;
    spawn(take_twice, NULL);
    run_all();
}

static void take_and_end(void *arg)
{
    *(void **)arg = lent_take(100);
}

static void a_greenlet_that_ends_gives_back_what_it_took(void **state)
{
    (void)state;
    void *first = NULL, *second = NULL;
    spawn(take_and_end, &first);
    run_all();
    spawn(take_and_end, &second);
    run_all();
    assert_non_null(first);
    assert_ptr_equal(first, second);
}

static void nothing_is_lent_outside_a_greenlet(void **state)
{
    (void)state;
    assert_null(lent_take(1));
    lent_release_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kind_is_told_by_the_first_character),
        cmocka_unit_test(binary_is_a_kind_of_its_own),
        cmocka_unit_test(binary_is_found_at_any_depth),
        cmocka_unit_test(items_are_counted_and_found),
        cmocka_unit_test(members_are_found_by_their_names),
        cmocka_unit_test(walking_gives_keys_and_items),
        cmocka_unit_test(scalars_of_another_kind_are_the_fallback),
        cmocka_unit_test(text_without_escapes_is_lent_where_it_stands),
        cmocka_unit_test_setup_teardown(text_with_escapes_is_lent_in_a_greenlet, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(the_rest_of_an_array_is_an_array, fixture_open, fixture_close),
        cmocka_unit_test(text_that_was_never_checked_does_no_harm),
        cmocka_unit_test_setup_teardown(what_is_lent_to_greenlets_stays_apart, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(what_was_given_back_is_lent_again, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(a_greenlet_that_ends_gives_back_what_it_took, fixture_open,
                                        fixture_close),
        cmocka_unit_test(nothing_is_lent_outside_a_greenlet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
