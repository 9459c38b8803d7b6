/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payloads of long polling from any bytes: what can be read must mean the same after it was written again.
 * The same bytes are taken for frames, too.
 */
#include "worker/sio/payload.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void write_packet(buffer *out, const engine_packet *packet)
{
    buffer text = {0};
    if (packet->body_type == HUB_BINARY) {
        require(payload_append(out, HUB_BINARY, packet->body) == HUB_OK);
        return;
    }
    char prefix = (char)packet->type;
    buffer_append(&text, &prefix, 1);
    buffer_append(&text, packet->body.data, packet->body.length);
    require(payload_append(out, HUB_TEXT, buffer_bytes(&text)) == HUB_OK);
    buffer_free(&text);
}

/* Reads a payload and writes what it held. */
static payload_result copy(hub_bytes payload, buffer *out)
{
    buffer scratch = {0};
    engine_packet packet;
    payload_result result;
    while ((result = payload_next(&payload, &scratch, &packet)) == PAYLOAD_PACKET)
        write_packet(out, &packet);
    buffer_free(&scratch);
    return result;
}

static void read_frames(hub_bytes frames)
{
    hub_bytes message;
    hub_type type;
    size_t before = frames.length;
    while (frames_next(&frames, &type, &message)) {
        require(frames.length < before && message.length < before - frames.length);
        before = frames.length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char none[1];
    hub_bytes payload = hub_bytes_of(size ? (const void *)data : none, size);
    buffer once = {0}, twice = {0};
    if (copy(payload, &once) == PAYLOAD_END) {
        require(once.length > 0);
        require(copy(buffer_bytes(&once), &twice) == PAYLOAD_END);
        require(hub_equal(buffer_bytes(&once), buffer_bytes(&twice)));
    }
    buffer_free(&once);
    buffer_free(&twice);
    read_frames(payload);
    return 0;
}
