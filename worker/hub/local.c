/* SPDX-License-Identifier: Apache-2.0 */
/* Greenlet-local storage. A greenlet that never sets a value has no table. */
#include "worker/hub/control.h"

#include <stdlib.h>
#include <string.h>

enum {
    KEYS_MAX = 64,
    GROWTH = 8, /* values by which a table grows */
    ROUNDS = 4, /* a destructor may set values again; so often they are looked through */
};

/* Key k is destructors[k - 1]: a variable that was never made a key, 0, is none. */
static void (*destructors[KEYS_MAX])(void *value);
static unsigned key_count;

hub_status hub_local_new(hub_local *key, void (*destructor)(void *value))
{
    if (key_count == KEYS_MAX)
        return HUB_EFULL;
    destructors[key_count] = destructor;
    *key = ++key_count;
    return HUB_OK;
}

hub_status hub_local_set(hub_local key, void *value)
{
    greenlet *g = greenlet_current();
    if (!g)
        return HUB_ESTATE;
    if (key == 0 || key > key_count)
        return HUB_EINVAL;
    if (key > g->locals_count) {
        if (!value)
            return HUB_OK;
        uint32_t count = (key + GROWTH - 1) / GROWTH * GROWTH;
        void **more = realloc(g->locals, count * sizeof(*more));
        if (!more)
            return HUB_ENOMEM;
        memset(more + g->locals_count, 0, (count - g->locals_count) * sizeof(*more));
        g->locals = more;
        g->locals_count = count;
    }
    g->locals[key - 1] = value;
    return HUB_OK;
}

void *hub_local_get(hub_local key)
{
    const greenlet *g = greenlet_current();
    return g && key > 0 && key <= g->locals_count ? g->locals[key - 1] : NULL;
}

/* True when a destructor was called, which may have set new values. */
static bool destroy_values(greenlet *g)
{
    bool called = false;
    for (uint32_t i = 0; i < g->locals_count; i++) {
        void *value = g->locals[i];
        g->locals[i] = NULL;
        if (value && destructors[i]) {
            destructors[i](value);
            called = true;
        }
    }
    return called;
}

void local_clear(greenlet *g)
{
    for (int round = 0; round < ROUNDS && destroy_values(g); round++)
        ;
    free(g->locals);
    g->locals = NULL;
    g->locals_count = 0;
}
