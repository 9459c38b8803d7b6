/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/post.h"

#include "common/log.h"
#include "worker/hub/loop.h"

#include <stdlib.h>
#include <unistd.h>

enum { READ_BATCH = 32 }; /* letters a turn: a full mailbox must not keep the sockets waiting */
static const double retry_seconds = 0.005, complaint_seconds = 1.0;

/* A letter that found its mailbox full. */
typedef struct waiting_letter {
    struct waiting_letter *next;
    mailbox_address to;
    post_kind kind;
    int fd;
    size_t length;
    unsigned char bytes[];
} waiting_letter;

static struct {
    const region *region;
    mailbox *box;
    uint32_t self;
    post_user users[POST_KINDS];
    ev_io readable;
    ev_timer retry;
    waiting_letter *first, **end;
    size_t bytes[REGION_ROWS];     /* that wait for a row */
    unsigned letters[REGION_ROWS]; /* the same */
    post_counts counts;
    double complained;      /* when, by loop_now */
    uint64_t complained_of; /* refused letters that have been told */
} post;

/* ---- receiving ---- */

/* One line a second at most, whatever comes. */
static void complain(void)
{
    if (post.complained_of && loop_now() - post.complained < complaint_seconds)
        return;
    log_warning(
        "mailbox: %llu letter(s) were refused since the last such line: damaged, or of a kind that this "
        "release does not know, or no descriptor was free (ulimit -n)",
        (unsigned long long)(post.counts.refused - post.complained_of));
    post.complained = loop_now();
    post.complained_of = post.counts.refused;
}

static void refuse(void)
{
    post.counts.refused++;
    complain();
}

static void hand_over(letter *got)
{
    const post_user *user = got->kind < POST_KINDS ? &post.users[got->kind] : NULL;
    if (user && user->receive) {
        post.counts.received++;
        user->receive(got, user->arg);
    } else {
        refuse();
    }
    letter_close(got);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    for (unsigned i = 0; i < READ_BATCH && post.box; i++) {
        letter got;
        switch (mailbox_receive(post.box, &got)) {
        case HUB_OK:
            hand_over(&got);
            break;
        case HUB_EAGAIN:
            return;
        case HUB_ESYSTEM:
            log_error("mailbox: it cannot be read any more; letters to this worker stay unread until it is "
                      "replaced");
            ev_io_stop(loop, io);
            return;
        default:
            refuse();
            break;
        }
    }
}

/* ---- what waits ---- */

static hub_status keep(mailbox_address to, post_kind kind, const struct iovec *parts, int count, int fd)
{
    size_t length = 0;
    for (int i = 0; i < count; i++)
        length += parts[i].iov_len;
    size_t before = post.bytes[to.row];
    if (post.letters[to.row] == POST_WAITING_LETTERS || (before && length > POST_WAITING_BYTES - before))
        return HUB_EFULL;
    waiting_letter *kept = malloc(sizeof *kept + length);
    if (!kept)
        return HUB_ENOMEM;
    *kept = (waiting_letter){.to = to, .kind = kind, .fd = fd, .length = length};
    unsigned char *at = kept->bytes;
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len)
            memcpy(at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    *post.end = kept;
    post.end = &kept->next;
    post.bytes[to.row] += length;
    post.letters[to.row]++;
    post.counts.waiting++;
    ev_timer_start(loop_ev(), &post.retry);
    return HUB_OK;
}

/* Takes it out of the list at `place`. */
static waiting_letter *take_out(waiting_letter **place)
{
    waiting_letter *gone = *place;
    *place = gone->next;
    if (post.end == &gone->next)
        post.end = place;
    post.bytes[gone->to.row] -= gone->length;
    post.letters[gone->to.row]--;
    post.counts.waiting--;
    return gone;
}

static void drop(waiting_letter *gone)
{
    if (gone->fd >= 0)
        close(gone->fd);
    free(gone);
}

static void give_back(waiting_letter *gone)
{
    const post_user *user = &post.users[gone->kind];
    letter back = {.kind = (uint16_t)gone->kind,
                   .from = post.self,
                   .to = gone->to.incarnation,
                   .bytes = hub_bytes_of(gone->bytes, gone->length),
                   .fd = gone->fd};
    post.counts.returned++;
    if (user->returned)
        user->returned(&back, user->arg);
    letter_close(&back);
    free(gone);
}

