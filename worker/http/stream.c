/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/stream.h"

#include "common/log.h"
#include "worker/http/state.h"
#include "worker/http/upload.h"
#include "worker/hub/greenlet.h"

#include <stdio.h>

enum { SLICE = 64 * 1024 }; /* of a large piece that is queued at once */

/* ---- time ---- */

/* Seconds for which the client may still take nothing of what waits; negative: nothing waits. */
static double sending_time_left(const hub_http *http)
{
    const connection *c = http->connection;
    if (!http->stream.started || !c->out.first)
        return -1;
    double left = http_opened->send_timeout - wheel_since(http->stream.taken_at);
    return left > 0 ? left : 0;
}

void stream_arm(hub_http *http)
{
    if (!http->connection)
        return;
    double reading = upload_time_left(http), sending = sending_time_left(http);
    connection_time(http->connection, reading < 0 || (sending >= 0 && sending < reading) ? sending : reading);
}

/* Looks whether the client has taken something since the last look. Both counts wrap together. */
static bool has_taken(hub_http *http)
{
    uint64_t taken = http->stream.queued - output_untaken(&http->connection->out);
    if (taken == http->stream.taken)
        return false;
    http->stream.taken = taken;
    http->stream.taken_at = wheel_now();
    return true;
}

void stream_on_timer(hub_http *http)
{
    if (!has_taken(http) && sending_time_left(http) == 0) {
        connection_close(http->connection);
        return;
    }
    if (upload_time_left(http) == 0)
        upload_time_out(http);
    stream_arm(http);
}

void stream_on_end(hub_http *http)
{
    http->ended = true;
    upload_wake(http);
}

void stream_on_gone(hub_http *http)
{
    http->connection = NULL;
    upload_wake(http);
}

/* ---- writing ---- */

static bool is_gone(const hub_http *http)
{
    const connection *c = http->connection;
    return !c || c->closed || c->finishing;
}

/* Chooses the coding of the body. True: it is compressed, so that its length on the wire is not known. */
static bool choose_coding(hub_http *http, int status, const char *content_type, int64_t length, bool body)
{
    http_stream *stream = &http->stream;
    compressor_close(stream->compressor); /* of a start that failed */
    stream->compressor = NULL;
    if (!http_may_compress(http))
        return false;
    http->coded =
        compress_streamed(&http->head, status, content_type, buffer_bytes(&http->fields_out), length);
    if (http->coded == COMPRESS_GZIP && body && !(stream->compressor = compressor_open()))
        http->coded = COMPRESS_PLAIN;
    return http->coded == COMPRESS_GZIP;
}

hub_status hub_http_start(hub_http *http, int status, const char *content_type, int64_t length)
{
    http_stream *stream = &http->stream;
    bool old = http->head.minor == 0, body = http_wants_body(http, status);
    if (length < -1)
        return HUB_EINVAL;
    if (http->replied)
        return HUB_ESTATE;
    bool coded = choose_coding(http, status, content_type, length, body), known = length >= 0 && !coded;
    if (!known && old && body)
        http->close = true;
    hub_status result = http_begin_answer(http, status, content_type,
                                          known ? (uint64_t)length
                                          : old ? HTTP_LENGTH_TO_END
                                                : HTTP_LENGTH_CHUNKED);
    if (result != HUB_OK)
        return result;
    stream->started = true;
    stream->left = length >= 0 ? (uint64_t)length : UINT64_MAX;
    stream->sending = !body   ? HTTP_SENDS_NOTHING
                      : known ? HTTP_SENDS_LENGTH
                      : old   ? HTTP_SENDS_TO_END
                              : HTTP_SENDS_CHUNKS;
    stream->taken_at = wheel_now();
    return HUB_OK;
}

hub_status stream_wait(hub_http *http)
{
    if (!http->stream.started)
        return HUB_ESTATE;
    if (http->stream.sending == HTTP_SENDS_NOTHING) {
        /* Nothing that is written tells whether the client is there, nor holds a fast handler up. */
        if (is_gone(http) || http->ended)
            return HUB_ECLOSED;
        return HUB_OK;
    }
    while (!is_gone(http) && http->connection->out.bytes > http->connection->limits->soft) {
        if (!wheel_is_armed(&http->connection->timer))
            stream_arm(http);
        hub_status status = connection_wait_writable(http->connection, HUB_FOREVER);
        if (status != HUB_OK)
            return status;
    }
    return is_gone(http) ? HUB_ECLOSED : HUB_OK;
}

