/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/packet.h"

#include "worker/sio/json.h"
#include "worker/sio/number.h"

#define ID_MAX ((UINT64_C(1) << 53) - 1) /* the highest that JavaScript counts exactly */

static const hub_bytes reserved[] = {
    {"connect", 7},        {"connect_error", 13}, {"disconnect", 10},
    {"disconnecting", 13}, {"newListener", 11},   {"removeListener", 14},
};

typedef struct reading {
    const char *p, *end;
} reading;

static inline bool digit_is_next(const reading *r)
{
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static bool is_binary(packet_type type)
{
    return type == PACKET_BINARY_EVENT || type == PACKET_BINARY_ACK;
}

static hub_status read_type(reading *r, packet *out)
{
    if (r->p == r->end || *r->p < '0' || *r->p > '6')
        return HUB_EPROTO;
    out->type = (packet_type)(*r->p++ - '0');
    return out->type == PACKET_CONNECT_ERROR ? HUB_EPROTO : HUB_OK;
}

/* Digits, as far as they are below a bound that leaves room for one more; what is above is told as such. */
static bool read_digits(reading *r, uint64_t limit, uint64_t *value)
{
    bool fits = true;
    *value = 0;
    for (; digit_is_next(r); r->p++) {
        if (fits)
            *value = *value * 10 + (uint64_t)(*r->p - '0');
        fits = fits && *value <= limit;
    }
    return fits;
}

static hub_status read_attachments(reading *r, packet *out, unsigned limit)
{
    uint64_t count;
    out->attachments = 0;
    if (!is_binary(out->type))
        return HUB_OK;
    bool fits = read_digits(r, limit, &count);
    if (count == 0 || r->p == r->end || *r->p != '-')
        return HUB_EPROTO;
    r->p++;
    out->attachments = (unsigned)count;
    return fits ? HUB_OK : HUB_ETOOBIG;
}

static hub_status read_name_space(reading *r, packet *out, size_t limit)
{
    out->name_space = hub_bytes_of("/", 1);
    if (r->p == r->end || *r->p != '/')
        return HUB_OK;
    const char *start = r->p;
    const char *comma = memchr(start, ',', (size_t)(r->end - start));
    const char *end = comma ? comma : r->end;
    const char *query = memchr(start, '?', (size_t)(end - start));
    out->name_space = hub_bytes_of(start, (size_t)((query ? query : end) - start));
    r->p = comma ? comma + 1 : r->end;
    return out->name_space.length <= limit ? HUB_OK : HUB_ETOOBIG;
}

static hub_status read_id(reading *r, packet *out)
{
    out->id = PACKET_NO_ID;
    if (!digit_is_next(r))
        return HUB_OK;
    return read_digits(r, ID_MAX, &out->id) ? HUB_OK : HUB_EPROTO;
}

/* ---- data ---- */

static bool begins_with(hub_bytes data, char bracket)
{
    size_t at = json_begin(data, 0);
    return at < data.length && ((const char *)data.data)[at] == bracket;
}

bool packet_name_is_reserved(hub_bytes name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (hub_equal(name, reserved[i]))
            return true;
    return false;
}

static bool escaped_name_is_reserved(hub_bytes name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (json_equals(name, reserved[i]))
            return true;
    return false;
}

/* Where the array's first item lies: its text, quotes and all. */
static hub_bytes first_item(hub_bytes array)
{
    size_t begin = json_begin(array, json_begin(array, 0) + 1);
    return hub_bytes_of((const char *)array.data + begin, json_skip(array, begin) - begin);
}

static hub_status read_name(packet *out)
{
    if (out->items == 0)
        return HUB_EPROTO;
    hub_bytes name = first_item(out->data);
    char first = *(const char *)name.data;
    if (first == '-' || (first >= '0' && first <= '9')) {
        out->name = name;
        return HUB_OK;
    }
    if (first != '"')
        return HUB_EPROTO;
    out->name = hub_bytes_of((const char *)name.data + 1, name.length - 2);
    out->name_has_escapes = json_has_escapes(out->name);
    bool is_reserved =
        out->name_has_escapes ? escaped_name_is_reserved(out->name) : packet_name_is_reserved(out->name);
    return is_reserved ? HUB_EPROTO : HUB_OK;
}

static hub_status read_no_data(packet *out)
{
    switch (out->type) {
    case PACKET_CONNECT:
    case PACKET_DISCONNECT:
        return HUB_OK;
    case PACKET_ACK:
        out->data = hub_bytes_of("[]", 2);
        return HUB_OK;
    default:
        return HUB_EPROTO;
    }
}

static hub_status read_data(packet *out, unsigned depth)
{
    json_facts facts;
    if (out->data.length == 0)
        return read_no_data(out);
    if (out->type == PACKET_DISCONNECT || !begins_with(out->data, out->type == PACKET_CONNECT ? '{' : '['))
        return HUB_EPROTO;
    hub_status status = json_check(out->data, depth, &facts);
    if (status != HUB_OK)
        return status;
    if (facts.placeholders > 0 && facts.highest >= out->attachments)
        return HUB_EPROTO;
    out->items = facts.items;
    return out->type == PACKET_EVENT || out->type == PACKET_BINARY_EVENT ? read_name(out) : HUB_OK;
}

hub_status packet_read(packet *out, hub_bytes text, const packet_limits *limits)
{
    if (text.length == 0)
        return HUB_EPROTO;
    reading r = {text.data, (const char *)text.data + text.length};
    hub_status status = read_type(&r, out);
    if (status == HUB_OK)
        status = read_attachments(&r, out, limits->attachments);
    if (status == HUB_OK)
        status = read_name_space(&r, out, limits->name_space);
    if (status == HUB_OK)
        status = read_id(&r, out);
    if (status != HUB_OK)
        return status;
    out->data = hub_bytes_of(r.p, (size_t)(r.end - r.p));
    out->items = 0;
    out->name = hub_bytes_of(NULL, 0);
    out->name_has_escapes = false;
    return read_data(out, limits->depth);
}

hub_bytes packet_arguments(char *data, size_t length)
{
    hub_bytes array = {data, length};
    hub_bytes name = first_item(array);
    size_t comma = json_begin(array, (size_t)((const char *)name.data - data) + name.length);
    if (comma >= length || data[comma] != ',')
        return hub_bytes_of("[]", 2);
    data[comma] = '[';
    return hub_bytes_of(data + comma, length - comma);
}

/* ---- writing ---- */

static packet_type binary_form(packet_type type)
{
    return type == PACKET_EVENT ? PACKET_BINARY_EVENT : type == PACKET_ACK ? PACKET_BINARY_ACK : type;
}

size_t packet_write_head(char out[PACKET_HEAD_MAX], packet_type type, size_t attachments,
                         hub_bytes name_space, uint64_t id)
{
    char *p = out;
    *p++ = (char)('0' + (int)(attachments > 0 ? binary_form(type) : type));
    if (attachments > 0) {
        p = number_write_unsigned(p, attachments);
        *p++ = '-';
    }
    if (name_space.length > 1) {
        memcpy(p, name_space.data, name_space.length);
        p += name_space.length;
        *p++ = ',';
    }
    if (id != PACKET_NO_ID)
        p = number_write_unsigned(p, id);
    return (size_t)(p - out);
}
