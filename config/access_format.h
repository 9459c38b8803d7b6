/* SPDX-License-Identifier: Apache-2.0 */
/* The form of a line of the access log: text with the atoms that gunicorn has, read step by step. */
#ifndef CONFIG_ACCESS_FORMAT_H
#define CONFIG_ACCESS_FORMAT_H

#include <stddef.h>

/* An atom, or the text between two. */
typedef struct access_step {
    char atom;        /* the letter of %(h)s or %({name}i)s; 0: text */
    const char *text; /* the text, or the name in braces; in the format itself */
    size_t length;
} access_step;

typedef enum access_format_result {
    ACCESS_FORMAT_STEP,
    ACCESS_FORMAT_END,
    ACCESS_FORMAT_WRONG
} access_format_result;

/* Takes the next step off *rest. Where it is WRONG, *rest stays at the percent sign of what is no atom. */
access_format_result access_format_next(const char **rest, access_step *step);

/* What is wrong with a format, with the place, in words that are valid until the next call; NULL: nothing. */
const char *access_format_check(const char *text);

#endif
