/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a request that its handler reads itself, in pieces: behind hub_http_read. Two buffers change
 * places: one that the handler reads, and one that the socket is read into. When the second is full the
 * connection is paused, so at most twice UPLOAD_ROOM waits, and what came together with the head.
 *
 * What arrives is decoded when the handler asks for it, so an error in the body is found there, and what came
 * behind the body is left for the server. Functions without a word about it take an exchange without an
 * upload too, and then do nothing, or give what stands for nothing.
 */
#ifndef WORKER_HTTP_UPLOAD_H
#define WORKER_HTTP_UPLOAD_H

#include "worker/http/exchange.h"

enum { UPLOAD_ROOM = 32 * 1024 };

/* Begins with what came behind the head, which is copied. Errors: HUB_ENOMEM. */
hub_status upload_open(hub_http *http, hub_bytes came);
void upload_free(hub_http *http);

/* Hub context, with an upload: where to read to, NULL for anywhere; and bytes that were read, there or
 * anywhere. Without memory for them the connection is closed. */
void *upload_room(hub_http *http, size_t *room);
void upload_take(hub_http *http, const unsigned char *data, size_t length);

/* Wakes a handler that waits: something about its connection has changed. */
void upload_wake(hub_http *http);

/* Seconds for which the client may still send nothing; negative: nobody waits for it. */
double upload_time_left(const hub_http *http);

/* That time is over: the body cannot be read on. */
void upload_time_out(hub_http *http);

/* Why the body cannot be read on. */
http_error upload_problem(const hub_http *http);

/* True when the client ended before its body did. */
bool upload_is_cut_short(const hub_http *http);

/* True while the client waits for a 100 (Continue) before it sends its body. */
bool upload_is_awaited(const hub_http *http);

/* True when the handler has read the body to its end. */
bool upload_is_whole(const hub_http *http);

/* With an upload: appends what was not read to *rest and frees the upload. Errors: HUB_ENOMEM. */
hub_status upload_rest(hub_http *http, buffer *rest);

#endif
