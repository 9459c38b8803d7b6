/* SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

#include "common/log.h"
#include "master/inherit.h"

/* A server that a socket unit starts and that is given no address listens where the unit says. */
char *const *addresses_of(const config *settings)
{
    static char all_activated[] = "systemd:";
    static char *const activated[] = {all_activated, NULL};
    return inherit_count() > 0 && !config_given(settings, "bind") ? activated : settings->bind;
}

static listener_options options_of(const config *settings)
{
    return (listener_options){
        .backlog = settings->backlog,
        .reuse_port = settings->reuse_port,
        .mode = settings->socket_mode,
        .user = settings->socket_user,
        .group = settings->socket_group,
    };
}

hub_status addresses_open(struct master *master, const config *settings, error *failure)
{
    const listener_options options = options_of(settings);
    char *const *binds = addresses_of(settings);
    hub_status status = HUB_OK;
    if (takeover_is_in_place(master)) /* other addresses come with the release that follows */
        return HUB_OK;
    for (size_t i = 0; binds[i] && status == HUB_OK; i++)
        if (!upgrade_has(&master->upgrade, binds[i]))
            status = listener_open(&master->listeners, binds[i], &options, failure);
    return status;
}

hub_status addresses_change(struct master *master, const config *settings, error *failure)
{
    const listener_options options = options_of(settings);
    hub_status status = listener_change(&master->listeners, addresses_of(settings), &options, failure);
    for (size_t i = 0; status == HUB_OK && i < master->listeners.count; i++)
        if (master->listeners.items[i].added)
            log_info("listening at %s, too", master->listeners.items[i].name);
    return status;
}

void addresses_say(const struct master *master)
{
    for (size_t i = 0; i < master->listeners.count; i++) {
        const listener *item = &master->listeners.items[i];
        log_info("listening at %s%s", item->path[0] ? "" : "http://", item->name);
    }
}
