/* SPDX-License-Identifier: Apache-2.0 */
/* Files to begin with: every option explained, with its default behind a # that one takes away. */
#include "config/print.h"

#include <stdlib.h>

enum { SAMPLE_WIDTH = 100 };

typedef struct form {
    const char *ending, *other;
    const char *head; /* before the first option */
    void (*print)(FILE *out, const option *entry, const char *value);
} form;

static bool is_text(const option *entry)
{
    return entry->kind == OPTION_STRING || entry->kind == OPTION_WORDS;
}

/* Neither defaults nor examples hold what would need an escape in the quotes that are chosen. */
static void print_yaml(FILE *out, const option *entry, const char *value)
{
    const char *quote = !is_text(entry) ? "" : strchr(value, '"') ? "'" : "\"";
    if (option_is_list(entry))
        fprintf(out, "#%s:\n#  - \"%s\"\n", entry->name, value);
    else
        fprintf(out, "#%s: %s%s%s\n", entry->name, quote, value, quote);
}

static void print_ini(FILE *out, const option *entry, const char *value)
{
    fprintf(out, "#%s = %s\n", entry->name, value);
}

static void print_comment(FILE *out, const char *text)
{
    fputs("# ", out);
    print_wrapped(out, text, "# ", 2, 0, SAMPLE_WIDTH);
}

static void print_option(FILE *out, const option *entry, const form *kind)
{
    char usage[100], variable[64], allowed[200], text[400];
    print_usage(entry, usage, sizeof usage);
    option_variable(entry, variable, sizeof variable);
    option_allowed(entry, allowed, sizeof allowed);
    bool has_letter = entry->flag != 0, has_variable = entry->kind != OPTION_VARIABLES;
    fprintf(out, "\n# %s%.1s%s%s%s%s\n", has_letter ? "-" : "", &entry->flag, has_letter ? ", " : "", usage,
            has_variable ? ", " : "", has_variable ? variable : "");
    print_comment(out, entry->help);
    snprintf(text, sizeof text, "%s Allowed: %s. HUP %s it.",
             entry->initial ? "Below is the default." : "No default; below is an example.", allowed,
             entry->changed_by_hup ? "changes" : "does not change");
    print_comment(out, text);
    kind->print(out, entry, entry->initial ? entry->initial : entry->example);
}

static void print_sample(FILE *out, const form *kind)
{
    fprintf(
        out,
        "# SPDX-License-Identifier: Apache-2.0\n"
        "#\n"
        "# A configuration of hubbub: every option, explained, with its default. Lines that begin with \"# "
        "\"\n"
        "# explain; to set an option, take the # away that stands directly before its name. Then start the\n"
        "# server by\n"
        "#\n"
        "#     hubbub -c hubbub.%s\n"
        "#\n"
        "# or check first what you wrote:\n"
        "#\n"
        "#     hubbub -c hubbub.%s --check-config\n"
        "#     hubbub -c hubbub.%s --print-config\n"
        "#\n"
        "# The environment (HUBBUB_WORKERS=4) and the command line (--workers 4) win over this file. A "
        "server\n"
        "# that runs reads it again at SIGHUP. A SIZE is a number of bytes, or has K, M or G behind it; "
        "SECONDS\n"
        "# may have a point: 0.5. The same options in another form: hubbub.%s.\n"
        "%s",
        kind->ending, kind->ending, kind->ending, kind->other, kind->head);
    for (size_t i = 0; i < option_count; i++) {
        if (i == 0 || strcmp(options[i].group, options[i - 1].group) != 0)
            fprintf(out, "\n\n# ==== %s ====\n", options[i].group);
        print_option(out, &options[i], kind);
    }
}

void config_print_sample_yaml(FILE *out)
{
    static const form yaml = {
        "yaml", "ini", "# This file is YAML: one flat mapping, with sequences for lists.\n", print_yaml};
    print_sample(out, &yaml);
}

void config_print_sample_ini(FILE *out)
{
    static const form ini = {
        "ini", "yaml", "# This file is INI: a key is repeated for the further items of a list.\n\n[hubbub]\n",
        print_ini};
    print_sample(out, &ini);
}
