/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/post.h"

#include "../harness.h"
#include "common/log.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* ---- this worker, and another one whose mailbox the test reads itself ---- */

enum { SEEN_MAX = 4096 };

static struct seen {
    unsigned received, returned;
    char first[SEEN_MAX]; /* byte of each */
    bool stale;
    int fd;    /* of the last, taken */
    bool take; /* descriptors */
    unsigned wanted;
} seen;

static unsigned other_row;
static mailbox *other;

static void note(letter *got, unsigned *count)
{
    if (*count < SEEN_MAX && got->bytes.length)
        seen.first[*count] = *(const char *)got->bytes.data;
    ++*count;
    seen.stale = got->stale;
    if (seen.take)
        seen.fd = letter_take(got);
}

static void on_received(letter *got, void *arg)
{
    assert_ptr_equal(arg, &seen);
    note(got, &seen.received);
}

static void on_returned(letter *got, void *arg)
{
    assert_ptr_equal(arg, &seen);
    note(got, &seen.returned);
}

static const post_user user = {on_received, on_returned, &seen};

static uint32_t low_of(unsigned index)
{
    return row_incarnation(atomic_load(&world.shared.rows[index].word)) & 0xffff;
}

static int post_setup(void **state)
{
    world_open(state);
    seen = (struct seen){.fd = -1};
    assert_int_equal(region_claim_row(&world.shared, 1, 1, &other_row), HUB_OK);
    assert_int_equal(mailbox_open(&other, &world.shared, other_row, NULL), HUB_OK);
    assert_int_equal(post_open(&world.shared, world.row, NULL), HUB_OK);
    assert_int_equal(post_register(POST_REQUEST, &user), HUB_OK);
    post_start();
    return 0;
}

static int post_teardown(void **state)
{
    if (seen.fd >= 0)
        close(seen.fd);
    mailbox_close(other);
    post_close();
    return world_close(state);
}

static hub_status post_text(unsigned to, const char *text, int fd)
{
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    return post_send(low_of(to), POST_REQUEST, &part, 1, fd);
}

static bool enough_received(void *arg)
{
    (void)arg;
    return seen.received >= seen.wanted;
}

static bool wait_received(unsigned count)
{
    seen.wanted = count;
    return world_until(enough_received, NULL);
}

static bool nothing_waits(void *arg)
{
    (void)arg;
    return post_count().waiting == 0;
}

/* Until the other one's mailbox takes no more and a letter waits here; how many are under way. */
static unsigned fill_other(void)
{
    unsigned count = 0;
    while (post_count().waiting == 0) {
        char text[1000];
        memset(text, 'a' + (int)(count % 26), sizeof text);
        struct iovec part = {text, sizeof text};
        assert_int_equal(post_send(low_of(other_row), POST_REQUEST, &part, 1, -1), HUB_OK);
        count++;
    }
    return count;
}

/* Reads what the other one has got; how many, and whether they continue the series. */
static unsigned read_other(unsigned before)
{
    letter got;
    for (; mailbox_receive(other, &got) == HUB_OK; before++) {
        assert_int_equal(*(const char *)got.bytes.data, 'a' + (int)(before % 26));
        letter_close(&got);
    }
    return before;
}

static int lowest_free(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

/* ---- tests ---- */

static void a_letter_is_handed_to_who_registered_for_its_kind(void **state)
{
    (void)state;
    assert_int_equal(post_text(world.row, "x", -1), HUB_OK);
    assert_true(wait_received(1));
    assert_int_equal(seen.first[0], 'x');
    assert_false(seen.stale);
    assert_int_equal(post_count().received, 1);
    assert_int_equal(post_count().sent, 1);
}

static void a_sent_descriptor_is_taken_over_and_one_that_nobody_takes_is_closed(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(post_text(world.row, "x", ends[1]), HUB_OK);
    assert_int_equal(fcntl(ends[1], F_GETFD), -1);
    assert_true(wait_received(1));
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 0); /* the last writing end is closed */
    close(ends[0]);
}

static void a_receiver_may_keep_the_descriptor(void **state)
{
    (void)state;
    int ends[2];
    seen.take = true;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(post_text(world.row, "x", ends[1]), HUB_OK);
    assert_true(wait_received(1));
    assert_int_equal(write(seen.fd, "!", 1), 1);
    char byte = 0;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, '!');
    close(ends[0]);
}

