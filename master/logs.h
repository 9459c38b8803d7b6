/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The logs of a server, opened by its master. Standard error is where the error log goes, so that whatever a
 * process writes there by other ways (a crash, a library, the application) stands in the log too; the access
 * log has a descriptor of its own. Workers inherit both, and get new ones by a socket when files are
 * reopened.
 */
#ifndef MASTER_LOGS_H
#define MASTER_LOGS_H

#include "common/error.h"
#include "common/logfile.h"
#include "config/config.h"

/*
 * Takes what the configuration says of logs: at the start, and again at each HUP. Errors: HUB_ESYSTEM, one
 * line; the logs are then as they were before. What could not be said otherwise is a warning in the log.
 */
hub_status logs_apply(const config *config, error *error);

/*
 * Opens the files anew by their names, for SIGUSR1: who moved them away finds new ones there. A file that
 * cannot be opened goes on as it was, with an error in it. What was opened is in *set, for the workers;
 * nothing of it is the caller's.
 */
void logs_reopen(logfile_set *set);

/* The descriptors that a child keeps for its logs besides the standard streams, at most LOGS_KEPT. */
enum { LOGS_KEPT = 2 };
size_t logs_kept(int kept[LOGS_KEPT]);

/* Where access lines go; -1: nowhere. */
int logs_access_fd(void);

/* The standard error that the server was started with, while a file stands in for it; else -1. */
int logs_console(void);

/* The same in a master that was started by another one: standard error is the file already, and what it
 * stands in for has this number. Before logs_apply. */
void logs_inherit_console(int fd);

/* Closes what was opened but standard error. */
void logs_close(void);

#endif
