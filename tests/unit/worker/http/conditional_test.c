/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/conditional.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MODIFIED "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE   "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER    "Sun, 06 Nov 1994 08:49:38 GMT"

static const validators strong = {
    .etag = "\"abc\"", .modified = 784111777, .now = 1800000000, .date_is_strong = true};
static const validators weak = {.etag = "W/\"abc\"", .modified = 784111777, .now = 784111777};

typedef struct request {
    const char *method;
    const char *fields[8]; /* name, value, …, NULL */
} request;

static http_head head_of(const request *asked, http_field fields[4])
{
    http_head head = {.method = hub_text(asked->method ? asked->method : "GET"), .fields = fields};
    for (size_t i = 0; i < 8 && asked->fields[i]; i += 2)
        fields[head.field_count++] =
            (http_field){.name = hub_text(asked->fields[i]), .value = hub_text(asked->fields[i + 1])};
    return head;
}

static condition check(const validators *file, request asked)
{
    http_field fields[4];
    http_head head = head_of(&asked, fields);
    return condition_check(&head, file);
}

static bool range_counts(const validators *file, request asked)
{
    http_field fields[4];
    http_head head = head_of(&asked, fields);
    return condition_range(&head, file);
}

/* ---- the steps of RFC 9110, 13.2.2 ---- */

static void without_conditions_the_method_is_done(void **state)
{
    (void)state;
    assert_int_equal(check(&strong, (request){0}), CONDITION_HOLDS);
}

static void step_1_if_match_fails_unless_a_tag_matches(void **state)
{
    (void)state;
    assert_int_equal(check(&strong, (request){.fields = {"If-Match", "\"abc\""}}), CONDITION_HOLDS);
    assert_int_equal(check(&strong, (request){.fields = {"If-Match", "*"}}), CONDITION_HOLDS);
    assert_int_equal(check(&strong, (request){.fields = {"If-Match", "\"x\", \"abc\""}}), CONDITION_HOLDS);
    assert_int_equal(check(&strong, (request){.fields = {"If-Match", "\"x\""}}), CONDITION_FAILED);
    assert_int_equal(check(&strong, (request){.fields = {"If-Match", ""}}), CONDITION_FAILED);
    assert_int_equal(check(&strong, (request){"PUT", {"If-Match", "\"x\""}}), CONDITION_FAILED);
}

static void step_1_if_match_compares_strongly(void **state)
{
    (void)state;
    assert_int_equal(check(&strong, (request){.fields = {"If-Match", "W/\"abc\""}}), CONDITION_FAILED);
    assert_int_equal(check(&weak, (request){.fields = {"If-Match", "W/\"abc\""}}), CONDITION_FAILED);
    assert_int_equal(check(&weak, (request){.fields = {"If-Match", "\"abc\""}}), CONDITION_FAILED);
    assert_int_equal(check(&weak, (request){.fields = {"If-Match", "*"}}), CONDITION_HOLDS);
}

static void step_1_if_match_wins_over_if_unmodified_since(void **state)
{
    (void)state;
    assert_int_equal(
        check(&strong, (request){.fields = {"If-Match", "\"abc\"", "If-Unmodified-Since", BEFORE}}),
        CONDITION_HOLDS);
    assert_int_equal(check(&strong, (request){.fields = {"If-Match", "\"x\"", "If-Unmodified-Since", AFTER}}),
                     CONDITION_FAILED);
}

static void step_2_if_unmodified_since_fails_when_it_was(void **state)
{
    (void)state;
    assert_int_equal(check(&strong, (request){.fields = {"If-Unmodified-Since", BEFORE}}), CONDITION_FAILED);
    assert_int_equal(check(&strong, (request){.fields = {"If-Unmodified-Since", MODIFIED}}), CONDITION_HOLDS);
    assert_int_equal(check(&strong, (request){.fields = {"If-Unmodified-Since", AFTER}}), CONDITION_HOLDS);
    assert_int_equal(check(&strong, (request){"PUT", {"If-Unmodified-Since", BEFORE}}), CONDITION_FAILED);
}

static void step_3_if_none_match_is_304_for_get_and_head_and_412_for_others(void **state)
{
    (void)state;
    assert_int_equal(check(&strong, (request){"GET", {"If-None-Match", "\"abc\""}}), CONDITION_NOT_MODIFIED);
    assert_int_equal(check(&strong, (request){"HEAD", {"If-None-Match", "*"}}), CONDITION_NOT_MODIFIED);
    assert_int_equal(check(&strong, (request){"PUT", {"If-None-Match", "\"abc\""}}), CONDITION_FAILED);
    assert_int_equal(check(&strong, (request){"PUT", {"If-None-Match", "*"}}), CONDITION_FAILED);
    assert_int_equal(check(&strong, (request){"GET", {"If-None-Match", "\"x\""}}), CONDITION_HOLDS);
}

