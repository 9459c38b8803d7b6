/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/rooms/session.h"

#include <stdlib.h>

enum { INDEX_BITS = 18, SERIAL_BITS = 30 };
#define INDEX_MASK  ((UINT64_C(1) << INDEX_BITS) - 1)
#define SERIAL_MASK ((UINT64_C(1) << SERIAL_BITS) - 1)

/* An entry holds a session, or, with its lowest bit set, the next free index. */
static struct {
    uintptr_t *entries;
    uint32_t used, capacity; /* entries that were ever used, and that there is memory for */
    uint32_t free;           /* first free index plus 1; 0: none */
    size_t count;
    uint64_t serial;
    uint64_t incarnation;
} table;

void sessions_open(uint32_t incarnation)
{
    memset(&table, 0, sizeof table);
    table.incarnation = incarnation & 0xffff;
}

void sessions_close(void)
{
    free(table.entries);
    memset(&table, 0, sizeof table);
}

static bool is_free(uintptr_t entry)
{
    return entry & 1;
}

static hub_status take_index(uint32_t *index)
{
    if (table.free) {
        *index = table.free - 1;
        table.free = (uint32_t)(table.entries[*index] >> 1);
        return HUB_OK;
    }
    if (table.used >= SESSIONS_MAX)
        return HUB_EFULL;
    if (table.used == table.capacity) {
        uint32_t capacity = table.capacity ? table.capacity + table.capacity / 2 : 64;
        uintptr_t *entries = realloc(table.entries, capacity * sizeof *entries);
        if (!entries)
            return HUB_ENOMEM;
        table.entries = entries;
        table.capacity = capacity;
    }
    *index = table.used++;
    return HUB_OK;
}

hub_status session_open(session *s, const session_kind *kind)
{
    uint32_t index;
    hub_status status = take_index(&index);
    if (status != HUB_OK)
        return status;
    memset(s, 0, sizeof *s);
    table.serial = (table.serial + 1) & SERIAL_MASK;
    s->id = table.incarnation << 48 | (uint64_t)index << SERIAL_BITS | table.serial;
    s->kind = kind;
    table.entries[index] = (uintptr_t)s;
    table.count++;
    return HUB_OK;
}

void session_close(session *s)
{
    if (!s->kind)
        return;
    uint32_t index = (uint32_t)(s->id >> SERIAL_BITS & INDEX_MASK);
    table.entries[index] = (uintptr_t)table.free << 1 | 1;
    table.free = index + 1;
    table.count--;
    s->kind = NULL;
}

session *session_find(hub_id id)
{
    uint64_t index = id >> SERIAL_BITS & INDEX_MASK;
    if (index >= table.used || is_free(table.entries[index]))
        return NULL;
    session *s = (session *)table.entries[index];
    return s->id == id ? s : NULL;
}

bool session_is_local(hub_id id)
{
    return session_id_incarnation(id) == table.incarnation;
}

void sessions_each(void (*visit)(session *s, void *arg), void *arg)
{
    for (uint32_t i = 0; i < table.used; i++)
        if (!is_free(table.entries[i]))
            visit((session *)table.entries[i], arg);
}

size_t sessions_count(void)
{
    return table.count;
}
