/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session ids as clients get them: a session's id (worker/rooms/session.h) and a keyed hash of it, in
 * base64url (RFC 4648, section 5). The key is the host's, so any worker of the host can tell its own ids from
 * made-up ones and read which incarnation a session belongs to, and nothing is stored for it.
 *
 * There are two kinds, hashed apart: the id of an Engine.IO session, which is a secret of its client, with 80
 * bits of hash, and that of a Socket.IO socket, which others may see, with 56. From one kind the other cannot
 * be computed, though both hold the same session's id.
 *
 * Any context.
 */
#ifndef WORKER_SIO_SID_H
#define WORKER_SIO_SID_H

#include <hubbub.h>

#include "common/hash.h"

enum {
    SID_LENGTH = 24,        /* characters, without a NUL behind them */
    SID_PUBLIC_LENGTH = 20, /* the same of a public id */
};

/* The key that all workers of the host share: region_secret_key. Before the first use. */
void sid_open(hash_key secret);

/* Writes the id of a session, and a NUL. */
void sid_make(hub_id id, char text[SID_LENGTH + 1]);
void sid_make_public(hub_id id, char text[SID_PUBLIC_LENGTH + 1]);

/*
 * True when this host gave the text out as an id of that kind; then *id is the session's. It may be gone. The
 * hash is compared in a time that does not depend on where it differs.
 */
bool sid_read(hub_bytes text, hub_id *id);
bool sid_read_public(hub_bytes text, hub_id *id);

#endif
