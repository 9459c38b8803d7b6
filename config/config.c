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

hub_status config_load(config *values, config_action *action, int argc, char *const argv[], error *failure)
{
    cli_request request;
    hub_status status = cli_read(NULL, argc, argv, &request, failure);
    if (status != HUB_OK)
        return status;
    *action = request.action;
    status = config_defaults(values);
    if (status != HUB_OK)
        return error_set(failure, status, "no memory for the configuration; free some and start again");
    if (!needs_values(request.action))
        return HUB_OK;

    if (request.file)
        status = file_read(values, request.file, failure);
    if (status == HUB_OK)
        status = environment_read(values, environ, failure);
    if (status == HUB_OK)
        status = cli_read(values, argc, argv, NULL, failure);
    if (status == HUB_OK)
        status = check_whole(values, request.action, failure);
    if (status != HUB_OK)
        config_free(values);
    return status;
}
