/* SPDX-License-Identifier: Apache-2.0 */
#include "master/title.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/*
 * The kernel shows the bytes between two addresses. A line that ends within them is followed by zeros; one
 * that is longer must leave no zero at the end of the arguments, and is then read on into the environment,
 * which lies behind them.
 */
static struct {
    char *start;      /* NULL: not opened */
    size_t arguments; /* bytes */
    size_t whole;     /* with the environment */
    char *variables_copy, *arguments_copy;
} area;

/* The end of those strings that lie one behind the other, from `end` on. */
static char *end_of_run(char *end, char *const strings[])
{
    for (; *strings && *strings == end; strings++)
        end += strlen(*strings) + 1;
    return end;
}

/*
 * Copies of the strings in place of them; none without memory. They lie in one block that stays known here: a
 * variable that is taken out of the environment would else be memory that nobody knows.
 */
static hub_status copy_strings(char **block, char *strings[], size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += strlen(strings[i]) + 1;
    char *to = *block = malloc(size ? size : 1);
    if (!to)
        return HUB_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        char *copy = to;
        to = stpcpy(to, strings[i]) + 1;
        strings[i] = copy;
    }
    return HUB_OK;
}

hub_status title_open(int argc, char *argv[])
{
    size_t variables = 0;
    if (argc < 1)
        return HUB_OK;
    while (environ[variables])
        variables++;
    char *start = argv[0];
    char *arguments_end = end_of_run(start, argv);
    char *whole_end = end_of_run(arguments_end, environ);
    if (copy_strings(&area.variables_copy, environ, variables) != HUB_OK ||
        copy_strings(&area.arguments_copy, argv, (size_t)argc) != HUB_OK)
        return HUB_ENOMEM;
    area.start = start;
    area.arguments = (size_t)(arguments_end - start);
    area.whole = (size_t)(whole_end - start);
    return HUB_OK;
}

void title_set(const char *name, const char *format, ...)
{
    char text[256];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    prctl(PR_SET_NAME, name);
    if (!area.start || area.whole == 0 || length < 0)
        return;
    size_t used = strnlen(text, sizeof text);
    if (used > area.whole - 1)
        used = area.whole - 1;
    memset(area.start, 0, area.arguments);
    memcpy(area.start, text, used);
    area.start[used] = '\0';
}
