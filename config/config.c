/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "config/readers.h"
#include "config/settings.h"
#include "config/value.h"

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

/* All places after the defaults, each with precedence over those before it. */
static hub_status read_places(config *values, const cli_request *request, int argc, char *const argv[],
                              error *failure)
{
    hub_status status = HUB_OK;
    if (request->file)
        status = file_read(values, request->file, failure);
    if (status == HUB_OK)
        status = environment_read(values, environ, failure);
    if (status == HUB_OK)
        status = cli_read(values, argc, argv, NULL, failure);
    return status;
}

static hub_status no_memory(error *failure)
{
    return error_set(failure, HUB_ENOMEM, "no memory for the configuration; free some and start again");
}

hub_status config_load(config *values, config_action *action, int argc, char *const argv[], error *failure)
{
    cli_request request;
    hub_status status = cli_read(NULL, argc, argv, &request, failure);
    if (status != HUB_OK)
        return status;
    *action = request.action;
    status = config_defaults(values);
    if (status != HUB_OK)
        return no_memory(failure);
    if (!needs_values(request.action))
        return HUB_OK;

    values->folder =
        getcwd(NULL, 0); /* NULL where there is none any more: then paths are taken as they are */
    status = read_places(values, &request, argc, argv, failure);
    if (status == HUB_OK)
        status = check_whole(values, request.action, failure);
    if (status != HUB_OK)
        config_free(values);
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

hub_status config_reload(const config *running, config *fresh, int argc, char *const argv[],
                         void (*report)(void *argument, const char *line), void *argument, error *failure)
{
    const reporter to = {report, argument};
    cli_request request;
    hub_status status = cli_read(NULL, argc, argv, &request, failure);
    if (status != HUB_OK)
        return status;
    if (config_defaults(fresh) != HUB_OK)
        return no_memory(failure);
    if (running->folder && !(fresh->folder = strdup(running->folder)))
        status = no_memory(failure);
    if (status == HUB_OK)
        status = read_places(fresh, &request, argc, argv, failure);
    if (status == HUB_OK && keep_fixed(running, fresh, &to) != HUB_OK)
        status = no_memory(failure);
    if (status == HUB_OK)
        status = check_whole(fresh, CONFIG_RUN, failure);
    if (status != HUB_OK)
        config_free(fresh);
    return status;
}
