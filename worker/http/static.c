/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/static.h"

#include "worker/http/beneath.h"
#include "worker/http/coding.h"
#include "worker/http/conditional.h"
#include "worker/http/contents.h"
#include "worker/http/date.h"
#include "worker/http/exchange.h"
#include "worker/http/mime.h"
#include "worker/http/percent.h"
#include "worker/http/range.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, ENDING_ROOM = 16 }; /* the latter for "index.html.br" */

struct static_root {
    int fd;
    char cache[32]; /* the Cache-Control of all files */
};

/* A file that was opened to be sent. */
typedef struct found {
    int fd;
    struct stat info;
    coding coded;
    const char *type;
    validators validators;
} found;

hub_status static_open(static_root **root, const char *directory, unsigned cache_seconds, error *why)
{
    int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(why, HUB_ENOENT, "cannot serve files of '%s': %s", directory, strerror(errno));
    *root = malloc(sizeof **root);
    if (!*root) {
        close(fd);
        return error_set(why, HUB_ENOMEM, "cannot serve files of '%s': no memory", directory);
    }
    (*root)->fd = fd;
    if (cache_seconds)
        snprintf((*root)->cache, sizeof(*root)->cache, "max-age=%u", cache_seconds);
    else
        snprintf((*root)->cache, sizeof(*root)->cache, "no-cache");
    return HUB_OK;
}

void static_close(static_root *root)
{
    if (!root)
        return;
    close(root->fd);
    free(root);
}

/* ---- the path ---- */

/*
 * The request's path as one below the root: decoded segment by segment. False for what cannot name a file: an
 * encoded slash or NUL, dot segments, a name that is too long.
 */
static bool file_path(hub_bytes raw, char path[PATH_ROOM])
{
    const char *at = raw.data, *end = at + raw.length;
    size_t length = 0;
    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        hub_bytes segment = hub_bytes_of(at, (size_t)((slash ? slash : end) - at));
        size_t decoded = 0;
        if (length + segment.length + 2 > PATH_ROOM)
            return false;
        if (percent_decode(segment, path + length, &decoded) != PERCENT_OK)
            return false;
        const char *name = path + length;
        if (memchr(name, '/', decoded) || (decoded == 1 && name[0] == '.') ||
            (decoded == 2 && name[0] == '.' && name[1] == '.'))
            return false;
        length += decoded;
        if (!slash)
            break;
        path[length++] = '/';
        at = slash + 1;
    }
    path[length] = '\0';
    /* Empty segments in front would make it absolute. */
    return path[0] != '/';
}

/* ---- answers without a file ---- */

static hub_status not_found(hub_http *http)
{
    return http_refuse(http, 404, "there is nothing here", NULL);
}

static hub_status cannot_open(hub_http *http, int problem)
{
    if (problem == EMFILE || problem == ENFILE || problem == ENOMEM)
        return http_refuse(http, 503, "the server is busy", "Retry-After: 1\r\n");
    return not_found(http);
}

/* A directory without its slash: relative links of its page would lead elsewhere. */
static hub_status add_slash(hub_http *http)
{
    buffer location = {0};
    hub_bytes path = hub_http_path(http), query = http->head.query;
    hub_status status = HUB_OK;
    /* Two slashes in front would name another host (RFC 3986, 4.2). */
    while (path.length > 1 && ((const char *)path.data)[1] == '/')
        path = hub_bytes_of((const char *)path.data + 1, path.length - 1);
    if (buffer_append(&location, path.data, path.length) != HUB_OK ||
        buffer_append(&location, "/", 1) != HUB_OK)
        status = HUB_ENOMEM;
    if (status == HUB_OK && query.data && buffer_append(&location, "?", 1) == HUB_OK)
        status = buffer_append(&location, query.data, query.length);
    if (status == HUB_OK)
        status = hub_http_set(http, "Location", buffer_bytes(&location));
    buffer_free(&location);
    return status == HUB_OK ? http_refuse(http, 301, "the directory's page is at its name with a slash", NULL)
                            : status;
}

/* ---- the file, or one of its codings ---- */

/* What lies ready in a coding, beside the file. `path` has room for its ending and is as it was after. */
static bool open_coded(const static_root *root, char *path, coding which, found *file)
{
    static const char *const endings[CODINGS] = {".br", ".gz", ""};
    size_t length = strlen(path);
    found coded = {.coded = which};
    strcpy(path + length, endings[which]);
    coded.fd = beneath_open(root->fd, path);
    path[length] = '\0';
    if (coded.fd < 0)
        return false;
    if (fstat(coded.fd, &coded.info) < 0 || !S_ISREG(coded.info.st_mode)) {
        close(coded.fd);
        return false;
    }
    close(file->fd);
    *file = coded;
    return true;
}

