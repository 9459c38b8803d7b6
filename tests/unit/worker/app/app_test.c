/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/app/app.h"
#include "worker/ws/websocket.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], include_folder[512], module_path[128];
static config settings;
static hub_app *app;
static error why;

/* ---- modules, made on the spot ---- */

static void make_module(const char *name, const char *source)
{
    char path[128], command[1024];
    snprintf(path, sizeof path, "%s/%s.c", folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fprintf(out, "#include <hubbub.h>\n%s\n", source);
    assert_int_equal(fclose(out), 0);
    snprintf(module_path, sizeof module_path, "%s/%s.so", folder, name);
    snprintf(command, sizeof command, "cc -shared -fPIC -I%s -o %s %s", include_folder, module_path, path);
    assert_int_equal(system(command), 0);
    free(settings.app);
    settings.app = strdup(module_path);
}

/* A module whose setup is a function of the test. */
static hub_status set_up(hub_status (*setup)(hub_app *app))
{
    static unsigned number;
    char name[32];
    snprintf(name, sizeof name, "module%u", number++);
    make_module(name, "hub_status (*run)(hub_app *app);\n"
                      "static hub_status setup(hub_app *app) { return run(app); }\n"
                      "HUB_MODULE(.name = \"probe\", .setup = setup, .session_size = 24);");
    assert_int_equal(app_load(&app, module_path, &settings, &why), HUB_OK);
    void *object = dlopen(module_path, RTLD_NOW);
    assert_non_null(object);
    hub_status (**run)(hub_app * app) = (hub_status(**)(hub_app *))dlsym(object, "run");
    assert_non_null(run);
    *run = setup;
    return app_setup(app, &why);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/app_test.XXXXXX");
    /* ctest starts it in tests/, beside include/. */
    return mkdtemp(folder) && realpath("../include", include_folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static int setup(void **state)
{
    (void)state;
    app = NULL;
    why = (error){0};
    return config_defaults(&settings) == HUB_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    app_free(app);
    config_free(&settings);
    return 0;
}

static void expect_line(const char *part)
{
    if (!strstr(why.text, part) || strchr(why.text, '\n'))
        fail_msg("no '%s' in: %s", part, why.text);
}

/* ---- loading ---- */

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    assert_int_equal(app_load(&app, "/no/such/app.so", &settings, &why), HUB_ENOENT);
    expect_line("/no/such/app.so");
}

static void what_is_no_shared_object_is_refused(void **state)
{
    (void)state;
    assert_int_equal(app_load(&app, "/etc/passwd", &settings, &why), HUB_EINVAL);
    expect_line("/etc/passwd");
}

static void a_missing_symbol_is_named(void **state)
{
    (void)state;
    make_module("missing",
                "void surely_nowhere(void);\n"
                "static hub_status setup(hub_app *app) { (void)app; surely_nowhere(); return HUB_OK; }\n"
                "HUB_MODULE(.name = \"x\", .setup = setup);");
    assert_int_equal(app_load(&app, module_path, &settings, &why), HUB_EINVAL);
    expect_line(
        "cannot be loaded: undefined symbol: surely_nowhere; define it or link the library that has it");
}

static void a_compiled_source_is_named_by_its_source(void **state)
{
    (void)state;
    make_module("cached",
                "void surely_nowhere(void);\n"
                "static hub_status setup(hub_app *self) { (void)self; surely_nowhere(); return HUB_OK; }\n"
                "HUB_MODULE(.name = \"x\", .setup = setup);");
    free(settings.app);
    settings.app = strdup("chat.c");
    assert_int_equal(app_load(&app, module_path, &settings, &why), HUB_EINVAL);
    expect_line("application 'chat.c' cannot be loaded: undefined symbol: surely_nowhere; ");
    assert_null(strstr(why.text, "cached.so"));
}

static void an_object_without_a_module_is_refused(void **state)
{
    (void)state;
    make_module("empty", "int nothing;");
    assert_int_equal(app_load(&app, module_path, &settings, &why), HUB_EINVAL);
    expect_line("HUB_MODULE");
}

static void a_module_of_another_interface_is_refused(void **state)
{
    (void)state;
    make_module("foreign", "static hub_status setup(hub_app *app) { (void)app; return HUB_OK; }\n"
                           "HUB_MODULE(.abi = 9999, .setup = setup);");
    assert_int_equal(app_load(&app, module_path, &settings, &why), HUB_EINVAL);
    expect_line("9999");
}

static void a_module_without_setup_is_refused(void **state)
{
    (void)state;
    make_module("bare", "HUB_MODULE(.name = \"bare\");");
    assert_int_equal(app_load(&app, module_path, &settings, &why), HUB_EINVAL);
    expect_line("setup");
}

/* ---- setup ---- */

static hub_status http_handler(hub_http *http, void *arg)
{
    (void)http, (void)arg;
    return HUB_OK;
}

static hub_status ws_handler(hub_ws *ws, void *arg)
{
    (void)ws, (void)arg;
    return HUB_OK;
}

static hub_status ws_open_handler(hub_ws *ws, void *arg)
{
    (void)ws, (void)arg;
    return HUB_OK;
}

static hub_status fails(hub_app *self)
{
    (void)self;
    return HUB_EFAIL;
}

static void a_failed_setup_is_told(void **state)
{
    (void)state;
    assert_int_equal(set_up(fails), HUB_EFAIL);
    expect_line("probe");
}

static hub_status registers_routes(hub_app *self)
{
    assert_int_equal(hub_on_http(self, "GET", "/a/:id", http_handler, &settings), HUB_OK);
    assert_int_equal(hub_on_http(self, "POST", "/a/:id", http_handler, NULL), HUB_OK);
    assert_int_equal(hub_on_http(self, "GET", "/a/:other", http_handler, NULL), HUB_EEXIST);
    assert_int_equal(hub_on_http(self, "GET", "a", http_handler, NULL), HUB_EINVAL);
    assert_int_equal(hub_on_http(self, "GET", "/*/b", http_handler, NULL), HUB_EINVAL);
    assert_int_equal(hub_on_http(self, "GET", "/b/:", http_handler, NULL), HUB_EINVAL);
    assert_int_equal(hub_on_http(self, NULL, "/b", http_handler, NULL), HUB_EINVAL);
    assert_int_equal(hub_on_http(self, "GET", NULL, http_handler, NULL), HUB_EINVAL);
    assert_int_equal(hub_on_http(self, "GET", "/b", NULL, NULL), HUB_EINVAL);
    assert_int_equal(hub_on_http_route(self, &(hub_http_route){.method = "GET",
                                                               .pattern = "/b",
                                                               .handler = http_handler,
                                                               .compress = (hub_compress)3}),
                     HUB_EINVAL);
    hub_http_route streaming = {.method = "PUT",
                                .pattern = "/s",
                                .handler = http_handler,
                                .arg = &settings,
                                .stream_body = true,
                                .max_body = 77};
    assert_int_equal(hub_on_http_route(self, &streaming), HUB_OK);
    assert_int_equal(hub_on_http_route(self, &streaming), HUB_EEXIST);
    assert_int_equal(hub_on_http_route(self, &(hub_http_route){.method = "PUT", .pattern = "/t"}),
                     HUB_EINVAL);
    return HUB_OK;
}

static void routes_are_checked_and_found(void **state)
{
    (void)state;
    router_match match;
    assert_int_equal(set_up(registers_routes), HUB_OK);
    assert_int_equal(router_find(app_router(app), ROUTE_HTTP, hub_text("GET"), hub_text("/a/7"), &match),
                     ROUTER_FOUND);
    const http_route *to = match.value;
    assert_ptr_equal(to->handler, http_handler);
    assert_ptr_equal(to->arg, &settings);
    assert_string_equal(to->name, "GET /a/:id");
    assert_false(to->stream_body);
    assert_true(to->max_body == 0);
    assert_int_equal(router_find(app_router(app), ROUTE_HTTP, hub_text("PUT"), hub_text("/s"), &match),
                     ROUTER_FOUND);
    to = match.value;
    assert_ptr_equal(to->arg, &settings);
    assert_true(to->stream_body);
    assert_true(to->max_body == 77);
    assert_int_equal(app_session_size(app), 24);
    assert_string_equal(app_name(app), "probe");
}

static void nothing_is_registered_after_setup(void **state)
{
    (void)state;
    assert_int_equal(set_up(registers_routes), HUB_OK);
    assert_int_equal(hub_on_http(app, "GET", "/late", http_handler, NULL), HUB_ESTATE);
    assert_int_equal(hub_on_ws(app, "/late", ws_handler, NULL), HUB_ESTATE);
    assert_int_equal(hub_on_start(app, NULL, NULL), HUB_ESTATE);
    assert_int_equal(hub_on_stop(app, NULL, NULL), HUB_ESTATE);
    assert_int_equal(hub_static(app, "/", "/"), HUB_ESTATE);
}

static hub_status registers_ws(hub_app *self)
{
    assert_int_equal(hub_on_ws(self, "/loop", ws_handler, NULL), HUB_OK);
    hub_ws_route both = {.path = "/both", .handler = ws_handler, .on_open = ws_open_handler};
    hub_ws_route neither = {.path = "/neither"};
    hub_ws_route pathless = {.handler = ws_handler};
    assert_int_equal(hub_on_ws_route(self, &both), HUB_EINVAL);
    assert_int_equal(hub_on_ws_route(self, &neither), HUB_EINVAL);
    assert_int_equal(hub_on_ws_route(self, &pathless), HUB_EINVAL);
    hub_ws_route own = {.path = "/own/:name",
                        .on_open = ws_open_handler,
                        .origins = "*",
                        .max_message = 77,
                        .policy = HUB_POLICY_SKIP,
                        .queue_soft = 11,
                        .queue_hard = 22,
                        .queue_time = 0.5};
    return hub_on_ws_route(self, &own);
}

static const ws_route *find_ws(const char *path)
{
    static router_match match;
    assert_int_equal(router_find(app_router(app), ROUTE_WS, hub_text("GET"), hub_text(path), &match),
                     ROUTER_FOUND);
    return match.value;
}

static void a_route_takes_the_configured_values_or_its_own(void **state)
{
    (void)state;
    assert_int_equal(set_up(registers_ws), HUB_OK);
    const ws_route *loop = find_ws("/loop"), *own = find_ws("/own/x");
    assert_int_equal(loop->max_message, settings.max_message);
    assert_int_equal(loop->limits.soft, settings.queue_soft);
    assert_int_equal(loop->limits.hard, settings.queue_hard);
    assert_true(loop->limits.time == settings.queue_time);
    assert_int_equal(loop->limits.policy, HUB_POLICY_CLOSE);
    assert_ptr_equal(loop->origins, settings.ws_origins);
    assert_false(loop->has_parameters);
    assert_int_equal(own->max_message, 77);
    assert_int_equal(own->limits.soft, 11);
    assert_int_equal(own->limits.hard, 22);
    assert_true(own->limits.time == 0.5);
    assert_int_equal(own->limits.policy, HUB_POLICY_SKIP);
    assert_string_equal(own->origins, "*");
    assert_true(own->has_parameters);
}

/* ---- hooks ---- */

static char order[16];

static hub_status note(void *arg)
{
    strcat(order, arg);
    return HUB_OK;
}

static hub_status note_and_fail(void *arg)
{
    strcat(order, arg);
    return HUB_EFAIL;
}

static hub_status registers_hooks(hub_app *self)
{
    order[0] = 0;
    hub_on_start(self, note, "1");
    hub_on_start(self, note, "2");
    hub_on_stop(self, note_and_fail, "8");
    return hub_on_stop(self, note, "9");
}

static void hooks_run_in_the_order_of_registration(void **state)
{
    (void)state;
    assert_int_equal(set_up(registers_hooks), HUB_OK);
    assert_int_equal(app_start(app, &why), HUB_OK);
    app_stop(app); /* one that fails keeps no other from running */
    assert_string_equal(order, "1289");
}

static hub_status registers_failing_hook(hub_app *self)
{
    order[0] = 0;
    hub_on_start(self, note_and_fail, "1");
    return hub_on_start(self, note, "2");
}

static void a_failed_start_hook_ends_the_start(void **state)
{
    (void)state;
    assert_int_equal(set_up(registers_failing_hook), HUB_OK);
    assert_int_equal(app_start(app, &why), HUB_EFAIL);
    assert_string_equal(order, "1");
    expect_line("probe");
}

/* ---- files ---- */

static hub_status registers_files(hub_app *self)
{
    char path[128];
    snprintf(path, sizeof path, "%s/public", folder);
    assert_true(mkdir(path, 0755) == 0);
    assert_int_equal(hub_static(self, "files", "public"), HUB_EINVAL);
    assert_int_equal(hub_static(self, "/files", "not there"), HUB_ENOENT);
    assert_int_equal(hub_static(self, "/", "public"), HUB_OK);
    return hub_static(self, "/files/", "public"); /* beside the module */
}

static void files_are_looked_for_beside_the_application(void **state)
{
    (void)state;
    router_match match;
    assert_int_equal(set_up(registers_files), HUB_OK);
    static const char *const paths[] = {"/files/x", "/files", "/files/", "/anything"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(
            router_find(app_router(app), ROUTE_HTTP, hub_text("HEAD"), hub_text(paths[i]), &match),
            ROUTER_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_is_not_there_is_named),
        TEST(what_is_no_shared_object_is_refused),
        TEST(a_missing_symbol_is_named),
        TEST(a_compiled_source_is_named_by_its_source),
        TEST(an_object_without_a_module_is_refused),
        TEST(a_module_of_another_interface_is_refused),
        TEST(a_module_without_setup_is_refused),
        TEST(a_failed_setup_is_told),
        TEST(routes_are_checked_and_found),
        TEST(nothing_is_registered_after_setup),
        TEST(a_route_takes_the_configured_values_or_its_own),
        TEST(hooks_run_in_the_order_of_registration),
        TEST(a_failed_start_hook_ends_the_start),
        TEST(files_are_looked_for_beside_the_application),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
