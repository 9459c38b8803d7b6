/* SPDX-License-Identifier: Apache-2.0 */
/* Lines go into a pipe in packet mode: each read gives what one write(2) wrote. */
#include "worker/http/access.h"

#include "common/clock.h"
#include "worker/hub/loop.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static int ends[2];
static char got[PIPE_BUF + 1];

static int setup(void **state)
{
    (void)state;
    error why;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK | O_DIRECT) < 0)
        return -1;
    return loop_open(&(loop_options){.stack_size = 64 * 1024}, &why) == HUB_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    access_close();
    loop_close();
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void open_log(const char *format, bool json)
{
    error why;
    assert_int_equal(access_open(&(access_options){.format = format, .fd = ends[1], .json = json}, &why),
                     HUB_OK);
    assert_true(access_on);
}

static const char *written(void)
{
    ssize_t length = read(ends[0], got, sizeof got - 1);
    got[length > 0 ? length : 0] = '\0';
    return got;
}

/* A record of a head; fields are of a request that was parsed. */
static void add(const char *head_text, int status, uint64_t bytes)
{
    static http_field fields[16];
    http_head head;
    const http_limits limits = {.request_line = 8000, .fields = 16, .head = 16000, .body = UINT64_MAX};
    http_parse_head(hub_text(head_text), &limits, fields, &head);
    access_add(&(access_record){.head = &head,
                                .answer = hub_text("HTTP/1.1 200 OK\r\nX-Id:  7 \r\nVia: a\r\n\r\n"),
                                .client = "192.0.2.7",
                                .began_ns = clock_monotonic_ns() - 1500 * CLOCK_NS_PER_MS,
                                .bytes = bytes,
                                .status = status});
}

