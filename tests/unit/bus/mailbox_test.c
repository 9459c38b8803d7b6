/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/mailbox.h"

#include "host.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { KIND = 3 };

/* Two workers of one host, as one process sees them. */
typedef struct pair {
    region shared;
    unsigned from_row, to_row;
    uint32_t from;
    mailbox_address to;
    mailbox *box;
} pair;

static uint32_t incarnation_of(const region *shared, unsigned index)
{
    return row_incarnation(atomic_load(&shared->rows[index].word));
}

static int pair_open(void **state)
{
    pair *p = calloc(1, sizeof *p);
    assert_non_null(p);
    host_open(&p->shared);
    p->from_row = host_row(&p->shared);
    p->to_row = host_row(&p->shared);
    p->from = incarnation_of(&p->shared, p->from_row);
    p->to = (mailbox_address){p->to_row, incarnation_of(&p->shared, p->to_row)};
    assert_int_equal(mailbox_open(&p->box, &p->shared, p->to_row, NULL), HUB_OK);
    *state = p;
    return 0;
}

static int pair_close(void **state)
{
    pair *p = *state;
    mailbox_close(p->box);
    region_close(&p->shared);
    free(p);
    return 0;
}

static hub_status send_bytes(const pair *p, const void *bytes, size_t length, int fd)
{
    struct iovec part = {(void *)(uintptr_t)bytes, length};
    return mailbox_send(&p->shared, p->to, p->from, KIND, &part, 1, fd);
}

static hub_status say(const pair *p, const char *text, int fd)
{
    return send_bytes(p, text, strlen(text), fd);
}

static void expect_text(pair *p, const char *text)
{
    letter got;
    assert_int_equal(mailbox_receive(p->box, &got), HUB_OK);
    assert_int_equal(got.bytes.length, strlen(text));
    assert_memory_equal(got.bytes.data, text, strlen(text));
    letter_close(&got);
}

static void expect_nothing(pair *p)
{
    letter got;
    assert_int_equal(mailbox_receive(p->box, &got), HUB_EAGAIN);
}

/* The lowest descriptor that is free. */
static int lowest_free(void)
{
    int fd = dup(0);
    assert_true(fd >= 0);
    close(fd);
    return fd;
}

static void letters_arrive_in_their_order_and_whole(void **state)
{
    pair *p = *state;
    assert_int_equal(say(p, "first", -1), HUB_OK);
    assert_int_equal(say(p, "", -1), HUB_OK);
    struct iovec parts[] = {{"in ", 3}, {"three ", 6}, {"parts", 5}};
    assert_int_equal(mailbox_send(&p->shared, p->to, p->from, KIND, parts, 3, -1), HUB_OK);
    expect_text(p, "first");
    expect_text(p, "");
    expect_text(p, "in three parts");
    expect_nothing(p);
}

static void a_letter_says_what_it_is_and_whose(void **state)
{
    pair *p = *state;
    letter got;
    assert_int_equal(say(p, "x", -1), HUB_OK);
    assert_int_equal(mailbox_receive(p->box, &got), HUB_OK);
    assert_int_equal(got.kind, KIND);
    assert_int_equal(got.from, p->from);
    assert_int_equal(got.to, p->to.incarnation);
    assert_false(got.stale);
    assert_int_equal(got.fd, -1);
    letter_close(&got);
}

static void the_box_is_readable_while_letters_wait(void **state)
{
    pair *p = *state;
    struct pollfd ready = {.fd = mailbox_fd(p->box), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 0), 0);
    assert_false(mailbox_has_letters(&p->shared, p->to_row));
    assert_int_equal(say(p, "x", -1), HUB_OK);
    assert_int_equal(poll(&ready, 1, 0), 1);
    assert_true(mailbox_has_letters(&p->shared, p->to_row));
    expect_text(p, "x");
    assert_int_equal(poll(&ready, 1, 0), 0);
}

static void a_descriptor_arrives_and_the_senders_stays_its_own(void **state)
{
    pair *p = *state;
    int ends[2];
    letter got;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(say(p, "with a pipe", ends[1]), HUB_OK);
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(mailbox_receive(p->box, &got), HUB_OK);
    assert_true(got.fd >= 0);
    assert_true(fcntl(got.fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(got.fd, "!", 1), 1);
    char byte = 0;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, '!');
    int taken = letter_take(&got);
    letter_close(&got);
    assert_int_equal(close(taken), 0);
    close(ends[0]);
}

