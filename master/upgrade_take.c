/* SPDX-License-Identifier: Apache-2.0 */
#include "master/upgrade_steps.h"

#include "common/log.h"
#include "master/inventory.h"
#include "master/launch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- how this process was started ---- */

static handover *found;

hub_status upgrade_remember(char *const argv[], error *failure)
{
    int fd;
    hub_status status = launch_remember(argv, UPGRADE_VARIABLE, &fd, failure);
    if (fd == LAUNCH_NONE)
        return status;
    found = handover_new();
    if (!found) {
        status = error_set(failure, HUB_EPROTO, "no memory for what the last master left");
    } else if (handover_read(fd, found, failure) != HUB_OK) {
        error_prefix(failure, UPGRADE_VARIABLE ": ");
        status = HUB_EPROTO;
    } else if (!handover_set_cloexec(found, true)) {
        status = error_set(failure, HUB_EPROTO, UPGRADE_VARIABLE ": a descriptor is not open");
    }
    if (fd >= 0)
        close(fd);
    return status;
}

handover *upgrade_found(void)
{
    return found;
}

bool upgrade_is_beside(void)
{
    return found && found->mode == HANDOVER_BESIDE;
}

bool upgrade_is_probe(void)
{
    return found && found->mode == HANDOVER_PROBE;
}

hub_status upgrade_try(error *failure)
{
    region shared;
    hub_status status = region_attach(&shared, found->region, failure);
    if (status != HUB_OK)
        return status;
    region_close(&shared);
    upgrade_say(found->channel, MESSAGE_HELLO, 0);
    return HUB_OK;
}

/* ---- beginning ---- */

static void adopt_listeners(upgrade *self, const config *settings)
{
    const handover *from = self->inherited;
    bool in_place = from->mode == HANDOVER_IN_PLACE;
    for (uint32_t i = 0; i < from->listener_count; i++) {
        listener one = inventory_listener(&from->listeners[i]);
        one.owner = in_place ? getpid() : 0;
        bool is_wanted = in_place || listener_is_of(&one, self->crew->binds_of(settings));
        listener_set *to = is_wanted ? self->listeners : &self->unwanted;
        to->items[to->count++] = one;
    }
}

bool upgrade_has(const upgrade *self, const char *address)
{
    for (uint32_t i = 0; self->inherited && i < self->inherited->listener_count; i++)
        if (strcmp(self->inherited->listeners[i].bind, address) == 0)
            return true;
    return false;
}

static void drop_region(const handover *from)
{
    for (unsigned i = 0; i < REGION_ROWS; i++) {
        close(from->doorbells[i]);
        close(from->mailboxes[i].reader);
        close(from->mailboxes[i].writer);
    }
}

/* In place the workers that run need their region whatever the configuration says by now. */
static hub_status adopt_region(upgrade *self, const config *settings, region *shared, error *failure)
{
    const handover *from = self->inherited;
    bool in_place = from->mode == HANDOVER_IN_PLACE;
    hub_status status = region_inherit(shared, from->region, from->doorbells, from->mailboxes,
                                       from->master_doorbell, failure);
    if (status == HUB_OK && shared->log_size != settings->log_size && !in_place) {
        status = error_set(failure, HUB_EPROTO, "log: its size is %zu, and %zu is configured",
                           shared->log_size, settings->log_size);
        region_close(shared);
    } else if (status != HUB_OK) {
        drop_region(from);
    }
    close(from->region);
    if (status == HUB_OK || in_place)
        return status;
    log_warning("%s: broadcasts do not cross between old and new workers until the old ones are gone",
                failure->text);
    *shared = (region){.memory_fd = -1, .master_doorbell = -1};
    return HUB_OK;
}

hub_status upgrade_inherit(upgrade *self, handover *from, const config *settings, region *shared,
                           error *failure)
{
    self->inherited = from;
    found = NULL;
    self->other = from->mode == HANDOVER_BESIDE ? from->master : 0;
    self->channel = from->channel;
    self->before = from->before;
    self->owners_fd = from->owners;
    adopt_listeners(self, settings);
    memcpy(self->crew->generations, from->generations, sizeof from->generations);
    hub_status status = adopt_region(self, settings, shared, failure);
    if (status != HUB_OK || from->mode == HANDOVER_IN_PLACE) {
        listener_close_all(&self->unwanted);
        return status;
    }
    status = owners_attach(&self->owners, self->owners_fd, failure);
    if (status != HUB_OK)
        return status;
    self->verify_ns = clock_in_ns(settings->reload_verify);
    self->phase = UPGRADE_TAKING;
    crew_set_orphan_farewell(self->crew, FAREWELL_REPLACED);
    upgrade_say(self->channel, MESSAGE_HELLO, 0);
    return HUB_OK;
}

/* ---- taking ---- */

static slot *next_slot(const crew *all)
{
    for (unsigned i = 0; i < all->count; i++)
        if (!all->slots[i]->wanted)
            return all->slots[i];
    return NULL;
}

void upgrade_take(upgrade *self, slot *place)
{
    if (!upgrade_is_taking(self))
        return;
    if (owners_move(self->owners, place->number, self->other, getpid())) {
        self->taken++;
        upgrade_say(self->channel, MESSAGE_TAKEN, place->number);
    }
    slot *next = next_slot(self->crew);
    if (next) {
        crew_tell(self->crew, next, SLOT_WANTED);
    } else if (crew_all_ready(self->crew)) {
        self->phase = UPGRADE_PROVING;
        self->deadline_ns = clock_monotonic_ns() + self->verify_ns;
    }
}

static void own_paths(listener_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        set->items[i].owner = getpid();
}

/* From here on nothing goes back. */
static void take_all(upgrade *self)
{
    self->phase = UPGRADE_TAKEN;
    crew_set_orphan_farewell(self->crew, FAREWELL_STOP);
    self->deadline_ns = 0;
    own_paths(self->listeners);
    own_paths(&self->unwanted);
    listener_close_all(&self->unwanted);
}

void upgrade_finish_taking(upgrade *self)
{
    upgrade_say(self->channel, MESSAGE_DONE, 0);
    take_all(self);
    log_info("this master has all %u slots", self->crew->count);
}

/* The old master ends without having given everything. */
static void take_rest(upgrade *self)
{
    log_info("process %d ends: this master takes what is left", (int)self->other);
    take_all(self);
    if (self->taken)
        crew_want_all(self->crew);
}

void upgrade_go_on_alone(upgrade *self)
{
    if (self->phase != UPGRADE_TAKEN)
        take_rest(self);
    if (self->channel >= 0) /* it lives, so the number is its own */
        predecessors_add(&self->before, self->other);
    self->named(self->arg, getpid());
    self->alone(self->arg, self->other);
    upgrade_settle(self); /* only now: the old master waits for it (upgrade_is_waited_for) */
    self->other = 0;
}

bool upgrade_give_back(upgrade *self, const char *why)
{
    if (self->phase == UPGRADE_RETURNING)
        return true;
    if (!upgrade_is_taking(self) || self->taken == 0)
        return false;
    if (why)
        log_error("the upgrade is abandoned: %s; process %d goes on", why, (int)self->other);
    else
        log_info("the slots go back to process %d, and this master ends then", (int)self->other);
    self->phase = UPGRADE_RETURNING;
    self->deadline_ns = clock_monotonic_ns() + UPGRADE_GREETING_NS;
    upgrade_say(self->channel, MESSAGE_GIVE_BACK, 0);
    return true;
}

void upgrade_finish_returning(upgrade *self)
{
    upgrade_settle(self);
    self->other = 0;
    self->returned(self->arg);
}
