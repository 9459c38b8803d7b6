/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/config/support.h"

#include "config/checks.h"

static void assert_wrong(const char *found, const char *text, const char *words)
{
    if (!found || !strstr(found, words))
        fail_msg("%s: %s", text, found ? found : "(taken)");
}

static void addresses_of_the_four_forms_are_taken(void **state)
{
    (void)state;
    static const char *const right[] = {
        "127.0.0.1:8000",     "localhost:0",         ":65535", "[::1]:80", "[::]:80", "Host-1.example:80",
        "unix:relative.sock", "unix:/run/a b:c.sock"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        if (check_bind(right[i]))
            fail_msg("%s: %s", right[i], check_bind(right[i]));
}

static void other_addresses_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"8000", "no port"},           {"host", "no port"},           {"host:", "no port from 0"},
        {":65536", "no port from 0"},  {":-1", "no port from 0"},     {":8000x", "no port from 0"},
        {":000080", "no port from 0"}, {"::1:8000", "brackets"},      {"[::1:80", "no IPv6 address"},
        {"[]:80", "no IPv6 address"},  {"[x]:80", "no IPv6 address"}, {"[:80", "no IPv6 address"},
        {"a b:80", "neither"},         {"http://a:80", "brackets"},   {"unix:", "no path"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_wrong(check_bind(rows[i][0]), rows[i][0], rows[i][1]);
}

static void the_path_of_a_unix_socket_must_fit_its_address(void **state)
{
    (void)state;
    char text[5 + 108 + 1] = "unix:";
    memset(text + 5, 'x', 107);
    assert_null(check_bind(text));
    text[5 + 107] = 'x';
    assert_wrong(check_bind(text), "108 bytes", "longer than the 107");
}

static void origins_as_browsers_send_them_are_taken(void **state)
{
    (void)state;
    static const char *const right[] = {"same",
                                        "same, https://a.example",
                                        "*",
                                        "null",
                                        "https://a.example",
                                        "http://localhost:3000",
                                        "https://[2001:db8::1]:8443",
                                        "https://[::1]",
                                        "chrome-extension://abcdef",
                                        "https://a.example, https://b.example:1, null"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        if (check_origins(right[i]))
            fail_msg("%s: %s", right[i], check_origins(right[i]));
}

static void other_origins_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a.example", "without a scheme"},
        {"://a.example", "without a scheme"},
        {"HTTPS://a.example", "without a scheme"},
        {"https://", "without a host"},
        {"https://:80", "without a host"},
        {"https://a.example/", "with a path"},
        {"https://A.example", "lower case"},
        {"https://a.example:", "port is not"},
        {"https://a.example:x", "port is not"},
        {"https://a.example:65536", "port is not"},
        {"https://a.example:123456789", "port is not"},
        {"https://[::1", "IPv6"},
        {"https://[::1]x", "IPv6"},
        {"https://[]", "IPv6"},
        {"https://a.example, *", "stands alone"},
        {"*, same", "stands alone"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_wrong(check_origins(rows[i][0]), rows[i][0], rows[i][1]);
}

static void answers_are_compressed_or_not(void **state)
{
    (void)state;
    assert_null(check_compress("off"));
    assert_null(check_compress("on"));
    assert_wrong(check_compress("takeover"), "takeover", "neither off nor on");
    assert_wrong(check_compress(""), "", "neither off nor on");
}

static void three_ways_to_compress_are_taken(void **state)
{
    (void)state;
    assert_null(check_deflate("off"));
    assert_null(check_deflate("on"));
    assert_null(check_deflate("takeover"));
    assert_wrong(check_deflate("On"), "On", "no way");
    assert_wrong(check_deflate("yes"), "yes", "no way");
}

static void classes_of_workers_are_refused_with_the_reason(void **state)
{
    (void)state;
    assert_null(check_worker_class("green"));
    assert_null(check_worker_class("gevent"));
    assert_wrong(check_worker_class("sync"), "sync", "one client at a time");
    assert_wrong(check_worker_class("gthread"), "gthread", "pool of threads");
    assert_wrong(check_worker_class("eventlet"), "eventlet", "Python");
    assert_wrong(check_worker_class("Green"), "Green", "no class of workers here");
}

static void variables_have_a_name_and_any_value(void **state)
{
    (void)state;
    static const char *const right[] = {"A=", "a_1=x", "_=1", "A==", "PATH=/bin:/usr/bin"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_null(check_variable(right[i]));
    assert_wrong(check_variable("A"), "A", "no =");
    assert_wrong(check_variable(""), "", "no =");
    assert_wrong(check_variable("=x"), "=x", "a name");
    assert_wrong(check_variable("1A=x"), "1A=x", "a name");
    assert_wrong(check_variable("A B=x"), "A B=x", "a name");
    assert_wrong(check_variable("A-B=x"), "A-B=x", "a name");
}

static void masks_of_permissions_are_octal(void **state)
{
    (void)state;
    static const char *const right[] = {"0", "7", "22", "022", "0027", "777", "0000"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_null(check_umask(right[i]));
    static const char *const wrong[] = {"1000", "8", "0x7", "-1", "u=rwx", "0o22", "22 "};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_wrong(check_umask(wrong[i]), wrong[i], "octal");
}

static void cpus_are_numbers_and_ranges(void **state)
{
    (void)state;
    static const char *const right[] = {"off", "auto", "0", "0, 2", "4-7", "0,2,4-7", "3-3", "1023"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_null(check_cpu_affinity(right[i]));
    static const char *const wrong[] = {"all",  "-1",  "1-",  "7-4",     "1024",           "0-1024",
                                        "1,,2", "1, ", "1;2", "auto, 1", "99999999999999", "0-"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_wrong(check_cpu_affinity(wrong[i]), wrong[i], "no list of CPUs");
}

static void core_files_have_a_size(void **state)
{
    (void)state;
    static const char *const right[] = {"off", "on", "0", "64M", "1024", "4G"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_null(check_core_dump(right[i]));
    static const char *const wrong[] = {"unlimited",   "-1", "1T", "1.5M", "99999999999999999999",
                                        "17179869184G"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_wrong(check_core_dump(wrong[i]), wrong[i], "no size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_the_four_forms_are_taken),
        cmocka_unit_test(other_addresses_are_refused_with_the_reason),
        cmocka_unit_test(the_path_of_a_unix_socket_must_fit_its_address),
        cmocka_unit_test(origins_as_browsers_send_them_are_taken),
        cmocka_unit_test(other_origins_are_refused_with_the_reason),
        cmocka_unit_test(answers_are_compressed_or_not),
        cmocka_unit_test(three_ways_to_compress_are_taken),
        cmocka_unit_test(classes_of_workers_are_refused_with_the_reason),
        cmocka_unit_test(variables_have_a_name_and_any_value),
        cmocka_unit_test(masks_of_permissions_are_octal),
        cmocka_unit_test(cpus_are_numbers_and_ranges),
        cmocka_unit_test(core_files_have_a_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
