/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A release: configuration and application as they were at one moment, sealed under a number. Every worker
 * boots from a release, also when it replaces one that crashed, so that a file which is overwritten below a
 * running server changes nothing until the next reload, and then all of it at once. The application is kept
 * in memory (a sealed memfd), so that the release which is gone back to is there whatever became of its file.
 */
#ifndef MASTER_RELEASE_H
#define MASTER_RELEASE_H

#include "common/names.h"
#include "config/config.h"
#include "master/slot.h"

#include <sys/types.h>

/* What the process that seals a release has to say; shared memory, written by it alone. */
typedef struct sealing {
    error cause;       /* it failed */
    names_table names; /* of hosts in the configuration, so that the master never waits for the resolver */
} sealing;

typedef struct release {
    unsigned number; /* from 1, in the order in which they were sealed */
    config settings;
    slot_limits limits; /* by which its workers are judged */
    int module;         /* the application's shared object */
    sealing *sealing;   /* NULL: none of this master's processes sealed it */
    char path[32];      /* by which a worker that has inherited it loads it */
    unsigned holders;
} release;

/*
 * Begins a release: takes the settings over in any case (*settings is empty afterwards), and forks a process,
 * *sealer, that compiles the application if it is a source and copies it, and looks up hosts. That takes as
 * long as it takes, and the master waits for nothing: when the sealer has ended, release_seal says what
 * became of it. The sealer logs what it failed at in one line and has then WORKER_EXIT_APP for its exit code.
 * `keep` are descriptors that the sealer may not close besides its own (none as a rule). The caller holds the
 * release once. Errors: HUB_ENOMEM, HUB_ESYSTEM (memfd, fork). Nothing was begun then.
 */
hub_status release_begin(release **out, unsigned number, config *settings, pid_t *sealer, error *failure);

/*
 * The sealer has ended with this status, as waitpid gave it. HUB_OK: nobody can change the application any
 * more and workers may boot. Errors: HUB_EFAIL (the sealer failed: the line is the one that it has logged, or
 * says how it died), HUB_ESYSTEM (it cannot be sealed).
 */
hub_status release_seal(release *self, int status, error *failure);

/*
 * A release that another image of this process has sealed: its application is taken over, with the settings
 * that are given (*settings is empty afterwards in any case). The caller holds it once. Errors: HUB_ENOMEM;
 * the module stays the caller's.
 */
hub_status release_adopt(release **out, unsigned number, config *settings, int module, error *failure);

release *release_hold(release *self);
void release_drop(release *self); /* the last one frees it; NULL is fine */

#endif
