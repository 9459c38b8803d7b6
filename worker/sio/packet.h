/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of Socket.IO, protocol 5, as text: type, number of attachments and "-", namespace and ",", id,
 * JSON. https://socket.io/docs/v4/socket-io-protocol/
 */
#ifndef WORKER_SIO_PACKET_H
#define WORKER_SIO_PACKET_H

#include <hubbub.h>

typedef enum packet_type {
    PACKET_CONNECT,
    PACKET_DISCONNECT,
    PACKET_EVENT,
    PACKET_ACK,
    PACKET_CONNECT_ERROR,
    PACKET_BINARY_EVENT,
    PACKET_BINARY_ACK
} packet_type;

#define PACKET_NO_ID UINT64_MAX

typedef struct packet {
    packet_type type; /* as it came, so BINARY_EVENT or BINARY_ACK exactly when there are attachments */
    unsigned attachments;
    hub_bytes name_space;  /* "/" when none was named; without a query ("?…" behind it) */
    uint64_t id;           /* PACKET_NO_ID: none; at most 2^53 - 1 */
    hub_bytes data;        /* JSON, checked; length 0: none; "[]" of an acknowledgement without any */
    size_t items;          /* of data when it is an array, the event's name among them */
    hub_bytes name;        /* of an event: as it stands between its quotes; a number's text */
    bool name_has_escapes; /* json_unescape then tells what it means */
} packet;

typedef struct packet_limits {
    unsigned attachments, depth; /* depth of data, as of json_check: an event's array is 1 */
    size_t name_space;           /* bytes */
} packet_limits;

/*
 * Reads a packet that a client sent; everything is lent by the text, or constant. That the text is UTF-8 is
 * the caller's part. What the JavaScript server refuses is refused here, and some things more that no client
 * sends. Errors:
 * HUB_EPROTO  not a packet: an unknown type; an id above 2^53-1; data that is no JSON; attachments announced
 *             as 0, or by anything but digits; a placeholder for an attachment that is not announced (so any
 *             at all in a packet that has none); CONNECT data that is no object; DISCONNECT with data; an
 *             event or acknowledgement whose data is no array; an event whose name is missing, neither a
 *             string nor a number, or reserved; CONNECT_ERROR, which only servers send.
 * HUB_ETOOBIG above one of the limits.
 * An acknowledgement without an id passes: nobody waits for it.
 */
hub_status packet_read(packet *out, hub_bytes text, const packet_limits *limits);

/*
 * Takes the name off an event's data, which was read and is now in memory of the caller's own: gives the
 * array of the arguments, which lies in the same memory, where a byte is changed, or is constant.
 */
hub_bytes packet_arguments(char *data, size_t length);

/* connect, connect_error, disconnect, disconnecting, newListener, removeListener: no event's name, as the
 * libraries on both sides give them a meaning of their own. */
bool packet_name_is_reserved(hub_bytes name);

/*
 * Writes all of a packet before its data: bytes that it takes, at most PACKET_HEAD_MAX; the namespace has at
 * most 255. The type becomes its binary form when there are attachments. A name_space "/", or an empty one,
 * is left out.
 */
enum { PACKET_HEAD_MAX = 255 + 48 };
size_t packet_write_head(char out[PACKET_HEAD_MAX], packet_type type, size_t attachments,
                         hub_bytes name_space, uint64_t id);

#endif
