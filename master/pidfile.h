/* SPDX-License-Identifier: Apache-2.0 */
/* The file that names a server by its process id. */
#ifndef MASTER_PIDFILE_H
#define MASTER_PIDFILE_H

#include "common/error.h"

#include <sys/types.h>

/* What each master is called (PR_SET_NAME): by it a process id in a file is known to be one. */
#define PIDFILE_NAME "hubbub"

/*
 * Writes this process's id there, whole or not at all. A file that names another living hubbub is left alone;
 * one that names nobody, or a process that is something else by now, is replaced. Errors: HUB_EFULL (another
 * hubbub holds it), HUB_EINVAL (there is something else than a pid file), HUB_ESYSTEM (cannot be written: the
 * line says why).
 */
hub_status pidfile_write(const char *path, error *error);

/*
 * This process's file gets another name in one step, also when a file of the process `before` has it. Errors:
 * as pidfile_write; the file keeps its name then.
 */
hub_status pidfile_rename(const char *from, const char *to, pid_t before, error *error);

/* Removes it if it still names this process; says nothing when it does not. */
void pidfile_remove(const char *path);

/* The same for another process, which is gone. */
void pidfile_remove_of(const char *path, pid_t pid);

#endif
