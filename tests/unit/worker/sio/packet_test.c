/* SPDX-License-Identifier: Apache-2.0 */
/* The packets of https://socket.io/docs/v4/socket-io-protocol/, section "Packet encoding". */
#include "worker/sio/packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const packet_limits limits = {.attachments = 10, .depth = 8, .name_space = 32};

static char *memory; /* what the last packet refers to: of exactly its length */

static hub_status read_text(packet *out, const char *text)
{
    size_t length = strlen(text);
    free(memory);
    memory = malloc(length ? length : 1);
    assert_non_null(memory);
    memcpy(memory, text, length);
    return packet_read(out, hub_bytes_of(memory, length), &limits);
}

static packet good(const char *text)
{
    packet p;
    if (read_text(&p, text) != HUB_OK)
        fail_msg("refused: %s", text);
    return p;
}

static void assert_status(const char *text, hub_status expected)
{
    packet p;
    hub_status status = read_text(&p, text);
    if (status != expected)
        fail_msg("%s: %s", hub_status_name(status), text);
}

static void assert_bytes(hub_bytes bytes, const char *expected)
{
    assert_int_equal(bytes.length, strlen(expected));
    if (bytes.length > 0)
        assert_memory_equal(bytes.data, expected, bytes.length);
}

static int release(void **state)
{
    (void)state;
    free(memory);
    memory = NULL;
    return 0;
}

/* ---- the format: <type>[<# of attachments>-][<namespace>,][<id>][data] ---- */

static void connect_may_have_a_payload(void **state)
{
    (void)state;
    packet p = good("0");
    assert_int_equal(p.type, PACKET_CONNECT);
    assert_bytes(p.name_space, "/");
    assert_int_equal(p.data.length, 0);
    p = good("0{\"token\":\"123\"}");
    assert_bytes(p.data, "{\"token\":\"123\"}");
    p = good("0/admin,{\"a\":{}}");
    assert_bytes(p.name_space, "/admin");
    assert_bytes(p.data, "{\"a\":{}}");
}

static void connects_payload_is_an_object(void **state)
{
    (void)state;
    assert_status("0[]", HUB_EPROTO);
    assert_status("0/admin,\"invalid\"", HUB_EPROTO);
    assert_status("0null", HUB_EPROTO);
    assert_status("0{", HUB_EPROTO);
    assert_status("0{}{}", HUB_EPROTO);
    assert_status("0abc", HUB_EPROTO);
}

static void disconnect_has_no_payload(void **state)
{
    (void)state;
    assert_int_equal(good("1").type, PACKET_DISCONNECT);
    packet p = good("1/admin,");
    assert_int_equal(p.type, PACKET_DISCONNECT);
    assert_bytes(p.name_space, "/admin");
    assert_status("1/admin,{}", HUB_EPROTO);
    assert_status("1[]", HUB_EPROTO);
    assert_status("1\"bye\"", HUB_EPROTO);
}

static void an_event_has_a_name_and_arguments(void **state)
{
    (void)state;
    packet p = good("2[\"foo\",1,{\"a\":[]}]");
    assert_int_equal(p.type, PACKET_EVENT);
    assert_bytes(p.name_space, "/");
    assert_true(p.id == PACKET_NO_ID);
    assert_int_equal(p.attachments, 0);
    assert_int_equal(p.items, 3);
    assert_bytes(p.name, "foo");
    assert_false(p.name_has_escapes);
    assert_bytes(p.data, "[\"foo\",1,{\"a\":[]}]");
    assert_bytes(good("2[\"\"]").name, "");
    assert_bytes(good("2 [ \"a b\" ] ").name, "a b");
}

static void an_event_with_an_acknowledgement_has_an_id(void **state)
{
    (void)state;
    packet p = good("2/admin,456[\"project:delete\",123]");
    assert_int_equal(p.type, PACKET_EVENT);
    assert_bytes(p.name_space, "/admin");
    assert_true(p.id == 456);
    assert_bytes(p.name, "project:delete");
    assert_true(good("20[\"a\"]").id == 0);
    assert_true(good("2007[\"a\"]").id == 7);
    assert_true(good("29007199254740991[\"a\"]").id == 9007199254740991);
}

