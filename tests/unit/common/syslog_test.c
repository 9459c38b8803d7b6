/* SPDX-License-Identifier: Apache-2.0 */
#include "common/syslog.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char heard[4096];

static const char *hear(int listener)
{
    ssize_t length = recv(listener, heard, sizeof heard - 1, MSG_DONTWAIT);
    heard[length > 0 ? length : 0] = '\0';
    return heard;
}

/* A daemon's socket, not waiting in any folder: its address is in *address. */
static int listen_unix(char address[128])
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "/tmp/syslog-test-%ld", (long)getpid());
    unlink(name.sun_path);
    snprintf(address, 128, "unix://%s", name.sun_path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static void addresses_are_a_path_or_a_host_and_port(void **state)
{
    (void)state;
    static const char *const right[] = {"unix:///dev/log", "udp://127.0.0.1:514", "udp://[::1]:514",
                                        "udp://logs:514"};
    static const char *const wrong[] = {"unix://",       "unix://log",  "udp://",
                                        "udp://host",    "udp://:514",  "udp://::1:514",
                                        "udp://h:99999", "tcp://h:514", ""};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        assert_null(syslog_check_address(right[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_non_null(syslog_check_address(wrong[i]));
    assert_int_equal(syslog_facility("daemon"), 3);
    assert_int_equal(syslog_facility("local7"), 23);
    assert_int_equal(syslog_facility("none"), -1);
}

static void a_local_line_has_priority_time_tag_and_process(void **state)
{
    (void)state;
    char address[128], end[64];
    syslog_target target;
    int listener = listen_unix(address);
    assert_int_equal(syslog_open(&target, address, "shop", "local0", NULL), HUB_OK);
    syslog_use(&target);
    syslog_send(HUB_ERROR, "error", "it broke", 8);
    snprintf(end, sizeof end, " hubbub.shop[%ld]: it broke", (long)getpid());
    assert_memory_equal(hear(listener), "<131>", 5); /* 16 * 8 + 3 */
    assert_int_equal(strlen(heard), strlen("<131>Nov 23 11:04:53") + strlen(end));
    assert_string_equal(heard + strlen(heard) - strlen(end), end);
    syslog_use(&(syslog_target){.fd = -1});
    syslog_send(HUB_ERROR, "error", "unheard", 7);
    assert_string_equal(hear(listener), "");
    syslog_close(&target);
    close(listener);
    unlink(address + 7);
}

static void over_udp_a_line_has_the_form_of_rfc_5424(void **state)
{
    (void)state;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof name;
    char address[64], end[64];
    syslog_target target;
    int listener = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&name, &length), 0);
    snprintf(address, sizeof address, "udp://127.0.0.1:%u", ntohs(name.sin_port));
    assert_int_equal(syslog_open(&target, address, NULL, "user", NULL), HUB_OK);
    syslog_use(&target);
    syslog_send(HUB_INFO, "access", "GET /", 5);
    snprintf(end, sizeof end, " hubbub %ld access - GET /", (long)getpid());
    assert_memory_equal(hear(listener), "<14>1 20", 8);
    assert_string_equal(heard + strlen(heard) - strlen(end), end);
    syslog_use(&(syslog_target){.fd = -1});
    syslog_close(&target);
    close(listener);
}

static void a_full_daemon_loses_lines_that_are_counted_and_told(void **state)
{
    (void)state;
    char address[128];
    syslog_target target;
    uint64_t sent = 0, before = syslog_dropped();
    int listener = listen_unix(address);
    assert_int_equal(syslog_open(&target, address, NULL, "user", NULL), HUB_OK);
    syslog_use(&target);
    for (; syslog_dropped() == before && sent < 1000000; sent++)
        syslog_send(HUB_INFO, "access", "line", 4);
    assert_true(syslog_dropped() == before + 1);
    while (*hear(listener))
        continue;
    syslog_send(HUB_INFO, "access", "after", 5);
    assert_non_null(strstr(hear(listener), ": after"));
    assert_non_null(strstr(hear(listener), ": 1 line(s) of this process were dropped before"));
    syslog_use(&(syslog_target){.fd = -1});
    syslog_close(&target);
    close(listener);
    unlink(address + 7);
}

static void nobody_at_the_address_is_an_error(void **state)
{
    (void)state;
    error failure = {.status = HUB_OK};
    syslog_target target;
    assert_int_equal(syslog_open(&target, "unix:///nowhere/log", NULL, "user", &failure), HUB_ESYSTEM);
    assert_non_null(strstr(failure.text, "log-syslog-to: cannot reach unix:///nowhere/log: "));
    assert_int_equal(target.fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_a_path_or_a_host_and_port),
        cmocka_unit_test(a_local_line_has_priority_time_tag_and_process),
        cmocka_unit_test(over_udp_a_line_has_the_form_of_rfc_5424),
        cmocka_unit_test(a_full_daemon_loses_lines_that_are_counted_and_told),
        cmocka_unit_test(nobody_at_the_address_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
