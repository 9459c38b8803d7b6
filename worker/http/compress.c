/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/compress.h"

#include "common/buffer.h"
#include "worker/http/coding.h"
#include "worker/http/field.h"
#include "worker/http/status.h"

#include <stdlib.h>
#include <zlib.h>

enum {
    LEVEL = 1, /* level 6 takes four times as long for JSON that is a fifth smaller */
    GZIP = 16, /* added to the window's bits */
    WHOLE_BITS = 15,
    WHOLE_MEMORY_LEVEL = 6, /* what is cleared before each reply: 16 KB, with the default's level 64 KB */
    STREAM_BITS = 12,
    STREAM_MEMORY_LEVEL = 4,
    STREAM_INPUT = 64 * 1024, /* of one step: about 0.5 ms */
    STREAM_OUTPUT = 16 * 1024,
    SCRATCH_KEPT = 64 * 1024,
    STREAMS_KEPT = 8
};

struct compressor {
    z_stream stream;
    compressor *next_free;
};

static struct {
    compress_settings settings;
    compressor *whole; /* for the replies of all clients */
    compressor *kept;  /* of streams that have ended */
    unsigned kept_count;
    unsigned open;  /* streams */
    buffer scratch; /* the reply that was compressed last */
    buffer fields;  /* the lines that were made last */
    unsigned char output[STREAM_OUTPUT];
} shared;

/* ---- life ---- */

