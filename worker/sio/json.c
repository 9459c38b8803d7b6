/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/json.h"

#include "worker/sio/json_scan.h"

typedef const unsigned char *position;

static const char placeholder_key[] = "_placeholder";
enum { PLACEHOLDER_KEY = sizeof placeholder_key - 1, PLACEHOLDER_DIGITS = 10 };

static inline bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline position behind_blanks(position p, position end)
{
    while (p < end && is_blank(*p))
        p++;
    return p;
}

static inline bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hexadecimal(unsigned char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* ---- checking: each gives the position behind what it checked, or NULL when it is not that ---- */

/* RFC 8259, section 7; `p` is behind the backslash. */
static position escape_end(position p, position end)
{
    if (p == end)
        return NULL;
    if (*p != 'u')
        return memchr("\"\\/bfnrt", *p, 8) ? p + 1 : NULL;
    if (end - p < 5)
        return NULL;
    for (int i = 1; i <= 4; i++)
        if (!is_hexadecimal(p[i]))
            return NULL;
    return p + 5;
}

/* Section 7; `p` is behind the first quote. */
static inline position string_end(position p, position end, bool *has_escapes)
{
    for (;;) {
        p = json_plain(p, end);
        if (p == end)
            return NULL;
        if (*p == '"')
            return p + 1;
        if (*p != '\\')
            return NULL;
        *has_escapes = true;
        p = escape_end(p + 1, end);
        if (!p)
            return NULL;
    }
}

static position digits_end(position p, position end)
{
    position first = p;
    while (p < end && is_digit(*p))
        p++;
    return p > first ? p : NULL;
}

/* Section 6. */
static position number_end(position p, position end)
{
    if (*p == '-')
        p++;
    if (p < end && *p == '0')
        p++;
    else
        p = digits_end(p, end);
    if (p && p < end && *p == '.')
        p = digits_end(p + 1, end);
    if (p && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        p = digits_end(p, end);
    }
    return p;
}

static position word_end(position p, position end, const char *word, size_t length)
{
    return (size_t)(end - p) >= length && memcmp(p, word, length) == 0 ? p + length : NULL;
}

/* Anything but an array or an object. */
static inline position scalar_end(position p, position end)
{
    bool has_escapes;
    switch (*p) {
    case '"':
        return string_end(p + 1, end, &has_escapes);
    case 't':
        return word_end(p, end, "true", 4);
    case 'f':
        return word_end(p, end, "false", 5);
    case 'n':
        return word_end(p, end, "null", 4);
    case '-':
    case '0' ... '9':
        return number_end(p, end);
    default:
        return NULL;
    }
}

/* Behind a key's colon; `p` is where the key begins. */
static inline position key_end(position p, position end)
{
    bool has_escapes = false;
    if (p == end || *p != '"')
        return NULL;
    position inside = p + 1;
    p = string_end(inside, end, &has_escapes);
    if (!p)
        return NULL;
    hub_bytes key = {inside, (size_t)(p - 1 - inside)};
    if (key.length == PLACEHOLDER_KEY || has_escapes)
        if (json_equals(key, hub_bytes_of(placeholder_key, PLACEHOLDER_KEY)))
            return NULL; /* of an object that is no placeholder, or it would not be looked at here */
    p = behind_blanks(p, end);
    return p < end && *p == ':' ? p + 1 : NULL;
}

/* ---- placeholders ---- */

/* Where the value of a member begins, whose key is this one. */
static position member_value(position p, position end, const char *key, size_t length)
{
    if ((size_t)(end - p) < length + 2 || p[0] != '"' || p[length + 1] != '"' ||
        memcmp(p + 1, key, length) != 0)
        return NULL;
    p = behind_blanks(p + length + 2, end);
    return p < end && *p == ':' ? behind_blanks(p + 1, end) : NULL;
}

/* Either member of a placeholder, `mark` or number: which it was is stored. */
static position placeholder_member(position p, position end, bool *mark, uint32_t *number)
{
    position value = member_value(p, end, placeholder_key, PLACEHOLDER_KEY);
    *mark = value != NULL;
    if (value)
        return word_end(value, end, "true", 4);
    value = member_value(p, end, "num", 3);
    if (!value)
        return NULL;
    position last = digits_end(value, end);
    if (!last || last - value > PLACEHOLDER_DIGITS || (*value == '0' && last - value > 1))
        return NULL;
    uint64_t sum = 0;
    for (; value < last; value++)
        sum = sum * 10 + (uint64_t)(*value - '0');
    *number = (uint32_t)sum;
    return sum <= INT32_MAX ? last : NULL;
}

/* `p` is behind the brace. */
static position placeholder_end(position p, position end, uint32_t *number)
{
    bool first_is_mark, second_is_mark;
    p = placeholder_member(behind_blanks(p, end), end, &first_is_mark, number);
    if (!p)
        return NULL;
    p = behind_blanks(p, end);
    if (p == end || *p != ',')
        return NULL;
    p = placeholder_member(behind_blanks(p + 1, end), end, &second_is_mark, number);
    if (!p || first_is_mark == second_is_mark)
        return NULL;
    p = behind_blanks(p, end);
    return p < end && *p == '}' ? p + 1 : NULL;
}

size_t json_placeholder(hub_bytes text, size_t at, size_t *number)
{
    if (at >= text.length)
        return 0;
    position start = text.data, end = start + text.length, p = start + at;
    uint32_t found;
    if (*p != '{')
        return 0;
    p = placeholder_end(p + 1, end, &found);
    if (!p)
        return 0;
    *number = found;
    return (size_t)(p - start);
}

/* ---- the whole ---- */

typedef struct checking {
    position end;
    unsigned depth, max_depth;
    json_facts facts;
    uint64_t objects[JSON_DEPTH_MAX / 64]; /* a bit for each level: an object, not an array */
} checking;

static inline bool in_object(const checking *c)
{
    return c->objects[(c->depth - 1) / 64] >> (c->depth - 1) % 64 & 1;
}

static inline void enter(checking *c, bool object)
{
    uint64_t bit = UINT64_C(1) << c->depth % 64;
    uint64_t *word = &c->objects[c->depth++ / 64];
    *word = object ? *word | bit : *word & ~bit;
}

static void count_placeholder(json_facts *facts, uint32_t number)
{
    if (facts->placeholders++ == 0 || number > facts->highest)
        facts->highest = number;
}

/*
 * The beginning of an array or an object, behind its bracket. *ended: the whole of it, because it is empty or
 * a placeholder; else what follows is the first value in it.
 */
static inline position container_begin(checking *c, position p, bool object, bool *ended)
{
    position end = c->end;
    p = behind_blanks(p, end);
    if (p == end)
        return NULL;
    *ended = *p == (object ? '}' : ']');
    if (*ended)
        return p + 1;
    if (object && end - p > 1 && (p[1] == '_' || p[1] == 'n')) {
        uint32_t number;
        position behind = placeholder_end(p, end, &number);
        if (behind) {
            count_placeholder(&c->facts, number);
            *ended = true;
            return behind;
        }
    }
    enter(c, object);
    return object ? key_end(p, end) : p;
}

/* Behind a value and all that ends with it, where the next value begins, or at the end with depth 0. */
static inline position value_next(checking *c, position p)
{
    position end = c->end;
    while (c->depth > 0) {
        if (c->depth == 1)
            c->facts.items++;
        p = behind_blanks(p, end);
        if (p == end)
            return NULL;
        bool object = in_object(c);
        if (*p == ',')
            return object ? key_end(behind_blanks(p + 1, end), end) : p + 1;
        if (*p != (object ? '}' : ']'))
            return NULL;
        p++;
        c->depth--;
    }
    return p;
}

static hub_status check(checking *c, position p)
{
    do {
        p = behind_blanks(p, c->end);
        if (p == c->end)
            return HUB_EPROTO;
        if (*p == '{' || *p == '[') {
            bool ended;
            if (c->depth == c->max_depth)
                return HUB_ETOOBIG;
            p = container_begin(c, p + 1, *p == '{', &ended);
            if (p && !ended)
                continue;
        } else {
            p = scalar_end(p, c->end);
        }
        if (p)
            p = value_next(c, p);
        if (!p)
            return HUB_EPROTO;
    } while (c->depth > 0);
    return behind_blanks(p, c->end) == c->end ? HUB_OK : HUB_EPROTO;
}

hub_status json_check(hub_bytes text, unsigned max_depth, json_facts *facts)
{
    checking c; /* the levels are written before they are read */
    if (text.length == 0)
        return HUB_EPROTO;
    c.end = (position)text.data + text.length;
    c.depth = 0;
    c.max_depth = max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX;
    c.facts = (json_facts){0};
    hub_status status = check(&c, text.data);
    if (facts)
        *facts = c.facts;
    return status;
}

/* ---- walking ---- */

/* Behind the string; `p` is behind its first quote. */
static position skip_string(position p, position end)
{
    while ((p = json_plain(p, end)) < end) {
        if (*p == '"')
            return p + 1;
        p += *p == '\\' && end - p > 1 ? 2 : 1;
    }
    return end;
}

/* Behind what is open at `p`, so many levels; or where `stop` is reached outside a string, with *depth left.
 */
static position skip_tokens(position p, position stop, position end, size_t *depth)
{
    while (p < stop) {
        unsigned char c = *p++;
        if (c == '"')
            p = skip_string(p, end);
        else if (c == '{' || c == '[')
            ++*depth;
        else if ((c == '}' || c == ']') && --*depth == 0)
            return p;
    }
    return p;
}

#ifdef __SSE2__

/* 64 bytes of JSON, a bit for each. */
typedef struct json_block {
    uint64_t quotes, backslashes, opening, closing;
} json_block;

static inline uint64_t bits_of(__m128i matches, int shift)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(matches) << shift;
}

