/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"
#include "common/escape.h"
#include "common/log.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

enum {
    SHOWN_MAX = 60, /* bytes of a wrong value in an error line */
    PLACES = 9,     /* of a second that are read: nanoseconds */
};

static void *field(config *values, const option *entry)
{
    return (char *)values + entry->offset;
}

static const void *field_of(const config *values, const option *entry)
{
    return (const char *)values + entry->offset;
}

static hub_status refuse(const option *entry, const char *text, const char *wrong, error *failure)
{
    char allowed[160], shown[4 * SHOWN_MAX + 1];
    option_allowed(entry, allowed, sizeof allowed);
    /* What stands behind a variable's name may be a secret, and the line ends in a log. */
    size_t length = entry->kind == OPTION_VARIABLES ? strcspn(text, "=") : strlen(text);
    size_t kept = length;
    if (length > SHOWN_MAX)
        for (kept = SHOWN_MAX; kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80;)
            kept--; /* not inside a character */
    escape_text(shown, sizeof shown, text, kept);
    return error_set(failure, HUB_EINVAL, "\"%s%s\" %s; allowed: %s", shown, text[kept] ? "..." : "", wrong,
                     allowed);
}

static hub_status no_memory(error *failure)
{
    return error_set(failure, HUB_ENOMEM, "no memory for the value; free some and start again");
}

/* ---- numbers ----------------------------------------------------------------------------------------------
 */

/* Digits only: no sign, no blanks. The rest of the text is left in *end. False: no digit, or too large. */
static bool read_digits(const char *text, uint64_t *number, const char **end)
{
    uint64_t sum = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(sum, 10u, &sum) ||
            __builtin_add_overflow(sum, (unsigned)(*at - '0'), &sum))
            return false;
    *number = sum;
    *end = at;
    return at != text;
}

static bool starts_with_digit(const char *text)
{
    return *text >= '0' && *text <= '9';
}

static bool in_range(const option *entry, double number)
{
    return number >= entry->minimum && number <= entry->maximum;
}

static hub_status store_unsigned(const option *entry, const char *text, unsigned *to, error *failure)
{
    uint64_t number;
    const char *end;
    if (!starts_with_digit(text))
        return refuse(entry, text, "is not a number", failure);
    if (!read_digits(text, &number, &end))
        return refuse(entry, text, "is out of range", failure);
    if (*end != '\0')
        return refuse(entry, text, "is not a whole number", failure);
    if (!in_range(entry, (double)number))
        return refuse(entry, text, "is out of range", failure);
    *to = (unsigned)number;
    return HUB_OK;
}

/* The shift of a suffix that ends the text; -1: it is none. */
static int suffix_shift(const char *suffix)
{
    static const char letters[] = "KkMmGg";
    if (*suffix == '\0')
        return 0;
    const char *found = strchr(letters, *suffix);
    return found && suffix[1] == '\0' ? 10 * (1 + (int)(found - letters) / 2) : -1;
}

bool value_parse_size(const char *text, uint64_t *size)
{
    uint64_t number;
    const char *end;
    if (!starts_with_digit(text) || !read_digits(text, &number, &end))
        return false;
    int shift = suffix_shift(end);
    if (shift < 0 || number > (UINT64_MAX >> shift))
        return false;
    *size = number << shift;
    return true;
}

static hub_status store_size(const option *entry, const char *text, size_t *to, error *failure)
{
    uint64_t number;
    const char *end;
    if (!starts_with_digit(text))
        return refuse(entry, text, "is not a size", failure);
    if (!read_digits(text, &number, &end))
        return refuse(entry, text, "is out of range", failure);
    int shift = suffix_shift(end);
    if (shift < 0)
        return refuse(entry, text, "is not a whole number of bytes, with K, M or G behind it or nothing",
                      failure);
    if (number > (SIZE_MAX >> shift) || !in_range(entry, (double)(number << shift)))
        return refuse(entry, text, "is out of range", failure);
    number <<= shift;
    if (entry->power_of_two && (number & (number - 1)) != 0)
        return refuse(entry, text, "is not a power of two", failure);
    *to = (size_t)number;
    return HUB_OK;
}

