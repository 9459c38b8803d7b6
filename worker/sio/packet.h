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
    packet_type type;
    unsigned attachments;
    hub_bytes name_space; /* "/" when none was named; without a query ("?…" behind it) */
    uint64_t id;          /* PACKET_NO_ID: none; at most 2^53 - 1 */
    hub_bytes data;       /* JSON, checked; length 0: none */
    size_t items;         /* of data when it is an array */
} packet;

typedef struct packet_limits {
    unsigned attachments, depth;
    size_t name_space; /* bytes */
} packet_limits;

/*
 * Reads a packet that a client sent; everything is lent by the text. Errors: HUB_EPROTO (not a packet: an
 * unknown type, an event or acknowledgement whose data is no array, an event without a name that is a string,
 * data that is no JSON or not UTF-8, an id that is no number or too large, attachments of a type that has
 * none, a placeholder for an attachment that is not announced, CONNECT data that is no object, CONNECT_ERROR
 * from a client), HUB_ETOOBIG (above one of the limits). Reserved event names are refused as the JavaScript
 * server does.
 */
hub_status packet_read(packet *out, hub_bytes text, const packet_limits *limits);

/*
 * Writes all of a packet before its data: bytes that it takes, at most PACKET_HEAD_MAX. The type becomes its
 * binary form when there are attachments. A name_space "/" is left out.
 */
enum { PACKET_HEAD_MAX = 255 + 48 };
size_t packet_write_head(char out[PACKET_HEAD_MAX], packet_type type, size_t attachments,
                         hub_bytes name_space, uint64_t id);

#endif
