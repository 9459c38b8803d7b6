/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A failure on its way to the person who can mend it: a status for the program and one line for the reader,
 * which says what failed, where, and what to do. Made where the cause is known, carried up by value, printed
 * once at the top.
 */
#ifndef COMMON_ERROR_H
#define COMMON_ERROR_H

#include <hubbub.h>

typedef struct error {
    hub_status status; /* HUB_OK: nothing failed */
    char text[1024];   /* one line without its newline, cut when longer */
} error;

/*
 * Fills in the error and returns its status, so that a function can end with `return error_set(…)`. `error`
 * may be NULL: then only the status is returned. errno is not changed.
 */
hub_status error_set(error *error, hub_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts a text in front of the error's line ("chat.yaml:3: " …); nothing when it holds none. */
void error_prefix(error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
