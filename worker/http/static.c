/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/static.h"

#include "worker/http/date.h"
#include "worker/http/exchange.h"
#include "worker/http/mime.h"
#include "worker/http/percent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PATH_ROOM = 4096 };

struct static_root {
    int fd;
};

hub_status static_open(static_root **root, const char *directory, error *why)
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
    return HUB_OK;
}

void static_close(static_root *root)
{
    if (!root)
        return;
    close(root->fd);
    free(root);
}

/* The kernel keeps the look-up below the root, links and races included (openat2(2), RESOLVE_BENEATH). */
static int open_beneath(int root, const char *path, unsigned flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

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

static hub_status not_found(hub_http *http)
{
    return http_refuse(http, 404, "there is nothing here", NULL);
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

static bool not_modified(hub_http *http, time_t modified)
{
    hub_bytes since = hub_http_header(http, "If-Modified-Since");
    int64_t then;
    return since.data && date_parse(since, time(NULL), &then) && modified <= then;
}

static hub_status send_file(hub_http *http, int fd, const struct stat *file, const char *path)
{
    char modified[DATE_LENGTH + 1];
    date_format(file->st_mtime, modified);
    hub_status status = hub_http_set(http, "Last-Modified", hub_text(modified));
    if (status != HUB_OK || not_modified(http, file->st_mtime)) {
        close(fd);
        return status == HUB_OK ? hub_http_reply(http, 304, NULL, hub_bytes_of(NULL, 0)) : status;
    }
    return http_reply_file(http, 200, mime_type(hub_text(path)), fd, 0, (size_t)file->st_size);
}

hub_status static_serve(hub_http *http, void *arg)
{
    const static_root *root = arg;
    char path[PATH_ROOM + 16];
    hub_bytes below = router_parameter(&http->match, "*");
    if (!below.data)
        return add_slash(http); /* the prefix itself */
    if (!file_path(below, path))
        return not_found(http);
    size_t length = strlen(path);
    bool directory_asked = length == 0 || path[length - 1] == '/';
    if (directory_asked)
        strcpy(path + length, "index.html");

    int fd = open_beneath(root->fd, path, O_RDONLY);
    struct stat file;
    if (fd < 0)
        return not_found(http);
    if (fstat(fd, &file) < 0 || !(S_ISREG(file.st_mode) || S_ISDIR(file.st_mode))) {
        close(fd);
        return not_found(http);
    }
    if (S_ISDIR(file.st_mode)) {
        close(fd);
        return directory_asked ? not_found(http) : add_slash(http);
    }
    return send_file(http, fd, &file, path);
}
