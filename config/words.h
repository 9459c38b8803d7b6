/* SPDX-License-Identifier: Apache-2.0 */
/* A line of words, as a shell would split it. */
#ifndef CONFIG_WORDS_H
#define CONFIG_WORDS_H

#include "common/error.h"

typedef struct words {
    char **items; /* ends with NULL; the first is empty, where a command line has the program's name */
    int count;    /* with the first */
} words;

/*
 * Splits at blanks. 'Single quotes' keep everything, "double quotes" too but for \" and \\, a backslash
 * outside of quotes keeps what follows it. Nothing is expanded. words_free afterwards, also after an error.
 * Errors: HUB_EINVAL (a quote is not closed, a backslash is last; the line says which), HUB_ENOMEM.
 */
hub_status words_split(const char *text, words *to, error *error);
void words_free(words *list);

#endif
