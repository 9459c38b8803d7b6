/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/conditional.h"

#include "worker/http/date.h"
#include "worker/http/field.h"

/* ---- validators ---- */

static const int64_t second = 1000000000;

static bool may_change_unseen(struct timespec modified, struct timespec now)
{
    int64_t window = modified.tv_nsec ? second / 10 : 2 * second;
    if (modified.tv_sec <
        now.tv_sec - 2) /* a file's time may be any number: subtract from the clock's only */
        return false;
    if (modified.tv_sec > now.tv_sec)
        return true;
    return (now.tv_sec - modified.tv_sec) * second + now.tv_nsec - modified.tv_nsec < window;
}

static char *put_text(char *p, const char *text)
{
    while (*text != '\0')
        *p++ = *text++;
    return p;
}

static char *put_hexadecimal(char *p, uint64_t number)
{
    int shift = number ? (63 - __builtin_clzll(number)) / 4 * 4 : 0;
    for (; shift >= 0; shift -= 4)
        *p++ = "0123456789abcdef"[number >> shift & 15];
    return p;
}

void validators_of(validators *out, const struct stat *file, const char *mark, struct timespec now)
{
    char *p = put_text(out->etag, may_change_unseen(file->st_mtim, now) ? "W/\"" : "\"");
    p = put_hexadecimal(p, (uint64_t)file->st_mtim.tv_sec);
    p = put_hexadecimal(put_text(p, "."), (uint64_t)file->st_mtim.tv_nsec);
    p = put_hexadecimal(put_text(p, "-"), (uint64_t)file->st_size);
    p = put_hexadecimal(put_text(p, "-"), (uint64_t)file->st_ino);
    p = put_text(put_text(p, mark), "\"");
    *p = '\0';
    out->modified = file->st_mtim.tv_sec < now.tv_sec ? file->st_mtim.tv_sec : now.tv_sec;
    out->now = now.tv_sec;
    out->date_is_strong = file->st_mtim.tv_sec < now.tv_sec - 1;
}

/* ---- entity tags (8.8.3) ---- */

typedef struct entity_tag {
    hub_bytes opaque; /* with its quotes */
    bool weak;
} entity_tag;

/* An entity tag at the start of *rest; takes it off. */
static bool take_tag(hub_bytes *rest, entity_tag *tag)
{
    const unsigned char *p = rest->data;
    size_t length = rest->length, start = 0;
    tag->weak = length >= 2 && p[0] == 'W' && p[1] == '/';
    if (tag->weak)
        start = 2;
    if (start >= length || p[start] != '"')
        return false;
    size_t at = start + 1;
    while (at < length && p[at] > ' ' && p[at] != '"' && p[at] != 0x7F)
        at++;
    if (at >= length || p[at] != '"')
        return false;
    at++;
    tag->opaque = hub_bytes_of(p + start, at - start);
    *rest = hub_bytes_of(p + at, length - at);
    return true;
}

static entity_tag tag_of(const validators *file)
{
    entity_tag tag = {0};
    hub_bytes text = hub_text(file->etag);
    take_tag(&text, &tag);
    return tag;
}

/* 8.8.3.2 */
static bool tags_match(const entity_tag *a, const entity_tag *b, bool strong)
{
    return !(strong && (a->weak || b->weak)) && hub_equal(a->opaque, b->opaque);
}

/* One field's list. Tags may hold commas, so that it cannot be cut at them. */
static bool list_matches(hub_bytes rest, const entity_tag *own, bool strong)
{
    entity_tag tag;
    if (hub_equal(field_trim(rest), hub_text("*")))
        return true;
    for (;;) {
        rest = field_trim(rest);
        while (rest.length && *(const char *)rest.data == ',')
            rest = field_trim(hub_bytes_of((const char *)rest.data + 1, rest.length - 1));
        if (!take_tag(&rest, &tag))
            return false;
        rest = field_trim(rest);
        if (rest.length && *(const char *)rest.data != ',')
            return false;
        if (tags_match(&tag, own, strong))
            return true;
    }
}

/* All fields of the name together. */
static bool field_matches(const http_head *head, const char *name, const validators *file, bool strong)
{
    const entity_tag own = tag_of(file);
    for (size_t i = 0; i < head->field_count; i++)
        if (field_name_equal(head->fields[i].name, hub_text(name)) &&
            list_matches(head->fields[i].value, &own, strong))
            return true;
    return false;
}

/* ---- conditions ---- */

/* The date of a field that comes once. */
static bool date_of_field(const http_head *head, const char *name, int64_t now, int64_t *date)
{
    return http_head_count(head, name) == 1 && date_parse(http_head_get(head, name), now, date);
}

static bool has(const http_head *head, const char *name)
{
    return http_head_get(head, name).data != NULL;
}

condition condition_check(const http_head *head, const validators *file)
{
    bool reads = hub_equal(head->method, hub_text("GET")) || hub_equal(head->method, hub_text("HEAD"));
    int64_t date;

    /* Steps 1 and 2: has it changed under the client's hands? */
    if (has(head, "if-match")) {
        if (!field_matches(head, "if-match", file, true))
            return CONDITION_FAILED;
    } else if (date_of_field(head, "if-unmodified-since", file->now, &date)) {
        if (file->modified > date)
            return CONDITION_FAILED;
    }

    /* Steps 3 and 4: has the client got it already? */
    if (has(head, "if-none-match")) {
        if (field_matches(head, "if-none-match", file, false))
            return reads ? CONDITION_NOT_MODIFIED : CONDITION_FAILED;
    } else if (reads && date_of_field(head, "if-modified-since", file->now, &date)) {
        if (file->modified <= date)
            return CONDITION_NOT_MODIFIED;
    }
    return CONDITION_HOLDS;
}

bool condition_range(const http_head *head, const validators *file)
{
    hub_bytes value = http_head_get(head, "if-range");
    const entity_tag own = tag_of(file);
    entity_tag given;
    int64_t date;
    if (!value.data)
        return true;
    if (http_head_count(head, "if-range") != 1)
        return false;
    if (take_tag(&value, &given))
        return value.length == 0 && tags_match(&given, &own, true);
    return date_parse(value, file->now, &date) && date == file->modified && file->date_is_strong;
}
