/* SPDX-License-Identifier: Apache-2.0 */
#include "common/error.h"
#include "common/escape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Formats one line: whatever the arguments hold, it has no control characters. A failed format shows itself.
 */
static size_t format_line(char *to, size_t capacity, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static size_t format_line(char *to, size_t capacity, const char *format, va_list arguments)
{
    char raw[sizeof(((error *)0)->text)];
    if (vsnprintf(raw, sizeof raw, format, arguments) < 0)
        snprintf(raw, sizeof raw, "%s", format);
    return escape_text(to, capacity, raw, strlen(raw));
}

hub_status error_set(error *self, hub_status status, const char *format, ...)
{
    if (!self)
        return status;
    int saved_errno = errno;
    va_list arguments;
    va_start(arguments, format);
    self->status = status;
    format_line(self->text, sizeof self->text, format, arguments);
    va_end(arguments);
    errno = saved_errno;
    return status;
}

void error_prefix(error *self, const char *format, ...)
{
    if (!self || self->status == HUB_OK)
        return;
    int saved_errno = errno;
    char line[sizeof self->text];
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_line(line, sizeof line, format, arguments);
    va_end(arguments);
    /* The text is a clean line already: escaping it again copies it and cuts between characters. */
    escape_text(line + length, sizeof line - length, self->text, strlen(self->text));
    memcpy(self->text, line, sizeof line);
    errno = saved_errno;
}
