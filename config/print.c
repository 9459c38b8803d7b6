/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed from the table: the help, the configuration as YAML, the reference as Markdown. */
#include "config/print.h"
#include "common/buffer.h"
#include "common/escape.h"
#include "config/settings.h"
#include "config/value.h"

enum {
    HELP_WIDTH = 80,
    HELP_COLUMN = 30, /* where the texts of --help begin */
    REFERENCE_WIDTH = 110,
    SOURCE_COLUMN = 34, /* where the comments of --print-config begin */
};

void print_wrapped(FILE *out, const char *text, const char *begin, int used, int indent, int width)
{
    int column = used;
    bool first = true;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (!first && column + 1 + length > width) {
            fprintf(out, "\n%s%*s", begin, indent, "");
            column = indent + (int)strlen(begin);
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", length, text);
        column += length;
        first = false;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

/* ---- --help -----------------------------------------------------------------------------------------------
 */

void print_usage(const option *entry, char *to, size_t capacity)
{
    bool is_switch = entry->kind == OPTION_SWITCH;
    snprintf(to, capacity, "--%s%s%s%s", entry->name, is_switch ? "[=" : " ", entry->value_name,
             is_switch ? "]" : "");
}

static void print_help_row(FILE *out, char flag, const char *usage, const char *help)
{
    int used = flag ? fprintf(out, "  -%c, ", flag) : fprintf(out, "      ");
    used += fprintf(out, "%s", usage);
    if (used + 2 > HELP_COLUMN)
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(out, "%*s", HELP_COLUMN - used, "");
    print_wrapped(out, help, "", HELP_COLUMN, HELP_COLUMN, HELP_WIDTH);
}

static void print_help_option(FILE *out, const option *entry)
{
    char text[1200], usage[100];
    print_usage(entry, usage, sizeof usage);
    snprintf(text, sizeof text, "%s%s%s%s%s", entry->help, entry->initial ? " [" : "",
             entry->initial ? entry->initial : "", entry->initial ? "]" : "",
             entry->changed_by_hup ? "" : " Not changed by HUP.");
    print_help_row(out, entry->flag, usage, text);
}

static void print_help_command(FILE *out, const command *entry)
{
    char usage[100];
    snprintf(usage, sizeof usage, "--%s%s%s", entry->name, entry->value_name ? " " : "",
             entry->value_name ? entry->value_name : "");
    print_help_row(out, entry->flag, usage, entry->help);
}

void config_print_help(FILE *out)
{
    fputs("Usage: hubbub [-w N|auto] [-b ADDRESS] [-c FILE] [--option value ...] APP\n"
          "\n"
          "Runs APP, a shared object or a C file, in worker processes that serve HTTP and\n"
          "WebSocket clients. Defaults stand in brackets. Options may also stand in the\n"
          "file that -c names and in the environment (--log-level as HUBBUB_LOG_LEVEL,\n"
          "or many in HUBBUB_CMD_ARGS); the command line wins over the environment, the\n"
          "environment over the file. SIGHUP makes a server read them again.\n"
          "SIZE is in bytes, or with K, M or G; SECONDS may have a point: 0.5.\n"
          "\n",
          out);
    for (size_t i = 0; i < command_count; i++)
        if (commands[i].help)
            print_help_command(out, &commands[i]);
    for (size_t i = 0; i < option_count; i++) {
        if (i == 0 || strcmp(options[i].group, options[i - 1].group) != 0)
            fprintf(out, "\n%s:\n", options[i].group);
        print_help_option(out, &options[i]);
    }
}

/* ---- --print-config ---------------------------------------------------------------------------------------
 */

/*
 * Characters that YAML takes for line ends or refuses although they are no controls: U+2028, U+2029, U+FEFF,
 * U+FFFE, U+FFFF. All have three bytes.
 */
static bool needs_escape(const unsigned char *at)
{
    return (at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9)) ||
           (at[0] == 0xef && at[1] == 0xbb && at[2] == 0xbf) ||
           (at[0] == 0xef && at[1] == 0xbf && (at[2] == 0xbe || at[2] == 0xbf));
}

/* Prints the character at *at and moves on behind it; the columns that it took. */
static int print_character(FILE *out, const unsigned char **at)
{
    const unsigned char *bytes = *at;
    if (needs_escape(bytes)) {
        *at += 3;
        return fprintf(out, "\\u%04X",
                       ((bytes[0] & 0x0fu) << 12) | ((bytes[1] & 0x3fu) << 6) | (bytes[2] & 0x3fu));
    }
    fputc(*bytes, out);
    *at += 1;
    return 1;
}

/* Double quotes, in which YAML reads everything as text. The values hold no control characters. */
static int print_quoted(FILE *out, const char *text)
{
    int used = 2;
    fputc('"', out);
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        if (*at == '"' || *at == '\\')
            used += fprintf(out, "\\");
        used += print_character(out, &at);
    }
    fputc('"', out);
    return used;
}

