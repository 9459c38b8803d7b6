/* SPDX-License-Identifier: Apache-2.0 */
/* Opening files below a directory, and nowhere else. */
#ifndef WORKER_HTTP_BENEATH_H
#define WORKER_HTTP_BENEATH_H

/*
 * Opens a file or directory below the directory `root` for reading; never waits (a FIFO opens at once) and
 * takes no terminal. `path` is relative, with one name or more between slashes, no "." and "..". Returns a
 * descriptor, or -1 with errno as open(2) sets it.
 *
 * With openat2(2) the kernel keeps the look-up below the root, whatever is renamed meanwhile: symbolic links
 * that stay inside are followed, others are refused (EXDEV). Where it is missing or forbidden, the names are
 * opened one by one and no link is followed (ELOOP, ENOTDIR).
 */
int beneath_open(int root, const char *path);

#endif
