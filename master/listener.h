/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets. The master makes them once and keeps them, so that no connection is lost when a worker
 * goes; workers inherit them and accept.
 */
#ifndef MASTER_LISTENER_H
#define MASTER_LISTENER_H

#include "common/error.h"

#include <sys/types.h>
#include <sys/un.h>

enum { LISTENERS_MAX = 64 };

/* A bind address, taken apart. */
typedef struct listener_address {
    bool local;     /* a unix socket at `path`, else host and port */
    char host[256]; /* "" for every address of the machine */
    char port[6];   /* decimal, 0 … 65535; 0 lets the system choose */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* ends with NUL */
} listener_address;

typedef struct listener {
    int fd;         /* listening, non-blocking, close-on-exec */
    char name[320]; /* "127.0.0.1:8000", "[::1]:8000" or "unix:/run/chat.sock", with the port that it got */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of a unix socket, else "" */
    dev_t device; /* of that path, with its inode: whose it is when the time comes to remove it */
    ino_t inode;
    pid_t owner; /* the process that made it */
} listener;

typedef struct listener_set {
    listener items[LISTENERS_MAX];
    size_t count;
} listener_set;

/*
 * Takes apart "HOST:PORT", ":PORT", "[V6]:PORT" or "unix:PATH". Pure: looks at no name and no file.
 * Errors: HUB_EINVAL, with a line that says which part is wrong and what is allowed (a path longer than 107
 * bytes is one of them).
 */
hub_status listener_parse(const char *text, listener_address *address, error *error);

/*
 * Binds and listens at an address and adds the sockets to the set: one for each address that a name resolves
 * to, and for ":PORT" one for IPv4 and one for IPv6. An IPv6 address that this machine cannot have is passed
 * over when another one of the same name could be had. A unix socket that was left behind is replaced when
 * nobody listens there; anything else at its path is left alone.
 *
 * Resolving a name waits: at start-up only. Errors, each with one line: HUB_EINVAL (as listener_parse, or a
 * name that does not resolve), HUB_EEXIST (somebody listens there already, or a file that is no socket is in
 * the way), HUB_ESYSTEM (not permitted, no such local address, no folder for a path), HUB_EFULL
 * (LISTENERS_MAX). After an error the set holds what it held before.
 */
hub_status listener_open(listener_set *set, const char *text, unsigned backlog, error *error);

/*
 * Closes this process's descriptors and removes the unix sockets' paths, if this process made them and they
 * are still the same sockets. Other processes' descriptors go on listening.
 */
void listener_close_all(listener_set *set);

#endif
