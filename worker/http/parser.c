/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A head is gone through twice: http_head_end looks for its end, line by line; http_parse_head takes it apart
 * and judges what it says in the same pass. Everything in the grammar that decides where a request ends is
 * read in its strict form: what two parsers could read differently is refused.
 */
#include "worker/http/parser.h"
#include "worker/http/field.h"

#include <arpa/inet.h>

typedef struct error_entry {
    int status;
    const char *text;
} error_entry;

static const error_entry errors[] = {
#define HTTP_ERROR_ENTRY(name, status, text) [HTTP_ERROR_##name] = {status, text},
    HTTP_ERROR_MAP(HTTP_ERROR_ENTRY)
#undef HTTP_ERROR_ENTRY
};

int http_error_status(http_error error)
{
    return errors[error].status;
}

const char *http_error_text(http_error error)
{
    return errors[error].text;
}

/* ---- the end of the head ---- */

/* Bytes of the empty lines before the request line that are passed over. */
static size_t empty_lines(const char *data, size_t length)
{
    size_t skipped = 0;
    while (skipped < 2 * (size_t)HTTP_EMPTY_LINES && length - skipped >= 2 && data[skipped] == '\r' &&
           data[skipped + 1] == '\n')
        skipped += 2;
    return skipped;
}

/* Length of the line's end at `at`: 1 for LF, 2 for CR LF, 0 when there is none (yet). */
static size_t line_end(const char *data, size_t length, size_t at)
{
    if (at < length && data[at] == '\n')
        return 1;
    return at + 1 < length && data[at] == '\r' && data[at + 1] == '\n' ? 2 : 0;
}

size_t http_head_end(const char *data, size_t length, size_t *scanned)
{
    size_t at = empty_lines(data, length);
    size_t blank = line_end(data, length, at);
    if (blank > 0)
        return at + blank;

    if (at < *scanned)
        at = *scanned;
    while (at < length) {
        const char *newline = memchr(data + at, '\n', length - at);
        if (!newline)
            break;
        at = (size_t)(newline - data);
        blank = line_end(data, length, at + 1);
        if (blank > 0)
            return at + 1 + blank;
        if (at + 1 == length || (at + 2 == length && data[at + 1] == '\r')) {
            *scanned = at; /* the line after it may yet turn out to be blank */
            return 0;
        }
        at++;
    }
    *scanned = length;
    return 0;
}

/* What is refused as soon as it is seen goes first in a whole head as well: a refusal must not depend on how
 * the bytes arrive. */
static http_error check_beginning(const char *data, size_t length, const http_limits *limits)
{
    size_t start = empty_lines(data, length);
    if (start < length && data[start] != '\r' && !field_is_tchar((unsigned char)data[start]))
        return HTTP_ERROR_REQUEST_LINE;
    size_t line = length - start;
    if (line > limits->request_line + 1 && !memchr(data + start, '\n', limits->request_line + 2))
        return HTTP_ERROR_LINE_TOO_LONG;
    return HTTP_ERROR_NONE;
}

http_error http_head_check(const char *data, size_t length, const http_limits *limits)
{
    http_error error = check_beginning(data, length, limits);
    if (error == HTTP_ERROR_NONE && length >= limits->head)
        error = HTTP_ERROR_HEAD_TOO_LARGE;
    return error;
}

/* ---- lines ---- */

/* Cuts the next line off *rest; it must end with CR LF and hold neither of them before. */
static bool next_line(hub_bytes *rest, hub_bytes *line)
{
    const char *start = rest->data;
    const char *newline = rest->length > 0 ? memchr(start, '\n', rest->length) : NULL;
    if (!newline)
        return false;
    size_t length = (size_t)(newline - start);
    if (length == 0 || memchr(start, '\r', length) != newline - 1)
        return false;
    *line = hub_bytes_of(start, length - 1);
    *rest = hub_bytes_of(newline + 1, rest->length - length - 1);
    return true;
}

/* ---- request line ---- */

/* Cuts what stands before the next space off *rest, and the space too. */
static bool next_word(hub_bytes *rest, hub_bytes *word)
{
    const char *start = rest->data;
    const char *space = rest->length > 0 ? memchr(start, ' ', rest->length) : NULL;
    if (!space)
        return false;
    *word = hub_bytes_of(start, (size_t)(space - start));
    *rest = hub_bytes_of(space + 1, rest->length - word->length - 1);
    return true;
}

