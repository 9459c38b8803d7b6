/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/router.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The value of a route in these tests is a text. */
static void add(router *routes, const char *method, const char *pattern, const char *value)
{
    assert_int_equal(router_add(routes, method, pattern, ROUTE_HTTP, (void *)(uintptr_t)value), HUB_OK);
}

static const char *find(const router *routes, const char *method, const char *path)
{
    router_match match;
    switch (router_find(routes, ROUTE_HTTP, hub_text(method), hub_text(path), &match)) {
    case ROUTER_FOUND:
        return match.value;
    case ROUTER_METHOD:
        return "405";
    case ROUTER_BAD_PATH:
        return "400";
    default:
        return "404";
    }
}

static void assert_parameter(const router *routes, const char *path, const char *name, const char *expected)
{
    router_match match;
    assert_int_equal(router_find(routes, ROUTE_HTTP, hub_text("GET"), hub_text(path), &match), ROUTER_FOUND);
    hub_bytes value = router_parameter(&match, name);
    assert_non_null(value.data);
    assert_true(hub_equal(value, hub_text(expected)));
}

static void text_is_matched_segment_by_segment(void **state)
{
    (void)state;
    router *routes = router_new();
    add(routes, "GET", "/", "root");
    add(routes, "GET", "/users", "users");
    add(routes, "GET", "/users/", "users slash");
    add(routes, "GET", "/users/me", "me");
    assert_string_equal(find(routes, "GET", "/"), "root");
    assert_string_equal(find(routes, "GET", "/users"), "users");
    assert_string_equal(find(routes, "GET", "/users/"), "users slash");
    assert_string_equal(find(routes, "GET", "/users/me"), "me");
    assert_string_equal(find(routes, "GET", "/users/me/"), "404");
    assert_string_equal(find(routes, "GET", "//users"), "404");
    assert_string_equal(find(routes, "GET", "/Users"), "404");
    assert_string_equal(find(routes, "GET", "/user"), "404");
    router_free(routes);
}

static void text_wins_over_a_parameter_and_a_parameter_over_the_star(void **state)
{
    (void)state;
    router *routes = router_new();
    add(routes, "GET", "/a/*", "star");
    add(routes, "GET", "/a/:id", "parameter");
    add(routes, "GET", "/a/b", "text");
    assert_string_equal(find(routes, "GET", "/a/b"), "text");
    assert_string_equal(find(routes, "GET", "/a/c"), "parameter");
    assert_string_equal(find(routes, "GET", "/a/"), "star");
    assert_string_equal(find(routes, "GET", "/a/b/c"), "star");
    assert_string_equal(find(routes, "GET", "/a"), "404");
    router_free(routes);
}

static void a_less_specific_pattern_is_tried_when_a_better_one_ends_too_early(void **state)
{
    (void)state;
    router *routes = router_new();
    add(routes, "GET", "/users/me/posts", "my posts");
    add(routes, "GET", "/users/:id/likes", "likes");
    add(routes, "GET", "/*", "rest");
    assert_string_equal(find(routes, "GET", "/users/me/posts"), "my posts");
    assert_string_equal(find(routes, "GET", "/users/me/likes"), "likes");
    assert_string_equal(find(routes, "GET", "/users/me/other"), "rest");
    assert_string_equal(find(routes, "GET", "/"), "rest");
    router_free(routes);
}

static void parameters_are_raw_parts_of_the_path(void **state)
{
    (void)state;
    router *routes = router_new();
    add(routes, "GET", "/users/:id/posts/:post", "post");
    add(routes, "GET", "/files/:volume/*", "files");
    assert_parameter(routes, "/users/7%2F8/posts/x", "id", "7%2F8");
    assert_parameter(routes, "/users/7%2F8/posts/x", "post", "x");
    assert_parameter(routes, "/files/v/a/b%20c", "*", "a/b%20c");
    assert_parameter(routes, "/files/v/", "*", "");
    assert_parameter(routes, "/files/v/", "volume", "v");
    router_match match;
    assert_int_equal(router_find(routes, ROUTE_HTTP, hub_text("GET"), hub_text("/files/v/"), &match),
                     ROUTER_FOUND);
    assert_null(router_parameter(&match, "id").data);
    assert_string_equal(router_pattern(match.route), "/files/:volume/*");
    assert_string_equal(find(routes, "GET", "/users//posts/x"), "404");
    router_free(routes);
}

static void parameters_at_one_place_may_have_several_names(void **state)
{
    (void)state;
    router *routes = router_new();
    add(routes, "GET", "/users/:id", "one");
    add(routes, "GET", "/users/:name/posts", "posts");
    assert_parameter(routes, "/users/7", "id", "7");
    assert_parameter(routes, "/users/7/posts", "name", "7");
    router_free(routes);
}

