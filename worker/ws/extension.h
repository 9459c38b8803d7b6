/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sec-WebSocket-Extensions: what a client offers and what is agreed. RFC 6455, section 9.1, for the field's
 * form; RFC 7692, sections 5.1 and 7.1, for permessage-deflate, the one extension that is known here. No
 * input or output, no allocation.
 */
#ifndef WORKER_WS_EXTENSION_H
#define WORKER_WS_EXTENSION_H

#include "worker/http/parser.h"

enum {
    DEFLATE_BITS_MIN = 9, /* of a window that zlib writes without its own header */
    DEFLATE_BITS_MAX = 15,
    EXTENSION_ANSWER_MAX = 160
};

/* What was agreed about permessage-deflate. All zeros: it is not in use. */
typedef struct deflate_terms {
    uint8_t server_bits;                   /* the server's window is 2^bits bytes: 9 to 15; 0: not in use */
    uint8_t client_bits;                   /* the client's: 8 to 15 */
    bool server_takeover, client_takeover; /* windows are kept from one message to the next */
} deflate_terms;

typedef enum deflate_mode {
    DEFLATE_OFF,
    DEFLATE_ON,      /* no context takeover in either direction, whatever the client would allow */
    DEFLATE_TAKEOVER /* context takeover in each direction in which the client does not rule it out */
} deflate_mode;

typedef enum extension_result {
    EXTENSION_NONE,     /* nothing is agreed */
    EXTENSION_AGREED,   /* *terms and the answer are set */
    EXTENSION_MALFORMED /* the field breaks its grammar: refuse the handshake with 400 (RFC 6455, 9.1) */
} extension_result;

/*
 * Goes through all offers of all Sec-WebSocket-Extensions lines in order, the client's preference, and agrees
 * to the first of permessage-deflate that can be kept. `answer` gets the value of the server's field, ending
 * with a NUL.
 *
 * An offer is passed over (RFC 7692, 7.1) when it has an unknown or repeated parameter, a value that is not
 * allowed or is missing, or server_max_window_bits=8: zlib writes no raw deflate with a window of 256 bytes
 * (it would use 512, which such a client need not understand). Other extensions are passed over, too.
 */
extension_result extension_negotiate(const http_head *head, deflate_mode mode, deflate_terms *terms,
                                     char answer[EXTENSION_ANSWER_MAX]);

#endif
