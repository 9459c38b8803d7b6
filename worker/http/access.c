/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/access.h"

#include "common/buffer.h"
#include "common/clock.h"
#include "common/escape.h"
#include "common/log.h"
#include "common/syslog.h"
#include "config/access_format.h"
#include "worker/http/field.h"
#include "worker/hub/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { GATHER_MAX = 64 * 1024, SCRATCH = 256 };
#define SAY_AGAIN_NS (10 * CLOCK_NS_PER_S)

/* ---- values: what an atom stands for ---- */

typedef struct step step;

/* The value of a record; data NULL: there is none. `scratch` is for what must be made. */
typedef hub_bytes (*value_of)(const step *self, const access_record *record, char scratch[SCRATCH]);

struct step {
    value_of value; /* NULL: the text itself */
    char *text;     /* text, name, or a value that is known already */
    size_t length;
    char *key; /* in JSON */
    bool number;
};

static const hub_bytes nothing = {NULL, 0};

static hub_bytes printed(char scratch[SCRATCH], int length)
{
    return hub_bytes_of(scratch, length < 0 ? 0 : length < SCRATCH ? (size_t)length : SCRATCH - 1);
}

static hub_bytes number(char scratch[SCRATCH], uint64_t value)
{
    char *at = scratch + SCRATCH;
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    return hub_bytes_of(at, (size_t)(scratch + SCRATCH - at));
}

static hub_bytes client(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self, (void)scratch;
    return hub_text(record->client);
}

static hub_bytes none(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self, (void)record, (void)scratch;
    return nothing;
}

static int base64_value(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* Of Authorization: Basic (RFC 7617), up to the colon. Names with a space would be two columns: no name. */
static hub_bytes user(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self;
    hub_bytes given = http_head_get(record->head, "authorization");
    const char *text = given.data;
    if (given.length < 7 || strncasecmp(text, "basic ", 6) != 0)
        return nothing;
    size_t length = 0;
    unsigned bits = 0, have = 0;
    for (size_t i = 6; i < given.length && length < SCRATCH; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            break;
        bits = bits << 6 | (unsigned)value;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        scratch[length] = (char)(bits >> have);
        if (scratch[length] == ':')
            return length > 0 && !memchr(scratch, ' ', length) ? hub_bytes_of(scratch, length) : nothing;
        length++;
    }
    return nothing;
}

/* "[23/Nov/2026:11:04:53 +0000]", made once a second. */
static hub_bytes date(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self, (void)record, (void)scratch;
    static char text[48];
    static size_t length;
    static time_t made;
    time_t now = time(NULL);
    if (now != made) {
        struct tm local = {0};
        localtime_r(&now, &local);
        length = strftime(text, sizeof text, "[%d/%b/%Y:%H:%M:%S %z]", &local);
        made = now;
    }
    return hub_bytes_of(text, length);
}

static hub_bytes protocol_name(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self;
    if (record->head->target.length == 0)
        return nothing;
    return printed(scratch, snprintf(scratch, SCRATCH, "HTTP/1.%u", record->head->minor));
}

static hub_bytes method(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self, (void)scratch;
    return record->head->method.length ? record->head->method : nothing;
}

static hub_bytes target(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self, (void)scratch;
    return record->head->target.length ? record->head->target : nothing;
}

static hub_bytes path(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self, (void)scratch;
    return record->head->path.length ? record->head->path : nothing;
}

/* gunicorn has an empty text here, and no dash. */
static hub_bytes query(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self, (void)scratch;
    return record->head->query.data ? record->head->query : hub_text("");
}

static hub_bytes status(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self;
    return number(scratch, (uint64_t)record->status);
}

static hub_bytes bytes(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self;
    return number(scratch, record->bytes);
}

static hub_bytes bytes_or_none(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self;
    return record->bytes ? number(scratch, record->bytes) : nothing;
}

static hub_bytes field(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)scratch;
    return http_head_get(record->head, self->text);
}