static inline json_block read_block(position p)
{
    json_block b = {0};
    for (int at = 0; at < 64; at += JSON_VECTOR) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + at));
        __m128i folded =
            _mm_or_si128(bytes, _mm_set1_epi8(0x20)); /* [ is { and ] is } then, nothing else is */
        b.quotes |= bits_of(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), at);
        b.backslashes |= bits_of(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')), at);
        b.opening |= bits_of(_mm_cmpeq_epi8(folded, _mm_set1_epi8('{')), at);
        b.closing |= bits_of(_mm_cmpeq_epi8(folded, _mm_set1_epi8('}')), at);
    }
    return b;
}

/* Each bit tells whether an odd number of quotes stands up to there: it is inside a string. */
static inline uint64_t inside_strings(uint64_t quotes)
{
    for (int shift = 1; shift < 64; shift *= 2)
        quotes ^= quotes << shift;
    return quotes;
}

/* The brackets of a block that may hold the last one, in their order. */
static position skip_brackets(position p, const json_block *b, size_t *depth)
{
    for (uint64_t brackets = b->opening | b->closing; brackets; brackets &= brackets - 1) {
        int at = __builtin_ctzll(brackets);
        if (b->opening >> at & 1)
            ++*depth;
        else if (--*depth == 0)
            return p + at + 1;
    }
    return p + 64;
}

