/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static output out;

static int setup(void **state)
{
    (void)state;
    out = (output){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    output_clear(&out);
    output_trim();
    chunk_trim();
    return 0;
}

static const hub_bytes nothing = {NULL, 0};

static chunk *shared_text(const char *text)
{
    chunk *c = chunk_new(CHUNK_SHARED, strlen(text));
    assert_non_null(c);
    memcpy(c->bytes, text, strlen(text));
    c->length = strlen(text);
    return c;
}

static void push(const char *text)
{
    assert_int_equal(output_push(&out, shared_text(text)), HUB_OK);
}

static void append(const char *text)
{
    assert_int_equal(output_append(&out, hub_text(text), nothing), HUB_OK);
}

/* All that waits, without taking it. */
static const char *waiting_text(void)
{
    static char text[8192];
    struct iovec iov[256];
    size_t length = 0;
    int n = output_gather(&out, iov, 256);
    for (int i = 0; i < n; i++) {
        memcpy(text + length, iov[i].iov_base, iov[i].iov_len);
        length += iov[i].iov_len;
    }
    text[length] = 0;
    assert_int_equal(out.bytes, length);
    return text;
}

static int entries(void)
{
    struct iovec iov[256];
    return output_gather(&out, iov, 256);
}

static void an_empty_queue_gives_nothing(void **state)
{
    (void)state;
    assert_int_equal(entries(), 0);
    assert_null(output_front_file(&out));
    output_advance(&out, 0);
    output_cut(&out);
    assert_int_equal(out.bytes, 0);
}

static void short_answers_join_in_one_piece(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++)
        append("0123456789");
    assert_int_equal(entries(), 1);
    assert_int_equal(out.bytes, 2000);
    assert_memory_equal(waiting_text() + 1990, "0123456789", 10);
}

static void head_and_body_stay_together(void **state)
{
    (void)state;
    assert_int_equal(output_append(&out, hub_text("head"), hub_text("body")), HUB_OK);
    assert_int_equal(entries(), 1);
    assert_string_equal(waiting_text(), "headbody");
}

static void nothing_is_appended_behind_shared_bytes(void **state)
{
    (void)state;
    chunk *c = shared_text("shared");
    assert_int_equal(output_push(&out, chunk_hold(c)), HUB_OK);
    append("mine");
    assert_int_equal(c->length, 6);
    assert_string_equal(waiting_text(), "sharedmine");
    chunk_drop(c);
}

static void a_piece_that_moves_keeps_what_is_half_sent(void **state)
{
    (void)state;
    append("half sent ");
    output_advance(&out, 5);
    char text[1001] = {0};
    memset(text, 'x', 1000);
    append(text);
    assert_int_equal(out.bytes, 1005);
    assert_memory_equal(waiting_text(), "sent xxx", 8);
}

static void a_large_body_is_one_piece_of_its_own(void **state)
{
    (void)state;
    char *large = calloc(1, 100000);
    assert_non_null(large);
    append("small");
    assert_int_equal(output_append(&out, hub_text("h"), hub_bytes_of(large, 100000)), HUB_OK);
    free(large);
    assert_int_equal(entries(), 2);
    assert_int_equal(out.bytes, 100006);
}

static void a_body_of_an_impossible_size_is_refused(void **state)
{
    (void)state;
    assert_int_equal(output_append(&out, hub_text("h"), hub_bytes_of("", SIZE_MAX)), HUB_ENOMEM);
    assert_int_equal(out.bytes, 0);
    assert_null(out.first);
}

static void pieces_leave_in_order_however_they_are_taken(void **state)
{
    (void)state;
    for (size_t step = 1; step < 40; step++) {
        char expected[512] = "", name[16];
        for (int i = 0; i < 60; i++) {
            snprintf(name, sizeof name, "%d,", i);
            push(name);
            strcat(expected, name);
        }
        for (size_t at = 0; at < strlen(expected); at += step) {
            assert_string_equal(waiting_text(), expected + at);
            output_advance(&out, strlen(expected) - at < step ? strlen(expected) - at : step);
        }
        assert_null(out.first);
        assert_null(out.nodes);
        assert_null(out.last);
        assert_int_equal(out.bytes, 0);
    }
}

static void gathering_stops_at_its_limit(void **state)
{
    (void)state;
    struct iovec iov[8];
    for (int i = 0; i < 30; i++)
        push("x");
    assert_int_equal(output_gather(&out, iov, 8), 8);
    assert_int_equal(output_gather(&out, iov, 1), 1);
    assert_int_equal(output_gather(&out, iov, 0), 0);
}

static chunk *file_of(size_t length)
{
    chunk *c = chunk_new_file(memfd_create("test", MFD_CLOEXEC), 0, length);
    assert_non_null(c);
    return c;
}

