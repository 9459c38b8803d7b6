/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/upload.h"

#include "common/clock.h"
#include "worker/http/state.h"
#include "worker/http/stream.h"
#include "worker/hub/greenlet.h"

#include <stdlib.h>

struct upload {
    buffer reading;     /* what a handler is lent lies in it */
    size_t used;        /* bytes of these that are done with */
    buffer filling;     /* what came after them */
    greenlet *waiting;  /* in hub_http_read */
    uint32_t since;     /* wheel tick since which it waits */
    http_error problem; /* why nothing more can be read */
    bool whole;         /* read to its end */
    bool awaited;       /* the client waits for a 100 */
};

/* ---- what arrives ---- */

hub_status upload_open(hub_http *http, hub_bytes came)
{
    upload *u = calloc(1, sizeof *u);
    if (!u)
        return HUB_ENOMEM;
    if (buffer_append(&u->reading, came.data, came.length) != HUB_OK) {
        free(u);
        return HUB_ENOMEM;
    }
    u->awaited = http->head.expect_continue && came.length == 0;
    http->upload = u;
    return HUB_OK;
}

void upload_free(hub_http *http)
{
    upload *u = http->upload;
    if (!u)
        return;
    buffer_free(&u->reading);
    buffer_free(&u->filling);
    free(u);
    http->upload = NULL;
}

void *upload_room(hub_http *http, size_t *room)
{
    buffer *to = &http->upload->filling;
    if (to->length >= UPLOAD_ROOM || buffer_reserve(to, UPLOAD_ROOM - to->length) != HUB_OK)
        return NULL;
    *room = UPLOAD_ROOM - to->length;
    return to->data + to->length;
}

void upload_take(hub_http *http, const unsigned char *data, size_t length)
{
    upload *u = http->upload;
    buffer *to = &u->filling;
    if (to->data && (const char *)data == to->data + to->length)
        to->length += length;
    else if (buffer_append(to, data, length) != HUB_OK) {
        connection_close(http->connection);
        return;
    }
    if (to->length >= UPLOAD_ROOM)
        connection_pause(http->connection, true);
    upload_wake(http);
}

void upload_wake(hub_http *http)
{
    if (http->upload && http->upload->waiting)
        greenlet_wake(http->upload->waiting, HUB_OK);
}

/* ---- time ---- */

double upload_time_left(const hub_http *http)
{
    const upload *u = http->upload;
    if (!u || !u->waiting || u->problem != HTTP_ERROR_NONE)
        return -1;
    double left = http_opened->body_timeout - wheel_since(u->since);
    return left > 0 ? left : 0;
}

/* Nothing more of the connection is read as anything. */
static void fail(hub_http *http, http_error problem)
{
    http->upload->problem = problem;
    http->close = true;
}

void upload_time_out(hub_http *http)
{
    fail(http, HTTP_ERROR_TIMEOUT);
    upload_wake(http);
}

/* ---- what the server asks ---- */

http_error upload_problem(const hub_http *http)
{
    return http->upload ? http->upload->problem : HTTP_ERROR_NONE;
}

bool upload_is_cut_short(const hub_http *http)
{
    const upload *u = http->upload;
    return u && http->ended && !u->whole && u->filling.length == 0 && u->used == u->reading.length;
}

bool upload_is_awaited(const hub_http *http)
{
    return http->upload && http->upload->awaited;
}

bool upload_is_whole(const hub_http *http)
{
    return !http->upload || http->upload->whole;
}

hub_status upload_rest(hub_http *http, buffer *rest)
{
    upload *u = http->upload;
    size_t unread = u->reading.length - u->used;
    hub_status status = buffer_reserve(rest, unread + u->filling.length);
    if (status == HUB_OK) {
        buffer_append(rest, unread ? u->reading.data + u->used : NULL, unread);
        buffer_append(rest, u->filling.data, u->filling.length);
    }
    upload_free(http);
    return status;
}

