/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer for the benchmark: libwebsockets as its documentation recommends to use it. Every session has a ring
 * of messages to be written, and one message is written in one writeable callback. A client of /echo gets its
 * messages back; a client of any other path is a member of the room of that path, and what it sends goes to
 * all of it. A room's message is stored once and counted: the library's other way, one ring with a tail for
 * each member, looks at all members whenever one has written, and would make the comparison flatter this
 * server.
 *
 *     lws_echo PORT [libev]
 */
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define RING      64 /* messages */
#define RING_LOW  8  /* free places below which reading pauses */
#define PATH_SIZE 128

typedef struct stored {
    size_t references;
    size_t length;
    char binary, first, final;
    unsigned char data[]; /* LWS_PRE bytes, then the payload */
} stored;

typedef struct peer_session peer_session;

typedef struct peer_room {
    struct peer_room *next;
    char path[PATH_SIZE];
    peer_session *members;
} peer_room;

struct peer_session { /* zeroed by the library */
    struct lws *wsi;
    peer_session *next;    /* in the room */
    peer_room *room;       /* NULL: echo */
    struct lws_ring *ring; /* of pointers to stored */
    char paused;
};

static peer_room *rooms;

static void release(void *element)
{
    stored *message = *(stored **)element;

    if (--message->references == 0)
        free(message);
}

static peer_room *room_of(const char *path)
{
    peer_room *room;

    for (room = rooms; room; room = room->next)
        if (strcmp(room->path, path) == 0)
            return room;
    room = calloc(1, sizeof *room);
    if (!room)
        return NULL;
    snprintf(room->path, sizeof room->path, "%s", path);
    room->next = rooms;
    rooms = room;
    return room;
}

static int established(peer_session *session, struct lws *wsi)
{
    char path[PATH_SIZE];

    session->wsi = wsi;
    if (lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) <= 0)
        return -1;
    session->ring = lws_ring_create(sizeof(stored *), RING, release);
    if (!session->ring)
        return -1;
    if (strcmp(path, "/echo") == 0 || strcmp(path, "/large") == 0)
        return 0;
    session->room = room_of(path);
    if (!session->room)
        return -1;
    lws_ll_fwd_insert(session, next, session->room->members);
    return 0;
}

static void closed(peer_session *session)
{
    if (session->room)
        lws_ll_fwd_remove(struct peer_session, next, session, session->room->members);
    if (session->ring)
        lws_ring_destroy(session->ring);
}

/* A session whose ring is full misses the message; the load generator would report it. */
static void queue(const peer_session *session, stored *message)
{
    if (lws_ring_insert(session->ring, &message, 1) != 1)
        return;
    message->references++;
    lws_callback_on_writable(session->wsi);
}

static int receive(peer_session *session, struct lws *wsi, const void *data, size_t length)
{
    stored *message = malloc(sizeof *message + LWS_PRE + length);

    if (!message)
        return -1;
    message->references = 1;
    message->length = length;
    message->binary = (char)lws_frame_is_binary(wsi);
    message->first = (char)lws_is_first_fragment(wsi);
    message->final = (char)lws_is_final_fragment(wsi);
    memcpy(message->data + LWS_PRE, data, length);
    if (!session->room)
        queue(session, message);
    else
        for (const peer_session *member = session->room->members; member; member = member->next)
            queue(member, message);
    release(&message);
    if (!session->paused && lws_ring_get_count_free_elements(session->ring) < RING_LOW) {
        session->paused = 1;
        lws_rx_flow_control(wsi, 0);
    }
    return 0;
}

static int writeable(peer_session *session, struct lws *wsi)
{
    stored *const *element = lws_ring_get_element(session->ring, NULL);

    if (!element)
        return 0;
    stored *message = *element;
    int flags = lws_write_ws_flags(message->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT, message->first,
                                   message->final);
    if (lws_write(wsi, message->data + LWS_PRE, message->length, (enum lws_write_protocol)flags) <
        (int)message->length)
        return -1;
    lws_ring_consume(session->ring, NULL, NULL, 1);
    if (lws_ring_get_element(session->ring, NULL))
        lws_callback_on_writable(wsi);
    if (session->paused && lws_ring_get_count_free_elements(session->ring) > RING_LOW) {
        session->paused = 0;
        lws_rx_flow_control(wsi, 1);
    }
    return 0;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length)
{
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        return established(user, wsi);
    case LWS_CALLBACK_CLOSED:
        closed(user);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        return receive(user, wsi, in, length);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return writeable(user, wsi);
    default:
        return 0;
    }
}

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = {
        {.name = "bench", .callback = callback, .per_session_data_size = sizeof(peer_session)}, {0}};
    struct rlimit limit;
    struct lws_context_creation_info info = {0};
    bool libev = argc == 3 && strcmp(argv[2], "libev") == 0;

    info.port = argc >= 2 ? atoi(argv[1]) : 0;
    if (info.port <= 0 || info.port > 65535 || argc > 3 || (argc == 3 && !libev)) {
        fputs("usage: lws_echo PORT [libev]\n", stderr);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    lws_set_log_level(LLL_ERR, NULL);
    info.iface = "127.0.0.1";
    info.protocols = protocols;
    info.options = LWS_SERVER_OPTION_DISABLE_IPV6 | (libev ? LWS_SERVER_OPTION_LIBEV : 0);
    struct lws_context *context = lws_create_context(&info);
    if (!context) {
        fprintf(stderr, "lws_echo: cannot listen at 127.0.0.1:%d\n", info.port);
        return 1;
    }
    while (lws_service(context, 0) >= 0)
        ;
    lws_context_destroy(context);
    return 0;
}
