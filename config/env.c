/* SPDX-License-Identifier: Apache-2.0 */
#include "config/readers.h"
#include "config/settings.h"

#include <ctype.h>

enum { SHORT_NAME = 5 }; /* letters: one away from a shorter name is often a word of its own */

/*
 * Applications have variables that begin with HUBBUB_ too, so an unknown one is no error; but one letter away
 * from an option it is that option, misspelt.
 */
static hub_status check_unknown(const char *variable, error *failure)
{
    const char *rest = variable + strlen("HUBBUB_");
    size_t length = strcspn(rest, "=");
    char name[64], nearest_variable[64], shown[64];
    if (length >= sizeof name - sizeof "HUBBUB_")
        return HUB_OK;
    for (size_t i = 0; i < length; i++) {
        if (rest[i] == '_')
            name[i] = '-';
        else
            name[i] = (char)tolower((unsigned char)rest[i]);
    }
    unsigned distance = 0;
    const char *nearest = option_nearest(name, length, false, &distance);
    if (!nearest || distance != 1 || strlen(nearest) < SHORT_NAME)
        return HUB_OK;
    snprintf(shown, sizeof shown, "%.*s", (int)(length + strlen("HUBBUB_")), variable);
    option_variable(option_find(nearest, strlen(nearest)), nearest_variable, sizeof nearest_variable);
    place from = {PLACE_ENVIRONMENT, shown, 0};
    return setting_refuse(&from, failure, "is no option; did you mean %s?", nearest_variable);
}

static const char *value_behind(const char *variable, const char *name)
{
    size_t length = strlen(name);
    return strncmp(variable, name, length) == 0 && variable[length] == '=' ? variable + length + 1 : NULL;
}

static hub_status read_variable(config *values, const char *variable, error *failure)
{
    char name[64];
    for (size_t i = 0; i < option_count; i++) {
        if (options[i].kind == OPTION_VARIABLES)
            continue;
        option_variable(&options[i], name, sizeof name);
        const char *text = value_behind(variable, name);
        if (!text)
            continue;
        place from = {PLACE_ENVIRONMENT, name, 0};
        return *text ? setting_apply(values, &options[i], text, &from, failure) : HUB_OK;
    }
    return check_unknown(variable, failure);
}

/* A port alone does not say where to listen: everywhere, as platforms that give it want. */
static hub_status apply_platform(config *values, const option *entry, const char *text, error *failure)
{
    char address[300];
    place from = {PLACE_PLATFORM, entry->platform, 0};
    if (entry->kind != OPTION_LIST)
        return setting_apply(values, entry, text, &from, failure);
    snprintf(address, sizeof address, "0.0.0.0:%s", text);
    return setting_apply(values, entry, address, &from, failure);
}

hub_status platform_read(config *values, char *const environment[], error *failure)
{
    for (size_t i = 0; i < option_count; i++) {
        for (char *const *variable = environment; options[i].platform && variable && *variable; variable++) {
            const char *text = value_behind(*variable, options[i].platform);
            hub_status status = text && *text ? apply_platform(values, &options[i], text, failure) : HUB_OK;
            if (status != HUB_OK)
                return status;
        }
    }
    return HUB_OK;
}

hub_status environment_read(config *values, char *const environment[], error *failure)
{
    for (char *const *variable = environment; variable && *variable; variable++) {
        if (strncmp(*variable, "HUBBUB_", strlen("HUBBUB_")) != 0)
            continue;
        hub_status status = read_variable(values, *variable, failure);
        if (status != HUB_OK)
            return status;
    }
    return HUB_OK;
}
