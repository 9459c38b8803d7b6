/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/sio/namespace.h"

#include <stdio.h>

static name_spaces list;

static hub_status event(hub_client *client, hub_value args, hub_ack ack, void *arg)
{
    (void)client, (void)args, (void)ack, (void)arg;
    return HUB_OK;
}

static hub_status connected(hub_client *client, hub_value auth, void *arg)
{
    (void)client, (void)auth, (void)arg;
    return HUB_OK;
}

static void gone(hub_client *client, const char *reason, void *arg)
{
    (void)client, (void)reason, (void)arg;
}

static int teardown(void **state)
{
    (void)state;
    name_spaces_free(&list);
    return 0;
}

static const char *found(const char *name)
{
    const name_space *n = name_spaces_find(&list, hub_text(name));
    return n ? n->name : "none";
}

static void *arg_of(const char *name)
{
    const event_handler *h = name_space_event(list.first, hub_text(name));
    return h ? h->arg : NULL;
}

static void an_exact_name_goes_before_the_first_pattern_that_fits(void **state)
{
    (void)state;
    static const char *const names[] = {"/shop-*", "/*-1", "/shop-1", "/a*b*c"};
    for (int i = 0; i < 4; i++)
        assert_int_equal(name_spaces_on(&list, names[i], "e", event, NULL), HUB_OK);
    assert_string_equal(found("/shop-1"), "/shop-1");
    assert_string_equal(found("/shop-12"), "/shop-*");
    assert_string_equal(found("/shop-"), "/shop-*");
    assert_string_equal(found("/x-1"), "/*-1");
    assert_string_equal(found("/abc"), "/a*b*c");
    assert_string_equal(found("/axbbyc"), "/a*b*c");
    assert_string_equal(found("/axbbyd"), "none");
    assert_string_equal(found("/shop"), "none");
    assert_string_equal(found(""), "none");
}

static void an_event_is_found_among_many(void **state)
{
    (void)state;
    static char names[500][16];
    for (int i = 0; i < 500; i++) {
        snprintf(names[i], sizeof names[i], "event %d", i);
        assert_int_equal(name_spaces_on(&list, "/", names[i], event, names[i]), HUB_OK);
    }
    for (int i = 0; i < 500; i++)
        assert_ptr_equal(arg_of(names[i]), names[i]);
    assert_null(arg_of("event 500"));
    static char others;
    assert_int_equal(name_spaces_on(&list, "/", "*", event, &others), HUB_OK);
    assert_ptr_equal(arg_of("event 500"), &others);
    assert_ptr_equal(arg_of("event 7"), names[7]);
    assert_null(name_space_event(list.first, hub_text("x"))->name);
}

static void each_registration_can_be_made_once(void **state)
{
    (void)state;
    assert_int_equal(name_spaces_on(&list, "/", "e", event, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(&list, "/", "e", event, NULL), HUB_EEXIST);
    assert_int_equal(name_spaces_on(&list, "/", "*", event, NULL), HUB_OK);
    assert_int_equal(name_spaces_on(&list, "/", "*", event, NULL), HUB_EEXIST);
    assert_int_equal(name_spaces_on_connect(&list, "/", connected, NULL), HUB_OK);
    assert_int_equal(name_spaces_on_connect(&list, "/", connected, NULL), HUB_EEXIST);
    assert_int_equal(name_spaces_on_disconnect(&list, "/", gone, NULL), HUB_OK);
    assert_int_equal(name_spaces_on_disconnect(&list, "/", gone, NULL), HUB_EEXIST);
    assert_null(list.first->next);
}

static void wrong_names_are_refused(void **state)
{
    (void)state;
    static char long_name[300];
    memset(long_name, '/', sizeof long_name - 1);
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        assert_int_equal(name_spaces_on(&list, "/", reserved[i], event, NULL), HUB_EINVAL);
    assert_int_equal(name_spaces_on(&list, "/", "", event, NULL), HUB_EINVAL);
    assert_int_equal(name_spaces_on(&list, "/", "e", NULL, NULL), HUB_EINVAL);
    assert_int_equal(name_spaces_on(&list, "chat", "e", event, NULL), HUB_EINVAL);
    assert_int_equal(name_spaces_on(&list, "/a,b", "e", event, NULL), HUB_EINVAL);
    assert_int_equal(name_spaces_on(&list, "/a?b", "e", event, NULL), HUB_EINVAL);
    assert_int_equal(name_spaces_on(&list, NULL, "e", event, NULL), HUB_EINVAL);
    assert_int_equal(name_spaces_on(&list, long_name, "e", event, NULL), HUB_EINVAL);
    assert_int_equal(name_spaces_on_connect(&list, "/", NULL, NULL), HUB_EINVAL);
    assert_int_equal(name_spaces_on_disconnect(&list, "/", NULL, NULL), HUB_EINVAL);
    assert_null(list.first);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_exact_name_goes_before_the_first_pattern_that_fits),
        T(an_event_is_found_among_many),
        T(each_registration_can_be_made_once),
        T(wrong_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
