/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): what a proxy writes in front of a
 * connection's bytes to say who the client is. Pure: bytes in, a verdict out.
 */
#ifndef WORKER_NET_PROXY_H
#define WORKER_NET_PROXY_H

#include <hubbub.h>

/* A header of version 1 has at most 107 bytes; one of version 2 may have so many with all its TLVs. */
enum { PROXY_HEADER_MAX = 4096 };

typedef enum proxy_result {
    PROXY_MORE,  /* the bytes are the beginning of a header */
    PROXY_DONE,  /* a whole header */
    PROXY_WRONG, /* no header, or one that is malformed or too long */
} proxy_result;

typedef struct proxy_header {
    size_t length;   /* bytes of it; what follows is the client's */
    bool known;      /* false: LOCAL, UNKNOWN or a family without ports: the peer is who it seems to be */
    char client[64]; /* "192.0.2.7:51000" or "[2001:db8::1]:51000" when known */
} proxy_header;

/* Reads a header at the start of `bytes`. *header is set when the result is PROXY_DONE. TLVs are skipped. */
proxy_result proxy_parse(hub_bytes bytes, proxy_header *header);

#endif
