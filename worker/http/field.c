/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/field.h"

/* The tchars: letters, digits and !#$%&'*+-.^_`|~ */
const bool field_tchars[256] = {
    ['!'] = true, ['#' ... '\''] = true, ['*'] = true,         ['+'] = true, ['-'] = true,
    ['.'] = true, ['0' ... '9'] = true,  ['A' ... 'Z'] = true, ['^'] = true, ['_'] = true,
    ['`'] = true, ['a' ... 'z'] = true,  ['|'] = true,         ['~'] = true,
};

bool field_name_valid(hub_bytes name)
{
    const unsigned char *p = name.data;
    for (size_t i = 0; i < name.length; i++)
        if (!field_tchars[p[i]])
            return false;
    return name.length > 0;
}

bool field_value_valid(hub_bytes value)
{
    const unsigned char *p = value.data;
    for (size_t i = 0; i < value.length; i++)
        if ((p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7F)
            return false;
    return true;
}

bool field_name_equal(hub_bytes a, hub_bytes b)
{
    const unsigned char *p = a.data, *q = b.data;
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++) {
        unsigned char x = p[i], y = q[i];
        if (x != y && !((x ^ y) == 0x20 && (x | 0x20) >= 'a' && (x | 0x20) <= 'z'))
            return false;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

hub_bytes field_trim(hub_bytes value)
{
    const char *p = value.data;
    size_t length = value.length;
    while (length > 0 && is_blank(p[length - 1]))
        length--;
    while (length > 0 && is_blank(*p)) {
        p++;
        length--;
    }
    return hub_bytes_of(p, length);
}

bool field_list_next(hub_bytes *rest, hub_bytes *element)
{
    while (rest->length > 0) {
        const char *start = rest->data;
        const char *comma = memchr(start, ',', rest->length);
        size_t length = comma ? (size_t)(comma - start) : rest->length;
        size_t skipped = comma ? length + 1 : length;
        *element = field_trim(hub_bytes_of(start, length));
        *rest = hub_bytes_of(start + skipped, rest->length - skipped);
        if (element->length > 0)
            return true;
    }
    return false;
}

bool field_list_has(hub_bytes list, hub_bytes token)
{
    hub_bytes element;
    while (field_list_next(&list, &element))
        if (field_name_equal(element, token))
            return true;
    return false;
}
