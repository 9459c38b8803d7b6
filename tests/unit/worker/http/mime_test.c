/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_extension_decides_without_case(void **state)
{
    (void)state;
    assert_string_equal(mime_type(hub_text("index.html")), "text/html; charset=utf-8");
    assert_string_equal(mime_type(hub_text("/a.b/c/LOGO.SVG")), "image/svg+xml");
    assert_string_equal(mime_type(hub_text("app.min.js")), "text/javascript; charset=utf-8");
    assert_string_equal(mime_type(hub_text("archive.tar.gz")), "application/gzip");
}

static void what_is_unknown_is_a_stream_of_octets(void **state)
{
    (void)state;
    const char *names[] = {"", "README", "a.html/b", "x.unknown", "dot.", "/"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(mime_type(hub_text(names[i])), "application/octet-stream");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_extension_decides_without_case),
        cmocka_unit_test(what_is_unknown_is_a_stream_of_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