static uint64_t elapsed_ns(const access_record *record)
{
    return record->began_ns ? clock_monotonic_ns() - record->began_ns : 0;
}

static hub_bytes seconds(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self;
    return number(scratch, elapsed_ns(record) / CLOCK_NS_PER_S);
}

static hub_bytes milliseconds(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self;
    return number(scratch, elapsed_ns(record) / CLOCK_NS_PER_MS);
}

static hub_bytes microseconds(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self;
    return number(scratch, elapsed_ns(record) / 1000);
}

static hub_bytes decimal_seconds(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self;
    uint64_t microsecond_count = elapsed_ns(record) / 1000;
    return printed(scratch, snprintf(scratch, SCRATCH, "%llu.%06llu",
                                     (unsigned long long)(microsecond_count / 1000000),
                                     (unsigned long long)(microsecond_count % 1000000)));
}

/* The first field of that name in the answer's head. */
static hub_bytes answer_field(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)scratch;
    const char *at = record->answer.data, *end = at + record->answer.length;
    while (at < end) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        const char *colon = line_end ? memchr(at, ':', (size_t)(line_end - at)) : NULL;
        if (colon &&
            field_name_equal(hub_bytes_of(at, (size_t)(colon - at)), hub_bytes_of(self->text, self->length)))
            return field_trim(hub_bytes_of(colon + 1, (size_t)(line_end - colon - 1)));
        if (!line_end)
            break;
        at = line_end + 2;
    }
    return nothing;
}

/* What was known when the log was opened. */
static hub_bytes known(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)record, (void)scratch;
    return hub_bytes_of(self->text, self->length);
}

/* "GET /path HTTP/1.1" as it came: its parts, with single spaces. */
static hub_bytes request_line(const step *self, const access_record *record, char scratch[SCRATCH]);

typedef struct atom {
    char letter;
    const char *key;
    value_of value;
    const char *name; /* of the field that it is */
    bool number;
} atom;

static const atom atoms[] = {
    {'h', "remote_address", client, NULL, false},
    {'l', "identity", none, NULL, false},
    {'u', "user", user, NULL, false},
    {'t', "date", date, NULL, false},
    {'r', "request", request_line, NULL, false},
    {'m', "method", method, NULL, false},
    {'U', "path", path, NULL, false},
    {'q', "query", query, NULL, false},
    {'H', "protocol", protocol_name, NULL, false},
    {'s', "status", status, NULL, true},
    {'B', "bytes", bytes, NULL, true},
    {'b', "length", bytes_or_none, NULL, true},
    {'f', "referrer", field, "referer", false},
    {'a', "user_agent", field, "user-agent", false},
    {'T', "seconds", seconds, NULL, true},
    {'M', "milliseconds", milliseconds, NULL, true},
    {'D', "microseconds", microseconds, NULL, true},
    {'L', "duration", decimal_seconds, NULL, true},
    {'p', "process", known, NULL, false},
    {'i', NULL, field, NULL, false},
    {'o', NULL, answer_field, NULL, false},
    {'e', NULL, none, NULL, false},
};

/* ---- the log ---- */

bool access_on, access_wants_answer;

static struct {
    access_options options;
    step *steps;
    size_t count;
    bool stream; /* written in pieces that a pipe takes whole */
    bool socket;
    bool cut;       /* the last line that was written has no end */
    buffer lines;   /* a newline, for a line that was cut, then what is gathered */
    buffer scratch; /* values that are put together */
    uint64_t dropped, said;
    uint64_t said_ns;
} access_state = {.options = {.fd = -1}};