static bool is_hex_digit(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Characters of a registered name (RFC 3986, section 3.2.2) other than a percent sign. */
static const bool name_characters[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['-'] = true,
    ['.'] = true,         ['_'] = true,         ['~'] = true,         ['!'] = true,
    ['$'] = true,         ['&' ... ','] = true, [';'] = true,         ['='] = true,
};

static bool is_name_character(char c)
{
    return name_characters[(unsigned char)c];
}

/* What stands in the brackets of a host: an IPv6 address, or "v", a version and an address of that form. */
static bool ip_literal_valid(hub_bytes text)
{
    const char *p = text.data, *end = p + text.length;
    if (text.length > 0 && (*p == 'v' || *p == 'V')) {
        const char *version = ++p;
        while (p < end && is_hex_digit(*p))
            p++;
        if (p == version || p == end || *p++ != '.' || p == end)
            return false;
        while (p < end && (is_name_character(*p) || *p == ':'))
            p++;
        return p == end;
    }
    char address[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    if (text.length >= sizeof address)
        return false;
    memcpy(address, p, text.length);
    address[text.length] = '\0';
    return inet_pton(AF_INET6, address, &parsed) == 1;
}

/* uri-host [":" port], with a host that is not empty (RFC 9110, sections 4.2.1, 7.2). */
static bool authority_valid(hub_bytes text)
{
    const char *p = text.data, *end = p + text.length;
    if (text.length > 0 && *p == '[') {
        const char *start = ++p;
        p = memchr(start, ']', (size_t)(end - start));
        if (!p || !ip_literal_valid(hub_bytes_of(start, (size_t)(p - start))))
            return false;
        p++;
    } else {
        const char *start = p;
        while (p < end && *p != ':') {
            if (*p == '%' && end - p >= 3 && is_hex_digit(p[1]) && is_hex_digit(p[2]))
                p += 3;
            else if (is_name_character(*p))
                p++;
            else
                return false;
        }
        if (p == start)
            return false;
    }
    if (p == end)
        return true;
    if (*p++ != ':')
        return false;
    unsigned port = 0;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        port = port * 10 + (unsigned)(*p - '0');
        if (port > 65535)
            return false;
    }
    return true;
}

/* The length of "http://" or "https://" at the target's start, without case; 0 when it is neither. */
static size_t scheme_length(hub_bytes target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        hub_bytes scheme = hub_text(schemes[i]);
        if (target.length >= scheme.length &&
            field_name_equal(hub_bytes_of(target.data, scheme.length), scheme))
            return scheme.length;
    }
    return 0;
}

static void split_query(hub_bytes text, http_head *head)
{
    const char *start = text.data;
    const char *mark = text.length > 0 ? memchr(start, '?', text.length) : NULL;
    head->path = hub_bytes_of(start, mark ? (size_t)(mark - start) : text.length);
    if (mark)
        head->query = hub_bytes_of(mark + 1, text.length - head->path.length - 1);
}

/* RFC 9112, section 3.2. */
static http_error read_target(http_head *head)
{
    hub_bytes target = head->target;
    const char *start = target.data;
    for (size_t i = 0; i < target.length; i++)
        if (start[i] <= ' ' || start[i] >= 0x7F ||
            start[i] == '#') /* char may be signed: above 127 is below */
            return HTTP_ERROR_TARGET;

    bool options = hub_equal(head->method, hub_text("OPTIONS"));
    if (target.length > 0 && *start == '/') {
        split_query(target, head);
        return HTTP_ERROR_NONE;
    }
    if (hub_equal(target, hub_text("*"))) {
        head->path = target;
        return options ? HTTP_ERROR_NONE : HTTP_ERROR_TARGET;
    }

    size_t scheme = scheme_length(target), end = scheme;
    if (scheme == 0)
        return HTTP_ERROR_TARGET;
    while (end < target.length && start[end] != '/' && start[end] != '?')
        end++;
    head->host = hub_bytes_of(start + scheme, end - scheme);
    if (!authority_valid(head->host))
        return HTTP_ERROR_TARGET;
    split_query(hub_bytes_of(start + end, target.length - end), head);
    if (head->path.length == 0) /* sections 3.2.1 and 3.2.4 */
        head->path = hub_text(options && !head->query.data ? "*" : "/");
    return HTTP_ERROR_NONE;
}

