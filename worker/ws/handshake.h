/* SPDX-License-Identifier: Apache-2.0 */
/* The opening handshake of WebSocket, RFC 6455, section 4.2: what a server checks and computes. */
#ifndef WORKER_WS_HANDSHAKE_H
#define WORKER_WS_HANDSHAKE_H

#include "worker/http/parser.h"

enum { HANDSHAKE_ACCEPT_LENGTH = 28 };

/* What is wrong with an opening request; 0 in `status` when nothing is. */
typedef struct handshake_verdict {
    int status;         /* the HTTP status to refuse it with: 400, 405 or 426 */
    const char *reason; /* a literal line for the answer's body; NULL when accepted */
    hub_bytes key;      /* the client's Sec-WebSocket-Key, when accepted; lent by the head */
} handshake_verdict;

/*
 * Checks a request for a WebSocket route (4.2.1): 405 when it is no GET; 426 when it does not
 * ask for the websocket protocol (answer with Upgrade: websocket) or for another version than 13 (answer with
 * Sec-WebSocket-Version: 13); 400 when it is HTTP/1.0, has a body, lacks Connection: upgrade, or its key is
 * missing, repeated or not 16 bytes in base64. Origin and subprotocols are not looked at.
 */
handshake_verdict handshake_check(const http_head *head);

/* The value of Sec-WebSocket-Accept for a key (4.2.2), and a NUL behind it. */
void handshake_accept_key(hub_bytes key, char out[HANDSHAKE_ACCEPT_LENGTH + 1]);

/* True when the text is the base64 form of 16 bytes: 24 characters, the last two of them "=". */
bool handshake_key_valid(hub_bytes key);

/*
 * The first name of `supported` ("chat, superchat", best first) that the client offered; names are compared
 * with their case. The result is a part of `supported`; empty when there is none. The offer is that of all
 * Sec-WebSocket-Protocol lines of the request.
 */
hub_bytes handshake_subprotocol(const http_head *head, hub_bytes supported);

/*
 * Decides about the Origin of a request (10.2). The policy is a list "a, b" of
 *   *                  every origin
 *   same               an http or https origin whose host and port are those that the Host field names
 *   https://a.example  this origin; a port that is its scheme's default may be there or not
 * Scheme and host are compared without case. A request without an Origin is allowed, because no browser sent
 * it; one with two is not. handshake_origin_matches is the part about one origin.
 */
bool handshake_origin_allowed(const http_head *head, hub_bytes policy);
bool handshake_origin_matches(hub_bytes origin, hub_bytes host, hub_bytes policy);

#endif