/* A comment with the place of the value. A file's name may hold anything, and must not end the line. */
static void print_source(FILE *out, const config *values, const option *entry, int used)
{
    char where[320], line[1024];
    setting_format_place(values, entry, where, sizeof where);
    escape_text(line, sizeof line, where, strlen(where));
    fprintf(out, "%*s# ", used + 2 > SOURCE_COLUMN ? 2 : SOURCE_COLUMN - used, "");
    for (const unsigned char *at = (const unsigned char *)line; *at;)
        print_character(out, &at);
    fputc('\n', out);
}

static bool is_hidden(const option *entry, const char *item)
{
    return entry->kind == OPTION_VARIABLES && value_is_secret(item);
}

/* A hidden item stands in a comment, so that what is read back has no mask for a value. */
static void print_item(FILE *out, const option *entry, const char *item)
{
    if (is_hidden(entry, item)) {
        fprintf(out, "  # - \"%.*s=...\": left out, as it looks like a secret\n", (int)strcspn(item, "="),
                item);
        return;
    }
    fputs("  - ", out);
    print_quoted(out, item);
    fputc('\n', out);
}

static void print_list(FILE *out, const config *values, const option *entry)
{
    char *const *items = value_list(values, entry);
    size_t shown = 0;
    for (char *const *item = items; *item; item++)
        shown += !is_hidden(entry, *item);
    if (!*items) {
        fprintf(out, "# %s: not given\n", entry->name);
        return;
    }
    print_source(out, values, entry, fprintf(out, "%s%s:", shown > 0 ? "" : "# ", entry->name));
    for (char *const *item = items; *item; item++)
        print_item(out, entry, *item);
}

static void print_single(FILE *out, const config *values, const option *entry)
{
    buffer text = {0};
    if (value_format(values, entry, &text) != HUB_OK || buffer_append(&text, "", 1) != HUB_OK) {
        fprintf(out, "# %s: no memory to print it\n", entry->name);
        buffer_free(&text);
        return;
    }
    if (text.data[0] == '\0') {
        fprintf(out, "# %s: not given\n", entry->name);
    } else {
        int used = fprintf(out, "%s: ", entry->name);
        if (entry->kind == OPTION_STRING || entry->kind == OPTION_WORDS)
            used += print_quoted(out, text.data);
        else
            used += fprintf(out, "%s", text.data);
        print_source(out, values, entry, used);
    }
    buffer_free(&text);
}

void config_print(const config *values, FILE *out)
{
    for (size_t i = 0; i < option_count; i++) {
        if (i == 0 || strcmp(options[i].group, options[i - 1].group) != 0)
            fprintf(out, "%s# %s\n", i == 0 ? "" : "\n", options[i].group);
        if (option_is_list(&options[i]))
            print_list(out, values, &options[i]);
        else
            print_single(out, values, &options[i]);
    }
}

/* ---- --print-reference ------------------------------------------------------------------------------------
 */

