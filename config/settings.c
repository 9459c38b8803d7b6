/* SPDX-License-Identifier: Apache-2.0 */
#include "config/settings.h"
#include "config/absent.h"
#include "config/value.h"

#include <stdarg.h>

enum { PLACE_MAX = 320 }; /* bytes of a place in an error line; longer paths are cut */

void place_format(const place *from, char *to, size_t capacity)
{
    switch (from->kind) {
    case PLACE_DEFAULT:
        snprintf(to, capacity, "default");
        return;
    case PLACE_FILE:
        if (from->line)
            snprintf(to, capacity, "%s:%u", from->name, from->line);
        else
            snprintf(to, capacity, "%s", from->name);
        return;
    case PLACE_ARGUMENTS:
        snprintf(to, capacity, "environment HUBBUB_CMD_ARGS");
        return;
    case PLACE_PLATFORM:
    case PLACE_ENVIRONMENT:
        snprintf(to, capacity, "environment %s", from->name);
        return;
    case PLACE_COMMAND_LINE:
        snprintf(to, capacity, "command line");
        return;
    }
}

static void prefix_place(error *failure, const place *from)
{
    char text[PLACE_MAX];
    place_format(from, text, sizeof text);
    error_prefix(failure, "%s: ", text);
}

static bool has_dashes(const place *from)
{
    return from->kind == PLACE_COMMAND_LINE || from->kind == PLACE_ARGUMENTS;
}

/* The name as it is written there: that of an argument has two dashes. */
static const char *dashes(const place *from)
{
    return has_dashes(from) ? "--" : "";
}

config_source *setting_source(const config *values, const option *entry)
{
    return &values->sources[entry - options];
}

void setting_format_place(const config *values, const option *entry, char *to, size_t capacity)
{
    const config_source *source = setting_source(values, entry);
    char variable[64];
    option_variable(entry, variable, sizeof variable);
    place from = {source->kind, variable, source->line};
    if (source->kind == PLACE_FILE)
        from.name = values->file;
    else if (source->kind == PLACE_PLATFORM)
        from.name = entry->platform;
    place_format(&from, to, capacity);
}

hub_status setting_apply(config *values, const option *entry, const char *text, const place *from,
                         error *failure)
{
    config_source *source = setting_source(values, entry);
    if (!option_grows(entry) || source->kind != from->kind)
        value_clear(values, entry);
    hub_status status = value_store(values, entry, text, failure);
    if (status != HUB_OK) {
        error_prefix(failure, "%s%s: ", dashes(from), entry->name);
        prefix_place(failure, from);
        return status;
    }
    source->kind = from->kind;
    source->line = from->line;
    return HUB_OK;
}

hub_status setting_refuse_twice(const config *values, const option *entry, const place *from, error *failure)
{
    const config_source *source = setting_source(values, entry);
    if (source->kind != PLACE_FILE)
        return HUB_OK;
    return setting_refuse(from, failure, "%s is given twice, first in line %u; remove one", entry->name,
                          source->line);
}

hub_status setting_refuse_unknown(const char *name, size_t length, const place *from, error *failure)
{
    const char *nearest = option_nearest(name, length, has_dashes(from), NULL);
    int shown = length < 60 ? (int)length : 60;
    const char *reason = absent_reason(name, length);
    if (reason)
        return setting_refuse(from, failure, "there is no option %s%.*s: %s", dashes(from), shown, name,
                              reason);
    if (!nearest)
        return setting_refuse(from, failure, "unknown option %s%.*s; hubbub --help lists all", dashes(from),
                              shown, name);
    return setting_refuse(from, failure, "unknown option %s%.*s; did you mean %s%s? hubbub --help lists all",
                          dashes(from), shown, name, dashes(from), nearest);
}

hub_status setting_refuse(const place *from, error *failure, const char *format, ...)
{
    char text[sizeof failure->text];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_set(failure, HUB_EINVAL, "%s", length < 0 ? format : text);
    prefix_place(failure, from);
    return HUB_EINVAL;
}
