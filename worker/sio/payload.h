/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engine.IO packets as bytes, protocol 4. On a WebSocket a packet is a message: text that begins with the
 * packet's type, or binary, which is a message's body. In long polling an answer or a request carries a
 * payload: packets with 0x1e between them, binary ones as "b" and base64 (RFC 4648, section 4). No input or
 * output here.
 */
#ifndef WORKER_SIO_PAYLOAD_H
#define WORKER_SIO_PAYLOAD_H

#include "common/buffer.h"

typedef enum packet_type {
    PACKET_OPEN = '0',
    PACKET_CLOSE = '1',
    PACKET_PING = '2',
    PACKET_PONG = '3',
    PACKET_MESSAGE = '4',
    PACKET_UPGRADE = '5',
    PACKET_NOOP = '6'
} packet_type;

typedef struct engine_packet {
    packet_type type;
    hub_type body_type; /* HUB_BINARY only for messages */
    hub_bytes body;     /* without the prefix; text of a payload is valid UTF-8 */
} engine_packet;

/* A packet out of a WebSocket message. False: no packet: empty, or of an unknown type. */
bool packet_read(hub_type type, hub_bytes message, engine_packet *out);

typedef enum payload_result {
    PAYLOAD_PACKET,
    PAYLOAD_END,
    PAYLOAD_MALFORMED, /* an empty packet, an unknown type, text that is not UTF-8, bytes that are not base64
                        */
    PAYLOAD_NO_MEMORY
} payload_result;

/*
 * Takes the next packet off the front of *rest: at first the whole payload, whose data is not NULL, then what
 * this function left of it. A payload without a byte is malformed. The body lies in the payload, or, decoded,
 * in `scratch`, until the next call. Base64 may lack its padding.
 */
payload_result payload_next(hub_bytes *rest, buffer *scratch, engine_packet *out);

/*
 * Appends a WebSocket message as a packet of a payload: text as it is, binary in base64; with a separator in
 * front when something stands before it. Errors: HUB_ENOMEM; the payload is then as it was.
 */
hub_status payload_append(buffer *payload, hub_type type, hub_bytes message);

/*
 * Takes the next whole frame, as a server sends it (RFC 6455, section 5.2: no mask, not fragmented, not
 * compressed), off the front of *frames. False when none is left, or the bytes are no such frames.
 */
bool frames_next(hub_bytes *frames, hub_type *type, hub_bytes *message);

#endif
