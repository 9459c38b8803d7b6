/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/config/support.h"

static config values;

static int set_up(void **state)
{
    (void)state;
    return config_defaults(&values) == HUB_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    config_free(&values);
    return 0;
}

static hub_status store(const char *name, const char *text, error *failure)
{
    const option *entry = option_find(name, strlen(name));
    assert_non_null(entry);
    memset(failure, 0, sizeof *failure);
    return value_store(&values, entry, text, failure);
}

static void assert_taken(const char *name, const char *text, const char *expected)
{
    error failure;
    if (store(name, text, &failure) != HUB_OK)
        fail_msg("%s", failure.text);
    assert_value(&values, name, expected);
}

/* Refused, with these words in the line, and the value is as before. */
static void assert_refused(const char *name, const char *text, const char *words)
{
    error failure;
    const option *entry = option_find(name, strlen(name));
    char *before = shown(&values, entry);
    assert_int_equal(store(name, text, &failure), HUB_EINVAL);
    if (!strstr(failure.text, words))
        fail_msg("\"%s\" is not in: %s", words, failure.text);
    assert_value(&values, name, before);
    free(before);
}

static void numbers_are_whole_and_in_range(void **state)
{
    (void)state;
    assert_taken("backlog", "1", "1");
    assert_taken("backlog", "65535", "65535");
    assert_taken("backlog", "007", "7");
    assert_refused("backlog", "0", "out of range; allowed: 1 to 65535");
    assert_refused("backlog", "65536", "out of range");
    assert_refused("backlog", "4294967297", "out of range");
    assert_refused("backlog", "18446744073709551617", "out of range");
    assert_refused("backlog", "-1", "not a number");
    assert_refused("backlog", "+1", "not a number");
    assert_refused("backlog", " 1", "not a number");
    assert_refused("backlog", "1 ", "not a whole number");
    assert_refused("backlog", "1.5", "not a whole number");
    assert_refused("backlog", "1K", "not a whole number");
    assert_refused("backlog", "", "not a number");
}

static void workers_are_auto_or_a_number(void **state)
{
    (void)state;
    assert_taken("workers", "64", "64");
    assert_int_equal(values.workers, 64);
    assert_taken("workers", "auto", "auto");
    assert_int_equal(values.workers, 0);
    assert_refused("workers", "0", "allowed: auto or 1 to 64");
    assert_refused("workers", "65", "out of range");
    assert_refused("workers", "AUTO", "not a number");
}

static void sizes_have_suffixes(void **state)
{
    (void)state;
    assert_taken("max-message", "1", "1");
    assert_taken("max-message", "1023", "1023");
    assert_taken("max-message", "64K", "64K");
    assert_taken("max-message", "64k", "64K");
    assert_int_equal(values.max_message, 65536);
    assert_taken("max-message", "16777216", "16M");
    assert_taken("max-message", "1025K", "1025K");
    assert_taken("max-message", "1g", "1G");
    assert_refused("max-message", "1073741825", "out of range; allowed: 1 to 1G bytes");
    assert_refused("max-message", "1T", "with K, M or G");
    assert_refused("max-message", "1KB", "with K, M or G");
    assert_refused("max-message", "1 K", "with K, M or G");
    assert_refused("max-message", "1.5M", "with K, M or G");
    assert_refused("max-message", "K", "not a size");
    assert_refused("max-message", "-1", "not a size");
    assert_refused("max-message", "0x10", "with K, M or G");
    assert_refused("max-message", "18446744073709551615G", "out of range");
    assert_refused("max-message", "17179869184G", "out of range"); /* 2^64 */
    assert_refused("max-message", "99999999999999999999", "out of range");
}

static void the_log_size_is_a_power_of_two(void **state)
{
    (void)state;
    assert_taken("log-size", "1M", "1M");
    assert_taken("log-size", "4G", "4G");
    assert_refused("log-size", "3M", "is not a power of two; allowed: 1M to 4G bytes, a power of two");
    assert_refused("log-size", "512K", "out of range");
}

