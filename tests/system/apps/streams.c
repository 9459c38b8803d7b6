/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers that stream as the system tests ask them to. */
#include <hubbub.h>

#include <stdio.h>
#include <stdlib.h>

static double seconds(hub_bytes text)
{
    char copy[32] = "";
    memcpy(copy, text.data ? text.data : "", text.length < sizeof(copy) ? text.length : sizeof(copy) - 1);
    return strtod(copy, NULL);
}

/* ?first=S waits before the first read, ?each=S after each piece, ?pieces=N stops after so many; counts. */
static hub_status take(hub_http *http, void *arg)
{
    (void)arg;
    double each = seconds(hub_http_query(http, "each")), first = seconds(hub_http_query(http, "first"));
    double pieces = hub_http_query(http, "pieces").data ? seconds(hub_http_query(http, "pieces")) : 1e18;
    unsigned long long bytes = 0, sum = 0;
    hub_bytes piece;
    hub_status status = HUB_OK;
    if (first > 0)
        hub_sleep(first);
    while (pieces-- > 0 && (status = hub_http_read(http, &piece, HUB_FOREVER)) == HUB_OK &&
           piece.length > 0) {
        bytes += piece.length;
        for (size_t i = 0; i < piece.length; i++)
            sum += ((const unsigned char *)piece.data)[i];
        if (each > 0)
            hub_sleep(each);
    }
    hub_log(HUB_INFO, "took %llu bytes: %s", bytes, hub_status_name(status));
    if (status != HUB_OK)
        return status;
    return hub_http_replyf(http, 200, "text/plain", "%llu %llu", bytes, sum);
}

/* Sends back what comes, as it comes. */
static hub_status echo(hub_http *http, void *arg)
{
    (void)arg;
    hub_bytes piece;
    hub_status status = hub_http_start(http, 200, "application/octet-stream", -1);
    while (status == HUB_OK && (status = hub_http_read(http, &piece, HUB_FOREVER)) == HUB_OK &&
           piece.length > 0)
        status = hub_http_write(http, piece);
    return status;
}

/* ?bytes=N of "x"; ?length=N says so beforehand; ?fail=1 fails behind them. */
static hub_status give(hub_http *http, void *arg)
{
    (void)arg;
    static char piece[10000];
    memset(piece, 'x', sizeof(piece));
    size_t left = (size_t)seconds(hub_http_query(http, "bytes"));
    hub_bytes length = hub_http_query(http, "length");
    hub_status status = hub_http_start(http, 200, "text/plain", length.data ? (int64_t)seconds(length) : -1);
    while (left > 0 && status == HUB_OK) {
        size_t part = left < sizeof(piece) ? left : sizeof(piece);
        status = hub_http_write(http, hub_bytes_of(piece, part));
        left -= part;
    }
    hub_log(HUB_INFO, "gave all but %zu bytes: %s", left, hub_status_name(status));
    return hub_http_query(http, "fail").data ? HUB_EFAIL : status;
}

static unsigned subscribers;

/* Events every 50 ms, as long as there is somebody. */
static hub_status events(hub_http *http, void *arg)
{
    (void)arg;
    hub_status status = hub_sse_start(http);
    subscribers++;
    for (unsigned i = 1; status == HUB_OK; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%u", i);
        status = hub_sse_send(http, &(hub_sse_event){.event = hub_text("tick"),
                                                     .id = hub_text(id),
                                                     .data = hub_text("two\r\nlines")});
        if (status == HUB_OK)
            status = hub_sleep(0.05);
    }
    subscribers--;
    return status;
}

static hub_status count_subscribers(hub_http *http, void *arg)
{
    (void)arg;
    return hub_http_replyf(http, 200, "text/plain", "%u", subscribers);
}

static hub_status setup(hub_app *app)
{
    const hub_http_route routes[] = {
        {.method = "POST", .pattern = "/take", .handler = take, .stream_body = true, .max_body = 1000000000},
        {.method = "POST", .pattern = "/little", .handler = take, .stream_body = true, .max_body = 100},
        {.method = "POST", .pattern = "/echo", .handler = echo, .stream_body = true, .max_body = 1000000000},
        {.method = "GET", .pattern = "/give", .handler = give},
        {.method = "GET", .pattern = "/events", .handler = events},
        {.method = "GET", .pattern = "/subscribers", .handler = count_subscribers},
    };
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
        hub_status status = hub_on_http_route(app, &routes[i]);
        if (status != HUB_OK)
            return status;
    }
    return HUB_OK;
}

HUB_MODULE(.name = "streams", .setup = setup);
