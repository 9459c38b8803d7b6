/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the configuration share. */
#ifndef TESTS_CONFIG_SUPPORT_H
#define TESTS_CONFIG_SUPPORT_H

#include "common/buffer.h"
#include "config/config.h"
#include "config/readers.h"
#include "config/settings.h"
#include "config/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* A value that the option takes. */
static inline const char *some_value(const option *entry)
{
    return entry->initial ? entry->initial : entry->example;
}

/* The option's value as text; the caller frees it. */
static inline char *shown(const config *values, const option *entry)
{
    buffer text = {0};
    assert_int_equal(value_format(values, entry, &text), HUB_OK);
    assert_int_equal(buffer_append(&text, "", 1), HUB_OK);
    return text.data;
}

static inline void assert_value(const config *values, const char *name, const char *expected)
{
    const option *entry = option_find(name, strlen(name));
    assert_non_null(entry);
    char *text = shown(values, entry);
    assert_string_equal(text, expected);
    free(text);
}

static inline void assert_equal_configs(const config *a, const config *b)
{
    for (size_t i = 0; i < option_count; i++) {
        char *left = shown(a, &options[i]), *right = shown(b, &options[i]);
        assert_string_equal(left, right);
        free(left);
        free(right);
    }
}

/* What a printer writes, as one string; the caller frees it. */
static inline char *printed(const config *values)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    config_print(values, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* Loads with arguments that end with NULL; the program's name is put in front. */
static inline hub_status load(config *values, config_action *action, error *failure,
                              const char *const *arguments)
{
    char *argv[32] = {(char[]){"hubbub"}};
    int argc = 1;
    for (; arguments[argc - 1]; argc++) {
        assert_true(argc < 31);
        argv[argc] = strdup(arguments[argc - 1]);
    }
    memset(failure, 0, sizeof *failure);
    hub_status status = config_load(values, action, argc, argv, failure);
    for (int i = 1; i < argc; i++)
        free(argv[i]);
    return status;
}

/* Makes a file in the working directory's place for temporary files; its path. */
static inline const char *temporary_file(const char *ending, const char *text)
{
    static char path[128];
    static unsigned number;
    snprintf(path, sizeof path, "/tmp/hubbub-config-%ld-%u%s", (long)getpid(), number++, ending);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

#endif