static void segments_are_compared_decoded_and_an_encoded_slash_stays_inside(void **state)
{
    (void)state;
    router *routes = router_new();
    add(routes, "GET", "/caf\xC3\xA9/menu", "menu");
    add(routes, "GET", "/a/b", "two segments");
    assert_string_equal(find(routes, "GET", "/caf%c3%A9/m%65nu"), "menu");
    assert_string_equal(find(routes, "GET", "/a%2Fb"), "404");
    assert_string_equal(find(routes, "GET", "/%61/b"), "two segments");
    router_free(routes);
}

static void a_malformed_path_is_a_bad_path(void **state)
{
    (void)state;
    router *routes = router_new();
    router_match match;
    add(routes, "GET", "/*", "rest");
    assert_string_equal(find(routes, "GET", "/%zz"), "400");
    assert_string_equal(find(routes, "GET", "/a%"), "400");
    assert_string_equal(find(routes, "GET", "/a%00"), "400");
    assert_string_equal(find(routes, "GET", ""), "400");
    assert_string_equal(find(routes, "GET", "a"), "400");
    assert_int_equal(router_find(routes, ROUTE_HTTP, hub_text("GET"), hub_bytes_of("/\0", 2), &match),
                     ROUTER_BAD_PATH);
    router_free(routes);
}

static void the_method_decides_and_the_star_takes_the_others(void **state)
{
    (void)state;
    router *routes = router_new();
    add(routes, "*", "/x", "any");
    add(routes, "POST", "/x", "post");
    add(routes, "GET", "/y", "get");
    assert_string_equal(find(routes, "POST", "/x"), "post");
    assert_string_equal(find(routes, "DELETE", "/x"), "any");
    assert_string_equal(find(routes, "POST", "/y"), "405");
    assert_string_equal(find(routes, "get", "/y"), "405");
    router_free(routes);
}

static void get_answers_head_unless_head_has_a_route(void **state)
{
    (void)state;
    router *routes = router_new();
    add(routes, "*", "/x", "any");
    add(routes, "GET", "/x", "get");
    add(routes, "GET", "/y", "get");
    add(routes, "HEAD", "/y", "head");
    assert_string_equal(find(routes, "HEAD", "/x"), "get");
    assert_string_equal(find(routes, "HEAD", "/y"), "head");
    router_free(routes);
}

static void a_pattern_that_takes_the_method_is_used_before_405(void **state)
{
    (void)state;
    router *routes = router_new();
    add(routes, "POST", "/api/items", "create");
    add(routes, "GET", "/*", "static");
    assert_string_equal(find(routes, "GET", "/api/items"), "static");
    assert_string_equal(find(routes, "POST", "/api/items"), "create");
    assert_string_equal(find(routes, "PUT", "/api/items"), "405");
    router_free(routes);
}

static void the_allow_list_names_the_methods_of_all_patterns_once(void **state)
{
    (void)state;
    router *routes = router_new();
    char out[64];
    add(routes, "POST", "/a", "1");
    add(routes, "HEAD", "/a", "2");
    add(routes, "GET", "/:x", "3");
    add(routes, "POST", "/*", "4");
    assert_int_equal(router_add(routes, "GET", "/a", ROUTE_WS, NULL), HUB_OK);
    assert_int_equal(router_allow(routes, ROUTE_HTTP, hub_text("/a"), out, sizeof out), 15);
    assert_string_equal(out, "POST, HEAD, GET");
    router_allow(routes, ROUTE_HTTP, hub_text("/b"), out, sizeof out);
    assert_string_equal(out, "GET, HEAD, POST");
    router_allow(routes, ROUTE_HTTP, hub_text("/a"), out, 12);
    assert_string_equal(out, "POST, HEAD");
    router_allow(routes, ROUTE_WS, hub_text("/a"), out, sizeof out);
    assert_string_equal(out, "GET, HEAD");
    assert_int_equal(router_allow(routes, ROUTE_HTTP, hub_text("bad"), out, sizeof out), 0);
    add(routes, "DELETE", "/deep/:y/a", "5");
    router_allow(routes, ROUTE_HTTP, hub_text("*"), out, sizeof out);
    assert_string_equal(out, "POST, HEAD, DELETE, GET");
    router_free(routes);
}

