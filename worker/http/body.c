/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/body.h"
#include "worker/http/field.h"

/* What is expected next. */
enum {
    DATA_BY_LENGTH,
    SIZE_FIRST, /* a chunk size's first digit */
    SIZE,       /* a further digit, or what follows the size */
    SEMICOLON,  /* white space, then the semicolon of an extension */
    NAME_FIRST, /* white space, then an extension's name */
    NAME,
    NAME_BLANK,  /* white space behind the name */
    VALUE_FIRST, /* white space, then an extension's value */
    VALUE,
    QUOTED,
    QUOTED_PAIR, /* what stands behind a backslash */
    QUOTED_END,  /* behind the second quote */
    SIZE_LF,     /* the LF behind size and extensions */
    DATA,        /* a chunk's bytes */
    DATA_CR,     /* the line end behind them */
    DATA_LF,
    TRAILER, /* a trailer field's first character, or the blank line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    FINAL_LF,
    DONE
};

/* A chunk size up to this may take one more digit and stays below 2^63. */
static const uint64_t size_before_digit_max = INT64_MAX >> 4;

void http_body_open(http_body *body, const http_head *head, const http_limits *limits)
{
    *body = (http_body){
        .limit = limits->body,
        .trailer_room = limits->head < UINT32_MAX ? (uint32_t)limits->head : UINT32_MAX,
        .trailer_fields = limits->fields < UINT16_MAX ? (uint16_t)limits->fields : UINT16_MAX,
        .extra_room = HTTP_CHUNK_EXTRA_MAX,
    };
    if (head->framing == HTTP_BODY_CHUNKED) {
        body->state = SIZE_FIRST;
    } else {
        body->remaining = head->framing == HTTP_BODY_LENGTH ? head->content_length : 0;
        body->state = body->remaining > 0 ? DATA_BY_LENGTH : DONE;
    }
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

static http_error go(http_body *body, uint8_t state)
{
    body->state = state;
    return HTTP_ERROR_NONE;
}

/* The same, at the cost of one byte of what a body may spend on extensions and leading zeros. */
static http_error go_extra(http_body *body, uint8_t state)
{
    if (body->extra_room == 0)
        return HTTP_ERROR_CHUNK;
    body->extra_room--;
    return go(body, state);
}

static http_error expect(http_body *body, unsigned char c, char expected, uint8_t state)
{
    return c == (unsigned char)expected ? go(body, state) : HTTP_ERROR_CHUNK;
}

static http_error size_digit(http_body *body, int digit)
{
    bool leading_zero = body->state == SIZE && body->remaining == 0;
    if (body->remaining > size_before_digit_max)
        return HTTP_ERROR_CHUNK;
    body->remaining = body->remaining << 4 | (unsigned)digit;
    return leading_zero ? go_extra(body, SIZE) : go(body, SIZE);
}

static bool is_text(unsigned char c)
{
    return field_value_valid(hub_bytes_of(&c, 1));
}

static http_error size_complete(http_body *body, unsigned char c)
{
    if (c != '\n')
        return HTTP_ERROR_CHUNK;
    if (body->remaining > body->limit - body->received)
        return HTTP_ERROR_BODY_TOO_LARGE;
    body->received += body->remaining;
    return go(body, body->remaining > 0 ? DATA : TRAILER);
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

/* What may follow a size, a name or a value: the line's end, another extension, white space before it. */
static http_error after_word(http_body *body, unsigned char c, uint8_t blank)
{
    if (c == '\r')
        return go(body, SIZE_LF);
    if (c == ';')
        return go_extra(body, NAME_FIRST);
    return is_blank(c) ? go_extra(body, blank) : HTTP_ERROR_CHUNK;
}

static http_error size_character(http_body *body, unsigned char c)
{
    int digit = hex_digit(c);
    if (digit >= 0)
        return size_digit(body, digit);
    return body->state == SIZE_FIRST ? HTTP_ERROR_CHUNK : after_word(body, c, SEMICOLON);
}

static http_error semicolon_character(http_body *body, unsigned char c)
{
    if (c == ';')
        return go_extra(body, NAME_FIRST);
    return is_blank(c) ? go_extra(body, SEMICOLON) : HTTP_ERROR_CHUNK;
}

/* Extensions: ; name [= token or quoted string] …, with white space between them (section 7.1.1). */
static http_error extension_character(http_body *body, unsigned char c)
{
    uint8_t state = body->state;
    bool token = field_is_tchar(c);
    switch (state) {
    case NAME_FIRST:
    case VALUE_FIRST:
        if (is_blank(c))
            return go_extra(body, state);
        if (c == '"' && state == VALUE_FIRST)
            return go_extra(body, QUOTED);
        return token ? go_extra(body, state == NAME_FIRST ? NAME : VALUE) : HTTP_ERROR_CHUNK;
    case NAME:
        if (c == '=')
            return go_extra(body, VALUE_FIRST);
        return token ? go_extra(body, NAME) : after_word(body, c, NAME_BLANK);
    case NAME_BLANK:
        if (c == '=')
            return go_extra(body, VALUE_FIRST);
        if (c == ';')
            return go_extra(body, NAME_FIRST);
        return is_blank(c) ? go_extra(body, NAME_BLANK) : HTTP_ERROR_CHUNK;
    case VALUE:
        return token ? go_extra(body, VALUE) : after_word(body, c, SEMICOLON);
    case QUOTED:
        if (!is_text(c))
            return HTTP_ERROR_CHUNK;
        return go_extra(body, c == '"' ? QUOTED_END : c == '\\' ? QUOTED_PAIR : QUOTED);
    case QUOTED_PAIR:
        return is_text(c) ? go_extra(body, QUOTED) : HTTP_ERROR_CHUNK;
    default: /* QUOTED_END */
        return after_word(body, c, SEMICOLON);
    }
}

static http_error trailer_character(http_body *body, unsigned char c)
{
    if (body->state == TRAILER && c == '\r')
        return go(body, FINAL_LF);
    if (body->trailer_room == 0)
        return HTTP_ERROR_TRAILERS_TOO_LARGE;
    body->trailer_room--;

    switch (body->state) {
    case TRAILER:
        if (!field_is_tchar(c))
            return HTTP_ERROR_TRAILER;
        if (body->trailer_fields == 0)
            return HTTP_ERROR_TRAILERS_TOO_LARGE;
        body->trailer_fields--;
        return go(body, TRAILER_NAME);
    case TRAILER_NAME:
        if (c == ':')
            return go(body, TRAILER_VALUE);
        return field_is_tchar(c) ? HTTP_ERROR_NONE : HTTP_ERROR_TRAILER;
    case TRAILER_VALUE:
        if (c == '\r')
            return go(body, TRAILER_LF);
        return is_text(c) ? HTTP_ERROR_NONE : HTTP_ERROR_TRAILER;
    default: /* TRAILER_LF */
        return c == '\n' ? go(body, TRAILER) : HTTP_ERROR_TRAILER;
    }
}

/* Everything of a chunked body that is not its data comes through here, byte by byte. */
static http_error frame_character(http_body *body, unsigned char c)
{
    switch (body->state) {
    case SIZE_FIRST:
    case SIZE:
        return size_character(body, c);
    case SEMICOLON:
        return semicolon_character(body, c);
    case NAME_FIRST:
    case NAME:
    case NAME_BLANK:
    case VALUE_FIRST:
    case VALUE:
    case QUOTED:
    case QUOTED_PAIR:
    case QUOTED_END:
        return extension_character(body, c);
    case SIZE_LF:
        return size_complete(body, c);
    case DATA_CR:
        return expect(body, c, '\r', DATA_LF);
    case DATA_LF:
        return expect(body, c, '\n', SIZE_FIRST);
    case FINAL_LF:
        return expect(body, c, '\n', DONE);
    default:
        return trailer_character(body, c);
    }
}

uint64_t http_body_least(const http_body *body)
{
    if (body->state == DATA || body->state == DATA_BY_LENGTH)
        return body->remaining;
    return body->state != DONE;
}

http_body_result http_body_next(http_body *body, const char *data, size_t length, size_t *consumed,
                                hub_bytes *piece, http_error *error)
{
    *consumed = 0;
    *piece = (hub_bytes){0};
    *error = HTTP_ERROR_NONE;
    while (body->state != DONE) {
        if (*consumed == length)
            return HTTP_BODY_MORE;
        if (body->state == DATA || body->state == DATA_BY_LENGTH) {
            size_t left = length - *consumed;
            size_t take = left < body->remaining ? left : (size_t)body->remaining;
            *piece = hub_bytes_of(data + *consumed, take);
            *consumed += take;
            body->remaining -= take;
            if (body->remaining == 0)
                body->state = body->state == DATA ? DATA_CR : DONE;
            return HTTP_BODY_PIECE;
        }
        *error = frame_character(body, (unsigned char)data[*consumed]);
        if (*error != HTTP_ERROR_NONE)
            return HTTP_BODY_ERROR;
        ++*consumed;
    }
    return HTTP_BODY_DONE;
}
