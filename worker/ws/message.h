/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket messages out of the bytes that a client sent: fragments put together, text checked, limits kept,
 * control frames delivered in between (RFC 6455, sections 5.4 to 5.6, 7.1.5, 8.1); compressed messages
 * inflated (RFC 7692, section 6). No input or output here.
 *
 * The caller reads into a buffer that all its connections share, and hands every fresh byte in exactly once:
 *
 *     for (size_t used = 0;;) {
 *         message_event event = message_next(parser, data + used, length - used, &consumed);
 *         used += consumed;
 *         if (event.kind == MESSAGE_MORE)
 *             break;
 *         …
 *     }
 *
 * At MESSAGE_MORE everything has been consumed: what belongs to an unfinished frame or message was copied
 * into memory of the parser's own. Between messages the parser owns nothing but itself. A frame that arrived
 * whole, in a message of one frame, is handed out where it lies, without a copy. A compressed message stays
 * compressed until it ends, and is then inflated at once.
 */
#ifndef WORKER_WS_MESSAGE_H
#define WORKER_WS_MESSAGE_H

#include <hubbub.h>

typedef struct message_assembly message_assembly;
typedef struct deflate_context deflate_context;

/* One of each connection: 32 bytes. Set up by message_open; its fields are private, but for `deflate`. */
typedef struct message_parser {
    message_assembly *assembly; /* NULL while nothing is unfinished */
    deflate_context *deflate;   /* the caller's; see message_deflate */
    size_t max_message;
    bool compressed; /* compressed messages are allowed */
    bool ended;      /* after a close frame or an error */
} message_parser;

typedef enum message_kind {
    MESSAGE_MORE,  /* all bytes are consumed; nothing else is to be told */
    MESSAGE_DATA,  /* a whole message: `type`, `bytes`, `borrowed` */
    MESSAGE_PING,  /* `bytes` is to be sent back in a pong */
    MESSAGE_PONG,  /* `bytes` */
    MESSAGE_CLOSE, /* the peer closes: `code` (1005 when it gave none) and `bytes`, its reason, valid UTF-8 */
    MESSAGE_ERROR  /* the peer broke the protocol: close with `code` and `bytes`, a literal text */
} message_kind;

typedef struct message_event {
    message_kind kind;
    hub_type type;
    uint16_t code;
    /*
     * true: `bytes` lie in the data handed in, and are valid as long as the caller leaves it alone.
     * false: they lie in the parser's memory, valid until the next call for this parser; see message_take.
     */
    bool borrowed;
    hub_bytes bytes;
} message_event;

/* A parser for a new connection; `max_message` in bytes of one whole message. Allocates nothing. */
void message_open(message_parser *parser, size_t max_message);

/*
 * permessage-deflate was negotiated: messages may come compressed. `context` is the client's, with context
 * takeover, else NULL; it stays the caller's. Before the first byte.
 */
void message_deflate(message_parser *parser, deflate_context *context);

/* Frees what is unfinished. The parser may then be opened again. */
void message_close(message_parser *parser);

/*
 * Finds the next event in `length` fresh bytes, which it may change (they are unmasked in place). *consumed
 * is how many it took: at MESSAGE_MORE all of them.
 *
 * MESSAGE_ERROR: 1002 for what frame.h lists, and for a close frame with one byte or a code that must not be
 * sent; 1007 for text, or a close reason, that is not UTF-8, as soon as the wrong byte is there; 1009 for a
 * message above the limit, as soon as its declared length says so; 1011 without memory. Of a compressed
 * message, when it ends: 1007 for bytes that cannot be inflated and for text that is not UTF-8, 1009 when it
 * inflates to more than the limit, which also bounds its compressed bytes, as they come. After MESSAGE_CLOSE
 * and MESSAGE_ERROR whatever follows is consumed unread (5.5.1, 7.1.7).
 *
 * Memory for unfinished messages grows with the bytes that came, never with the length that was declared.
 */
message_event message_next(message_parser *parser, unsigned char *data, size_t length, size_t *consumed);

/*
 * Memory into which the caller may receive the rest of a large frame in progress, so that it need not be
 * copied: *room bytes, 256 KB at most, all of them payload of that frame. NULL when there is no such frame,
 * when little of it is missing, or without memory; the caller then reads as usual. Valid until the next call
 * for this parser.
 */
void *message_room(message_parser *parser, size_t *room);

/*
 * Says that `length` bytes (at most *room) were received there. One event comes of it, of the kinds
 * MESSAGE_MORE, MESSAGE_DATA and MESSAGE_ERROR.
 */
message_event message_filled(message_parser *parser, size_t length);

/*
 * Makes the memory of the message just returned the caller's, who frees it with free(3): for a MESSAGE_DATA
 * event with `borrowed` false, before the next call for this parser. Returns its bytes.data; NULL when the
 * last event was not such a one.
 */
void *message_take(message_parser *parser);

/* Bytes of memory that the parser holds besides itself; 0 between messages. */
size_t message_memory(const message_parser *parser);

#endif
