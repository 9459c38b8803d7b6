/* SPDX-License-Identifier: Apache-2.0 */
#include "common/buffer.h"

#include <stdio.h>
#include <stdlib.h>

enum { CAPACITY_FIRST = 64 };

hub_status buffer_reserve(buffer *self, size_t more)
{
    if (more <= self->capacity - self->length)
        return HUB_OK;
    if (more > PTRDIFF_MAX - self->length) /* no object is larger */
        return HUB_ENOMEM;
    size_t needed = self->length + more;
    size_t capacity = self->capacity <= PTRDIFF_MAX / 2 ? self->capacity * 2 : needed;
    if (capacity < CAPACITY_FIRST)
        capacity = CAPACITY_FIRST;
    if (capacity < needed)
        capacity = needed;
    char *data = realloc(self->data, capacity);
    if (!data)
        return HUB_ENOMEM;
    self->data = data;
    self->capacity = capacity;
    return HUB_OK;
}

hub_status buffer_append(buffer *self, const void *data, size_t length)
{
    if (length == 0)
        return HUB_OK;
    hub_status status = buffer_reserve(self, length);
    if (status != HUB_OK)
        return status;
    memcpy(self->data + self->length, data, length);
    self->length += length;
    return HUB_OK;
}

hub_status buffer_append_text(buffer *self, const char *text)
{
    return buffer_append(self, text, strlen(text));
}

hub_status buffer_printf(buffer *self, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    hub_status status = HUB_ENOMEM; /* also for a format that cannot be carried out */

    size_t space = self->capacity - self->length;
    int wanted = vsnprintf(space ? self->data + self->length : NULL, space, format, arguments);
    if (wanted < 0)
        goto out;
    if ((size_t)wanted >= space) {
        status = buffer_reserve(self, (size_t)wanted + 1); /* printf writes a NUL behind */
        if (status != HUB_OK)
            goto out;
        wanted = vsnprintf(self->data + self->length, (size_t)wanted + 1, format, again);
        if (wanted < 0) {
            status = HUB_ENOMEM;
            goto out;
        }
    }
    self->length += (size_t)wanted;
    status = HUB_OK;
out:
    va_end(again);
    va_end(arguments);
    return status;
}

void buffer_consume(buffer *self, size_t length)
{
    if (length >= self->length) {
        self->length = 0;
        return;
    }
    if (length == 0)
        return;
    memmove(self->data, self->data + length, self->length - length);
    self->length -= length;
}

void buffer_clear(buffer *self)
{
    self->length = 0;
}

void buffer_free(buffer *self)
{
    free(self->data);
    self->data = NULL;
    self->length = 0;
    self->capacity = 0;
}

hub_bytes buffer_bytes(const buffer *self)
{
    return hub_bytes_of(self->data, self->length);
}
