/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <fcntl.h>
#include <sys/resource.h>

static void sizes_that_are_no_power_of_two_or_too_small_are_refused(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 4096, HOST_LOG / 2, HOST_LOG - 1, HOST_LOG + 4096, 3u << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        region r;
        error why = {HUB_OK, ""};
        assert_int_equal(region_create(&r, sizes[i], &why), HUB_EINVAL);
        assert_non_null(strstr(why.text, "power of two"));
        region_close(&r);
    }
}

static void no_position_is_zero(void **state)
{
    (void)state;
    region r;
    host_open(&r);
    bus *b = host_bus(&r);
    assert_true(bus_end(b) > 0);
    bus_close(b);
    region_close(&r);
}

static void two_regions_differ_in_epoch_and_key(void **state)
{
    (void)state;
    region a, b;
    host_open(&a);
    host_open(&b);
    assert_true(region_epoch(&a) != region_epoch(&b));
    assert_true(region_hash_key(&a).k0 != region_hash_key(&b).k0);
    region_close(&a);
    region_close(&b);
}

static void an_attached_region_is_the_same_memory(void **state)
{
    (void)state;
    region made, attached;
    host_open(&made);
    assert_int_equal(region_attach(&attached, made.memory_fd, NULL), HUB_OK);
    assert_true(region_epoch(&made) == region_epoch(&attached));
    bus *from = host_bus(&made), *to = host_bus(&attached);
    assert_int_equal(host_say(from, "hello"), HUB_OK);
    host_expect(to, "hello");
    bus_close(from);
    bus_close(to);
    region_close(&attached);
    region_close(&made);
}

static void the_cells_go_on_behind_their_end(void **state)
{
    (void)state;
    region r;
    host_open(&r);
    volatile unsigned char *base = (volatile unsigned char *)r.header; /* one byte under two addresses */
    region_layout layout = region_layout_of(HOST_LOG);
    base[layout.cells + 5] = 77;
    assert_int_equal(base[layout.cells + HOST_LOG + 5], 77);
    region_close(&r);
}

static void foreign_descriptors_are_no_region(void **state)
{
    (void)state;
    region r;
    error why = {HUB_OK, ""};
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_int_equal(region_attach(&r, fd, &why), HUB_EPROTO);
    close(fd);
    fd = memfd_create("short", MFD_CLOEXEC);
    assert_int_equal(region_attach(&r, fd, &why), HUB_EPROTO);
    close(fd);
    assert_int_equal(region_attach(&r, -1, &why), HUB_ESYSTEM);
}

static void a_damaged_header_or_another_layout_is_not_attached(void **state)
{
    (void)state;
    region made, attached;
    host_open(&made);
    made.header->log_size *= 2;
    assert_int_equal(region_attach(&attached, made.memory_fd, NULL), HUB_EPROTO);
    made.header->log_size /= 2;
    made.header->layout++;
    assert_int_equal(region_attach(&attached, made.memory_fd, NULL), HUB_EPROTO);
    made.header->layout--;
    assert_int_equal(region_attach(&attached, made.memory_fd, NULL), HUB_OK);
    region_close(&attached);
    region_close(&made);
}

static void nobody_can_take_its_pages_away(void **state)
{
    (void)state;
    region r;
    host_open(&r);
    assert_int_equal(ftruncate(r.memory_fd, 0), -1);
    assert_int_equal(errno, EPERM);
    region_close(&r);
}

static void closing_leaves_no_descriptor_open(void **state)
{
    (void)state;
    int before = dup(0);
    close(before);
    region r;
    host_open(&r);
    region_close(&r);
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
    region_close(&r); /* closing twice is harmless */
}

static void without_descriptors_making_one_fails_cleanly(void **state)
{
    (void)state;
    region r;
    error why = {HUB_OK, ""};
    struct rlimit before, few = {60, 60};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    hub_status status = region_create(&r, HOST_LOG, &why);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, HUB_ESYSTEM);
    assert_non_null(strstr(why.text, "ulimit -n"));
    assert_null(r.header);
    assert_int_equal(r.memory_fd, -1);
}

