/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-1 (FIPS 180-4, section 6.1), which the WebSocket handshake asks for. It proves there that the server
 * speaks WebSocket and protects nothing; do not use it where somebody might want a collision.
 */
#ifndef WORKER_WS_SHA1_H
#define WORKER_WS_SHA1_H

#include <stddef.h>

enum { SHA1_SIZE = 20 };

/* The digest of `length` bytes. No allocation, cannot fail. */
void sha1_digest(const void *data, size_t length, unsigned char out[SHA1_SIZE]);

#endif
