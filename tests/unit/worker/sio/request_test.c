/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_world.h"

static void refuse(const char *method, const char *query, const char *fields, int status, const char *body)
{
    client c;
    ask(&c, method, query, fields, "");
    assert_answer(&c, status, body);
}

static const char unknown_transport[] = "{\"code\":0,\"message\":\"Transport unknown\"}";
static const char unknown_sid[] = "{\"code\":1,\"message\":\"Session ID unknown\"}";
static const char bad_method[] = "{\"code\":2,\"message\":\"Bad handshake method\"}";
static const char bad_request[] = "{\"code\":3,\"message\":\"Bad request\"}";
static const char forbidden[] = "{\"code\":4,\"message\":\"Forbidden\"}";
static const char unsupported[] = "{\"code\":5,\"message\":\"Unsupported protocol version\"}";

static void wrong_requests_get_the_protocols_errors(void **state)
{
    (void)state;
    refuse("GET", "", "", 400, unknown_transport);
    refuse("GET", "transport=flash&EIO=4", "", 400, unknown_transport);
    refuse("GET", "transport=polling&EIO=4&sid=x", "", 400, unknown_sid);
    refuse("POST", "transport=polling&EIO=4", "", 400, bad_method);
    refuse("PUT", "transport=polling&EIO=4&sid=x", "", 400, bad_method);
    refuse("GET", "transport=websocket&EIO=4", "", 400, bad_request);
    refuse("GET", "transport=polling", "", 400, unsupported);
    refuse("GET", "transport=polling&EIO=3", "", 400, unsupported);
    refuse("GET", "transport=polling&EIO=44", "", 400, unsupported);
    assert_int_equal(noted.opened, 0);
}

static void transports_that_are_off_are_unknown(void **state)
{
    (void)state;
    tested.polling = false;
    refuse("GET", "transport=polling&EIO=4", "", 400, unknown_transport);
    tested.websocket = false;
    refuse("GET", "transport=websocket&EIO=4", "", 400, unknown_transport);
}

static void a_session_of_another_endpoint_is_unknown(void **state)
{
    (void)state;
    static engine_endpoint other;
    poller p;
    poller_open(&p);
    other = tested;
    noted.last->endpoint = &other;
    poller_is_gone(&p);
    noted.last->endpoint = &tested;
    poller_posts(&p, "4a", 200);
}

static bool answered_with(client *c, const char *field)
{
    assert_true(client_wait_end(c));
    bool has = strstr(client_text(c), field) != NULL;
    client_close(c);
    return has;
}

static bool opens_with(const char *fields, const char *field)
{
    client c;
    ask(&c, "GET", "transport=polling&EIO=4", fields, "");
    return answered_with(&c, field);
}

static void any_origin_may_come_where_all_are_allowed(void **state)
{
    (void)state;
    tested.origins = "*";
    tested.credentials = true; /* not for all */
    assert_true(opens_with("Origin: https://a.example\r\n", "Access-Control-Allow-Origin: *\r\n"));
    assert_false(opens_with("Origin: https://a.example\r\n", "Allow-Credentials"));
    assert_false(opens_with("", "Access-Control"));
}

static void named_origins_may_come_with_credentials(void **state)
{
    (void)state;
    tested.origins = "https://a.example, https://b.example";
    tested.credentials = true;
    assert_true(
        opens_with("Origin: https://b.example\r\n",
                   "Access-Control-Allow-Origin: https://b.example\r\nAccess-Control-Allow-Credentials: "
                   "true\r\n"));
    assert_true(opens_with("Origin: https://b.example\r\n", "Vary: Origin\r\n"));
    tested.credentials = false;
    assert_false(opens_with("Origin: https://b.example\r\n", "Allow-Credentials"));
}

static void other_origins_are_forbidden(void **state)
{
    (void)state;
    tested.origins = "https://a.example";
    refuse("GET", "transport=polling&EIO=4", "Origin: https://evil.example\r\n", 403, forbidden);
    assert_int_equal(noted.opened, 0);
    assert_false(opens_with("Origin: https://evil.example\r\n", "Access-Control"));
    tested.origins = "same";
    refuse("GET", "transport=polling&EIO=4", "Origin: https://evil.example\r\n", 403, forbidden);
    assert_true(opens_with("Origin: http://a\r\n", "Access-Control-Allow-Origin: http://a\r\n"));
}

static void options_says_what_a_page_may_send(void **state)
{
    (void)state;
    client c;
    tested.origins = "https://a.example";
    const char fields[] = "Origin: https://a.example\r\nAccess-Control-Request-Headers: x-one\r\n";
    ask(&c, "OPTIONS", "transport=polling&EIO=4", fields, "");
    assert_true(client_wait_end(&c));
    assert_non_null(strstr(client_text(&c), "HTTP/1.1 204 "));
    assert_true(answered_with(&c, "Access-Control-Allow-Headers: x-one\r\n"));
    ask(&c, "OPTIONS", "", "Origin: https://evil.example\r\n", "");
    assert_false(answered_with(&c, "Access-Control-Allow-Origin"));
}

static void the_cookie_has_the_sessions_id(void **state)
{
    (void)state;
    client c;
    char expected[128], sid[25];
    tested.cookie = "io";
    ask(&c, "GET", "transport=polling&EIO=4", "", "");
    snprintf(expected, sizeof expected, "Set-Cookie: io=%s; Path=/; HttpOnly; SameSite=Lax\r\n",
             engine_sid(noted.last, sid));
    assert_true(answered_with(&c, expected));
}

static void answers_from_the_threshold_on_are_compressed(void **state)
{
    (void)state;
    poller p;
    char text[1001] = "";
    memset(text, 'x', 1000);
    tested.compress_threshold = 1000;
    poller_open(&p);
    send_text(noted.last, text);
    ask(&p.poll, "GET", p.query, "Accept-Encoding: gzip\r\n", "");
    assert_true(answered_with(&p.poll, "Content-Encoding: gzip\r\n"));
    send_text(noted.last, "short");
    ask(&p.poll, "GET", p.query, "Accept-Encoding: gzip\r\n", "");
    assert_false(answered_with(&p.poll, "Content-Encoding"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, engine_world_open, engine_world_close)
        T(wrong_requests_get_the_protocols_errors),
        T(transports_that_are_off_are_unknown),
        T(a_session_of_another_endpoint_is_unknown),
        T(any_origin_may_come_where_all_are_allowed),
        T(named_origins_may_come_with_credentials),
        T(other_origins_are_forbidden),
        T(options_says_what_a_page_may_send),
        T(the_cookie_has_the_sessions_id),
        T(answers_from_the_threshold_on_are_compressed),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
