/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rooms/audience.h"

#include "worker/rooms/fanout.h"

#include <stdlib.h>

enum { LIST_MAX = 64 };

/* What does not fit into one record of one room. */
typedef struct lists {
    size_t room_count, client_count, excepted_clients, except_count;
    hub_bytes rooms[LIST_MAX];
    hub_id clients[LIST_MAX];
    hub_id excepted_ids[LIST_MAX];
    hub_bytes except[BUS_EXCEPT_MAX]; /* clients first, as fanout.h says; then rooms */
} lists;

static bool is_client(audience_named named, hub_bytes name, hub_id *id)
{
    return named && named(name, id);
}

static hub_status check_name(hub_bytes name)
{
    return name.length == 0 ? HUB_EINVAL : name.length > BUS_NAME_MAX ? HUB_ETOOBIG : HUB_OK;
}

static hub_status add_room(lists *l, audience_named named, hub_bytes name)
{
    hub_status status = check_name(name);
    if (status != HUB_OK)
        return status;
    if (l->room_count + l->client_count == LIST_MAX)
        return HUB_EINVAL;
    if (is_client(named, name, &l->clients[l->client_count]))
        l->client_count++;
    else
        l->rooms[l->room_count++] = name;
    return HUB_OK;
}

static hub_status sort_rooms(lists *l, const hub_to *to, audience_named named)
{
    hub_status status = to->room.length ? add_room(l, named, to->room) : HUB_OK;
    for (size_t i = 0; i < to->room_count && status == HUB_OK; i++)
        status = add_room(l, named, to->rooms[i]);
    return status;
}

static hub_status sort_except(lists *l, const hub_to *to, audience_named named)
{
    if (to->except_count > LIST_MAX)
        return HUB_EINVAL;
    hub_id id;
    for (size_t i = 0; i < to->except_count; i++) {
        hub_status status = check_name(to->except_rooms[i]);
        if (status != HUB_OK)
            return status;
        if (!is_client(named, to->except_rooms[i], &id))
            continue;
        l->excepted_ids[l->excepted_clients] = id;
        l->except[l->except_count++] = hub_bytes_of(&l->excepted_ids[l->excepted_clients++], sizeof id);
    }
    for (size_t i = 0; i < to->except_count; i++)
        if (!is_client(named, to->except_rooms[i], &id))
            l->except[l->except_count++] = to->except_rooms[i];
    return HUB_OK;
}

static hub_status each_of_lists(lists *l, bus_message *message, bool everybody, audience_record record,
                                void *arg)
{
    message->flags |= (uint16_t)(l->excepted_clients << RECORD_EXCEPT_SHIFT);
    message->except = l->except;
    message->except_count = l->except_count;
    message->rooms = l->rooms;
    message->room_count = l->room_count;
    hub_status status = HUB_OK;
    if (l->room_count || everybody)
        status = record(message, arg);
    message->rooms = NULL;
    message->room_count = 0;
    for (size_t i = 0; i < l->room_count; i++) /* who has been reached through a room */
        l->except[message->except_count++] = l->rooms[i];
    for (size_t i = 0; i < l->client_count && status == HUB_OK; i++) {
        message->target = l->clients[i];
        bool twice = false;
        for (size_t before = 0; before < i; before++)
            twice |= l->clients[before] == l->clients[i];
        if (!twice && message->target != message->sender)
            status = record(message, arg);
    }
    return status;
}

hub_status audience_each(const hub_to *to, hub_bytes name_space, audience_named named, audience_record record,
                         void *arg)
{
    bus_message message = {.name_space = name_space,
                           .flags = to->is_volatile ? RECORD_VOLATILE : 0,
                           .sender = to->except,
                           .target = to->client};
    bool has_lists = to->room_count || to->except_count;
    if (name_space.length > BUS_NAME_MAX)
        return HUB_ETOOBIG;
    if (to->client && to->client == to->except)
        return HUB_OK;
    if (!has_lists && !to->client && to->room.length) {
        if (to->room.length > BUS_NAME_MAX)
            return HUB_ETOOBIG;
        if (!is_client(named, to->room, &message.target)) {
            message.rooms = &to->room;
            message.room_count = 1;
        } else if (message.target == message.sender) {
            return HUB_OK;
        }
    }
    if (!has_lists)
        return record(&message, arg);
    lists *l = calloc(1, sizeof *l);
    if (!l)
        return HUB_ENOMEM;
    hub_status status = to->client ? HUB_OK : sort_rooms(l, to, named);
    if (status == HUB_OK)
        status = sort_except(l, to, named);
    bool everybody = to->client || (!to->room.length && !to->room_count);
    if (status == HUB_OK)
        status = each_of_lists(l, &message, everybody, record, arg);
    free(l);
    return status;
}
