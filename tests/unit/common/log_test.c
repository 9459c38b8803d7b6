/* SPDX-License-Identifier: Apache-2.0 */
/* Standard error is a packet-mode pipe while a line is logged: each read gives what one write(2) wrote. */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int saved_stderr = -1, reading_end = -1;

static int capture(void **state)
{
    (void)state;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0)
        return -1;
    saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    reading_end = ends[0];
    log_set_level(HUB_INFO);
    log_set_label(NULL);
    return 0;
}

static int release(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(reading_end);
    return 0;
}

/* What one write wrote; "" when there was none. */
static const char *written(void)
{
    static char line[16384];
    ssize_t length = read(reading_end, line, sizeof line - 1);
    line[length > 0 ? length : 0] = '\0';
    return line;
}

static const char *message_of(const char *line)
{
    for (int brackets = 0; brackets < 3; brackets++) {
        line = strchr(line, ']');
        assert_non_null(line);
        line++;
    }
    assert_int_equal(*line, ' ');
    return line + 1;
}

static void a_line_has_time_process_level_and_text(void **state)
{
    (void)state;
    char pattern[200];
    snprintf(
        pattern, sizeof pattern,
        "^\\[20[0-9][0-9]-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3} [+-][0-9]{4}\\] "
        "\\[%ld\\] \\[INFO\\] ready with 3 rooms\n$",
        (long)getpid());
    regex_t compiled;
    assert_int_equal(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
    log_info("ready with %d rooms", 3);
    assert_int_equal(regexec(&compiled, written(), 0, NULL, 0), 0);
    regfree(&compiled);
}

static void a_line_is_one_write(void **state)
{
    (void)state;
    log_info("%s", "first");
    log_info("%s", "second");
    assert_string_equal(message_of(written()), "first\n");
    assert_string_equal(message_of(written()), "second\n");
    assert_string_equal(written(), "");
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    log_debug("no");
    assert_string_equal(written(), "");
    log_set_level(HUB_ERROR);
    assert_int_equal(log_level(), HUB_ERROR);
    log_warning("no");
    hub_log(HUB_WARNING, "no");
    assert_string_equal(written(), "");
    log_error("yes");
    assert_non_null(strstr(written(), "[ERROR] yes\n"));
    log_critical("yes");
    assert_non_null(strstr(written(), "[CRITICAL] yes\n"));
    log_set_level(HUB_DEBUG);
    log_debug("now");
    assert_non_null(strstr(written(), "[DEBUG] now\n"));
}

static void the_label_stands_in_front_of_the_text(void **state)
{
    (void)state;
    log_set_label("worker 2");
    log_info("ready");
    assert_string_equal(message_of(written()), "worker 2: ready\n");
    log_set_label("");
    log_info("ready");
    assert_string_equal(message_of(written()), "ready\n");
    log_set_label("a label that is far too long to be kept as it is");
    log_info("x");
    assert_string_equal(message_of(written()), "a label that is far too long to: x\n");
}

static void a_client_cannot_forge_a_line(void **state)
{
    (void)state;
    log_info("room %s", "a\n[2026-01-01] [1] [INFO] forged\r\x1b[1A");
    assert_string_equal(message_of(written()), "room a\\x0a[2026-01-01] [1] [INFO] forged\\x0d\\x1b[1A\n");
}

static void a_long_text_is_cut_at_2000_bytes_and_says_so(void **state)
{
    (void)state;
    char text[4000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    text[2000] = '\0';
    log_info("%s", text);
    assert_int_equal(strlen(message_of(written())), 2001);
    text[2000] = 'x';
    log_info("%s", text);
    const char *message = message_of(written());
    assert_int_equal(strlen(message), 2001);
    assert_string_equal(message + 1996, "x...\n");
}

static void the_longest_escaped_text_is_whole(void **state)
{
    (void)state;
    char text[2001];
    memset(text, '\n', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("%s", text);
    char line[16384];
    size_t length = 0;
    const char *part;
    while (*(part = written())) /* a pipe's packets end at a page */
        length += (size_t)snprintf(line + length, sizeof line - length, "%s", part);
    assert_int_equal(strlen(message_of(line)), 4 * 2000 + 1);
}

static void errno_is_the_callers(void **state)
{
    (void)state;
    errno = ENOENT;
    log_error("file: %m");
    assert_int_equal(errno, ENOENT);
    assert_string_equal(message_of(written()), "file: No such file or directory\n");
}

static void a_level_of_any_number_is_written(void **state)
{
    (void)state;
    hub_log((hub_level)99, "odd");
    assert_non_null(strstr(written(), "[CRITICAL] odd\n"));
}

static void a_closed_standard_error_is_no_failure(void **state)
{
    (void)state;
    close(STDERR_FILENO);
    log_error("nobody reads this");
    assert_string_equal(written(), "");
}

static void levels_have_names_both_ways(void **state)
{
    (void)state;
    static const char *const names[] = {"debug", "info", "warning", "error", "critical"};
    for (int i = HUB_DEBUG; i <= (int)HUB_CRITICAL; i++) {
        hub_level level = HUB_DEBUG;
        assert_string_equal(log_level_name((hub_level)i), names[i]);
        assert_true(log_level_parse(names[i], &level));
        assert_int_equal(level, i);
    }
    hub_level level = HUB_ERROR;
    assert_false(log_level_parse("INFO", &level));
    assert_false(log_level_parse("", &level));
    assert_int_equal(level, HUB_ERROR);
}

static void a_line_can_be_an_object_of_json(void **state)
{
    (void)state;
    log_set_json(true);
    log_set_label("worker \"2\"");
    log_warning("a \"b\"\nc");
    log_set_json(false);
    const char *line = written();
    assert_non_null(strstr(line, ",\"level\":\"warning\",\"pid\":"));
    assert_non_null(strstr(line, "\"label\":\"worker \\\"2\\\"\",\"message\":\"a \\\"b\\\"\\u000ac\"}\n"));
    assert_memory_equal(line, "{\"time\":\"20", 11);
}

static void lines_to_the_journal_begin_with_their_priority(void **state)
{
    (void)state;
    char stream[64];
    struct stat status;
    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_find_journal();
    log_error("x");
    assert_memory_equal(written(), "<3>[20", 6);
    setenv("JOURNAL_STREAM", "1:2", 1);
    log_find_journal();
    log_error("x");
    unsetenv("JOURNAL_STREAM");
    assert_memory_equal(written(), "[20", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_time_process_level_and_text, capture, release),
        cmocka_unit_test_setup_teardown(a_line_is_one_write, capture, release),
        cmocka_unit_test_setup_teardown(lines_below_the_level_are_not_written, capture, release),
        cmocka_unit_test_setup_teardown(the_label_stands_in_front_of_the_text, capture, release),
        cmocka_unit_test_setup_teardown(a_client_cannot_forge_a_line, capture, release),
        cmocka_unit_test_setup_teardown(a_long_text_is_cut_at_2000_bytes_and_says_so, capture, release),
        cmocka_unit_test_setup_teardown(the_longest_escaped_text_is_whole, capture, release),
        cmocka_unit_test_setup_teardown(errno_is_the_callers, capture, release),
        cmocka_unit_test_setup_teardown(a_level_of_any_number_is_written, capture, release),
        cmocka_unit_test_setup_teardown(a_closed_standard_error_is_no_failure, capture, release),
        cmocka_unit_test_setup_teardown(a_line_can_be_an_object_of_json, capture, release),
        cmocka_unit_test_setup_teardown(lines_to_the_journal_begin_with_their_priority, capture, release),
        cmocka_unit_test(levels_have_names_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