static void claims_name_new_incarnations_in_free_rows(void **state)
{
    (void)state;
    region r;
    host_open(&r);
    unsigned a = 99, b = 99;
    assert_int_equal(region_claim_row(&r, 4, 1, &a), HUB_OK);
    assert_int_equal(region_claim_row(&r, 5, 2, &b), HUB_OK);
    assert_int_not_equal(a, b);
    row_word first = atomic_load(&r.rows[a].word), second = atomic_load(&r.rows[b].word);
    assert_int_equal(row_state_of(first), ROW_BOOTING);
    assert_int_equal(row_slot(first), 4);
    assert_int_equal(row_slot(second), 5);
    assert_int_equal(row_incarnation(first), 1);
    assert_int_equal(row_incarnation(second), 2);
    assert_int_equal(atomic_load(&r.rows[b].generation), 2);
    region_close(&r);
}

static void when_all_rows_are_taken_claims_fail(void **state)
{
    (void)state;
    region r;
    host_open(&r);
    unsigned index;
    for (int i = 0; i < REGION_ROWS; i++)
        assert_int_equal(region_claim_row(&r, 0, 1, &index), HUB_OK);
    assert_int_equal(region_claim_row(&r, 0, 1, &index), HUB_EFULL);
    region_sweep_row(&r, 17);
    assert_int_equal(region_claim_row(&r, 0, 1, &index), HUB_OK);
    assert_int_equal(index, 17);
    region_close(&r);
}

static void a_swept_row_is_free_and_holds_nothing_back(void **state)
{
    (void)state;
    region r;
    host_open(&r);
    unsigned index = host_row(&r);
    bus *b = host_join(&r, index);
    assert_true(row_change(&r.rows[index], atomic_load(&r.rows[index].word), ROW_READY));
    atomic_store(&r.rows[index].writing, bus_end(b));
    atomic_store(&r.rows[index].asleep, ROW_ASLEEP);
    region_sweep_row(&r, index);
    assert_int_equal(row_state_of(atomic_load(&r.rows[index].word)), ROW_FREE);
    assert_int_equal(row_incarnation(atomic_load(&r.rows[index].word)), 1);
    assert_true(atomic_load(&r.rows[index].cursor) == 0);
    assert_true(atomic_load(&r.rows[index].writing) == 0);
    assert_int_equal(atomic_load(&r.rows[index].asleep), ROW_AWAKE);
    region_sweep_row(&r, index); /* once more changes nothing */
    assert_int_equal(row_state_of(atomic_load(&r.rows[index].word)), ROW_FREE);
    bus_close(b);
    region_close(&r);
}

static void a_claimed_row_counts_from_zero(void **state)
{
    (void)state;
    region r;
    host_open(&r);
    unsigned index = host_row(&r);
    atomic_store(&r.rows[index].messages_in, 5);
    atomic_store(&r.rows[index].gaps, 5);
    region_sweep_row(&r, index);
    assert_true(atomic_load(&r.rows[index].gaps) == 5);
    assert_int_equal(host_row(&r), index);
    assert_true(atomic_load(&r.rows[index].gaps) == 0);
    assert_true(atomic_load(&r.rows[index].messages_in) == 0);
    region_close(&r);
}

static void sweeping_rings_those_who_wait_for_a_record_of_the_dead(void **state)
{
    (void)state;
    region r;
    host_open(&r);
    unsigned dead = host_row(&r), waiting = host_row(&r), sleeping = host_row(&r);
    atomic_store(&r.rows[waiting].asleep, ROW_ASLEEP_STUCK);
    atomic_store(&r.rows[sleeping].asleep, ROW_ASLEEP);
    region_sweep_row(&r, dead);
    uint64_t rings = 0;
    assert_int_equal(read(r.doorbells[waiting], &rings, sizeof rings), sizeof rings);
    assert_int_equal(read(r.doorbells[sleeping], &rings, sizeof rings), -1);
    region_close(&r);
}