static void a_closed_letter_leaves_no_descriptor(void **state)
{
    pair *p = *state;
    letter got;
    int before = lowest_free();
    assert_int_equal(say(p, "stdin", 0), HUB_OK);
    assert_int_equal(mailbox_receive(p->box, &got), HUB_OK);
    letter_close(&got);
    letter_close(&got); /* twice is harmless */
    assert_int_equal(lowest_free(), before);
}

static void a_bad_descriptor_is_refused_by_the_sender(void **state)
{
    pair *p = *state;
    int fd = lowest_free();
    assert_int_equal(say(p, "x", fd), HUB_EINVAL);
    expect_nothing(p);
}

static void a_full_box_says_so_and_takes_letters_again_once_it_was_read(void **state)
{
    pair *p = *state;
    char text[1024] = {0};
    unsigned sent = 0, got_count = 0;
    hub_status status;
    while ((status = send_bytes(p, text, sizeof text, -1)) == HUB_OK)
        sent++;
    assert_int_equal(status, HUB_EAGAIN);
    assert_true(sent >= 50);
    for (letter got; mailbox_receive(p->box, &got) == HUB_OK; got_count++)
        letter_close(&got);
    assert_int_equal(got_count, sent);
    assert_int_equal(say(p, "again", -1), HUB_OK);
    expect_text(p, "again");
}

static void letters_around_the_inline_size_come_whole(void **state)
{
    pair *p = *state;
    size_t sizes[] = {MAILBOX_INLINE - 1, MAILBOX_INLINE, MAILBOX_INLINE + 1, 3u << 20};
    unsigned char *bytes = malloc(3u << 20);
    assert_non_null(bytes);
    for (size_t i = 0; i < 3u << 20; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    int before = lowest_free();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        letter got;
        assert_int_equal(send_bytes(p, bytes, sizes[i], i % 2 ? 0 : -1), HUB_OK);
        assert_int_equal(mailbox_receive(p->box, &got), HUB_OK);
        assert_int_equal(got.bytes.length, sizes[i]);
        assert_memory_equal(got.bytes.data, bytes, sizes[i]);
        assert_int_equal(got.fd >= 0, i % 2);
        letter_close(&got);
    }
    assert_int_equal(lowest_free(), before);
    free(bytes);
}

static void what_is_too_long_or_for_nobody_is_refused(void **state)
{
    pair *p = *state;
    struct iovec parts[MAILBOX_PARTS_MAX + 1] = {{0}};
    struct iovec huge[] = {{"x", 1}, {NULL, MAILBOX_LETTER_MAX}};
    mailbox_address nowhere = {REGION_ROWS, 1};
    assert_int_equal(mailbox_send(&p->shared, p->to, p->from, KIND, parts, MAILBOX_PARTS_MAX + 1, -1),
                     HUB_EINVAL);
    assert_int_equal(mailbox_send(&p->shared, p->to, p->from, KIND, huge, 2, -1), HUB_ETOOBIG);
    assert_int_equal(mailbox_send(&p->shared, nowhere, p->from, KIND, parts, 1, -1), HUB_EINVAL);
    mailbox_address other = {p->to.row, p->to.incarnation + 77};
    assert_int_equal(mailbox_send(&p->shared, other, p->from, KIND, parts, 1, -1), HUB_ECLOSED);
    region_sweep_row(&p->shared, p->to_row);
    assert_int_equal(say(p, "too late", -1), HUB_ECLOSED);
}

static void the_next_owner_reads_what_was_left_as_stale(void **state)
{
    pair *p = *state;
    row *sender = &p->shared.rows[p->from_row];
    assert_int_equal(say(p, "left", 0), HUB_OK);
    mailbox_close(p->box);
    /* Nobody else may have it: the sender does not serve any more. */
    assert_true(row_change(sender, atomic_load(&sender->word), ROW_DRAINING));
    region_sweep_row(&p->shared, p->to_row);
    unsigned next = host_row(&p->shared);
    assert_int_equal(next, p->to_row);
    assert_int_equal(mailbox_open(&p->box, &p->shared, next, NULL), HUB_OK);
    p->to = (mailbox_address){next, incarnation_of(&p->shared, next)};
    assert_int_equal(say(p, "new", -1), HUB_OK);
    letter got;
    assert_int_equal(mailbox_receive(p->box, &got), HUB_OK);
    assert_true(got.stale);
    assert_int_equal(got.to, p->to.incarnation - 1);
    assert_true(got.fd >= 0);
    letter_close(&got);
    assert_int_equal(mailbox_receive(p->box, &got), HUB_OK);
    assert_false(got.stale);
    letter_close(&got);
}