/* Digits, and perhaps a point and digits: what strtod takes beyond that (signs, exponents, "inf") is refused.
 */
static bool is_decimal(const char *text)
{
    static const char digits[] = "0123456789";
    size_t whole = strspn(text, digits);
    if (whole == 0)
        return false;
    text += whole;
    if (*text == '\0')
        return true;
    size_t fraction = strspn(text + 1, digits);
    return *text == '.' && fraction > 0 && text[1 + fraction] == '\0';
}

static hub_status store_seconds(const option *entry, const char *text, double *to, error *failure)
{
    if (!is_decimal(text))
        return refuse(entry, text, "is not a number of seconds such as 30 or 0.5", failure);
    /* Not strtod: its point depends on the locale. */
    double number = 0, scale = 1;
    const char *at = text;
    for (; *at && *at != '.'; at++)
        number = number * 10 + (*at - '0');
    for (int places = 0; *at && *++at && places < PLACES; places++) {
        number = number * 10 + (*at - '0');
        scale *= 10;
    }
    number /= scale;
    if (!in_range(entry, number))
        return refuse(entry, text, "is out of range", failure);
    *to = number;
    return HUB_OK;
}

static hub_status store_level(const option *entry, const char *text, hub_level *to, error *failure)
{
    return log_level_parse(text, to) ? HUB_OK : refuse(entry, text, "is not a level", failure);
}

static hub_status store_switch(const option *entry, const char *text, bool *to, error *failure)
{
    static const struct {
        const char *word;
        bool is_on;
    } words[] = {{"on", true},  {"off", false}, {"true", true}, {"false", false},
                 {"yes", true}, {"no", false},  {"1", true},    {"0", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i].word) == 0) {
            *to = words[i].is_on;
            return HUB_OK;
        }
    }
    return refuse(entry, text, "is neither", failure);
}

/* ---- texts ------------------------------------------------------------------------------------------------
 */

static hub_status store_string(const option *entry, const char *text, char **to, error *failure)
{
    const char *wrong = entry->check ? entry->check(text) : NULL;
    if (*text == '\0')
        wrong = "is empty";
    if (wrong)
        return refuse(entry, text, wrong, failure);
    char *copy = strdup(text);
    if (!copy)
        return no_memory(failure);
    free(*to);
    *to = copy;
    return HUB_OK;
}

/* The next item of a list with commas, without the blanks around it; false after the last. */
static bool next_item(const char **at, const char **item, size_t *length)
{
    if (!*at)
        return false;
    const char *comma = strchr(*at, ',');
    const char *end = comma ? comma : *at + strlen(*at);
    const char *start = *at;
    while (start < end && *start == ' ')
        start++;
    while (end > start && end[-1] == ' ')
        end--;
    *item = start;
    *length = (size_t)(end - start);
    *at = comma ? comma + 1 : NULL;
    return true;
}

static void free_from(char **list, size_t first)
{
    for (size_t i = first; list[i]; i++) {
        free(list[i]);
        list[i] = NULL;
    }
}

static hub_status store_list(const option *entry, const char *text, char **list, error *failure)
{
    size_t before = 0, limit = (size_t)entry->maximum, length;
    while (list[before])
        before++;
    size_t count = before;
    const char *at = text, *item;
    while (next_item(&at, &item, &length)) {
        hub_status status = HUB_OK;
        char *copy = strndup(item, length);
        if (!copy)
            status = no_memory(failure);
        else if (count == limit)
            status = error_set(failure, HUB_EINVAL, "has more than %zu items; leave some out", limit);
        else
            status = store_string(entry, copy, &list[count], failure);
        free(copy);
        if (status != HUB_OK) {
            free_from(list, before);
            return status;
        }
        count++;
    }
    return HUB_OK;
}

/* One item: a value may have commas. */
static hub_status store_variable(const option *entry, const char *text, char **list, error *failure)
{
    size_t count = 0;
    while (list[count])
        count++;
    if (count == (size_t)entry->maximum)
        return error_set(failure, HUB_EINVAL, "has more than %zu items; leave some out", count);
    return store_string(entry, text, &list[count], failure);
}

