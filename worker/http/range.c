/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/range.h"

#include "worker/http/field.h"

/* Digits at the start of *rest; a number that is too large comes out as the largest. False: there are none.
 */
static bool take_position(hub_bytes *rest, uint64_t *position)
{
    const char *p = rest->data;
    size_t at = 0;
    uint64_t number = 0;
    for (; at < rest->length && p[at] >= '0' && p[at] <= '9'; at++) {
        uint64_t digit = (uint64_t)(p[at] - '0');
        number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
    }
    *position = number;
    *rest = hub_bytes_of(p + at, rest->length - at);
    return at > 0;
}

typedef enum spec_result { SPEC_BAD, SPEC_OUTSIDE, SPEC_INSIDE } spec_result;

/* "-5" */
static spec_result read_suffix(hub_bytes rest, uint64_t length, byte_range *part)
{
    uint64_t suffix;
    if (!take_position(&rest, &suffix) || rest.length)
        return SPEC_BAD;
    part->length = suffix < length ? suffix : length;
    part->first = length - part->length;
    return suffix ? SPEC_INSIDE : SPEC_OUTSIDE;
}

/* One range of the list; it may come out empty when the representation is. */
static spec_result read_spec(hub_bytes spec, uint64_t length, byte_range *part)
{
    const char *p = spec.data;
    uint64_t first, last = UINT64_MAX;
    if (*p == '-')
        return read_suffix(hub_bytes_of(p + 1, spec.length - 1), length, part);
    if (!take_position(&spec, &first) || spec.length == 0 || *(const char *)spec.data != '-')
        return SPEC_BAD;
    spec = hub_bytes_of((const char *)spec.data + 1, spec.length - 1);
    if (spec.length && (!take_position(&spec, &last) || spec.length || last < first))
        return SPEC_BAD;
    if (first >= length)
        return SPEC_OUTSIDE;
    *part = (byte_range){first, (last < length - 1 ? last : length - 1) - first + 1};
    return SPEC_INSIDE;
}

static bool touch(const byte_range *a, const byte_range *b)
{
    return a->first <= b->first + b->length && b->first <= a->first + a->length;
}

static void unite(byte_range *into, const byte_range *from)
{
    uint64_t end = into->first + into->length, other = from->first + from->length;
    into->first = into->first < from->first ? into->first : from->first;
    into->length = (end > other ? end : other) - into->first;
}

/* Puts the last part together with those before it that it touches; what has grown may touch others then. */
static void coalesce(byte_range *parts, size_t *count)
{
    for (size_t grown = *count - 1, i = 0; i < *count;) {
        if (i == grown || !touch(&parts[i], &parts[grown])) {
            i++;
            continue;
        }
        size_t keep = i < grown ? i : grown, drop = i < grown ? grown : i;
        unite(&parts[keep], &parts[drop]);
        memmove(&parts[drop], &parts[drop + 1], (--*count - drop) * sizeof parts[0]);
        grown = keep;
        i = 0;
    }
}

range_result range_parse(hub_bytes field, uint64_t length, byte_range parts[RANGES_MAX], size_t *count)
{
    const char *start = field.data, *equals = start ? memchr(start, '=', field.length) : NULL;
    size_t specs = 0;
    hub_bytes spec;
    *count = 0;
    if (!equals || !field_name_equal(hub_bytes_of(start, (size_t)(equals - start)), hub_text("bytes")))
        return RANGE_WHOLE;
    field = hub_bytes_of(equals + 1, field.length - (size_t)(equals + 1 - start));
    while (field_list_next(&field, &spec)) {
        byte_range part;
        if (++specs > RANGES_MAX)
            return RANGE_WHOLE;
        switch (read_spec(spec, length, &part)) {
        case SPEC_BAD:
            return RANGE_WHOLE;
        case SPEC_OUTSIDE:
            break;
        case SPEC_INSIDE:
            parts[(*count)++] = part;
            coalesce(parts, count);
        }
    }
    if (specs == 0 || (*count && length == 0))
        return RANGE_WHOLE;
    return *count ? RANGE_PARTS : RANGE_UNSATISFIABLE;
}