static void a_row_with_letters_is_claimed_before_others(void **state)
{
    pair *p = *state;
    row *sender = &p->shared.rows[p->from_row];
    unsigned third = host_row(&p->shared);
    mailbox_address to = {third, incarnation_of(&p->shared, third)};
    struct iovec part = {"x", 1};
    assert_int_equal(mailbox_send(&p->shared, to, p->from, KIND, &part, 1, -1), HUB_OK);
    region_sweep_row(&p->shared, p->to_row); /* it boots, but is gone before the third */
    assert_true(row_change(sender, atomic_load(&sender->word), ROW_DRAINING));
    region_sweep_row(&p->shared, third);
    assert_int_equal(host_row(&p->shared), third);
    assert_int_equal(host_row(&p->shared), p->to_row);
}

static void letters_of_the_dead_go_to_a_worker_that_serves(void **state)
{
    pair *p = *state;
    unsigned serves;
    assert_int_equal(region_claim_row(&p->shared, 1, 1, &serves), HUB_OK);
    row *r = &p->shared.rows[serves];
    assert_true(row_change(r, atomic_load(&r->word), ROW_READY));
    assert_int_equal(say(p, "first", 0), HUB_OK);
    assert_int_equal(say(p, "second", -1), HUB_OK);
    mailbox_close(p->box);
    int before = lowest_free();
    region_sweep_row(&p->shared, p->to_row);
    assert_int_equal(lowest_free(), before);
    assert_int_equal(mailbox_open(&p->box, &p->shared, serves, NULL), HUB_OK);
    letter got;
    assert_int_equal(mailbox_receive(p->box, &got), HUB_OK);
    assert_true(got.stale);
    assert_true(got.fd >= 0);
    letter_close(&got);
    expect_text(p, "second");
    expect_nothing(p);
}

static void letters_of_the_dead_go_to_their_slot_first(void **state)
{
    pair *p = *state;
    unsigned other, same;
    assert_int_equal(region_claim_row(&p->shared, 1, 1, &other), HUB_OK);
    assert_int_equal(region_claim_row(&p->shared, 0, 2, &same), HUB_OK);
    row *rows = p->shared.rows;
    assert_true(row_change(&rows[other], atomic_load(&rows[other].word), ROW_READY));
    assert_true(row_change(&rows[same], atomic_load(&rows[same].word), ROW_READY));
    assert_int_equal(say(p, "x", -1), HUB_OK);
    region_sweep_row(&p->shared, p->to_row);
    assert_true(mailbox_has_letters(&p->shared, same));
    assert_false(mailbox_has_letters(&p->shared, other));
}

/* ---- what is no letter ---- */

static void send_raw(const pair *p, const void *bytes, size_t length, const int *fds, size_t count)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(8 * sizeof(int))];
    } space;
    struct iovec part = {(void *)(uintptr_t)bytes, length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    memset(&space, 0, sizeof space);
    if (count) {
        space.head.cmsg_level = SOL_SOCKET;
        space.head.cmsg_type = SCM_RIGHTS;
        space.head.cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(&space.head), fds, count * sizeof(int));
        message.msg_control = &space;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    }
    assert_int_equal(sendmsg(p->shared.mailboxes[p->to_row].writer, &message, 0), (ssize_t)length);
}

/* A letter as it lies in the box. */
static size_t raw_letter(const pair *p, unsigned char *bytes, size_t size, const char *text)
{
    assert_int_equal(say(p, text, -1), HUB_OK);
    ssize_t n = recv(p->shared.mailboxes[p->to_row].reader, bytes, size, 0);
    assert_true(n > 0);
    return (size_t)n;
}

static void expect_refused(pair *p)
{
    letter got;
    uint64_t before = mailbox_refused(p->box);
    assert_int_equal(mailbox_receive(p->box, &got), HUB_EPROTO);
    assert_int_equal(got.fd, -1);
    assert_null(got.mapped);
    assert_true(mailbox_refused(p->box) == before + 1);
    expect_nothing(p);
}

