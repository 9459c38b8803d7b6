/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers of configuration files, fed with arbitrary bytes. The first byte chooses: 'i' for INI, 'w' for
 * the words of a command line, any other for YAML. What a file gives must survive printing and reading again;
 * what is refused must say why in one line.
 */
#include "common/buffer.h"
#include "config/readers.h"
#include "config/settings.h"
#include "config/value.h"
#include "config/words.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_equal(const config *a, const config *b)
{
    for (size_t i = 0; i < option_count; i++) {
        buffer left = {0}, right = {0};
        require(value_format(a, &options[i], &left) == HUB_OK);
        require(value_format(b, &options[i], &right) == HUB_OK);
        require(hub_equal(buffer_bytes(&left), buffer_bytes(&right)));
        buffer_free(&left);
        buffer_free(&right);
    }
}

/* Secrets are not printed, so they do not come back. */
static void drop_secrets(config *values)
{
    size_t kept = 0;
    for (size_t i = 0; values->env[i]; i++) {
        char *item = values->env[i];
        values->env[i] = NULL;
        if (value_is_secret(item))
            free(item);
        else
            values->env[kept++] = item;
    }
}

static void require_round_trip(config *values)
{
    char *text = NULL;
    size_t length = 0;
    values->file = strdup("fuzz");
    FILE *out = open_memstream(&text, &length);
    require(out && values->file);
    config_print(values, out);
    require(fclose(out) == 0);
    config again;
    error failure = {0};
    require(config_defaults(&again) == HUB_OK);
    require(yaml_read(&again, "printed", text, length, &failure) == HUB_OK);
    drop_secrets(values);
    require_equal(values, &again);
    config_free(&again);
    free(text);
}

/* As HUBBUB_CMD_ARGS: words that are then read as a command line. */
static void read_words(const uint8_t *data, size_t length)
{
    words list;
    config values;
    cli_request request;
    error failure = {0};
    char *text = strndup((const char *)data, length);
    require(text && config_defaults(&values) == HUB_OK);
    hub_status status = words_split(text, &list, &failure);
    if (status == HUB_OK)
        status = cli_read(NULL, list.count, list.items, PLACE_ARGUMENTS, &request, &failure);
    if (status == HUB_OK)
        status = cli_read(&values, list.count, list.items, PLACE_ARGUMENTS, NULL, &failure);
    require(status == failure.status);
    require(status == HUB_OK || strlen(failure.text) > 10);
    words_free(&list);
    config_free(&values);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    if (length == 0 || length > READERS_FILE_MAX)
        return 0;
    if (data[0] == 'w') {
        read_words(data + 1, length - 1);
        return 0;
    }
    config values;
    error failure = {0};
    require(config_defaults(&values) == HUB_OK);
    const char *text = (const char *)data + 1;
    hub_status status = data[0] == 'i' ? ini_read(&values, "fuzz", text, length - 1, &failure)
                                       : yaml_read(&values, "fuzz", text, length - 1, &failure);
    if (status == HUB_OK) {
        require_round_trip(&values);
    } else {
        require(status == failure.status);
        require(strncmp(failure.text, "fuzz:", 5) == 0);
        require(strlen(failure.text) > 10 && !strchr(failure.text, '\n'));
    }
    config_free(&values);
    return 0;
}