/*
 * The registered methods (RFC 9110, section 16.1.1), without CONNECT, and some that are in use all the same.
 * Others are not implemented, whatever routes there are.
 */
static const hub_bytes methods[] = {
#define METHOD(name)                                                                                         \
    {                                                                                                        \
#name, sizeof(#name) - 1                                                                             \
    }
    METHOD(GET),
    METHOD(POST),
    METHOD(HEAD),
    METHOD(PUT),
    METHOD(DELETE),
    METHOD(PATCH),
    METHOD(OPTIONS),
    METHOD(ACL),
    METHOD(BIND),
    METHOD(CHECKIN),
    METHOD(CHECKOUT),
    METHOD(COPY),
    METHOD(LABEL),
    METHOD(LINK),
    METHOD(LOCK),
    METHOD(MERGE),
    METHOD(MKACTIVITY),
    METHOD(MKCALENDAR),
    METHOD(MKCOL),
    METHOD(MKREDIRECTREF),
    METHOD(MOVE),
    METHOD(NOTIFY),
    METHOD(MKWORKSPACE),
    METHOD(ORDERPATCH),
    METHOD(PROPFIND),
    METHOD(PROPPATCH),
    METHOD(PURGE),
    METHOD(QUERY),
    METHOD(REBIND),
    METHOD(REPORT),
    METHOD(SEARCH),
    METHOD(SOURCE),
    METHOD(SUBSCRIBE),
    METHOD(TRACE),
    METHOD(UNBIND),
    METHOD(UNCHECKOUT),
    METHOD(UNLINK),
    METHOD(UNLOCK),
    METHOD(UNSUBSCRIBE),
    METHOD(UPDATE),
#undef METHOD
    {"BASELINE-CONTROL", 16},
    {"M-SEARCH", 8},
    {"UPDATEREDIRECTREF", 17},
    {"VERSION-CONTROL", 15},
};

static bool method_known(hub_bytes method)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (hub_equal(method, methods[i]))
            return true;
    return false;
}

static http_error read_request_line(hub_bytes line, http_head *head)
{
    hub_bytes version = line;
    if (!next_word(&version, &head->method) || !next_word(&version, &head->target))
        return HTTP_ERROR_REQUEST_LINE;
    const char *p = version.data;
    if (!field_name_valid(head->method) || version.length != 8 || memcmp(p, "HTTP/", 5) != 0 || p[5] < '0' ||
        p[5] > '9' || p[6] != '.' || p[7] < '0' || p[7] > '9')
        return HTTP_ERROR_REQUEST_LINE;
    if (p[5] != '1')
        return HTTP_ERROR_VERSION;
    head->minor = p[7] == '0' ? 0 : 1; /* RFC 9110, section 2.5: a higher minor version is read as ours */
    return method_known(head->method) ? read_target(head) : HTTP_ERROR_METHOD;
}

/* ---- what the fields mean ---- */

/* What is gathered while the fields are gone through once. */
typedef struct field_facts {
    bool host_seen, length_seen, coding_seen, chunked, other_coding;
    bool close, keep_alive, upgrade, upgrade_field;
} field_facts;

static http_error read_host(http_head *head, field_facts *facts, hub_bytes value)
{
    if (facts->host_seen || !authority_valid(value))
        return HTTP_ERROR_HOST;
    facts->host_seen = true;
    if (!head->host.data) /* an absolute target goes first: RFC 9112, section 3.2.2 */
        head->host = value;
    return HTTP_ERROR_NONE;
}

/* RFC 9110, section 8.6. */
static http_error read_content_length(http_head *head, field_facts *facts, hub_bytes value)
{
    const char *p = value.data;
    uint64_t number = 0;
    if (facts->length_seen || value.length == 0)
        return HTTP_ERROR_CONTENT_LENGTH;
    facts->length_seen = true;
    for (size_t i = 0; i < value.length; i++) {
        unsigned digit = (unsigned)(p[i] - '0');
        if (digit > 9 || number > ((uint64_t)INT64_MAX - digit) / 10)
            return HTTP_ERROR_CONTENT_LENGTH;
        number = number * 10 + digit;
    }
    head->content_length = number;
    head->framing = HTTP_BODY_LENGTH;
    return HTTP_ERROR_NONE;
}

