/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client may say about a file: ranges, conditions, codings and dates. The first eight bytes of the
 * input are the file's size and time, the rest is a field's value, which is put into every field that is
 * read.
 */
#include "worker/http/coding.h"
#include "worker/http/conditional.h"
#include "worker/http/date.h"
#include "worker/http/field.h"
#include "worker/http/range.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t now = 1800000000;

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* The parts lie in the file, and no byte lies in two of them or beside another part. */
static void ask_ranges(hub_bytes value, uint64_t length)
{
    byte_range parts[RANGES_MAX];
    size_t count = 0;
    range_result result = range_parse(value, length, parts, &count);
    require(count <= RANGES_MAX && (result == RANGE_PARTS ? count > 0 : true));
    require(result != RANGE_UNSATISFIABLE || count == 0);
    for (size_t i = 0; result == RANGE_PARTS && i < count; i++) {
        require(parts[i].length > 0 && parts[i].first < length);
        require(parts[i].length <= length - parts[i].first);
        for (size_t k = 0; k < i; k++)
            require(parts[i].first + parts[i].length < parts[k].first ||
                    parts[k].first + parts[k].length < parts[i].first);
    }
    /* Being outside depends on the length, being well-formed does not. */
    if (length < UINT64_MAX / 2 && result == RANGE_UNSATISFIABLE)
        require(range_parse(value, 2 * length, parts, &count) != RANGE_WHOLE);
}

static http_head head_with(const char *method, const char *name, hub_bytes value, http_field field[1])
{
    field[0] = (http_field){.name = hub_text(name), .value = value};
    return (http_head){.method = hub_text(method), .fields = field, .field_count = 1};
}

static condition ask(const char *method, const char *name, hub_bytes value, const validators *file)
{
    http_field field[1];
    http_head head = head_with(method, name, value, field);
    return condition_check(&head, file);
}

static void ask_conditions(hub_bytes value, const validators *file)
{
    http_field field[1];
    condition match = ask("GET", "If-Match", value, file);
    condition none = ask("GET", "If-None-Match", value, file);
    condition since = ask("GET", "If-Modified-Since", value, file);
    condition unmodified = ask("GET", "If-Unmodified-Since", value, file);
    require(match != CONDITION_NOT_MODIFIED && unmodified != CONDITION_NOT_MODIFIED);
    require(none != CONDITION_FAILED && since != CONDITION_FAILED);
    require(ask("PUT", "If-Match", value, file) == match);
    require((ask("PUT", "If-None-Match", value, file) == CONDITION_FAILED) ==
            (none == CONDITION_NOT_MODIFIED));
    require(ask("PUT", "If-Modified-Since", value, file) == CONDITION_HOLDS);
    /* What matches strongly matches weakly, and no list is a date. */
    require(match == CONDITION_FAILED || none == CONDITION_NOT_MODIFIED);
    require(since == CONDITION_HOLDS || none == CONDITION_HOLDS);

    http_head head = head_with("GET", "If-Range", value, field);
    if (condition_range(&head, file)) {
        int64_t date;
        bool is_date = date_parse(value, now, &date);
        require(is_date ? file->date_is_strong : match == CONDITION_HOLDS);
    }
}

static void ask_codings(hub_bytes value)
{
    http_field field[1];
    http_head head = head_with("GET", "Accept-Encoding", value, field);
    coding order[CODINGS];
    bool seen[CODINGS] = {false};
    size_t count = CODINGS + 1;
    coding_order(&head, order, &count);
    require(count <= CODINGS);
    for (size_t i = 0; i < count; i++) {
        require(order[i] < CODINGS && !seen[order[i]]);
        seen[order[i]] = true;
    }
}

static void read_date(hub_bytes value)
{
    char text[DATE_LENGTH + 1];
    int64_t time, again;
    if (!date_parse(value, now, &time))
        return;
    date_format(time, text);
    require(date_parse(hub_text(text), now, &again) && again == time);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 8)
        return 0;
    uint64_t number;
    memcpy(&number, data, 8);
    /* Of its own memory, so that the sanitizer sees every step beyond it. */
    char *copy = malloc(size - 8 + 1);
    require(copy != NULL);
    memcpy(copy, data + 8, size - 8);
    hub_bytes value = field_trim(hub_bytes_of(copy, size - 8));

    struct stat file = {.st_ino = 1, .st_size = (off_t)(number & INT64_MAX), .st_mtim = {784111777, 0}};
    validators made;
    validators_of(&made, &file, number & 1 ? "-gz" : "", (struct timespec){now, 0});
    if (number & 2)
        strcpy(made.etag, number & 4 ? "W/\"a,b\"" : "\"a,b\"");

    ask_ranges(value, number);
    ask_ranges(value, number & 0xFF);
    ask_conditions(value, &made);
    ask_codings(value);
    read_date(value);
    free(copy);
    return 0;
}
