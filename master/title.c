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
} area;

/* The end of those strings that lie one behind the other, from `end` on. */
static char *end_of_run(char *end, char *const strings[])
{
    for (; *strings && *strings == end; strings++)
        end += strlen(*strings) + 1;
    return end;
}

/* Copies of the strings in place of them; all or none. */
static hub_status copy_strings(char *strings[], size_t count)
{
    char **copies = calloc(count + 1, sizeof *copies);
    if (!copies)
        return HUB_ENOMEM;
    size_t made = 0;
    while (made < count && (copies[made] = strdup(strings[made])))
        made++;
    bool is_whole = made == count;
    for (size_t i = 0; is_whole && i < count; i++)
        strings[i] = copies[i];
    while (!is_whole && made > 0)
        free(copies[--made]);
    free(copies);
    return is_whole ? HUB_OK : HUB_ENOMEM;
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
    if (copy_strings(environ, variables) != HUB_OK || copy_strings(argv, (size_t)argc) != HUB_OK)
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
