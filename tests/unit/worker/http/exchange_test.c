/* SPDX-License-Identifier: Apache-2.0 */
#include "../server.h"

static hub_status (*scene)(hub_http *http);

static hub_status play(hub_http *http, void *arg)
{
    (void)arg;
    return scene(http);
}

static int setup(void **state)
{
    int result = serve_open(state);
    serve_http("POST", "/:word/x", play, NULL);
    return result;
}

/* Runs the scene as a handler of one request and gives the whole answer. */
static const char *run(hub_status (*handler)(hub_http *http), const char *path, const char *fields)
{
    static char answer[65536];
    static client c;
    char text[2048];
    scene = handler;
    snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n", path, fields);
    visit(&c);
    client_say(&c, text);
    assert_true(client_wait_end(&c));
    snprintf(answer, sizeof answer, "%s", client_text(&c));
    client_close(&c);
    return answer;
}

static void expect(const char *answer, const char *part)
{
    if (!strstr(answer, part))
        fail_msg("no '%s' in: %s", part, answer);
}

static hub_status say_parts(hub_http *http)
{
    hub_bytes word = hub_http_param(http, "word"), q = hub_http_query(http, "q"), name, value;
    hub_bytes none = hub_http_param(http, "none"), missing = hub_http_query(http, "missing");
    assert_null(none.data);
    assert_null(missing.data);
    assert_null(hub_http_header(http, "X-Missing").data);
    assert_int_equal(hub_http_body(http).length, 0);
    assert_true(hub_equal(hub_http_peer(http), hub_text("unix:")));
    assert_true(hub_http_header_at(http, 2, &name, &value));
    assert_true(hub_equal(name, hub_text("x-one")) && hub_equal(value, hub_text("1")));
    assert_false(hub_http_header_at(http, 3, &name, &value));
    return hub_http_replyf(http, 200, "text/plain", "%.*s|%.*s", (int)word.length, (const char *)word.data,
                           (int)q.length, (const char *)q.data);
}

static void the_parts_of_a_request_are_decoded(void **state)
{
    (void)state;
    expect(run(say_parts, "/a%2Fb%20c/x?q=1+2%263", "x-one: 1\r\n"), "\r\n\r\na/b c|1 2&3");
}

static hub_status set_fields(hub_http *http)
{
    assert_int_equal(hub_http_set(http, "X-Fine", hub_text("value")), HUB_OK);
    assert_int_equal(hub_http_set(http, "X-Fine", hub_text("again")), HUB_OK);
    assert_int_equal(hub_http_set(http, "X Bad", hub_text("value")), HUB_EINVAL);
    assert_int_equal(hub_http_set(http, "", hub_text("value")), HUB_EINVAL);
    assert_int_equal(hub_http_set(http, "X-Bad", hub_text("a\r\nX-Smuggled: 1")), HUB_EINVAL);
    assert_int_equal(hub_http_set(http, "X-Bad", hub_bytes_of("a\0b", 3)), HUB_EINVAL);
    assert_int_equal(hub_http_set(http, "content-length", hub_text("5")), HUB_EINVAL);
    assert_int_equal(hub_http_set(http, "Transfer-Encoding", hub_text("chunked")), HUB_EINVAL);
    assert_int_equal(hub_http_set(http, "CONNECTION", hub_text("close")), HUB_EINVAL);
    assert_int_equal(hub_http_set(http, "Date", hub_text("now")), HUB_EINVAL);
    assert_int_equal(hub_http_set(http, "Content-Type", hub_text("image/png")), HUB_EINVAL);
    assert_int_equal(hub_http_reply(http, 200, "text/plain\r\nX-Smuggled: 1", hub_text("x")), HUB_EINVAL);
    assert_int_equal(hub_http_reply(http, 199, NULL, hub_text("x")), HUB_EINVAL);
    assert_int_equal(hub_http_reply(http, 600, NULL, hub_text("x")), HUB_EINVAL);
    assert_int_equal(hub_http_reply(http, 201, NULL, hub_text("body")), HUB_OK);
    assert_int_equal(hub_http_set(http, "X-Late", hub_text("value")), HUB_ESTATE);
    assert_int_equal(hub_http_reply(http, 202, NULL, hub_text("x")), HUB_ESTATE);
    return HUB_OK;
}

