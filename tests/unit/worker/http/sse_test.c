/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of WHATWG HTML, sections 9.2.5 and 9.2.6. */
#include "worker/http/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define EVENT(...) (&(hub_sse_event){__VA_ARGS__})

static void formatted(const hub_sse_event *event, const char *text)
{
    buffer out = {0};
    assert_int_equal(sse_append(&out, event), HUB_OK);
    assert_int_equal(buffer_append(&out, "", 1), HUB_OK);
    assert_string_equal(out.data, text);
    buffer_free(&out);
}

static void refused(const hub_sse_event *event)
{
    buffer out = {0};
    assert_int_equal(sse_append(&out, event), HUB_EINVAL);
    buffer_free(&out);
}

static void an_event_is_its_fields_and_a_blank_line(void **state)
{
    (void)state;
    formatted(EVENT(.data = hub_text("hello")), "data: hello\n\n");
    formatted(
        EVENT(.event = hub_text("tick"), .id = hub_text("7"), .retry = 1500, .data = hub_text(" two words ")),
        "event: tick\nid: 7\nretry: 1500\ndata:  two words \n\n");
}

static void each_line_of_the_data_is_a_field(void **state)
{
    (void)state;
    formatted(EVENT(.data = hub_text("a\nb")), "data: a\ndata: b\n\n");
    formatted(EVENT(.data = hub_text("a\rb\r\nc")), "data: a\ndata: b\ndata: c\n\n");
    formatted(EVENT(.data = hub_text("a\n\rb")), "data: a\ndata: \ndata: b\n\n");
    formatted(EVENT(.data = hub_text("a\r")), "data: a\ndata: \n\n");
    formatted(EVENT(.data = hub_text("\r\n")), "data: \ndata: \n\n");
    formatted(EVENT(.data = hub_text("id: 5\n\ndata: 6")), "data: id: 5\ndata: \ndata: data: 6\n\n");
}

static void empty_is_not_the_same_as_none(void **state)
{
    (void)state;
    formatted(EVENT(.data = hub_text("")), "data: \n\n");
    formatted(EVENT(.id = hub_text("")), "id: \n\n");
    formatted(EVENT(.retry = 3), "retry: 3\n\n");
}

static void a_nul_in_the_data_is_data(void **state)
{
    (void)state;
    buffer out = {0};
    assert_int_equal(sse_append(&out, EVENT(.data = hub_bytes_of("a\0b", 3))), HUB_OK);
    assert_true(hub_equal(buffer_bytes(&out), hub_bytes_of("data: a\0b\n\n", 11)));
    buffer_free(&out);
}

static void names_and_ids_cannot_smuggle_fields(void **state)
{
    (void)state;
    static const char *const bad[] = {"a\nb", "a\rb", "\n", "a\r"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refused(EVENT(.event = hub_text(bad[i])));
        refused(EVENT(.id = hub_text(bad[i])));
    }
    refused(EVENT(.event = hub_bytes_of("a\0", 2)));
    refused(EVENT(.id = hub_bytes_of("a\0b", 3)));
}

static void a_comment_is_one_line(void **state)
{
    (void)state;
    buffer out = {0};
    assert_int_equal(sse_append_comment(&out, hub_text("still here")), HUB_OK);
    assert_int_equal(sse_append_comment(&out, hub_text("")), HUB_OK);
    assert_true(hub_equal(buffer_bytes(&out), hub_text(": still here\n\n: \n\n")));
    assert_int_equal(sse_append_comment(&out, hub_text("a\ndata: b")), HUB_EINVAL);
    assert_int_equal(sse_append_comment(&out, hub_text("a\rb")), HUB_EINVAL);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_its_fields_and_a_blank_line),
        cmocka_unit_test(each_line_of_the_data_is_a_field),
        cmocka_unit_test(empty_is_not_the_same_as_none),
        cmocka_unit_test(a_nul_in_the_data_is_data),
        cmocka_unit_test(names_and_ids_cannot_smuggle_fields),
        cmocka_unit_test(a_comment_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
