/* SPDX-License-Identifier: Apache-2.0 */
#include "master/notify.h"

#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A service manager that listens at an abstract name. */
static int manager;
static notify told;

static int begin(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    int length = snprintf(name, sizeof name, "@hubbub-notify-test-%d", (int)getpid());
    memcpy(address.sun_path, name, (size_t)length);
    address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    setenv("NOTIFY_SOCKET", name, 1);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return manager < 0 ? -1
                       : bind(manager, (struct sockaddr *)&address,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length));
}

static int end(void **state)
{
    (void)state;
    notify_close(&told);
    return close(manager);
}

/* What was told next; "" for nothing. */
static const char *heard(void)
{
    static char text[512];
    ssize_t length = recv(manager, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

static void each_state_is_a_datagram(void **state)
{
    (void)state;
    notify_open(&told, false);
    notify_ready(&told);
    assert_string_equal(heard(), "READY=1");
    notify_stopping(&told);
    assert_string_equal(heard(), "STOPPING=1");
    notify_main_pid(&told, 17);
    assert_string_equal(heard(), "MAINPID=17");
    assert_string_equal(heard(), "");
}

static void reloading_says_the_time_of_the_monotonic_clock(void **state)
{
    (void)state;
    unsigned long long when = 0;
    notify_open(&told, false);
    unsigned long long before = clock_monotonic_ns() / 1000;
    notify_reloading(&told);
    assert_int_equal(sscanf(heard(), "RELOADING=1\nMONOTONIC_USEC=%llu", &when), 1);
    assert_true(when >= before && when <= clock_monotonic_ns() / 1000);
}

static void a_status_is_told_once(void **state)
{
    (void)state;
    notify_open(&told, false);
    notify_status(&told, "%d workers", 2);
    assert_string_equal(heard(), "STATUS=2 workers");
    notify_status(&told, "%d workers", 2);
    assert_string_equal(heard(), "");
    notify_status(&told, "%d workers", 3);
    assert_string_equal(heard(), "STATUS=3 workers");
}

static void the_variables_are_gone_for_children(void **state)
{
    (void)state;
    setenv("WATCHDOG_USEC", "2000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    notify_open(&told, false);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    assert_int_equal(told.watchdog_ns, 0); /* meant for another process */
}

static void a_sign_of_life_comes_at_half_of_the_time(void **state)
{
    (void)state;
    setenv("WATCHDOG_USEC", "2000000", 1);
    notify_open(&told, false);
    notify_pass_time(&told, 5 * CLOCK_NS_PER_S);
    assert_string_equal(heard(), "WATCHDOG=1");
    assert_int_equal(notify_deadline_ns(&told), 6 * CLOCK_NS_PER_S);
    notify_pass_time(&told, 6 * CLOCK_NS_PER_S - 1);
    assert_string_equal(heard(), "");
    notify_pass_time(&told, 6 * CLOCK_NS_PER_S);
    assert_string_equal(heard(), "WATCHDOG=1");
}

static void a_process_that_moved_names_itself_and_gives_signs_of_life(void **state)
{
    (void)state;
    char expected[32];
    setenv("WATCHDOG_USEC", "2000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    notify_open(&told, true);
    assert_string_equal(heard(), "");
    notify_main_pid(&told, getpid());
    snprintf(expected, sizeof expected, "MAINPID=%d", (int)getpid());
    assert_string_equal(heard(), expected);
    notify_pass_time(&told, CLOCK_NS_PER_S);
    assert_string_equal(heard(), "WATCHDOG=1");
}

static void a_silent_one_tells_nothing_until_it_is_named(void **state)
{
    (void)state;
    char expected[32];
    setenv("WATCHDOG_USEC", "2000000", 1);
    notify_open(&told, false);
    notify_be_silent(&told);
    notify_ready(&told);
    notify_status(&told, "serving");
    notify_pass_time(&told, CLOCK_NS_PER_S);
    assert_string_equal(heard(), "");
    assert_int_equal(notify_deadline_ns(&told), 0);
    notify_main_pid(&told, getpid());
    snprintf(expected, sizeof expected, "MAINPID=%d", (int)getpid());
    assert_string_equal(heard(), expected);
    notify_status(&told, "serving");
    assert_string_equal(heard(), "STATUS=serving");
}

static void who_names_another_process_is_silent_then(void **state)
{
    (void)state;
    notify_open(&told, false);
    notify_status(&told, "serving");
    assert_string_equal(heard(), "STATUS=serving");
    notify_main_pid(&told, 1);
    assert_string_equal(heard(), "MAINPID=1");
    notify_stopping(&told);
    notify_status(&told, "finishing");
    assert_string_equal(heard(), "");
}

static void without_a_manager_nothing_is_told(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, "", "relative", "/no/such/socket", "@"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i])
            setenv("NOTIFY_SOCKET", names[i], 1);
        else
            unsetenv("NOTIFY_SOCKET");
        setenv("WATCHDOG_USEC", "2000000", 1);
        notify_open(&told, false);
        assert_int_equal(told.fd, -1);
        notify_ready(&told);
        notify_pass_time(&told, CLOCK_NS_PER_S);
        assert_int_equal(notify_deadline_ns(&told), 0);
        assert_string_equal(heard(), "");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_state_is_a_datagram),
        TEST(reloading_says_the_time_of_the_monotonic_clock),
        TEST(a_status_is_told_once),
        TEST(the_variables_are_gone_for_children),
        TEST(a_sign_of_life_comes_at_half_of_the_time),
        TEST(a_process_that_moved_names_itself_and_gives_signs_of_life),
        TEST(a_silent_one_tells_nothing_until_it_is_named),
        TEST(who_names_another_process_is_silent_then),
        TEST(without_a_manager_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