static void fields_cannot_be_smuggled_into_an_answer(void **state)
{
    (void)state;
    const char *answer = run(set_fields, "/a/x", "");
    expect(answer, "HTTP/1.1 201 ");
    expect(answer, "X-Fine: value\r\nX-Fine: again\r\n");
    expect(answer, "Content-Length: 4\r\n");
    expect(answer, "\r\n\r\nbody");
    assert_null(strstr(answer, "Smuggled"));
}

static hub_status answer_long(hub_http *http)
{
    char text[5000];
    memset(text, 'y', sizeof text);
    return hub_http_replyf(http, 200, NULL, "<%.*s>", (int)sizeof text, text);
}

static void a_formatted_body_may_be_long(void **state)
{
    (void)state;
    const char *answer = run(answer_long, "/a/x", "");
    expect(answer, "Content-Length: 5002\r\n");
    expect(answer, "yyy>");
}

static hub_status answer_204(hub_http *http)
{
    return hub_http_reply(http, 204, NULL, hub_text("not to be sent"));
}

static void an_answer_that_has_no_body_gets_none(void **state)
{
    (void)state;
    const char *answer = run(answer_204, "/a/x", "");
    expect(answer, "HTTP/1.1 204 ");
    assert_null(strstr(answer, "Content-Length"));
    assert_null(strstr(answer, "not to be sent"));
}

static void bodies_are_collected_from_pieces(void **state)
{
    (void)state;
    hub_http *http = exchange_new(4);
    assert_non_null(http);
    char piece[8] = "one ";
    assert_int_equal(exchange_add_body(http, hub_text(piece)), HUB_OK);
    assert_ptr_equal(http->body.data, piece); /* where it was read */
    assert_int_equal(exchange_own_body(http), HUB_OK);
    strcpy(piece, "two ");
    assert_int_equal(exchange_add_body(http, hub_text(piece)), HUB_OK);
    strcpy(piece, "three");
    assert_int_equal(exchange_add_body(http, hub_text(piece)), HUB_OK);
    strcpy(piece, "gone");
    assert_true(hub_equal(http->body, hub_text("one two three")));
    exchange_free(http);
}

static void a_freed_exchange_is_used_again_and_clean(void **state)
{
    (void)state;
    hub_http *first = exchange_new(8);
    assert_non_null(first);
    first->replied = first->close = first->parked = true;
    exchange_free(first);
    hub_http *second = exchange_new(4);
    assert_ptr_equal(second, first);
    assert_false(second->replied || second->close || second->parked);
    exchange_free(second);
}

static void a_request_that_stays_takes_its_fields_along(void **state)
{
    (void)state;
    hub_http *http = exchange_new(2);
    assert_non_null(http);
    http_field *read = exchange_fields();
    read[0] = (http_field){hub_text("A"), hub_text("one")};
    read[1] = (http_field){hub_text("B"), hub_text("two")};
    http->head.fields = read;
    http->head.field_count = 2;
    assert_int_equal(exchange_own_fields(http), HUB_OK);
    hub_http *next = exchange_new(200); /* there is room for more now */
    assert_non_null(next);
    for (size_t i = 0; i < 200; i++)
        exchange_fields()[i] = (http_field){hub_text("C"), hub_text("three")};
    assert_true(hub_equal(hub_http_header(http, "a"), hub_text("one")));
    assert_true(hub_equal(hub_http_header(http, "b"), hub_text("two")));
    assert_int_equal(exchange_own_fields(http), HUB_OK);
    assert_true(hub_equal(hub_http_header(http, "b"), hub_text("two")));
    assert_int_equal(exchange_own_fields(next), HUB_OK); /* it has none */
    exchange_free(http);
    exchange_free(next);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, serve_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_parts_of_a_request_are_decoded),
        TEST(fields_cannot_be_smuggled_into_an_answer),
        TEST(a_formatted_body_may_be_long),
        TEST(an_answer_that_has_no_body_gets_none),
        TEST(bodies_are_collected_from_pieces),
        TEST(a_freed_exchange_is_used_again_and_clean),
        TEST(a_request_that_stays_takes_its_fields_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
