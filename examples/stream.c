/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies that come and go in pieces. POST /upload counts and hashes what it is sent, of any size; GET
 * /download/MEGABYTES is made while it is sent; GET /clock tells the time every second as Server-Sent Events.
 * None of them holds more than a few pieces in memory, however slow the client is.
 */
#include <hubbub.h>
#include <stdio.h>
#include <time.h>

/* FNV-1a: short, and enough to see that every byte has come. */
static uint64_t hash_more(uint64_t hash, hub_bytes piece)
{
    const unsigned char *bytes = piece.data;
    for (size_t i = 0; i < piece.length; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static hub_status upload(hub_http *http, void *arg)
{
    (void)arg;
    uint64_t hash = UINT64_C(0xcbf29ce484222325), bytes = 0;
    hub_bytes piece;
    hub_status status;
    while ((status = hub_http_read(http, &piece, HUB_FOREVER)) == HUB_OK && piece.length > 0) {
        hash = hash_more(hash, piece);
        bytes += piece.length;
    }
    if (status != HUB_OK)
        return status;
    return hub_http_replyf(http, 200, "text/plain", "%llu bytes, FNV-1a %016llx\n", (unsigned long long)bytes,
                           (unsigned long long)hash);
}

/* The digits in front; more than six are no sensible number here. */
static unsigned number(hub_bytes text)
{
    const char *digits = text.data;
    unsigned value = 0;
    for (size_t i = 0; i < text.length && i < 6 && digits[i] >= '0' && digits[i] <= '9'; i++)
        value = value * 10 + (unsigned)(digits[i] - '0');
    return value;
}

static hub_status download(hub_http *http, void *arg)
{
    (void)arg;
    char line[64];
    unsigned lines = number(hub_http_param(http, "megabytes")) * (1000000 / 50);
    hub_status status = hub_http_start(http, 200, "text/plain", (int64_t)lines * 50);
    for (unsigned i = 0; i < lines && status == HUB_OK; i++) {
        int length = snprintf(line, sizeof(line), "%08u %040u\n", i, i * 2654435761U);
        status = hub_http_write(http, hub_bytes_of(line, (size_t)length));
    }
    return status;
}

/* A client that comes again after a lost connection goes on where it was: the id is the count. */
static hub_status tell_time(hub_http *http, void *arg)
{
    (void)arg;
    unsigned count = number(hub_http_header(http, "Last-Event-ID"));
    hub_status status = hub_sse_start(http);
    while (status == HUB_OK) {
        char id[16], text[64];
        time_t now = time(NULL);
        struct tm utc;
        gmtime_r(&now, &utc);
        snprintf(id, sizeof(id), "%u", ++count);
        strftime(text, sizeof(text), "%H:%M:%S UTC", &utc);
        status =
            hub_sse_send(http, &(hub_sse_event){.id = hub_text(id), .data = hub_text(text), .retry = 1000});
        if (status == HUB_OK)
            status = hub_sleep(1.0);
    }
    return status;
}

static hub_status setup(hub_app *app)
{
    hub_http_route uploads = {.method = "POST",
                              .pattern = "/upload",
                              .handler = upload,
                              .stream_body = true,
                              .max_body = UINT64_C(1) << 40};
    hub_status status = hub_on_http_route(app, &uploads);
    if (status == HUB_OK)
        status = hub_on_http(app, "GET", "/download/:megabytes", download, NULL);
    if (status == HUB_OK)
        status = hub_on_http(app, "GET", "/clock", tell_time, NULL);
    return status == HUB_OK ? hub_static(app, "/", "public/stream") : status;
}

HUB_MODULE(.name = "stream", .setup = setup);
