/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line, by the tables. Not getopt_long: it takes abbreviations, which a new option would break,
 * and prints errors of its own.
 */
#include "config/absent.h"
#include "config/readers.h"
#include "config/settings.h"

typedef struct cli_state {
    config *values; /* NULL: nothing is applied */
    cli_request request;
    place from;
    int argc;
    char *const *argv;
    int next; /* index of the next argument */
    bool app_given;
    error *failure;
} cli_state;

/* The value of an option: `attached` ("--name=value", "-w4"), else the next argument. */
static hub_status take_value(cli_state *state, const char *attached, const char *dash, const char *name,
                             const char *value_name, const char **value)
{
    *value = attached;
    if (!attached && state->next < state->argc)
        *value = state->argv[state->next++];
    if (*value)
        return HUB_OK;
    return setting_refuse(&state->from, state->failure, "%s%s has no value; give %s%s %s", dash, name, dash,
                          name, value_name);
}

static hub_status apply(cli_state *state, const option *entry, const char *value)
{
    return state->values ? setting_apply(state->values, entry, value, &state->from, state->failure) : HUB_OK;
}

static hub_status run_option(cli_state *state, const option *entry, const char *dash, const char *name,
                             const char *attached)
{
    const char *value = attached ? attached : "on";
    hub_status status = HUB_OK;
    if (entry->kind != OPTION_SWITCH)
        status = take_value(state, attached, dash, name, entry->value_name, &value);
    if (status == HUB_OK && strcmp(entry->name, "app") == 0)
        state->app_given = true;
    return status == HUB_OK ? apply(state, entry, value) : status;
}

static hub_status run_command(cli_state *state, const command *entry, const char *dash, const char *name,
                              const char *attached)
{
    if (!entry->value_name) {
        if (attached)
            return setting_refuse(&state->from, state->failure, "%s%s takes no value", dash, name);
        if (state->request.action == CONFIG_RUN) /* the first one counts */
            state->request.action = entry->action;
        return HUB_OK;
    }
    const char *value;
    hub_status status = take_value(state, attached, dash, name, entry->value_name, &value);
    if (status == HUB_OK && state->request.file)
        status = setting_refuse(&state->from, state->failure, "-c is given twice; one file can be read");
    if (status == HUB_OK)
        state->request.file = value;
    return status;
}

/* "--name", "--name=value" */
static hub_status read_long(cli_state *state, const char *argument)
{
    const char *name = argument + 2;
    size_t length = strcspn(name, "=");
    const char *attached = name[length] == '=' ? name + length + 1 : NULL;
    const option *entry = option_find(name, length);
    if (entry)
        return run_option(state, entry, "--", entry->name, attached);
    for (size_t i = 0; i < command_count; i++)
        if (strlen(commands[i].name) == length && memcmp(commands[i].name, name, length) == 0)
            return run_command(state, &commands[i], "--", commands[i].name, attached);
    return setting_refuse_unknown(name, length, &state->from, state->failure);
}

/* "-w 4", "-w4", "-D" */
static hub_status read_short(cli_state *state, const char *argument)
{
    const char name[2] = {argument[1], '\0'};
    const char *attached = argument[2] ? argument + 2 : NULL;
    for (size_t i = 0; i < option_count; i++) {
        if (options[i].flag != name[0])
            continue;
        if (options[i].kind == OPTION_SWITCH && attached)
            return setting_refuse(&state->from, state->failure,
                                  "-%s takes no value; write --%s=off or --%s=on", name, options[i].name,
                                  options[i].name);
        return run_option(state, &options[i], "-", name, attached);
    }
    for (size_t i = 0; i < command_count; i++)
        if (commands[i].flag == name[0] || commands[i].alias == name[0])
            return run_command(state, &commands[i], "-", name, attached);
    const char *reason = absent_reason(name, 1);
    if (reason)
        return setting_refuse(&state->from, state->failure, "there is no option -%s: %s", name, reason);
    return setting_refuse(&state->from, state->failure, "unknown option %.60s; hubbub --help lists all",
                          argument);
}

static hub_status read_app(cli_state *state, const char *argument)
{
    if (state->app_given)
        return setting_refuse(
            &state->from, state->failure,
            "a second application \"%.200s\"; one server runs one APP, and options begin with -", argument);
    state->app_given = true;
    return apply(state, option_find("app", 3), argument);
}

hub_status cli_read(config *values, int argc, char *const argv[], place_kind from, cli_request *request,
                    error *failure)
{
    cli_state state = {
        .values = values,
        .request = {CONFIG_RUN, NULL},
        .from = {from, NULL, 0},
        .argc = argc,
        .argv = argv,
        .next = 1,
        .failure = failure,
    };
    bool options_ended = false;
    hub_status status = HUB_OK;
    while (status == HUB_OK && state.next < argc) {
        const char *argument = argv[state.next++];
        if (options_ended || argument[0] != '-' || argument[1] == '\0')
            status = read_app(&state, argument);
        else if (strcmp(argument, "--") == 0)
            options_ended = true;
        else if (argument[1] == '-')
            status = read_long(&state, argument);
        else
            status = read_short(&state, argument);
    }
    if (request)
        *request = state.request;
    return status;
}
