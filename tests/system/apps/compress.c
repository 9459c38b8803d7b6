/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that may be compressed, made as the query says:
 *   length=N   bytes of the body (2000)        type=T     its content type (text/plain)
 *   kind=text|noise|zeros                      status=N
 *   vary=, etag=, cache=, coding=, range=      header lines to be set
 */
#define _GNU_SOURCE
#include <hubbub.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static hub_event *go_on;

static void query(const hub_http *http, const char *name, const char *otherwise, char to[256])
{
    hub_bytes value = hub_http_query(http, name);
    if (value.data)
        snprintf(to, 256, "%.*s", (int)value.length, (const char *)value.data);
    else
        snprintf(to, 256, "%s", otherwise);
}

static size_t number(const hub_http *http, const char *name, const char *otherwise)
{
    char text[256];
    query(http, name, otherwise, text);
    return strtoul(text, NULL, 10);
}

static char *make(const char *kind, size_t length)
{
    uint32_t x = 1;
    char *body = calloc(1, length + 1);
    for (size_t i = 0; body && i < length; i++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        if (kind[0] == 'n')
            body[i] = (char)x;
        else if (kind[0] == 't')
            body[i] = "the letters of a text "[(i + (i % 97 == 0 ? x : 0)) % 22];
    }
    return body;
}

static void set_fields(hub_http *http)
{
    static const char *const names[][2] = {{"vary", "Vary"},
                                           {"etag", "ETag"},
                                           {"cache", "Cache-Control"},
                                           {"coding", "Content-Encoding"},
                                           {"range", "Content-Range"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        hub_bytes value = hub_http_query(http, names[i][0]);
        if (value.data)
            hub_http_set(http, names[i][1], value);
    }
}

/* Answers 304 to a request whose If-None-Match has the tag, in the weak comparison (RFC 9110, 13.1.2). */
static bool is_known(const hub_http *http)
{
    hub_bytes tag = hub_http_query(http, "etag"), asked = hub_http_header(http, "If-None-Match");
    return tag.data && asked.data && memmem(asked.data, asked.length, tag.data, tag.length);
}

static hub_status whole(hub_http *http, void *arg)
{
    (void)arg;
    char kind[256], type[256];
    query(http, "kind", "text", kind);
    query(http, "type", "text/plain", type);
    size_t length = number(http, "length", "2000");
    set_fields(http);
    if (is_known(http))
        return hub_http_reply(http, 304, NULL, hub_bytes_of(NULL, 0));
    char *body = make(kind, length);
    if (!body)
        return HUB_ENOMEM;
    hub_status status =
        hub_http_reply(http, (int)number(http, "status", "200"), type, hub_bytes_of(body, length));
    free(body);
    return status;
}

/* The same in writes of `piece` bytes; `said`: the length is said at first; `short`: bytes that are missing.
 */
static hub_status streamed(hub_http *http, void *arg)
{
    (void)arg;
    char kind[256], type[256];
    query(http, "kind", "text", kind);
    query(http, "type", "text/plain", type);
    size_t length = number(http, "length", "2000"), piece = number(http, "piece", "500");
    size_t missing = number(http, "short", "0");
    bool is_said = number(http, "said", "0") > 0;
    set_fields(http);
    char *body = make(kind, length);
    if (!body)
        return HUB_ENOMEM;
    hub_status status = hub_http_start(http, 200, type, is_said ? (int64_t)length : -1);
    for (size_t at = 0; status == HUB_OK && at < length - missing; at += piece) {
        size_t part = length - missing - at < piece ? length - missing - at : piece;
        status = hub_http_write(http, hub_bytes_of(body + at, part));
    }
    free(body);
    return status;
}

/* Zeros without end for the memory: `length` bytes in one piece of 1 MB again and again. */
static hub_status bomb(hub_http *http, void *arg)
{
    (void)arg;
    static char zeros[1 << 20];
    hub_status status = hub_http_start(http, 200, "text/plain", -1);
    for (size_t left = number(http, "length", "0"); status == HUB_OK && left >= sizeof zeros;
         left -= sizeof zeros)
        status = hub_http_write(http, hub_bytes_of(zeros, sizeof zeros));
    return status;
}

/* Writes a word for each POST to /next. */
static hub_status words(hub_http *http, void *arg)
{
    (void)arg;
    static const char *const all[] = {"first ", "second ", "third"};
    hub_status status = hub_http_start(http, 200, "text/plain", -1);
    for (size_t i = 0; status == HUB_OK && i < 3; i++) {
        status = hub_http_write(http, hub_text(all[i]));
        if (status == HUB_OK)
            status = hub_event_wait(go_on, 60);
        hub_event_clear(go_on);
    }
    return status;
}

static hub_status next(hub_http *http, void *arg)
{
    (void)arg;
    hub_event_set(go_on);
    return hub_http_reply(http, 204, NULL, hub_bytes_of(NULL, 0));
}

static hub_status setup(hub_app *app)
{
    static const hub_http_route routes[] = {
        {.method = "*", .pattern = "/whole", .handler = whole},
        {.method = "*", .pattern = "/whole/on", .handler = whole, .compress = HUB_COMPRESS_ON},
        {.method = "*", .pattern = "/whole/off", .handler = whole, .compress = HUB_COMPRESS_OFF},
        {.method = "*", .pattern = "/stream", .handler = streamed},
        {.method = "*", .pattern = "/stream/on", .handler = streamed, .compress = HUB_COMPRESS_ON},
        {.method = "*", .pattern = "/stream/off", .handler = streamed, .compress = HUB_COMPRESS_OFF},
        {.method = "GET", .pattern = "/bomb", .handler = bomb},
        {.method = "GET", .pattern = "/words", .handler = words},
        {.method = "POST", .pattern = "/next", .handler = next},
    };
    go_on = hub_event_new();
    hub_status status = go_on ? hub_static(app, "/files", "files") : HUB_ENOMEM;
    for (size_t i = 0; status == HUB_OK && i < sizeof routes / sizeof *routes; i++)
        status = hub_on_http_route(app, &routes[i]);
    return status;
}

HUB_MODULE(.name = "compress", .setup = setup);
