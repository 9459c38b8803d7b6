/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files below a directory, as an HTTP handler: GET and HEAD, type by extension, index.html for a directory,
 * sent by sendfile(2). Conditions (conditional.h), ranges (range.h), and codings (coding.h) that lie ready
 * beside a file.
 */
#ifndef WORKER_HTTP_STATIC_H
#define WORKER_HTTP_STATIC_H

#include "common/error.h"

typedef struct static_root static_root;

/*
 * Opens a directory to serve. `cache_seconds` is the max-age of its files; 0: "no-cache". Errors: HUB_ENOENT
 * (no such directory, or not to be opened; the line says why), HUB_ENOMEM. static_close takes NULL too.
 */
hub_status static_open(static_root **root, const char *directory, unsigned cache_seconds, error *error);
void static_close(static_root *root);

/*
 * Answers a request for the file that the route's `*` parameter names. `root` is the handler's argument.
 * Nothing outside the root is opened: not by dots, an encoded slash or NUL, absolute links, or links that
 * lead out (beneath.h). Only regular files are sent.
 *
 * 200; 206 for ranges, several of them as multipart/byteranges (RFC 9110, 14.6), but of a coding the whole;
 * 301 for a directory without its slash; 304 and 412 by conditions; 404; 406 when identity is refused and no
 * accepted coding lies ready; 416; 503 with Retry-After when descriptors or memory have run out.
 *
 * Of FILE the client gets FILE.br or FILE.gz where it accepts the coding, with FILE's type and the other's
 * own validators. The answer always varies by Accept-Encoding, as such a file may be put beside at any time.
 */
hub_status static_serve(hub_http *http, void *root);

#endif