static hub_status send_now(const waiting_letter *it)
{
    struct iovec part = {(void *)(uintptr_t)it->bytes, it->length};
    return mailbox_send(post.region, it->to, post.self, (uint16_t)it->kind, &part, 1, it->fd);
}

/* One round: who is still full is not tried again in it, which keeps the order of his letters. */
static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    bool full[REGION_ROWS] = {false};
    waiting_letter *undelivered = NULL;
    for (waiting_letter **place = &post.first; *place;) {
        hub_status status = full[(*place)->to.row] ? HUB_EAGAIN : send_now(*place);
        if (status == HUB_EAGAIN || status == HUB_ENOMEM || status == HUB_ESYSTEM) {
            full[(*place)->to.row] = true;
            place = &(*place)->next;
            continue;
        }
        waiting_letter *gone = take_out(place);
        if (status == HUB_OK) {
            post.counts.sent++;
            post.counts.delayed++;
            drop(gone);
        } else {
            gone->next = undelivered;
            undelivered = gone;
        }
    }
    while (undelivered) { /* now that the list is whole: their senders may send again */
        waiting_letter *next = undelivered->next;
        give_back(undelivered);
        undelivered = next;
    }
    if (!post.first)
        ev_timer_stop(loop, timer);
}

/* ---- sending ---- */

hub_status post_send(uint32_t incarnation_low, post_kind kind, const struct iovec *parts, int count, int fd)
{
    if (!post.box || kind <= POST_NONE || kind >= POST_KINDS || count < 0 || count > MAILBOX_PARTS_MAX)
        return HUB_EINVAL;
    int index = region_row_of(post.region, incarnation_low & 0xffff);
    if (index < 0)
        return HUB_ECLOSED;
    row_word word = atomic_load(&post.region->rows[index].word);
    mailbox_address to = {(unsigned)index, row_incarnation(word)};
    if ((to.incarnation & 0xffff) != (incarnation_low & 0xffff))
        return HUB_ECLOSED; /* it ended just now */
    if (post.letters[to.row])
        return keep(to, kind, parts, count, fd);
    hub_status status = mailbox_send(post.region, to, post.self, (uint16_t)kind, parts, count, fd);
    if (status == HUB_EAGAIN)
        return keep(to, kind, parts, count, fd);
    if (status == HUB_OK) {
        post.counts.sent++;
        if (fd >= 0)
            close(fd);
    }
    return status;
}

bool post_knows(uint32_t incarnation_low)
{
    return post.box && (post.self & 0xffff) != (incarnation_low & 0xffff) &&
           region_row_of(post.region, incarnation_low & 0xffff) >= 0;
}

/* ---- open and closed ---- */

hub_status post_register(post_kind kind, const post_user *user)
{
    if (kind <= POST_NONE || kind >= POST_KINDS)
        return HUB_EINVAL;
    if (post.users[kind].receive)
        return HUB_EEXIST;
    post.users[kind] = *user;
    return HUB_OK;
}

hub_status post_open(const region *shared, unsigned index, error *why)
{
    if (post.box || !loop_ev())
        return error_set(why, HUB_ESTATE, "mailbox: open already, or no loop");
    memset(&post, 0, sizeof post);
    hub_status status = mailbox_open(&post.box, shared, index, why);
    if (status != HUB_OK)
        return status;
    post.region = shared;
    post.self = row_incarnation(atomic_load(&shared->rows[index].word));
    post.end = &post.first;
    ev_timer_init(&post.retry, on_retry, retry_seconds, retry_seconds);
    ev_io_init(&post.readable, on_readable, mailbox_fd(post.box), EV_READ);
    ev_set_priority(&post.readable, EV_MAXPRI - 1); /* behind the log's doorbell */
    return HUB_OK;
}

void post_start(void)
{
    ev_io_start(loop_ev(), &post.readable);
}

void post_close(void)
{
    if (!post.box)
        return;
    ev_io_stop(loop_ev(), &post.readable);
    ev_timer_stop(loop_ev(), &post.retry);
    while (post.first)
        drop(take_out(&post.first));
    mailbox_close(post.box);
    memset(&post, 0, sizeof post);
}

post_counts post_count(void)
{
    return post.counts;
}
