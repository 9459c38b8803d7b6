/* SPDX-License-Identifier: Apache-2.0 */
/* What the printers of this floor share. */
#ifndef CONFIG_PRINT_H
#define CONFIG_PRINT_H

#include "config/options.h"

/*
 * A text in lines of at most `width` columns and a newline behind it. The first line begins in column `used`,
 * each other with the text `begin` and `indent` blanks.
 */
void print_wrapped(FILE *out, const char *text, const char *begin, int used, int indent, int width);

/* "--workers N|auto", "--daemon[=on|off]"; `capacity` 100 is enough for every row. */
void print_usage(const option *entry, char *to, size_t capacity);

#endif
