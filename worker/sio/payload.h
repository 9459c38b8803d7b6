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

typedef enum eio_type {
    EIO_OPEN = '0',
    EIO_CLOSE = '1',
    EIO_PING = '2',
    EIO_PONG = '3',
    EIO_MESSAGE = '4',
    EIO_UPGRADE = '5',
    EIO_NOOP = '6'
} eio_type;

typedef struct engine_packet {
    eio_type type;
    hub_type body_type; /* HUB_BINARY only for messages */
    hub_bytes body;     /* without the prefix; text of a payload is valid UTF-8 */
} engine_packet;

/* A packet out of a WebSocket message. False: no packet: empty, or of an unknown type. */
bool engine_packet_read(hub_type type, hub_bytes message, engine_packet *out);

typedef enum payload_result {
    PAYLOAD_PACKET,
    PAYLOAD_END,
    PAYLOAD_MALFORMED /* an empty packet, an unknown type, text that is not UTF-8, bytes that are not base64
                       */
} payload_result;

/*
 * Takes the next packet off the front of *rest: at first the whole payload, whose data is not NULL, then what
 * this function left of it. A payload without a byte is malformed. The packet's body lies in the payload,
 * which is written to: base64 is decoded where it stands. It may lack its padding.
 */
payload_result payload_next(hub_bytes *rest, engine_packet *out);

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