static void on_failure_the_descriptor_stays_the_callers(void **state)
{
    (void)state;
    int fd = dup(0);
    struct iovec part = {"x", 1};
    assert_int_equal(post_send(0x7777, POST_REQUEST, &part, 1, fd), HUB_ECLOSED);
    assert_int_equal(post_send(low_of(other_row), POST_KINDS, &part, 1, fd), HUB_EINVAL);
    assert_int_equal(post_send(low_of(other_row), POST_NONE, &part, 1, fd), HUB_EINVAL);
    assert_int_equal(post_send(low_of(other_row), POST_REQUEST, &part, MAILBOX_PARTS_MAX + 1, fd),
                     HUB_EINVAL);
    assert_int_equal(close(fd), 0);
}

static void others_that_live_are_known(void **state)
{
    (void)state;
    assert_true(post_knows(low_of(other_row)));
    assert_false(post_knows(low_of(world.row)));
    assert_false(post_knows(0x7777));
    uint32_t was = low_of(other_row);
    region_sweep_row(&world.shared, other_row);
    assert_false(post_knows(was));
    assert_int_equal(region_claim_row(&world.shared, 1, 1, &other_row), HUB_OK);
}

static void each_kind_has_one_receiver(void **state)
{
    (void)state;
    assert_int_equal(post_register(POST_REQUEST, &user), HUB_EEXIST);
    assert_int_equal(post_register(POST_KINDS, &user), HUB_EINVAL);
    assert_int_equal(post_register(POST_NONE, &user), HUB_EINVAL);
    assert_int_equal(post_open(&world.shared, world.row, NULL), HUB_ESTATE);
}

static void letters_for_a_full_mailbox_wait_and_go_in_their_order(void **state)
{
    (void)state;
    unsigned sent = fill_other(), got = read_other(0);
    assert_int_equal(got, sent - 1);
    assert_true(world_until(nothing_waits, NULL));
    assert_int_equal(read_other(got), sent);
    assert_int_equal(post_count().delayed, 1);
    assert_int_equal(post_count().sent, sent);
}

static void what_is_sent_while_others_wait_goes_behind_them(void **state)
{
    (void)state;
    unsigned sent = fill_other(), got = read_other(0); /* there is room again, but one waits */
    for (unsigned i = 0; i < 100; i++, sent++) {
        char byte = (char)('a' + (int)(sent % 26));
        struct iovec part = {&byte, 1};
        assert_int_equal(post_send(low_of(other_row), POST_REQUEST, &part, 1, -1), HUB_OK);
    }
    assert_int_equal(post_count().waiting, 101);
    assert_true(world_until(nothing_waits, NULL));
    assert_int_equal(read_other(got), sent);
}

static void who_is_full_keeps_nobody_else_waiting(void **state)
{
    (void)state;
    fill_other();
    assert_int_equal(post_text(world.row, "x", -1), HUB_OK);
    assert_true(wait_received(1));
    assert_int_equal(post_count().waiting, 1);
}

static void too_many_waiting_letters_are_refused_and_so_are_too_many_bytes(void **state)
{
    (void)state;
    hub_status status;
    unsigned more = 0;
    fill_other();
    int fd = dup(0);
    while ((status = post_text(other_row, "x", -1)) == HUB_OK)
        more++;
    assert_int_equal(status, HUB_EFULL);
    assert_int_equal(more, POST_WAITING_LETTERS - 1);
    assert_int_equal(post_text(other_row, "x", fd), HUB_EFULL);
    assert_int_equal(close(fd), 0);
    read_other(0);
}

static void bytes_that_wait_are_bounded(void **state)
{
    (void)state;
    static char large[100000];
    struct iovec part = {large, sizeof large};
    hub_status status;
    unsigned more = 0;
    fill_other();
    while ((status = post_send(low_of(other_row), POST_REQUEST, &part, 1, -1)) == HUB_OK)
        more++;
    assert_int_equal(status, HUB_EFULL);
    assert_int_equal(more, (POST_WAITING_BYTES - 1000) / sizeof large);
}

static bool has_returned(void *arg)
{
    (void)arg;
    return seen.returned >= 1;
}

static void what_waits_for_one_who_goes_comes_back_with_its_descriptor(void **state)
{
    (void)state;
    int ends[2];
    seen.take = true;
    fill_other();
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(post_text(other_row, "!", ends[1]), HUB_OK);
    row *r = &world.shared.rows[other_row];
    assert_true(row_change(r, atomic_load(&r->word), ROW_ENDED));
    assert_int_equal(post_text(other_row, "x", -1), HUB_ECLOSED);
    assert_true(world_until(has_returned, NULL));
    assert_true(world_until(nothing_waits, NULL));
    assert_int_equal(seen.returned, 2);
    assert_true(memchr(seen.first, '!', 2) != NULL);
    assert_int_equal(post_count().returned, 2);
    close(ends[0]);
}

