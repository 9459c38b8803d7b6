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
    engine_packet packet;
    payload_result result;
    while ((result = payload_next(&payload, &packet)) == PAYLOAD_PACKET)
        write_packet(out, &packet);
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
    char *payload = malloc(size ? size : 1); /* reading writes to it */
    buffer once = {0}, twice = {0};
    require(payload != NULL);
    memcpy(payload, data, size);
    if (copy(hub_bytes_of(payload, size), &once) == PAYLOAD_END) {
        require(once.length > 0);
        buffer again = {0};
        buffer_append(&again, once.data, once.length);
        require(copy(buffer_bytes(&again), &twice) == PAYLOAD_END);
        require(hub_equal(buffer_bytes(&once), buffer_bytes(&twice)));
        buffer_free(&again);
    }
    buffer_free(&once);
    buffer_free(&twice);
    free(payload);
    read_frames(hub_bytes_of(data, size));
    return 0;
}