static hub_status queue_bytes(hub_http *http, hub_bytes bytes)
{
    http->stream.queued += bytes.length;
    return connection_write(http->connection, bytes);
}

/* A chunk: its size, the bytes, a line end (RFC 9112, section 7.1). */
static hub_status queue_chunk(hub_http *http, hub_bytes piece)
{
    char size[24];
    int length = snprintf(size, sizeof size, "%zx\r\n", piece.length);
    hub_status status = queue_bytes(http, hub_bytes_of(size, (size_t)length));
    if (status == HUB_OK)
        status = queue_bytes(http, piece);
    return status == HUB_OK ? queue_bytes(http, hub_text("\r\n")) : status;
}

static hub_status queue_piece(hub_http *http, hub_bytes piece)
{
    http->sent += piece.length;
    return http->stream.sending == HTTP_SENDS_CHUNKS ? queue_chunk(http, piece) : queue_bytes(http, piece);
}

static hub_status queue_compressed(hub_http *http, hub_bytes rest, bool last)
{
    hub_status status = HUB_OK;
    bool more = true;
    while (more && status == HUB_OK) {
        hub_bytes out;
        more = compressor_next(http->stream.compressor, &rest, last, &out);
        if (out.length > 0)
            status = queue_piece(http, out);
    }
    return status;
}

hub_status stream_put(hub_http *http, hub_bytes piece)
{
    http_stream *stream = &http->stream;
    if (piece.length > stream->left)
        return HUB_ETOOBIG;
    if (stream->left != UINT64_MAX)
        stream->left -= piece.length;
    if (piece.length == 0 || stream->sending == HTTP_SENDS_NOTHING)
        return HUB_OK; /* a chunk of no bytes would be the last */
    if (is_gone(http))
        return HUB_ECLOSED;
    connection *c = http->connection;
    if (!c->out.first)
        stream->taken_at = wheel_now();
    hub_status status = stream->compressor ? queue_compressed(http, piece, false) : queue_piece(http, piece);
    if (status == HUB_OK && !wheel_is_armed(&c->timer))
        stream_arm(http);
    return status;
}

/* A handler that writes without end, to a client that gets none of it or next to nothing, must let others
 * run. */
static hub_status breathe(hub_http *http, size_t length)
{
    http->stream.at_once += length;
    if (http->stream.at_once < SLICE)
        return HUB_OK;
    http->stream.at_once = 0;
    hub_status status = greenlet_park("a turn", 0);
    return status == HUB_ETIMEDOUT || status == HUB_ESTATE ? HUB_OK : status;
}

hub_status hub_http_write(hub_http *http, hub_bytes piece)
{
    if (!http->stream.started)
        return HUB_ESTATE;
    if (piece.length > http->stream.left)
        return HUB_ETOOBIG;
    if (piece.length == 0)
        return is_gone(http) ? HUB_ECLOSED : HUB_OK;
    hub_status status;
    do {
        size_t part = piece.length < SLICE ? piece.length : SLICE;
        status = stream_wait(http);
        if (status == HUB_OK)
            status = stream_put(http, hub_bytes_of(piece.data, part));
        if (status == HUB_OK && (http->stream.sending == HTTP_SENDS_NOTHING || http->stream.compressor))
            status = breathe(http, part);
        piece = hub_bytes_of((const char *)piece.data + part, piece.length - part);
    } while (status == HUB_OK && piece.length > 0);
    return status;
}

/* ---- the end ---- */

void stream_end(hub_http *http, hub_status status)
{
    const http_stream *stream = &http->stream;
    bool short_of = stream->left > 0 && stream->left != UINT64_MAX;
    if (is_gone(http) || stream->sending == HTTP_SENDS_NOTHING)
        return;
    if (status == HUB_OK && !short_of) {
        if (stream->compressor)
            queue_compressed(http, hub_bytes_of(NULL, 0), true);
        if (stream->sending == HTTP_SENDS_CHUNKS)
            connection_write(http->connection, hub_text("0\r\n\r\n"));
        return;
    }
    if (status == HUB_OK)
        log_error("%s: the answer is %llu bytes shorter than was said: its connection is cut off",
                  http->route->name, (unsigned long long)stream->left);
    http->close = true;
    if (stream->sending == HTTP_SENDS_TO_END)
        connection_reset(http->connection); /* an end of the connection would look like the answer's */
}