static void step_3_if_none_match_compares_weakly(void **state)
{
    (void)state;
    assert_int_equal(check(&strong, (request){.fields = {"If-None-Match", "W/\"abc\""}}),
                     CONDITION_NOT_MODIFIED);
    assert_int_equal(check(&weak, (request){.fields = {"If-None-Match", "\"abc\""}}), CONDITION_NOT_MODIFIED);
    assert_int_equal(check(&weak, (request){.fields = {"If-None-Match", "W/\"abc\""}}),
                     CONDITION_NOT_MODIFIED);
}

static void step_3_if_none_match_wins_over_if_modified_since(void **state)
{
    (void)state;
    assert_int_equal(
        check(&strong, (request){.fields = {"If-Modified-Since", AFTER, "If-None-Match", "\"x\""}}),
        CONDITION_HOLDS);
    assert_int_equal(
        check(&strong, (request){.fields = {"If-Modified-Since", BEFORE, "If-None-Match", "\"abc\""}}),
        CONDITION_NOT_MODIFIED);
}

static void step_4_if_modified_since_is_304_when_it_was_not(void **state)
{
    (void)state;
    assert_int_equal(check(&strong, (request){.fields = {"If-Modified-Since", MODIFIED}}),
                     CONDITION_NOT_MODIFIED);
    assert_int_equal(check(&strong, (request){"HEAD", {"If-Modified-Since", AFTER}}), CONDITION_NOT_MODIFIED);
    assert_int_equal(check(&strong, (request){.fields = {"If-Modified-Since", BEFORE}}), CONDITION_HOLDS);
    assert_int_equal(check(&strong, (request){"PUT", {"If-Modified-Since", AFTER}}), CONDITION_HOLDS);
}

static void a_failed_first_step_wins_over_304(void **state)
{
    (void)state;
    assert_int_equal(check(&strong, (request){.fields = {"If-None-Match", "\"abc\"", "If-Match", "\"x\""}}),
                     CONDITION_FAILED);
    assert_int_equal(
        check(&strong, (request){.fields = {"If-Modified-Since", AFTER, "If-Unmodified-Since", BEFORE}}),
        CONDITION_FAILED);
    assert_int_equal(check(&strong, (request){.fields = {"If-None-Match", "\"abc\"", "If-Match", "\"abc\""}}),
                     CONDITION_NOT_MODIFIED);
}

static void dates_that_are_none_or_come_twice_are_no_condition(void **state)
{
    (void)state;
    static const char *const names[] = {"If-Modified-Since", "If-Unmodified-Since"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(check(&strong, (request){.fields = {names[i], "yesterday"}}), CONDITION_HOLDS);
        assert_int_equal(check(&strong, (request){.fields = {names[i], "\"abc\""}}), CONDITION_HOLDS);
        assert_int_equal(check(&strong, (request){.fields = {names[i], ""}}), CONDITION_HOLDS);
    }
    assert_int_equal(
        check(&strong, (request){.fields = {"If-Modified-Since", AFTER, "If-Modified-Since", AFTER}}),
        CONDITION_HOLDS);
    assert_int_equal(
        check(&strong, (request){.fields = {"If-Unmodified-Since", BEFORE, "If-Unmodified-Since", BEFORE}}),
        CONDITION_HOLDS);
}

static void all_three_forms_of_dates_are_understood(void **state)
{
    (void)state;
    assert_int_equal(
        check(&strong, (request){.fields = {"If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT"}}),
        CONDITION_NOT_MODIFIED);
    assert_int_equal(check(&strong, (request){.fields = {"If-Modified-Since", "Sun Nov  6 08:49:37 1994"}}),
                     CONDITION_NOT_MODIFIED);
}

/* ---- lists of tags ---- */

static void lists_are_read_over_fields_empty_elements_and_commas_in_tags(void **state)
{
    (void)state;
    static const validators comma = {.etag = "\"a,b\""};
    assert_int_equal(check(&strong, (request){.fields = {"If-Match", "\"x\"", "if-match", "\"abc\""}}),
                     CONDITION_HOLDS);
    assert_int_equal(check(&strong, (request){.fields = {"If-Match", ", ,\t\"x\" ,,\"abc\","}}),
                     CONDITION_HOLDS);
    assert_int_equal(check(&comma, (request){.fields = {"If-Match", "\"a\", \"a,b\""}}), CONDITION_HOLDS);
    assert_int_equal(check(&strong, (request){.fields = {"If-Match", "\"x,\"abc\""}}), CONDITION_FAILED);
}

