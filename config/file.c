/* SPDX-License-Identifier: Apache-2.0 */
#include "common/buffer.h"
#include "config/readers.h"
#include "config/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <strings.h>
#include <unistd.h>

typedef hub_status (*reader)(config *values, const char *path, const char *data, size_t length,
                             error *failure);

static const struct ending {
    const char *text;
    reader read;
} endings[] = {
    {".ini", ini_read}, {".conf", ini_read}, {".cfg", ini_read}, {".yaml", yaml_read}, {".yml", yaml_read},
};

static reader reader_for(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++)
        if (strcasecmp(dot, endings[i].text) == 0)
            return endings[i].read;
    return NULL;
}

static hub_status cannot_read(const char *path, int reason, error *failure)
{
    return error_set(failure, HUB_ENOENT, "%s: cannot be read: %s; check the path that -c gives", path,
                     strerror(reason));
}

/* A relative path is meant from the folder; NULL: from where the process works. */
static int open_from(const char *folder, const char *path)
{
    char whole[PATH_MAX];
    bool as_it_is = path[0] == '/' || !folder;
    int length = snprintf(whole, sizeof whole, "%s%s%s", as_it_is ? "" : folder, as_it_is ? "" : "/", path);
    if (length >= (int)sizeof whole) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(whole, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

/* The whole file, up to one byte more than it may have. */
static hub_status read_all(const char *folder, const char *path, buffer *to, error *failure)
{
    int fd = open_from(folder, path);
    if (fd < 0)
        return cannot_read(path, errno, failure);
    hub_status status = HUB_OK;
    while (to->length <= READERS_FILE_MAX) {
        status = buffer_reserve(to, 16384);
        if (status != HUB_OK) {
            error_set(failure, status, "%s: no memory to read it", path);
            break;
        }
        ssize_t got = read(fd, to->data + to->length, 16384);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = cannot_read(path, errno, failure);
        if (got <= 0)
            break;
        to->length += (size_t)got;
    }
    close(fd);
    if (status == HUB_OK && to->length > READERS_FILE_MAX)
        status =
            error_set(failure, HUB_EINVAL, "%s: is larger than the 1M that a configuration may have", path);
    return status;
}

hub_status file_read(config *values, const char *path, error *failure)
{
    reader read_text = reader_for(path);
    if (!read_text)
        return error_set(
            failure, HUB_EINVAL,
            "%s: is of no known kind; the name must end with .ini, .conf or .cfg (INI), or .yaml or "
            ".yml (YAML)",
            path);
    values->file = strdup(path);
    if (!values->file)
        return error_set(failure, HUB_ENOMEM, "%s: no memory to read it", path);
    buffer text = {0};
    hub_status status = read_all(values->folder, path, &text, failure);
    if (status == HUB_OK)
        status = read_text(values, path, text.data, text.length, failure);
    buffer_free(&text);
    return status;
}
