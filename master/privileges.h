/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the processes are: a server that root started binds its addresses first; then its workers, and whatever
 * else runs or reads an application's code, become the user and group of the options. The master stays root
 * with the few capabilities that it needs, or becomes that user, too (drop-master).
 *
 * A process has one answer to this: it is found once, at the start, because a reload cannot bring back what
 * was given away.
 */
#ifndef MASTER_PRIVILEGES_H
#define MASTER_PRIVILEGES_H

#include "common/error.h"
#include "config/config.h"

#include <sys/types.h>

/*
 * Looks up the options user and group, names or numbers, with the user's supplementary groups and folder. Not
 * root: they must say what this process is already. Changes nothing yet. Once, before the first fork; until
 * then, and without the options, the two below do nothing. Errors: HUB_EINVAL (unknown, or only root could:
 * the line names the option), HUB_ENOMEM.
 */
hub_status privileges_find(const config *config, error *error);

/*
 * In a child, before any code of the application: groups, group, user, for good; no capability is left, nor
 * can one be gained by running a file. HOME, USER and LOGNAME become the user's. Afterwards what the kernel
 * takes away with the user has to be asked for again: the death signal, and being dumpable, which this does.
 * Errors: HUB_ESYSTEM; then the process must end.
 */
hub_status privileges_drop(error *error);

/*
 * In the master, once its addresses are bound and its files are made: keeps the capabilities that are needed
 * to bind again, to signal, to fork workers that drop theirs, and to write files in others' folders; or, with
 * drop-master, does as privileges_drop. A line of the log says what became of it. Errors: HUB_ESYSTEM.
 */
hub_status privileges_settle_master(const config *config, error *error);

/*
 * Before privileges_settle_master: a file of the master's becomes that of the user that the master will be.
 * Does nothing when it stays who it is. Errors: HUB_ESYSTEM.
 */
hub_status privileges_give(const config *config, const char *path, error *error);

/* Forgets what was found; for tests. */
void privileges_forget(void);

#endif