static compressor *compressor_new(int bits, int memory_level)
{
    compressor *c = calloc(1, sizeof *c);
    if (c &&
        deflateInit2(&c->stream, LEVEL, Z_DEFLATED, bits + GZIP, memory_level, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(c);
        c = NULL;
    }
    return c;
}

static void compressor_free(compressor *c)
{
    if (c)
        deflateEnd(&c->stream);
    free(c);
}

void compress_open(compress_settings settings)
{
    shared.settings = settings;
}

void compress_close(void)
{
    compressor_free(shared.whole);
    while (shared.kept) {
        compressor *next = shared.kept->next_free;
        compressor_free(shared.kept);
        shared.kept = next;
    }
    buffer_free(&shared.scratch);
    buffer_free(&shared.fields);
    memset(&shared, 0, sizeof shared);
}

bool compress_wanted(hub_compress of_route)
{
    return of_route == HUB_COMPRESS_ON || (of_route == HUB_COMPRESS_AS_CONFIGURED && shared.settings.on);
}

/* ---- which types ---- */

static bool begins(hub_bytes text, const char *with)
{
    size_t length = strlen(with);
    return text.length > length && field_name_equal(hub_bytes_of(text.data, length), hub_text(with));
}

static bool ends(hub_bytes text, const char *with)
{
    size_t length = strlen(with);
    return text.length > length &&
           field_name_equal(hub_bytes_of((const char *)text.data + text.length - length, length),
                            hub_text(with));
}

static bool gets_smaller(const char *content_type)
{
    static const char *const types[] = {
        "application/javascript",
        "application/x-javascript",
        "application/ecmascript",
        "application/json",
        "application/x-ndjson",
        "application/jsonl",
        "application/xml",
        "application/xml-dtd",
        "application/wasm",
        "application/yaml",
        "application/toml",
        "application/sql",
        "application/rtf",
        "application/x-www-form-urlencoded",
        "image/bmp",
        "image/vnd.microsoft.icon",
        "image/x-icon",
        "font/ttf",
        "font/otf",
        "application/vnd.ms-fontobject",
    };
    if (!content_type)
        return false;
    hub_bytes type = field_trim(hub_bytes_of(content_type, strcspn(content_type, ";")));
    if (begins(type, "text/"))
        return !field_name_equal(type, hub_text("text/event-stream"));
    /* RFC 6839; image/svg+xml and application/manifest+json are such. */
    if (ends(type, "+json") || ends(type, "+xml") || ends(type, "+yaml"))
        return true;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (field_name_equal(type, hub_text(types[i])))
            return true;
    return false;
}

/* ---- the handler's lines ---- */

typedef struct line {
    hub_bytes whole, name, value;
} line;

/* Takes the next "Name: value\r\n" off. They were made by this server: each is well-formed. */
static bool next_line(hub_bytes *rest, line *out)
{
    const char *start = rest->data, *end = rest->length ? memchr(start, '\n', rest->length) : NULL;
    const char *colon = end ? memchr(start, ':', (size_t)(end - start)) : NULL;
    if (!colon)
        return false;
    out->whole = hub_bytes_of(start, (size_t)(end + 1 - start));
    out->name = hub_bytes_of(start, (size_t)(colon - start));
    out->value = field_trim(hub_bytes_of(colon + 1, (size_t)(end - 1 - (colon + 1))));
    *rest = hub_bytes_of(end + 1, rest->length - out->whole.length);
    return true;
}

static bool is(const line *field, const char *name)
{
    return field_name_equal(field->name, hub_text(name));
}

/* What only the bytes as the handler gave them agree with. */
static bool binds_the_bytes(const line *field)
{
    return is(field, "content-encoding") || is(field, "content-range") || is(field, "content-digest") ||
           is(field, "repr-digest") || is(field, "digest") || is(field, "content-md5") ||
           (is(field, "cache-control") && field_list_has(field->value, hub_text("no-transform")));
}

static bool is_bound(hub_bytes fields)
{
    line field;
    while (next_line(&fields, &field))
        if (binds_the_bytes(&field))
            return true;
    return false;
}

static bool is_strong(hub_bytes etag)
{
    return etag.length > 0 && ((const char *)etag.data)[0] == '"';
}

static hub_bytes etag_of(hub_bytes fields)
{
    line field;
    while (next_line(&fields, &field))
        if (is(&field, "etag"))
            return field.value;
    return hub_bytes_of(NULL, 0);
}

/* ---- the choice ---- */

static bool likes_gzip(const http_head *head)
{
    coding order[CODINGS];
    size_t count;
    coding_order(head, order, &count);
    for (size_t i = 0; i < count; i++)
        if (order[i] != CODING_BROTLI)
            return order[i] == CODING_GZIP;
    return false;
}

/* If-None-Match names the weak form of the tag. A quote cannot stand inside a tag (8.8.3), so to search the
 * text is enough. */
static bool asks_with_weak_form(const http_head *head, hub_bytes etag)
{
    for (size_t i = 0; i < head->field_count; i++) {
        if (!field_name_equal(head->fields[i].name, hub_text("if-none-match")))
            continue;
        hub_bytes list = head->fields[i].value;
        const char *at = list.data, *end = at + list.length;
        while ((at = memmem(at, (size_t)(end - at), etag.data, etag.length))) {
            if (at - (const char *)list.data >= 2 && at[-2] == 'W' && at[-1] == '/')
                return true;
            at += etag.length;
        }
    }
    return false;
}

static compress_choice choose_not_modified(const http_head *head, hub_bytes fields)
{
    hub_bytes etag = etag_of(fields);
    bool held = is_strong(etag) && likes_gzip(head) && asks_with_weak_form(head, etag);
    return held ? COMPRESS_HELD : COMPRESS_PLAIN;
}

compress_choice compress_choose(const http_head *head, int status, const char *content_type, hub_bytes fields)
{
    if (is_bound(fields))
        return COMPRESS_NEVER;
    if (status == 304)
        return choose_not_modified(head, fields);
    if (status_without_body(status) || status == 205 || status == 206 || !gets_smaller(content_type))
        return COMPRESS_NEVER;
    return likes_gzip(head) ? COMPRESS_GZIP : COMPRESS_PLAIN;
}

/* ---- whole replies ---- */

/* The worker's, ready for a reply. NULL without memory. */
static z_stream *stream_for_whole(void)
{
    if (!shared.whole)
        shared.whole = compressor_new(WHOLE_BITS, WHOLE_MEMORY_LEVEL);
    else
        deflateReset(&shared.whole->stream);
    return shared.whole ? &shared.whole->stream : NULL;
}

/* What an unusually large reply needed is given back when the next one is smaller. */
static hub_status make_room(size_t length)
{
    buffer_clear(&shared.scratch);
    if (length <= SCRATCH_KEPT && shared.scratch.capacity > 2 * SCRATCH_KEPT)
        buffer_free(&shared.scratch);
    return buffer_reserve(&shared.scratch, length);
}

static bool deflate_smaller(hub_bytes *body)
{
    size_t room = body->length - 1;
    z_stream *stream = stream_for_whole();
    if (!stream || make_room(room) != HUB_OK)
        return false;
    stream->next_in = (Bytef *)(uintptr_t)body->data;
    stream->avail_in = (uInt)body->length;
    stream->next_out = (Bytef *)shared.scratch.data;
    stream->avail_out = (uInt)room;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END)
        return false;
    *body = hub_bytes_of(shared.scratch.data, room - stream->avail_out);
    return true;
}

static bool has_fitting_length(hub_bytes body, size_t threshold)
{
    return body.length > 1 && body.length >= threshold && body.length <= COMPRESS_WHOLE_MAX;
}

