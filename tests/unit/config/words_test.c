/* SPDX-License-Identifier: Apache-2.0 */
#include "config/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_words(const char *text, const char *const *expected)
{
    words list;
    error failure = {.status = HUB_OK};
    assert_int_equal(words_split(text, &list, &failure), HUB_OK);
    assert_string_equal(list.items[0], "");
    int count = 1;
    for (; expected[count - 1]; count++) {
        assert_true(count < list.count);
        assert_string_equal(list.items[count], expected[count - 1]);
    }
    assert_int_equal(list.count, count);
    assert_null(list.items[count]);
    words_free(&list);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void words_are_split_at_blanks(void **state)
{
    (void)state;
    assert_words("", WORDS(NULL));
    assert_words(" \t\n", WORDS(NULL));
    assert_words("-w 4", WORDS("-w", "4"));
    assert_words("  -w\t4\n--bind=:1  ", WORDS("-w", "4", "--bind=:1"));
}

static void quotes_keep_blanks_and_may_stand_inside_a_word(void **state)
{
    (void)state;
    assert_words("-n 'my chat' x", WORDS("-n", "my chat", "x"));
    assert_words("--name=\"my chat\"x", WORDS("--name=my chatx"));
    assert_words("'' \"\"", WORDS("", ""));
    assert_words("'a\\n\"b' \"a'b\\\"c\\\\d\\e\"", WORDS("a\\n\"b", "a'b\"c\\d\\e"));
}

static void a_backslash_keeps_the_letter_behind_it(void **state)
{
    (void)state;
    assert_words("my\\ chat \\' \\\\ $HOME *", WORDS("my chat", "'", "\\", "$HOME", "*"));
}

static void assert_refused(const char *text, const char *expected)
{
    words list;
    error failure = {.status = HUB_OK};
    assert_int_equal(words_split(text, &list, &failure), HUB_EINVAL);
    assert_string_equal(failure.text, expected);
    words_free(&list);
}

static void what_does_not_end_is_refused(void **state)
{
    (void)state;
    assert_refused("-n 'my chat", "a quote ' is not closed");
    assert_refused("x \"", "a quote \" is not closed");
    assert_refused("x \"\\", "a quote \" is not closed");
    assert_refused("x \\", "a backslash is last; it keeps the letter behind it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_split_at_blanks),
        cmocka_unit_test(quotes_keep_blanks_and_may_stand_inside_a_word),
        cmocka_unit_test(a_backslash_keeps_the_letter_behind_it),
        cmocka_unit_test(what_does_not_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