/* Replaces the file by the coding of it that the client likes best. False: it accepts none that is there. */
static bool choose_coding(const hub_http *http, const static_root *root, char *path, found *file)
{
    coding order[CODINGS];
    size_t count;
    coding_order(&http->head, order, &count);
    for (size_t i = 0; i < count; i++)
        if (order[i] == CODING_IDENTITY || open_coded(root, path, order[i], file))
            return true;
    return false;
}

/* As time(2) of the Date field reads: never ahead of it. */
static struct timespec coarse_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now;
}

static void validate(found *file)
{
    static const char *const marks[CODINGS] = {"-br", "-gz", ""};
    validators_of(&file->validators, &file->info, marks[file->coded], coarse_now());
}

/* ---- what is said of a file ---- */

enum { FIELDS_ROOM = 512 }; /* for all of a file's */

/* What a cache needs to know, also of a 304 (15.4.5). */
static hub_status add_cache_fields(hub_http *http, const static_root *root, const found *file)
{
    buffer *out = &http->fields_out;
    if (buffer_reserve(out, FIELDS_ROOM) != HUB_OK)
        return HUB_ENOMEM; /* with the room, none of the following can fail */
    buffer_append_text(out, "ETag: ");
    buffer_append_text(out, file->validators.etag);
    buffer_append_text(out, "\r\nCache-Control: ");
    buffer_append_text(out, root->cache);
    return buffer_append_text(out, "\r\nVary: Accept-Encoding\r\n");
}

static hub_status add_file_fields(hub_http *http, const static_root *root, const found *file)
{
    buffer *out = &http->fields_out;
    char modified[DATE_LENGTH + 1];
    if (add_cache_fields(http, root, file) != HUB_OK)
        return HUB_ENOMEM;
    date_format(file->validators.modified, modified);
    buffer_append_text(out, "Last-Modified: ");
    buffer_append(out, modified, DATE_LENGTH);
    buffer_append_text(out, "\r\nAccept-Ranges: bytes\r\n");
    if (file->coded == CODING_IDENTITY)
        return HUB_OK;
    buffer_append_text(out, "Content-Encoding: ");
    buffer_append_text(out, coding_name(file->coded));
    return buffer_append_text(out, "\r\n");
}

/* ---- sending: these take the descriptor over ---- */

static hub_status send_not_modified(hub_http *http, const static_root *root, const found *file)
{
    close(file->fd);
    hub_status status = add_cache_fields(http, root, file);
    return status == HUB_OK ? hub_http_reply(http, 304, NULL, hub_bytes_of(NULL, 0)) : status;
}

static hub_status send_whole(hub_http *http, const found *file)
{
    chunk *contents = contents_of(file->fd, &file->info, coarse_now());
    if (!contents)
        return http_reply_file(http, 200, file->type, file->fd, 0, (size_t)file->info.st_size);
    close(file->fd);
    return http_reply_chunk(http, 200, file->type, contents);
}

static hub_status send_part(hub_http *http, const found *file, const byte_range *part)
{
    hub_status status =
        buffer_printf(&http->fields_out, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
                      part->first, part->first + part->length - 1, (uint64_t)file->info.st_size);
    if (status != HUB_OK) {
        close(file->fd);
        return status;
    }
    return http_reply_file(http, 206, file->type, file->fd, (off_t)part->first, (size_t)part->length);
}

enum { BOUNDARY_ROOM = 33, PART_HEAD_ROOM = 256 };

