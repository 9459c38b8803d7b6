/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from any bytes. A second reader, which recurses and takes everything as the grammar has it, must judge
 * the same and count the same. What is taken is walked, taken apart, written and read again; what is not
 * taken is walked too, and nothing may be read behind its end. The first byte is the limit on nesting.
 */
#include "worker/sio/json.h"
#include "worker/sio/number.h"
#include "worker/sio/pack.h"
#include "worker/sio/value.h"
#include "worker/ws/utf8.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* ---- the second reader ---- */

typedef struct slow {
    const char *p, *end;
    unsigned depth, max_depth;
    hub_status status; /* of the first fault */
    json_facts facts;
} slow;

static bool slow_value(slow *s);

static bool refuse(slow *s, hub_status status)
{
    if (s->status == HUB_OK)
        s->status = status;
    return false;
}

static bool take(slow *s, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(s->end - s->p) < length || memcmp(s->p, word, length) != 0)
        return false;
    s->p += length;
    return true;
}

static void slow_blanks(slow *s)
{
    while (take(s, " ") || take(s, "\t") || take(s, "\n") || take(s, "\r"))
        ;
}

static bool take_one_of(slow *s, const char *characters)
{
    if (s->p == s->end || *s->p == '\0' || !strchr(characters, *s->p))
        return false;
    s->p++;
    return true;
}

static bool slow_string(slow *s)
{
    if (!take(s, "\""))
        return refuse(s, HUB_EPROTO);
    while (!take(s, "\"")) {
        if (s->p == s->end || (unsigned char)*s->p < 0x20)
            return refuse(s, HUB_EPROTO);
        if (*s->p++ != '\\' || take_one_of(s, "\"\\/bfnrt"))
            continue;
        if (!take(s, "u"))
            return refuse(s, HUB_EPROTO);
        for (int i = 0; i < 4; i++)
            if (!take_one_of(s, "0123456789abcdefABCDEF"))
                return refuse(s, HUB_EPROTO);
    }
    return true;
}

static bool slow_digits(slow *s)
{
    size_t count = 0;
    while (take_one_of(s, "0123456789"))
        count++;
    return count > 0 || refuse(s, HUB_EPROTO);
}

static bool slow_number(slow *s)
{
    take(s, "-");
    if (!take(s, "0") && !slow_digits(s))
        return false;
    if (take(s, ".") && !slow_digits(s))
        return false;
    if (take_one_of(s, "eE")) {
        take_one_of(s, "+-");
        return slow_digits(s);
    }
    return true;
}

static bool means(hub_bytes text, const char *word)
{
    char *copy = malloc(text.length + 1);
    require(copy != NULL);
    hub_bytes meaning = {copy, json_unescape(copy, text)};
    bool same = hub_equal(meaning, hub_text(word));
    free(copy);
    return same;
}

static bool is_number_of_an_attachment(hub_bytes text)
{
    char copy[12] = "";
    if (text.length == 0 || text.length > 10)
        return false;
    memcpy(copy, text.data, text.length);
    return strspn(copy, "0123456789") == text.length && (copy[0] != '0' || text.length == 1) &&
           strtoll(copy, NULL, 10) <= INT32_MAX;
}

typedef struct member {
    hub_bytes key, value;
} member;

static bool slow_member(slow *s, member *m)
{
    slow_blanks(s);
    const char *key = s->p;
    if (!slow_string(s))
        return false;
    m->key = hub_bytes_of(key + 1, (size_t)(s->p - key - 2));
    slow_blanks(s);
    if (!take(s, ":"))
        return refuse(s, HUB_EPROTO);
    slow_blanks(s);
    const char *value = s->p;
    if (!slow_value(s))
        return false;
    m->value = hub_bytes_of(value, (size_t)(s->p - value));
    return true;
}

/* An object is judged when all of its members are known. */
static bool slow_placeholder(slow *s, const member members[2], size_t count, bool marked)
{
    if (!marked)
        return true;
    if (count != 2)
        return refuse(s, HUB_EPROTO);
    size_t mark = hub_equal(members[0].key, hub_text("_placeholder")) ? 0 : 1;
    const member *number = &members[1 - mark];
    if (!hub_equal(members[mark].key, hub_text("_placeholder")) ||
        !hub_equal(members[mark].value, hub_text("true")) || !hub_equal(number->key, hub_text("num")) ||
        !is_number_of_an_attachment(number->value))
        return refuse(s, HUB_EPROTO);
    size_t found = (size_t)strtoull(number->value.data, NULL, 10);
    if (s->facts.placeholders++ == 0 || found > s->facts.highest)
        s->facts.highest = found;
    return true;
}

static bool slow_object(slow *s, size_t *count)
{
    member members[2], m;
    bool marked = false;
    slow_blanks(s);
    if (take(s, "}"))
        return true;
    do {
        if (!slow_member(s, &m))
            return false;
        if (*count < 2)
            members[*count] = m;
        ++*count;
        marked = marked || means(m.key, "_placeholder");
        slow_blanks(s);
    } while (take(s, ","));
    if (!take(s, "}"))
        return refuse(s, HUB_EPROTO);
    if (!slow_placeholder(s, members, *count, marked))
        return false;
    if (marked)
        *count = 0; /* binary has no members */
    return true;
}

static bool slow_array(slow *s, size_t *count)
{
    slow_blanks(s);
    if (take(s, "]"))
        return true;
    do {
        slow_blanks(s);
        if (!slow_value(s))
            return false;
        ++*count;
        slow_blanks(s);
    } while (take(s, ","));
    return take(s, "]") || refuse(s, HUB_EPROTO);
}