static void an_id_is_a_number_that_every_client_can_hold(void **state)
{
    (void)state;
    assert_status("29007199254740992[\"a\"]", HUB_EPROTO);
    assert_status("218446744073709551616[\"a\"]", HUB_EPROTO);
    assert_status("299999999999999999999999999999[\"a\"]", HUB_EPROTO);
    assert_status("2-1[\"a\"]", HUB_EPROTO);
    assert_status("21.5[\"a\"]", HUB_EPROTO);
    assert_status("21e3[\"a\"]", HUB_EPROTO);
    assert_status("21x[\"a\"]", HUB_EPROTO);
}

static void an_acknowledgement_has_an_id_and_values(void **state)
{
    (void)state;
    packet p = good("3/admin,456[]");
    assert_int_equal(p.type, PACKET_ACK);
    assert_true(p.id == 456);
    assert_int_equal(p.items, 0);
    p = good("313[\"connect\",null]");
    assert_true(p.id == 13);
    assert_int_equal(p.items, 2);
    assert_bytes(p.name, "");
    p = good("31");
    assert_bytes(p.data, "[]");
    assert_true(good("3[1]").id == PACKET_NO_ID);
    assert_status("31{}", HUB_EPROTO);
    assert_status("31\"a\"", HUB_EPROTO);
    assert_status("31[", HUB_EPROTO);
}

static void a_connect_error_comes_from_servers_only(void **state)
{
    (void)state;
    assert_status("4{\"message\":\"Not authorized\"}", HUB_EPROTO);
    assert_status("4", HUB_EPROTO);
    assert_status("442[\"some\",\"data\"", HUB_EPROTO);
}

static void binary_packets_announce_their_attachments(void **state)
{
    (void)state;
    packet p = good("51-[\"hello\",{\"_placeholder\":true,\"num\":0}]");
    assert_int_equal(p.type, PACKET_BINARY_EVENT);
    assert_int_equal(p.attachments, 1);
    assert_bytes(p.name, "hello");
    assert_int_equal(p.items, 2);
    p = good(
        "52-/admin,456[\"a\",{\"_placeholder\":true,\"num\":1},{\"b\":{\"num\":0,\"_placeholder\":true}}]");
    assert_int_equal(p.attachments, 2);
    assert_bytes(p.name_space, "/admin");
    assert_true(p.id == 456);
    p = good("61-/admin,456[{\"_placeholder\":true,\"num\":0}]");
    assert_int_equal(p.type, PACKET_BINARY_ACK);
    assert_int_equal(good("52-[\"a\"]").attachments, 2); /* what nothing refers to is dropped by the reader */
    assert_int_equal(good("510-[\"a\"]").attachments, 10);
}

static void an_announcement_is_a_number_from_1_on(void **state)
{
    (void)state;
    static const char *const texts[] = {"5",           "51",          "51[\"a\"]",    "5-[\"a\"]",
                                        "50-[\"a\"]",  "5a-[\"a\"]",  "51.5-[\"a\"]", "51e0-[\"a\"]",
                                        "5 1-[\"a\"]", "5-1-[\"a\"]", "5/,1-[\"a\"]", "60-[]",
                                        "6[]",         "5[\"a-b\"]",  "51/-[\"a\"]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_status(texts[i], HUB_EPROTO);
    assert_status("21-[\"a\"]", HUB_EPROTO);
    assert_status("01-{}", HUB_EPROTO);
}

static void attachments_are_limited(void **state)
{
    (void)state;
    assert_status("511-[\"a\"]", HUB_ETOOBIG);
    assert_status("599999999999999999999999-[\"a\"]", HUB_ETOOBIG);
    assert_status("599999999999999999999999", HUB_EPROTO);
}

static void a_placeholder_refers_to_what_is_announced(void **state)
{
    (void)state;
    assert_status("51-[\"a\",{\"_placeholder\":true,\"num\":1}]", HUB_EPROTO);
    assert_status("51-[\"a\",{\"_placeholder\":true,\"num\":-1}]", HUB_EPROTO);
    assert_status("51-[\"a\",{\"_placeholder\":true,\"num\":\"splice\"}]", HUB_EPROTO);
    assert_status("51-[\"a\",{\"_placeholder\":true}]", HUB_EPROTO);
    assert_status("2[\"a\",{\"_placeholder\":true,\"num\":0}]", HUB_EPROTO);
    assert_status("31[{\"_placeholder\":true,\"num\":0}]", HUB_EPROTO);
    assert_status("0{\"a\":{\"_placeholder\":true,\"num\":0}}", HUB_EPROTO);
    assert_status("0{\"_placeholder\":true,\"num\":0}", HUB_EPROTO);
    assert_status("51-[{\"_placeholder\":true,\"num\":0}]", HUB_EPROTO); /* as the name */
}

static void other_types_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",  " ",  "7", "8[]",     "9",   "999",
                                        "a", "-1", "/", "[\"a\"]", "abc", "\xC3\xA9"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_status(texts[i], HUB_EPROTO);
    packet p;
    assert_int_equal(packet_read(&p, hub_bytes_of(NULL, 0), &limits), HUB_EPROTO);
    assert_int_equal(packet_read(&p, hub_bytes_of("\0", 1), &limits), HUB_EPROTO);
}

