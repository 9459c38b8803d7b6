/* SPDX-License-Identifier: Apache-2.0 */
#include "config/access_format.h"

#include <stdio.h>
#include <string.h>

static const char letters[] = "hlutrmUqHsBbfaTMDLp", letters_with_name[] = "ioe";

/* "%(h)s" or "%({name}i)s"; its length, 0 when it is neither. */
static size_t read_atom(const char *text, access_step *step)
{
    const char *at = text + 2;
    if (text[1] != '(')
        return 0;
    *step = (access_step){.text = at};
    if (*at == '{') {
        step->text = at + 1;
        step->length = strcspn(step->text, "}");
        at = step->text + step->length;
        if (*at != '}' || step->length == 0)
            return 0;
        at++;
    }
    step->atom = *at;
    if (*at == '\0' || !strchr(step->length ? letters_with_name : letters, *at) ||
        strncmp(at + 1, ")s", 2) != 0)
        return 0;
    return (size_t)(at + 3 - text);
}

access_format_result access_format_next(const char **rest, access_step *step)
{
    const char *text = *rest;
    if (*text == '\0')
        return ACCESS_FORMAT_END;
    size_t length = strcspn(text, "%");
    if (length == 0 && text[1] == '%') {
        *step = (access_step){.text = text, .length = 1};
        length = 2;
    } else if (length == 0) {
        length = read_atom(text, step);
        if (length == 0)
            return ACCESS_FORMAT_WRONG;
    } else {
        *step = (access_step){.text = text, .length = length};
    }
    *rest = text + length;
    return ACCESS_FORMAT_STEP;
}

const char *access_format_check(const char *text)
{
    static char wrong[160];
    const char *rest = text;
    access_step ignored;
    access_format_result result;
    do
        result = access_format_next(&rest, &ignored);
    while (result == ACCESS_FORMAT_STEP);
    if (result == ACCESS_FORMAT_END)
        return NULL;
    const char *end = strstr(rest, ")s");
    int shown = end && end - rest < 40 ? (int)(end - rest) + 2 : 8;
    snprintf(wrong, sizeof wrong, "has no known atom at position %zu, \"%.*s\"; a percent sign alone is %%%%",
             (size_t)(rest - text) + 1, shown, rest);
    return wrong;
}
