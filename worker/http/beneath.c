/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ATTEMPTS = 8, OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

static int open_by_kernel(int root, const char *path)
{
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* Name by name; each is looked up in a directory that was itself reached so. */
static int open_by_steps(int root, const char *path)
{
    int at = root;
    for (;;) {
        char name[NAME_MAX + 1];
        path += strspn(path, "/");
        size_t length = strcspn(path, "/");
        const char *next = path + length;
        int fd = -1;
        if (length > NAME_MAX) {
            errno = ENAMETOOLONG;
        } else {
            memcpy(name, path, length);
            name[length] = '\0';
            fd = openat(at, name,
                        *next ? O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC : OPEN_FLAGS | O_NOFOLLOW);
        }
        if (at != root) {
            int kept = errno;
            close(at);
            errno = kept;
        }
        if (fd < 0 || !*next)
            return fd;
        at = fd;
        path = next;
    }
}

int beneath_open(int root, const char *path)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        int fd = open_by_kernel(root, path);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR && errno != ENOSYS && errno != EPERM))
            return fd;
        if (errno == ENOSYS || errno == EPERM)
            return open_by_steps(root, path);
    }
    return -1; /* names along the path are moved all the time (EAGAIN) */
}
