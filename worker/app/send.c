/* SPDX-License-Identifier: Apache-2.0 */
/* Sending to many, or to one by its id: the public header's hub_send. */
#include "bus/bus.h"
#include "worker/rooms/fanout.h"
#include "worker/rooms/room.h"
#include "worker/rooms/session.h"
#include "worker/ws/frame.h"

static hub_status send_here(session *s, const struct iovec *parts, size_t length)
{
    bus_record record = {.message = {.kind = RECORD_WS_FRAME, .target = s->id}, .body_length = length};
    chunk *body = chunk_new(CHUNK_SHARED, length);
    if (!body)
        return HUB_ENOMEM;
    memcpy(body->bytes, parts[0].iov_base, parts[0].iov_len);
    if (parts[1].iov_len)
        memcpy(body->bytes + parts[0].iov_len, parts[1].iov_base, parts[1].iov_len);
    body->length = length;
    s->kind->deliver(s, &(delivery){.record = &record, .body = body});
    chunk_drop(body);
    return HUB_OK;
}

static hub_status send_to_client(hub_id client, const struct iovec *parts, size_t length)
{
    session *s = session_find(client);
    if (s)
        return send_here(s, parts, length);
    if (session_is_local(client))
        return HUB_ECLOSED;
    return fanout_publish_to(client, RECORD_WS_FRAME, parts, 2);
}

hub_status hub_send(hub_to to, hub_type type, hub_bytes body)
{
    if (type != HUB_TEXT && type != HUB_BINARY)
        return HUB_EINVAL;
    unsigned char header[FRAME_HEADER_MAX];
    size_t length = frame_header(header, (frame_opcode)type, true, 0, body.length);
    const struct iovec parts[2] = {{header, length}, {(void *)body.data, body.length}};
    if (to.client)
        return to.client == to.except ? HUB_OK : send_to_client(to.client, parts, length + body.length);
    bus_message message = {
        .kind = RECORD_WS_FRAME,
        .rooms = &to.room,
        .room_count = to.room.length ? 1 : 0,
        .sender = to.except,
    };
    return fanout_publish(&message, parts, 2);
}

size_t hub_room_size(hub_bytes name)
{
    return room_size(hub_text(""), name);
}