static bool slow_container(slow *s, bool object)
{
    size_t count = 0;
    if (s->depth == s->max_depth)
        return refuse(s, HUB_ETOOBIG);
    s->depth++;
    if (!(object ? slow_object(s, &count) : slow_array(s, &count)))
        return false;
    s->depth--;
    if (s->depth == 0)
        s->facts.items = count;
    return true;
}

static bool slow_value(slow *s)
{
    if (take(s, "{"))
        return slow_container(s, true);
    if (take(s, "["))
        return slow_container(s, false);
    if (take(s, "true") || take(s, "false") || take(s, "null"))
        return true;
    return s->p < s->end && *s->p == '"' ? slow_string(s) : slow_number(s);
}

static hub_status slow_check(hub_bytes text, unsigned max_depth, json_facts *facts)
{
    slow s = {.p = text.data, .end = (const char *)text.data + text.length, .max_depth = max_depth};
    slow_blanks(&s);
    if (slow_value(&s)) {
        slow_blanks(&s);
        if (s.p < s.end)
            refuse(&s, HUB_EPROTO);
    }
    *facts = s.facts;
    return s.status;
}

/* ---- what is done with values ---- */

static void use_text(hub_value string)
{
    hub_bytes inside = {(const char *)string.json.data + 1, string.json.length - 2};
    char *text = malloc(inside.length + 1);
    require(text != NULL);
    hub_bytes meaning = {text, json_unescape(text, inside)};
    require(meaning.length <= inside.length && json_equals(inside, meaning));
    size_t size = json_text_size(meaning);
    char *again = malloc(size);
    require(again != NULL);
    require(json_write_text(again, meaning) == again + size);
    require(json_check(hub_bytes_of(again, size), 0, NULL) == HUB_OK);
    require(json_equals(hub_bytes_of(again + 1, size - 2), meaning));
    free(again);
    free(text);
}

static void use_number(hub_value number)
{
    char *copy = strndup(number.json.data, number.json.length), *end, out[NUMBER_DOUBLE_MAX + 1];
    require(copy != NULL);
    double expected = strtod(copy, &end), value;
    require(*end == '\0' && end > copy);
    require(number_read_double(number.json, &value) == (isfinite(expected) != 0));
    if (isfinite(expected)) {
        require(memcmp(&value, &expected, sizeof value) == 0);
        *number_write_double(out, value) = '\0';
        require(strtod(out, NULL) == value && json_check(hub_text(out), 0, NULL) == HUB_OK);
    }
    int64_t integer;
    if (number_read_integer(number.json, &integer))
        require((double)integer == expected);
    free(copy);
}

/* `checked`: spans are values, too. Unchecked text is only walked. */
static size_t use(hub_value value, bool checked, unsigned depth)
{
    size_t at = 0, values = 1;
    hub_value key, item;
    hub_kind kind = hub_value_kind(value);
    if (checked) {
        require(json_check(value.json, JSON_DEPTH_MAX, NULL) == HUB_OK);
        require(json_skip(value.json, 0) <= value.json.length);
        if (kind == HUB_STRING)
            use_text(value);
        if (kind == HUB_NUMBER)
            use_number(value);
    } else {
        hub_value_text(value);
        hub_value_int(value, 0);
        hub_value_double(value, 0);
        hub_value_bool(value, false);
        hub_value_get(value, "num");
        hub_value_rest(value, 1);
    }
    hub_value_blob(value);
    while (depth > 0 && hub_value_next(value, &at, &key, &item)) {
        if (checked && kind == HUB_OBJECT)
            use_text(key);
        values += use(item, checked, depth - 1);
    }
    return values;
}

static void pack_again(hub_bytes text, const json_facts *facts)
{
    static hub_bytes attachments[256];
    static packing packed;
    for (size_t i = 0; i < 256; i++)
        attachments[i] = hub_bytes_of((const char *)attachments + i, 1);
    hub_value value = value_checked(text, attachments, 256);
    pack_clear(&packed);
    hub_status status = pack_value(&packed, value);
    if (facts->placeholders > 0 && facts->highest >= 256) {
        require(status == HUB_EINVAL || status == HUB_EFULL);
        return;
    }
    require(status == HUB_OK || status == HUB_EFULL);
    if (status != HUB_OK)
        return;
    json_facts again;
    require(json_check(buffer_bytes(&packed.text), JSON_DEPTH_MAX, &again) == HUB_OK);
    require(again.items == facts->items && again.placeholders == facts->placeholders);
    require(again.placeholders == 0 || again.highest + 1 == packed.attachment_count);
    value.checked = false;
    pack_clear(&packed);
    require((pack_value(&packed, value) == HUB_OK) == utf8_valid(text.data, text.length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned max_depth = data[0] & 63;
    hub_bytes text = {malloc(size), size - 1};
    require(text.data != NULL);
    char *copy = realloc((void *)text.data, text.length ? text.length : 1); /* of exactly its length */
    require(copy != NULL);
    memcpy(copy, data + 1, text.length);
    text.data = copy;
    json_facts facts, expected;
    hub_status status = json_check(text, max_depth, &facts);
    /* Of two faults they may find another one first. */
    require((status == HUB_OK) == (slow_check(text, max_depth, &expected) == HUB_OK));
    static const hub_bytes binary[4];
    if (status == HUB_OK) {
        require(facts.items == expected.items && facts.placeholders == expected.placeholders);
        require(facts.placeholders == 0 || facts.highest == expected.highest);
        size_t begin = json_begin(text, 0), end = json_skip(text, begin);
        require(json_begin(text, end) == text.length);
        use(hub_value_of(hub_bytes_of(copy + begin, end - begin)), true, 64);
        pack_again(text, &facts);
    } else {
        use((hub_value){text, binary, 4, false}, false, 8);
    }
    free(copy);
    return 0;
}