static size_t count_items(const char *text)
{
    size_t count = *text != '\0';
    for (; *text; text++)
        count += *text == ',';
    return count;
}

static hub_status store_words(const option *entry, const char *text, char **to, error *failure)
{
    buffer joined = {0};
    hub_status status = *to ? buffer_append_text(&joined, *to) : HUB_OK;
    const char *at = text, *item;
    size_t length;
    while (status == HUB_OK && next_item(&at, &item, &length)) {
        if (length == 0) {
            status = refuse(entry, text, "has an empty item", failure);
            goto out;
        }
        if (joined.length > 0)
            status = buffer_append_text(&joined, ", ");
        if (status == HUB_OK)
            status = buffer_append(&joined, item, length);
    }
    if (status == HUB_OK)
        status = buffer_append(&joined, "", 1);
    if (status != HUB_OK) {
        status = no_memory(failure);
        goto out;
    }
    if (count_items(joined.data) > (size_t)entry->maximum) {
        status = error_set(failure, HUB_EINVAL, "has more than %.0f items; leave some out", entry->maximum);
        goto out;
    }
    const char *wrong = entry->check ? entry->check(joined.data) : NULL;
    status = wrong ? refuse(entry, joined.data, wrong, failure) : HUB_OK;
    if (status == HUB_OK) {
        free(*to);
        *to = joined.data;
        joined = (buffer){0};
    }
out:
    buffer_free(&joined);
    return status;
}

/* Values are printed as YAML and in errors, and end as paths and names: none needs more than plain text. */
static bool is_plain_text(const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length;) {
        size_t character = escape_utf8_length(text + i, length - i);
        unsigned char first = (unsigned char)text[i];
        bool control = first < 0x20 || first == 0x7f;
        control |= character == 2 && first == 0xc2 && (unsigned char)text[i + 1] < 0xa0;
        if (character == 0 || control)
            return false;
        i += character;
    }
    return true;
}

/* ---- all kinds --------------------------------------------------------------------------------------------
 */

hub_status value_store(config *values, const option *entry, const char *text, error *failure)
{
    void *to = field(values, entry);
    if (!is_plain_text(text))
        return refuse(entry, text, "has control characters or is not UTF-8", failure);
    switch (entry->kind) {
    case OPTION_STRING:
        return store_string(entry, text, to, failure);
    case OPTION_LIST:
        return store_list(entry, text, to, failure);
    case OPTION_WORDS:
        return store_words(entry, text, to, failure);
    case OPTION_UNSIGNED:
        return store_unsigned(entry, text, to, failure);
    case OPTION_SIZE:
        return store_size(entry, text, to, failure);
    case OPTION_SECONDS:
        return store_seconds(entry, text, to, failure);
    case OPTION_LEVEL:
        return store_level(entry, text, to, failure);
    case OPTION_SWITCH:
        return store_switch(entry, text, to, failure);
    case OPTION_VARIABLES:
        return store_variable(entry, text, to, failure);
    case OPTION_WORKERS:
        if (strcmp(text, "auto") == 0) {
            *(unsigned *)to = 0;
            return HUB_OK;
        }
        return store_unsigned(entry, text, to, failure);
    }
    return error_set(failure, HUB_EINVAL, "is of no known kind");
}

void value_clear(config *values, const option *entry)
{
    char **to = field(values, entry);
    if (option_is_list(entry)) {
        free_from(to, 0);
    } else if (entry->kind == OPTION_STRING || entry->kind == OPTION_WORDS) {
        free(*to);
        *to = NULL;
    }
}

static hub_status copy_string(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from ? HUB_OK : HUB_ENOMEM;
}

static size_t width(const option *entry)
{
    switch (entry->kind) {
    case OPTION_SIZE:
        return sizeof(size_t);
    case OPTION_SECONDS:
        return sizeof(double);
    case OPTION_LEVEL:
        return sizeof(hub_level);
    case OPTION_SWITCH:
        return sizeof(bool);
    default:
        return sizeof(unsigned);
    }
}

