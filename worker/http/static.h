/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files below a directory, as an HTTP handler: GET and HEAD, type by extension, Last-Modified with 304 (RFC
 * 9110, 13.1.3), index.html for a directory, sent by sendfile(2).
 */
#ifndef WORKER_HTTP_STATIC_H
#define WORKER_HTTP_STATIC_H

#include "common/error.h"

typedef struct static_root static_root;

/*
 * Opens a directory to serve. Errors: HUB_ENOENT (no such directory, or not to be opened; the line says why),
 * HUB_ENOMEM. static_close takes NULL too.
 */
hub_status static_open(static_root **root, const char *directory, error *error);
void static_close(static_root *root);

/*
 * Answers a request for the file that the route's `*` parameter names. `root` is the handler's argument.
 * Nothing outside the root is opened: not by dots, an encoded slash or NUL, absolute links, or links that
 * lead out. Only regular files are sent.
 */
hub_status static_serve(hub_http *http, void *root);

#endif
