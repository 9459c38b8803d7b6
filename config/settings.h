/* SPDX-License-Identifier: Apache-2.0 */
/* A value on its way from where it was given into the configuration, with a memory of that place. */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "config/options.h"

/* In the order of precedence: a later one replaces what an earlier one gave. */
typedef enum place_kind {
    PLACE_DEFAULT,
    PLACE_PLATFORM, /* a variable such as PORT */
    PLACE_FILE,
    PLACE_ARGUMENTS,   /* HUBBUB_CMD_ARGS */
    PLACE_ENVIRONMENT, /* HUBBUB_<OPTION> */
    PLACE_COMMAND_LINE
} place_kind;

typedef struct place {
    place_kind kind;
    const char *name; /* of the file, as it was given, or of the variable */
    unsigned line;    /* in the file; 0: of no line */
} place;

typedef struct config_source {
    place_kind kind;
    unsigned line;
} config_source;

/* Where the option's value came from. */
config_source *setting_source(const config *values, const option *entry);

/*
 * Gives an option the value that a text says. The first value from a place of higher precedence replaces; in
 * the same place lists grow and others are replaced. Errors: HUB_EINVAL, HUB_ENOMEM, with a whole line.
 */
hub_status setting_apply(config *values, const option *entry, const char *text, const place *from,
                         error *failure);

/* For files: HUB_EINVAL when the option was given in this file before. */
hub_status setting_refuse_twice(const config *values, const option *entry, const place *from, error *failure);

/* HUB_EINVAL with a whole line that names the nearest option. */
hub_status setting_refuse_unknown(const char *name, size_t length, const place *from, error *failure);

/* HUB_EINVAL with the place in front. */
hub_status setting_refuse(const place *from, error *failure, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "chat.yaml:3", "environment HUBBUB_WORKERS", "command line", "default". */
void place_format(const place *from, char *to, size_t capacity);

/* The place of an option's value, for people. */
void setting_format_place(const config *values, const option *entry, char *to, size_t capacity);

#endif
