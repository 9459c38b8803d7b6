/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets. The master makes them once and keeps them, so that no connection is lost when a worker
 * goes; workers inherit them and accept. At a reload addresses come and go without touching the others.
 */
#ifndef MASTER_LISTENER_H
#define MASTER_LISTENER_H

#include "common/error.h"

#include <sys/types.h>
#include <sys/un.h>

enum { LISTENERS_MAX = 64 };

/* A bind address, taken apart. */
typedef struct listener_address {
    bool local;     /* a unix socket at `path` */
    bool inherited; /* descriptor `fd`, else those of a service manager with the name `host` ("": all) */
    int fd;         /* -1: of a service manager. Neither local nor inherited: host and port */
    char host[256]; /* "" for every address of the machine */
    char port[6];   /* decimal, 0 … 65535; 0 lets the system choose */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* ends with NUL */
} listener_address;

/* What is the same for all addresses of a server. */
typedef struct listener_options {
    unsigned backlog;
    bool reuse_port;   /* TCP: other servers may listen at the same port (SO_REUSEPORT) */
    const char *mode;  /* of unix sockets, octal digits; NULL: by the umask */
    const char *user;  /* owner of unix sockets, name or number; NULL: who runs the server */
    const char *group; /* NULL: the group of who runs the server */
} listener_options;

typedef struct listener {
    int fd;         /* listening, non-blocking, close-on-exec */
    char bind[384]; /* the address as it was given: several listeners may come of one */
    bool inherited; /* somebody else's, too: never closed on his account, its queue is his */
    bool added;     /* since listener_change: closed by listener_settle when the change is taken back */
    bool leaving;   /* not wanted since listener_change: closed by listener_settle */
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
 * Takes apart "HOST:PORT", ":PORT", "[V6]:PORT", "unix:PATH", "fd://N", "systemd:" or "systemd:NAME". Pure:
 * looks at no name and no file. Errors: HUB_EINVAL, with a line that says which part is wrong and what is
 * allowed (a path longer than 107 bytes is one of them).
 */
hub_status listener_parse(const char *text, listener_address *address, error *error);

/*
 * Binds and listens at an address and adds the sockets to the set: one for each address that a name resolves
 * to, for ":PORT" one for IPv4 and one for IPv6, for "systemd:NAME" each that the service manager calls so.
 * An IPv6 address that this machine cannot have is passed over when another one of the same name could be
 * had. A unix socket that was left behind is replaced when nobody listens there; anything else at its path is
 * left alone. A unix socket has its mode and owner before anybody can connect to it.
 *
 * A name is looked up by names_find, which waits unless it was looked up beforehand. Errors, each with one
 * line: HUB_EINVAL (as listener_parse, a name that does not resolve, no such user or group, no such inherited
 * socket), HUB_EEXIST (somebody listens there already, or a file that is no socket is in the way),
 * HUB_ESYSTEM (not permitted, no such local address, no folder for a path), HUB_EFULL (LISTENERS_MAX). After
 * an error the set holds what it held before.
 */
hub_status listener_open(listener_set *set, const char *text, const listener_options *options, error *error);

/*
 * Other addresses from now on: those of the list (ends with NULL) that the set does not have are opened and
 * marked added, those that it has and the list has not are marked leaving and stay open; addresses are the
 * same when they are written the same. listener_settle decides. Errors: as listener_open; nothing is changed
 * then.
 */
hub_status listener_change(listener_set *set, char *const binds[], const listener_options *options,
                           error *error);

/* The change counts: those that leave are closed. Or it is taken back: those that were added are closed, and
 * the others stay. Each that is closed is logged. Nothing to do without a change. */
void listener_settle(listener_set *set, bool counts);

/* Whether a listener came of one of these addresses. */
bool listener_is_of(const listener *item, char *const binds[]);

/*
 * Lets nobody new into the queues of this process's TCP sockets, for good: whoever would connect is left
 * without an answer (and asks again a second later), while those who wait already are still accepted. Sockets
 * of others are not touched. Where the kernel refuses it, nothing happens.
 */
void listener_shut(const listener_set *set);

/*
 * Closes this process's descriptors and removes the unix sockets' paths, if this process made them and they
 * are still the same sockets. Inherited descriptors stay open. Other processes' descriptors go on listening.
 */
void listener_close_all(listener_set *set);

#endif
