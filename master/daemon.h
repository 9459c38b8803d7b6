/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into the background, with an answer: the command that was typed waits until the server serves or has
 * failed, shows its messages and returns its exit code. Once a process.
 */
#ifndef MASTER_DAEMON_H
#define MASTER_DAEMON_H

#include "common/error.h"

/*
 * Forks twice, into a session of its own without a terminal. Returns HUB_OK in the daemon, which goes on as
 * the server; its standard error is still that of the command. In the command itself it returns HUB_ECLOSED
 * once the daemon has said how its start went, with what it said in *exit_code (1, and a line on standard
 * error, when it died without a word). Errors: HUB_ESYSTEM, in the command; there is no daemon.
 */
hub_status daemon_begin(int *exit_code, error *error);

/*
 * The daemon says how its start went, and the command returns. After 0 the daemon has let go of the command's
 * standard streams (daemon_detach). Nothing happens in a server in the foreground, or when it was said
 * before.
 */
void daemon_say(int exit_code);

/*
 * Puts /dev/null in place of standard input, and of standard output and standard error where these are no
 * regular files: a terminal could be closed, and whoever reads a pipe to its end would wait for the daemon's.
 * Nothing happens in a server in the foreground.
 */
void daemon_detach(void);

#endif
