/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/namespace.h"

#include "common/hash.h"
#include "worker/sio/packet.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_MAX_BYTES = 255, PLACES_MIN = 8 };

/* ---- namespaces ---- */

/* `*` stands for any characters. The usual search: on a mismatch the last star takes one character more. */
static bool fits(const char *pattern, hub_bytes name)
{
    const char *text = name.data, *end = text + name.length;
    const char *star = NULL, *star_text = NULL;
    while (text < end) {
        if (*pattern == '*') {
            star = ++pattern;
            star_text = text;
        } else if (*pattern == *text && *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++star_text;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

const name_space *name_spaces_find(const name_spaces *list, hub_bytes name)
{
    const name_space *fitting = NULL;
    for (const name_space *n = list->first; n; n = n->next) {
        if (!n->is_pattern && hub_equal(name, hub_text(n->name)))
            return n;
        if (n->is_pattern && !fitting && fits(n->name, name))
            fitting = n;
    }
    return fitting;
}

static void free_one(name_space *n)
{
    for (uint32_t i = 0; i < n->event_places; i++)
        free(n->events[i].name);
    free(n->events);
    free(n->name);
    free(n->label);
    free(n);
}

void name_spaces_free(name_spaces *list)
{
    for (name_space *n = list->first, *next; n; n = next) {
        next = n->next;
        free_one(n);
    }
    *list = (name_spaces){NULL, NULL};
}

static hub_status get(name_spaces *list, const char *name, name_space **out)
{
    if (!name || name[0] != '/' || strlen(name) > NAME_MAX_BYTES || strchr(name, ',') || strchr(name, '?'))
        return HUB_EINVAL;
    for (name_space *n = list->first; n; n = n->next)
        if (strcmp(n->name, name) == 0) {
            *out = n;
            return HUB_OK;
        }
    name_space *n = calloc(1, sizeof *n);
    if (!n)
        return HUB_ENOMEM;
    n->name = strdup(name);
    if (!n->name || asprintf(&n->label, "sio %s", name) < 0) {
        n->label = NULL;
        free_one(n);
        return HUB_ENOMEM;
    }
    n->is_pattern = strchr(name, '*') != NULL;
    if (list->last)
        list->last->next = n;
    else
        list->first = n;
    list->last = n;
    *out = n;
    return HUB_OK;
}

hub_status name_spaces_on_connect(name_spaces *list, const char *name, hub_connect_handler run, void *arg)
{
    name_space *n;
    if (!run)
        return HUB_EINVAL;
    hub_status status = get(list, name, &n);
    if (status != HUB_OK)
        return status;
    if (n->on_connect)
        return HUB_EEXIST;
    n->on_connect = run;
    n->connect_arg = arg;
    return HUB_OK;
}

hub_status name_spaces_on_disconnect(name_spaces *list, const char *name, hub_disconnect_handler run,
                                     void *arg)
{
    name_space *n;
    if (!run)
        return HUB_EINVAL;
    hub_status status = get(list, name, &n);
    if (status != HUB_OK)
        return status;
    if (n->on_disconnect)
        return HUB_EEXIST;
    n->on_disconnect = run;
    n->disconnect_arg = arg;
    return HUB_OK;
}

/* ---- events ---- */

/* Keys are the application's own, so that no client can make them collide. */
static uint32_t hash_of(hub_bytes event)
{
    return hash_crc32c(0, event.data, event.length);
}

/* The place of a name, or the empty one where it belongs. */
static event_handler *place_of(event_handler *table, uint32_t places, uint32_t hash, hub_bytes event)
{
    uint32_t at = hash & (places - 1);
    while (table[at].name && !(table[at].hash == hash && hub_equal(event, hub_text(table[at].name))))
        at = (at + 1) & (places - 1);
    return &table[at];
}

const event_handler *name_space_event(const name_space *in, hub_bytes event)
{
    if (in->event_places) {
        const event_handler *found = place_of(in->events, in->event_places, hash_of(event), event);
        if (found->name)
            return found;
    }
    return in->others.run ? &in->others : NULL;
}

/* A table that is half empty at least. */
static hub_status reserve_place(name_space *n)
{
    if ((n->event_count + 1) * 2 <= n->event_places)
        return HUB_OK;
    uint32_t places = n->event_places ? n->event_places * 2 : PLACES_MIN;
    event_handler *table = calloc(places, sizeof *table);
    if (!table)
        return HUB_ENOMEM;
    for (uint32_t i = 0; i < n->event_places; i++)
        if (n->events[i].name)
            *place_of(table, places, n->events[i].hash, hub_text(n->events[i].name)) = n->events[i];
    free(n->events);
    n->events = table;
    n->event_places = places;
    return HUB_OK;
}

static hub_status add_event(name_space *n, const char *event, hub_event_handler run, void *arg)
{
    if (strcmp(event, "*") == 0) {
        if (n->others.run)
            return HUB_EEXIST;
        n->others = (event_handler){.run = run, .arg = arg};
        return HUB_OK;
    }
    hub_status status = reserve_place(n);
    if (status != HUB_OK)
        return status;
    uint32_t hash = hash_of(hub_text(event));
    event_handler *place = place_of(n->events, n->event_places, hash, hub_text(event));
    if (place->name)
        return HUB_EEXIST;
    char *name = strdup(event);
    if (!name)
        return HUB_ENOMEM;
    *place = (event_handler){name, hash, run, arg};
    n->event_count++;
    return HUB_OK;
}

hub_status name_spaces_on(name_spaces *list, const char *name, const char *event, hub_event_handler run,
                          void *arg)
{
    name_space *n;
    if (!event || !*event || !run || packet_name_is_reserved(hub_text(event)))
        return HUB_EINVAL;
    hub_status status = get(list, name, &n);
    return status == HUB_OK ? add_event(n, event, run, arg) : status;
}
