/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all options, and what can be read from it alone. The command line, the readers, --help,
 * --print-config and the reference are loops over it: an option is added by adding its row and its field.
 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include "config/config.h"

typedef enum option_kind {
    OPTION_STRING,   /* char * */
    OPTION_LIST,     /* char *[maximum + 1], ends with NULL; commas and repetition add items */
    OPTION_WORDS,    /* char * that holds such a list joined by ", " */
    OPTION_UNSIGNED, /* unsigned */
    OPTION_SIZE,     /* size_t, bytes; K, M and G multiply by 1024 */
    OPTION_SECONDS,  /* double */
    OPTION_LEVEL,    /* hub_level */
    OPTION_WORKERS,  /* unsigned; "auto" is 0 */
    OPTION_SWITCH,   /* bool; "--name" alone is "on" */
    /*
     * char *[maximum + 1] of NAME=VALUE, ends with NULL; only repetition adds items, as a value may have
     * commas. Not read from the environment, which has no need of it, and not shown where it looks secret.
     */
    OPTION_VARIABLES
} option_kind;

typedef struct option {
    const char *group;   /* heading under which it is shown; rows of a group stand together */
    const char *name;    /* long option and key in files */
    const char *alias;   /* another name for it, of gunicorn's; NULL: none */
    const char *initial; /* default, as text; NULL: none */
    const char *example; /* of those without a default: a value that could stand in a file */
    const char
        *platform; /* a variable by which hosting platforms say it; it gives way to files; NULL: none */
    const char *value_name; /* in help: "N|auto" */
    const char *help;       /* sentences */
    const char *form;       /* of strings: what is allowed, in words */
    const char *(*check)(
        const char *text);   /* of strings: what is wrong, in words; NULL: nothing, or no check */
    size_t offset;           /* of its field in config */
    double minimum, maximum; /* of a number; OPTION_LIST: maximum is the number of items it holds */
    option_kind kind;
    char flag;           /* short option; 0: none */
    bool power_of_two;   /* a size must be one */
    bool changed_by_hup; /* false: fixed for as long as the master lives */
} option;

extern const option options[];
extern const size_t option_count;

/* What the command line knows besides the table's options. */
typedef struct command {
    const char *name;
    const char *value_name; /* NULL: takes no value */
    const char *help;       /* NULL: not shown in --help */
    config_action action;
    char flag;  /* 0: none */
    char alias; /* another letter; 0: none */
} command;

extern const command commands[];
extern const size_t command_count;

/* Whether a given name is a known one. An underscore in it is as good as a dash: gunicorn's files have them.
 */
bool option_is_name(const char *known, const char *given, size_t length);

/* By name or alias, given with its length; "_" in it counts as "-". NULL when there is none. */
const option *option_find(const char *name, size_t length);

/*
 * The known name that is nearest to a wrong one; NULL when none is near. `with_commands`: look among the
 * command line's own names too. `distance`, if not NULL: how many letters are wrong, missing, too many or
 * swapped with their neighbour.
 */
const char *option_nearest(const char *name, size_t length, bool with_commands, unsigned *distance);

/* It holds items, each in a string of its own. */
bool option_is_list(const option *entry);

/* What is given to it again in the same place is added to what it holds. */
bool option_grows(const option *entry);

/* "HUBBUB_WS_PING_INTERVAL"; `capacity` 64 is enough for every row. */
void option_variable(const option *entry, char *to, size_t capacity);

/* What values are allowed, in words: "auto or 1 to 64". */
void option_allowed(const option *entry, char *to, size_t capacity);

#endif
