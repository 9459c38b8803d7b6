/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places that options are read from. Each applies what it finds to a configuration that holds the
 * defaults and what places of lower precedence gave. After an error some of it may have been applied; the
 * caller frees all. Errors: HUB_EINVAL or HUB_ENOMEM with a whole line.
 */
#ifndef CONFIG_READERS_H
#define CONFIG_READERS_H

#include "config/settings.h"

enum { READERS_FILE_MAX = 1024 * 1024 }; /* bytes of a file */

/*
 * Reads the file and hands it to ini_read or yaml_read, by the ending of its name: .ini, .conf, .cfg or
 * .yaml, .yml. Sets values->file; a relative path is meant from values->folder. Errors: also HUB_ENOENT
 * (cannot be read; errno's text is in the line).
 */
hub_status file_read(config *values, const char *path, error *failure);

/* Sections: [hubbub] or none. A list is given with commas or by repeating its key. */
hub_status ini_read(config *values, const char *path, const char *data, size_t length, error *failure);

/* One document with one flat mapping; lists are sequences. Anchors, aliases and tags are refused. */
hub_status yaml_read(config *values, const char *path, const char *data, size_t length, error *failure);

/* Variables such as PORT, by which a hosting platform says what it wants; an empty one counts as not set. */
hub_status platform_read(config *values, char *const environment[], error *failure);

/* HUBBUB_<OPTION>, with - as _; an empty variable counts as not set. */
hub_status environment_read(config *values, char *const environment[], error *failure);

/* What the command line asks for, beside values of options. */
typedef struct cli_request {
    config_action action;
    const char *file; /* of -c; NULL: none */
} cli_request;

/*
 * Reads the command line, or what stands for one (`from`: PLACE_ARGUMENTS). argv[0] is skipped. With values
 * NULL it only checks its form and finds the request (the action may make the rest unimportant, and the file
 * comes first); else it applies the options. `request` may be NULL.
 */
hub_status cli_read(config *values, int argc, char *const argv[], place_kind from, cli_request *request,
                    error *failure);

#endif
