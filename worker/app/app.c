/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/app/app.h"

#include "common/log.h"
#include "worker/app/app_inside.h"
#include "worker/http/exchange.h"
#include "worker/http/static.h"
#include "worker/ws/websocket.h"

#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct hook {
    struct hook *next;
    hub_hook run;
    void *arg;
} hook;

/* What a registration allocated; all of it lives as long as the application. */
typedef struct owned {
    struct owned *next;
    void *memory;
    void (*free)(void *memory);
} owned;

struct hub_app {
    const config *config;
    const hub_module *module;
    router *router;
    bool in_setup;
    hook *start, *stop;
    owned *owned;
    app_socketio_part socketio;
};

/* ---- loading ---- */

/* What the dynamic linker says, without the file's path, which for a compiled .c file is the cache's; and
 * what to do about it. */
static hub_status does_not_load(const char *named, const char *real, error *why)
{
    const char *cause = dlerror();
    if (!cause)
        cause = "the dynamic linker gives no reason";
    size_t length = strlen(real);
    if (strncmp(cause, real, length) == 0 && strncmp(cause + length, ": ", 2) == 0)
        cause += length + 2;
    const char *advice = strstr(cause, "undefined symbol") ? "define it or link the library that has it"
                         : strstr(cause, "cannot open shared object file")
                             ? "install that library, or name its folder in LD_LIBRARY_PATH"
                             : "give a .c file, or a shared object made for this machine";
    return error_set(why, HUB_EINVAL, "application '%s' cannot be loaded: %s; %s", named, cause, advice);
}

hub_status app_load(hub_app **out, const char *module_path, const config *settings, error *why)
{
    const char *path = settings->app ? settings->app : module_path; /* what its owner knows it by */
    char beside[PATH_MAX]; /* with a slash in it, dlopen looks nowhere else */
    if (!strchr(module_path, '/')) {
        snprintf(beside, sizeof beside, "./%s", module_path);
        module_path = beside;
    }
    if (access(module_path, F_OK) < 0)
        return error_set(why, HUB_ENOENT, "application '%s': cannot find %s: %s", path, module_path,
                         strerror(errno));
    void *object = dlopen(module_path, RTLD_NOW | RTLD_LOCAL);
    hub_status status = object ? HUB_OK : does_not_load(path, module_path, why);
    if (status != HUB_OK)
        return status;
    const hub_module *module = dlsym(object, "hub_module_declared");
    if (!module)
        return error_set(why, HUB_EINVAL,
                         "application '%s' declares no HUB_MODULE(…): add one, as the examples do", path);
    if (module->abi != HUB_ABI || module->module_size < sizeof *module)
        return error_set(
            why, HUB_EINVAL,
            "application '%s' was compiled for interface %u, this server has %u; compile it again", path,
            module->abi, (unsigned)HUB_ABI);
    if (!module->setup)
        return error_set(
            why, HUB_EINVAL,
            "application '%s': HUB_MODULE has no .setup; give it the function that registers its routes",
            path);
    hub_app *app = calloc(1, sizeof *app);
    if (!app || !(app->router = router_new())) {
        free(app);
        return error_set(why, HUB_ENOMEM, "application '%s': no memory", path);
    }
    app->config = settings;
    app->module = module;
    *out = app;
    return HUB_OK;
}

hub_status app_setup(hub_app *app, error *why)
{
    app->in_setup = true;
    hub_status status = app->module->setup(app);
    if (status == HUB_OK)
        status = socketio_complete(app);
    app->in_setup = false;
    if (status != HUB_OK)
        return error_set(why, status, "application '%s': its setup failed: %s", app_name(app),
                         hub_status_text(status));
    return HUB_OK;
}

void app_free(hub_app *app)
{
    if (!app)
        return;
    router_free(app->router);
    name_spaces_free(&app->socketio.name_spaces);
    for (owned *o = app->owned, *next; o; o = next) {
        next = o->next;
        o->free(o->memory);
        free(o);
    }
    free(app);
}

const router *app_router(const hub_app *app)
{
    return app->router;
}

const char *app_name(const hub_app *app)
{
    return app->module->name ? app->module->name : "unnamed";
}

size_t app_session_size(const hub_app *app)
{
    return app->module->session_size;
}

/* ---- hooks ---- */

