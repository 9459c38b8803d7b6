/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/sse.h"

#include "worker/http/stream.h"

enum { SCRATCH_MAX = 64 * 1024 }; /* of memory kept from one event to the next */

/* ---- the format ---- */

static bool has(hub_bytes text, char c)
{
    return text.length > 0 && memchr(text.data, c, text.length);
}

static bool is_line(hub_bytes text)
{
    return !has(text, '\r') && !has(text, '\n');
}

/* "name: value" and a line end. The client strips the one space. */
static hub_status append_field(buffer *out, const char *name, hub_bytes value)
{
    hub_status status = buffer_reserve(out, strlen(name) + value.length + 3);
    if (status != HUB_OK)
        return status;
    buffer_append_text(out, name);
    buffer_append(out, ": ", 2);
    buffer_append(out, value.data, value.length);
    return buffer_append(out, "\n", 1);
}

/* Takes the first line off *rest; false when it was the last, which no line end follows. */
static bool next_line(hub_bytes *rest, hub_bytes *line)
{
    const char *start = rest->data;
    size_t length = 0;
    while (length < rest->length && start[length] != '\r' && start[length] != '\n')
        length++;
    *line = hub_bytes_of(start, length);
    if (length == rest->length)
        return false;
    size_t end = start[length] == '\r' && length + 1 < rest->length && start[length + 1] == '\n' ? 2 : 1;
    *rest = hub_bytes_of(start + length + end, rest->length - length - end);
    return true;
}

static hub_status append_data(buffer *out, hub_bytes data)
{
    hub_bytes line;
    bool more;
    do {
        more = next_line(&data, &line);
        hub_status status = append_field(out, "data", line);
        if (status != HUB_OK)
            return status;
    } while (more);
    return HUB_OK;
}

hub_status sse_append(buffer *out, const hub_sse_event *event)
{
    hub_status status = HUB_OK;
    if (!is_line(event->event) || has(event->event, '\0') || !is_line(event->id) || has(event->id, '\0'))
        return HUB_EINVAL;
    if (event->event.data)
        status = append_field(out, "event", event->event);
    if (status == HUB_OK && event->id.data)
        status = append_field(out, "id", event->id);
    if (status == HUB_OK && event->retry > 0)
        status = buffer_printf(out, "retry: %u\n", event->retry);
    if (status == HUB_OK && event->data.data)
        status = append_data(out, event->data);
    return status == HUB_OK ? buffer_append(out, "\n", 1) : status;
}

hub_status sse_append_comment(buffer *out, hub_bytes text)
{
    if (!is_line(text))
        return HUB_EINVAL;
    hub_status status = append_field(out, "", text);
    return status == HUB_OK ? buffer_append(out, "\n", 1) : status;
}

/* ---- the answer ---- */

static buffer scratch;

void sse_trim(void)
{
    buffer_free(&scratch);
}

hub_status hub_sse_start(hub_http *http)
{
    hub_status status = hub_http_set(http, "Cache-Control", hub_text("no-cache"));
    if (status == HUB_OK) /* nginx would collect what is to arrive at once */
        status = hub_http_set(http, "X-Accel-Buffering", hub_text("no"));
    return status == HUB_OK ? hub_http_start(http, 200, "text/event-stream", -1) : status;
}

/* Sends what was formatted after stream_wait, without parking in between: all streams share the scratch. */
static hub_status send(hub_http *http, hub_status formatted)
{
    if (formatted == HUB_OK)
        formatted = stream_put(http, buffer_bytes(&scratch));
    if (scratch.capacity > SCRATCH_MAX)
        buffer_free(&scratch);
    buffer_clear(&scratch);
    return formatted;
}

hub_status hub_sse_send(hub_http *http, const hub_sse_event *event)
{
    hub_status status = stream_wait(http);
    return status == HUB_OK ? send(http, sse_append(&scratch, event)) : status;
}

hub_status hub_sse_comment(hub_http *http, const char *text)
{
    hub_status status = stream_wait(http);
    return status == HUB_OK ? send(http, sse_append_comment(&scratch, hub_text(text))) : status;
}
