/* SPDX-License-Identifier: Apache-2.0 */
/* What can be read from the rows of the table: names, near names, variables, what is allowed. */
#include "config/options.h"
#include "config/value.h"

#include <ctype.h>

bool option_is_name(const char *known, const char *given, size_t length)
{
    if (strlen(known) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (known[i] != given[i] && (known[i] != '-' || given[i] != '_'))
            return false;
    return true;
}

const option *option_find(const char *name, size_t length)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_is_name(options[i].name, name, length) ||
            (options[i].alias && option_is_name(options[i].alias, name, length)))
            return &options[i];
    return NULL;
}

enum { NAME_MAX_COMPARED = 48 }; /* longer than any option; nothing longer is near one */

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: the three rows of the usual matrix that the next cell looks at. */
static unsigned edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][NAME_MAX_COMPARED + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *above_that = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned replaced = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = smaller(replaced, smaller(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smaller(row[j], above_that[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

static void look_at(const char *known, const char *name, size_t length, const char **best, unsigned *distance)
{
    unsigned found = edit_distance(name, length, known, strlen(known));
    if (found < *distance) {
        *distance = found;
        *best = known;
    }
}

const char *option_nearest(const char *name, size_t length, bool with_commands, unsigned *distance)
{
    if (length == 0 || length > NAME_MAX_COMPARED)
        return NULL;
    const char *best = NULL;
    unsigned nearest = 1 + smaller(3, (unsigned)(length + 2) / 3); /* above it, it is another word */
    for (size_t i = 0; i < option_count; i++)
        look_at(options[i].name, name, length, &best, &nearest);
    for (size_t i = 0; with_commands && i < command_count; i++)
        if (commands[i].help)
            look_at(commands[i].name, name, length, &best, &nearest);
    if (distance)
        *distance = nearest;
    return best;
}

bool option_is_list(const option *entry)
{
    return entry->kind == OPTION_LIST || entry->kind == OPTION_VARIABLES;
}

bool option_grows(const option *entry)
{
    return option_is_list(entry) || entry->kind == OPTION_WORDS;
}

void option_variable(const option *entry, char *to, size_t capacity)
{
    snprintf(to, capacity, "HUBBUB_%s", entry->name);
    for (char *at = to; *at; at++) {
        if (*at == '-')
            *at = '_';
        else
            *at = (char)toupper((unsigned char)*at);
    }
}

void option_allowed(const option *entry, char *to, size_t capacity)
{
    char low[32], high[32];
    switch (entry->kind) {
    case OPTION_STRING:
    case OPTION_LIST:
    case OPTION_WORDS:
    case OPTION_VARIABLES:
        snprintf(to, capacity, "%s", entry->form);
        return;
    case OPTION_UNSIGNED:
        snprintf(to, capacity, "%.0f to %.0f", entry->minimum, entry->maximum);
        return;
    case OPTION_WORKERS:
        snprintf(to, capacity, "auto or %.0f to %.0f", entry->minimum, entry->maximum);
        return;
    case OPTION_SECONDS:
        snprintf(to, capacity, "%g to %g seconds", entry->minimum, entry->maximum);
        return;
    case OPTION_LEVEL:
        snprintf(to, capacity, "debug, info, warning, error or critical");
        return;
    case OPTION_SWITCH:
        snprintf(to, capacity, "on or off");
        return;
    case OPTION_SIZE:
        value_format_size((uint64_t)entry->minimum, low, sizeof low);
        value_format_size((uint64_t)entry->maximum, high, sizeof high);
        snprintf(to, capacity, "%s to %s bytes%s", low, high, entry->power_of_two ? ", a power of two" : "");
        return;
    }
}