/* Makes the memory the application's. False without memory for the note; it is then freed. */
static bool own(hub_app *app, void *memory, void (*release)(void *memory))
{
    owned *o = malloc(sizeof *o);
    if (!o) {
        release(memory);
        return false;
    }
    *o = (owned){app->owned, memory, release};
    app->owned = o;
    return true;
}

static hub_status add_hook(hub_app *app, hook **list, hub_hook run, void *arg)
{
    if (!app->in_setup)
        return HUB_ESTATE;
    hook *h = calloc(1, sizeof *h);
    if (!h || !own(app, h, free))
        return HUB_ENOMEM;
    h->run = run;
    h->arg = arg;
    while (*list)
        list = &(*list)->next;
    *list = h;
    return HUB_OK;
}

hub_status hub_on_start(hub_app *app, hub_hook run, void *arg)
{
    return add_hook(app, &app->start, run, arg);
}

hub_status hub_on_stop(hub_app *app, hub_hook run, void *arg)
{
    return add_hook(app, &app->stop, run, arg);
}

hub_status app_start(hub_app *app, error *why)
{
    for (const hook *h = app->start; h; h = h->next) {
        hub_status status = h->run(h->arg);
        if (status != HUB_OK)
            return error_set(why, status, "application '%s': a start hook failed: %s", app_name(app),
                             hub_status_text(status));
    }
    return HUB_OK;
}

void app_stop(hub_app *app)
{
    for (const hook *h = app->stop; h; h = h->next) {
        hub_status status = h->run(h->arg);
        if (status != HUB_OK)
            log_warning("application '%s': a stop hook failed: %s", app_name(app), hub_status_text(status));
    }
}

/* ---- routes ---- */

/* A registration's failure is told where it happens: setup may return it on without a word. */
static hub_status told(hub_status status, const char *call, const char *method, const char *pattern)
{
    if (status != HUB_OK)
        log_error("%s(%s %s): %s", call, method, pattern ? pattern : "(null)", hub_status_text(status));
    return status;
}

/* "GET /users/:id", for as long as the application lives. */
static char *route_name(hub_app *app, const char *method, const char *pattern)
{
    char *name;
    if (asprintf(&name, "%s %s", method, pattern) < 0)
        return NULL;
    return own(app, name, free) ? name : NULL;
}

static hub_status add_http_route(hub_app *app, const hub_http_route *given)
{
    if (!app->in_setup)
        return HUB_ESTATE;
    if (!given->method || !given->pattern || !given->handler || given->compress > HUB_COMPRESS_OFF)
        return HUB_EINVAL;
    http_route *r = calloc(1, sizeof *r);
    if (!r || !own(app, r, free))
        return HUB_ENOMEM;
    *r = (http_route){.handler = given->handler,
                      .arg = given->arg,
                      .name = route_name(app, given->method, given->pattern),
                      .stream_body = given->stream_body,
                      .max_body = given->max_body,
                      .compress = given->compress};
    return r->name ? router_add(app->router, given->method, given->pattern, ROUTE_HTTP, r) : HUB_ENOMEM;
}

static hub_status add_http(hub_app *app, const char *method, const char *pattern, hub_http_handler handler,
                           void *arg)
{
    return add_http_route(
        app, &(hub_http_route){.method = method, .pattern = pattern, .handler = handler, .arg = arg});
}

hub_status hub_on_http_route(hub_app *app, const hub_http_route *given)
{
    return told(add_http_route(app, given), "hub_on_http_route", given->method ? given->method : "(null)",
                given->pattern);
}

hub_status hub_on_http(hub_app *app, const char *method, const char *pattern, hub_http_handler handler,
                       void *arg)
{
    return told(add_http(app, method, pattern, handler, arg), "hub_on_http", method ? method : "(null)",
                pattern);
}

static size_t or_size(size_t given, size_t configured)
{
    return given ? given : configured;
}

static hub_status add_ws(hub_app *app, const hub_ws_route *given)
{
    bool has_events = given->on_open || given->on_message || given->on_close;
    if (!app->in_setup)
        return HUB_ESTATE;
    if (!given->path || (given->handler != NULL) == has_events)
        return HUB_EINVAL;
    ws_route *r = calloc(1, sizeof *r);
    if (!r || !own(app, r, free))
        return HUB_ENOMEM;
    *r = (ws_route){
        .handler = given->handler,
        .on_open = given->on_open,
        .on_message = given->on_message,
        .on_close = given->on_close,
        .arg = given->arg,
        .name = route_name(app, "ws", given->path),
        .subprotocols = given->subprotocols,
        .origins = given->origins ? given->origins : app->config->ws_origins,
        .max_message = or_size(given->max_message, app->config->max_message),
        .limits = {.soft = or_size(given->queue_soft, app->config->queue_soft),
                   .hard = or_size(given->queue_hard, app->config->queue_hard),
                   .time = given->queue_time > 0 ? given->queue_time : app->config->queue_time,
                   .policy = given->policy},
        .has_parameters = strstr(given->path, "/:") || strstr(given->path, "/*"),
    };
    return r->name ? router_add(app->router, "GET", given->path, ROUTE_WS, r) : HUB_ENOMEM;
}

