/* SPDX-License-Identifier: Apache-2.0 */
/* `hubbub chat.c`: a C file becomes the shared object that workers load. */
#ifndef WORKER_APP_COMPILE_H
#define WORKER_APP_COMPILE_H

#include "common/error.h"

/* True for a path that ends in ".c". */
bool compile_is_source(const char *path);

/*
 * Compiles one C file with $CC, or cc, and gives the path of the shared object, which the caller frees. The
 * result is kept in a cache: $XDG_CACHE_HOME/hubbub, else ~/.cache/hubbub, else /tmp/hubbub-UID with mode
 * 0700, whichever is first found or made and belongs to this user alone. Its name is made from the
 * preprocessed source, the compiler and its flags, so a changed header counts as well as a changed source,
 * and what did not change is not compiled again. A result appears whole or not at all.
 *
 * Waits for the compiler: only at start-up, before there is a loop. The compiler's own messages go to
 * standard error as they are. No shell is involved; $CC is split at blanks ("ccache gcc").
 *
 * Errors: HUB_ENOENT (the source cannot be read), HUB_EFAIL (the compiler found errors, or there is no
 * compiler), HUB_ESYSTEM (no folder for the cache, no process), HUB_ENOMEM.
 */
hub_status compile_application(const char *source, char **shared_object, error *error);

#endif
