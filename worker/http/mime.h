/* SPDX-License-Identifier: Apache-2.0 */
/* Content types of files, by their names' ends. */
#ifndef WORKER_HTTP_MIME_H
#define WORKER_HTTP_MIME_H

#include <hubbub.h>

/*
 * The type for a path or file name: "text/html; charset=utf-8" for "a/b.HTML"; "application/octet-stream" for
 * an unknown extension or none. A literal, never NULL.
 */
const char *mime_type(hub_bytes path);

#endif
