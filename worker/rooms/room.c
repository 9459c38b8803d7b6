/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rooms/room.h"

#include <stdlib.h>

static struct {
    bus *bus;
    room **buckets; /* a power of two of them */
    size_t bucket_count, count;
} rooms;

void rooms_open(bus *opened)
{
    memset(&rooms, 0, sizeof rooms);
    rooms.bus = opened;
}

void rooms_close(void)
{
    free(rooms.buckets);
    memset(&rooms, 0, sizeof rooms);
}

size_t rooms_count(void)
{
    return rooms.count;
}

/* ---- the table of names ---- */

static bool is_named(const room *r, uint64_t hash, hub_bytes name_space, hub_bytes name)
{
    return r->hash == hash && hub_equal(hub_bytes_of(r->names, r->name_space_length), name_space) &&
           hub_equal(hub_bytes_of(r->names + r->name_space_length, r->name_length), name);
}

room *room_find(uint64_t hash, hub_bytes name_space, hub_bytes name)
{
    if (!rooms.bucket_count)
        return NULL;
    room *r = rooms.buckets[hash & (rooms.bucket_count - 1)];
    while (r && !is_named(r, hash, name_space, name))
        r = r->next;
    return r;
}

size_t room_size(hub_bytes name_space, hub_bytes name)
{
    const room *r = room_find(bus_room_hash(rooms.bus, name_space, name), name_space, name);
    return r ? r->count : 0;
}

static hub_status grow_table(void)
{
    if (rooms.count < rooms.bucket_count)
        return HUB_OK;
    size_t bucket_count = rooms.bucket_count ? rooms.bucket_count * 2 : 64;
    room **buckets = calloc(bucket_count, sizeof *buckets);
    if (!buckets)
        return HUB_ENOMEM;
    for (size_t i = 0; i < rooms.bucket_count; i++)
        for (room *r = rooms.buckets[i], *next; r; r = next) {
            next = r->next;
            room **at = &buckets[r->hash & (bucket_count - 1)];
            r->next = *at;
            *at = r;
        }
    free(rooms.buckets);
    rooms.buckets = buckets;
    rooms.bucket_count = bucket_count;
    return HUB_OK;
}

static room *room_new(uint64_t hash, hub_bytes name_space, hub_bytes name)
{
    if (grow_table() != HUB_OK)
        return NULL;
    room *r = calloc(1, sizeof *r + name_space.length + name.length);
    if (!r)
        return NULL;
    r->hash = hash;
    r->name_space_length = (uint16_t)name_space.length;
    r->name_length = (uint16_t)name.length;
    if (name_space.length)
        memcpy(r->names, name_space.data, name_space.length);
    if (name.length)
        memcpy(r->names + name_space.length, name.data, name.length);
    room **at = &rooms.buckets[hash & (rooms.bucket_count - 1)];
    r->next = *at;
    *at = r;
    rooms.count++;
    bus_interest_add(rooms.bus, hash);
    return r;
}

static void room_free(room *r)
{
    room **at = &rooms.buckets[r->hash & (rooms.bucket_count - 1)];
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    rooms.count--;
    bus_interest_drop(rooms.bus, r->hash);
    free(r->members);
    free(r);
}

/* ---- memberships ---- */

static membership *membership_at(session *s, unsigned index)
{
    return index == 0 ? &s->first : &s->more[index - 1];
}

static membership *membership_of(session *s, const room *r)
{
    for (unsigned i = 0; i < s->rooms; i++)
        if (membership_at(s, i)->room == r)
            return membership_at(s, i);
    return NULL;
}

bool room_has(const room *r, const session *s)
{
    return membership_of((session *)s, r) != NULL;
}

static hub_status reserve_membership(session *s)
{
    if (s->rooms == 0 || s->rooms - 1 < s->capacity)
        return HUB_OK;
    if (s->rooms == SESSION_ROOMS_MAX)
        return HUB_EFULL;
    unsigned capacity = s->capacity < 4 ? s->capacity + 1U : s->capacity * 2U;
    if (capacity > SESSION_ROOMS_MAX)
        capacity = SESSION_ROOMS_MAX;
    membership *more = realloc(s->more, capacity * sizeof *more);
    if (!more)
        return HUB_ENOMEM;
    s->more = more;
    s->capacity = (uint16_t)capacity;
    return HUB_OK;
}

static hub_status reserve_member(room *r)
{
    if (r->count < r->capacity)
        return HUB_OK;
    uint32_t capacity = r->capacity < 4 ? r->capacity + 1 : r->capacity + r->capacity / 2;
    session **members = realloc(r->members, capacity * sizeof(*members));
    if (!members)
        return HUB_ENOMEM;
    r->members = members;
    r->capacity = capacity;
    return HUB_OK;
}

hub_status room_join(session *s, hub_bytes name_space, hub_bytes name)
{
    if (name.length == 0 && name_space.length == 0)
        return HUB_EINVAL;
    if (name.length > BUS_NAME_MAX || name_space.length > BUS_NAME_MAX)
        return HUB_ETOOBIG;
    uint64_t hash = bus_room_hash(rooms.bus, name_space, name);
    room *r = room_find(hash, name_space, name);
    if (r && room_has(r, s))
        return HUB_OK;
    hub_status status = reserve_membership(s);
    if (status != HUB_OK)
        return status;
    bool created = !r;
    if (created && !(r = room_new(hash, name_space, name)))
        return HUB_ENOMEM;
    status = reserve_member(r);
    if (status != HUB_OK) {
        if (created)
            room_free(r);
        return status;
    }
    *membership_at(s, s->rooms++) = (membership){r, r->count};
    r->members[r->count++] = s;
    return HUB_OK;
}

static void leave(session *s, membership *m)
{
    room *r = m->room;
    session *last = r->members[--r->count];
    r->members[m->place] = last;
    if (last != s)
        membership_of(last, r)->place = m->place;
    *m = *membership_at(s, --s->rooms);
    if (r->count == 0)
        room_free(r);
}

void room_leave(session *s, hub_bytes name_space, hub_bytes name)
{
    room *r = room_find(bus_room_hash(rooms.bus, name_space, name), name_space, name);
    membership *m = r ? membership_of(s, r) : NULL;
    if (m)
        leave(s, m);
}

void room_leave_all(session *s)
{
    while (s->rooms)
        leave(s, membership_at(s, s->rooms - 1U));
    free(s->more);
    s->more = NULL;
    s->capacity = 0;
}

hub_bytes room_name_at(const session *s, size_t index)
{
    if (index >= s->rooms)
        return hub_bytes_of(NULL, 0);
    const room *r = membership_at((session *)(uintptr_t)s, (unsigned)index)->room;
    return hub_bytes_of(r->names + r->name_space_length, r->name_length);
}

void rooms_each(hub_bytes name_space, void (*visit)(const room *r, void *arg), void *arg)
{
    for (size_t i = 0; i < rooms.bucket_count; i++)
        for (const room *r = rooms.buckets[i]; r; r = r->next)
            if (hub_equal(hub_bytes_of(r->names, r->name_space_length), name_space))
                visit(r, arg);
}