static const char reference_head[] =
    "# Configuration\n"
    "\n"
    "This page is the output of `hubbub --print-reference`, made from the table in `config/options.c`.\n"
    "\n"
    "An option can be given in these places; the later one in this list wins:\n"
    "\n"
    "1. its default;\n"
    "2. what a hosting platform says: `PORT` (listen at `0.0.0.0:PORT`) and `WEB_CONCURRENCY` (workers);\n"
    "3. the file that `-c FILE` names;\n"
    "4. `HUBBUB_CMD_ARGS` in the environment: a command line, split into words as a shell does it (quotes "
    "and\n"
    "   backslashes, nothing is expanded), in which `-c FILE` may stand too;\n"
    "5. the environment: `HUBBUB_` and the option's name in capitals, with `_` for `-`; an empty variable "
    "counts\n"
    "   as not set;\n"
    "6. the command line: `--option value` or `--option=value`; for those with a letter also `-w 4` or "
    "`-w4`. `--`\n"
    "   ends the options. A switch needs no value: `--daemon` is `--daemon=on`.\n"
    "\n"
    "At SIGHUP a server reads all of them again: the same file, which is found from where the server was "
    "started,\n"
    "and the same environment and command line. Of each option stands below whether that changes it; one "
    "that "
    "it does\n"
    "not change keeps its value, and the log names it. A mistake leaves everything as it is.\n"
    "\n"
    "A file is read as INI when its name ends with `.ini`, `.conf` or `.cfg`, and as YAML when it ends with "
    "`.yaml`\n"
    "or `.yml`; the keys are the names of the options. An INI file has its options in a section `[hubbub]` "
    "or in\n"
    "none, and repeats a key (or uses commas) for a list. A YAML file is one flat mapping, with sequences "
    "for\n"
    "lists. The same in both:\n"
    "\n"
    "```ini\n"
    "[hubbub]\n"
    "app = chat.c\n"
    "workers = 4\n"
    "bind = 127.0.0.1:8000\n"
    "bind = unix:/run/hubbub/chat.sock\n"
    "```\n"
    "\n"
    "```yaml\n"
    "app: chat.c\n"
    "workers: 4\n"
    "bind:\n"
    "  - 127.0.0.1:8000\n"
    "  - unix:/run/hubbub/chat.sock\n"
    "```\n"
    "\n"
    "A list that is given in one place replaces the list of another. An unknown option, a value out of its "
    "range\n"
    "or a key that is given twice in a file is an error that names the file and line, and nothing starts.\n"
    "`hubbub --check-config` checks without starting; `hubbub --print-config` prints every value with the "
    "place it\n"
    "came from, as YAML that `-c` reads, without secrets. [deploy/hubbub.yaml](../deploy/hubbub.yaml) and\n"
    "[deploy/hubbub.ini](../deploy/hubbub.ini) are files to begin with.\n"
    "\n"
    "A *size* is a whole number of bytes, with `K`, `M` or `G` behind it for 1024, 1024² or 1024³ of them. "
    "*Seconds*\n"
    "are decimal: `30`, `0.5`.\n";

static void print_reference_option(FILE *out, const option *entry)
{
    char variable[64], text[200], usage[100];
    option_variable(entry, variable, sizeof variable);
    option_allowed(entry, text, sizeof text);
    print_usage(entry, usage, sizeof usage);
    fprintf(out, "\n### `%s`\n\n", entry->name);
    if (entry->flag)
        fprintf(out, "`-%c`, ", entry->flag);
    fprintf(out, "`%s`", usage);
    if (entry->kind != OPTION_VARIABLES)
        fprintf(out, ", `%s`", variable);
    fprintf(out, "\n\n");
    print_wrapped(out, entry->help, "", 0, 0, REFERENCE_WIDTH);
    if (entry->initial)
        fprintf(out, "\nDefault: `%s`. ", entry->initial);
    else
        fprintf(out, "\nNo default. ");
    fprintf(out, "Allowed: %s. HUP %s it.\n", text, entry->changed_by_hup ? "changes" : "does not change");
}

void config_print_reference(FILE *out)
{
    fputs(reference_head, out);
    for (size_t i = 0; i < option_count; i++) {
        if (i == 0 || strcmp(options[i].group, options[i - 1].group) != 0)
            fprintf(out, "\n## %s\n", options[i].group);
        print_reference_option(out, &options[i]);
    }
}
