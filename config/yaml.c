/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML files by libyaml's events: a configuration is one flat mapping, so what the language has beyond that
 * is refused where it stands, and a hostile file is never built up in memory.
 */
#include "config/readers.h"
#include "config/settings.h"

#include <yaml.h>

typedef struct yaml_state {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; deleted by next_event */
    config *values;
    const char *data;
    size_t length;
    place place; /* of the current event */
    error *failure;
} yaml_state;

static unsigned line_of(const yaml_mark_t *mark)
{
    return (unsigned)mark->line + 1;
}

/* The library marks no line where the bytes themselves are wrong. */
static unsigned line_of_byte(const yaml_state *state, size_t offset)
{
    unsigned line = 1;
    for (size_t i = 0; i < offset && i < state->length; i++)
        line += state->data[i] == '\n';
    return line;
}

static hub_status refuse_yaml(yaml_state *state)
{
    const yaml_parser_t *parser = &state->parser;
    const char *problem = parser->problem ? parser->problem : "not known why";
    if (parser->error == YAML_MEMORY_ERROR)
        return error_set(state->failure, HUB_ENOMEM, "%s: no memory to read it", state->place.name);
    if (parser->error == YAML_READER_ERROR)
        state->place.line = line_of_byte(state, parser->problem_offset);
    else
        state->place.line = line_of(&parser->problem_mark);
    return setting_refuse(&state->place, state->failure, "is not valid YAML: %s%s%s",
                          parser->context ? parser->context : "", parser->context ? ", " : "", problem);
}

static hub_status refuse_decorated(yaml_state *state)
{
    return setting_refuse(&state->place, state->failure,
                          "anchors, aliases and tags are not supported; write the plain value");
}

static bool is_decorated(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return true;
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor || event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor || event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor || event->data.mapping_start.tag;
    default:
        return false;
    }
}

static hub_status next_event(yaml_state *state)
{
    yaml_event_delete(&state->event);
    if (!yaml_parser_parse(&state->parser, &state->event)) {
        memset(&state->event, 0, sizeof state->event);
        return refuse_yaml(state);
    }
    state->place.line = line_of(&state->event.start_mark);
    return is_decorated(&state->event) ? refuse_decorated(state) : HUB_OK;
}

static const char *scalar(const yaml_state *state, size_t *length)
{
    *length = state->event.data.scalar.length;
    return (const char *)state->event.data.scalar.value;
}

/* What YAML reads as "nothing": only when it is written without quotes. */
static bool is_null(const yaml_state *state)
{
    size_t length;
    const char *text = scalar(state, &length);
    return state->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (length == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static hub_status apply_scalar(yaml_state *state, const option *entry)
{
    size_t length;
    const char *text = scalar(state, &length);
    if (is_null(state))
        return setting_refuse(&state->place, state->failure, "%s has no value; give one or remove the line",
                              entry->name);
    if (strlen(text) != length)
        return setting_refuse(&state->place, state->failure, "%s has a NUL byte in its value; remove it",
                              entry->name);
    return setting_apply(state->values, entry, text, &state->place, state->failure);
}

static hub_status read_sequence(yaml_state *state, const option *entry)
{
    if (!option_grows(entry))
        return setting_refuse(&state->place, state->failure, "%s takes one value, not a list", entry->name);
    for (size_t count = 0;; count++) {
        hub_status status = next_event(state);
        if (status != HUB_OK)
            return status;
        if (state->event.type == YAML_SEQUENCE_END_EVENT && count == 0)
            return setting_refuse(&state->place, state->failure,
                                  "%s is an empty list; give an item or remove it", entry->name);
        if (state->event.type == YAML_SEQUENCE_END_EVENT)
            return HUB_OK;
        if (state->event.type != YAML_SCALAR_EVENT)
            return setting_refuse(&state->place, state->failure,
                                  "%s takes plain values as items, nothing nested", entry->name);
        status = apply_scalar(state, entry);
        if (status != HUB_OK)
            return status;
    }
}

/* The current event is a key. */
static hub_status read_pair(yaml_state *state)
{
    if (state->event.type != YAML_SCALAR_EVENT)
        return setting_refuse(&state->place, state->failure,
                              "a key is the name of an option, nothing nested");
    size_t length;
    const char *name = scalar(state, &length);
    const option *entry = option_find(name, length);
    if (!entry)
        return setting_refuse_unknown(name, length, &state->place, state->failure);
    hub_status status = setting_refuse_twice(state->values, entry, &state->place, state->failure);
    if (status == HUB_OK)
        status = next_event(state);
    if (status != HUB_OK)
        return status;
    if (state->event.type == YAML_SCALAR_EVENT)
        return apply_scalar(state, entry);
    if (state->event.type == YAML_SEQUENCE_START_EVENT)
        return read_sequence(state, entry);
    return setting_refuse(&state->place, state->failure, "%s takes a value, nothing nested", entry->name);
}

static hub_status read_mapping(yaml_state *state)
{
    for (;;) {
        hub_status status = next_event(state);
        if (status != HUB_OK || state->event.type == YAML_MAPPING_END_EVENT)
            return status;
        status = read_pair(state);
        if (status != HUB_OK)
            return status;
    }
}

/* The current event is the first of the document's content. An empty document is an empty configuration. */
static hub_status read_document(yaml_state *state)
{
    if (state->event.type == YAML_MAPPING_START_EVENT)
        return read_mapping(state);
    if (state->event.type == YAML_SCALAR_EVENT && is_null(state))
        return HUB_OK;
    return setting_refuse(&state->place, state->failure,
                          "is not a mapping; write lines such as \"workers: 4\"");
}

static hub_status read_stream(yaml_state *state)
{
    hub_status status = next_event(state); /* the stream's start */
    if (status == HUB_OK)
        status = next_event(state);
    if (status != HUB_OK || state->event.type == YAML_STREAM_END_EVENT)
        return status;
    status = next_event(state); /* behind the document's start */
    if (status == HUB_OK)
        status = read_document(state);
    if (status == HUB_OK)
        status = next_event(state); /* the document's end */
    if (status == HUB_OK)
        status = next_event(state);
    if (status == HUB_OK && state->event.type != YAML_STREAM_END_EVENT)
        status = setting_refuse(&state->place, state->failure, "begins a second document; a file holds one");
    return status;
}

hub_status yaml_read(config *values, const char *path, const char *data, size_t length, error *failure)
{
    yaml_state state = {
        .values = values,
        .data = data,
        .length = length,
        .place = {PLACE_FILE, path, 0},
        .failure = failure,
    };
    if (!yaml_parser_initialize(&state.parser))
        return error_set(failure, HUB_ENOMEM, "%s: no memory to read it", path);
    /* The library asserts that there is a text, also of an empty one. */
    yaml_parser_set_input_string(&state.parser, (const unsigned char *)(data ? data : ""), length);
    hub_status status = read_stream(&state);
    yaml_event_delete(&state.event);
    yaml_parser_delete(&state.parser);
    return status;
}