/* RFC 9112, sections 6.1 and 6.3. An empty element is refused: others might read it otherwise. */
static http_error read_transfer_encoding(field_facts *facts, hub_bytes value)
{
    const char *p = value.data;
    size_t expected = 1, count = 0;
    hub_bytes coding;
    for (size_t i = 0; i < value.length; i++)
        expected += p[i] == ',';
    facts->coding_seen = true;
    while (field_list_next(&value, &coding)) {
        count++;
        if (facts->chunked)
            return HTTP_ERROR_TRANSFER_ENCODING;
        if (field_name_equal(coding, hub_text("chunked")))
            facts->chunked = true;
        else
            facts->other_coding = true;
    }
    return count == expected ? HTTP_ERROR_NONE : HTTP_ERROR_TRANSFER_ENCODING;
}

static http_error read_connection(field_facts *facts, hub_bytes value)
{
    hub_bytes option;
    while (field_list_next(&value, &option)) {
        facts->close |= field_name_equal(option, hub_text("close"));
        facts->keep_alive |= field_name_equal(option, hub_text("keep-alive"));
        facts->upgrade |= field_name_equal(option, hub_text("upgrade"));
    }
    return HTTP_ERROR_NONE;
}

/* RFC 9110, section 10.1.1: in HTTP/1.0 it has no meaning. */
static http_error read_expect(http_head *head, hub_bytes value)
{
    if (head->minor < 1)
        return HTTP_ERROR_NONE;
    if (!field_name_equal(value, hub_text("100-continue")))
        return HTTP_ERROR_EXPECTATION;
    head->expect_continue = true;
    return HTTP_ERROR_NONE;
}

static http_error read_field(http_head *head, field_facts *facts, const http_field *field)
{
    static const hub_bytes host = {"host", 4}, expect = {"expect", 6}, upgrade = {"upgrade", 7},
                           connection = {"connection", 10}, content_length = {"content-length", 14},
                           transfer_encoding = {"transfer-encoding", 17};
    hub_bytes name = field->name;
    switch (name.length) {
    case 4:
        return field_name_equal(name, host) ? read_host(head, facts, field->value) : HTTP_ERROR_NONE;
    case 6:
        return field_name_equal(name, expect) ? read_expect(head, field->value) : HTTP_ERROR_NONE;
    case 7:
        facts->upgrade_field |= field_name_equal(name, upgrade);
        return HTTP_ERROR_NONE;
    case 10:
        return field_name_equal(name, connection) ? read_connection(facts, field->value) : HTTP_ERROR_NONE;
    case 14:
        return field_name_equal(name, content_length) ? read_content_length(head, facts, field->value)
                                                      : HTTP_ERROR_NONE;
    case 17:
        return field_name_equal(name, transfer_encoding) ? read_transfer_encoding(facts, field->value)
                                                         : HTTP_ERROR_NONE;
    default:
        return HTTP_ERROR_NONE;
    }
}

/* HTTP/1.0 has no other way to say that these have no body (RFC 1945, section 8.3). */
static bool has_body_always(hub_bytes method)
{
    return hub_equal(method, hub_text("POST")) || hub_equal(method, hub_text("PUT")) ||
           hub_equal(method, hub_text("PATCH"));
}

static http_error conclude(http_head *head, const field_facts *facts, const http_limits *limits)
{
    if (!facts->host_seen && head->minor >= 1)
        return HTTP_ERROR_HOST;
    if (facts->coding_seen) {
        if (facts->length_seen || head->minor < 1 || !facts->chunked)
            return HTTP_ERROR_TRANSFER_ENCODING;
        if (facts->other_coding)
            return HTTP_ERROR_CODING;
        head->framing = HTTP_BODY_CHUNKED;
    }
    if (head->minor < 1 && !facts->length_seen && has_body_always(head->method))
        return HTTP_ERROR_LENGTH_REQUIRED;
    head->keep_alive = !facts->close && (head->minor >= 1 || facts->keep_alive);
    head->upgrade = facts->upgrade && facts->upgrade_field && head->minor >= 1; /* RFC 9110, section 7.8 */
    return head->content_length > limits->body ? HTTP_ERROR_BODY_TOO_LARGE : HTTP_ERROR_NONE;
}

/* ---- field lines ---- */

/* Where a value, its white space and all, ends: the first byte from `at` that no value may hold (RFC
 * 9110, 5.5). */