/* ---- the handler's side ---- */

static hub_status status_of(http_error problem)
{
    switch (problem) {
    case HTTP_ERROR_BODY_TOO_LARGE:
    case HTTP_ERROR_TRAILERS_TOO_LARGE:
        return HUB_ETOOBIG;
    case HTTP_ERROR_TIMEOUT:
        return HUB_ECLOSED;
    default:
        return HUB_EPROTO;
    }
}

/* What has been read makes room for what came meanwhile. False: nothing came. */
static bool change_places(hub_http *http)
{
    upload *u = http->upload;
    if (u->filling.length == 0)
        return false;
    buffer emptied = u->reading;
    u->reading = u->filling;
    u->used = 0;
    if (emptied.capacity > UPLOAD_ROOM)
        buffer_free(&emptied);
    buffer_clear(&emptied);
    u->filling = emptied;
    if (!http->ended)
        connection_pause(http->connection, false);
    return true;
}

/* HUB_EAGAIN: nothing is there. */
static hub_status next_piece(hub_http *http, hub_bytes *piece)
{
    upload *u = http->upload;
    if (u->problem != HTTP_ERROR_NONE)
        return status_of(u->problem);
    if (u->whole)
        return HUB_OK;
    if (!http->connection || http->connection->closed)
        return HUB_ECLOSED;
    for (;;) {
        size_t consumed = 0, length = u->reading.length - u->used;
        const char *data = length ? u->reading.data + u->used : "";
        http_error problem;
        http_body_result result = http_body_next(&http->reader, data, length, &consumed, piece, &problem);
        u->used += consumed;
        switch (result) {
        case HTTP_BODY_PIECE:
            return HUB_OK;
        case HTTP_BODY_DONE:
            u->whole = true;
            return HUB_OK;
        case HTTP_BODY_ERROR:
            fail(http, problem);
            return status_of(problem);
        case HTTP_BODY_MORE:
            if (!change_places(http))
                return http->ended ? HUB_ECLOSED : HUB_EAGAIN;
        }
    }
}

/* Parks until something came or happened. Who waits keeps no memory for what he has read. */
static hub_status wait_for_more(hub_http *http, double timeout)
{
    upload *u = http->upload;
    if (timeout == 0)
        return HUB_ETIMEDOUT;
    u->waiting = greenlet_current();
    if (!u->waiting)
        return HUB_ESTATE;
    buffer_free(&u->reading);
    u->used = 0;
    u->since = wheel_now();
    stream_arm(http);
    hub_status status = greenlet_park("the body of a request", timeout);
    u->waiting = NULL;
    return status;
}

static double time_until(uint64_t deadline)
{
    uint64_t now = clock_monotonic_ns();
    return now < deadline ? (double)(deadline - now) / (double)CLOCK_NS_PER_S : 0;
}

hub_status hub_http_read(hub_http *http, hub_bytes *piece, double timeout)
{
    upload *u = http->upload;
    bool forever = timeout < 0 || timeout > 1e9;
    *piece = hub_bytes_of(NULL, 0);
    if (!http->route || !http->route->stream_body || (u && u->waiting))
        return HUB_ESTATE;
    if (!u)
        return HUB_OK; /* a request without a body */
    if (u->awaited && !http->replied && http->connection) {
        u->awaited = false;
        connection_write(http->connection, hub_text("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    hub_status status = next_piece(http, piece);
    uint64_t deadline = 0;
    if (status == HUB_EAGAIN && !forever)
        deadline = clock_monotonic_ns() + (uint64_t)(timeout * (double)CLOCK_NS_PER_S);
    while (status == HUB_EAGAIN) {
        status = wait_for_more(http, forever ? HUB_FOREVER : timeout > 0 ? time_until(deadline) : 0);
        if (status == HUB_OK)
            status = next_piece(http, piece);
    }
    return status;
}
