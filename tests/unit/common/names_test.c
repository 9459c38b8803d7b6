/* SPDX-License-Identifier: Apache-2.0 */
#include "common/names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static names_found found;
static names_table table;

static int forget(void **state)
{
    (void)state;
    names_use(NULL);
    memset(&table, 0, sizeof table);
    return 0;
}

static void find(const char *host)
{
    names_find(&found, host, "80", SOCK_STREAM);
}

static void assert_one(const char *text)
{
    char shown[INET_ADDRSTRLEN];
    const struct sockaddr_in *address = (const struct sockaddr_in *)&found.addresses[0].address;
    assert_int_equal(found.wrong, 0);
    assert_int_equal(found.count, 1);
    assert_int_equal(address->sin_family, AF_INET);
    assert_int_equal(ntohs(address->sin_port), 80);
    assert_string_equal(inet_ntop(AF_INET, &address->sin_addr, shown, sizeof shown), text);
}

static void make_entry(const char *host, const char *address)
{
    names_entry *entry = &table.entries[table.count++];
    snprintf(entry->host, sizeof entry->host, "%s", host);
    strcpy(entry->port, "80");
    entry->type = SOCK_STREAM;
    names_find(&entry->found, address, "80", SOCK_STREAM);
}

static void an_address_is_its_own(void **state)
{
    (void)state;
    find("192.0.2.7");
    assert_one("192.0.2.7");
    find("::1");
    assert_int_equal(found.count, 1);
    assert_int_equal(found.addresses[0].address.ss_family, AF_INET6);
}

static void no_host_is_every_address(void **state)
{
    (void)state;
    find("");
    assert_int_equal(found.wrong, 0);
    assert_in_range(found.count, 1, 2);
}

static void a_name_that_nobody_has_is_told_in_words(void **state)
{
    (void)state;
    find("no host\1has this name");
    assert_int_not_equal(found.wrong, 0);
    assert_true(strlen(names_wrong(&found)) > 3);
}

static void a_table_answers_for_the_resolver(void **state)
{
    (void)state;
    make_entry("a.example", "192.0.2.1");
    make_entry("b.example", "192.0.2.2");
    names_use(&table);
    find("b.example");
    assert_one("192.0.2.2");
    find("192.0.2.9");
    assert_one("192.0.2.9");
    find("localhost"); /* known to the machine, but nobody may be asked */
    assert_int_equal(found.wrong, EAI_AGAIN);
    names_find(&found, "b.example", "81", SOCK_STREAM);
    assert_int_equal(found.wrong, EAI_AGAIN);
    names_find(&found, "b.example", "80", SOCK_DGRAM);
    assert_int_equal(found.wrong, EAI_AGAIN);
    find("");
    assert_int_equal(found.wrong, 0);
}

static void what_was_looked_up_is_found_in_the_table(void **state)
{
    (void)state;
    names_add(&table, "localhost", "80", SOCK_STREAM);
    names_add(&table, "no host\1has this name", "80", SOCK_STREAM);
    names_use(&table);
    find("localhost");
    assert_int_equal(found.wrong, 0);
    assert_true(found.count >= 1);
    find("no host\1has this name");
    assert_int_not_equal(found.wrong, 0);
    assert_int_not_equal(found.wrong, EAI_AGAIN);
}

static void a_table_takes_so_many_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < NAMES_MAX + 2; i++)
        names_add(&table, "192.0.2.1", "80", SOCK_STREAM);
    assert_int_equal(table.count, NAMES_MAX);
}

static void a_damaged_table_is_read_within_its_bounds(void **state)
{
    (void)state;
    make_entry("a.example", "192.0.2.1");
    table.entries[0].found.count = 4000000000u;
    table.entries[0].found.addresses[0].length = 60000;
    names_use(&table);
    find("a.example");
    assert_int_equal(found.count, NAMES_ADDRESSES_MAX);
    assert_int_equal(found.addresses[0].length, sizeof found.addresses[0].address);
    table.count = 4000000000u;
    memset(table.entries[1].host, 'x', sizeof table.entries[1].host);
    find("c.example");
    assert_int_equal(found.wrong, EAI_AGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_address_is_its_own, forget),
        cmocka_unit_test_teardown(no_host_is_every_address, forget),
        cmocka_unit_test_teardown(a_name_that_nobody_has_is_told_in_words, forget),
        cmocka_unit_test_teardown(a_table_answers_for_the_resolver, forget),
        cmocka_unit_test_teardown(what_was_looked_up_is_found_in_the_table, forget),
        cmocka_unit_test_teardown(a_table_takes_so_many_names, forget),
        cmocka_unit_test_teardown(a_damaged_table_is_read_within_its_bounds, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