static const char *value_end(const char *at, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    for (;;) {
        /* Eight at a time, as long as none is below a space or is DEL. */
        while (end - at >= 8) {
            uint64_t word;
            memcpy(&word, at, sizeof word);
            uint64_t is_delete = word ^ 0x7F * ones;
            if ((((word - 0x20 * ones) & ~word) | ((is_delete - ones) & ~is_delete)) & tops)
                break;
            at += 8;
        }
        const char *stop = end - at >= 8 ? at + 8 : end;
        for (; at < stop; at++)
            if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7F)
                return at;
        if (at == end)
            return end;
    }
}

/* Reads one line, which is not the blank one, and moves *at behind it. */
static http_error read_line(const char **at, const char *end, http_field *field)
{
    const char *name = *at, *p = name;
    if (*p == ' ' || *p == '\t')
        return HTTP_ERROR_FOLDED;
    while (p < end && field_is_tchar((unsigned char)*p))
        p++;
    if (p == end || *p != ':' || p == name)
        return HTTP_ERROR_FIELD;
    const char *value = p + 1;
    p = value_end(value, end);
    if (p == end || *p == '\n' || (*p == '\r' && (end - p < 2 || p[1] != '\n')))
        return HTTP_ERROR_LINE_END;
    if (*p != '\r')
        return HTTP_ERROR_FIELD;
    field->name = hub_bytes_of(name, (size_t)(value - name) - 1);
    field->value = field_trim(hub_bytes_of(value, (size_t)(p - value)));
    *at = p + 2;
    return HTTP_ERROR_NONE;
}

static http_error read_fields(hub_bytes lines, http_head *head, http_field *fields, const http_limits *limits)
{
    field_facts facts = {0};
    const char *at = lines.data, *end = at + lines.length;
    for (;;) {
        if (end - at < 2 || *at == '\n' || (*at == '\r' && at[1] != '\n'))
            return HTTP_ERROR_LINE_END;
        if (*at == '\r')
            break;
        if (head->field_count == limits->fields)
            return HTTP_ERROR_TOO_MANY_FIELDS;
        http_field *field = &fields[head->field_count];
        const char *line = at;
        http_error error = read_line(&at, end, field);
        if (error == HTTP_ERROR_NONE && limits->field && (size_t)(at - line) > limits->field + 2)
            error = HTTP_ERROR_FIELD_TOO_LARGE;
        if (error == HTTP_ERROR_NONE)
            error = read_field(head, &facts, field);
        if (error != HTTP_ERROR_NONE)
            return error;
        head->field_count++;
    }
    return end - at == 2 ? conclude(head, &facts, limits) : HTTP_ERROR_LINE_END;
}

http_error http_parse_head(hub_bytes bytes, const http_limits *limits, http_field *fields, http_head *head)
{
    *head = (http_head){.fields = fields};
    size_t skipped = empty_lines(bytes.data, bytes.length);
    hub_bytes rest = hub_bytes_of((const char *)bytes.data + skipped, bytes.length - skipped), line;

    http_error error = check_beginning(bytes.data, bytes.length, limits);
    if (error == HTTP_ERROR_NONE && bytes.length > limits->head)
        error = HTTP_ERROR_HEAD_TOO_LARGE;
    if (error == HTTP_ERROR_NONE && !next_line(&rest, &line))
        error = HTTP_ERROR_LINE_END;
    if (error == HTTP_ERROR_NONE)
        error = read_request_line(line, head);
    return error == HTTP_ERROR_NONE ? read_fields(rest, head, fields, limits) : error;
}

/* ---- looking fields up ---- */

hub_bytes http_head_get(const http_head *head, const char *name)
{
    hub_bytes wanted = hub_text(name);
    for (size_t i = 0; i < head->field_count; i++)
        if (field_name_equal(head->fields[i].name, wanted))
            return head->fields[i].value;
    return (hub_bytes){0};
}

size_t http_head_count(const http_head *head, const char *name)
{
    hub_bytes wanted = hub_text(name);
    size_t count = 0;
    for (size_t i = 0; i < head->field_count; i++)
        count += field_name_equal(head->fields[i].name, wanted);
    return count;
}

bool http_head_has(const http_head *head, const char *name, const char *token)
{
    hub_bytes wanted = hub_text(name);
    for (size_t i = 0; i < head->field_count; i++)
        if (field_name_equal(head->fields[i].name, wanted) &&
            field_list_has(head->fields[i].value, hub_text(token)))
            return true;
    return false;
}
