/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/exchange.h"

#include "worker/http/access.h"
#include "worker/http/date.h"
#include "worker/http/field.h"
#include "worker/http/forwarded.h"
#include "worker/http/percent.h"
#include "worker/http/status.h"
#include "worker/http/upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { KEPT = 16 };

struct lent {
    lent *next;
    char bytes[];
};

static hub_http *kept;
static unsigned kept_count;
static buffer head_scratch;
static http_field *fields_read;
static size_t field_room;

/* ---- life ---- */

static bool reserve_fields(size_t count)
{
    if (count <= field_room)
        return true;
    http_field *larger = realloc(fields_read, count * sizeof *larger);
    if (!larger)
        return false;
    fields_read = larger;
    field_room = count;
    return true;
}

hub_http *exchange_new(size_t fields)
{
    hub_http *http = kept;
    if (!reserve_fields(fields))
        return NULL;
    if (http) {
        kept = http->next_free;
        kept_count--;
    } else {
        http = malloc(sizeof *http);
        if (!http)
            return NULL;
    }
    memset(http, 0, sizeof *http);
    return http;
}

http_field *exchange_fields(void)
{
    return fields_read;
}

hub_status exchange_own_fields(hub_http *http)
{
    size_t count = http->head.field_count;
    if (count == 0 || http->own_fields)
        return HUB_OK;
    http->own_fields = malloc(count * sizeof *http->own_fields);
    if (!http->own_fields)
        http->head.field_count = 0;
    else
        memcpy(http->own_fields, http->head.fields, count * sizeof *http->own_fields);
    http->head.fields = http->own_fields;
    return http->own_fields ? HUB_OK : HUB_ENOMEM;
}

void exchange_free(hub_http *http)
{
    buffer_free(&http->collected);
    buffer_free(&http->fields_out);
    buffer_free(&http->answer_head);
    free(http->client);
    free(http->memory);
    free(http->own_fields);
    upload_free(http);
    compressor_close(http->stream.compressor);
    input_drop(http->block);
    while (http->lent) {
        lent *next = http->lent->next;
        free(http->lent);
        http->lent = next;
    }
    if (kept_count >= KEPT) {
        free(http);
        return;
    }
    http->next_free = kept;
    kept = http;
    kept_count++;
}

void exchanges_trim(void)
{
    while (kept) {
        hub_http *next = kept->next_free;
        free(kept);
        kept = next;
    }
    kept_count = 0;
    buffer_free(&head_scratch);
    free(fields_read);
    fields_read = NULL;
    field_room = 0;
}

hub_status exchange_own_body(hub_http *http)
{
    if (http->body.length == 0 || http->body.data == http->collected.data)
        return HUB_OK;
    hub_status status = buffer_append(&http->collected, http->body.data, http->body.length);
    http->body = buffer_bytes(&http->collected);
    return status;
}

hub_status exchange_add_body(hub_http *http, hub_bytes piece)
{
    if (http->body.length == 0) {
        http->body = piece;
        return HUB_OK;
    }
    hub_status status = exchange_own_body(http);
    if (status == HUB_OK)
        status = buffer_append(&http->collected, piece.data, piece.length);
    http->body = buffer_bytes(&http->collected);
    return status;
}

/* ---- the request, for its handler ---- */

/* Memory that stays until the handler returns. */
static char *lend(hub_http *http, size_t length)
{
    lent *piece = malloc(sizeof *piece + length);
    if (!piece)
        return NULL;
    piece->next = http->lent;
    http->lent = piece;
    return piece->bytes;
}

static hub_bytes decoded(const hub_http *http, hub_bytes raw,
                         percent_result (*decode)(hub_bytes text, char *out, size_t *length))
{
    if (!raw.data || !memchr(raw.data, '%', raw.length)) {
        bool plus = decode == percent_decode_form && raw.data && memchr(raw.data, '+', raw.length);
        if (!plus)
            return raw;
    }
    size_t length = 0;
    char *out = lend((hub_http *)http, raw.length);
    if (!out || decode(raw, out, &length) == PERCENT_BAD)
        return hub_bytes_of(NULL, 0);
    return hub_bytes_of(out, length);
}

hub_bytes hub_http_method(const hub_http *http)
{
    return http->head.method;
}

hub_bytes hub_http_path(const hub_http *http)
{
    return http->head.path;
}

hub_bytes hub_http_param(const hub_http *http, const char *name)
{
    return decoded(http, router_parameter(&http->match, name), percent_decode);
}

hub_bytes hub_http_query(const hub_http *http, const char *name)
{
    hub_bytes raw;
    if (!query_find(http->head.query, hub_text(name), &raw))
        return hub_bytes_of(NULL, 0);
    return decoded(http, raw, percent_decode_form);
}

