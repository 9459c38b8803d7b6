/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/relay.h"

#include "common/log.h"
#include "worker/http/server.h"
#include "worker/hub/loop.h"
#include "worker/net/post.h"

#include <string.h>
#include <unistd.h>

enum { PEER_MAX = 63 };
static const double refusal_seconds = 5.0, complaint_seconds = 1.0;

/* In front of a request in its letter: the connection's peer stands behind it, then what has been read. */
typedef struct relay_head {
    uint8_t has_peer;
    uint8_t peer_length;
} relay_head;

static relay_counts counts;
static double complained;      /* when, by loop_now */
static uint64_t complained_of; /* refused requests that have been told */

/* ---- without room at the owner ---- */

static void ignore_bytes(connection *c, unsigned char *data, size_t length)
{
    (void)c, (void)data, (void)length;
}

static void ignore(connection *c)
{
    (void)c;
}

/* What is left of a connection that is being refused. */
static const protocol refusal = {
    .name = "refused request",
    .on_bytes = ignore_bytes,
    .on_end = connection_close,
    .on_timer = connection_close,
    .on_overflow = connection_close,
    .on_drain = ignore,
    .on_gone = ignore,
};
static const connection_limits refusal_limits = {
    .soft = 64 * 1024, .hard = 64 * 1024, .time = 60, .policy = HUB_POLICY_CLOSE};

/* One line a second at most: the owner is in trouble, and every client of it comes by. */
static void complain(uint32_t incarnation_low, hub_status cause)
{
    if (complained_of && loop_now() - complained < complaint_seconds)
        return;
    log_warning(
        "relay: %llu request(s) were answered 503 since the last such line, because the worker that has "
        "their session, incarnation %u, could not be given them: %s; look what keeps it from reading "
        "its mailbox",
        (unsigned long long)(counts.refused - complained_of), (unsigned)incarnation_low,
        hub_status_text(cause));
    complained = loop_now();
    complained_of = counts.refused;
}

static void refuse(int fd, uint32_t incarnation_low, hub_status cause)
{
    static const char text[] = "the worker of this session is busy\n";
    connection *c;
    counts.refused++;
    complain(incarnation_low, cause);
    if (connection_adopt(&c, fd, &transport_plain, &refusal, &refusal_limits, NULL) != HUB_OK)
        return;
    hub_bytes head = http_answer_head(503, hub_text("Retry-After: 1\r\nCache-Control: no-store\r\n"),
                                      "text/plain; charset=utf-8", sizeof text - 1, "close");
    connection_time(c, refusal_seconds);
    if (connection_write(c, head) == HUB_OK && connection_write(c, hub_text(text)) == HUB_OK)
        connection_finish(c);
}

/* ---- handing over ---- */

static void give(const http_handed *handed, void *arg)
{
    uint32_t incarnation_low = (uint32_t)(uintptr_t)arg;
    if (handed->fd < 0) {
        counts.left++;
        return;
    }
    size_t peer_length = handed->peer ? strnlen(handed->peer, PEER_MAX) : 0;
    relay_head head = {handed->peer != NULL, (uint8_t)peer_length};
    struct iovec parts[] = {
        {&head, sizeof head},
        {(void *)(uintptr_t)handed->peer, peer_length},
        {(void *)(uintptr_t)handed->bytes.data, handed->bytes.length},
    };
    hub_status status = post_send(incarnation_low, POST_REQUEST, parts, 3, handed->fd);
    if (status == HUB_OK) {
        counts.handed++;
    } else if (status == HUB_ECLOSED) { /* it ended just now: read here the session is unknown */
        counts.returned++;
        http_adopt(handed->fd, handed->peer, handed->bytes);
    } else {
        refuse(handed->fd, incarnation_low, status);
    }
}

bool relay_to_owner(hub_http *http, uint32_t incarnation_low)
{
    if (!post_knows(incarnation_low))
        return false;
    http_hand_over(http, give, (void *)(uintptr_t)incarnation_low);
    return true;
}

/* ---- taking in ---- */

static bool adopt(letter *got)
{
    relay_head head;
    char peer[PEER_MAX + 1];
    const char *bytes = got->bytes.data;
    if (got->fd < 0 || got->bytes.length < sizeof head)
        return false;
    memcpy(&head, bytes, sizeof head);
    if (head.peer_length > PEER_MAX || got->bytes.length - sizeof head < head.peer_length)
        return false;
    memcpy(peer, bytes + sizeof head, head.peer_length);
    peer[head.peer_length] = '\0';
    size_t before = sizeof head + head.peer_length;
    http_adopt(letter_take(got), head.has_peer ? peer : NULL,
               hub_bytes_of(bytes + before, got->bytes.length - before));
    return true;
}

static void on_request(letter *got, void *arg)
{
    (void)arg;
    if (adopt(got))
        counts.taken++;
    else
        log_error("relay: a letter of incarnation %u holds no request", (unsigned)got->from);
}

static void on_returned(letter *got, void *arg)
{
    (void)arg;
    counts.handed--;
    if (adopt(got))
        counts.returned++;
}

hub_status relay_open(error *why)
{
    counts = (relay_counts){0};
    complained_of = 0;
    hub_status status =
        post_register(POST_REQUEST, &(post_user){.receive = on_request, .returned = on_returned});
    if (status != HUB_OK)
        return error_set(why, status, "relay: letters with requests have a receiver already");
    return HUB_OK;
}

relay_counts relay_count(void)
{
    return counts;
}