static void what_is_no_tag_matches_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"abc",
                                      "\"abc",
                                      "abc\"",
                                      "w/\"abc\"",
                                      "W/abc",
                                      "W\"abc\"",
                                      "'abc'",
                                      "\"abc\"\"x\"",
                                      "**",
                                      "*, \"x\"",
                                      "x, \"abc\"",
                                      "\"a\x7F\"",
                                      "W/ \"abc\"",
                                      "\"",
                                      "W/",
                                      "W/\"",
                                      "\"abc\" x",
                                      "\"ab c\", \"abc\"",
                                      "\"a\x7F\", \"abc\"",
                                      "\"\"",
                                      "\"ABC\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (check(&strong, (request){.fields = {"If-None-Match", bad[i]}}) != CONDITION_HOLDS)
            fail_msg("If-None-Match: %s", bad[i]);
        if (check(&strong, (request){.fields = {"If-Match", bad[i]}}) != CONDITION_FAILED)
            fail_msg("If-Match: %s", bad[i]);
    }
}

/* ---- step 5 ---- */

static void step_5_if_range_holds_for_the_same_strong_tag_alone(void **state)
{
    (void)state;
    assert_true(range_counts(&strong, (request){0}));
    assert_true(range_counts(&strong, (request){.fields = {"If-Range", "\"abc\""}}));
    assert_false(range_counts(&strong, (request){.fields = {"If-Range", "\"x\""}}));
    assert_false(range_counts(&strong, (request){.fields = {"If-Range", "W/\"abc\""}}));
    assert_false(range_counts(&weak, (request){.fields = {"If-Range", "W/\"abc\""}}));
    assert_false(range_counts(&weak, (request){.fields = {"If-Range", "\"abc\""}}));
}

static void step_5_if_range_holds_for_exactly_the_same_strong_date(void **state)
{
    (void)state;
    assert_true(range_counts(&strong, (request){.fields = {"If-Range", MODIFIED}}));
    assert_false(range_counts(&strong, (request){.fields = {"If-Range", BEFORE}}));
    assert_false(range_counts(&strong, (request){.fields = {"If-Range", AFTER}}));
    assert_false(range_counts(&weak, (request){.fields = {"If-Range", MODIFIED}}));
}

static void step_5_an_if_range_that_is_neither_or_twice_does_not_hold(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         "*", "abc",   "\"abc\", \"abc\"",
                                      "\"abc\"x", "W", "\"abc", MODIFIED " x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(range_counts(&strong, (request){.fields = {"If-Range", bad[i]}}));
    assert_false(range_counts(&strong, (request){.fields = {"If-Range", "\"abc\"", "If-Range", "\"abc\""}}));
}

/* ---- validators of files ---- */

static validators of_file(struct timespec modified, struct timespec now)
{
    struct stat file = {.st_ino = 0x12, .st_size = 0x34, .st_mtim = modified};
    validators made;
    validators_of(&made, &file, "", now);
    return made;
}

static void a_file_left_alone_for_a_while_has_a_strong_tag(void **state)
{
    (void)state;
    validators made = of_file((struct timespec){1000, 5}, (struct timespec){1000, 100000005});
    assert_string_equal(made.etag, "\"3e8.5-34-12\"");
    assert_int_equal(made.modified, 1000);
}

static void a_file_that_may_change_within_the_clocks_tick_has_a_weak_tag(void **state)
{
    (void)state;
    assert_string_equal(of_file((struct timespec){1000, 5}, (struct timespec){1000, 100000004}).etag,
                        "W/\"3e8.5-34-12\"");
    assert_string_equal(of_file((struct timespec){999, 950000000}, (struct timespec){1000, 49999999}).etag,
                        "W/\"3e7.389fd980-34-12\"");
    assert_string_equal(of_file((struct timespec){2000, 5}, (struct timespec){1000, 0}).etag,
                        "W/\"7d0.5-34-12\"");
}

static void a_time_of_whole_seconds_has_a_tick_of_two(void **state)
{
    (void)state;
    assert_string_equal(of_file((struct timespec){1000, 0}, (struct timespec){1001, 999999999}).etag,
                        "W/\"3e8.0-34-12\"");
    assert_string_equal(of_file((struct timespec){1000, 0}, (struct timespec){1002, 0}).etag,
                        "\"3e8.0-34-12\"");
}

