/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses and lists of networks, as they stand in options and are told by proxies. */
#ifndef COMMON_NETWORK_H
#define COMMON_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

enum { NETWORKS_MAX = 64 };

/* IPv6, or IPv4 as ::ffff:192.0.2.7: so both are compared in one way. */
typedef struct network_address {
    unsigned char bytes[16];
} network_address;

typedef struct network {
    network_address base;
    unsigned bits; /* of the base that count, 0 to 128 */
} network;

typedef struct networks {
    bool any; /* all, also clients of unix sockets, which have no address */
    size_t count;
    network items[NETWORKS_MAX];
} networks;

/* Reads one address, "192.0.2.7" or "2001:db8::1", without port, brackets or zone. */
bool network_parse_address(const char *text, size_t length, network_address *address);

/* Reads "192.0.2.7", "192.0.2.7:80", "2001:db8::1" or "[2001:db8::1]:80". *port: 0 to 65535; -1 without one.
 */
bool network_parse_endpoint(const char *text, size_t length, network_address *address, int *port);

/* Writes what network_parse_endpoint reads, without brackets when there is no port (-1). */
void network_format_endpoint(const network_address *address, int port, char text[64]);

/*
 * Reads "*" (all), "none", or a list of addresses and networks ("10.0.0.0/8, ::1") with commas or spaces in
 * between. NULL, or what is wrong with it in words.
 */
const char *networks_parse(networks *list, const char *text);

bool networks_have(const networks *list, const network_address *address);

/* The same for a peer as connection_peer writes it. A client of a unix socket is on this host, and let in by
 * the socket's permissions: it counts as in each list that holds anything. */
bool networks_have_peer(const networks *list, const char *peer);

#endif
