/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one file that knows which parser library the system has. The library finds the header fields; what
 * decides where a request ends (lines, lengths, codings) is judged here, because http_parser as distributions
 * build it is lenient in just these things.
 */
#include "worker/http/parser.h"
#include "worker/http/field.h"

#if HUBBUB_LLHTTP
#include <llhttp.h>
#else
#include <http_parser.h>
#endif

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

http_error http_head_check(const char *data, size_t length, const http_limits *limits)
{
    size_t start = empty_lines(data, length);
    if (start < length && data[start] != '\r' && !field_is_tchar((unsigned char)data[start]))
        return HTTP_ERROR_REQUEST_LINE;
    size_t line = length - start;
    if (line > limits->request_line + 1 && !memchr(data + start, '\n', limits->request_line + 2))
        return HTTP_ERROR_LINE_TOO_LONG;
    return length >= limits->head ? HTTP_ERROR_HEAD_TOO_LARGE : HTTP_ERROR_NONE;
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

/* Looks at the form of the lines behind the request line, and counts them; the blank one must be the last. */
static http_error check_lines(hub_bytes rest, size_t limit, size_t *count)
{
    hub_bytes line;
    *count = 0;
    while (next_line(&rest, &line)) {
        if (line.length == 0)
            return rest.length == 0 ? HTTP_ERROR_NONE : HTTP_ERROR_LINE_END;
        char first = *(const char *)line.data;
        if (first == ' ' || first == '\t')
            return HTTP_ERROR_FOLDED;
        if (++*count > limit)
            return HTTP_ERROR_TOO_MANY_FIELDS;
    }
    return HTTP_ERROR_LINE_END;
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

/* A character of a registered name (RFC 3986, section 3.2.2) other than a percent sign. */
static bool is_name_character(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c != '\0' && strchr("-._~!$&'()*+,;=", c));
}

/* uri-host [":" port], with a host that is not empty (RFC 9110, sections 4.2.1, 7.2). */
static bool authority_valid(hub_bytes text)
{
    const char *p = text.data, *end = p + text.length;
    if (text.length > 0 && *p == '[') {
        const char *start = ++p;
        while (p < end && (is_name_character(*p) || *p == ':'))
            p++;
        if (p == start || p == end || *p++ != ']')
            return false;
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
    if (hub_equal(head->method, hub_text("CONNECT")))
        return HTTP_ERROR_METHOD;
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
    return read_target(head);
}

/* ---- the library ---- */

typedef struct field_reader {
    http_field *fields;
    size_t count, capacity;
    bool in_name; /* the last part was a name's */
    bool complete;
} field_reader;

static void extend(hub_bytes *part, const char *at, size_t length)
{
    *part = part->data ? hub_bytes_of(part->data, part->length + length) : hub_bytes_of(at, length);
}

static int add_name(field_reader *reader, const char *at, size_t length)
{
    if (!reader->in_name) {
        if (reader->count == reader->capacity)
            return -1;
        reader->fields[reader->count++] = (http_field){0};
        reader->in_name = true;
    }
    extend(&reader->fields[reader->count - 1].name, at, length);
    return 0;
}

static int add_value(field_reader *reader, const char *at, size_t length)
{
    if (reader->count == 0)
        return -1;
    reader->in_name = false;
    extend(&reader->fields[reader->count - 1].value, at, length);
    return 0;
}

#if HUBBUB_LLHTTP

static int on_field(llhttp_t *library, const char *at, size_t length)
{
    return add_name(library->data, at, length);
}

static int on_value(llhttp_t *library, const char *at, size_t length)
{
    return add_value(library->data, at, length);
}

static int on_complete(llhttp_t *library)
{
    ((field_reader *)library->data)->complete = true;
    return 0;
}

static http_error run_library(hub_bytes bytes, field_reader *reader)
{
    static llhttp_settings_t settings;
    llhttp_t library;
    llhttp_settings_init(&settings);
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_headers_complete = on_complete;
    llhttp_init(&library, HTTP_REQUEST, &settings);
    library.data = reader;
#if LLHTTP_VERSION_MAJOR >= 9
    llhttp_set_lenient_version(&library,
                               1); /* versions were judged before; older ones know only 1.0 and 1.1 */
#endif
    switch (llhttp_execute(&library, bytes.data, bytes.length)) {
    case HPE_OK:
    case HPE_PAUSED_UPGRADE:
        return reader->complete ? HTTP_ERROR_NONE : HTTP_ERROR_FIELD;
    case HPE_INVALID_METHOD:
        return HTTP_ERROR_METHOD;
    case HPE_INVALID_URL:
        return HTTP_ERROR_TARGET;
    case HPE_INVALID_VERSION:
        return HTTP_ERROR_VERSION;
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return HTTP_ERROR_CONTENT_LENGTH;
    case HPE_INVALID_TRANSFER_ENCODING:
        return HTTP_ERROR_TRANSFER_ENCODING;
    default:
        return HTTP_ERROR_FIELD;
    }
}

#else

static int on_field(http_parser *library, const char *at, size_t length)
{
    return add_name(library->data, at, length);
}

static int on_value(http_parser *library, const char *at, size_t length)
{
    return add_value(library->data, at, length);
}

static int on_complete(http_parser *library)
{
    ((field_reader *)library->data)->complete = true;
    return 0;
}

static http_error run_library(hub_bytes bytes, field_reader *reader)
{
    static const http_parser_settings settings = {
        .on_header_field = on_field, .on_header_value = on_value, .on_headers_complete = on_complete};
    http_parser library;
    http_parser_set_max_header_size(UINT32_MAX); /* our own limits were kept before */
    http_parser_init(&library, HTTP_REQUEST);
    library.data = reader;
    http_parser_execute(&library, &settings, bytes.data, bytes.length);
    switch (HTTP_PARSER_ERRNO(&library)) {
    case HPE_OK:
        return reader->complete ? HTTP_ERROR_NONE : HTTP_ERROR_FIELD;
    case HPE_INVALID_METHOD:
        return HTTP_ERROR_METHOD;
    case HPE_INVALID_URL:
    case HPE_INVALID_HOST:
    case HPE_INVALID_PORT:
    case HPE_INVALID_PATH:
    case HPE_INVALID_QUERY_STRING:
        return HTTP_ERROR_TARGET;
    case HPE_INVALID_VERSION:
        return HTTP_ERROR_VERSION;
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return HTTP_ERROR_CONTENT_LENGTH;
    case HPE_INVALID_TRANSFER_ENCODING:
        return HTTP_ERROR_TRANSFER_ENCODING;
    default:
        return HTTP_ERROR_FIELD;
    }
}

#endif

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
    if (field_name_equal(name, host))
        return read_host(head, facts, field->value);
    if (field_name_equal(name, content_length))
        return read_content_length(head, facts, field->value);
    if (field_name_equal(name, transfer_encoding))
        return read_transfer_encoding(facts, field->value);
    if (field_name_equal(name, connection))
        return read_connection(facts, field->value);
    if (field_name_equal(name, expect))
        return read_expect(head, field->value);
    if (field_name_equal(name, upgrade))
        facts->upgrade_field = true;
    return HTTP_ERROR_NONE;
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
    head->keep_alive = !facts->close && (head->minor >= 1 || facts->keep_alive);
    head->upgrade = facts->upgrade && facts->upgrade_field;
    return head->content_length > limits->body ? HTTP_ERROR_BODY_TOO_LARGE : HTTP_ERROR_NONE;
}

static http_error read_fields(http_head *head, http_field *fields, const http_limits *limits)
{
    field_facts facts = {0};
    for (size_t i = 0; i < head->field_count; i++) {
        fields[i].value = field_trim(fields[i].value);
        if (!field_name_valid(fields[i].name) || !field_value_valid(fields[i].value))
            return HTTP_ERROR_FIELD;
        http_error error = read_field(head, &facts, &fields[i]);
        if (error != HTTP_ERROR_NONE)
            return error;
    }
    return conclude(head, &facts, limits);
}

http_error http_parse_head(hub_bytes bytes, const http_limits *limits, http_field *fields, http_head *head)
{
    *head = (http_head){.fields = fields};
    size_t skipped = empty_lines(bytes.data, bytes.length);
    hub_bytes request = hub_bytes_of((const char *)bytes.data + skipped, bytes.length - skipped);
    hub_bytes rest = request, line;
    size_t line_count;

    if (!next_line(&rest, &line))
        return HTTP_ERROR_LINE_END;
    if (line.length > limits->request_line)
        return HTTP_ERROR_LINE_TOO_LONG;
    if (bytes.length > limits->head)
        return HTTP_ERROR_HEAD_TOO_LARGE;
    http_error error = read_request_line(line, head);
    if (error == HTTP_ERROR_NONE)
        error = check_lines(rest, limits->fields, &line_count);
    if (error != HTTP_ERROR_NONE)
        return error;

    field_reader reader = {.fields = fields, .capacity = limits->fields};
    error = run_library(request, &reader);
    if (error != HTTP_ERROR_NONE)
        return error;
    if (reader.count != line_count)
        return HTTP_ERROR_FIELD;
    head->field_count = reader.count;
    return read_fields(head, fields, limits);
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
