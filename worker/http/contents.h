/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents of small files that were sent lately, so that they are not read again for each request, and many
 * answers share one piece of memory.
 *
 * What is kept is one version of a file: inode, size, times of modification and of change. Whoever asks has
 * opened the file and looked at it, so that a file that was changed, replaced or moved away is never answered
 * from here; files that changed in the last two seconds are not kept, because another change might bear the
 * same time (as for strong validators, see conditional.h; a writer through mmap(2) is seen when the kernel
 * notes the time of its change). At most 64 files of up to 64 KB, a worker.
 *
 * Single thread; any context.
 */
#ifndef WORKER_HTTP_CONTENTS_H
#define WORKER_HTTP_CONTENTS_H

#include "worker/net/chunk.h"

#include <sys/stat.h>
#include <time.h>

enum { CONTENTS_FILES = 64, CONTENTS_LENGTH_MAX = 64 * 1024 };

/*
 * The whole file as a shared chunk with a reference for the caller: kept from before, or read through `fd`
 * now. `info` is what fstat(2) just said of the same descriptor. NULL: send it by other means (empty, too
 * long, changed lately, no memory, or the reading failed). The descriptor stays the caller's, its offset as
 * it was.
 */
chunk *contents_of(int fd, const struct stat *info, struct timespec now);

/* Forgets all; at the end of a worker. */
void contents_trim(void);

#endif