static hub_bytes request_line(const step *self, const access_record *record, char scratch[SCRATCH])
{
    (void)self, (void)scratch;
    const http_head *head = record->head;
    buffer *to = &access_state.scratch;
    if (head->method.length == 0 || head->target.length == 0)
        return nothing;
    buffer_clear(to);
    if (buffer_reserve(to, head->method.length + head->target.length + 16) != HUB_OK)
        return nothing;
    buffer_append(to, head->method.data, head->method.length);
    buffer_append(to, " ", 1);
    buffer_append(to, head->target.data, head->target.length);
    buffer_append(to, head->minor ? " HTTP/1.1" : " HTTP/1.0", 9);
    return buffer_bytes(to);
}

/* ---- lines ---- */

/* A byte that stands for itself, quoted or not. */
static bool is_plain(unsigned char c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static void put_text(buffer *to, hub_bytes value)
{
    const char *text = value.data;
    char *out = to->data + to->length;
    for (size_t i = 0; i < value.length;) {
        if (is_plain((unsigned char)text[i])) {
            *out++ = text[i++];
            continue;
        }
        if (text[i] == '"' || text[i] == '\\') {
            *out++ = '\\';
            *out++ = text[i++];
            continue;
        }
        size_t character = escape_utf8_length(text + i, value.length - i);
        character = character ? character : 1;
        out += escape_text(out, 4 * character + 1, text + i, character);
        i += character;
    }
    to->length = (size_t)(out - to->data);
}

static bool add_text(buffer *to, const access_record *record)
{
    for (size_t i = 0; i < access_state.count; i++) {
        const step *at = &access_state.steps[i];
        char scratch[SCRATCH];
        if (!at->value) {
            if (buffer_append(to, at->text, at->length) != HUB_OK)
                return false;
            continue;
        }
        hub_bytes value = at->value(at, record, scratch);
        if (buffer_reserve(to, 4 * value.length + 8) != HUB_OK)
            return false;
        if (value.data)
            put_text(to, value);
        else
            buffer_append(to, "-", 1);
    }
    return buffer_append(to, "\n", 1) == HUB_OK;
}

static void put_json(buffer *to, const char *key, hub_bytes value, bool is_number)
{
    buffer_append_text(to, ",\"");
    buffer_append_text(to, key);
    buffer_append_text(to, "\":");
    if (!value.data) {
        buffer_append_text(to, "null");
    } else if (is_number) {
        buffer_append(to, value.data, value.length);
    } else {
        buffer_append(to, "\"", 1);
        to->length += escape_json(to->data + to->length, to->capacity - to->length, value.data, value.length);
        buffer_append(to, "\"", 1);
    }
}

static bool add_json(buffer *to, const access_record *record)
{
    char text[64];
    struct tm parts = {0};
    uint64_t now = clock_wall_ns();
    time_t second = (time_t)(now / CLOCK_NS_PER_S);
    gmtime_r(&second, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (buffer_printf(to, "{\"time\":\"%s.%03uZ\",\"log\":\"access\"", text,
                      (unsigned)(now % CLOCK_NS_PER_S / CLOCK_NS_PER_MS)) != HUB_OK)
        return false;
    for (size_t i = 0; i < access_state.count; i++) {
        const step *at = &access_state.steps[i];
        char scratch[SCRATCH];
        if (!at->value)
            continue;
        hub_bytes value = at->value(at, record, scratch);
        if (buffer_reserve(to, 6 * value.length + strlen(at->key) + 16) != HUB_OK)
            return false;
        put_json(to, at->key, value, at->number);
    }
    return buffer_append(to, "}\n", 2) == HUB_OK;
}

void access_add(const access_record *record)
{
    buffer *to = &access_state.lines;
    size_t from = to->length;
    bool added = access_state.options.json ? add_json(to, record) : add_text(to, record);
    if (!added) {
        to->length = from;
        access_state.dropped++;
        return;
    }
    if (access_state.options.to_syslog)
        syslog_send(HUB_INFO, "access", to->data + from, to->length - from - 1);
    if (access_state.options.fd < 0)
        to->length = from;
    else if (to->length > GATHER_MAX)
        access_flush(NULL);
}

/* ---- writing ---- */

static uint64_t count_lines(const char *data, size_t length)
{
    uint64_t lines = 0;
    for (const char *end; (end = memchr(data, '\n', length)); lines++) {
        length -= (size_t)(end + 1 - data);
        data = end + 1;
    }
    return lines;
}

/* Once for many: a reader that is slow would fill one log because of the other. */
static void say_dropped(const char *why)
{
    uint64_t now = clock_monotonic_ns();
    if (access_state.dropped == access_state.said ||
        (access_state.said_ns && now - access_state.said_ns < SAY_AGAIN_NS))
        return;
    log_warning("%llu line(s) of the access log were dropped%s%s",
                (unsigned long long)(access_state.dropped - access_state.said), why ? ": " : "",
                why ? why : "");
    access_state.said = access_state.dropped;
    access_state.said_ns = now;
}

/* What a pipe takes whole or not at all (pipe(7)), up to the end of a line. */
static size_t piece_of(const char *data, size_t length)
{
    if (!access_state.stream || length <= PIPE_BUF)
        return length;
    const char *end = memrchr(data, '\n', PIPE_BUF);
    if (!end)
        end = memchr(data, '\n', length);
    return end ? (size_t)(end + 1 - data) : length;
}

static ssize_t put_out(const char *data, size_t length)
{
    ssize_t written;
    do
        written = access_state.socket
                      ? send(access_state.options.fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : write(access_state.options.fd, data, length);
    while (written < 0 && errno == EINTR);
    return written;
}

bool access_flush(void *arg)
{
    (void)arg;
    buffer *from = &access_state.lines;
    size_t at = access_state.cut ? 0 : 1;
    if (from->length <= 1)
        return false;
    const char *why = NULL;
    while (at < from->length) {
        size_t wanted = piece_of(from->data + at, from->length - at);
        ssize_t written = put_out(from->data + at, wanted);
        if (written == (ssize_t)wanted) {
            at += wanted;
            access_state.cut = false;
            continue;
        }
        why = written < 0 ? strerror(errno) : "there is no room";
        if (written > 0) {
            at += (size_t)written;
            access_state.cut = from->data[at - 1] != '\n';
        }
        size_t left_at = at ? at : 1; /* the newline in front ends no line of these */
        access_state.dropped += count_lines(from->data + left_at, from->length - left_at);
        break;
    }
    from->length = 1;
    if (access_state.dropped != access_state.said)
        say_dropped(why);
    return false;
}

uint64_t access_dropped(void)
{
    return access_state.dropped;
}

/* ---- open and close ---- */

static bool is_field(const char *variable, char *to, size_t capacity)
{
    bool named = strncmp(variable, "HTTP_", 5) == 0;
    if (!named && strcmp(variable, "CONTENT_TYPE") != 0 && strcmp(variable, "CONTENT_LENGTH") != 0)
        return false;
    snprintf(to, capacity, "%s", variable + (named ? 5 : 0));
    for (char *at = to; *at; at++)
        if (*at == '_')
            *at = '-';
    return true;
}

/* What of a variable is told by the request, by the names that CGI gave (RFC 3875); all others are those of
 * the worker's environment. */
static hub_status resolve_variable(step *to)
{
    static const struct {
        const char *name;
        value_of value;
    } of_request[] = {
        {"REQUEST_METHOD", method}, {"PATH_INFO", path},
        {"QUERY_STRING", query},    {"SERVER_PROTOCOL", protocol_name},
        {"REMOTE_ADDR", client},    {"REQUEST_URI", target},
        {"RAW_URI", target},
    };
    char name[128];
    const char *replaced = NULL;
    for (size_t i = 0; i < sizeof of_request / sizeof *of_request; i++)
        if (strcmp(of_request[i].name, to->text) == 0) {
            to->value = of_request[i].value;
            return HUB_OK;
        }
    if (is_field(to->text, name, sizeof name)) {
        to->value = field;
        replaced = name;
    } else if ((replaced = getenv(to->text))) {
        to->value = known;
    } else {
        return HUB_OK; /* and stays none */
    }
    char *copy = strdup(replaced);
    if (!copy)
        return HUB_ENOMEM;
    free(to->text);
    to->text = copy;
    to->length = strlen(copy);
    return HUB_OK;
}

/* "{name}i" */
static char *key_of(const access_step *from)
{
    size_t room = 2 * from->length + 8;
    char *key = malloc(room);
    if (!key)
        return NULL;
    size_t used = (size_t)snprintf(key, room, "{");
    used += escape_json(key + used, room - used - 3, from->text, from->length);
    snprintf(key + used, room - used, "}%c", from->atom);
    return key;
}

static hub_status compile(step *to, const access_step *from)
{
    char process[24];
    const char *text = from->text;
    size_t length = from->length;
    const atom *what = NULL;
    for (size_t i = 0; from->atom && i < sizeof atoms / sizeof *atoms; i++)
        if (atoms[i].letter == from->atom)
            what = &atoms[i];
    if (what && what->name) {
        text = what->name;
        length = strlen(text);
    } else if (from->atom == 'p') {
        text = process;
        length = (size_t)snprintf(process, sizeof process, "<%ld>", (long)getpid());
    }
    to->text = strndup(text, length);
    to->length = length;
    if (!to->text)
        return HUB_ENOMEM;
    if (!what)
        return HUB_OK;
    to->value = what->value;
    to->number = what->number;
    to->key = what->key ? strdup(what->key) : key_of(from);
    if (!to->key)
        return HUB_ENOMEM;
    access_wants_answer |= from->atom == 'o';
    return from->atom == 'e' ? resolve_variable(to) : HUB_OK;
}

static hub_status compile_all(const char *format)
{
    access_step from;
    size_t count = 0;
    for (const char *rest = format; access_format_next(&rest, &from) == ACCESS_FORMAT_STEP;)
        count++;
    access_state.steps = calloc(count + 1, sizeof *access_state.steps);
    if (!access_state.steps)
        return HUB_ENOMEM;
    hub_status result = HUB_OK;
    for (const char *rest = format;
         result == HUB_OK && access_format_next(&rest, &from) == ACCESS_FORMAT_STEP;)
        result = compile(&access_state.steps[access_state.count++], &from);
    return result;
}

hub_status access_open(const access_options *options, error *why)
{
    struct stat kind;
    if (options->fd < 0 && !options->to_syslog)
        return HUB_OK;
    access_state.options = *options;
    if (options->fd >= 0 && fstat(options->fd, &kind) == 0) {
        access_state.stream = !S_ISREG(kind.st_mode);
        access_state.socket = S_ISSOCK(kind.st_mode);
    }
    hub_status result = compile_all(options->format);
    if (result == HUB_OK)
        result = buffer_append(&access_state.lines, "\n", 1);
    if (result == HUB_OK)
        result = loop_add_step(LOOP_BEFORE_POLL, "access log", access_flush, NULL);
    if (result != HUB_OK) {
        access_close();
        return error_set(why, result, "access log: %s", hub_status_text(result));
    }
    access_on = true;
    return HUB_OK;
}

void access_close(void)
{
    if (access_on)
        access_flush(NULL);
    if (access_state.dropped != access_state.said) {
        access_state.said_ns = 0;
        say_dropped(NULL);
    }
    for (size_t i = 0; i < access_state.count; i++) {
        free(access_state.steps[i].text);
        free(access_state.steps[i].key);
    }
    free(access_state.steps);
    buffer_free(&access_state.lines);
    buffer_free(&access_state.scratch);
    memset(&access_state, 0, sizeof access_state);
    access_state.options.fd = -1;
    access_on = access_wants_answer = false;
}
