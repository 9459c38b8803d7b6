/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines to a syslog daemon: a datagram each, never waited for. To a unix socket in the form that daemons read
 * there (RFC 3164 without a host name), over UDP in that of RFC 5424.
 */
#ifndef COMMON_SYSLOG_H
#define COMMON_SYSLOG_H

#include "common/error.h"
#include "common/names.h"

#include <sys/socket.h>

typedef struct syslog_target {
    int fd;       /* -1: there is none */
    int facility; /* 0 to 23 */
    bool local;   /* a unix socket */
    char tag[64]; /* "hubbub", or "hubbub.PREFIX" */
    char host[64];
    struct sockaddr_storage address;
    socklen_t address_length;
} syslog_target;

/* "daemon", "local0" … to its number; -1 for any other text. */
int syslog_facility(const char *name);

/* What is wrong with the address, in words; NULL: it is "unix://PATH" or "udp://HOST:PORT". */
const char *syslog_check_address(const char *text);

/* Looks the address's host up for a table, and waits; nothing for a unix socket. */
void syslog_look_up(const char *address, names_table *table);

/*
 * Opens a socket to an address; a host is looked up by names_find; `prefix` may be NULL. Errors: HUB_EINVAL,
 * HUB_ESYSTEM (nobody is there; the name is not known), one line. syslog_close may be called for what was
 * never opened, with fd -1.
 */
hub_status syslog_open(syslog_target *target, const char *address, const char *prefix, const char *facility,
                       error *error);
void syslog_close(syslog_target *target);

/* The target of this process from now on, copied, with its descriptor; fd -1: none. */
void syslog_use(const syslog_target *target);
bool syslog_is_used(void);

/*
 * Sends a line without its end; `kind` is "error" or "access". What the daemon does not take at once is
 * dropped and counted; who was restarted is found again. Once lines pass again, one says how many were
 * dropped. Any thread.
 */
void syslog_send(hub_level level, const char *kind, const char *text, size_t length);

/* Lines dropped by this process so far. */
uint64_t syslog_dropped(void);

#endif