static void the_date_is_strong_when_its_second_is_over(void **state)
{
    (void)state;
    assert_false(of_file((struct timespec){1000, 5}, (struct timespec){1000, 900000000}).date_is_strong);
    assert_false(of_file((struct timespec){1000, 5}, (struct timespec){1001, 0}).date_is_strong);
    assert_true(of_file((struct timespec){1000, 5}, (struct timespec){1002, 0}).date_is_strong);
}

static void a_date_in_the_future_is_now(void **state)
{
    (void)state;
    assert_int_equal(of_file((struct timespec){2000, 5}, (struct timespec){1000, 0}).modified, 1000);
}

static void any_time_that_a_file_can_have_is_told(void **state)
{
    (void)state;
    static const time_t times[] = {INT64_MIN, INT64_MIN + 1, -1, 0, INT64_MAX};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct stat file = {.st_ino = UINT64_MAX, .st_size = INT64_MAX, .st_mtim = {times[i], 999999999}};
        validators made;
        validators_of(&made, &file, "-br", (struct timespec){1000, 0});
        assert_true(strlen(made.etag) < ETAG_ROOM - 1);
        assert_string_equal(made.etag + strlen(made.etag) - 4, "-br\"");
        assert_int_equal(made.etag[0], times[i] > 1000 ? 'W' : '"');
        assert_true(made.modified <= 1000);
    }
}

static void files_that_differ_in_anything_have_other_tags(void **state)
{
    (void)state;
    const struct timespec now = {2000, 0};
    const struct stat files[] = {
        {.st_ino = 1, .st_size = 2, .st_mtim = {3, 4}}, {.st_ino = 9, .st_size = 2, .st_mtim = {3, 4}},
        {.st_ino = 1, .st_size = 9, .st_mtim = {3, 4}}, {.st_ino = 1, .st_size = 2, .st_mtim = {9, 4}},
        {.st_ino = 1, .st_size = 2, .st_mtim = {3, 9}},
    };
    validators first, other;
    validators_of(&first, &files[0], "", now);
    for (size_t i = 1; i < 5; i++) {
        validators_of(&other, &files[i], "", now);
        assert_string_not_equal(first.etag, other.etag);
    }
    validators_of(&other, &files[0], "-gz", now);
    assert_string_not_equal(first.etag, other.etag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_conditions_the_method_is_done),
        cmocka_unit_test(step_1_if_match_fails_unless_a_tag_matches),
        cmocka_unit_test(step_1_if_match_compares_strongly),
        cmocka_unit_test(step_1_if_match_wins_over_if_unmodified_since),
        cmocka_unit_test(step_2_if_unmodified_since_fails_when_it_was),
        cmocka_unit_test(step_3_if_none_match_is_304_for_get_and_head_and_412_for_others),
        cmocka_unit_test(step_3_if_none_match_compares_weakly),
        cmocka_unit_test(step_3_if_none_match_wins_over_if_modified_since),
        cmocka_unit_test(step_4_if_modified_since_is_304_when_it_was_not),
        cmocka_unit_test(a_failed_first_step_wins_over_304),
        cmocka_unit_test(dates_that_are_none_or_come_twice_are_no_condition),
        cmocka_unit_test(all_three_forms_of_dates_are_understood),
        cmocka_unit_test(lists_are_read_over_fields_empty_elements_and_commas_in_tags),
        cmocka_unit_test(what_is_no_tag_matches_nothing),
        cmocka_unit_test(step_5_if_range_holds_for_the_same_strong_tag_alone),
        cmocka_unit_test(step_5_if_range_holds_for_exactly_the_same_strong_date),
        cmocka_unit_test(step_5_an_if_range_that_is_neither_or_twice_does_not_hold),
        cmocka_unit_test(a_file_left_alone_for_a_while_has_a_strong_tag),
        cmocka_unit_test(a_file_that_may_change_within_the_clocks_tick_has_a_weak_tag),
        cmocka_unit_test(a_time_of_whole_seconds_has_a_tick_of_two),
        cmocka_unit_test(the_date_is_strong_when_its_second_is_over),
        cmocka_unit_test(a_date_in_the_future_is_now),
        cmocka_unit_test(any_time_that_a_file_can_have_is_told),
        cmocka_unit_test(files_that_differ_in_anything_have_other_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
