/* SPDX-License-Identifier: Apache-2.0 */
#include <hubbub.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_status_has_its_name_and_text(void **state)
{
    (void)state;
    assert_string_equal(hub_status_name(HUB_OK), "OK");
    assert_string_equal(hub_status_text(HUB_OK), "success");
    assert_string_equal(hub_status_name(HUB_ECLOSED), "ECLOSED");
    assert_string_equal(hub_status_name(HUB_EFAIL), "EFAIL");
    for (int i = HUB_OK; i <= (int)HUB_EFAIL; i++) {
        assert_string_not_equal(hub_status_name((hub_status)i), "UNKNOWN");
        assert_string_not_equal(hub_status_text((hub_status)i), "unknown status");
    }
}

static void a_foreign_number_has_texts_too(void **state)
{
    (void)state;
    assert_string_equal(hub_status_name((hub_status)(HUB_EFAIL + 1)), "UNKNOWN");
    assert_string_equal(hub_status_name((hub_status)-1), "UNKNOWN");
    assert_string_equal(hub_status_text((hub_status)123456), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_name_and_text),
        cmocka_unit_test(a_foreign_number_has_texts_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
