/* SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

#include "common/log.h"
#include "master/privileges.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a service manager calls the folder that it made for the server. */
static const char folder_variable[] = "RUNTIME_DIRECTORY";

/* ---- status ---- */

static const char *const slot_states[] = {
    [SLOT_EMPTY] = "empty",   [SLOT_BACKOFF] = "waiting",   [SLOT_BOOTING] = "booting",
    [SLOT_READY] = "ready",   [SLOT_DRAINING] = "draining", [SLOT_ENDING] = "ending",
    [SLOT_KILLED] = "killed",
};

static double seconds_since(uint64_t then_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    return then_ns && now_ns > then_ns ? clock_in_seconds(now_ns - then_ns) : 0;
}

/* Resident bytes that it shares with nobody's file or region; 0: nobody is here. */
static json_int_t own_memory(pid_t pid)
{
    char path[32];
    long long resident = 0, shared = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = pid ? fopen(path, "re") : NULL;
    if (!file)
        return 0;
    if (fscanf(file, "%*d %lld %lld", &resident, &shared) != 2)
        resident = shared = 0;
    fclose(file);
    return (resident - shared) * sysconf(_SC_PAGESIZE);
}

static json_int_t count_of(const _Atomic uint64_t *counter, bool counts)
{
    return counts ? (json_int_t)atomic_load_explicit(counter, memory_order_relaxed) : 0;
}

static json_t *describe_worker(const crew *all, const slot *place, const char *role)
{
    bool here = slot_filled(place);
    const row *score = crew_row(all, place);
    unsigned connections = here ? atomic_load_explicit(&score->connections, memory_order_relaxed) : 0;
    return json_pack("{s:i,s:s,s:i,s:s,s:b,s:i,s:i,s:f,s:i,s:I,s:I,s:I,s:I,s:I}", "slot", (int)place->number,
                     "role", role, "pid", (int)place->pid, "state", slot_states[place->state], "degraded",
                     place->degraded, "release", (int)place->release->number, "generation",
                     (int)place->generation, "uptime", here ? seconds_since(place->forked_ns) : 0.,
                     "restarts", (int)all->restarts[place->number], "connections", (json_int_t)connections,
                     "requests", count_of(&score->requests, here), "messages_in",
                     count_of(&score->messages_in, here), "messages_out",
                     count_of(&score->messages_out, here), "memory", own_memory(place->pid));
}

/* Takes the item over. False without memory. */
static bool append(json_t *list, json_t *item)
{
    return item && json_array_append_new(list, item) == 0;
}

