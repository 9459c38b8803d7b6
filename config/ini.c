/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INI files by inih. The library gets its lines from here, one at a time, because it would cut a line that is
 * longer than its buffer and go on with the rest as if it were another, takes a NUL for the end of a line,
 * and does not tell its handler where it is.
 */
#include "config/readers.h"
#include "config/settings.h"

#include <ini.h>

typedef struct ini_state {
    config *values;
    const char *data; /* what is left of the text */
    size_t length;
    place place; /* of the line that the library works on */
    hub_status status;
    error *failure;
} ini_state;

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* For the library: the next line, or NULL at the end and after an error. */
static char *next_line(char *to, int capacity, void *argument)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    ini_state *state = argument;
    if (state->status != HUB_OK || state->length == 0)
        return NULL;
    state->place.line++;
    const char *line = state->data;
    const char *newline = memchr(line, '\n', state->length);
    size_t length = newline ? (size_t)(newline - line) : state->length;
    size_t used = newline ? length + 1 : length;
    state->data += used;
    state->length -= used;

    if (state->place.line == 1 && length >= 3 && memcmp(line, byte_order_mark, 3) == 0) {
        line += 3;
        length -= 3;
    }
    /* Without its indent no line continues the one before: a repeated key does that, and says so. */
    while (length > 0 && is_blank(*line)) {
        line++;
        length--;
    }
    if (memchr(line, '\0', length)) {
        state->status = setting_refuse(&state->place, state->failure,
                                       "has a NUL byte; save the file as plain UTF-8 text");
        return NULL;
    }
    if (capacity < 3 || length > (size_t)capacity - 2) {
        state->status =
            setting_refuse(&state->place, state->failure,
                           "is longer than the %d bytes a line of an INI file may have; repeat the key "
                           "for further items of a list, or use YAML",
                           capacity - 2);
        return NULL;
    }
    memcpy(to, line, length);
    to[length] = '\n';
    to[length + 1] = '\0';
    return to;
}

/* For the library: 1 to go on, 0 for an error. */
static int take(void *argument, const char *section, const char *name, const char *text)
{
    ini_state *state = argument;
    if (state->status != HUB_OK)
        return 0;
    if (*section != '\0' && strcmp(section, "hubbub") != 0) {
        state->status = setting_refuse(
            &state->place, state->failure,
            "section [%s] is unknown; options stand in [hubbub] or before any section", section);
        return 0;
    }
    const option *entry = option_find(name, strlen(name));
    if (!entry) {
        state->status = setting_refuse_unknown(name, strlen(name), &state->place, state->failure);
        return 0;
    }
    if (!option_grows(entry))
        state->status = setting_refuse_twice(state->values, entry, &state->place, state->failure);
    if (state->status == HUB_OK)
        state->status = setting_apply(state->values, entry, text ? text : "", &state->place, state->failure);
    return state->status == HUB_OK;
}

hub_status ini_read(config *values, const char *path, const char *data, size_t length, error *failure)
{
    ini_state state = {
        .values = values,
        .data = data,
        .length = length,
        .place = {PLACE_FILE, path, 0},
        .failure = failure,
    };
    int first_wrong = ini_parse_stream(next_line, &state, take, &state);
    if (state.status != HUB_OK)
        return state.status;
    if (first_wrong > 0) {
        state.place.line = (unsigned)first_wrong;
        return setting_refuse(
            &state.place, failure,
            "is neither \"option = value\", [section] nor a comment (; or # first in a line)");
    }
    if (first_wrong < 0)
        return error_set(failure, HUB_ENOMEM, "%s: no memory to read it", path);
    return HUB_OK;
}
