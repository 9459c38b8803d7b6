/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket frames as the load generator needs them (RFC 6455, section 5.2), and the messages that it sends:
 * a sequence number and a filling that both ends know, so that a receiver can tell a right message from a
 * wrong, a missing or a repeated one at the price of one memcmp. A message of Socket.IO is an event with one
 * argument, a string, which is that number and filling.
 */
#ifndef BENCH_LOAD_FRAME_H
#define BENCH_LOAD_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_TEXT = 1, FRAME_BINARY = 2, FRAME_CLOSE = 8, FRAME_PING = 9, FRAME_PONG = 10 };

#define FRAME_HEADER_MAX 14 /* bytes: 2, a 64-bit length and a mask */

typedef struct load_frame {
    unsigned char *payload; /* within the bytes given to frame_parse */
    size_t length;
    uint8_t opcode;
    bool final;
    bool compressed; /* the first reserved bit */
    bool masked;     /* the payload was masked; frame_parse has unmasked it in place */
} load_frame;

typedef enum frame_result {
    FRAME_WHOLE,   /* *frame and *taken are set */
    FRAME_PARTIAL, /* more bytes are needed; nothing was changed */
    FRAME_BROKEN,  /* another reserved bit, or a length above 63 bits */
} frame_result;

/* Looks at the first frame of the bytes. *taken is its whole length with its header. */
frame_result frame_parse(unsigned char *data, size_t length, load_frame *frame, size_t *taken);

/*
 * Writes one final frame and returns its length, at most FRAME_HEADER_MAX + length. `mask` (may be NULL:
 * none) is four bytes; the payload is written masked.
 */
size_t frame_write(unsigned char *to, uint8_t opcode, const unsigned char *mask, const void *payload,
                   size_t length);

#define MESSAGE_DIGITS 8 /* the sequence number: lower-case hexadecimal, modulo 2^32, at the front */

/* A preformatted message; only its number changes from one frame to the next. */
typedef struct load_message {
    unsigned char *frame; /* header, mask and masked payload with the number 0 */
    size_t frame_length;
    size_t sent_length;     /* of the payload that is sent */
    size_t sent_number;     /* where the number stands in the payload that is sent */
    unsigned char *payload; /* the payload that is expected, unmasked, with the number 0 */
    size_t length;
    size_t number; /* where the number stands in it */
} load_message;

/* Makes a text message of `length` bytes, at least MESSAGE_DIGITS; letters, or `json`, records of a few
 * fields, which deflate to about a third as such messages do. False without memory. */
bool message_make(load_message *message, size_t length, bool json);

/*
 * Makes an event of Socket.IO (protocol 5, in a message of Engine.IO 4) whose string is `length` bytes: it is
 * sent under the name `event` and expected as "message", of which neither needs escapes.
 */
bool message_make_event(load_message *message, const char *event, size_t length);
void message_free(load_message *message);

/* Writes the frame of a number, message->frame_length bytes, to `to`. */
void message_write(const load_message *message, unsigned char *to, uint32_t sequence);

/* True when the payload is such a message; then *sequence is its number. */
bool message_read(const load_message *message, const unsigned char *payload, size_t length,
                  uint32_t *sequence);

/* MESSAGE_DIGITS digits to a number and back. The first is false when one of them is no digit. */
bool message_number_read(const unsigned char *digits, uint32_t *number);
void message_number_write(unsigned char *digits, uint32_t number);

#endif