/* Both lists below are NULL without memory, and then so is what they are packed into. */
static json_t *finish_list(json_t *list, bool whole)
{
    if (whole)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *list_workers(const crew *all)
{
    json_t *list = json_array();
    bool whole = list != NULL;
    for (unsigned i = 0; whole && i < all->count; i++)
        whole = append(list, describe_worker(all, all->slots[i], "slot"));
    if (whole && all->successor)
        whole = append(list, describe_worker(all, all->successor, "successor"));
    for (const slot *place = all->leaving; whole && place; place = place->next)
        if (slot_filled(place))
            whole = append(list, describe_worker(all, place, "leaving"));
    return finish_list(list, whole);
}

static json_t *list_degraded(const crew *all)
{
    json_t *list = json_array();
    bool whole = list != NULL;
    for (unsigned i = 0; whole && i < all->count; i++)
        if (all->slots[i]->degraded)
            whole = append(list, json_integer(i));
    return finish_list(list, whole);
}

static json_t *list_releases(const shelf *kept)
{
    json_t *list = json_array();
    bool whole = list != NULL;
    for (unsigned i = 0; whole && i < SHELF_RELEASES && kept->kept[i]; i++)
        whole = append(list, json_integer(kept->kept[i]->number));
    return finish_list(list, whole);
}

static json_t *list_addresses(const listener_set *all)
{
    json_t *list = json_array();
    bool whole = list != NULL;
    for (size_t i = 0; whole && i < all->count; i++)
        whole = append(list, control_text(all->items[i].name));
    return finish_list(list, whole);
}

static json_t *describe_reload(const struct master *master)
{
    const reload_outcome *last = &master->last;
    if (master->reloads == 0)
        return json_null();
    if (last->ended_ns == 0)
        return json_pack("{s:s,s:i}", "state", "under way", "release", (int)last->release);
    if (!last->reached)
        return json_pack("{s:s,s:i,s:f,s:o}", "state", "abandoned", "release", (int)last->release, "ago",
                         seconds_since(last->ended_ns), "error", control_text(last->why));
    return json_pack("{s:s,s:i,s:f,s:i}", "state", "done", "release", (int)last->release, "ago",
                     seconds_since(last->ended_ns), "replaced", (int)last->replaced);
}

static void run_status(void *arg, control_client *client, const json_t *request)
{
    const struct master *master = arg;
    const release *target = master->roll.target;
    (void)request;
    control_answer(client,
                   json_pack("{s:b,s:s,s:i,s:s,s:b,s:f,s:o,s:i,s:o,s:o,s:i,s:o,s:o,s:o}", "ok", 1, "version",
                             HUB_VERSION, "pid", (int)getpid(), "phase", master_phase_text(master), "upgrade",
                             master->upgrade.phase != UPGRADE_NONE, "uptime", seconds_since(master->begun_ns),
                             "app", control_text(target ? target->settings.app : ""), "release",
                             target ? (int)target->number : 0, "releases", list_releases(&master->shelf),
                             "addresses", list_addresses(&master->listeners), "workers_wanted",
                             (int)master->crew.count, "workers", list_workers(&master->crew), "degraded",
                             list_degraded(&master->crew), "reload", describe_reload(master)));
}

/* ---- orders ---- */

static void say_order(const json_t *request)
{
    log_info("%s was ordered at the control socket", json_string_value(json_object_get(request, "command")));
}

/* True: refused, and the client was told why. */
static bool refuse_reload(const struct master *master, control_client *client)
{
    if (master_is_stopping(master))
        control_refuse(client, "the server is %s", master_phase_text(master));
    else if (upgrade_is_giving(&master->upgrade))
        control_refuse(client, "an upgrade is under way: ask process %d when that has taken over",
                       (int)master->upgrade.other);
    else
        return false;
    return true;
}

static void go_back(struct master *master, control_client *client, json_int_t number)
{
    release *what = number > 0 && number <= UINT32_MAX ? shelf_find(&master->shelf, (unsigned)number) : NULL;
    if (!what) {
        control_refuse(client,
                       "there is no release %" JSON_INTEGER_FORMAT " to go back to: status lists those "
                       "that are kept, the last %d that ran in all slots",
                       number, SHELF_RELEASES);
    } else if (upgrade_is_taking(&master->upgrade)) {
        control_refuse(client, "an upgrade is under way: try again when it has ended");
    } else {
        /* Those that wait for what this replaces are answered first. */
        reload_cancel(master, "going back to an older release was asked for");
        control_wait(client, master->reloads + 1);
        reload_go_back(master, what);
    }
}

static void run_reload(void *arg, control_client *client, const json_t *request)
{
    struct master *master = arg;
    const json_t *number = json_object_get(request, "release");
    say_order(request);
    if (refuse_reload(master, client))
        return;
    if (!number) {
        control_wait(client, master->reloads + 1);
        reload_begin(master);
    } else if (json_is_integer(number)) {
        go_back(master, client, json_integer_value(number));
    } else {
        control_refuse(client, "release: write the number of one");
    }
}

static void run_scale(void *arg, control_client *client, const json_t *request)
{
    struct master *master = arg;
    error failure = {.status = HUB_OK};
    const json_t *number = json_object_get(request, "workers");
    json_int_t count = json_integer_value(number);
    say_order(request);
    if (!json_is_integer(number) || count < 1 || count > CONFIG_WORKERS_MAX)
        control_refuse(client, "workers: write a number from 1 to %d", CONFIG_WORKERS_MAX);
    else if (workers_scale(master, (unsigned)count, &failure) != HUB_OK)
        control_refuse(client, "%s", failure.text);
    else
        control_answer(client, json_pack("{s:b,s:I}", "ok", 1, "workers", count));
}

static void run_reopen(void *arg, control_client *client, const json_t *request)
{
    say_order(request);
    master_reopen_logs(arg);
    control_answer(client, json_pack("{s:b}", "ok", 1));
}

static void run_shutdown(void *arg, control_client *client, const json_t *request)
{
    struct master *master = arg;
    const json_t *now = json_object_get(request, "now");
    say_order(request);
    if (now && !json_is_boolean(now)) {
        control_refuse(client, "now: write true or false");
        return;
    }
    if (json_is_true(now))
        workers_end(master);
    else
        workers_drain(master);
    control_answer(client, json_pack("{s:b}", "ok", 1));
}

static const control_command commands[] = {
    {"status", run_status}, {"reload", run_reload},     {"scale", run_scale},
    {"reopen", run_reopen}, {"shutdown", run_shutdown}, {NULL, NULL},
};

/* ---- those who wait ---- */

void commands_reload_ended(struct master *master)
{
    const reload_outcome *last = &master->last;
    json_t *answer;
    if (!master->control)
        return;
    if (last->reached)
        answer = json_pack("{s:b,s:i,s:i,s:i}", "ok", 1, "release", (int)last->release, "workers",
                           (int)master->crew.count, "replaced", (int)last->replaced);
    else
        answer = json_pack("{s:b,s:o}", "ok", 0, "error", control_text(last->why));
    control_answer_waiting(master->control, master->reloads, answer);
}

void commands_tell(struct master *master, const char *format, ...)
{
    char line[256];
    va_list arguments;
    if (!master->control)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    control_tell_waiting(master->control, json_pack("{s:o}", "event", control_text(line)));
}

/* ---- open and close ---- */

/* NULL: there is to be none. The caller frees the path. Errors: HUB_ENOMEM. */
static hub_status find_path(const config *settings, char **path, error *failure)
{
    const char *given = settings->control_socket, *folder = getenv(folder_variable);
    *path = NULL;
    if (given ? strcmp(given, "off") == 0 : !folder || !*folder)
        return HUB_OK;
    /* A manager may name several, with colons in between. */
    int length = given ? asprintf(path, "%s", given)
                       : asprintf(path, "%.*s/control", (int)strcspn(folder, ":"), folder);
    return length < 0 ? error_set(failure, HUB_ENOMEM, "no memory for the control socket's path") : HUB_OK;
}

/* Beside the socket of the master that goes. */
static hub_status open_at(struct master *master, const config *settings, const char *path, error *failure)
{
    char *second = NULL;
    if (upgrade_is_second(&master->upgrade) && !takeover_is_in_place(master) &&
        asprintf(&second, "%s%s", path, TAKEOVER_SUFFIX) < 0)
        return error_set(failure, HUB_ENOMEM, "no memory for the control socket's path");
    path = second ? second : path;
    hub_status status = control_open(&master->control, master->loop, path, commands, master, failure);
    if (status == HUB_OK)
        status = privileges_give(settings, path, failure);
    free(second);
    return status;
}

hub_status commands_open(struct master *master, const config *settings, error *failure)
{
    error why = {.status = HUB_OK};
    char *path;
    hub_status status = find_path(settings, &path, failure);
    if (status != HUB_OK || !path)
        return status;
    status = open_at(master, settings, path, &why);
    free(path);
    if (status == HUB_OK)
        return HUB_OK;
    commands_close(master);
    if (settings->control_socket)
        return error_set(failure, status, "%s", why.text);
    log_warning("%s; the server goes on without one", why.text);
    return HUB_OK;
}

void commands_close(struct master *master)
{
    control_close(master->control);
    master->control = NULL;
}

void commands_alone(struct master *master)
{
    error failure = {.status = HUB_OK};
    char *path;
    if (!master->control)
        return;
    hub_status status = find_path(&master->roll.target->settings, &path, &failure);
    if (status == HUB_OK && path)
        status = control_move(master->control, path, &failure);
    if (status != HUB_OK)
        log_error("%s; it stays beside", failure.text);
    free(path);
}
