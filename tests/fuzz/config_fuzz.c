/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers of configuration files, fed with arbitrary bytes. The first byte chooses: 'i' for INI, any
 * other for YAML. What is taken must survive printing and reading again; what is refused must say why in one
 * line.
 */
#include "common/buffer.h"
#include "config/readers.h"
#include "config/settings.h"
#include "config/value.h"

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
    require_equal(values, &again);
    config_free(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    if (length == 0 || length > READERS_FILE_MAX)
        return 0;
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
