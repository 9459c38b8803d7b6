/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "config/readers.h"
#include "config/settings.h"
#include "config/value.h"
#include "config/words.h"

#include <stdlib.h>
#include <unistd.h>

hub_status config_defaults(config *values)
{
    static const place from = {PLACE_DEFAULT, NULL, 0};
    memset(values, 0, sizeof *values);
    values->sources = calloc(option_count, sizeof *values->sources);
    hub_status status = values->sources ? HUB_OK : HUB_ENOMEM;
    for (size_t i = 0; status == HUB_OK && i < option_count; i++)
        if (options[i].initial)
            status = setting_apply(values, &options[i], options[i].initial, &from, NULL);
    if (status != HUB_OK)
        config_free(values);
    return status;
}

bool config_given(const config *values, const char *name)
{
    const option *entry = option_find(name, strlen(name));
    return entry && setting_source(values, entry)->kind != PLACE_DEFAULT;
}

void config_free(config *values)
{
    for (size_t i = 0; i < option_count; i++)
        value_clear(values, &options[i]);
    free(values->sources);
    free(values->file);
    free(values->folder);
    memset(values, 0, sizeof *values);
}

/* Pairs of sizes that only make sense together. */
typedef struct pair_rule {
    const char *larger, *smaller;
    bool strictly;
    const char *reason;
} pair_rule;

static const pair_rule pair_rules[] = {
    {"queue-hard", "queue-soft", false, "it is the higher of the two limits"},
    {"queue-hard", "max-message", true, "or the largest message could not be sent"},
    {"limit-request-head", "limit-request-line", false, "it counts the request line too"},
};

/* "queue-soft 32M (chat.yaml:3)" */
static void describe(const config *values, const option *entry, char *to, size_t capacity)
{
    char text[32], where[240];
    value_format_size(*(const size_t *)(const void *)((const char *)values + entry->offset), text,
                      sizeof text);
    setting_format_place(values, entry, where, sizeof where);
    snprintf(to, capacity, "%s %s (%s)", entry->name, text, where);
}

static hub_status check_pair(const config *values, const pair_rule *rule, error *failure)
{
    const option *larger = option_find(rule->larger, strlen(rule->larger));
    const option *smaller = option_find(rule->smaller, strlen(rule->smaller));
    size_t high = *(const size_t *)(const void *)((const char *)values + larger->offset);
    size_t low = *(const size_t *)(const void *)((const char *)values + smaller->offset);
    if (high > low || (high == low && !rule->strictly))
        return HUB_OK;
    char high_text[320], low_text[320];
    describe(values, larger, high_text, sizeof high_text);
    describe(values, smaller, low_text, sizeof low_text);
    return error_set(failure, HUB_EINVAL, "%s must be %s %s: %s; raise the first or lower the second",
                     high_text, rule->strictly ? "more than" : "at least", low_text, rule->reason);
}

static hub_status check_whole(const config *values, config_action action, error *failure)
{
    for (size_t i = 0; i < sizeof pair_rules / sizeof pair_rules[0]; i++) {
        hub_status status = check_pair(values, &pair_rules[i], failure);
        if (status != HUB_OK)
            return status;
    }
    if (!values->app && (action == CONFIG_RUN || action == CONFIG_CHECK))
        return error_set(
            failure, HUB_EINVAL,
            "command line: APP is missing; give a shared object or a C file, as in \"hubbub chat.c\" "
            "(hubbub --help says more)");
    return HUB_OK;
}

static bool needs_values(config_action action)
{
    return action == CONFIG_RUN || action == CONFIG_PRINT || action == CONFIG_CHECK;
}

/* What is read besides files and single variables. */
typedef struct given {
    int argc;
    char *const *argv;
    words arguments;  /* of HUBBUB_CMD_ARGS */
    const char *file; /* NULL: none */
    config_action action;
} given;

static const char arguments_variable[] = "HUBBUB_CMD_ARGS";

static hub_status find_file(given *all, error *failure)
{
    static const place from = {PLACE_ARGUMENTS, NULL, 0};
    cli_request request;
    const char *text = getenv(arguments_variable);
    hub_status status = words_split(text ? text : "", &all->arguments, failure);
    if (status != HUB_OK) {
        error_prefix(failure, "environment %s: ", arguments_variable);
        return status;
    }
    status = cli_read(NULL, all->arguments.count, all->arguments.items, PLACE_ARGUMENTS, &request, failure);
    if (status == HUB_OK && request.action != CONFIG_RUN)
        status =
            setting_refuse(&from, failure,
                           "asks for something else than to run; give --help, --check-config and the like "
                           "on the command line");
    if (!all->file)
        all->file = request.file;
    return status;
}

