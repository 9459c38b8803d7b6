/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/config/support.h"

static hub_status read_bytes(config *values, const char *data, size_t length, error *failure)
{
    memset(failure, 0, sizeof *failure);
    assert_int_equal(config_defaults(values), HUB_OK);
    return yaml_read(values, "chat.yaml", data, length, failure);
}

static void assert_read(config *values, const char *text)
{
    error failure;
    if (read_bytes(values, text, strlen(text), &failure) != HUB_OK)
        fail_msg("%s", failure.text);
}

static void assert_refused_bytes(const char *data, size_t length, const char *line)
{
    config values;
    error failure;
    assert_int_equal(read_bytes(&values, data, length, &failure), HUB_EINVAL);
    config_free(&values);
    if (strncmp(failure.text, line, strlen(line)) != 0)
        fail_msg("expected: %s\nbut got: %s", line, failure.text);
}

static void assert_refused(const char *text, const char *line)
{
    assert_refused_bytes(text, strlen(text), line);
}

static void a_flat_mapping_is_read(void **state)
{
    (void)state;
    config values;
    assert_read(&values,
                "---\nworkers: 3\nlog-level: 'debug'\nws-origins: \"*\"\nmax-message: 2M # two\n...\n");
    assert_value(&values, "workers", "3");
    assert_value(&values, "log-level", "debug");
    assert_value(&values, "ws-origins", "*");
    assert_value(&values, "max-message", "2M");
    config_free(&values);
}

static void lists_are_sequences_or_single_values(void **state)
{
    (void)state;
    config values;
    assert_read(&values,
                "bind:\n  - :1\n  - unix:/x\nws-origins: [https://a.example, 'https://b.example']\n");
    assert_value(&values, "bind", ":1, unix:/x");
    assert_value(&values, "ws-origins", "https://a.example, https://b.example");
    config_free(&values);
    assert_read(&values, "bind: \":7\"\n");
    assert_value(&values, "bind", ":7");
    config_free(&values);
}

static void the_flow_form_is_read_too(void **state)
{
    (void)state;
    config values;
    assert_read(&values, "{\"workers\": 3, \"bind\": [\":1\"]}");
    assert_value(&values, "workers", "3");
    config_free(&values);
}

static void files_without_content_change_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"",      "\n\n",     "# only a comment\n",
                                        "---\n", "--- {}\n", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        config values, defaults;
        assert_int_equal(config_defaults(&defaults), HUB_OK);
        assert_read(&values, texts[i]);
        assert_equal_configs(&values, &defaults);
        config_free(&values);
        config_free(&defaults);
    }
}

static void errors_name_the_line(void **state)
{
    (void)state;
    assert_refused("# x\n\nworker: 3\n", "chat.yaml:3: unknown option worker; did you mean workers?");
    assert_refused("workers: 3\nlog-level: loud\n", "chat.yaml:2: log-level: \"loud\" is not a level");
    assert_refused("bind:\n  - :1\n  - x\n", "chat.yaml:3: bind: \"x\" has no port");
    assert_refused("workers:\n", "chat.yaml:1: workers has no value");
    assert_refused("workers: ~\n", "chat.yaml:1: workers has no value");
    assert_refused("bind: []\n", "chat.yaml:1: bind is an empty list");
    assert_refused("workers: [1]\n", "chat.yaml:1: workers takes one value, not a list");
    assert_refused("just text\n", "chat.yaml:1: is not a mapping");
    assert_refused("- 1\n", "chat.yaml:1: is not a mapping");
}

static void a_key_given_twice_is_refused_for_lists_too(void **state)
{
    (void)state;
    assert_refused("workers: 1\nworkers: 2\n",
                   "chat.yaml:2: workers is given twice, first in line 1; remove one");
    assert_refused("bind: \":1\"\nworkers: 1\nbind: \":2\"\n",
                   "chat.yaml:3: bind is given twice, first in line 1");
}

