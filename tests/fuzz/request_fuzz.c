/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests on one connection: heads, bodies, routes, queries, dates and handshakes. What comes of a stream
 * must not depend on how its bytes are cut. The input's first byte chooses the cuts, the rest is what a
 * client sends.
 */
#include "common/buffer.h"
#include "worker/http/body.h"
#include "worker/http/date.h"
#include "worker/http/field.h"
#include "worker/http/mime.h"
#include "worker/http/percent.h"
#include "worker/http/router.h"
#include "worker/ws/handshake.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 16 };
static const http_limits limits = {.request_line = 300, .fields = FIELDS, .head = 1500, .body = 3000};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static size_t next_cut(uint32_t *seed, size_t left)
{
    if (*seed == 0)
        return left;
    *seed = *seed * 1664525 + 1013904223;
    size_t cut = 1 + (*seed >> 8) % (*seed % 3 == 0 ? 500 : 7);
    return cut < left ? cut : left;
}

static bool lies_in(hub_bytes part, hub_bytes whole)
{
    const char *start = whole.data, *at = part.data;
    return part.length == 0 || (at >= start && at + part.length <= start + whole.length);
}

static void say(buffer *told, const char *word, long number)
{
    require(buffer_printf(told, "%s %ld\n", word, number) == HUB_OK);
}

/* ---- what is done with a request ---- */

static router *routes_of_the_test(void)
{
    static router *routes;
    static const char *const patterns[] = {"/",        "/users/:id", "/users/me", "/users/:id/posts/:post",
                                           "/files/*", "/a b/:x/*"};
    if (!routes) {
        routes = router_new();
        require(routes != NULL);
        for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
            require(router_add(routes, i % 2 ? "GET" : "*", patterns[i], ROUTE_HTTP, NULL) == HUB_OK);
        require(router_add(routes, "GET", "/users/:id", ROUTE_WS, NULL) == HUB_OK);
    }
    return routes;
}

static void decode(hub_bytes text, bool may_be_bad)
{
    char *out = malloc(text.length + 1);
    size_t length = 0;
    require(out != NULL);
    percent_result checked = percent_check(text);
    require(percent_decode(text, out, &length) == checked);
    require(length <= text.length && (may_be_bad || checked == PERCENT_OK));
    if (checked != PERCENT_BAD)
        require(percent_compare(text, hub_bytes_of(out, length)) == 0);
    free(out);
}

static void find_route(const http_head *head, buffer *told)
{
    const router *routes = routes_of_the_test();
    router_match match;
    char allowed[40];
    router_result result = router_find(routes, ROUTE_HTTP, head->method, head->path, &match);
    say(told, "route", result);
    if (result == ROUTER_FOUND)
        for (size_t i = 0; i < match.parameter_count; i++) {
            require(lies_in(match.parameters[i], head->path));
            decode(match.parameters[i], false);
        }
    require(router_allow(routes, ROUTE_HTTP, head->path, allowed, sizeof allowed) < sizeof allowed);
    require(result != ROUTER_METHOD || allowed[0] != '\0');
    router_find(routes, ROUTE_WS, head->method, head->path, &match);
}

static void use_head(const http_head *head, hub_bytes bytes, buffer *told)
{
    hub_bytes query = head->query, name, value;
    char first = *(const char *)head->path.data;
    require(first == '/' || hub_equal(head->path, hub_text("*")));
    require(lies_in(head->method, bytes) && lies_in(head->target, bytes) && lies_in(head->query, bytes));
    require(head->host.length > 0 || head->minor == 0);
    require(head->content_length <= limits.body && head->field_count <= FIELDS);
    while (query_next(&query, &name, &value)) {
        decode(name, true);
        decode(value, true);
    }
    for (size_t i = 0; i < head->field_count; i++) {
        int64_t time;
        require(lies_in(head->fields[i].name, bytes) && lies_in(head->fields[i].value, bytes));
        require(field_name_valid(head->fields[i].name) && field_value_valid(head->fields[i].value));
        if (date_parse(head->fields[i].value, 1800000000, &time)) {
            char text[DATE_LENGTH + 1];
            int64_t again;
            date_format(time, text);
            require(date_parse(hub_text(text), 1800000000, &again) && again == time);
        }
    }
    require(mime_type(head->path) != NULL);
    say(told, "handshake", handshake_check(head).status);
    say(told, "origin", handshake_origin_allowed(head, hub_text("same, https://a.example")));
    say(told, "subprotocol", (long)handshake_subprotocol(head, hub_text("chat, echo")).length);
    find_route(head, told);
}

/* ---- a connection ---- */

/* Copies the bytes, so that the sanitizer sees every step beyond them. */
static char *copy_of(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    require(copy != NULL);
    memcpy(copy, data, size);
    return copy;
}

/* Reads the head at the start of the bytes; returns its length, 0 when the connection is to end here. */
static size_t read_head(const uint8_t *data, size_t size, uint32_t *seed, http_body *body, buffer *told)
{
    size_t scanned = 0, end = 0, given = 0;
    while (end == 0 && given < size) {
        given += next_cut(seed, size - given);
        char *copy = copy_of(data, given);
        end = http_head_end(copy, given, &scanned);
        require(end <= given && scanned <= given);
        free(copy);
    }
    if (end == 0)
        return 0;

    char *copy = copy_of(data, end);
    hub_bytes bytes = hub_bytes_of(copy, end);
    http_field fields[FIELDS];
    http_head head;
    http_error error = http_parse_head(bytes, &limits, fields, &head);
    say(told, "head", error);
    if (error == HTTP_ERROR_NONE) {
        use_head(&head, bytes, told);
        http_body_open(body, &head, &limits);
    } else {
        require(http_error_status(error) >= 400);
        end = 0;
    }
    free(copy);
    return end;
}

static size_t read_body(const uint8_t *data, size_t size, uint32_t *seed, http_body *body, buffer *told)
{
    size_t at = 0;
    for (;;) {
        size_t given = next_cut(seed, size - at), used = 0, consumed;
        char *copy = copy_of(data + at, given);
        http_body_result result;
        http_error error;
        hub_bytes piece;
        do {
            result = http_body_next(body, copy + used, given - used, &consumed, &piece, &error);
            require(lies_in(piece, hub_bytes_of(copy + used, given - used)));
            used += consumed;
            require(used <= given && buffer_append(told, piece.data, piece.length) == HUB_OK);
        } while (result == HTTP_BODY_PIECE);
        free(copy);
        at += used;
        if (result == HTTP_BODY_DONE)
            return at;
        if (result == HTTP_BODY_ERROR || at == size) {
            say(told, "body", error);
            return SIZE_MAX;
        }
    }
}

static buffer run(const uint8_t *data, size_t size, uint32_t seed)
{
    buffer told = {0};
    http_body body;
    for (size_t at = 0; at < size;) {
        size_t length = read_head(data + at, size - at, &seed, &body, &told);
        if (length == 0)
            break;
        at += length;
        size_t taken = read_body(data + at, size - at, &seed, &body, &told);
        if (taken == SIZE_MAX)
            break;
        at += taken;
    }
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    buffer whole = run(data + 1, size - 1, 0);
    buffer cut = run(data + 1, size - 1, (uint32_t)data[0] + 1);
    require(hub_equal(buffer_bytes(&whole), buffer_bytes(&cut)));
    buffer_free(&whole);
    buffer_free(&cut);
    return 0;
}
