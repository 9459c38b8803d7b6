/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/pack.h"

#include "worker/sio/json.h"
#include "worker/sio/number.h"
#include "worker/ws/utf8.h"

#include <math.h>

/* ---- the text as it grows ---- */

/* Where `size` bytes and a comma have room; NULL without memory. */
static inline char *room(packing *to, size_t size)
{
    buffer *text = &to->text;
    if (text->capacity - text->length <= size && buffer_reserve(text, size + 1) != HUB_OK)
        return NULL;
    return text->data + text->length;
}

static inline void written(packing *to, const char *end)
{
    to->text.length = (size_t)(end - to->text.data);
}

/* A comma where another value stands before, in the list (depth 0) or in the same array or object. */
static inline char *comma(const packing *to, char *out, unsigned depth)
{
    if (depth == 0) {
        if (to->items > 0)
            *out++ = ',';
        return out;
    }
    char last = out[-1]; /* of values only a bracket that was just opened ends like this */
    if (last != '[' && last != '{' && last != ':')
        *out++ = ',';
    return out;
}

static hub_status write_bytes(packing *to, unsigned depth, const void *data, size_t length)
{
    char *out = room(to, length);
    if (!out)
        return HUB_ENOMEM;
    out = comma(to, out, depth);
    memcpy(out, data, length);
    written(to, out + length);
    return HUB_OK;
}

static hub_status write_comma(packing *to, unsigned depth)
{
    char *out = room(to, 0);
    if (!out)
        return HUB_ENOMEM;
    written(to, comma(to, out, depth));
    return HUB_OK;
}

static hub_status write_null(packing *to, unsigned depth)
{
    return write_bytes(to, depth, "null", 4);
}

static hub_status write_text(packing *to, unsigned depth, hub_bytes text)
{
    char *out = room(to, text.length + 2);
    if (!out)
        return HUB_ENOMEM;
    char *end = json_write_ascii(comma(to, out, depth), text);
    if (end) {
        written(to, end);
        return HUB_OK;
    }
    if (!utf8_valid(text.data, text.length))
        return HUB_EINVAL;
    out = room(to, json_text_size(text));
    if (!out)
        return HUB_ENOMEM;
    written(to, json_write_text(comma(to, out, depth), text));
    return HUB_OK;
}

static hub_status write_signed(packing *to, unsigned depth, int64_t value)
{
    char *out = room(to, NUMBER_INTEGER_MAX);
    if (!out)
        return HUB_ENOMEM;
    written(to, number_write_signed(comma(to, out, depth), value));
    return HUB_OK;
}

static hub_status write_unsigned(packing *to, unsigned depth, uint64_t value)
{
    char *out = room(to, NUMBER_INTEGER_MAX);
    if (!out)
        return HUB_ENOMEM;
    written(to, number_write_unsigned(comma(to, out, depth), value));
    return HUB_OK;
}

static hub_status write_double(packing *to, unsigned depth, double value)
{
    if (!isfinite(value))
        return write_null(to, depth);
    char *out = room(to, NUMBER_DOUBLE_MAX);
    if (!out)
        return HUB_ENOMEM;
    written(to, number_write_double(comma(to, out, depth), value));
    return HUB_OK;
}

/* ---- binary ---- */

static hub_status attach(packing *to, hub_bytes bytes, size_t *number)
{
    for (size_t i = 0; i < to->attachment_count; i++) {
        if (to->attachments[i].data == bytes.data && to->attachments[i].length == bytes.length) {
            *number = i;
            return HUB_OK;
        }
    }
    if (to->attachment_count == PACK_ATTACHMENTS_MAX)
        return HUB_EFULL;
    *number = to->attachment_count++;
    to->attachments[*number] = bytes;
    return HUB_OK;
}

static const char placeholder_begin[] = "{\"_placeholder\":true,\"num\":";
enum { PLACEHOLDER_BEGIN = sizeof placeholder_begin - 1 };

/* The attachment's placeholder, without a comma before it. */
static hub_status append_placeholder(packing *to, hub_bytes bytes)
{
    size_t number;
    hub_status status = attach(to, bytes, &number);
    if (status != HUB_OK)
        return status;
    char *out = room(to, PLACEHOLDER_BEGIN + NUMBER_INTEGER_MAX + 1);
    if (!out)
        return HUB_ENOMEM;
    memcpy(out, placeholder_begin, PLACEHOLDER_BEGIN);
    out = number_write_unsigned(out + PLACEHOLDER_BEGIN, number);
    *out++ = '}';
    written(to, out);
    return HUB_OK;
}

static hub_status write_blob(packing *to, unsigned depth, hub_bytes bytes)
{
    hub_status status = write_comma(to, depth);
    return status == HUB_OK ? append_placeholder(to, bytes) : status;
}

