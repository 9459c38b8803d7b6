/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/rooms/audience.h"
#include "worker/rooms/fanout.h"

#include <stdio.h>

static char seen[4096];

/* "#7" is client 7. */
static bool is_client(hub_bytes name, hub_id *id)
{
    const char *text = name.data;
    if (name.length != 2 || text[0] != '#')
        return false;
    *id = (hub_id)(text[1] - '0');
    return true;
}

static void add(const char *text, size_t length)
{
    size_t used = strlen(seen);
    memcpy(seen + used, text, length);
    seen[used + length] = '\0';
}

static void add_number(const char *before, uint64_t number)
{
    char text[64];
    int length = snprintf(text, sizeof text, "%s%llu", before, (unsigned long long)number);
    add(text, (size_t)length);
}

/* Notes a record: >target or its rooms, -excepted, and a semicolon. */
static hub_status note(const bus_message *m, void *arg)
{
    (void)arg;
    size_t clients = m->flags >> RECORD_EXCEPT_SHIFT;
    if (m->target)
        add_number(">", m->target);
    for (size_t i = 0; i < m->room_count; i++) {
        add(m->rooms[i].data, m->rooms[i].length);
        add(" ", 1);
    }
    for (size_t i = 0; i < m->except_count; i++) {
        hub_id id;
        if (i < clients) {
            memcpy(&id, m->except[i].data, sizeof id);
            add_number("-#", id);
        } else {
            add("-", 1);
            add(m->except[i].data, m->except[i].length);
        }
    }
    if (m->sender)
        add_number("!", m->sender);
    add(";", 1);
    return HUB_OK;
}

static const char *of(hub_to to)
{
    seen[0] = '\0';
    assert_int_equal(audience_each(&to, hub_text("/"), is_client, note, NULL), HUB_OK);
    return seen;
}

static void one_room_everybody_or_one_client_is_one_record(void **state)
{
    (void)state;
    assert_string_equal(of(hub_to_everyone()), ";");
    assert_string_equal(of(hub_to_room("r")), "r ;");
    assert_string_equal(of(hub_except(hub_to_room("r"), 9)), "r !9;");
    assert_string_equal(of(hub_to_client(5)), ">5;");
    assert_string_equal(of(hub_to_room("#7")), ">7;");
    assert_string_equal(of(hub_except(hub_to_client(5), 5)), "");
    assert_string_equal(of(hub_except(hub_to_room("#7"), 7)), "");
}

static void clients_in_a_list_are_records_that_leave_out_who_was_reached(void **state)
{
    (void)state;
    hub_bytes rooms[] = {hub_text("a"), hub_text("#7"), hub_text("b"), hub_text("#8"), hub_text("#7")};
    assert_string_equal(of(hub_to_rooms(rooms, 5)), "a b ;>7-a-b;>8-a-b;");
    assert_string_equal(of(hub_to_rooms(rooms + 1, 1)), ">7;");
}

static void excepted_clients_come_first(void **state)
{
    (void)state;
    hub_bytes except[] = {hub_text("x"), hub_text("#3"), hub_text("y"), hub_text("#4")};
    assert_string_equal(of(hub_except_rooms(hub_to_room("r"), except, 4)), "r -#3-#4-x-y;");
    assert_string_equal(of(hub_except_rooms(hub_to_everyone(), except, 1)), "-x;");
    assert_string_equal(of(hub_except_rooms(hub_to_client(5), except, 1)), ">5-x;");
}

static void names_and_their_number_have_limits(void **state)
{
    (void)state;
    static char name[BUS_NAME_MAX + 1];
    memset(name, 'n', sizeof name);
    hub_bytes many[65];
    for (int i = 0; i < 65; i++)
        many[i] = hub_text("r");
    hub_to to = hub_to_rooms(many, 65);
    assert_int_equal(audience_each(&to, hub_text("/"), NULL, note, NULL), HUB_EINVAL);
    to = hub_to_rooms(many, 64);
    to.room = hub_text("one more");
    assert_int_equal(audience_each(&to, hub_text("/"), NULL, note, NULL), HUB_EINVAL);
    to = hub_except_rooms(hub_to_everyone(), many, 65);
    assert_int_equal(audience_each(&to, hub_text("/"), NULL, note, NULL), HUB_EINVAL);
    to = hub_to_room_bytes(hub_bytes_of(name, sizeof name));
    assert_int_equal(audience_each(&to, hub_text("/"), NULL, note, NULL), HUB_ETOOBIG);
    many[0] = hub_bytes_of(NULL, 0);
    to = hub_to_rooms(many, 2);
    assert_int_equal(audience_each(&to, hub_text("/"), NULL, note, NULL), HUB_EINVAL);
    to = hub_to_everyone();
    assert_int_equal(audience_each(&to, hub_bytes_of(name, sizeof name), NULL, note, NULL), HUB_ETOOBIG);
}

static hub_status fails(const bus_message *m, void *arg)
{
    (void)m;
    ++*(int *)arg;
    return HUB_EFULL;
}

static void a_record_that_fails_is_the_last(void **state)
{
    (void)state;
    int calls = 0;
    hub_bytes rooms[] = {hub_text("a"), hub_text("#7")};
    hub_to to = hub_to_rooms(rooms, 2);
    assert_int_equal(audience_each(&to, hub_text("/"), is_client, fails, &calls), HUB_EFULL);
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_room_everybody_or_one_client_is_one_record),
        cmocka_unit_test(clients_in_a_list_are_records_that_leave_out_who_was_reached),
        cmocka_unit_test(excepted_clients_come_first),
        cmocka_unit_test(names_and_their_number_have_limits),
        cmocka_unit_test(a_record_that_fails_is_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