/* As skip_tokens, as far as whole blocks reach. */
static position skip_blocks(position p, position end, size_t *depth)
{
    bool in_string = false;
    while (*depth > 0 && end - p >= 64) {
        json_block b = read_block(p);
        if (b.backslashes) { /* they may hide a quote */
            p = in_string ? skip_string(p, end) : skip_tokens(p, p + 64, end, depth);
            in_string = false;
            continue;
        }
        uint64_t strings = inside_strings(b.quotes) ^ (in_string ? UINT64_MAX : 0);
        b.opening &= ~strings;
        b.closing &= ~strings;
        in_string = strings >> 63;
        size_t closing = (size_t)__builtin_popcountll(b.closing);
        if (closing >= *depth) {
            p = skip_brackets(p, &b, depth);
        } else {
            *depth += (size_t)__builtin_popcountll(b.opening) - closing;
            p += 64;
        }
    }
    return in_string && *depth > 0 ? skip_string(p, end) : p;
}

#endif

/* Behind the array or object at `p`. */
static position skip_container(position p, position end)
{
    size_t depth = 1;
    p++;
#ifdef __SSE2__
    p = skip_blocks(p, end, &depth);
#endif
    return depth > 0 ? skip_tokens(p, end, end, &depth) : p;
}

static position skip_word(position p, position end)
{
    while (p < end && *p != ',' && *p != ']' && *p != '}' && *p != ':' && !is_blank(*p))
        p++;
    return p;
}

size_t json_begin(hub_bytes text, size_t at)
{
    position start = text.data;
    if (at >= text.length)
        return text.length;
    return (size_t)(behind_blanks(start + at, start + text.length) - start);
}

size_t json_skip(hub_bytes text, size_t at)
{
    at = json_begin(text, at);
    if (at == text.length)
        return at;
    position start = text.data, end = start + text.length, p = start + at;
    if (*p == '"')
        p = skip_string(p + 1, end);
    else if (*p == '{' || *p == '[')
        p = skip_container(p, end);
    else
        p = skip_word(p, end);
    return (size_t)(p - start);
}