/* Nobody who writes a file can know it, so that no file can hold it but by a chance of 2^-128. */
static bool make_boundary(char boundary[BOUNDARY_ROOM])
{
    unsigned char random[(BOUNDARY_ROOM - 1) / 2];
    if (getrandom(random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
        return false;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(boundary + 2 * i, 3, "%02x", random[i]);
    return true;
}

/* A descriptor for each part; the first has the file's own. On failure the file's is left as it was. */
static bool share_descriptor(int fd, http_piece *pieces, size_t count)
{
    pieces[0].fd = fd;
    for (size_t i = 1; i < count; i++) {
        pieces[i].fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (pieces[i].fd >= 0)
            continue;
        while (--i > 0)
            close(pieces[i].fd);
        return false;
    }
    return true;
}

/* Several parts are rare: they must not cost every file's stack the room for their heads. */
__attribute__((noinline)) static hub_status send_parts(hub_http *http, const found *file,
                                                       const byte_range *parts, size_t count)
{
    char boundary[BOUNDARY_ROOM], type[64];
    char(*texts)[PART_HEAD_ROOM] = malloc((count + 1) * sizeof *texts);
    http_piece pieces[RANGES_MAX + 1];
    /* A server may always answer with the whole (14.2). */
    if (!texts || !make_boundary(boundary) || !share_descriptor(file->fd, pieces, count)) {
        free(texts);
        return send_whole(http, file);
    }
    for (size_t i = 0; i < count; i++) {
        int length = snprintf(texts[i], PART_HEAD_ROOM,
                              "%s--%s\r\nContent-Type: %s\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64
                              "/%" PRIu64 "\r\n\r\n",
                              i ? "\r\n" : "", boundary, file->type, parts[i].first,
                              parts[i].first + parts[i].length - 1, (uint64_t)file->info.st_size);
        pieces[i].text = hub_bytes_of(texts[i], (size_t)length);
        pieces[i].offset = (off_t)parts[i].first;
        pieces[i].length = (size_t)parts[i].length;
    }
    int length = snprintf(texts[count], PART_HEAD_ROOM, "\r\n--%s--\r\n", boundary);
    pieces[count] = (http_piece){.text = hub_bytes_of(texts[count], (size_t)length), .fd = -1};
    snprintf(type, sizeof type, "multipart/byteranges; boundary=%s", boundary);
    hub_status status = http_reply_pieces(http, 206, type, pieces, count + 1);
    free(texts);
    return status;
}

static hub_status send_unsatisfiable(hub_http *http, const found *file)
{
    char extra[96];
    close(file->fd);
    snprintf(extra, sizeof extra, "Content-Range: bytes */%" PRIu64 "\r\nAccept-Ranges: bytes\r\n",
             (uint64_t)file->info.st_size);
    return http_refuse(http, 416, "the file has none of the ranges", extra);
}

/* Step 5 of 13.2.2. Ranges are defined for GET alone (14.2). */
static range_result asked_ranges(const hub_http *http, const found *file, byte_range parts[RANGES_MAX],
                                 size_t *count)
{
    const http_head *head = &http->head;
    if (http_head_count(head, "range") != 1 || !hub_equal(head->method, hub_text("GET")) ||
        !condition_range(head, &file->validators))
        return RANGE_WHOLE;
    range_result result =
        range_parse(http_head_get(head, "range"), (uint64_t)file->info.st_size, parts, count);
    /* Content-Encoding would be read as that of the multipart body, which is not coded. */
    return *count > 1 && file->coded != CODING_IDENTITY ? RANGE_WHOLE : result;
}

static hub_status send_file(hub_http *http, const static_root *root, const found *file)
{
    byte_range parts[RANGES_MAX];
    size_t count = 0;
    range_result ranges = asked_ranges(http, file, parts, &count);
    if (ranges == RANGE_UNSATISFIABLE)
        return send_unsatisfiable(http, file);
    hub_status status = add_file_fields(http, root, file);
    if (status != HUB_OK) {
        close(file->fd);
        return status;
    }
    if (ranges == RANGE_WHOLE)
        return send_whole(http, file);
    return count == 1 ? send_part(http, file, parts) : send_parts(http, file, parts, count);
}

static hub_status answer(hub_http *http, const static_root *root, const found *file)
{
    switch (condition_check(&http->head, &file->validators)) {
    case CONDITION_NOT_MODIFIED:
        return send_not_modified(http, root, file);
    case CONDITION_FAILED:
        close(file->fd);
        return http_refuse(http, 412, "the file is not as the request's conditions want it", NULL);
    case CONDITION_HOLDS:
        break;
    }
    return send_file(http, root, file);
}

hub_status static_serve(hub_http *http, void *arg)
{
    const static_root *root = arg;
    char path[PATH_ROOM + ENDING_ROOM];
    hub_bytes below = router_parameter(&http->match, "*");
    if (!below.data)
        return add_slash(http); /* the prefix itself */
    if (!file_path(below, path))
        return not_found(http);
    size_t length = strlen(path);
    bool directory_asked = length == 0 || path[length - 1] == '/';
    if (directory_asked)
        strcpy(path + length, "index.html");

    found file = {.fd = beneath_open(root->fd, path), .coded = CODING_IDENTITY};
    if (file.fd < 0)
        return cannot_open(http, errno);
    if (fstat(file.fd, &file.info) < 0 || !(S_ISREG(file.info.st_mode) || S_ISDIR(file.info.st_mode))) {
        close(file.fd);
        return not_found(http);
    }
    if (S_ISDIR(file.info.st_mode)) {
        close(file.fd);
        return directory_asked ? not_found(http) : add_slash(http);
    }
    if (!choose_coding(http, root, path, &file)) {
        close(file.fd);
        return http_refuse(http, 406, "the file is in none of the accepted codings",
                           "Vary: Accept-Encoding\r\n");
    }
    file.type = mime_type(hub_text(path));
    validate(&file);
    return answer(http, root, &file);
}