static void a_websocket_route_stands_beside_an_http_route(void **state)
{
    (void)state;
    router *routes = router_new();
    router_match match;
    int page = 0, chat = 0;
    assert_int_equal(router_add(routes, "GET", "/chat", ROUTE_HTTP, &page), HUB_OK);
    assert_int_equal(router_add(routes, "GET", "/chat", ROUTE_WS, &chat), HUB_OK);
    assert_int_equal(router_add(routes, "GET", "/files/*", ROUTE_HTTP, &page), HUB_OK);
    assert_int_equal(router_add(routes, "GET", "/chat", ROUTE_WS, &chat), HUB_EEXIST);
    assert_int_equal(router_add(routes, "POST", "/chat", ROUTE_WS, &chat), HUB_EINVAL);

    assert_int_equal(router_find(routes, ROUTE_WS, hub_text("GET"), hub_text("/chat"), &match), ROUTER_FOUND);
    assert_ptr_equal(match.value, &chat);
    assert_int_equal(match.kind, ROUTE_WS);
    assert_int_equal(router_find(routes, ROUTE_HTTP, hub_text("GET"), hub_text("/chat"), &match),
                     ROUTER_FOUND);
    assert_ptr_equal(match.value, &page);
    assert_int_equal(router_find(routes, ROUTE_HTTP, hub_text("GET"), hub_text("/files/a"), &match),
                     ROUTER_FOUND);
    assert_int_equal(match.kind, ROUTE_HTTP);
    assert_int_equal(router_find(routes, ROUTE_WS, hub_text("GET"), hub_text("/files/a"), &match),
                     ROUTER_NOT_FOUND);
    router_free(routes);
}

static void the_same_route_twice_is_refused_whatever_its_parameters_are_called(void **state)
{
    (void)state;
    router *routes = router_new();
    add(routes, "GET", "/users/:id", "first");
    assert_int_equal(router_add(routes, "GET", "/users/:name", ROUTE_HTTP, NULL), HUB_EEXIST);
    assert_int_equal(router_add(routes, "POST", "/users/:name", ROUTE_HTTP, NULL), HUB_OK);
    assert_string_equal(find(routes, "GET", "/users/1"), "first");
    router_free(routes);
}

static void malformed_patterns_and_methods_are_refused(void **state)
{
    (void)state;
    router *routes = router_new();
    const char *bad[] = {
        "",
        "users",
        "/*/x",
        "/a/*/",
        "/:",
        "/:a/:a",
        "/:a/:b/:a",
        "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33",
        "/:1/:2/:3/:4/:5/:6/:7/:8/:9/:10/:11/:12/:13/:14/:15/:16/:17"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(router_add(routes, "GET", bad[i], ROUTE_HTTP, NULL), HUB_EINVAL);
    assert_int_equal(router_add(routes, "", "/", ROUTE_HTTP, NULL), HUB_EINVAL);
    assert_int_equal(router_add(routes, "GET ", "/", ROUTE_HTTP, NULL), HUB_EINVAL);
    assert_string_equal(find(routes, "GET", "/"), "404");
    add(routes, "GET", "/:1/:2/:3/:4/:5/:6/:7/:8/:9/:10/:11/:12/:13/:14/:15/:16", "full");
    assert_string_equal(find(routes, "GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"), "full");
    assert_string_equal(find(routes, "GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"), "404");
    router_free(routes);
}

static void many_routes_are_all_found(void **state)
{
    (void)state;
    static char patterns[500][32];
    router *routes = router_new();
    for (size_t i = 0; i < 500; i++) {
        size_t number = i * 263 % 500;
        snprintf(patterns[i], sizeof patterns[i], "/p%zu/%zu", number % 25, number);
        add(routes, "GET", patterns[i], patterns[i]);
    }
    for (size_t i = 0; i < 500; i++)
        assert_string_equal(find(routes, "GET", patterns[i]), patterns[i]);
    router_free(routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_matched_segment_by_segment),
        cmocka_unit_test(text_wins_over_a_parameter_and_a_parameter_over_the_star),
        cmocka_unit_test(a_less_specific_pattern_is_tried_when_a_better_one_ends_too_early),
        cmocka_unit_test(parameters_are_raw_parts_of_the_path),
        cmocka_unit_test(parameters_at_one_place_may_have_several_names),
        cmocka_unit_test(segments_are_compared_decoded_and_an_encoded_slash_stays_inside),
        cmocka_unit_test(a_malformed_path_is_a_bad_path),
        cmocka_unit_test(the_method_decides_and_the_star_takes_the_others),
        cmocka_unit_test(get_answers_head_unless_head_has_a_route),
        cmocka_unit_test(a_pattern_that_takes_the_method_is_used_before_405),
        cmocka_unit_test(the_allow_list_names_the_methods_of_all_patterns_once),
        cmocka_unit_test(a_websocket_route_stands_beside_an_http_route),
        cmocka_unit_test(the_same_route_twice_is_refused_whatever_its_parameters_are_called),
        cmocka_unit_test(malformed_patterns_and_methods_are_refused),
        cmocka_unit_test(many_routes_are_all_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
