/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that logs are appended to, and their way from the process that may open them to those that write.
 *
 * A worker has given its privileges away and often could not open the file anew by its name, nor should a log
 * be writable to anybody who took a worker over. So the master alone opens, and hands the descriptors over a
 * socket.
 */
#ifndef COMMON_LOGFILE_H
#define COMMON_LOGFILE_H

#include "common/error.h"

/*
 * Opens a file, made when it is not there, so that each write lands at its end whoever else writes to it;
 * close-on-exec. `name` is the option, for the error. A FIFO is opened non-blocking, and must have a reader.
 * Errors: HUB_ESYSTEM.
 */
hub_status logfile_open(int *fd, const char *path, const char *name, error *error);

/*
 * A descriptor of its own, for lines that must not wait, of what `from` writes to; close-on-exec. What can be
 * opened anew is, non-blocking, because that mode would also be everybody else's who has `from`. -1 with
 * errno.
 */
int logfile_reopen_stream(int from);

/* A pair of sockets for logfile_pass and logfile_take, close-on-exec and non-blocking. Errors: HUB_ESYSTEM.
 */
hub_status logfile_channel(int ends[2], error *error);

/* What is handed over; -1: that one stays. */
typedef struct logfile_set {
    int error, access;
} logfile_set;

/* Hands copies over without waiting. False with errno: EAGAIN when too many wait already. */
bool logfile_pass(int channel, const logfile_set *set);

/* Takes the oldest that was handed over; the descriptors are the caller's. False with errno: EAGAIN when
 * nothing waits, EPIPE when nothing will come. */
bool logfile_take(int channel, logfile_set *set);

#endif
