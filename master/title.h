/* SPDX-License-Identifier: Apache-2.0 */
/* What ps shows of a process. */
#ifndef MASTER_TITLE_H
#define MASTER_TITLE_H

#include "common/error.h"

/*
 * Takes over the memory of the arguments that the process was started with: argv[] and environ[] then point
 * to copies, which live as long as the process. Called first in main, while there is one thread. Without it,
 * or after HUB_ENOMEM, titles are not set; nothing else is different then.
 */
hub_status title_open(int argc, char *argv[]);

/*
 * Sets the line that ps and /proc/PID/cmdline show, cut when it does not fit into the memory of the first
 * arguments and the first environment, and wipes what is left of the arguments (there may be secrets among
 * them). Of the first environment only as much is overwritten as the title needs; environ[] is not concerned.
 * `name` is what top and pkill see: 15 bytes. For this process and those that it forks.
 */
void title_set(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