static void nesting_is_refused(void **state)
{
    (void)state;
    assert_refused("workers:\n  min: 1\n", "chat.yaml:2: workers takes a value, nothing nested");
    assert_refused("bind: [[\":1\"]]\n", "chat.yaml:1: bind takes plain values as items");
    assert_refused("bind:\n- {a: b}\n", "chat.yaml:2: bind takes plain values as items");
    assert_refused("? [a]\n: b\n", "chat.yaml:1: a key is the name of an option");
    assert_refused("hubbub:\n  workers: 1\n", "chat.yaml:1: unknown option hubbub");
}

static void anchors_aliases_and_tags_are_refused(void **state)
{
    (void)state;
    assert_refused("workers: &n 4\n", "chat.yaml:1: anchors, aliases and tags");
    assert_refused("workers: *n\n", "chat.yaml:1: anchors, aliases and tags");
    assert_refused("workers: !!int 4\n", "chat.yaml:1: anchors, aliases and tags");
    assert_refused("&all\nworkers: 4\n", "chat.yaml:1: anchors, aliases and tags");
    assert_refused("bind: &b [a]\n", "chat.yaml:1: anchors, aliases and tags");
}

static void a_second_document_is_refused(void **state)
{
    (void)state;
    assert_refused("workers: 4\n---\nworkers: 5\n", "chat.yaml:2: begins a second document");
}

static void what_is_not_yaml_is_refused_with_its_line(void **state)
{
    (void)state;
    assert_refused("workers: 4\nbind: [\n", "chat.yaml:3: is not valid YAML: ");
    assert_refused("workers: 4\n\tbind: 4\n", "chat.yaml:2: is not valid YAML: ");
    assert_refused("workers: \"4\n", "chat.yaml:2: is not valid YAML: ");
    assert_refused("workers: 4\napp: \xff\n", "chat.yaml:2: is not valid YAML: ");
    assert_refused_bytes("workers: 4\napp: a\0b\n", 20, "chat.yaml:2: is not valid YAML: control characters");
}

static void hostile_values_are_refused(void **state)
{
    (void)state;
    assert_refused("app: \"a\\0b\"\n", "chat.yaml:1: app has a NUL byte in its value");
    assert_refused("app: \"a\\nb\"\n", "chat.yaml:1: app: \"a\\x0ab\" has control characters");
    assert_refused("\"workers\\0x\": 4\n", "chat.yaml:1: unknown option workers");
    assert_refused("app: |\n  two\n  lines\n",
                   "chat.yaml:1: app: \"two\\x0alines\\x0a\" has control characters");
}

/* A file of the largest size, with every bracket open, must end soon and name its first line. */
static void deep_nesting_ends_at_its_first_bracket(void **state)
{
    (void)state;
    char *text = malloc(READERS_FILE_MAX);
    assert_non_null(text);
    memset(text, '[', READERS_FILE_MAX);
    assert_refused_bytes(text, READERS_FILE_MAX, "chat.yaml:1: is not a mapping");
    memcpy(text, "bind: ", 6);
    assert_refused_bytes(text, READERS_FILE_MAX, "chat.yaml:1: bind takes plain values as items");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flat_mapping_is_read),
        cmocka_unit_test(lists_are_sequences_or_single_values),
        cmocka_unit_test(the_flow_form_is_read_too),
        cmocka_unit_test(files_without_content_change_nothing),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(a_key_given_twice_is_refused_for_lists_too),
        cmocka_unit_test(nesting_is_refused),
        cmocka_unit_test(anchors_aliases_and_tags_are_refused),
        cmocka_unit_test(a_second_document_is_refused),
        cmocka_unit_test(what_is_not_yaml_is_refused_with_its_line),
        cmocka_unit_test(hostile_values_are_refused),
        cmocka_unit_test(deep_nesting_ends_at_its_first_bracket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
