/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handshake of RFC 6455, section 1.3, with the key of its own example, so that neither side has to
 * compute a digest. Every connection of the load generator sends this key; the bare server knows only this
 * one.
 */
#ifndef BENCH_LOAD_HANDSHAKE_H
#define BENCH_LOAD_HANDSHAKE_H

#define HANDSHAKE_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define HANDSHAKE_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define HANDSHAKE_MASK ((const unsigned char[4]){0x21, 0x43, 0x65, 0x87})

#endif