/* The form of all arguments, and which file is read. given_free afterwards, also after an error. */
static hub_status given_find(given *all, int argc, char *const argv[], error *failure)
{
    cli_request request;
    *all = (given){.argc = argc, .argv = argv};
    hub_status status = cli_read(NULL, argc, argv, PLACE_COMMAND_LINE, &request, failure);
    all->action = request.action;
    all->file = request.file;
    return status == HUB_OK && needs_values(all->action) ? find_file(all, failure) : status;
}

static void given_free(given *all)
{
    words_free(&all->arguments);
}

/* All places after the defaults, each with precedence over those before it. */
static hub_status read_places(config *values, const given *all, error *failure)
{
    hub_status status = platform_read(values, environ, failure);
    if (status == HUB_OK && all->file)
        status = file_read(values, all->file, failure);
    if (status == HUB_OK)
        status = cli_read(values, all->arguments.count, all->arguments.items, PLACE_ARGUMENTS, NULL, failure);
    if (status == HUB_OK)
        status = environment_read(values, environ, failure);
    if (status == HUB_OK)
        status = cli_read(values, all->argc, all->argv, PLACE_COMMAND_LINE, NULL, failure);
    return status;
}

static hub_status no_memory(error *failure)
{
    return error_set(failure, HUB_ENOMEM, "no memory for the configuration; free some and start again");
}

static hub_status load_given(config *values, const given *all, error *failure)
{
    if (config_defaults(values) != HUB_OK)
        return no_memory(failure);
    if (!needs_values(all->action))
        return HUB_OK;
    values->folder =
        getcwd(NULL, 0); /* NULL where there is none any more: then paths are taken as they are */
    hub_status status = read_places(values, all, failure);
    if (status == HUB_OK)
        status = check_whole(values, all->action, failure);
    if (status != HUB_OK)
        config_free(values);
    return status;
}

hub_status config_load(config *values, config_action *action, int argc, char *const argv[], error *failure)
{
    given all;
    hub_status status = given_find(&all, argc, argv, failure);
    *action = all.action;
    if (status == HUB_OK)
        status = load_given(values, &all, failure);
    given_free(&all);
    return status;
}

/* ---- again, at HUP ---- */

static bool is_same(const config *a, const config *b, const option *entry, hub_status *status)
{
    buffer left = {0}, right = {0};
    bool same = false;
    if (value_format(a, entry, &left) != HUB_OK || value_format(b, entry, &right) != HUB_OK)
        *status = HUB_ENOMEM;
    else
        same = left.length == right.length &&
               (left.length == 0 || memcmp(left.data, right.data, left.length) == 0);
    buffer_free(&left);
    buffer_free(&right);
    return same;
}

typedef struct reporter {
    void (*say)(void *argument, const char *line);
    void *argument;
} reporter;

static void report_kept(const config *running, const config *fresh, const option *entry, const reporter *to)
{
    char now[320], before[320], line[800];
    setting_format_place(fresh, entry, now, sizeof now);
    setting_format_place(running, entry, before, sizeof before);
    snprintf(
        line, sizeof line,
        "%s changed (%s): takes effect when the server is started anew; until then the value from %s stays",
        entry->name, now, before);
    to->say(to->argument, line);
}

static hub_status keep_fixed(const config *running, config *fresh, const reporter *to)
{
    hub_status status = HUB_OK;
    for (size_t i = 0; status == HUB_OK && i < option_count; i++) {
        const option *entry = &options[i];
        if (entry->changed_by_hup || is_same(running, fresh, entry, &status) || status != HUB_OK)
            continue;
        report_kept(running, fresh, entry, to);
        status = value_copy(fresh, running, entry);
        *setting_source(fresh, entry) = *setting_source(running, entry);
    }
    return status;
}

static hub_status reload_given(const config *running, config *fresh, const given *all, const reporter *to,
                               error *failure)
{
    if (config_defaults(fresh) != HUB_OK)
        return no_memory(failure);
    hub_status status = HUB_OK;
    if (running->folder && !(fresh->folder = strdup(running->folder)))
        status = no_memory(failure);
    if (status == HUB_OK)
        status = read_places(fresh, all, failure);
    if (status == HUB_OK && keep_fixed(running, fresh, to) != HUB_OK)
        status = no_memory(failure);
    if (status == HUB_OK)
        status = check_whole(fresh, CONFIG_RUN, failure);
    if (status != HUB_OK)
        config_free(fresh);
    return status;
}

hub_status config_reload(const config *running, config *fresh, int argc, char *const argv[],
                         void (*report)(void *argument, const char *line), void *argument, error *failure)
{
    const reporter to = {report, argument};
    given all;
    hub_status status = given_find(&all, argc, argv, failure);
    if (status == HUB_OK)
        status = reload_given(running, fresh, &all, &to, failure);
    given_free(&all);
    return status;
}