/* ---- namespaces ---- */

static void a_namespace_ends_with_a_comma_or_the_packet(void **state)
{
    (void)state;
    assert_bytes(good("0/admin").name_space, "/admin");
    assert_bytes(good("0/admin,").name_space, "/admin");
    assert_bytes(good("0/,").name_space, "/");
    assert_bytes(good("2/a/b-c:d,[\"e\"]").name_space, "/a/b-c:d");
    assert_bytes(good("2/\xC3\xA9,7[\"e\"]").name_space, "/\xC3\xA9");
    assert_status("2/admin[\"e\"]", HUB_EPROTO); /* all of it is the namespace, so that data is missing */
}

static void a_query_behind_the_namespace_is_dropped(void **state)
{
    (void)state;
    packet p = good("0/admin?token=1&x=2,{}");
    assert_bytes(p.name_space, "/admin");
    assert_bytes(p.data, "{}");
    assert_bytes(good("0/?a").name_space, "/");
    assert_bytes(good("2/?a,[\"?\"]").name_space, "/");
}

static void a_namespace_is_limited(void **state)
{
    (void)state;
    assert_int_equal(good("0/123456789012345678901234567890a").name_space.length, 32);
    assert_status("0/123456789012345678901234567890ab", HUB_ETOOBIG);
    assert_int_equal(good("0/123456789012345678901234567890a?query").name_space.length, 32);
}

/* ---- events' names and data ---- */

static void an_event_has_an_array_with_a_name(void **state)
{
    (void)state;
    static const char *const texts[] = {"2",
                                        "2/admin,",
                                        "21",
                                        "2[]",
                                        "2{}",
                                        "2/admin,{}",
                                        "2\"a\"",
                                        "2null",
                                        "2[true]",
                                        "2[null]",
                                        "2[[\"a\"]]",
                                        "2[{}]",
                                        "2[{\"toString\":\"foo\"}]",
                                        "2[\"a\"",
                                        "2[\"a\",]",
                                        "2\"a",
                                        "2[\"a\"]]",
                                        "2[\"a\"]x",
                                        "2[true,\"foo\"]",
                                        "51-",
                                        "51-[]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_status(texts[i], HUB_EPROTO);
}

/* The JavaScript server takes these too. */
static void a_number_may_be_a_name(void **state)
{
    (void)state;
    packet p = good("2[1,\"a\",{}]");
    assert_bytes(p.name, "1");
    assert_int_equal(p.items, 3);
    assert_bytes(good("2[ -1.5 ]").name, "-1.5");
}

static void reserved_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"connect",       "connect_error", "disconnect",
                                        "disconnecting", "newListener",   "removeListener"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[64];
        snprintf(text, sizeof text, "2[\"%s\",1]", names[i]);
        assert_status(text, HUB_EPROTO);
        snprintf(text, sizeof text, "2[\"\\u%04x%s\"]", (unsigned)names[i][0], names[i] + 1);
        assert_status(text, HUB_EPROTO);
        snprintf(text, sizeof text, "2[\"%ss\"]", names[i]);
        good(text);
        assert_true(packet_name_is_reserved(hub_text(names[i])));
    }
    good("2[\"Connect\"]");
    good("2[\"message\"]");
    assert_false(packet_name_is_reserved(hub_text("error")));
    assert_false(packet_name_is_reserved(hub_bytes_of(NULL, 0)));
}

static void a_name_with_escapes_is_told(void **state)
{
    (void)state;
    packet p = good("2[\"a\\u0062\\n\"]");
    assert_true(p.name_has_escapes);
    assert_bytes(p.name, "a\\u0062\\n");
}

