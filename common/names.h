/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of hosts. The resolver may take its time. Who may not wait for it has another process look up
 * beforehand what will be asked for, into a table that both share, and then finds it there.
 */
#ifndef COMMON_NAMES_H
#define COMMON_NAMES_H

#include <hubbub.h>

#include <sys/socket.h>

enum { NAMES_ADDRESSES_MAX = 16, NAMES_MAX = 24 };

typedef struct names_address {
    socklen_t length;
    struct sockaddr_storage address;
} names_address;

/* What became of a question. */
typedef struct names_found {
    int wrong; /* 0, or an error of getaddrinfo */
    int cause; /* errno, for EAI_SYSTEM */
    unsigned count;
    names_address addresses[NAMES_ADDRESSES_MAX]; /* IPv4 and IPv6, each once; more than that are left out */
} names_found;

/* A question with its answer. */
typedef struct names_entry {
    char host[256], port[8];
    int type;
    names_found found;
} names_entry;

/* All zeros: empty. */
typedef struct names_table {
    unsigned count;
    names_entry entries[NAMES_MAX];
} names_table;

/*
 * Finds the addresses of a host, a name or an address itself, "" for every address of this machine; `port` is
 * a number, `type` SOCK_STREAM or SOCK_DGRAM. Without a table (names_use) it waits for the resolver. With one
 * it never waits: a name that is not in the table is not found (EAI_AGAIN).
 */
void names_find(names_found *found, const char *host, const char *port, int type);

/* Why it was not found, in words. */
const char *names_wrong(const names_found *found);

/* Looks a host up for a table, and waits. One that is too much is left out. */
void names_add(names_table *table, const char *host, const char *port, int type);

/* The table that names_find looks into from now on; it stays the caller's. NULL: none, as at first. */
void names_use(const names_table *table);

#endif