static void lines_of_a_turn_are_one_write(void **state)
{
    (void)state;
    open_log("%(h)s %(s)s %(b)s", false);
    add("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, 5);
    add("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 304, 0);
    assert_string_equal(written(), "");
    access_flush(NULL);
    assert_string_equal(written(), "192.0.2.7 200 5\n192.0.2.7 304 -\n");
    access_flush(NULL);
    assert_string_equal(written(), "");
}

static void what_is_gathered_is_written_before_the_poll(void **state)
{
    (void)state;
    open_log("%(s)s", false);
    add("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, 5);
    loop_stop();
    assert_int_equal(loop_run(), HUB_OK);
    assert_string_equal(written(), "200\n");
}

static void durations_are_since_the_head(void **state)
{
    (void)state;
    open_log("%(T)s %(M)s %(D)s %(L)s", false);
    add("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, 5);
    access_flush(NULL);
    unsigned seconds, milliseconds, microseconds;
    double decimal;
    assert_int_equal(sscanf(written(), "%u %u %u %lf", &seconds, &milliseconds, &microseconds, &decimal), 4);
    assert_true(milliseconds >= 1500 && seconds == milliseconds / 1000);
    assert_true(microseconds >= 1000 * milliseconds && decimal >= microseconds / 1e6 - 1e-6);
}

static void fields_of_the_answer_are_found(void **state)
{
    (void)state;
    assert_false(access_wants_answer);
    open_log("%({x-id}o)s %({via}o)s %({none}o)s %({ok}o)s", false);
    assert_true(access_wants_answer);
    add("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, 5);
    access_flush(NULL);
    assert_string_equal(written(), "7 a - -\n");
}

static void the_user_is_of_basic_credentials_alone(void **state)
{
    (void)state;
    static const struct {
        const char *field, *user;
    } cases[] = {
        {"Basic Ym9iOnNlY3JldA==", "bob\n"},
        {"basic Ym9iOg==", "bob\n"},
        {"Basic Ym9i", "-\n"},
        {"Basic OnNlY3JldA==", "-\n"},
        {"Basic", "-\n"},
        {"Bearer Ym9iOg==", "-\n"},
        {"Basic ####", "-\n"},
        {"Basic IjoK", "\\\"\n"},
    };
    open_log("%(u)s", false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char head[256];
        snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: %s\r\n\r\n", cases[i].field);
        add(head, 200, 0);
        access_flush(NULL);
        assert_string_equal(written(), cases[i].user);
    }
}

static void what_could_not_be_read_is_a_dash(void **state)
{
    (void)state;
    static const http_head unknown = {0};
    open_log("%(h)s %(r)s %(m)s %(U)s %(H)s %(a)s %(s)s", false);
    access_add(&(access_record){.head = &unknown, .status = 400});
    access_flush(NULL);
    assert_string_equal(written(), "- - - - - - 400\n");
}

static void json_has_numbers_texts_and_null(void **state)
{
    (void)state;
    open_log("%(s)s [%(b)s] %(a)s %(u)s %({X-\"}i)s", true);
    add("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\"b\xff\r\n\r\n", 200, 0);
    access_flush(NULL);
    const char *members = strstr(written(), ",\"status\"");
    assert_non_null(members);
    assert_string_equal(members,
                        ",\"status\":200,\"length\":null,\"user_agent\":\"a\\\"b\xef\xbf\xbd\",\"user\":null,"
                        "\"{X-\\\"}i\":null}\n");
}

static void a_full_pipe_drops_whole_lines_and_counts_them(void **state)
{
    (void)state;
    open_log("%(q)s", false);
    char head[1200];
    unsigned whole = 0, added = 0;
    while (access_dropped() == 0) {
        snprintf(head, sizeof head, "GET /?%01000u HTTP/1.1\r\nHost: a\r\n\r\n", added++);
        add(head, 200, 0);
        if (added % 10 == 0)
            access_flush(NULL);
        assert_true(added < 10000);
    }
    while (*written()) {
        size_t length = strlen(got);
        assert_int_equal(length % 1001, 0);
        for (size_t at = 0; at < length; at += 1001)
            assert_int_equal(atoi(got + at), whole++);
    }
    assert_int_equal(whole + access_dropped(), added);
    add("GET /?after HTTP/1.1\r\nHost: a\r\n\r\n", 200, 0);
    access_flush(NULL);
    assert_string_equal(written(), "after\n");
}

static void a_line_that_was_cut_is_ended_before_the_next(void **state)
{
    (void)state;
    char path[] = "/tmp/access-XXXXXX", text[64] = "";
    error why;
    int fd = mkstemp(path);
    unlink(path);
    assert_true(fd >= 0);
    fcntl(fd, F_SETFL, O_APPEND);
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 4;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(access_open(&(access_options){.format = "%(q)s", .fd = fd}, &why), HUB_OK);
    setrlimit(RLIMIT_FSIZE, &small);
    add("GET /?abcdef HTTP/1.1\r\nHost: a\r\n\r\n", 200, 0);
    access_flush(NULL);
    setrlimit(RLIMIT_FSIZE, &before);
    add("GET /?next HTTP/1.1\r\nHost: a\r\n\r\n", 200, 0);
    access_flush(NULL);
    assert_int_equal(pread(fd, text, sizeof text - 1, 0), 10);
    assert_string_equal(text, "abcd\nnext\n");
    assert_int_equal(access_dropped(), 1);
    signal(SIGXFSZ, SIG_DFL);
    access_close();
    close(fd);
}

static void without_a_place_nothing_is_logged(void **state)
{
    (void)state;
    error why;
    assert_int_equal(access_open(&(access_options){.format = "%(h)s", .fd = -1}, &why), HUB_OK);
    assert_false(access_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_of_a_turn_are_one_write, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_gathered_is_written_before_the_poll, setup, teardown),
        cmocka_unit_test_setup_teardown(durations_are_since_the_head, setup, teardown),
        cmocka_unit_test_setup_teardown(fields_of_the_answer_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(the_user_is_of_basic_credentials_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(what_could_not_be_read_is_a_dash, setup, teardown),
        cmocka_unit_test_setup_teardown(json_has_numbers_texts_and_null, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_pipe_drops_whole_lines_and_counts_them, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_that_was_cut_is_ended_before_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_place_nothing_is_logged, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
