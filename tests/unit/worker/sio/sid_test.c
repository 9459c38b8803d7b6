/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/sid.h"

#include "worker/rooms/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const hub_id sample = UINT64_C(0x1234000800000007);
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int open_host(void **state)
{
    (void)state;
    sid_open((hash_key){UINT64_C(0x1122334455667788), UINT64_C(0x99aabbccddeeff00)});
    return 0;
}

static void an_id_is_read_as_it_was_made(void **state)
{
    (void)state;
    const hub_id ids[] = {0, 1, sample, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(0xffff) << 48};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char text[SID_LENGTH + 1], open[SID_PUBLIC_LENGTH + 1];
        hub_id got = ~ids[i];
        sid_make(ids[i], text);
        assert_int_equal(strlen(text), SID_LENGTH);
        assert_int_equal(strspn(text, alphabet), SID_LENGTH);
        assert_true(sid_read(hub_text(text), &got));
        assert_true(got == ids[i]);
        got = ~ids[i];
        sid_make_public(ids[i], open);
        assert_int_equal(strlen(open), SID_PUBLIC_LENGTH);
        assert_int_equal(strspn(open, alphabet), SID_PUBLIC_LENGTH);
        assert_true(sid_read_public(hub_text(open), &got));
        assert_true(got == ids[i]);
    }
}

static void an_id_names_the_incarnation_of_its_session(void **state)
{
    (void)state;
    char text[SID_LENGTH + 1];
    hub_id got = 0;
    sid_make(sample, text);
    assert_true(sid_read(hub_text(text), &got));
    assert_int_equal(session_id_incarnation(got), 0x1234);
}

static void any_other_character_anywhere_is_refused(void **state)
{
    (void)state;
    char text[SID_LENGTH + 1], open[SID_PUBLIC_LENGTH + 1];
    hub_id got = 77;
    sid_make(sample, text);
    sid_make_public(sample, open);
    for (size_t at = 0; at < SID_LENGTH; at++) {
        for (int c = 0; c < 256; c++) {
            char before = text[at];
            if (c == (unsigned char)before)
                continue;
            text[at] = (char)c;
            assert_false(sid_read(hub_bytes_of(text, SID_LENGTH), &got));
            text[at] = before;
            if (at >= SID_PUBLIC_LENGTH || c == (unsigned char)open[at])
                continue;
            before = open[at];
            open[at] = (char)c;
            assert_false(sid_read_public(hub_bytes_of(open, SID_PUBLIC_LENGTH), &got));
            open[at] = before;
        }
    }
    assert_true(got == 77); /* not touched */
    assert_true(sid_read(hub_text(text), &got));
}

static void other_lengths_are_refused(void **state)
{
    (void)state;
    char text[2 * SID_LENGTH] = {0};
    hub_id got;
    sid_make(sample, text);
    memset(text + SID_LENGTH, 'A', SID_LENGTH - 1);
    for (size_t length = 0; length < sizeof text; length++) {
        assert_int_equal(sid_read(hub_bytes_of(text, length), &got), length == SID_LENGTH);
        assert_false(sid_read_public(hub_bytes_of(text, length), &got));
    }
    assert_false(sid_read(hub_bytes_of(NULL, 0), &got));
}

static void from_a_public_id_the_secret_one_does_not_follow(void **state)
{
    (void)state;
    char text[SID_LENGTH + 1], open[SID_PUBLIC_LENGTH + 1];
    sid_make(sample, text);
    sid_make_public(sample, open);
    /* The session's id takes ten characters and two thirds of the next; the hashes begin behind it. */
    assert_memory_equal(text, open, 10);
    assert_string_not_equal(text + 11, open + 11);
    unsigned same = 0;
    for (size_t i = 11; i < SID_PUBLIC_LENGTH; i++)
        same += text[i] == open[i];
    assert_true(same < 5);
}

static void another_host_refuses_it(void **state)
{
    char text[SID_LENGTH + 1];
    hub_id got;
    sid_make(sample, text);
    sid_open((hash_key){1, 2});
    assert_false(sid_read(hub_text(text), &got));
    open_host(state);
    assert_true(sid_read(hub_text(text), &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_read_as_it_was_made),
        cmocka_unit_test(an_id_names_the_incarnation_of_its_session),
        cmocka_unit_test(any_other_character_anywhere_is_refused),
        cmocka_unit_test(other_lengths_are_refused),
        cmocka_unit_test(from_a_public_id_the_secret_one_does_not_follow),
        cmocka_unit_test(another_host_refuses_it),
    };
    return cmocka_run_group_tests(tests, open_host, NULL);
}