/* ---- values ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static hub_bytes trimmed(hub_bytes json)
{
    const char *text = json.data;
    size_t begin = json_begin(json, 0), end = json.length;
    while (end > begin && is_blank(text[end - 1]))
        end--;
    return begin == end ? hub_bytes_of(NULL, 0) : hub_bytes_of(text + begin, end - begin);
}

/* Makes sure that the value may be sent, unless that is known. */
static hub_status check_value(const hub_value *value)
{
    json_facts facts;
    if (value->checked || value->json.length == 0)
        return HUB_OK;
    if (!utf8_valid(value->json.data, value->json.length) ||
        json_check(value->json, JSON_DEPTH_MAX, &facts) != HUB_OK)
        return HUB_EINVAL;
    return facts.placeholders == 0 || facts.highest < value->binary_count ? HUB_OK : HUB_EINVAL;
}

/* The same text with the placeholders of this packing. */
static hub_status append_renumbered(packing *to, const hub_value *value)
{
    const char *text = value->json.data;
    size_t run = 0, at = 0, number;
    hub_status status = HUB_OK;
    while (at < value->json.length && status == HUB_OK) {
        if (text[at] == '"') {
            at = json_skip(value->json, at);
            continue;
        }
        size_t behind = text[at] == '{' ? json_placeholder(value->json, at, &number) : 0;
        if (behind == 0) {
            at++;
            continue;
        }
        if (number >= value->binary_count)
            return HUB_EINVAL;
        status = buffer_append(&to->text, text + run, at - run);
        if (status == HUB_OK)
            status = append_placeholder(to, value->binary[number]);
        run = at = behind;
    }
    return status == HUB_OK ? buffer_append(&to->text, text + run, at - run) : status;
}

/* A value that was checked. */
static hub_status write_checked(packing *to, unsigned depth, hub_value value)
{
    value.json = trimmed(value.json);
    if (value.json.length == 0)
        return write_null(to, depth);
    if (value.binary_count == 0)
        return write_bytes(to, depth, value.json.data, value.json.length);
    hub_status status = write_comma(to, depth);
    return status == HUB_OK ? append_renumbered(to, &value) : status;
}

static hub_status write_value(packing *to, unsigned depth, hub_value value)
{
    hub_status status = check_value(&value);
    return status == HUB_OK ? write_checked(to, depth, value) : status;
}

/* Item by item, without the blanks between them. */
static hub_status write_each(packing *to, unsigned depth, hub_value array)
{
    hub_value item;
    hub_status status = HUB_OK;
    for (size_t at = 0; status == HUB_OK && hub_value_next(array, &at, NULL, &item);) {
        status = write_checked(to, depth, item);
        if (depth == 0)
            to->items++;
    }
    return status;
}

/*
 * The items of an array, counted; *from and *to are where they begin and end. False when they cannot be
 * written as they stand: blanks are between them, or nothing that was checked.
 */
static bool measure_items(hub_bytes array, size_t *from, size_t *to, size_t *count)
{
    const char *text = array.data;
    size_t at = json_begin(array, 1);
    *from = *to = at;
    *count = 0;
    while (at < array.length && text[at] != ']') {
        size_t end = json_skip(array, at);
        if (end == at)
            return false;
        *to = end;
        ++*count;
        if (end == array.length || text[end] != ',')
            return json_begin(array, end) + 1 == array.length;
        at = end + 1;
        if (json_begin(array, at) != at)
            return false;
    }
    return *count == 0;
}

static hub_status write_run(packing *to, unsigned depth, hub_bytes run, size_t count)
{
    if (count == 0)
        return HUB_OK;
    hub_status status = write_bytes(to, depth, run.data, run.length);
    if (depth == 0)
        to->items += count;
    return status;
}

static hub_status write_items(packing *to, unsigned depth, hub_value array)
{
    hub_status status = check_value(&array);
    if (status != HUB_OK)
        return status;
    array.json = trimmed(array.json);
    if (array.json.length == 0 || *(const char *)array.json.data != '[')
        return HUB_EINVAL;
    size_t from, end, count;
    if (array.binary_count == 0 && measure_items(array.json, &from, &end, &count))
        return write_run(to, depth, hub_bytes_of((const char *)array.json.data + from, end - from), count);
    return write_each(to, depth, array);
}

static hub_status counted(packing *to, hub_status status)
{
    to->items++;
    return status;
}

hub_status pack_text(packing *to, hub_bytes text)
{
    return counted(to, write_text(to, 0, text));
}

hub_status pack_value(packing *to, hub_value value)
{
    return counted(to, write_value(to, 0, value));
}

hub_status pack_items(packing *to, hub_value array)
{
    return write_items(to, 0, array);
}

void pack_clear(packing *to)
{
    buffer_clear(&to->text);
    to->items = 0;
    to->attachment_count = 0;
}

