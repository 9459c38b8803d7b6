/* SPDX-License-Identifier: Apache-2.0 */
/* Sending to many, or to one by its id: the public header's hub_send. */
#include "worker/rooms/audience.h"
#include "worker/rooms/fanout.h"
#include "worker/rooms/room.h"
#include "worker/rooms/session.h"
#include "worker/ws/frame.h"

/* A frame on its way to its audience. */
typedef struct sending {
    struct iovec parts[2];
    size_t length;
    bool local;
} sending;

static chunk *joined(const sending *what)
{
    chunk *body = chunk_new(CHUNK_SHARED, what->length);
    if (!body)
        return NULL;
    memcpy(body->bytes, what->parts[0].iov_base, what->parts[0].iov_len);
    if (what->parts[1].iov_len)
        memcpy(body->bytes + what->parts[0].iov_len, what->parts[1].iov_base, what->parts[1].iov_len);
    body->length = what->length;
    return body;
}

static hub_status send_here(const bus_message *message, const sending *what)
{
    chunk *body = joined(what);
    if (!body)
        return HUB_ENOMEM;
    hub_status status = fanout_publish_here(message, body);
    chunk_drop(body);
    return status;
}

/* Without the log; the order with what was published before is kept, because that has been delivered. */
static hub_status send_to_session(session *s, const bus_message *message, const sending *what)
{
    chunk *body = joined(what);
    if (!body)
        return HUB_ENOMEM;
    bus_record record = {.message = *message, .body_length = what->length};
    s->kind->deliver(s, &(delivery){.record = &record, .body = body});
    chunk_drop(body);
    return HUB_OK;
}

static hub_status send_to_client(const bus_message *message, const sending *what)
{
    session *s = session_find(message->target);
    bool is_plain = !message->flags && !message->except_count;
    if (s)
        return is_plain ? send_to_session(s, message, what) : send_here(message, what);
    if (session_is_local(message->target))
        return HUB_ECLOSED;
    if (what->local)
        return HUB_OK;
    return is_plain ? fanout_publish_to(message->target, RECORD_WS_FRAME, what->parts, 2)
                    : fanout_publish(message, what->parts, 2);
}

static hub_status send_record(const bus_message *audience, void *arg)
{
    const sending *what = arg;
    bus_message message = *audience;
    message.kind = RECORD_WS_FRAME;
    if (message.target)
        return send_to_client(&message, what);
    return what->local ? send_here(&message, what) : fanout_publish(&message, what->parts, 2);
}

hub_status hub_send(hub_to to, hub_type type, hub_bytes body)
{
    if (type != HUB_TEXT && type != HUB_BINARY)
        return HUB_EINVAL;
    unsigned char header[FRAME_HEADER_MAX];
    size_t length = frame_header(header, (frame_opcode)type, true, 0, body.length);
    sending what = {.parts = {{header, length}, {(void *)(uintptr_t)body.data, body.length}},
                    .length = length + body.length,
                    .local = to.local};
    return audience_each(&to, hub_text(""), NULL, send_record, &what);
}

size_t hub_room_size(hub_bytes name)
{
    return room_size(hub_text(""), name);
}