static void seconds_are_plain_decimals(void **state)
{
    (void)state;
    assert_taken("timeout", "0", "0");
    assert_taken("timeout", "0.5", "0.5");
    assert_true(values.timeout == 0.5);
    assert_taken("timeout", "30", "30");
    assert_taken("timeout", "0.1", "0.1");
    assert_true(values.timeout == 0.1);
    assert_taken("timeout", "12345.123456789", "12345.123456789");
    assert_true(values.timeout == 12345.123456789);
    assert_taken("timeout", "86400", "86400");
    assert_refused("timeout", "86400.1", "out of range; allowed: 0 to 86400 seconds");
    assert_refused("boot-timeout", "0", "allowed: 0.1 to 86400 seconds");
    static const char *const wrong[] = {"-1", "+1", "1e3", "inf", "nan",   "0x10",
                                        ".5", "5.", "1,5", "2m",  "1.2.3", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_refused("timeout", wrong[i], "not a number of seconds");
    char digits[500];
    memset(digits, '9', sizeof digits - 1);
    digits[sizeof digits - 1] = '\0';
    assert_refused("timeout", digits, "out of range");
}

static void levels_have_their_names_only(void **state)
{
    (void)state;
    assert_taken("log-level", "warning", "warning");
    assert_int_equal(values.log_level, HUB_WARNING);
    assert_refused("log-level", "warn", "allowed: debug, info, warning, error or critical");
}

static void lists_grow_item_by_item(void **state)
{
    (void)state;
    assert_taken("bind", ":1 ,  unix:/a b", "127.0.0.1:8000, :1, unix:/a b");
    assert_taken("bind", "[::1]:2", "127.0.0.1:8000, :1, unix:/a b, [::1]:2");
    assert_string_equal(values.bind[3], "[::1]:2");
    assert_null(values.bind[4]);
    assert_refused("bind", ":3,,:4", "is empty");
    assert_refused("bind", ":3,x", "has no port");
}

static void lists_have_an_end(void **state)
{
    (void)state;
    for (int i = 1; i < CONFIG_BINDS_MAX; i++)
        assert_int_equal(store("bind", ":1", &(error){0}), HUB_OK);
    assert_refused("bind", ":1", "more than 16 items");
    for (int i = 0; i < 64; i++) {
        char origin[32];
        snprintf(origin, sizeof origin, "https://h%d.example", i);
        if (i == 0)
            value_clear(&values, option_find("ws-origins", 10));
        assert_int_equal(store("ws-origins", origin, &(error){0}), HUB_OK);
    }
    assert_refused("ws-origins", "https://one.too.many", "more than 64 items");
}

static void words_are_joined_by_commas(void **state)
{
    (void)state;
    value_clear(&values, option_find("ws-origins", 10));
    assert_taken("ws-origins", "https://a.example,https://b.example:8443",
                 "https://a.example, https://b.example:8443");
    assert_taken("ws-origins", "http://[::1]:80",
                 "https://a.example, https://b.example:8443, http://[::1]:80");
    assert_refused("ws-origins", "*", "stands alone");
    assert_refused("ws-origins", "https://c.example,,", "empty item");
}

static void texts_are_utf8_without_control_characters(void **state)
{
    (void)state;
    assert_taken("app", "caf\xc3\xa9/\xf0\x9f\x98\x80.so", "caf\xc3\xa9/\xf0\x9f\x98\x80.so");
    assert_refused("app", "a\nb", "\"a\\x0ab\" has control characters or is not UTF-8");
    assert_refused("app", "a\xff", "has control characters or is not UTF-8");
    assert_refused("app", "a\xc2\x85", "has control characters or is not UTF-8");
    assert_refused("app", "", "is empty");
}

static void long_wrong_values_are_shown_cut(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_refused("backlog", text, "xxx...\" is not a number; allowed: 1 to 65535");
}

static void sizes_are_shown_without_loss(void **state)
{
    (void)state;
    static const struct {
        uint64_t size;
        const char *text;
    } rows[] = {
        {0, "0"},
        {1, "1"},
        {1023, "1023"},
        {1024, "1K"},
        {1025, "1025"},
        {1048576, "1M"},
        {UINT64_C(1) << 30, "1G"},
        {UINT64_C(1) << 40, "1024G"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[32];
        value_format_size(rows[i].size, text, sizeof text);
        assert_string_equal(text, rows[i].text);
    }
}

#define WITH_DEFAULTS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DEFAULTS(numbers_are_whole_and_in_range),
        WITH_DEFAULTS(workers_are_auto_or_a_number),
        WITH_DEFAULTS(sizes_have_suffixes),
        WITH_DEFAULTS(the_log_size_is_a_power_of_two),
        WITH_DEFAULTS(seconds_are_plain_decimals),
        WITH_DEFAULTS(levels_have_their_names_only),
        WITH_DEFAULTS(lists_grow_item_by_item),
        WITH_DEFAULTS(lists_have_an_end),
        WITH_DEFAULTS(words_are_joined_by_commas),
        WITH_DEFAULTS(texts_are_utf8_without_control_characters),
        WITH_DEFAULTS(long_wrong_values_are_shown_cut),
        cmocka_unit_test(sizes_are_shown_without_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