hub_status hub_on_ws_route(hub_app *app, const hub_ws_route *given)
{
    return told(add_ws(app, given), "hub_on_ws_route", "GET", given->path);
}

hub_status hub_on_ws(hub_app *app, const char *path, hub_ws_handler handler, void *arg)
{
    return told(add_ws(app, &(hub_ws_route){.path = path, .handler = handler, .arg = arg}), "hub_on_ws",
                "GET", path);
}

/* ---- files ---- */

static void release_root(void *root)
{
    static_close(root);
}

/* A relative directory: beside the application, else below the working directory. */
static void locate(const hub_app *app, const char *directory, char path[PATH_MAX])
{
    char *real = directory[0] == '/' ? NULL : realpath(app->config->app, NULL);
    snprintf(path, PATH_MAX, "%s", directory);
    if (!real)
        return;
    char beside[PATH_MAX];
    int length = snprintf(beside, sizeof beside, "%s/%s", dirname(real), directory);
    if (length > 0 && (size_t)length < sizeof beside && access(beside, F_OK) == 0)
        memcpy(path, beside, (size_t)length + 1);
    free(real);
}

/* Files are compressed beforehand: what lies beside them has their tags and ranges. */
static hub_status add_files(hub_app *app, const char *pattern, static_root *root)
{
    return add_http_route(app, &(hub_http_route){.method = "GET",
                                                 .pattern = pattern,
                                                 .handler = static_serve,
                                                 .arg = root,
                                                 .compress = HUB_COMPRESS_OFF});
}

static hub_status add_static(hub_app *app, const char *prefix, const char *directory)
{
    char path[PATH_MAX], pattern[PATH_MAX];
    if (!app->in_setup)
        return HUB_ESTATE;
    if (!prefix || prefix[0] != '/' || !directory || strlen(prefix) + 3 > sizeof pattern)
        return HUB_EINVAL;
    locate(app, directory, path);
    static_root *root;
    error why = {0};
    hub_status status = static_open(&root, path, app->config->static_cache, &why);
    if (status != HUB_OK) {
        log_error("%s", why.text);
        return status;
    }
    if (!own(app, root, release_root))
        return HUB_ENOMEM;
    size_t length = strlen(prefix);
    while (length && prefix[length - 1] == '/')
        length--;
    snprintf(pattern, sizeof pattern, "%.*s/*", (int)length, prefix);
    status = add_files(app, pattern, root);
    if (status == HUB_OK && length) { /* the directory itself, without its slash */
        pattern[length] = '\0';
        status = add_files(app, pattern, root);
    }
    return status;
}

hub_status hub_static(hub_app *app, const char *prefix, const char *directory)
{
    return told(add_static(app, prefix, directory), "hub_static", "GET", prefix);
}

/* ---- for the other files of this folder ---- */

bool app_is_in_setup(const hub_app *app)
{
    return app->in_setup;
}

const config *app_config(const hub_app *app)
{
    return app->config;
}

void *app_allocate(hub_app *app, size_t size)
{
    void *memory = calloc(1, size);
    return memory && own(app, memory, free) ? memory : NULL;
}

char *app_text(hub_app *app, const char *format, ...)
{
    char *text;
    va_list values;
    va_start(values, format);
    int length = vasprintf(&text, format, values);
    va_end(values);
    return length >= 0 && own(app, text, free) ? text : NULL;
}

hub_status app_add_route(hub_app *app, const char *method, const char *pattern, route_kind kind, void *value)
{
    return router_add(app->router, method, pattern, kind, value);
}

hub_status app_told(hub_status status, const char *call, const char *method, const char *pattern)
{
    return told(status, call, method, pattern);
}

app_socketio_part *app_socketio(hub_app *app)
{
    return &app->socketio;
}

const name_spaces *app_name_spaces(const hub_app *app)
{
    return &app->socketio.name_spaces;
}
