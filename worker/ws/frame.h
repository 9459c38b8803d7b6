/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket frames, RFC 6455, section 5: headers of frames that a server sends, and the frames that a client
 * sends. No input or output and no allocation happens here; which messages the frames make is message.h's
 * subject.
 */
#ifndef WORKER_WS_FRAME_H
#define WORKER_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum frame_opcode {
    FRAME_CONTINUATION = 0x0,
    FRAME_TEXT = 0x1,
    FRAME_BINARY = 0x2,
    FRAME_CLOSE = 0x8,
    FRAME_PING = 0x9,
    FRAME_PONG = 0xA
} frame_opcode;

enum {
    FRAME_RSV1 = 0x40,
    FRAME_HEADER_MAX = 10,        /* of a frame from the server, which has no mask */
    FRAME_CLIENT_HEADER_MAX = 14, /* of a frame from a client */
    FRAME_CONTROL_MAX = 125       /* payload bytes of a control frame */
};

/*
 * Writes the header of an unmasked frame with a payload of `length` bytes (below 2^63) in the shortest form,
 * and returns the header's size: 2, 4 or 10. `rsv` is 0 or FRAME_RSV1. That control frames be short and whole
 * is the caller's part.
 */
size_t frame_header(unsigned char out[FRAME_HEADER_MAX], frame_opcode opcode, bool fin, unsigned rsv,
                    uint64_t length);

/* What is known of the frame in progress. Zero-initialised: at the start of a connection's frames. */
typedef struct frame_parser {
    uint64_t remaining; /* payload bytes still to come; not 0: within a frame */
    uint64_t offset;    /* payload bytes already handed out */
    uint8_t mask[4];
    uint8_t opcode;
    bool fin, rsv1;    /* of the frame in progress */
    bool fragmented;   /* a message was begun and its last frame has not begun yet */
    bool rsv1_allowed; /* set by the owner when permessage-deflate was negotiated */
} frame_parser;

typedef enum frame_result {
    FRAME_PARTIAL, /* a header, or a control frame, is not complete: nothing was consumed */
    FRAME_WHOLE,   /* a whole frame */
    FRAME_PIECE,   /* a part of a data frame; `last` says whether the frame ends with it */
    FRAME_ERROR    /* the peer broke the protocol: `code` and `reason` */
} frame_result;

typedef struct frame_part {
    unsigned char *payload; /* unmasked, within the caller's bytes */
    size_t length;          /* of this payload or piece; may be 0 */
    uint64_t offset;        /* of this piece within the frame's payload */
    uint64_t total;         /* the frame's whole payload, as declared */
    frame_opcode opcode;
    bool fin, rsv1, last;
    uint16_t code;      /* FRAME_ERROR: the close code to answer with */
    const char *reason; /* FRAME_ERROR: a literal of at most CLOSE_REASON_MAX bytes */
    size_t needed;      /* FRAME_PARTIAL: bytes, counted from `data`, before a further call can do more */
} frame_part;

/*
 * Takes the next frame, or as much of it as is there, out of `length` bytes and unmasks it in place.
 *
 * A frame that lies whole in the bytes is one FRAME_WHOLE. A control frame is only ever handed out whole. A
 * data frame whose end is not there yet comes as FRAME_PIECE, at once with what is there (perhaps nothing but
 * its header), and further calls, with the bytes that follow, give its further pieces: no byte is unmasked
 * twice, however slowly they come. After FRAME_PARTIAL the caller keeps the bytes and calls again with at
 * least `needed` of them in a row. *consumed is the number of bytes that are done with, in all cases.
 *
 * `limit`: the largest payload that a data frame may declare. Errors, each as soon as its byte is there:
 *   1002 a reserved bit that was not negotiated or is on a continuation or control frame (5.2; RFC 7692,
 *        section 6), an unknown opcode (5.2), a fragmented or too long control frame (5.5), no mask (5.1), a
 *        length not in its shortest form or with its top bit set (5.2), a continuation without a start, a
 *        start within a fragmented message (5.4);
 *   1009 a declared length above the limit (7.4.1).
 * After FRAME_ERROR the parser must not be used again.
 */
frame_result frame_next(frame_parser *parser, unsigned char *data, size_t length, uint64_t limit,
                        size_t *consumed, frame_part *out);

#endif
