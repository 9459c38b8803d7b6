/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of the public header are spans of JSON. Text that was never checked gives anything here, but nothing
 * behind its end.
 */
#include "worker/sio/value.h"

#include "worker/sio/json.h"
#include "worker/sio/lent.h"
#include "worker/sio/number.h"

static inline const char *text_of(hub_value value)
{
    return value.json.data;
}

/* What belongs to a value is as much checked as it, and refers to the same binary. */
static hub_value part(hub_value whole, size_t from, size_t to)
{
    whole.json = hub_bytes_of(text_of(whole) + from, to - from);
    return whole;
}

static hub_value missing(void)
{
    return hub_value_of(hub_bytes_of(NULL, 0));
}

/* The binary for which a placeholder stands at `at`; NULL where there is none. */
static const hub_bytes *blob_at(hub_value value, size_t at)
{
    size_t number;
    if (value.binary_count == 0 || json_placeholder(value.json, at, &number) == 0)
        return NULL;
    return number < value.binary_count ? &value.binary[number] : NULL;
}

static hub_kind kind_at(hub_value value, size_t at)
{
    if (at == value.json.length)
        return HUB_MISSING;
    switch (text_of(value)[at]) {
    case '{':
        return blob_at(value, at) ? HUB_BLOB : HUB_OBJECT;
    case '[':
        return HUB_ARRAY;
    case '"':
        return HUB_STRING;
    case 't':
    case 'f':
        return HUB_BOOL;
    case 'n':
        return HUB_NULL;
    case '-':
    case '0' ... '9':
        return HUB_NUMBER;
    default:
        return HUB_MISSING;
    }
}

hub_kind hub_value_kind(hub_value value)
{
    return kind_at(value, json_begin(value.json, 0));
}

/* ---- arrays and objects ---- */

static bool character_is(hub_value value, size_t at, char c)
{
    return at < value.json.length && text_of(value)[at] == c;
}

/* The key at *at, which is then where its member's value begins. */
static bool next_key(hub_value object, size_t *at, hub_value *key)
{
    size_t begin = *at;
    if (!character_is(object, begin, '"'))
        return false;
    size_t end = json_skip(object.json, begin);
    size_t colon = json_begin(object.json, end);
    if (!character_is(object, colon, ':'))
        return false;
    *at = json_begin(object.json, colon + 1);
    if (key)
        *key = part(object, begin, end);
    return true;
}

bool hub_value_next(hub_value container, size_t *at, hub_value *key, hub_value *item)
{
    size_t open = json_begin(container.json, 0), p = *at;
    hub_kind kind = kind_at(container, open);
    if (kind != HUB_ARRAY && kind != HUB_OBJECT)
        return false;
    p = json_begin(container.json, p == 0 ? open + 1 : p);
    if (*at > 0 && character_is(container, p, ','))
        p = json_begin(container.json, p + 1);
    if (kind == HUB_ARRAY && key)
        *key = missing();
    if (kind == HUB_OBJECT && !next_key(container, &p, key))
        return false;
    size_t end = json_skip(container.json, p);
    if (end == p) /* at a bracket, or at nothing that was checked */
        return false;
    if (item)
        *item = part(container, p, end);
    *at = end;
    return true;
}

size_t hub_value_count(hub_value value)
{
    size_t count = 0;
    for (size_t at = 0; hub_value_next(value, &at, NULL, NULL);)
        count++;
    return count;
}

hub_value hub_value_at(hub_value array, size_t index)
{
    hub_value item;
    if (hub_value_kind(array) != HUB_ARRAY)
        return missing();
    for (size_t at = 0; hub_value_next(array, &at, NULL, &item); index--)
        if (index == 0)
            return item;
    return missing();
}

/* What stands between the quotes. */
static hub_bytes inside(hub_bytes string)
{
    return string.length < 2 ? hub_bytes_of(NULL, 0)
                             : hub_bytes_of((const char *)string.data + 1, string.length - 2);
}

static bool key_is(hub_value key, hub_bytes name)
{
    hub_bytes text = inside(key.json);
    if (text.length == name.length && hub_equal(text, name))
        return !json_has_escapes(text);
    return text.length > name.length && json_has_escapes(text) && json_equals(text, name);
}

hub_value hub_value_get(hub_value object, const char *key)
{
    hub_value found = missing(), name, item;
    hub_bytes wanted = hub_text(key);
    if (hub_value_kind(object) != HUB_OBJECT)
        return found;
    for (size_t at = 0; hub_value_next(object, &at, &name, &item);)
        if (key_is(name, wanted))
            found = item;
    return found;
}

hub_value hub_value_rest(hub_value array, size_t from)
{
    size_t at = 0;
    if (hub_value_kind(array) != HUB_ARRAY)
        return missing();
    if (from == 0)
        return array;
    while (from > 0 && hub_value_next(array, &at, NULL, NULL))
        from--;
    size_t comma = json_begin(array.json, at);
    if (from > 0 || !character_is(array, comma, ',')) {
        array.json = hub_bytes_of("[]", 2);
        return array;
    }
    size_t length = array.json.length - comma;
    char *copy = lent_take(length);
    if (!copy)
        return missing();
    memcpy(copy, text_of(array) + comma, length);
    copy[0] = '[';
    array.json = hub_bytes_of(copy, length);
    return array;
}

/* ---- scalars ---- */

/* The value without blanks around it, when it is of this kind; else empty. */
static hub_bytes scalar(hub_value value, hub_kind kind)
{
    size_t begin = json_begin(value.json, 0);
    if (kind_at(value, begin) != kind)
        return hub_bytes_of(NULL, 0);
    return hub_bytes_of(text_of(value) + begin, json_skip(value.json, begin) - begin);
}

bool hub_value_bool(hub_value value, bool fallback)
{
    hub_bytes word = scalar(value, HUB_BOOL);
    return word.length == 0 ? fallback : *(const char *)word.data == 't';
}

int64_t hub_value_int(hub_value value, int64_t fallback)
{
    int64_t number;
    return number_read_integer(scalar(value, HUB_NUMBER), &number) ? number : fallback;
}

double hub_value_double(hub_value value, double fallback)
{
    double number;
    return number_read_double(scalar(value, HUB_NUMBER), &number) ? number : fallback;
}

hub_bytes hub_value_blob(hub_value value)
{
    const hub_bytes *blob = blob_at(value, json_begin(value.json, 0));
    return blob ? *blob : hub_bytes_of(NULL, 0);
}

hub_bytes hub_value_text(hub_value value)
{
    hub_bytes text = inside(scalar(value, HUB_STRING));
    if (!json_has_escapes(text))
        return text;
    char *copy = lent_take(text.length);
    return copy ? hub_bytes_of(copy, json_unescape(copy, text)) : hub_bytes_of(NULL, 0);
}