static void letters_before_the_start_wait_for_it(void **state)
{
    post_close();
    assert_int_equal(post_open(&world.shared, world.row, NULL), HUB_OK);
    assert_int_equal(post_register(POST_REQUEST, &user), HUB_OK);
    assert_int_equal(post_text(world.row, "x", -1), HUB_OK);
    world_turn(3);
    assert_int_equal(seen.received, 0);
    post_start();
    assert_true(wait_received(1));
    (void)state;
}

static void a_turn_reads_a_bounded_number(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(post_text(world.row, "x", -1), HUB_OK);
    world_turn(1);
    assert_in_range(seen.received, 1, 64);
    assert_true(wait_received(100));
}

static void letters_of_unknown_kinds_and_rubbish_are_refused_and_others_follow(void **state)
{
    (void)state;
    int before = lowest_free();
    mailbox_address self = {world.row, row_incarnation(atomic_load(&world_row()->word))};
    struct iovec part = {"x", 1};
    log_set_level(HUB_CRITICAL);
    assert_int_equal(mailbox_send(&world.shared, self, 1, POST_KINDS, &part, 1, 0), HUB_OK);
    assert_int_equal(mailbox_send(&world.shared, self, 1, POST_NONE, &part, 1, 0), HUB_OK);
    assert_int_equal(send(world.shared.mailboxes[world.row].writer, "rubbish", 7, 0), 7);
    assert_int_equal(post_text(world.row, "y", -1), HUB_OK);
    assert_true(wait_received(1));
    log_set_level(HUB_INFO);
    assert_int_equal(seen.first[0], 'y');
    assert_int_equal(post_count().refused, 3);
    assert_int_equal(lowest_free(), before);
}

static void closing_drops_what_waits_and_leaves_the_mailbox_as_it_is(void **state)
{
    (void)state;
    int before = lowest_free(), fd = dup(0);
    fill_other();
    assert_int_equal(post_text(other_row, "x", fd), HUB_OK);
    assert_int_equal(post_text(world.row, "x", -1), HUB_OK);
    post_close();
    assert_int_equal(lowest_free(), before);
    assert_true(mailbox_has_letters(&world.shared, world.row));
    post_close(); /* twice is harmless */
}

/* Another process keeps writing, and its letters all come, in their order. */
static void letters_of_another_process_are_heard(void **state)
{
    (void)state;
    enum { LETTERS = 1000 };
    mailbox_address self = {world.row, row_incarnation(atomic_load(&world_row()->word))};
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (unsigned i = 0; i < LETTERS;) {
            char byte = (char)('a' + (int)(i % 26));
            struct iovec part = {&byte, 1};
            hub_status status = mailbox_send(&world.shared, self, 9, POST_REQUEST, &part, 1, i % 8 ? -1 : 0);
            if (status == HUB_OK)
                i++;
            else if (status != HUB_EAGAIN)
                _exit(1);
        }
        _exit(0);
    }
    assert_true(wait_received(LETTERS));
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    for (unsigned i = 0; i < LETTERS; i++)
        assert_int_equal(seen.first[i], 'a' + (int)(i % 26));
}

#define with_post(test) cmocka_unit_test_setup_teardown(test, post_setup, post_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_post(a_letter_is_handed_to_who_registered_for_its_kind),
        with_post(a_sent_descriptor_is_taken_over_and_one_that_nobody_takes_is_closed),
        with_post(a_receiver_may_keep_the_descriptor),
        with_post(on_failure_the_descriptor_stays_the_callers),
        with_post(others_that_live_are_known),
        with_post(each_kind_has_one_receiver),
        with_post(letters_for_a_full_mailbox_wait_and_go_in_their_order),
        with_post(what_is_sent_while_others_wait_goes_behind_them),
        with_post(who_is_full_keeps_nobody_else_waiting),
        with_post(too_many_waiting_letters_are_refused_and_so_are_too_many_bytes),
        with_post(bytes_that_wait_are_bounded),
        with_post(what_waits_for_one_who_goes_comes_back_with_its_descriptor),
        with_post(letters_before_the_start_wait_for_it),
        with_post(a_turn_reads_a_bounded_number),
        with_post(letters_of_unknown_kinds_and_rubbish_are_refused_and_others_follow),
        with_post(closing_drops_what_waits_and_leaves_the_mailbox_as_it_is),
        with_post(letters_of_another_process_are_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
