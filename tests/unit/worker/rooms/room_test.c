/* SPDX-License-Identifier: Apache-2.0 */
#include "../harness.h"
#include "worker/rooms/room.h"

static const session_kind kind = {.name = "test"};
static const hub_bytes space = {"", 0};

enum { CROWD = 40 };
static session crowd[CROWD];

static int setup(void **state)
{
    int result = world_open(state);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(session_open(&crowd[i], &kind), HUB_OK);
    return result;
}

static int teardown(void **state)
{
    for (int i = 0; i < CROWD; i++) {
        room_leave_all(&crowd[i]);
        session_close(&crowd[i]);
    }
    assert_int_equal(rooms_count(), 0);
    return world_close(state);
}

static hub_status join(int who, const char *name)
{
    return room_join(&crowd[who], space, hub_text(name));
}

static size_t size(const char *name)
{
    return room_size(space, hub_text(name));
}

static bool is_in(int who, const char *name)
{
    const room *r = room_find(bus_room_hash(world.bus, space, hub_text(name)), space, hub_text(name));
    return r && room_has(r, &crowd[who]);
}

static void a_room_exists_while_somebody_is_in_it(void **state)
{
    (void)state;
    assert_int_equal(size("lobby"), 0);
    assert_int_equal(join(0, "lobby"), HUB_OK);
    assert_int_equal(join(1, "lobby"), HUB_OK);
    assert_int_equal(size("lobby"), 2);
    assert_int_equal(rooms_count(), 1);
    room_leave(&crowd[0], space, hub_text("lobby"));
    room_leave(&crowd[1], space, hub_text("lobby"));
    assert_int_equal(rooms_count(), 0);
    assert_int_equal(size("lobby"), 0);
}

static void joining_twice_and_leaving_twice_change_nothing(void **state)
{
    (void)state;
    assert_int_equal(join(0, "lobby"), HUB_OK);
    assert_int_equal(join(0, "lobby"), HUB_OK);
    assert_int_equal(size("lobby"), 1);
    room_leave(&crowd[1], space, hub_text("lobby"));
    room_leave(&crowd[0], space, hub_text("nowhere"));
    assert_int_equal(size("lobby"), 1);
}

static void names_have_limits(void **state)
{
    (void)state;
    char name[BUS_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    assert_int_equal(room_join(&crowd[0], space, hub_bytes_of(name, BUS_NAME_MAX)), HUB_OK);
    assert_int_equal(room_join(&crowd[0], space, hub_bytes_of(name, BUS_NAME_MAX + 1)), HUB_ETOOBIG);
    assert_int_equal(room_join(&crowd[0], hub_bytes_of(name, BUS_NAME_MAX + 1), hub_text("x")), HUB_ETOOBIG);
    assert_int_equal(join(0, ""), HUB_EINVAL);
    assert_int_equal(rooms_count(), 1);
}

static void a_name_may_hold_any_byte(void **state)
{
    (void)state;
    assert_int_equal(room_join(&crowd[0], space, hub_bytes_of("a\0b", 3)), HUB_OK);
    assert_int_equal(room_size(space, hub_bytes_of("a\0b", 3)), 1);
    assert_int_equal(room_size(space, hub_bytes_of("a\0c", 3)), 0);
    assert_int_equal(size("a"), 0);
}

static void name_spaces_are_apart(void **state)
{
    (void)state;
    assert_int_equal(room_join(&crowd[0], hub_text("ab"), hub_text("c")), HUB_OK);
    assert_int_equal(room_size(hub_text("a"), hub_text("bc")), 0);
    assert_int_equal(room_size(hub_text("ab"), hub_text("c")), 1);
}

static void members_keep_their_places_however_others_leave(void **state)
{
    (void)state;
    char names[10][24];
    for (int n = 0; n < 10; n++) {
        snprintf(names[n], sizeof names[n], "room%d", n);
        for (int i = 0; i < CROWD; i++)
            if ((i * 7 + n) % 3)
                assert_int_equal(join(i, names[n]), HUB_OK);
    }
    for (int step = 0; step < 10 * CROWD; step++) {
        int n = step * 7 % 10, i = step * 13 % CROWD;
        bool was = is_in(i, names[n]);
        size_t before = size(names[n]);
        room_leave(&crowd[i], space, hub_text(names[n]));
        assert_false(is_in(i, names[n]));
        assert_int_equal(size(names[n]), before - (was ? 1 : 0));
        /* Every list tells the truth about every place. */
        for (int other = 0; other < CROWD; other++)
            for (unsigned m = 0; m < crowd[other].rooms; m++) {
                const membership *at = m ? &crowd[other].more[m - 1] : &crowd[other].first;
                assert_true(at->place < at->room->count);
                assert_ptr_equal(at->room->members[at->place], &crowd[other]);
            }
    }
}

static void a_client_may_be_in_many_rooms(void **state)
{
    (void)state;
    char name[24];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "room %d", i);
        assert_int_equal(join(0, name), HUB_OK);
    }
    assert_int_equal(rooms_count(), 2000);
    assert_true(is_in(0, "room 1234"));
    room_leave_all(&crowd[0]);
    assert_int_equal(rooms_count(), 0);
    assert_int_equal(crowd[0].rooms, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_room_exists_while_somebody_is_in_it),
        TEST(joining_twice_and_leaving_twice_change_nothing),
        TEST(names_have_limits),
        TEST(a_name_may_hold_any_byte),
        TEST(name_spaces_are_apart),
        TEST(members_keep_their_places_however_others_leave),
        TEST(a_client_may_be_in_many_rooms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