static void a_full_doorbell_counts_as_rung(void **state)
{
    (void)state;
    region r;
    host_open(&r);
    uint64_t full = UINT64_MAX - 1, rings = 0;
    assert_int_equal(write(r.master_doorbell, &full, sizeof full), sizeof full);
    errno = ERANGE;
    region_ring_master(&r);
    assert_int_equal(errno, ERANGE);
    assert_int_equal(read(r.master_doorbell, &rings, sizeof rings), sizeof rings);
    assert_true(rings == full);
    region_close(&r);
}

static void a_live_row_is_found_by_the_low_bits_of_its_incarnation(void **state)
{
    (void)state;
    region r;
    host_open(&r);
    atomic_store(&r.header->incarnations, 0x1fffe);
    unsigned first = host_row(&r), second = host_row(&r);
    for (int twice = 0; twice < 2; twice++) { /* as it is looked for, and as it is remembered */
        assert_int_equal(region_row_of(&r, 0xffff), first);
        assert_int_equal(region_row_of(&r, 0x0000), second);
        assert_int_equal(region_row_of(&r, 0x0001), -1);
    }
    row_word word = atomic_load(&r.rows[second].word);
    assert_true(row_change(&r.rows[second], word, ROW_DRAINING));
    assert_int_equal(region_row_of(&r, 0x0000), second);
    region_sweep_row(&r, first);
    assert_int_equal(region_row_of(&r, 0xffff), -1);
    assert_int_equal(host_row(&r), first);
    assert_int_equal(region_row_of(&r, 0xffff), -1);
    assert_int_equal(region_row_of(&r, 0x0001), first);
    region_close(&r);
}

static void who_inherits_a_region_has_its_doorbells_and_mailboxes(void **state)
{
    (void)state;
    region r, next;
    int before = dup(0);
    close(before);
    host_open(&r);
    assert_int_equal(region_inherit(&next, r.memory_fd, r.doorbells, r.mailboxes, -1, NULL), HUB_OK);
    for (unsigned i = 0; i < REGION_ROWS; i++) {
        assert_int_equal(next.doorbells[i], r.doorbells[i]);
        assert_int_equal(next.mailboxes[i].reader, r.mailboxes[i].reader);
        assert_int_equal(next.mailboxes[i].writer, r.mailboxes[i].writer);
        r.doorbells[i] = r.mailboxes[i].reader = r.mailboxes[i].writer = -1;
    }
    assert_true(next.master_doorbell >= 0 && next.master_doorbell != r.master_doorbell);
    region_close(&r);
    region_close(&next);
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
}

static void two_regions_have_secrets_that_differ(void **state)
{
    (void)state;
    region a, b;
    host_open(&a);
    host_open(&b);
    assert_true(region_secret_key(&a).k0 != region_secret_key(&b).k0);
    assert_true(region_secret_key(&a).k0 != region_hash_key(&a).k0);
    region_close(&a);
    region_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_are_no_power_of_two_or_too_small_are_refused),
        cmocka_unit_test(no_position_is_zero),
        cmocka_unit_test(two_regions_differ_in_epoch_and_key),
        cmocka_unit_test(an_attached_region_is_the_same_memory),
        cmocka_unit_test(the_cells_go_on_behind_their_end),
        cmocka_unit_test(foreign_descriptors_are_no_region),
        cmocka_unit_test(a_damaged_header_or_another_layout_is_not_attached),
        cmocka_unit_test(nobody_can_take_its_pages_away),
        cmocka_unit_test(closing_leaves_no_descriptor_open),
        cmocka_unit_test(without_descriptors_making_one_fails_cleanly),
        cmocka_unit_test(claims_name_new_incarnations_in_free_rows),
        cmocka_unit_test(when_all_rows_are_taken_claims_fail),
        cmocka_unit_test(a_swept_row_is_free_and_holds_nothing_back),
        cmocka_unit_test(a_claimed_row_counts_from_zero),
        cmocka_unit_test(sweeping_rings_those_who_wait_for_a_record_of_the_dead),
        cmocka_unit_test(a_full_doorbell_counts_as_rung),
        cmocka_unit_test(a_live_row_is_found_by_the_low_bits_of_its_incarnation),
        cmocka_unit_test(who_inherits_a_region_has_its_doorbells_and_mailboxes),
        cmocka_unit_test(two_regions_have_secrets_that_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