static void a_file_in_front_is_no_vector_and_behind_it_ends_it(void **state)
{
    (void)state;
    struct iovec iov[8];
    append("head");
    assert_int_equal(output_push(&out, file_of(100)), HUB_OK);
    append("tail");
    assert_int_equal(output_gather(&out, iov, 8), 1);
    assert_null(output_front_file(&out));
    output_advance(&out, 4);
    assert_int_equal(output_gather(&out, iov, 8), 0);
    assert_non_null(output_front_file(&out));
    output_advance(&out, 60);
    assert_int_equal(output_front_file(&out)->offset, 60);
    assert_int_equal(output_front_file(&out)->length, 40);
    output_advance(&out, 40);
    assert_string_equal(waiting_text(), "tail");
}

static void a_cut_keeps_only_what_is_half_sent(void **state)
{
    (void)state;
    push("half");
    push("rest");
    append("more");
    output_advance(&out, 1);
    output_cut(&out);
    assert_string_equal(waiting_text(), "alf");
    append("close");
    assert_string_equal(waiting_text(), "alfclose");
}

static void a_cut_of_what_has_not_begun_keeps_nothing(void **state)
{
    (void)state;
    push("whole");
    push("rest");
    output_cut(&out);
    assert_null(out.first);
    assert_int_equal(out.bytes, 0);
}

static chunk *memory_text(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    chunk *c = chunk_new_memory(copy, strlen(text));
    assert_non_null(c);
    return c;
}

static void push_pair(const char *front, chunk *rest)
{
    chunk *pair = chunk_new_pair(hub_text(front), rest);
    assert_non_null(pair);
    assert_int_equal(output_push(&out, pair), HUB_OK);
}

static void a_pair_leaves_as_one_run_however_it_is_taken(void **state)
{
    (void)state;
    const char *whole = "before,front:memory,front:memory,after";
    for (size_t step = 1; step <= strlen(whole); step++) {
        chunk *memory = memory_text("memory,");
        push("before,");
        push_pair("front:", memory);
        push_pair("front:", memory);
        chunk_drop(memory);
        append("after");
        for (size_t at = 0; at < strlen(whole); at += step) {
            assert_string_equal(waiting_text(), whole + at);
            output_advance(&out, strlen(whole) - at < step ? strlen(whole) - at : step);
        }
        assert_null(out.first);
        assert_int_equal(out.bytes, 0);
    }
}

static void a_pair_at_the_limit_of_a_write_is_gone_on_with(void **state)
{
    (void)state;
    struct iovec iov[3];
    chunk *memory = memory_text("memory");
    push("before,");
    push_pair("front:", memory);
    chunk_drop(memory);
    assert_int_equal(output_gather(&out, iov, 2), 2);
    assert_int_equal(iov[1].iov_len, 6);
    output_advance(&out, 13);
    assert_string_equal(waiting_text(), "memory");
}

static void a_cut_keeps_a_pair_of_which_only_the_front_is_sent(void **state)
{
    (void)state;
    chunk *memory = memory_text("memory");
    push_pair("front:", memory);
    push_pair("front:", memory);
    output_advance(&out, 6);
    output_cut(&out);
    assert_string_equal(waiting_text(), "memory");
    assert_int_equal(memory->references, 2);
    chunk_drop(memory);
}

static void clearing_gives_every_reference_back(void **state)
{
    (void)state;
    chunk *c = shared_text("shared");
    for (int i = 0; i < 100; i++)
        assert_int_equal(output_push(&out, chunk_hold(c)), HUB_OK);
    assert_int_equal(c->references, 101);
    output_clear(&out);
    assert_int_equal(c->references, 1);
    chunk_drop(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_queue_gives_nothing),
        TEST(short_answers_join_in_one_piece),
        TEST(head_and_body_stay_together),
        TEST(nothing_is_appended_behind_shared_bytes),
        TEST(a_piece_that_moves_keeps_what_is_half_sent),
        TEST(a_large_body_is_one_piece_of_its_own),
        TEST(a_body_of_an_impossible_size_is_refused),
        TEST(pieces_leave_in_order_however_they_are_taken),
        TEST(gathering_stops_at_its_limit),
        TEST(a_file_in_front_is_no_vector_and_behind_it_ends_it),
        TEST(a_cut_keeps_only_what_is_half_sent),
        TEST(a_cut_of_what_has_not_begun_keeps_nothing),
        TEST(a_pair_leaves_as_one_run_however_it_is_taken),
        TEST(a_pair_at_the_limit_of_a_write_is_gone_on_with),
        TEST(a_cut_keeps_a_pair_of_which_only_the_front_is_sent),
        TEST(clearing_gives_every_reference_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
