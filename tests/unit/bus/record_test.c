/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include "bus/record.h"

static const hub_bytes two_rooms[] = {{"lobby", 5}, {"r2", 2}};
static const hub_bytes one_except[] = {{"silent", 6}};
static const uint64_t two_hashes[] = {11, 22};

static bus_message full_message(void)
{
    return (bus_message){.kind = 3,
                         .flags = 0x8001,
                         .hole = 12,
                         .name_space = hub_text("/chat"),
                         .rooms = two_rooms,
                         .room_count = 2,
                         .except = one_except,
                         .except_count = 1,
                         .sender = 101,
                         .target = 102,
                         .collector = 103};
}

static record_draft made;
static record_view seen;

static size_t make_full(void)
{
    bus_message message = full_message();
    assert_int_equal(record_draft_message(&made, &message, two_hashes, 2, 50, 0xabcd), HUB_OK);
    made.header->epoch = 9;
    made.header->origin = 8;
    made.links[0].previous = 70;
    made.links[1].previous = 71;
    record_finish(&made, 1000, 1003);
    return made.header->head_length;
}

static void what_was_encoded_is_decoded(void **state)
{
    (void)state;
    size_t length = make_full();
    assert_int_equal(record_head_length(made.bytes, 4096), length);
    assert_int_equal(length % 8, 0);
    assert_true(record_decode(&seen, made.bytes, length));
    assert_int_equal(seen.header.kind, 3);
    assert_int_equal(seen.header.flags, 0x8001);
    assert_int_equal(seen.header.hole, 12);
    assert_int_equal(seen.header.sender, 101);
    assert_int_equal(seen.header.target, 102);
    assert_int_equal(seen.header.collector, 103);
    assert_int_equal(seen.header.epoch, 9);
    assert_int_equal(seen.header.origin, 8);
    assert_int_equal(seen.header.position, 1000);
    assert_int_equal(seen.header.horizon, 1003);
    assert_int_equal(seen.header.length, length + 50);
    assert_int_equal(seen.header.body_checksum, 0xabcd);
    assert_true(hub_equal(seen.name_space, hub_text("/chat")));
    assert_int_equal(seen.header.room_count, 2);
    assert_true(hub_equal(seen.rooms[0], two_rooms[0]));
    assert_true(hub_equal(seen.rooms[1], two_rooms[1]));
    assert_int_equal(seen.header.except_count, 1);
    assert_true(hub_equal(seen.except[0], one_except[0]));
    assert_int_equal(seen.link_count, 2);
    assert_int_equal(seen.links[1].hash, 22);
    assert_int_equal(seen.links[1].previous, 71);
}

static void the_largest_head_fits(void **state)
{
    (void)state;
    static char name[BUS_NAME_MAX];
    hub_bytes names[BUS_EXCEPT_MAX];
    uint64_t hashes[BUS_ROOMS_MAX] = {0};
    memset(name, 'n', sizeof name);
    for (int i = 0; i < BUS_EXCEPT_MAX; i++)
        names[i] = hub_bytes_of(name, sizeof name);
    bus_message message = {.name_space = names[0],
                           .rooms = names,
                           .room_count = BUS_ROOMS_MAX,
                           .except = names,
                           .except_count = BUS_EXCEPT_MAX};
    assert_int_equal(record_draft_message(&made, &message, hashes, BUS_ROOMS_MAX, 0, 0), HUB_OK);
    record_finish(&made, 1, 2);
    size_t length = record_head_length(made.bytes, 1 << 20);
    assert_true(length > 0 && length <= RECORD_HEAD_MAX);
    assert_true(record_decode(&seen, made.bytes, length));
    assert_true(hub_equal(seen.except[BUS_EXCEPT_MAX - 1], names[0]));
}

static void too_many_rooms_and_empty_or_long_names_are_refused(void **state)
{
    (void)state;
    static char name[BUS_NAME_MAX + 1];
    hub_bytes names[BUS_EXCEPT_MAX + 1];
    for (int i = 0; i <= BUS_EXCEPT_MAX; i++)
        names[i] = hub_text("x");
    bus_message message = {.rooms = names, .room_count = BUS_ROOMS_MAX + 1};
    assert_int_equal(record_draft_message(&made, &message, two_hashes, 1, 0, 0), HUB_EINVAL);
    message = (bus_message){.except = names, .except_count = BUS_EXCEPT_MAX + 1};
    assert_int_equal(record_draft_message(&made, &message, two_hashes, 1, 0, 0), HUB_EINVAL);
    names[0] = hub_bytes_of(name, sizeof name);
    message = (bus_message){.rooms = names, .room_count = 1};
    assert_int_equal(record_draft_message(&made, &message, two_hashes, 1, 0, 0), HUB_ETOOBIG);
    message = (bus_message){.name_space = names[0]};
    assert_int_equal(record_draft_message(&made, &message, two_hashes, 1, 0, 0), HUB_ETOOBIG);
    names[0] = hub_bytes_of(NULL, 0);
    message = (bus_message){.rooms = names, .room_count = 1};
    assert_int_equal(record_draft_message(&made, &message, two_hashes, 1, 0, 0), HUB_EINVAL);
    message = (bus_message){.kind = 1};
    assert_int_equal(record_draft_message(&made, &message, two_hashes, 1, (size_t)UINT32_MAX, 0),
                     HUB_ETOOBIG);
}

static void any_damaged_bit_of_a_head_is_noticed(void **state)
{
    (void)state;
    size_t length = make_full();
    for (size_t bit = 0; bit < length * 8; bit++) {
        made.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        size_t announced = record_head_length(made.bytes, 4096);
        assert_false(announced == length && record_decode(&seen, made.bytes, length));
        assert_true(announced <= RECORD_HEAD_MAX);
        made.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_true(record_decode(&seen, made.bytes, length));
}

static void a_record_longer_than_its_cells_is_implausible(void **state)
{
    (void)state;
    size_t length = make_full();
    assert_int_equal(record_head_length(made.bytes, length + 50), length);
    assert_int_equal(record_head_length(made.bytes, length + 49), 0);
}

/* Sums up a head whose fields were changed, as a publisher with a defect would have written it. */
static bool decodes_with_right_checksum(size_t length)
{
    record_finish(&made, 1000, 1003);
    return record_decode(&seen, made.bytes, length);
}

static void counts_that_the_head_cannot_hold_are_refused_even_under_a_right_checksum(void **state)
{
    (void)state;
    size_t length = make_full();
    assert_true(decodes_with_right_checksum(length));
    made.header->room_count = 200;
    assert_false(decodes_with_right_checksum(length));
    make_full();
    made.header->except_count = 65;
    assert_false(decodes_with_right_checksum(length));
    make_full();
    made.header->link_count = 65;
    assert_false(decodes_with_right_checksum(length));
    make_full();
    made.header->room_count = 4;
    assert_false(decodes_with_right_checksum(length));
    make_full();
    made.header->room_count = 0;
    assert_false(decodes_with_right_checksum(length));
    make_full();
    made.header->name_space_length = 255;
    assert_false(decodes_with_right_checksum(length));
    make_full();
    assert_false(record_decode(&seen, made.bytes, sizeof(record_header) - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_is_decoded),
        cmocka_unit_test(the_largest_head_fits),
        cmocka_unit_test(too_many_rooms_and_empty_or_long_names_are_refused),
        cmocka_unit_test(any_damaged_bit_of_a_head_is_noticed),
        cmocka_unit_test(a_record_longer_than_its_cells_is_implausible),
        cmocka_unit_test(counts_that_the_head_cannot_hold_are_refused_even_under_a_right_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
