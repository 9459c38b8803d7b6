/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/emission.h"

#include <stdlib.h>

enum { POOL_MAX = 4, KEPT_BYTES = 64 * 1024 };

static struct {
    emission *first;
    unsigned count;
} pool;

emission *emission_take(void)
{
    emission *m = pool.first;
    if (!m)
        return calloc(1, sizeof *m);
    pool.first = m->next;
    pool.count--;
    return m;
}

static void trim(buffer *b)
{
    if (b->capacity > KEPT_BYTES)
        buffer_free(b);
}

static void free_one(emission *m)
{
    buffer_free(&m->values.text);
    buffer_free(&m->frames);
    free(m);
}

void emission_give(emission *m)
{
    if (!m)
        return;
    if (pool.count == POOL_MAX) {
        free_one(m);
        return;
    }
    trim(&m->values.text);
    trim(&m->frames);
    m->next = pool.first;
    pool.first = m;
    pool.count++;
}

void emissions_trim(void)
{
    while (pool.first) {
        emission *m = pool.first;
        pool.first = m->next;
        free_one(m);
    }
    pool.count = 0;
}

hub_status emission_begin(emission *m)
{
    buffer_clear(&m->values.text);
    m->values.items = 0;
    m->values.attachment_count = 0;
    hub_status status = buffer_reserve(&m->values.text, PACKET_HEAD_MAX + 1);
    if (status != HUB_OK)
        return status;
    m->values.text.data[PACKET_HEAD_MAX] = '[';
    m->values.text.length = PACKET_HEAD_MAX + 1;
    return HUB_OK;
}

hub_status emission_end(emission *m)
{
    return buffer_append(&m->values.text, "]", 1);
}

hub_status emission_values(emission *m, const char *format, va_list values)
{
    hub_status status = emission_begin(m);
    if (status == HUB_OK)
        status = pack_values(&m->values, format, values);
    return status == HUB_OK ? emission_end(m) : status;
}

hub_status emission_event(emission *m, const char *event, const char *format, va_list values)
{
    if (!event || !*event || packet_name_is_reserved(hub_text(event)))
        return HUB_EINVAL;
    hub_status status = emission_begin(m);
    if (status == HUB_OK)
        status = pack_text(&m->values, hub_text(event));
    if (status == HUB_OK)
        status = pack_values(&m->values, format, values);
    return status == HUB_OK ? emission_end(m) : status;
}

hub_status emission_refusal(emission *m, const char *message, const char *format, va_list values)
{
    packing *to = &m->values;
    hub_status status = emission_begin(m);
    if (status != HUB_OK)
        return status;
    to->text.length = PACKET_HEAD_MAX;
    status = buffer_append_text(&to->text, "{\"message\":");
    if (status == HUB_OK)
        status = pack_text(to, hub_text(message ? message : "refused"));
    if (status == HUB_OK && format && *format) {
        status = buffer_append_text(&to->text, ",\"data\":");
        to->items = 0;
        if (status == HUB_OK)
            status = pack_values(to, format, values);
        if (status == HUB_OK && (to->items != 1 || to->attachment_count))
            status = HUB_EINVAL;
    }
    return status == HUB_OK ? buffer_append(&to->text, "}", 1) : status;
}

hub_status emission_array(emission *m, hub_bytes array, const hub_bytes *attachments, size_t count)
{
    if (count > PACK_ATTACHMENTS_MAX)
        return HUB_EFULL;
    hub_status status = emission_begin(m);
    if (status != HUB_OK)
        return status;
    m->values.text.length = PACKET_HEAD_MAX;
    for (size_t i = 0; i < count; i++)
        m->values.attachments[i] = attachments[i];
    m->values.attachment_count = count;
    return buffer_append(&m->values.text, array.data, array.length);
}

hub_bytes emission_text(const emission *m)
{
    return hub_bytes_of(m->values.text.data + PACKET_HEAD_MAX, m->values.text.length - PACKET_HEAD_MAX);
}

void emission_address(emission *m, packet_type type, const char *name_space, uint64_t id)
{
    char head[PACKET_HEAD_MAX];
    size_t attachments = m->values.attachment_count;
    size_t length = packet_write_head(head, type, attachments, hub_text(name_space), id);
    char *text = m->values.text.data + PACKET_HEAD_MAX - length;
    memcpy(text, head, length);
    m->parts[0] =
        (engine_part){HUB_TEXT, hub_bytes_of(text, length + m->values.text.length - PACKET_HEAD_MAX)};
    for (size_t i = 0; i < attachments; i++)
        m->parts[i + 1] = (engine_part){HUB_BINARY, m->values.attachments[i]};
    m->part_count = attachments + 1;
}

hub_bytes emission_frames(emission *m)
{
    size_t size = engine_frames_size(m->parts, m->part_count);
    buffer_clear(&m->frames);
    if (buffer_reserve(&m->frames, size) != HUB_OK)
        return hub_bytes_of(NULL, 0);
    engine_frames(m->parts, m->part_count, (unsigned char *)m->frames.data);
    m->frames.length = size;
    return hub_bytes_of(m->frames.data, size);
}