static void any_flipped_bit_is_found(void **state)
{
    pair *p = *state;
    unsigned char bytes[256];
    size_t length = raw_letter(p, bytes, sizeof bytes, "some bytes");
    for (size_t bit = 0; bit < 8 * length; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        send_raw(p, bytes, length, NULL, 0);
        expect_refused(p);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    send_raw(p, bytes, length, NULL, 0);
    expect_text(p, "some bytes");
}

static void letters_that_are_too_short_or_too_long_are_refused(void **state)
{
    pair *p = *state;
    static unsigned char bytes[MAILBOX_INLINE + 4096];
    size_t length = raw_letter(p, bytes, sizeof bytes, "some bytes");
    for (size_t cut = 1; cut < length; cut++) {
        send_raw(p, bytes, cut, NULL, 0);
        expect_refused(p);
    }
    send_raw(p, bytes, length + 1, NULL, 0);
    expect_refused(p);
    send_raw(p, bytes, sizeof bytes, NULL, 0);
    expect_refused(p);
}

static void descriptors_that_are_not_announced_are_closed(void **state)
{
    pair *p = *state;
    unsigned char bytes[256];
    int many[8] = {0};
    size_t length = raw_letter(p, bytes, sizeof bytes, "some bytes");
    int before = lowest_free();
    for (size_t count = 1; count <= 8; count++) { /* more than the receiver has room for, too */
        send_raw(p, bytes, length, many, count);
        expect_refused(p);
    }
    assert_int_equal(lowest_free(), before);
}

static void a_letter_of_another_region_is_refused(void **state)
{
    pair *p = *state, *other = NULL;
    void *out = NULL;
    unsigned char bytes[256];
    assert_int_equal(pair_open(&out), 0);
    other = out;
    size_t length = raw_letter(other, bytes, sizeof bytes, "from abroad");
    send_raw(p, bytes, length, NULL, 0);
    expect_refused(p);
    assert_int_equal(pair_close(&out), 0);
}

/* A long letter with memory of the test's own instead of the sealed one. */
static void exchange_memory(const pair *p, size_t length, unsigned seals, char fill)
{
    unsigned char head[256];
    static char bytes[MAILBOX_INLINE + 1];
    memset(bytes, 'a', sizeof bytes);
    assert_int_equal(send_bytes(p, bytes, sizeof bytes, -1), HUB_OK);
    ssize_t n = recv(p->shared.mailboxes[p->to_row].reader, head, sizeof head, 0);
    assert_true(n > 0);
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    memset(bytes, fill, sizeof bytes);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    if (seals)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    send_raw(p, head, (size_t)n, &fd, 1);
    close(fd);
}

static void memory_that_is_not_sealed_or_not_the_letters_is_refused(void **state)
{
    pair *p = *state;
    const unsigned all = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    int before = lowest_free();
    exchange_memory(p, MAILBOX_INLINE + 1, 0, 'a');
    expect_refused(p);
    exchange_memory(p, MAILBOX_INLINE + 1, F_SEAL_WRITE, 'a');
    expect_refused(p);
    exchange_memory(p, MAILBOX_INLINE, all, 'a');
    expect_refused(p);
    exchange_memory(p, MAILBOX_INLINE + 1, all, 'b');
    expect_refused(p);
    exchange_memory(p, MAILBOX_INLINE + 1, all, 'a'); /* the right one */
    letter got;
    assert_int_equal(mailbox_receive(p->box, &got), HUB_OK);
    letter_close(&got);
    assert_int_equal(lowest_free(), before);
}

static void a_letter_for_which_no_descriptor_is_free_is_refused(void **state)
{
    pair *p = *state;
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(say(p, "x", 0), HUB_OK);
    assert_int_equal(say(p, "y", -1), HUB_OK);
    few = (struct rlimit){(rlim_t)lowest_free(), before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    letter got;
    hub_status status = mailbox_receive(p->box, &got);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, HUB_EPROTO);
    assert_int_equal(mailbox_refused(p->box), 1);
    expect_text(p, "y");
}

static void a_box_is_opened_only_for_a_row_that_lives(void **state)
{
    pair *p = *state;
    mailbox *box = NULL;
    region attached;
    assert_int_equal(mailbox_open(&box, &p->shared, REGION_ROWS, NULL), HUB_EINVAL);
    assert_int_equal(mailbox_open(&box, &p->shared, REGION_ROWS - 1, NULL), HUB_ESTATE);
    assert_int_equal(region_attach(&attached, p->shared.memory_fd, NULL), HUB_OK);
    assert_int_equal(mailbox_open(&box, &attached, p->to_row, NULL), HUB_EINVAL); /* it has no ends */
    region_close(&attached);
    assert_null(box);
    mailbox_close(NULL);
}

/* ---- other processes ---- */

enum { LETTERS = 2000 };

static int write_many(void *arg)
{
    const pair *p = arg;
    for (uint32_t i = 0; i < LETTERS;) {
        struct iovec part = {&i, sizeof i};
        hub_status status =
            mailbox_send(&p->shared, p->to, (uint32_t)getpid(), KIND, &part, 1, i % 16 ? -1 : 0);
        if (status == HUB_OK)
            i++;
        else if (status != HUB_EAGAIN)
            return 1;
        else
            sched_yield();
    }
    return 0;
}

static void letters_of_several_processes_each_keep_their_order(void **state)
{
    pair *p = *state;
    enum { WRITERS = 3 };
    pid_t writers[WRITERS];
    uint32_t next[WRITERS] = {0};
    int before = lowest_free();
    for (int i = 0; i < WRITERS; i++)
        writers[i] = host_fork(write_many, p);
    for (uint32_t got_count = 0; got_count < WRITERS * LETTERS;) {
        struct pollfd ready = {.fd = mailbox_fd(p->box), .events = POLLIN};
        letter got;
        assert_true(poll(&ready, 1, 60000) == 1);
        if (mailbox_receive(p->box, &got) != HUB_OK)
            continue;
        int who = 0;
        while (who < WRITERS && (uint32_t)writers[who] != got.from)
            who++;
        assert_true(who < WRITERS);
        uint32_t number;
        assert_int_equal(got.bytes.length, sizeof number);
        memcpy(&number, got.bytes.data, sizeof number);
        assert_int_equal(number, next[who]++);
        assert_int_equal(got.fd >= 0, number % 16 == 0);
        letter_close(&got);
        got_count++;
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(host_reap(writers[i]), 0);
    assert_int_equal(mailbox_refused(p->box), 0);
    assert_int_equal(lowest_free(), before);
}

static int write_one_and_die(void *arg)
{
    const pair *p = arg;
    int ends[2];
    if (pipe(ends) < 0 || write(ends[1], "kept", 4) != 4 || say(p, "last words", ends[0]) != HUB_OK)
        return 1;
    raise(SIGKILL);
    return 2;
}

static void a_letter_and_its_descriptor_outlive_their_writer(void **state)
{
    pair *p = *state;
    assert_int_equal(host_reap(host_fork(write_one_and_die, p)), -SIGKILL);
    letter got;
    char text[5] = {0};
    assert_int_equal(mailbox_receive(p->box, &got), HUB_OK);
    assert_int_equal(read(got.fd, text, 4), 4);
    assert_string_equal(text, "kept");
    letter_close(&got);
}

#define with_pair(test) cmocka_unit_test_setup_teardown(test, pair_open, pair_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_pair(letters_arrive_in_their_order_and_whole),
        with_pair(a_letter_says_what_it_is_and_whose),
        with_pair(the_box_is_readable_while_letters_wait),
        with_pair(a_descriptor_arrives_and_the_senders_stays_its_own),
        with_pair(a_closed_letter_leaves_no_descriptor),
        with_pair(a_bad_descriptor_is_refused_by_the_sender),
        with_pair(a_full_box_says_so_and_takes_letters_again_once_it_was_read),
        with_pair(letters_around_the_inline_size_come_whole),
        with_pair(what_is_too_long_or_for_nobody_is_refused),
        with_pair(the_next_owner_reads_what_was_left_as_stale),
        with_pair(a_row_with_letters_is_claimed_before_others),
        with_pair(letters_of_the_dead_go_to_a_worker_that_serves),
        with_pair(letters_of_the_dead_go_to_their_slot_first),
        with_pair(any_flipped_bit_is_found),
        with_pair(letters_that_are_too_short_or_too_long_are_refused),
        with_pair(descriptors_that_are_not_announced_are_closed),
        with_pair(a_letter_of_another_region_is_refused),
        with_pair(memory_that_is_not_sealed_or_not_the_letters_is_refused),
        with_pair(a_letter_for_which_no_descriptor_is_free_is_refused),
        with_pair(a_box_is_opened_only_for_a_row_that_lives),
        with_pair(letters_of_several_processes_each_keep_their_order),
        with_pair(a_letter_and_its_descriptor_outlive_their_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
