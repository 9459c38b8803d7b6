/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/extension.h"
#include "worker/http/field.h"

#include <stdio.h>

/* ---- the field's grammar: name [; parameter [= token or quoted string]] …, … ---- */

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

/* Takes `wanted` with the blanks around it. */
static bool take(cursor *c, char wanted)
{
    skip_blanks(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    skip_blanks(c);
    return true;
}

static bool take_token(cursor *c, hub_bytes *token)
{
    const char *start = c->at;
    while (c->at < c->end && field_is_tchar((unsigned char)*c->at))
        c->at++;
    *token = hub_bytes_of(start, (size_t)(c->at - start));
    return token->length > 0;
}

/* A parameter's value, without the quotes. The longest that means something here has two characters. */
typedef struct value {
    char text[4]; /* cut: what does not fit is no valid value of a known parameter */
    size_t length;
} value;

static void value_add(value *v, char c)
{
    if (v->length < sizeof v->text)
        v->text[v->length] = c;
    v->length++;
}

/* Without its quotes and backslashes a quoted string must be a token (RFC 6455, 9.1). */
static bool take_quoted(cursor *c, value *v)
{
    for (c->at++; c->at < c->end && *c->at != '"'; c->at++) {
        if (*c->at == '\\' && ++c->at == c->end)
            return false;
        if (!field_is_tchar((unsigned char)*c->at))
            return false;
        value_add(v, *c->at);
    }
    if (c->at == c->end)
        return false;
    c->at++;
    return v->length > 0;
}

static bool take_value(cursor *c, value *v)
{
    if (c->at < c->end && *c->at == '"')
        return take_quoted(c, v);
    hub_bytes token;
    if (!take_token(c, &token))
        return false;
    for (size_t i = 0; i < token.length; i++)
        value_add(v, ((const char *)token.data)[i]);
    return true;
}

/* ---- offers of permessage-deflate ---- */

typedef enum parameter {
    SERVER_NO_TAKEOVER,
    CLIENT_NO_TAKEOVER,
    SERVER_BITS,
    CLIENT_BITS,
    PARAMETERS
} parameter;

static const char *const parameter_names[PARAMETERS] = {
    [SERVER_NO_TAKEOVER] = "server_no_context_takeover",
    [CLIENT_NO_TAKEOVER] = "client_no_context_takeover",
    [SERVER_BITS] = "server_max_window_bits",
    [CLIENT_BITS] = "client_max_window_bits",
};

typedef struct offer {
    bool usable;
    bool has[PARAMETERS];
    uint8_t bits[PARAMETERS]; /* 0: none were given */
} offer;

/* 8 to 15, without leading zeros (RFC 7692, 7.1.2); 0: anything else. */
static uint8_t window_bits(const value *v)
{
    const char *t = v->text;
    if (v->length == 1 && (t[0] == '8' || t[0] == '9'))
        return (uint8_t)(t[0] - '0');
    if (v->length == 2 && t[0] == '1' && t[1] >= '0' && t[1] <= '5')
        return (uint8_t)(10 + t[1] - '0');
    return 0;
}

/* Notes a parameter; `v` is NULL when it has no value. */
static void note(offer *o, hub_bytes name, const value *v)
{
    for (unsigned i = 0; i < PARAMETERS; i++) {
        if (!field_name_equal(name, hub_text(parameter_names[i])))
            continue;
        bool takes_bits = i == SERVER_BITS || i == CLIENT_BITS;
        o->bits[i] = takes_bits && v ? window_bits(v) : 0;
        if (o->has[i] || (v && o->bits[i] == 0) || (i == SERVER_BITS && !v))
            o->usable = false;
        o->has[i] = true;
        return;
    }
    o->usable = false;
}

/* Reads the next extension. False: the grammar is broken. */
static bool read_offer(cursor *c, offer *o)
{
    hub_bytes name;
    if (!take_token(c, &name))
        return false;
    *o = (offer){.usable = field_name_equal(name, hub_text("permessage-deflate"))};
    while (take(c, ';')) {
        value v = {.length = 0};
        if (!take_token(c, &name))
            return false;
        bool has_value = take(c, '=');
        if (has_value && !take_value(c, &v))
            return false;
        note(o, name, has_value ? &v : NULL);
    }
    return true;
}

/* ---- the answer ---- */

static bool agree(const offer *o, deflate_mode mode, deflate_terms *terms)
{
    if (mode == DEFLATE_OFF || !o->usable || (o->has[SERVER_BITS] && o->bits[SERVER_BITS] < DEFLATE_BITS_MIN))
        return false;
    *terms = (deflate_terms){
        .server_bits = o->has[SERVER_BITS] ? o->bits[SERVER_BITS] : DEFLATE_BITS_MAX,
        .client_bits = o->bits[CLIENT_BITS] ? o->bits[CLIENT_BITS] : DEFLATE_BITS_MAX,
        .server_takeover = mode == DEFLATE_TAKEOVER && !o->has[SERVER_NO_TAKEOVER],
        .client_takeover = mode == DEFLATE_TAKEOVER && !o->has[CLIENT_NO_TAKEOVER],
    };
    return true;
}

/*
 * client_no_context_takeover may be answered without having been offered (7.1.1.2). The windows are answered
 * as they were offered: the server's must be (7.1.2.1), the client's may be only then (7.1.2.2), and a client
 * that names none is not asked for one.
 */
static void write_answer(const offer *o, const deflate_terms *terms, char answer[EXTENSION_ANSWER_MAX])
{
    char server_bits[32] = "", client_bits[32] = "";
    if (o->has[SERVER_BITS])
        snprintf(server_bits, sizeof server_bits, "; %s=%u", parameter_names[SERVER_BITS],
                 terms->server_bits);
    if (o->bits[CLIENT_BITS])
        snprintf(client_bits, sizeof client_bits, "; %s=%u", parameter_names[CLIENT_BITS],
                 terms->client_bits);
    snprintf(answer, EXTENSION_ANSWER_MAX, "permessage-deflate%s%s%s%s",
             terms->server_takeover ? "" : "; server_no_context_takeover",
             terms->client_takeover ? "" : "; client_no_context_takeover", server_bits, client_bits);
}

/* ---- all lines ---- */

static extension_result negotiate_line(hub_bytes line, deflate_mode mode, deflate_terms *terms, char *answer)
{
    extension_result result = EXTENSION_NONE;
    cursor c = {line.data, (const char *)line.data + line.length};
    for (;;) {
        while (take(&c, ','))
            continue; /* empty elements of a list (RFC 9110, 5.6.1.2) */
        skip_blanks(&c);
        if (c.at == c.end)
            return result;
        offer o;
        if (!read_offer(&c, &o))
            return EXTENSION_MALFORMED;
        skip_blanks(&c);
        if (c.at < c.end && *c.at != ',')
            return EXTENSION_MALFORMED;
        if (terms->server_bits == 0 && agree(&o, mode, terms)) {
            write_answer(&o, terms, answer);
            result = EXTENSION_AGREED;
        }
    }
}

extension_result extension_negotiate(const http_head *head, deflate_mode mode, deflate_terms *terms,
                                     char answer[EXTENSION_ANSWER_MAX])
{
    const hub_bytes field = hub_text("sec-websocket-extensions");
    extension_result result = EXTENSION_NONE;
    *terms = (deflate_terms){0};
    answer[0] = '\0';
    for (size_t i = 0; i < head->field_count; i++) {
        if (!field_name_equal(head->fields[i].name, field) || head->fields[i].value.length == 0)
            continue;
        extension_result line = negotiate_line(head->fields[i].value, mode, terms, answer);
        if (line == EXTENSION_MALFORMED)
            return line;
        if (line == EXTENSION_AGREED)
            result = line;
    }
    return result;
}