hub_bytes hub_http_header(const hub_http *http, const char *name)
{
    return http_head_get(&http->head, name);
}

bool hub_http_header_at(const hub_http *http, size_t index, hub_bytes *name, hub_bytes *value)
{
    if (index >= http->head.field_count)
        return false;
    *name = http->head.fields[index].name;
    *value = http->head.fields[index].value;
    return true;
}

hub_bytes hub_http_body(const hub_http *http)
{
    return http->body;
}

hub_bytes hub_http_peer(const hub_http *http)
{
    char peer[64], *text = http->connection ? lend((hub_http *)http, 64) : NULL;
    if (!text)
        return hub_bytes_of(NULL, 0);
    const char *client = forwarded_client(&http->head, connection_peer(http->connection, peer), text);
    if (client != text)
        memcpy(text, client, sizeof peer);
    return hub_text(text);
}

hub_bytes hub_http_scheme(const hub_http *http)
{
    char peer[64] = "?";
    if (http->connection)
        connection_peer(http->connection, peer);
    return hub_text(forwarded_scheme(&http->head, peer));
}

/* ---- the answer ---- */

static bool is_servers_own(hub_bytes name)
{
    static const char *const own[] = {"content-length", "content-type", "transfer-encoding", "connection",
                                      "date"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (field_name_equal(name, hub_text(own[i])))
            return true;
    return false;
}

hub_status hub_http_set(hub_http *http, const char *name, hub_bytes value)
{
    hub_bytes field = hub_text(name);
    if (http->replied)
        return HUB_ESTATE;
    if (!field_name_valid(field) || !field_value_valid(value) || is_servers_own(field))
        return HUB_EINVAL;
    hub_status status = buffer_reserve(&http->fields_out, field.length + value.length + 4);
    if (status != HUB_OK)
        return status;
    buffer_append(&http->fields_out, field.data, field.length);
    buffer_append(&http->fields_out, ": ", 2);
    buffer_append(&http->fields_out, value.data, value.length);
    return buffer_append(&http->fields_out, "\r\n", 2);
}

static hub_status append_number(buffer *out, uint64_t number)
{
    char text[24], *at = text + sizeof text;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    return buffer_append(out, at, (size_t)(text + sizeof text - at));
}

hub_bytes http_answer_head(int status, hub_bytes fields, const char *content_type, uint64_t length,
                           const char *connection_field)
{
    buffer *out = &head_scratch;
    const char *reason = status_reason(status);
    size_t room = 256 + strlen(reason) + fields.length + (content_type ? strlen(content_type) : 0);
    buffer_clear(out);
    if (buffer_reserve(out, room) != HUB_OK)
        return hub_bytes_of(NULL, 0); /* with the room, none of the following can fail */
    buffer_append(out, "HTTP/1.1 ", 9);
    append_number(out, (uint64_t)status);
    buffer_append(out, " ", 1);
    buffer_append_text(out, reason);
    buffer_append(out, "\r\nDate: ", 8);
    hub_bytes date = date_now(time(NULL));
    buffer_append(out, date.data, date.length);
    buffer_append(out, "\r\n", 2);
    buffer_append(out, fields.data, fields.length);
    if (content_type) {
        buffer_append(out, "Content-Type: ", 14);
        buffer_append_text(out, content_type);
        buffer_append(out, "\r\n", 2);
    }
    if (length == HTTP_LENGTH_CHUNKED && !status_without_body(status)) {
        buffer_append_text(out, "Transfer-Encoding: chunked\r\n");
    } else if (length != HTTP_LENGTH_TO_END && !status_without_body(status)) {
        buffer_append(out, "Content-Length: ", 16);
        append_number(out, length);
        buffer_append(out, "\r\n", 2);
    }
    if (connection_field) {
        buffer_append(out, "Connection: ", 12);
        buffer_append_text(out, connection_field);
        buffer_append(out, "\r\n", 2);
    }
    buffer_append(out, "\r\n", 2);
    return buffer_bytes(out);
}

bool http_wants_body(const hub_http *http, int status)
{
    return !status_without_body(status) && !hub_equal(http->head.method, hub_text("HEAD"));
}

/* Whether it may be answered now, with these. */
static hub_status check_answer(const hub_http *http, int status, const char *content_type)
{
    if (http->replied)
        return HUB_ESTATE;
    if (status < 200 || status > 599 || (content_type && !field_value_valid(hub_text(content_type))))
        return HUB_EINVAL;
    return HUB_OK;
}

bool http_may_compress(const hub_http *http)
{
    return http->connection && http->route && compress_wanted(http->route->compress);
}

hub_status http_begin_answer(hub_http *http, int status, const char *content_type, uint64_t length)
{
    hub_status result = check_answer(http, status, content_type);
    if (result != HUB_OK)
        return result;
    http->replied = true;
    if (!http->connection)
        return HUB_ECLOSED;
    if (upload_is_awaited(http)) /* whether its body comes now is for the client to choose */
        http->close = true;
    http->status = status;
    const char *field = http->close ? "close" : http->head.minor == 0 ? "keep-alive" : NULL;
    hub_bytes fields = buffer_bytes(&http->fields_out), head = {0};
    if (compress_fields(http->coded, &fields) == HUB_OK)
        head = http_answer_head(status, fields, content_type, length, field);
    if (access_wants_answer)
        buffer_append(&http->answer_head, head.data, head.length);
    if (head.data)
        return connection_write(http->connection, head);
    connection_close(http->connection); /* there is not even the memory to say so */
    return HUB_ENOMEM;
}

static hub_status reply(hub_http *http, int status, const char *content_type, hub_bytes body)
{
    hub_status result = http_begin_answer(http, status, content_type, body.length);
    if (result == HUB_OK && http_wants_body(http, status)) {
        http->sent = body.length;
        result = connection_write(http->connection, body);
    }
    return result;
}

hub_status hub_http_reply(hub_http *http, int status, const char *content_type, hub_bytes body)
{
    hub_status result = check_answer(http, status, content_type);
    if (result == HUB_OK && http_may_compress(http)) /* for HEAD too, so that it has the fields of GET */
        http->coded =
            compress_whole(&http->head, status, content_type, buffer_bytes(&http->fields_out), &body);
    return result == HUB_OK ? reply(http, status, content_type, body) : result;
}

hub_status http_reply_from(hub_http *http, int status, const char *content_type, hub_bytes body,
                           size_t threshold)
{
    hub_status result = check_answer(http, status, content_type);
    if (result == HUB_OK && http->connection && threshold)
        http->coded = compress_whole_from(&http->head, status, content_type, buffer_bytes(&http->fields_out),
                                          &body, threshold);
    return result == HUB_OK ? reply(http, status, content_type, body) : result;
}

hub_status hub_http_replyf(hub_http *http, int status, const char *content_type, const char *format, ...)
{
    char small[1024], *text = small;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(small, sizeof small, format, arguments);
    va_end(arguments);
    if (length < 0)
        return HUB_EINVAL;
    if ((size_t)length >= sizeof small) {
        text = malloc((size_t)length + 1);
        if (!text)
            return HUB_ENOMEM;
        va_start(arguments, format);
        vsnprintf(text, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    hub_status result = hub_http_reply(http, status, content_type, hub_bytes_of(text, (size_t)length));
    if (text != small)
        free(text);
    return result;
}

/* Takes the piece's descriptor over. */
static hub_status send_piece(connection *c, const http_piece *piece)
{
    hub_status result = piece->text.length ? connection_write(c, piece->text) : HUB_OK;
    if (piece->fd < 0)
        return result;
    if (result != HUB_OK || piece->length == 0) {
        close(piece->fd);
        return result;
    }
    chunk *file = chunk_new_file(piece->fd, piece->offset, piece->length);
    if (!file) {
        connection_close(c); /* the head is queued: the length it promised cannot be kept */
        return HUB_ENOMEM;
    }
    return connection_write_chunk(c, file);
}

hub_status http_reply_pieces(hub_http *http, int status, const char *content_type, const http_piece *pieces,
                             size_t count)
{
    uint64_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += pieces[i].text.length + pieces[i].length;
    hub_status result = http_begin_answer(http, status, content_type, length);
    if (result == HUB_OK && http_wants_body(http, status))
        http->sent = length;
    for (size_t i = 0; i < count; i++) {
        if (result == HUB_OK && http_wants_body(http, status))
            result = send_piece(http->connection, &pieces[i]);
        else if (pieces[i].fd >= 0)
            close(pieces[i].fd);
    }
    return result;
}

hub_status http_reply_file(hub_http *http, int status, const char *content_type, int fd, off_t offset,
                           size_t length)
{
    const http_piece piece = {.fd = fd, .offset = offset, .length = length};
    return http_reply_pieces(http, status, content_type, &piece, 1);
}

hub_status http_reply_chunk(hub_http *http, int status, const char *content_type, chunk *body)
{
    hub_status result = http_begin_answer(http, status, content_type, body->length);
    if (result == HUB_OK && http_wants_body(http, status)) {
        http->sent = body->length;
        return connection_write_chunk(http->connection, body);
    }
    chunk_drop(body);
    return result;
}

hub_status http_refuse(hub_http *http, int status, const char *text, const char *extra)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%s\n", text);
    if (extra)
        buffer_append_text(&http->fields_out, extra);
    return hub_http_reply(http, status, "text/plain; charset=utf-8",
                          hub_bytes_of(line, length < (int)sizeof line ? (size_t)length : sizeof line - 1));
}