compress_choice compress_whole_from(const http_head *head, int status, const char *content_type,
                                    hub_bytes fields, hub_bytes *body, size_t threshold)
{
    if (status != 304 && !has_fitting_length(*body, threshold))
        return COMPRESS_NEVER;
    compress_choice choice = compress_choose(head, status, content_type, fields);
    if (choice == COMPRESS_GZIP && !deflate_smaller(body))
        choice = COMPRESS_PLAIN;
    return choice;
}

compress_choice compress_whole(const http_head *head, int status, const char *content_type, hub_bytes fields,
                               hub_bytes *body)
{
    return compress_whole_from(head, status, content_type, fields, body, shared.settings.threshold);
}

compress_choice compress_streamed(const http_head *head, int status, const char *content_type,
                                  hub_bytes fields, int64_t length)
{
    bool is_short = length == 0 || (length > 0 && (uint64_t)length < shared.settings.threshold);
    if (status != 304 && is_short)
        return COMPRESS_NEVER;
    return compress_choose(head, status, content_type, fields);
}

/* ---- what the answer says of it ---- */

static bool names_accept_encoding(hub_bytes fields)
{
    line field;
    while (next_line(&fields, &field))
        if (is(&field, "vary") && (field_list_has(field.value, hub_text("accept-encoding")) ||
                                   field_list_has(field.value, hub_text("*"))))
            return true;
    return false;
}

static void append(buffer *out, hub_bytes bytes)
{
    buffer_append(out, bytes.data, bytes.length);
}

hub_status compress_fields(compress_choice choice, hub_bytes *fields)
{
    static const char addition[] = "Accept-Encoding\r\n";
    buffer *out = &shared.fields;
    bool weaken = choice == COMPRESS_GZIP || choice == COMPRESS_HELD;
    bool varies = choice == COMPRESS_NEVER || names_accept_encoding(*fields);
    hub_bytes rest = *fields;
    line field;
    if (choice == COMPRESS_NEVER)
        return HUB_OK;
    buffer_clear(out);
    if (buffer_reserve(out, 2 * fields->length + 128) != HUB_OK)
        return HUB_ENOMEM; /* with the room, none of the following can fail */
    while (next_line(&rest, &field)) {
        if (!varies && is(&field, "vary") && field.value.length > 0) {
            append(out, hub_text("Vary: "));
            append(out, field.value);
            append(out, hub_text(", "));
            append(out, hub_text(addition));
            varies = true;
        } else if (weaken && is(&field, "etag") && is_strong(field.value)) {
            append(out, hub_text("ETag: W/"));
            append(out, field.value);
            append(out, hub_text("\r\n"));
        } else {
            append(out, field.whole);
        }
    }
    if (!varies) {
        append(out, hub_text("Vary: "));
        append(out, hub_text(addition));
    }
    if (choice == COMPRESS_GZIP)
        append(out, hub_text("Content-Encoding: gzip\r\n"));
    *fields = buffer_bytes(out);
    return HUB_OK;
}

/* ---- streams ---- */

compressor *compressor_open(void)
{
    compressor *c = shared.kept;
    if (shared.open >= COMPRESS_STREAMS_MAX)
        return NULL;
    if (c) {
        shared.kept = c->next_free;
        shared.kept_count--;
        deflateReset(&c->stream);
    } else {
        c = compressor_new(STREAM_BITS, STREAM_MEMORY_LEVEL);
    }
    if (c)
        shared.open++;
    return c;
}

void compressor_close(compressor *c)
{
    if (!c)
        return;
    shared.open--;
    if (shared.kept_count >= STREAMS_KEPT) {
        compressor_free(c);
        return;
    }
    c->next_free = shared.kept;
    shared.kept = c;
    shared.kept_count++;
}

bool compressor_next(compressor *c, hub_bytes *rest, bool last, hub_bytes *out)
{
    z_stream *stream = &c->stream;
    size_t part = rest->length < STREAM_INPUT ? rest->length : STREAM_INPUT;
    bool at_end = part == rest->length;
    stream->next_in = (Bytef *)(uintptr_t)rest->data;
    stream->avail_in = (uInt)part;
    stream->next_out = shared.output;
    stream->avail_out = sizeof shared.output;
    /* It can only say that there is nothing to do, as for an empty write: then nothing comes out. */
    deflate(stream, !at_end ? Z_NO_FLUSH : last ? Z_FINISH : Z_SYNC_FLUSH);
    *out = hub_bytes_of(shared.output, sizeof shared.output - stream->avail_out);
    part -= stream->avail_in;
    if (part > 0) /* what ends a stream comes without data */
        *rest = hub_bytes_of((const char *)rest->data + part, rest->length - part);
    return rest->length > 0 || stream->avail_out == 0; /* room was left: nothing is held back */
}
