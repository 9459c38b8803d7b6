/* SPDX-License-Identifier: Apache-2.0 */
/* Close codes of WebSocket: RFC 6455, section 7.4, and the codes that IANA registered after it. */
#ifndef WORKER_WS_CLOSE_H
#define WORKER_WS_CLOSE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum close_code {
    CLOSE_NORMAL = 1000,
    CLOSE_GOING_AWAY = 1001, /* the server drains */
    CLOSE_PROTOCOL = 1002,
    CLOSE_UNSUPPORTED = 1003,
    CLOSE_NO_STATUS = 1005, /* never on the wire: a close frame without a code */
    CLOSE_ABNORMAL = 1006,  /* never on the wire: the connection ended without a close frame */
    CLOSE_INVALID_TEXT = 1007,
    CLOSE_POLICY = 1008,
    CLOSE_TOO_BIG = 1009,
    CLOSE_INTERNAL = 1011,
    CLOSE_RESTART = 1012,
    CLOSE_TRY_LATER = 1013
} close_code;

enum { CLOSE_REASON_MAX = 123 }; /* a control frame's 125 bytes less the code */

/*
 * True for a code that a close frame may carry, in either direction: 1000-1003, 1007-1014, 3000-4999.
 * RFC 6455, section 7.4.2 leaves 1016-2999 to later protocol versions; peers answer them with 1002.
 */
static inline bool close_code_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

#endif
