/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master: binds, makes the shared memory, keeps its slots filled with workers, and ends them in good
 * order. One libev loop; nothing in it sleeps, waits or takes a lock: every step is a state and a timer.
 *
 * Signals: TERM finishes gracefully, INT and QUIT end at once, also during a drain; HUP reads the
 * configuration again, seals a release and brings it into every slot (roll.h); USR2
 * lets another program file take over (upgrade.h); WINCH lets the workers finish
 * and keeps the master; TTIN and TTOU are one worker more or fewer. They are read from a signalfd and stay
 * blocked: so there is no handler that a child could inherit, a fork needs no care for signals that arrive
 * meanwhile, and as process 1, where signals without a handler are thrown away, blocked ones are not. Ended
 * children are reaped with waitpid(-1), not by libev's own child watchers, because those live only in the
 * default loop and say nothing of children that are not known.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include "config/config.h"
#include "worker/worker.h"

/* Exit codes of the server. */
enum {
    MASTER_EXIT_OK = 0,     /* ended because it was told to */
    MASTER_EXIT_SYSTEM = 1, /* the machine refused: port in use, permission, memory, descriptors */
    MASTER_EXIT_USAGE = 2,  /* a wrong option or configuration file */
    MASTER_EXIT_BOOT = 3,   /* the first worker could not boot */
    MASTER_EXIT_APP = 4,    /* the application could not be compiled, loaded or set up */
};

typedef struct master_options {
    config *config; /* taken over: what the first release runs */
    int argc;       /* of the command line, which is read again at each reload */
    char *const *argv;
    worker_entry worker; /* what a child runs: worker_main */
} master_options;

/*
 * Runs a server to its end and returns its exit code. Slot 0 boots first and alone; when it is ready the
 * others boot together. When that first boot fails the server ends with MASTER_EXIT_BOOT or MASTER_EXIT_APP;
 * after any worker has been ready, a worker that ends is replaced (slot.h). What it fails at it has logged in
 * one line. Leaves no child, no socket's path and no shared memory behind. Once a process.
 */
int master_run(const master_options *options);

#endif