void pack_free(packing *to)
{
    buffer_free(&to->text);
    pack_clear(to);
}

/* ---- formats ---- */

typedef struct formatting {
    packing *to;
    const char *next;
    va_list values;
    unsigned depth;
    uint64_t objects; /* a bit for each level: an object, not an array */
} formatting;

_Static_assert(PACK_DEPTH_MAX <= 64, "one word has the levels");

static hub_status begin_container(formatting *f, bool object)
{
    if (f->depth == PACK_DEPTH_MAX)
        return HUB_EINVAL;
    hub_status status = write_bytes(f->to, f->depth, object ? "{" : "[", 1);
    uint64_t bit = UINT64_C(1) << f->depth++;
    f->objects = object ? f->objects | bit : f->objects & ~bit;
    return status;
}

static hub_status end_container(formatting *f, bool object)
{
    if (f->depth == 0 || (f->objects >> (f->depth - 1) & 1) != object)
        return HUB_EINVAL;
    f->depth--;
    char *out = room(f->to, 1);
    if (!out)
        return HUB_ENOMEM;
    *out++ = object ? '}' : ']';
    written(f->to, out);
    return HUB_OK;
}

static hub_status format_string(formatting *f)
{
    const char *text = va_arg(f->values, const char *);
    return text ? write_text(f->to, f->depth, hub_text(text)) : write_null(f->to, f->depth);
}

static hub_status format_items(formatting *f)
{
    if (f->depth > 0 && (f->objects >> (f->depth - 1) & 1))
        return HUB_EINVAL;
    return write_items(f->to, f->depth, va_arg(f->values, hub_value));
}

static hub_status format_value(formatting *f, char letter)
{
    packing *to = f->to;
    unsigned depth = f->depth;
    switch (letter) {
    case 's':
        return format_string(f);
    case 't':
        return write_text(to, depth, va_arg(f->values, hub_bytes));
    case 'B':
        return write_blob(to, depth, va_arg(f->values, hub_bytes));
    case 'i':
        return write_signed(to, depth, va_arg(f->values, int));
    case 'I':
        return write_signed(to, depth, va_arg(f->values, int64_t));
    case 'u':
        return write_unsigned(to, depth, va_arg(f->values, uint64_t));
    case 'f':
        return write_double(to, depth, va_arg(f->values, double));
    case 'b':
        return va_arg(f->values, int) ? write_bytes(to, depth, "true", 4)
                                      : write_bytes(to, depth, "false", 5);
    case 'n':
        return write_null(to, depth);
    case 'v':
        return write_value(to, depth, va_arg(f->values, hub_value));
    case 'V':
        return format_items(f);
    case '{':
        return begin_container(f, true);
    case '[':
        return begin_container(f, false);
    case '}':
        return end_container(f, true);
    case ']':
        return end_container(f, false);
    default:
        return HUB_EINVAL;
    }
}

static char next_letter(formatting *f)
{
    while (is_blank(*f->next) || *f->next == ',')
        f->next++;
    return *f->next ? *f->next++ : '\0';
}

static hub_status format_key(formatting *f, char letter)
{
    hub_bytes key;
    if (letter == 's')
        key = hub_text(va_arg(f->values, const char *));
    else if (letter == 't')
        key = va_arg(f->values, hub_bytes);
    else
        return HUB_EINVAL;
    if ((letter == 's' && !key.data) || hub_equal(key, hub_text("_placeholder")) || next_letter(f) != ':')
        return HUB_EINVAL;
    hub_status status = write_text(f->to, f->depth, key);
    char *out = status == HUB_OK ? room(f->to, 1) : NULL;
    if (!out)
        return status == HUB_OK ? HUB_ENOMEM : status;
    *out++ = ':';
    written(f->to, out);
    return HUB_OK;
}

static hub_status format_all(formatting *f)
{
    hub_status status = HUB_OK;
    bool key_is_next = false;
    for (char letter; status == HUB_OK && (letter = next_letter(f)) != '\0';) {
        if (key_is_next && letter != '}') {
            status = format_key(f, letter);
            key_is_next = false;
            continue;
        }
        if (letter == '}' && !key_is_next) /* a key without a value, or no object */
            return HUB_EINVAL;
        status = format_value(f, letter);
        if (f->depth == 0 && letter != 'V')
            f->to->items++;
        key_is_next = f->depth > 0 && (f->objects >> (f->depth - 1) & 1);
    }
    return status == HUB_OK && (f->depth > 0) ? HUB_EINVAL : status;
}

hub_status pack_values(packing *to, const char *format, va_list values)
{
    formatting f = {.to = to, .next = format};
    if (!format)
        return HUB_OK;
    va_copy(f.values, values);
    hub_status status = format_all(&f);
    va_end(f.values);
    return status;
}