static void nesting_of_data_is_limited(void **state)
{
    (void)state;
    good("2[\"a\",[[[[[[[]]]]]]]]");
    assert_status("2[\"a\",[[[[[[[[]]]]]]]]]", HUB_ETOOBIG);
    assert_status("0{\"a\":[[[[[[[[]]]]]]]]}", HUB_ETOOBIG);
}

/* ---- what the core makes of it ---- */

static void assert_arguments(const char *data, const char *expected)
{
    size_t length = strlen(data);
    char *copy = malloc(length);
    assert_non_null(copy);
    memcpy(copy, data, length);
    assert_bytes(packet_arguments(copy, length), expected);
    free(copy);
}

static void arguments_are_the_data_without_the_name(void **state)
{
    (void)state;
    assert_arguments("[\"a\",1,[2]]", "[1,[2]]");
    assert_arguments("[\"a]\\\",\", {\"b\":1} ]", "[ {\"b\":1} ]");
    assert_arguments(" [ \"a\" , 1 ] ", "[ 1 ] ");
    assert_arguments("[7,1]", "[1]");
    assert_arguments("[\"a\"]", "[]");
    assert_arguments(" [ \"a\" ] ", "[]");
}

static void assert_head(packet_type type, size_t attachments, const char *name_space, uint64_t id,
                        const char *expected)
{
    char head[PACKET_HEAD_MAX];
    size_t length = packet_write_head(head, type, attachments, hub_text(name_space), id);
    assert_bytes(hub_bytes_of(head, length), expected);
}

static void heads_are_written(void **state)
{
    (void)state;
    assert_head(PACKET_CONNECT, 0, "/", PACKET_NO_ID, "0");
    assert_head(PACKET_CONNECT, 0, "/admin", PACKET_NO_ID, "0/admin,");
    assert_head(PACKET_DISCONNECT, 0, NULL, PACKET_NO_ID, "1");
    assert_head(PACKET_EVENT, 0, "/", 0, "20");
    assert_head(PACKET_EVENT, 0, "/admin", 456, "2/admin,456");
    assert_head(PACKET_ACK, 0, "/", 9007199254740991, "39007199254740991");
    assert_head(PACKET_CONNECT_ERROR, 0, "/admin", PACKET_NO_ID, "4/admin,");
    assert_head(PACKET_EVENT, 1, "/", PACKET_NO_ID, "51-");
    assert_head(PACKET_ACK, 12, "/admin", 456, "612-/admin,456");
}

static void the_longest_head_has_room(void **state)
{
    (void)state;
    char name_space[256], head[PACKET_HEAD_MAX];
    memset(name_space, 'x', sizeof name_space);
    size_t length =
        packet_write_head(head, PACKET_EVENT, SIZE_MAX, hub_bytes_of(name_space, 255), UINT64_MAX - 1);
    assert_true(length <= sizeof head);
    assert_int_equal(length, 1 + 20 + 1 + 255 + 1 + 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_may_have_a_payload),
        cmocka_unit_test(connects_payload_is_an_object),
        cmocka_unit_test(disconnect_has_no_payload),
        cmocka_unit_test(an_event_has_a_name_and_arguments),
        cmocka_unit_test(an_event_with_an_acknowledgement_has_an_id),
        cmocka_unit_test(an_id_is_a_number_that_every_client_can_hold),
        cmocka_unit_test(an_acknowledgement_has_an_id_and_values),
        cmocka_unit_test(a_connect_error_comes_from_servers_only),
        cmocka_unit_test(binary_packets_announce_their_attachments),
        cmocka_unit_test(an_announcement_is_a_number_from_1_on),
        cmocka_unit_test(attachments_are_limited),
        cmocka_unit_test(a_placeholder_refers_to_what_is_announced),
        cmocka_unit_test(other_types_are_refused),
        cmocka_unit_test(a_namespace_ends_with_a_comma_or_the_packet),
        cmocka_unit_test(a_query_behind_the_namespace_is_dropped),
        cmocka_unit_test(a_namespace_is_limited),
        cmocka_unit_test(an_event_has_an_array_with_a_name),
        cmocka_unit_test(a_number_may_be_a_name),
        cmocka_unit_test(reserved_names_are_refused),
        cmocka_unit_test(a_name_with_escapes_is_told),
        cmocka_unit_test(nesting_of_data_is_limited),
        cmocka_unit_test(arguments_are_the_data_without_the_name),
        cmocka_unit_test(heads_are_written),
        cmocka_unit_test(the_longest_head_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