hub_status value_copy(config *to, const config *from, const option *entry)
{
    void *target = field(to, entry);
    const void *source = field_of(from, entry);
    hub_status status = HUB_OK;
    value_clear(to, entry);
    if (entry->kind == OPTION_STRING || entry->kind == OPTION_WORDS)
        return copy_string(target, *(char *const *)source);
    if (!option_is_list(entry)) {
        memcpy(target, source, width(entry));
        return HUB_OK;
    }
    char **items = target;
    char *const *given = source;
    for (size_t i = 0; status == HUB_OK && given[i]; i++)
        status = copy_string(&items[i], given[i]);
    if (status != HUB_OK)
        value_clear(to, entry);
    return status;
}

char *const *value_list(const config *values, const option *entry)
{
    return field_of(values, entry);
}

void value_format_size(uint64_t size, char *to, size_t capacity)
{
    static const char suffixes[] = {'\0', 'K', 'M', 'G'};
    size_t suffix = 0;
    while (size != 0 && size % 1024 == 0 && suffix + 1 < sizeof suffixes) {
        size /= 1024;
        suffix++;
    }
    snprintf(to, capacity, "%llu%.1s", (unsigned long long)size, &suffixes[suffix]);
}

/* The decimal that was read: with all nanoseconds it is an integer below 2^53, so nothing is lost. */
static hub_status format_seconds(double seconds, buffer *to)
{
    long long nanoseconds = llround(seconds * 1e9);
    char text[64];
    int length =
        snprintf(text, sizeof text, "%lld.%09lld", nanoseconds / 1000000000, nanoseconds % 1000000000);
    while (length > 0 && text[length - 1] == '0')
        length--;
    if (length > 0 && text[length - 1] == '.')
        length--;
    return buffer_append(to, text, (size_t)length);
}

hub_status value_format(const config *values, const option *entry, buffer *to)
{
    const void *from = field_of(values, entry);
    char text[32];
    switch (entry->kind) {
    case OPTION_STRING:
    case OPTION_WORDS: {
        const char *string = *(char *const *)from;
        return string ? buffer_append_text(to, string) : HUB_OK;
    }
    case OPTION_SWITCH:
        return buffer_append_text(to, *(const bool *)from ? "on" : "off");
    case OPTION_LIST:
    case OPTION_VARIABLES:
        for (char *const *item = from; *item; item++) {
            hub_status status = buffer_printf(to, "%s%s", item == (char *const *)from ? "" : ", ", *item);
            if (status != HUB_OK)
                return status;
        }
        return HUB_OK;
    case OPTION_WORKERS:
        if (*(const unsigned *)from == 0)
            return buffer_append_text(to, "auto");
        return buffer_printf(to, "%u", *(const unsigned *)from);
    case OPTION_UNSIGNED:
        return buffer_printf(to, "%u", *(const unsigned *)from);
    case OPTION_SIZE:
        value_format_size(*(const size_t *)from, text, sizeof text);
        return buffer_append_text(to, text);
    case OPTION_SECONDS:
        return format_seconds(*(const double *)from, to);
    case OPTION_LEVEL:
        return buffer_append_text(to, log_level_name(*(const hub_level *)from));
    }
    return HUB_OK;
}

/* "scheme://user:password@host" */
static bool has_password(const char *text)
{
    const char *host = strstr(text, "://");
    if (!host)
        return false;
    size_t authority = strcspn(host + 3, "/?#");
    const char *at = memrchr(host + 3, '@', authority);
    return at && memchr(host + 3, ':', (size_t)(at - host - 3));
}

bool value_is_secret(const char *variable)
{
    static const char *const words[] = {"PASSWORD", "PASSWD",     "PASSPHRASE", "SECRET", "TOKEN",
                                        "KEY",      "CREDENTIAL", "PRIVATE",    "AUTH"};
    char name[128];
    size_t length = strcspn(variable, "=");
    if (length >= sizeof name)
        return true;
    memcpy(name, variable, length);
    name[length] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasestr(name, words[i]))
            return true;
    return has_password(variable + length);
}
