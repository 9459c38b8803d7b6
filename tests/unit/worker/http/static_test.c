/* SPDX-License-Identifier: Apache-2.0 */
#include "../server.h"
#include "worker/http/static.h"

#include <sys/resource.h>
#include <sys/stat.h>

static char folder[64];
static static_root *root;

static void in_folder(char path[256], const char *name)
{
    snprintf(path, 256, "%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    in_folder(path, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static void make_link(const char *to, const char *name)
{
    char path[256];
    in_folder(path, name);
    assert_int_equal(symlink(to, path), 0);
}

static int setup(void **state)
{
    int result = serve_open(state);
    char path[256];
    error why;
    strcpy(folder, "/tmp/static_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    in_folder(path, "sub");
    assert_int_equal(mkdir(path, 0755), 0);
    in_folder(path, "empty");
    assert_int_equal(mkdir(path, 0755), 0);
    write_file("page.html", "<p>a page");
    write_file("nothing", "");
    write_file("a b.txt", "spaced");
    write_file("sub/index.html", "the index");
    make_link("page.html", "inside");
    make_link("/etc/passwd", "absolute");
    make_link("../../etc/passwd", "outside");
    in_folder(path, "pipe");
    assert_int_equal(mkfifo(path, 0644), 0);
    assert_int_equal(static_open(&root, folder, 0, &why), HUB_OK);
    serve_http("GET", "/files/*", static_serve, root);
    serve_http("GET", "/files", static_serve, root);
    return result;
}

static int teardown(void **state)
{
    char command[128];
    static_close(root);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    return serve_close(state);
}

/* The whole answer to one request. */
static const char *ask(const char *method, const char *path, const char *fields)
{
    static char answer[8192];
    static client c;
    char text[2048];
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n", method, path,
             fields);
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

static void a_file_comes_with_its_type_and_time(void **state)
{
    (void)state;
    const char *answer = ask("GET", "/files/page.html", "");
    expect(answer, "HTTP/1.1 200 OK\r\n");
    expect(answer, "Content-Type: text/html");
    expect(answer, "Content-Length: 9\r\n");
    expect(answer, "Last-Modified: ");
    expect(answer, "\r\n\r\n<p>a page");
}

static void head_comes_without_the_file(void **state)
{
    (void)state;
    const char *answer = ask("HEAD", "/files/page.html", "");
    expect(answer, "Content-Length: 9\r\n");
    assert_null(strstr(answer, "<p>"));
}

static void an_empty_file_is_an_empty_body(void **state)
{
    (void)state;
    expect(ask("GET", "/files/nothing", ""), "Content-Length: 0\r\n");
}

static void names_are_decoded(void **state)
{
    (void)state;
    expect(ask("GET", "/files/a%20b.txt", ""), "spaced");
}

static void what_has_not_changed_is_304(void **state)
{
    (void)state;
    char field[128], *end;
    snprintf(field, sizeof field, "If-Modified-Since: %s",
             strstr(ask("GET", "/files/page.html", ""), "Last-Modified: ") + 15);
    end = strstr(field, "\r\n");
    assert_non_null(end);
    end[2] = 0;
    const char *answer = ask("GET", "/files/page.html", field);
    expect(answer, "HTTP/1.1 304 ");
    assert_null(strstr(answer, "<p>"));
    expect(ask("GET", "/files/page.html", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n"), " 200 OK");
    expect(ask("GET", "/files/page.html", "If-Modified-Since: nonsense\r\n"), " 200 OK");
}

static void a_directory_is_its_index_behind_a_slash(void **state)
{
    (void)state;
    expect(ask("GET", "/files/sub/", ""), "the index");
    expect(ask("GET", "/files/sub?x=1", ""), "Location: /files/sub/?x=1\r\n");
    expect(ask("GET", "/files", ""), "Location: /files/\r\n");
    expect(ask("GET", "/files/empty/", ""), "HTTP/1.1 404 ");
}

static void a_link_is_followed_only_inside(void **state)
{
    (void)state;
    expect(ask("GET", "/files/inside", ""), "<p>a page");
    expect(ask("GET", "/files/absolute", ""), "HTTP/1.1 404 ");
    expect(ask("GET", "/files/outside", ""), "HTTP/1.1 404 ");
}

static void nothing_outside_is_reached_by_its_name(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/files/../../etc/passwd",
        "/files/%2e%2e/%2e%2e/etc/passwd",
        "/files/..%2f..%2fetc%2fpasswd",
        "/files//etc/passwd",
        "/files/%2fetc/passwd",
        "/files/./page.html",
        "/files/sub/../../etc/passwd",
        "/files/page.html/",
        "/files/page.html%00.txt",
        "/files/sub/..",
        "/files/pipe",
        "/files/sub//../page.html",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const char *answer = ask("GET", paths[i], "");
        if (strncmp(answer, "HTTP/1.1 404 ", 13) != 0 && strncmp(answer, "HTTP/1.1 400 ", 13) != 0)
            fail_msg("%s: %s", paths[i], answer);
    }
}

static void a_redirect_never_names_another_host(void **state)
{
    (void)state;
    const char *answer = ask("GET", "//files/sub", "");
    assert_null(strstr(answer, "Location: //"));
}

static void a_server_without_descriptors_does_not_say_that_the_file_is_absent(void **state)
{
    (void)state;
    static client c;
    visit(&c);
    client_say(&c, "GET /files/page.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool ended = client_wait_end(&c);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_true(ended);
    expect(client_text(&c), "HTTP/1.1 503 ");
    client_close(&c);
}

/* Asks while no more than so many further descriptors can be opened. */
static const char *ask_with_descriptors(const char *request, int spare)
{
    static client c;
    visit(&c);
    client_say(&c, request);
    int next = dup(c.fd);
    close(next);
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = (rlim_t)(next + spare), .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    bool ended = client_wait_end(&c);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_true(ended);
    static char answer[8192];
    snprintf(answer, sizeof answer, "%s", client_text(&c));
    client_close(&c);
    int after = dup(0);
    close(after);
    assert_true(after <= next);
    return answer;
}

static void parts_come_each_with_its_place_and_type(void **state)
{
    (void)state;
    const char *answer = ask("GET", "/files/page.html", "Range: bytes=0-2,-4\r\n");
    expect(answer, "HTTP/1.1 206 Partial Content\r\n");
    expect(answer, "Content-Type: multipart/byteranges; boundary=");
    expect(answer,
           "\r\nContent-Type: text/html; charset=utf-8\r\nContent-Range: bytes 0-2/9\r\n\r\n<p>\r\n--");
    expect(answer,
           "\r\nContent-Type: text/html; charset=utf-8\r\nContent-Range: bytes 5-8/9\r\n\r\npage\r\n--");
}

static void parts_for_which_no_descriptors_are_left_become_the_whole(void **state)
{
    (void)state;
    static const char request[] = "GET /files/page.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                                  "Range: bytes=0-0,2-2,4-4,6-6\r\n\r\n";
    for (int spare = 1; spare < 4; spare++)
        expect(ask_with_descriptors(request, spare), "HTTP/1.1 200 OK\r\n");
    expect(ask_with_descriptors(request, 4), "HTTP/1.1 206 Partial Content\r\n");
}

static void what_is_not_sent_keeps_no_descriptor(void **state)
{
    (void)state;
    static const char *const fields[] = {"If-None-Match: *\r\n", "If-Match: \"x\"\r\n",
                                         "Range: bytes=99-\r\n", "Accept-Encoding: identity;q=0\r\n"};
    static const char *const statuses[] = {" 304 ", " 412 ", " 416 ", " 406 "};
    int before = dup(0), after;
    close(before);
    for (size_t i = 0; i < 4; i++)
        expect(ask("GET", "/files/page.html", fields[i]), statuses[i]);
    world_until(no_connections, NULL);
    after = dup(0);
    close(after);
    assert_int_equal(before, after);
}

static void a_coding_beside_the_file_has_its_type_and_a_tag_of_its_own(void **state)
{
    (void)state;
    write_file("page.html.gz", "packed");
    const char *answer = ask("GET", "/files/page.html", "Accept-Encoding: gzip\r\n");
    expect(answer, "Content-Encoding: gzip\r\n");
    expect(answer, "Content-Type: text/html; charset=utf-8\r\n");
    expect(answer, "-gz\"\r\n");
    expect(answer, "\r\n\r\npacked");
    expect(ask("GET", "/files/page.html", ""), "\r\n\r\n<p>a page");
}

static void how_long_caches_may_keep_it_is_said(void **state)
{
    (void)state;
    static_root *cached;
    error why;
    expect(ask("GET", "/files/page.html", ""), "Cache-Control: no-cache\r\n");
    assert_int_equal(static_open(&cached, folder, 31536000, &why), HUB_OK);
    serve_http("GET", "/cached/*", static_serve, cached);
    expect(ask("GET", "/cached/page.html", ""), "Cache-Control: max-age=31536000\r\n");
    static_close(cached);
}

static void a_directory_that_is_not_there_cannot_be_served(void **state)
{
    (void)state;
    static_root *other = NULL;
    error why;
    assert_int_equal(static_open(&other, "/no/such/directory", 0, &why), HUB_ENOENT);
    expect(why.text, "/no/such/directory");
    assert_int_equal(static_open(&other, "/etc/passwd", 0, &why), HUB_ENOENT);
    static_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_comes_with_its_type_and_time),
        TEST(head_comes_without_the_file),
        TEST(an_empty_file_is_an_empty_body),
        TEST(names_are_decoded),
        TEST(what_has_not_changed_is_304),
        TEST(a_directory_is_its_index_behind_a_slash),
        TEST(a_link_is_followed_only_inside),
        TEST(nothing_outside_is_reached_by_its_name),
        TEST(a_redirect_never_names_another_host),
        TEST(a_server_without_descriptors_does_not_say_that_the_file_is_absent),
        TEST(parts_come_each_with_its_place_and_type),
        TEST(parts_for_which_no_descriptors_are_left_become_the_whole),
        TEST(what_is_not_sent_keeps_no_descriptor),
        TEST(a_coding_beside_the_file_has_its_type_and_a_tag_of_its_own),
        TEST(how_long_caches_may_keep_it_is_said),
        TEST(a_directory_that_is_not_there_cannot_be_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
