/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record of the host log as bytes:
 *
 *     record_header | links: {room hash, position of the bucket's record before this one} ... |
 *     name space, rooms, excepted rooms: each one byte of length and the name | zeros to a multiple of 8 |
 * body
 *
 * All before the body is the record's *head*; it has a checksum of its own, so that a reader can skip a
 * record without touching its body. Numbers are in the host's byte order: a log never leaves its host.
 *
 * Encoding: record_draft once, then record_finish for each attempt to place it. Decoding takes bytes that may
 * be anything; it must be given a private copy, because what lies in shared memory can change after a check.
 */
#ifndef BUS_RECORD_H
#define BUS_RECORD_H

#include "bus/bus.h"

typedef struct record_header {
    uint32_t checksum;      /* crc32c of the head behind this field */
    uint32_t length;        /* of the whole record in bytes */
    uint32_t head_length;   /* where the body begins; a multiple of 8 */
    uint32_t body_checksum; /* crc32c */
    uint64_t epoch;         /* of the region */
    uint64_t position;      /* of the record */
    uint64_t horizon;       /* every record that is reached through its links has a position below this */
    uint64_t sender, target, collector;
    uint32_t origin;
    uint16_t kind, flags, hole;
    uint8_t name_space_length;
    uint8_t room_count, except_count, link_count;
    uint8_t reserved[2]; /* zero */
} record_header;

_Static_assert(sizeof(record_header) == 80, "a record's header has no holes that a checksum would read");

/*
 * Links: buckets are exchanged between reservation and commit, so the link of a record may point to a later
 * one that was written at the same time. Who walks back from the newest record for those after position s may
 * stop at a record whose horizon is not above s: everything behind it is older.
 */
typedef struct record_link {
    uint64_t hash;     /* bus_room_hash */
    uint64_t previous; /* position of the record before in the hash's bucket; 0: none */
} record_link;

enum {
    RECORD_LINKS_MAX = BUS_ROOMS_MAX,
    RECORD_NAMES_MAX = (1 + BUS_NAME_MAX) * (BUS_ROOMS_MAX + BUS_EXCEPT_MAX) + BUS_NAME_MAX,
    RECORD_HEAD_MAX = sizeof(record_header) + RECORD_LINKS_MAX * sizeof(record_link) + RECORD_NAMES_MAX + 7,
};

/* The head under work; bytes are aligned for record_header. */
typedef struct record_draft {
    record_header *header; /* into bytes */
    record_link *links;    /* into bytes; header->link_count of them */
    _Alignas(8) unsigned char bytes[RECORD_HEAD_MAX];
} record_draft;

/*
 * Encodes a message's head, all but checksum, position, horizon and the links' `previous`. The links' hashes
 * come from `hashes`, `link_count` of them. `body_length` and `body_checksum` describe the body. Errors:
 * HUB_EINVAL (too many rooms, an empty room name), HUB_ETOOBIG (a name above BUS_NAME_MAX, or a record above
 * 4 GiB).
 */
hub_status record_draft_message(record_draft *draft, const bus_message *message, const uint64_t *hashes,
                                size_t link_count, size_t body_length, uint32_t body_checksum);

/* Completes the head for a position and sums it up. */
void record_finish(record_draft *draft, uint64_t position, uint64_t horizon);

/*
 * The length of the head that these bytes announce, checked against the most that the record may take up, in
 * bytes; 0 when they cannot be a record's. Takes sizeof(record_header) bytes of any alignment.
 */
size_t record_head_length(const void *bytes, size_t record_most);

/* A decoded head; its names point into the bytes that were decoded. */
typedef struct record_view {
    record_header header;
    size_t link_count;
    record_link links[RECORD_LINKS_MAX];
    hub_bytes name_space;
    hub_bytes rooms[BUS_ROOMS_MAX], except[BUS_EXCEPT_MAX];
} record_view;

/*
 * Decodes a head of record_head_length bytes. False when its checksum is wrong or a length does not fit: then
 * *view is not to be used. Whether epoch and position are the expected ones is for the caller to see.
 */
bool record_decode(record_view *view, const void *head, size_t head_length);

#endif
